"""What channels must deliver and what was agreed, what runs as released, work that goes on, slow runs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from monitor.job import Job, Required
from monitor.people.maintenance import Planned
from monitor.readiness.conditions import Truth
from monitor.releases.pledges import Pledge, values_of
from monitor.store.api import Latest
from monitor.web.view import OwnMetric
from probes.api import Reading, clip

SLOWEST = 20
LONGEST_FOUND = 60
Run = tuple[float, Job]
"""A check and how long its last run took, in seconds."""
STATES = {Truth.PASS: 1, Truth.FAIL: 0}


def required(unit: str, wanted: Required) -> Iterator[OwnMetric]:
    """Yield what a unit's functions require of its channels; nothing where no channel would do."""
    if wanted.impossible:
        return
    text = "What a unit's functions require of its channels"
    for direction, rate in (("up", wanted.up_bps), ("down", wanted.down_bps)):
        yield OwnMetric(
            "muster_channel_required_bits_per_second", f"{text}: the rate.", "gauge",
            {"unit": unit, "direction": direction}, rate,
        )  # fmt: skip
    here, ms = {"unit": unit}, 1000.0
    yield OwnMetric(
        "muster_channel_required_rtt_seconds", f"{text}: the round trip.", "gauge", here, wanted.rtt_ms / ms
    )
    if wanted.loss is not None:
        name = "muster_channel_required_loss_ratio"
        yield OwnMetric(name, f"{text}: the most that may be lost.", "gauge", here, wanted.loss)


def agreed(jobs: Iterable[Job]) -> Iterator[OwnMetric]:
    """Yield the contracted rates of channels, once each."""
    told = set[tuple[str, str]]()
    for job in jobs:
        if job.route is None or (job.unit, job.asset) in told:
            continue
        told.add((job.unit, job.asset))
        for direction, rate in (("up", job.route.up_bps), ("down", job.route.down_bps)):
            if rate is not None:
                labels = {"unit": job.unit, "asset": job.asset, "direction": direction}
                text = "The rate that was agreed with the carrier."
                name = "muster_channel_contracted_bits_per_second"
                yield OwnMetric(name, text, "gauge", labels, rate)


def released(job: Job, latest: Latest | None) -> Iterator[OwnMetric]:
    """Yield of each component whether it is as released; nothing where that is not known."""
    reading = latest.measurement if latest else None
    if reading is None:
        return
    values = values_of(reading)
    for pledge in job.released:
        state = STATES.get(pledge.judge(values))
        if state is not None:
            yield OwnMetric(
                "muster_component_as_released", "1 where a component is as its release says, 0 where not.",
                "gauge", _component(job, pledge, reading), state,
            )  # fmt: skip


def _component(job: Job, pledge: Pledge, reading: Reading) -> dict[str, str]:
    values = values_of(reading)
    found = ", ".join(str(values[name]) for name, _ in pledge.conditions if name in values)
    where = {"unit": job.unit, "asset": job.asset, "check": job.check}
    said = {"component": pledge.component, "release": pledge.release, "found": clip(found, LONGEST_FOUND)}
    return where | said


def going_on(planned: Iterable[Planned], now: float) -> Iterator[OwnMetric]:
    """Yield announced work that goes on."""
    for each in planned:
        if each.active(now):
            unit, _, rest = each.work.scope.partition("/")
            labels = {"unit": unit, "scope": each.work.scope, "mode": each.work.mode.value}
            labels |= {"number": str(each.work.id), "asset": rest.partition("/")[0]}
            yield OwnMetric("muster_maintenance_active", "Announced work going on.", "gauge", labels, 1)


def slowest(runs: Iterable[Run]) -> list[Run]:
    """Return the longest of some runs, longest first."""
    return heapq.nlargest(SLOWEST, runs, key=lambda run: run[0])


def slow(runs: Iterable[Run]) -> Iterator[OwnMetric]:
    """Yield how long some runs took."""
    text = f"How long the last run took, of the {SLOWEST} slowest checks."
    for took, job in runs:
        labels = {"unit": job.unit, "asset": job.asset, "check": job.check, "probe": job.spec.name}
        yield OwnMetric("muster_slow_run_seconds", text, "gauge", labels, took)
