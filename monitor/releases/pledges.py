"""What a running check pledges: that what was as released stays so. A drift is told when two readings agree.

What never was right is a finding of the checklist and no incident: nothing happened. Nor does a release that
changes make one, where nodes have yet to follow. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inventory.models import Inventory
from monitor.job import Job
from monitor.readiness.checklist import SEVERITIES, Severity
from monitor.readiness.conditions import Condition, Truth, Value, conjunction
from monitor.releases.asked import components
from monitor.releases.drift import due_at
from monitor.releases.manifest import Release
from monitor.state import DRIFTS
from probes.api import Reading, clip

AGREE = 2
"""Readings in a row that must say so."""


@dataclass(frozen=True, slots=True)
class Pledge:
    """What a release says of one component, as far as one reading can tell."""

    component: str
    release: str
    severity: Severity
    due: float
    conditions: tuple[tuple[str, Condition], ...]

    def judge(self, values: Mapping[str, Value]) -> Truth:
        """Return whether some facts and metrics are as released."""
        return conjunction(condition.judge(values.get(name)) for name, condition in self.conditions)

    def text(self, values: Mapping[str, Value]) -> str:
        """Return what is found, and what the release says."""
        wrong = [
            f"{name} = {clip(str(values.get(name)), 80)}, expected {condition}"
            for name, condition in self.conditions
            if condition.judge(values.get(name)) is Truth.FAIL
        ]
        return f"{self.component}: {'; '.join(wrong)} ({self.release})"


class Pledging:
    """Which checks pledge what; equal pledges are one object."""

    def __init__(self, inventory: Inventory, assigned: Mapping[str, Release]) -> None:
        self._inventory, self._assigned = inventory, assigned
        self._known: dict[tuple[str, str, tuple[str, ...]], tuple[Pledge, ...]] = {}

    def of(self, job: Job) -> tuple[Pledge, ...]:
        """Return what a check pledges."""
        release, unit = self._assigned.get(job.unit), self._inventory.units[job.unit]
        asset = unit.asset(job.asset)
        if release is None or asset is None:
            return ()
        items = [each.item for each in components(release, unit) if each.item.check == job.check]
        asked = [i for i in items if job.spec.name in i.probes and i.select and i.select.matches(asset)]
        if not asked:
            return ()
        zone = self._inventory.timezone(job.unit)
        key = (release.id, zone, tuple(item.id for item in asked))
        if key not in self._known:
            due, ids = due_at(release, zone), {each.item.id: each.id for each in release.components.values()}
            made = (
                Pledge(ids[item.id], release.id, item.severity, due, instant)
                for item in asked
                if (instant := tuple(each for each in item.expect if each[1].instant))
            )
            self._known[key] = tuple(made)
        return self._known[key]


def kind_of(severity: Severity) -> str:
    """Return the kind of the trouble that such a component makes."""
    return DRIFTS[SEVERITIES.index(severity)]


def values_of(reading: Reading) -> Mapping[str, Value]:
    """Return all facts and metrics of a reading."""
    return {**reading.facts, **reading.metrics}


@dataclass(slots=True)
class Memory:
    """What is remembered of a pledge of one check."""

    pledge: Pledge
    right: bool
    """Whether it was as released since the release is due here."""
    wrong: int = 0
    text: str = ""

    def take(self, values: Mapping[str, Value], at: float) -> bool:
        """Take some values in; return whether what was right is not, by two readings in a row."""
        truth = self.pledge.judge(values)
        if at < self.pledge.due or (truth is Truth.FAIL and not self.right):
            return False
        if truth is Truth.PASS:
            self.right, self.wrong = True, 0
        elif truth is Truth.FAIL:
            self.wrong, self.text = self.wrong + 1, self.pledge.text(values)
        return self.wrong >= AGREE
