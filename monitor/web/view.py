"""What the pages, the API and /metrics know of the daemon. Nothing here changes anything but `people`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from monitor.child.wire import UnitCard
from monitor.job import Job
from monitor.people.requests import People
from monitor.store.api import Evidence
from monitor.store.verdicts import Verdicts


class Series(NamedTuple):
    """The latest value of one metric of one check; `check` is the check's id within its asset."""

    unit: str
    asset: str
    check: str
    probe: str
    metric: str
    unit_of_metric: str
    value: float
    at: float
    """When it was measured, seconds since the epoch."""


class OwnMetric(NamedTuple):
    """One value of the daemon's own, under its full Prometheus name (a histogram's with its ending)."""

    name: str
    help: str
    type: Literal["counter", "gauge", "histogram"]
    labels: Mapping[str, str]
    value: float


class View(Protocol):
    """What `monitor.web.build` is given. Every method is quick and called on the loop, unless it says so."""

    @property
    def verdicts(self) -> Verdicts:
        """The last judgements."""

    @property
    def evidence(self) -> Evidence:
        """The store's reading side; called in threads, since it blocks."""

    @property
    def people(self) -> People:
        """What people do: incidents, announced work."""

    def units(self) -> Sequence[UnitCard]:
        """Return all units."""

    def job(self, check: str) -> Job | None:
        """Return the planned check of that id (`unit/asset/check`), or None."""

    def state(self, check: str) -> str:
        """Return a check's state (OK, DEGRADED, DOWN, UNKNOWN, SHADOWED); UNKNOWN where there is none."""

    def states(self) -> Iterator[tuple[str, str]]:
        """Yield each check (`unit/asset/check`) with its state; consumed in slices, as `series` is."""

    def checks(self) -> int:
        """Return how many checks there are."""

    def ready(self) -> tuple[bool, str]:
        """Return whether the daemon does its work already, and what it says of itself."""

    def healthy(self) -> tuple[bool, str]:
        """Return whether the daemon is well (a supervisor restarts one that isn't), and why not."""

    def around(self) -> Iterator[OwnMetric | None]:
        """Yield what is known around readings: requirements, contracts, releases, work that goes on.

        Consumed as `series` is; a None tells nothing and lets the loop run.
        """

    def runs(self) -> Iterator[tuple[float, Job]]:
        """Yield how long the last run of each check took, in seconds; consumed as `series` is."""

    def own_metrics(self) -> Iterable[OwnMetric]:
        """Return what the daemon says of itself: lag, queue, drops, loop stalls, store commits."""

    def series(self) -> Iterator[Series]:
        """Yield the latest value of every series.

        It is consumed in slices with the loop running in between, so it must bear changes (go over a copy
        of what is iterated), and each step must be quick.
        """
