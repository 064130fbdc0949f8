"""The round trip time of a line that a transfer fills, beside that of the same line at rest.

Echoes of a session of their own run beside each transfer, as ordinary traffic (no DSCP). They are timed from
kernel to kernel with the queues of both ends' devices, so that how busy the monitor is makes no difference,
and so that the queue of a router on which the reflector itself runs is seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass, field
from statistics import median

from probes.errors import ProtocolViolated
from probes.network._rate_params import Direction
from probes.network._reflect_echo import EchoSent
from probes.network._reflect_session import Session

INTERVAL_S, LEAST_INTERVAL_S = 0.050, 0.010
WANTED = 40
"""Echoes beside a transfer: where it is short they are sent more often than every `INTERVAL_S`."""
REST_S = 1.0
"""How long the line at rest is looked at."""
RAMP_S, RAMP_RTTS = 0.25, 6
"""A transfer fills the line only after this long, or after so many round trips."""
ANSWER_S = 3.0
"""An echo that is not answered within this time is lost."""
LEAST_ECHOES = 10
"""With fewer answered there is no figure."""
LEAST_SHARE, LEAST_QUEUED_SHARE, QUEUED = 0.8, 0.3, 2.0
"""A line is full when a transfer moves at least this share of what it carries; or less (what a lost segment
holds back is not counted), where round trips are a multiple of those at rest: only a full line queues."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Echoes at rest, or beside one transfer: round trips in ms of those answered, and how many were lost."""

    rtts: tuple[float, ...]
    lost: int = 0

    @property
    def median(self) -> float | None:
        """The median, in which a lost echo is slower than all; None with too few, or too many lost."""
        if len(self.rtts) < LEAST_ECHOES:
            return None
        found = median([*self.rtts, *[math.inf] * self.lost])
        return found if math.isfinite(found) else None


@dataclass(frozen=True, slots=True)
class Load:
    """One direction under load; `share` is the transfer's part of what the line carries, None: not known."""

    burst: Burst
    share: float | None

    def why_not(self, rest_ms: float | None) -> str:
        """Why this tells nothing of the line under load, or empty; `rest_ms` is the round trip at rest."""
        if self.share is None:
            return "what the line carries is not known, so nothing shows that it was full"
        queued = rest_ms is not None and (self.burst.median or 0.0) >= QUEUED * rest_ms
        if self.share < (LEAST_QUEUED_SHARE if queued else LEAST_SHARE):
            return f"the transfer moved only {100 * self.share:.0f} % of what the line carries"
        if self.burst.median is None:
            return f"only {len(self.burst.rtts)} echoes were answered, {self.burst.lost} were lost"
        return ""


@dataclass(slots=True)
class UnderLoad:
    """What a run found out: the line at rest, and each of the directions it wanted to load."""

    wanted: tuple[Direction, ...] = ()
    rest: Burst | None = None
    loads: dict[Direction, Load] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """Return the metrics; those of the worse direction only where all that were wanted are known."""
        found: dict[str, float] = {}
        rest = self.rest.median if self.rest else None
        if rest is not None:
            found["rtt_idle_ms"] = rest
        for way, load in self.loads.items():
            if not load.why_not(rest) and load.burst.median is not None:
                found[f"rtt_loaded_{way}_ms"] = load.burst.median
        found |= self._losses()
        known = [found[name] for way in self.wanted if (name := f"rtt_loaded_{way}_ms") in found]
        if self.wanted and len(known) == len(self.wanted):
            found["rtt_loaded_ms"] = max(known)
            if rest:
                found["rtt_load_ratio"] = max(known) / rest
        return found

    def _losses(self) -> dict[str, float]:
        lost = sum(load.burst.lost for load in self.loads.values())
        sent = lost + sum(len(load.burst.rtts) for load in self.loads.values())
        return {"loss_loaded_pct": 100 * lost / sent} if sent else {}

    def facts(self) -> dict[str, str]:
        """Return what was loaded how well, or why it tells nothing."""
        if not self.wanted:
            return {}
        said = [f"{way}: {self._said(way)}" for way in self.wanted]
        if self.rest is not None and self.rest.median is None:
            said.append(f"at rest: only {len(self.rest.rtts)} echoes were answered")
        return {"under_load": "; ".join(said)}

    def _said(self, way: Direction) -> str:
        load = self.loads.get(way)
        if load is None:
            return "not measured"
        if why := load.why_not(self.rest.median if self.rest else None):
            return why
        return f"{len(load.burst.rtts)} echoes with {100 * (load.share or 0.0):.0f} % of the line in use"


def interval_s(most_bytes: int, line_bps: float | None) -> float:
    """Return the time between echoes beside a transfer of so many bytes, in seconds."""
    lasts = most_bytes * 8 / line_bps - RAMP_S if line_bps else math.inf
    return min(INTERVAL_S, max(LEAST_INTERVAL_S, lasts / WANTED))


class Company:
    """Sends echoes as long as it is entered; then `burst` tells what became of them."""

    def __init__(self, session: Session, interval: float) -> None:
        self._session, self._interval = session, interval
        self._echoes: list[EchoSent] = []
        self._begun_ns = self._ended_ns = 0
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> Company:
        self._begun_ns = time.perf_counter_ns()
        self._task = asyncio.create_task(self._send())
        return self

    def __exit__(self, *_: object) -> None:
        self._ended_ns = time.perf_counter_ns()
        if self._task is not None:
            self._task.cancel()

    async def _send(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                self._echoes.append(self._session.send_echo())
            await asyncio.sleep(self._interval)

    async def burst(self, until: float, skip_s: float = 0.0) -> Burst:
        """Wait for the last answers; leave out what was sent in the first `skip_s`.

        Raises `ProtocolViolated` for answers that no honest reflector gives.
        """
        over = min(until, time.perf_counter() + ANSWER_S)
        for echo in self._echoes:
            if self._session.violation or self._session.lost:
                break
            await self._session.answered(echo, over)
        if self._session.violation:
            raise ProtocolViolated(self._session.violation)
        return self._counted(int(skip_s * 1e9))

    def _counted(self, skip_ns: int) -> Burst:
        sent = [e for e in self._echoes if self._begun_ns + skip_ns <= e.sent_ns <= self._ended_ns]
        if self._session.lost or self._session.overflowed:
            sent = [echo for echo in sent if echo.answer is not None]
        rtts = [rtt for echo in sent if (rtt := echo.queued_rtt_ms) is not None]
        return Burst(tuple(rtts), sum(echo.answer is None and not echo.refused for echo in sent))
