"""What the rest of the program knows of the store: readings in, evidence out; nothing of the engine.

Times are seconds since the epoch, UTC; windows are half open, `start <= t < end`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from probes.api import MetricDef, Reading

OUTCOME_CODES = {"ok": 0, "failed": 1, "error": 2, "not_run": 3}
"""How outcomes are numbered in a `Window` and in the stored samples."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The last attempt of a check, and its last measurement (ok or failed), which may be older."""

    attempt: Reading
    measurement: Reading | None


@dataclass(frozen=True, slots=True)
class Window:
    """All readings of one check in a window, in order of time, with one metric's values.

    `times` float64 seconds; `values` float64 in the metric's unit, NaN where the reading has none;
    `outcomes` uint8 by `OUTCOME_CODES`. The three have the same length.
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    outcomes: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket of a series for display."""

    at: float
    count: int
    minimum: float
    maximum: float
    mean: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class FactValue:
    """A fact's value and since when it has been seen."""

    name: str
    value: str
    since: float
    last_seen: float


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What `muster store info` shows."""

    path: str
    schema_version: int
    checks: int
    samples: int
    bytes: int
    oldest: float | None
    newest: float | None
    last_commit: float | None
    dropped: int
    days: Sequence[str] = field(default_factory=tuple)


class NoStore(RuntimeError):  # noqa: N818 - reads better where it is raised
    """There is no store in the directory."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a sink has read: everything up to commit `after`.

    Where the log of commits no longer reached back that far, the sink is catching up: of the commits up to
    `until` it still wants those of the days and groups of checks from `day` and `group` to `last_day`, of
    the group it is at those from a `span` of the day on, of 144.
    """

    after: int = 0
    until: int = 0
    day: int = 0
    group: int = 0
    last_day: int = 0
    span: int = 0

    def __str__(self) -> str:
        numbers = (self.after, self.until, self.day, self.group, self.last_day, self.span)
        return ":".join(map(str, numbers if self.until else numbers[:1]))

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Return the cursor of a text made by `str`. Raises ValueError."""
        return cls(*map(int, text.split(":")))


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings for a sink, and the cursor behind them; `ordered` is False while catching up."""

    readings: Sequence[Reading]
    cursor: Cursor
    ordered: bool = True


class Evidence(Protocol):
    """The reading side: what judging needs. Blocking, but quick; big windows belong in a thread."""

    def latest(self, check: str) -> Latest | None:
        """Return the last attempt and last measurement of a check, or None if it never ran."""

    def window(self, check: str, metric: str, start: float, end: float) -> Window:
        """Return all readings of the check in the window with the values of one metric (raw samples)."""

    def outcomes(self, check: str, start: float, end: float) -> Window:
        """Return all readings of the check in the window, values all NaN (for soak and coverage)."""

    def facts(self, check: str) -> Mapping[str, FactValue]:
        """Return the current facts of a check."""

    def fact_history(self, check: str, name: str) -> Sequence[FactValue]:
        """Return the values a fact has had, oldest first."""

    def series(
        self, check: str, metric: str, start: float, end: float, step: Literal["raw", "5m", "1h"]
    ) -> Sequence[Point]:
        """Return a series for display, from raw samples or the rollups."""

    def checks(self) -> Iterable[str]:
        """Return the ids of all checks that have ever been stored."""

    def metrics(self, check: str) -> Sequence[str]:
        """Return the names of the metrics a check has reported."""

    def info(self) -> StoreInfo:
        """Return sizes, spans and counters."""


class Sink(Protocol):
    """The writing side: never waits, never raises; what it can't take is dropped and counted."""

    def declare(self, check: str, metrics: Sequence[MetricDef]) -> None:
        """Tell a check's metrics with their resolutions, before its first reading (else doubles are kept).

        Checks declared one after the other are stored together: declare a unit's in a row.
        """

    def append(self, reading: Reading) -> None:
        """Queue a reading for the next commit (every 250 ms). Bounded: over the bound it is dropped."""

    async def flush(self) -> None:
        """Return when everything appended until now is committed."""


class StoreCounters(Protocol):
    """What the store says of its writing, for /metrics and /healthz."""

    @property
    def commits(self) -> int:
        """Commits since the start."""

    @property
    def committed(self) -> int:
        """Readings committed since the start."""

    @property
    def dropped(self) -> int:
        """Readings that could not be taken since the start."""

    @property
    def queued(self) -> int:
        """Readings waiting for the next commit."""

    def commit_age(self) -> float:
        """Return the seconds for which something has waited to be committed; 0 when nothing waits."""
