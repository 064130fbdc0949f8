"""What the web application sees of the daemon: `monitor.web.view.View` over the running parts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from monitor.child.wire import UnitCard
from monitor.job import Job
from monitor.noticing import Noticing
from monitor.people.requests import People
from monitor.process.health import Health
from monitor.store.api import Evidence
from monitor.store.verdicts import Verdicts
from monitor.telemetry import Telemetry
from monitor.units import Units
from monitor.watch import Watch
from monitor.web import asset_figures, figures
from monitor.web.view import OwnMetric, Series
from probes.api import Reading

FRESH_S = 3600.0
"""A value is exposed for the larger of this and three intervals; an older one is no latest value."""


@dataclass(frozen=True, slots=True)
class Window:
    """A view of the daemon's parts; changes nothing but through `people`."""

    known: Units
    evidence: Evidence
    verdicts: Verdicts
    watch: Watch
    health: Health
    telemetry: Telemetry
    people: People
    noticing: Noticing

    def units(self) -> Sequence[UnitCard]:
        """Return all units."""
        return [unit.card for unit in self.known.known.values()]

    def job(self, check: str) -> Job | None:
        """Return the planned check of that id, or None."""
        return self.known.job(check)

    def state(self, check: str) -> str:
        """Return the state of a check; UNKNOWN where there is none."""
        state = self.watch.state(check)
        return state.state.value if state is not None else "UNKNOWN"

    def states(self) -> Iterator[tuple[str, str]]:
        """Yield each check with its state."""
        for unit in list(self.known.known.values()):
            for check in unit.jobs:
                yield check, self.state(check)

    def checks(self) -> int:
        """Return how many checks there are."""
        return sum(len(unit.jobs) for unit in self.known.known.values())

    def ready(self) -> tuple[bool, str]:
        """Return whether a configuration is loaded and the last reload was good."""
        return self.health.ready()

    def healthy(self) -> tuple[bool, str]:
        """Return whether the loop turns and the store commits."""
        return self.health.healthy()

    def own_metrics(self) -> Iterable[OwnMetric]:
        """Return the daemon's own figures."""
        return self.telemetry.figures()

    def around(self) -> Iterator[OwnMetric | None]:
        """Yield requirements, contracts, what is as released, and work that goes on."""
        now = time.time()
        yield from asset_figures.going_on(self.people.maintenances.planned(now, 0.0), now)
        for unit in list(self.known.known.values()):
            wanted = self.noticing.required(unit.card.id)
            if wanted is not None:
                yield from asset_figures.required(unit.card.id, wanted)
            jobs = list(unit.jobs.values())
            yield from asset_figures.agreed(job for job in jobs if job.asset in unit.card.channels)
            for job in jobs:
                if job.released:
                    yield from asset_figures.released(job, self.evidence.latest(job.id))
            yield None

    def written(self) -> AsyncIterator[list[OwnMetric]]:
        """Yield what is written to a time series server besides readings and events."""
        return figures.written(self)

    def runs(self) -> Iterator[tuple[float, Job]]:
        """Yield how long the last run of each check took, in seconds."""
        for unit in list(self.known.known.values()):
            for job in unit.jobs.values():
                latest = self.evidence.latest(job.id)
                if latest is not None:
                    yield latest.attempt.duration_ms / 1000, job

    def series(self) -> Iterator[Series]:
        """Yield the latest value of every series that is not too old to be called that."""
        now = time.time()
        for unit in list(self.known.known.values()):
            for job in unit.jobs.values():
                latest = self.evidence.latest(job.id)
                reading = latest.measurement if latest else None
                if reading is not None and reading.at >= now - max(FRESH_S, 3 * job.every):
                    yield from _values(job, reading)


def _values(job: Job, reading: Reading) -> Iterator[Series]:
    for metric, value in reading.metrics.items():
        known = job.spec.metric(metric)
        unit = known.unit if known else ""
        yield Series(job.unit, job.asset, job.check, job.spec.name, metric, unit, value, reading.at)
