"""The picture in a mail: drawn in a process of its own when the mail is delivered, or left out.

A mail never waits for its picture longer than `WHOLE_S`, the turn and the reading included: one picture is
drawn at a time, and what several recipients get is drawn once. After a failure no picture is tried for
`PAUSE_S`, so that a machine in trouble mails as quickly as ever. The readings shown are those begun before
the event, so that every attempt shows the same (but for what was under way at that moment).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.alerts.affected import Sketch
from monitor.store.api import OUTCOME_CODES, Window
from probes.api import clip

log = logging.getLogger(__name__)

WHOLE_S, PAUSE_S = 20.0, 300.0
MOST_BYTES = 400_000
MOST_MARKS = 600
GAP = 3.0
"""The line breaks where the next reading is this many times the usual distance away."""
KEPT = 16
_PASSED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "VIRTUAL_ENV")

Read = Callable[[str, str, float, float], Window]
"""Reads a check's metric in a window (`monitor.store.api.Evidence.window`); blocking."""


class NoPicture(Exception):  # noqa: N818 - reads better where it is raised
    """There is none, and why."""


@dataclass(slots=True)
class Painter:
    """Draws pictures. `folder` is where matplotlib keeps what it knows of the machine's fonts."""

    read: Read
    folder: Path
    program: tuple[str, ...] = (sys.executable, "-I", "-m", "monitor.alerts._draw")
    whole: float = WHOLE_S
    drawn: int = 0
    failed: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _kept: OrderedDict[tuple[str, str], bytes] = field(default_factory=OrderedDict)
    _not_before: float = 0.0

    async def paint(self, asked: str, language: str) -> bytes | None:
        """Return a PNG of a message's `picture`, or None where none could be made in time."""
        if not asked or asyncio.get_running_loop().time() < self._not_before:
            return None
        try:
            async with asyncio.timeout(self.whole), self._turn:
                return await self._once(asked, language)
        except (NoPicture, TimeoutError, OSError, ValueError, TypeError) as error:
            self.failed += 1
            self._not_before = asyncio.get_running_loop().time() + PAUSE_S
            why = str(error) or f"not drawn within {self.whole:g} s"
            log.warning("mails go without pictures for %.0f s: %s", PAUSE_S, clip(why, 300))
            return None

    async def _once(self, asked: str, language: str) -> bytes:
        key = (asked, language)
        if key not in self._kept:
            order = await asyncio.to_thread(self._order, Sketch.parse(asked), language)
            self._kept[key] = await self._draw(order)
            self.drawn += 1
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    def _order(self, sketch: Sketch, language: str) -> bytes:
        """Return what the process reads. Blocking."""
        self.folder.mkdir(parents=True, exist_ok=True)
        window = self.read(sketch.check, sketch.metric, sketch.start, sketch.until)
        return json.dumps({**asdict(sketch), "language": language, **series(window)}).encode()

    async def _draw(self, order: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *self.program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment(),
        )
        try:
            png, said = await process.communicate(order)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode or not png.startswith(b"\x89PNG") or len(png) > MOST_BYTES:
            last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise NoPicture(f"the drawing ended with {process.returncode}, {len(png)} bytes: {last}")
        return png

    def _environment(self) -> dict[str, str]:
        """Return a small environment: secrets may be in ours."""
        kept = {name: os.environ[name] for name in _PASSED if name in os.environ}
        kept |= {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
        return kept | {"MPLCONFIGDIR": str(self.folder), "OPENBLAS_NUM_THREADS": "1"}


def available() -> bool:
    """Tell whether pictures can be drawn here at all."""
    return find_spec("matplotlib") is not None


def series(window: Window) -> dict[str, list[Any]]:
    """Return what is drawn of a window: a bounded line, broken where nothing was measured, and failures."""
    times, values = _with_gaps(*_thinned(window.times, window.values))
    failed = window.times[window.outcomes == OUTCOME_CODES["failed"]]
    step = -(-len(failed) // MOST_MARKS) or 1
    return {
        "times": times.tolist(),
        "values": [None if np.isnan(value) else float(value) for value in values],
        "failed": failed[::step].tolist(),
    }


_Floats = NDArray[np.float64]


def _thinned(times: _Floats, values: _Floats) -> tuple[_Floats, _Floats]:
    """Keep of each of `MOST_MARKS` / 3 stretches the least, the greatest and one that is missing."""
    if len(times) <= MOST_MARKS:
        return times, values
    kept: set[int] = set()
    for stretch in np.array_split(np.arange(len(times)), MOST_MARKS // 3):
        missing = np.isnan(values[stretch])
        there, gone = stretch[~missing], stretch[missing]
        if len(there):
            kept |= {int(there[np.argmin(values[there])]), int(there[np.argmax(values[there])])}
        kept |= set(gone[:1].tolist())
    chosen = np.array(sorted(kept))
    return times[chosen], values[chosen]


def _with_gaps(times: _Floats, values: _Floats) -> tuple[_Floats, _Floats]:
    """Break the line also where there was no reading at all for long."""
    if len(times) < 2:
        return times, values
    distances = np.diff(times)
    after = np.flatnonzero(distances > GAP * np.median(distances)) + 1
    return np.insert(times, after, times[after - 1]), np.insert(values, after, np.nan)
