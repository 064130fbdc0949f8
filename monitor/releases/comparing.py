"""Judged items and facts, put together: what drifted, how far, and since when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from inventory.models import Inventory
from monitor.readiness.conditions import Value
from monitor.readiness.finding import EXPECTATION
from monitor.readiness.results import ItemResult, UnitResult
from monitor.readiness.verdict import Status
from monitor.releases.asked import Releases
from monitor.releases.drift import Drift, Lineage, drifted, due_at
from monitor.releases.manifest import PREFIX, Release
from monitor.releases.words import told
from monitor.store.api import Evidence
from probes.api import Outcome, Reading, clip


class Comparing:
    """Compares by the evidence at one moment."""

    def __init__(self, inventory: Inventory, releases: Releases, evidence: Evidence) -> None:
        self._inventory, self._releases, self._evidence = inventory, releases, evidence
        self._lineage = Lineage(releases.known)

    def drift(self, unit: str, release: Release, result: ItemResult) -> Drift | None:
        """Return how a judged component differs from the release, None where it does not or nobody knows."""
        component = release.components.get(result.id.removeprefix(PREFIX))
        failed = (result.raw or result.status) is Status.FAIL and result.reason == EXPECTATION
        if not failed or component is None or result.check is None:
            return None
        latest, check = self._evidence.latest(result.check), result.check
        if latest is None or latest.measurement is None or latest.measurement.outcome is not Outcome.OK:
            return None
        due = due_at(release, self._inventory.timezone(unit))
        values = self._values(check, latest.measurement)
        return drifted(
            self._lineage, release, component, values,
            lambda name: self._evidence.fact_history(check, name), due,
        )  # fmt: skip

    def found(self, release: Release, result: ItemResult) -> str:
        """Return the version that a component was last found with (the checksum, where it has no version).

        Also where another condition decides, and where it has expired; empty where nobody knows.
        """
        check, identity = result.check, release.components[result.id.removeprefix(PREFIX)].identity
        latest = self._evidence.latest(check) if check is not None and identity else None
        if check is None or latest is None or latest.measurement is None:
            return ""
        value = self._values(check, latest.measurement).get(identity[0][0])
        return "" if value is None else str(value)

    def _values(self, check: str, reading: Reading) -> Mapping[str, Value]:
        """Return the facts and metrics of a measurement, and the facts that still stand by it."""
        facts = self._evidence.facts(check)
        standing = {name: fact.value for name, fact in facts.items() if fact.last_seen >= reading.at}
        return {**standing, **reading.facts, **reading.metrics}

    def explained(self, result: UnitResult) -> UnitResult:
        """Return a judged unit whose drifted components say how far they are, and since when."""
        release = self._releases.of(self._inventory, result.id)
        if release is None or not any(item.id.startswith(PREFIX) for item in result.items):
            return result
        items = tuple(self._explained(result, release, item) for item in result.items)
        return replace(result, items=items)

    def _explained(self, unit: UnitResult, release: Release, item: ItemResult) -> ItemResult:
        if item.status is not Status.FAIL or not item.id.startswith(PREFIX):
            return item
        drift = self.drift(unit.id, release, item)
        return replace(item, detail=clip(told(drift, unit.timezone))) if drift else item
