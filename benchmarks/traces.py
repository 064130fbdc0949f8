"""The labelled real traces for `benchmarks.detection`: reading them, and rises put into their noise.

The 25 traces (RIPE Atlas, 2016, a sample in four minutes) are no part of this repository. Their directory is
given, or named by MUSTER_TRACES, or `shared/data/rtt-labelled` beside the checkout. A *relevant* degradation
is a change to a segment of at least 15 samples whose median is at least 10 % and 10 ms over that of the one
before; a *slight* one at least 5 % and 5 ms for 5 samples; the first 360 samples are for warming up.
"""

from __future__ import annotations

import csv
import gzip
import math
import os
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from benchmarks._detection_scoring import Event, Series

WARM = 360
FORMATS = ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M")
KINDS = ("step", "noisy", "stair", "dip", "soon again")
SHARES = (0.11, 0.14, 0.18, 0.25, 0.4)
Segment = tuple[int, int, float]


def directory(given: Path | None) -> Path | None:
    """Return where the traces are, None where they are not."""
    named = os.environ.get("MUSTER_TRACES")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "rtt-labelled"
    place = given or (Path(named) if named else beside)
    return place if any(place.glob("*.csv*")) else None


def load(place: Path) -> list[Series]:
    """Return all traces of a directory."""
    return [_read(path) for path in sorted(place.glob("*.csv*"))]


def _read(path: Path) -> Series:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    rows = list(csv.DictReader(text.splitlines(), delimiter=";"))
    values = [float(row["rtt"]) if float(row["rtt"]) >= 0 else None for row in rows]
    marked = [index for index, row in enumerate(rows) if index and float(row["cp"])]
    parts = segments(values, marked)
    return Series(
        name=path.name.split(".")[0],
        times=[_epoch(row["epoch"]) for row in rows],
        values=values,
        events=tuple(Event(at, end, "relevant", rise) for at, end, rise in _rises(parts, 15, 0.10, 10.0)),
        warm=WARM,
        true_base=parts[0][2],
        changes=tuple(marked),
        slight=tuple(at for at, _, _ in _rises(parts, 5, 0.05, 5.0)),
    )


def _epoch(text: str) -> float:
    for form in FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    raise ValueError(f"no known form of time: {text!r}")


def segments(values: Sequence[float | None], marked: Sequence[int]) -> list[Segment]:
    """Return start, end and median (NaN where nothing was measured) between the labelled changes."""
    bounds = [0, *marked, len(values)]
    return [(a, b, _median(values[a:b])) for a, b in pairwise(bounds)]


def _median(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else math.nan


def _rises(parts: Sequence[Segment], least: int, share: float, ms: float) -> list[Segment]:
    return [
        (start, end, level - before)
        for (_, _, before), (start, end, level) in pairwise(parts)
        if end - start >= least and level - before >= max(share * before, ms)
    ]


def injected(trace: Series, seed: int) -> Series:
    """Return the trace with rises of five kinds put into its stable stretches; only those count as events.

    Each is at least 11 % and 11 ms and lasts from 15 to 120 samples. This is what the detector was tuned on.
    """
    rng = random.Random(f"{seed}/{trace.name}")
    values = list(trace.values)
    events: list[Event] = []
    for start, end, level in segments(trace.values, trace.changes):
        at = max(start + 40, WARM + 40) + rng.randrange(100)
        while not math.isnan(level):
            length = int(math.exp(rng.uniform(math.log(15), math.log(120))))
            if at + 3 * length + 25 > end:
                break
            share = rng.choice(SHARES)
            events += _inject(values, at, length, max(share, 11 / level) * level, rng)
            at += 3 * length + rng.randrange(200, 450)
    return replace(trace, values=values, events=tuple(events), slight=())


def _inject(values: list[float | None], at: int, length: int, size: float, rng: random.Random) -> list[Event]:
    kind = rng.choice(KINDS)
    end = at + length
    if kind == "dip":
        _add(values, at, end, [-size / 1.2] * length)
        return [Event(end, end + length, kind, size)]
    if kind == "noisy":
        _add(values, at, end, [size * _rough(rng) for _ in range(length)])
        return [Event(at, end, kind, size)]
    _add(values, at, end, [size] * length)
    first = Event(at, end, "step", size)
    if kind == "step":
        return [first]
    later, more = (end, 2.2 * size) if kind == "stair" else (end + rng.randrange(12, 40), size)
    _add(values, later, later + length, [more] * length)
    return [first, Event(later, later + length, kind, size)]


def _rough(rng: random.Random) -> float:
    """Seven samples of ten are high."""
    return rng.uniform(0.9, 1.5) if rng.random() < 0.72 else rng.uniform(0.0, 0.8)


def _add(values: list[float | None], start: int, end: int, by: Sequence[float]) -> None:
    for index, more in zip(range(start, end), by, strict=True):
        value = values[index]
        if value is not None:
            values[index] = max(0.1, value + more)
