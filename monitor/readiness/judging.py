"""Evidence and checklists to verdicts: pure, the clock passed in.

The rules are numbered as in the documentation (`docs/readiness.md`): 1 outcomes, 2 staleness, 3 blocking,
4 waivers, 5 what does not apply, 6 soak.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inventory.models import DEFAULT_GATE, Inventory, Unit
from monitor.gates import attested
from monitor.gates.standing import Standing
from monitor.job import Job
from monitor.plan import Plan
from monitor.readiness.applied import Applied, Asked
from monitor.readiness.checklist import SEVERITIES, Checklist, Item
from monitor.readiness.conditions import Truth, conjunction
from monitor.readiness.dependencies import Asset, Dependencies, by_asset, default_age
from monitor.readiness.digest import digest
from monitor.readiness.figures import figure
from monitor.readiness.measuring import (
    NOT_MEASURED,
    Finding,
    Measuring,
    NoRequirements,
    Requirements,
    Subject,
    Surroundings,
    settled,
)
from monitor.readiness.results import ItemResult, UnitResult
from monitor.readiness.rows import Row, of_item, rows
from monitor.readiness.soaking import soaked
from monitor.readiness.verdict import Rollup, Status, Verdict, rollup, verdict
from monitor.readiness.waivers import Waiver, Waivers
from monitor.store.api import Evidence, Latest
from probes.api import Outcome, Reading

CLOCK_SLACK_S = 60.0
"""How far in the future a reading may lie (clocks differ) and still count."""
_STATUS = {Truth.PASS: Status.PASS, Truth.FAIL: Status.FAIL, Truth.UNKNOWN: Status.UNKNOWN}


class Judge:
    """Judges units at one gate by the evidence at one moment; remembers verdicts for roll-ups.

    `digests` and `asked` (by gate and unit) may be kept by the caller for as long as the files do not change.
    """

    def __init__(
        self,
        inventory: Inventory,
        plan: Plan,
        checklists: Mapping[str, Checklist],
        evidence: Evidence,
        *,
        now: float,
        gate: str = DEFAULT_GATE,
        waivers: Waivers | None = None,
        requirements: Requirements | None = None,
        jobs: Mapping[Asset, tuple[Job, ...]] | None = None,
        digests: MutableMapping[tuple[str, str], str] | None = None,
        asked: MutableMapping[tuple[str, str], tuple[Row, ...]] | None = None,
        standing: Standing | None = None,
    ) -> None:
        self._inventory, self._plan, self._asked = inventory, plan, Asked(checklists, gate)
        self._evidence, self._now, self._gate = evidence, now, gate
        self._waivers = waivers or Waivers()
        self._jobs = jobs if jobs is not None else by_asset(plan.jobs.values())
        around = Surroundings(requirements or NoRequirements(), self._jobs, inventory.timezone)
        self._requirements = around.requirements
        self._measuring = Measuring(evidence, around, now)
        self._dependencies = Dependencies(inventory, self._jobs, evidence, now)
        self._verdicts: dict[str, tuple[Verdict, float]] = {}
        self._digests = digests if digests is not None else {}
        self._rows = asked if asked is not None else {}
        self._ages: dict[str, float] = {}
        self._standing = standing or Standing()

    def unit(self, key: str) -> UnitResult:
        """Return a unit's result, with the roll-up of all below it. Raises `applied.Conflict`."""
        own = self._own(key)
        below = [self._verdict(unit.id) for unit in self._inventory.subtree(key)]
        return replace(own, rollup=rollup(below))

    def units(self, keys: Iterable[str]) -> Iterator[UnitResult]:
        """Yield the results of some units, those farthest down first, so that each is judged once only."""
        depths = {key: sum(1 for _ in self._inventory.ancestors(key)) for key in keys}
        for key in sorted(depths, key=lambda each: -depths[each]):
            yield self.unit(key)

    def asked(self, key: str, items: Iterable[Item]) -> tuple[ItemResult, ...]:
        """Return the rows of some items alone, whether a checklist asks for them or not; waivers apply."""
        unit = self._inventory.units[key]
        found = [row for item in items for row in of_item(unit, item, self._jobs)]
        return self._waived(unit, [(row, self._row(unit, row)) for row in found])[0]

    def _verdict(self, key: str) -> tuple[Verdict, float]:
        if key not in self._verdicts:
            self._own(key)
        return self._verdicts[key]

    def _own(self, key: str) -> UnitResult:
        unit = self._inventory.units[key]
        applied = self._asked.of(unit)
        judged = _after_dependencies([(row, self._row(unit, row)) for row in self._asks(unit, applied)])
        items, used = self._waived(unit, judged)
        found, reasons = verdict(items, applied.max_waivers)
        result = UnitResult(
            key, unit.name, unit.name_zh, found, reasons, self._digest(unit, applied),
            tuple((each.id, each.digest) for each in applied.checklists), items, Rollup(),
            self._inventory.timezone(key), used,
        )  # fmt: skip
        self._verdicts[key] = (found, result.coverage)
        return result

    def _asks(self, unit: Unit, applied: Applied) -> tuple[Row, ...]:
        """Return what the unit is asked; the files alone tell."""
        key = (self._gate, unit.id)
        if key not in self._rows:
            found = rows(unit, applied, self._jobs, self._plan)
            self._rows[key] = tuple(replace(row, expected=_expected(row.item, row.job)) for row in found)
        return self._rows[key]

    def _digest(self, unit: Unit, applied: Applied) -> str:
        """Return the digest of what the unit is: itself, its effective checks, and what is asked of it."""
        key = (self._gate, unit.id)
        if key not in self._digests:
            self._digests[key] = self._made_digest(unit, applied)
        return self._digests[key]

    def effective(self, key: str) -> tuple[dict[str, object], tuple[Item, ...]]:
        """Return what a unit's digest is of, and the items whose digest is part of that."""
        unit = self._inventory.units[key]
        applied = self._asked.of(unit)
        return self._whole(unit, applied), applied.items

    def _made_digest(self, unit: Unit, applied: Applied) -> str:
        return digest(self._whole(unit, applied))

    def _whole(self, unit: Unit, applied: Applied) -> dict[str, object]:
        jobs = [job for asset in unit.assets for job in self._jobs.get((unit.id, asset.id), ())]
        checks = {job.id: self._check(job) for job in jobs}
        required = self._requirements.digest(unit.id)
        whole: dict[str, object] = {"unit": unit, "checks": checks, "items": applied.digest}
        return whole | ({"requirement": required} if required else {})

    def _check(self, job: Job) -> tuple[object, ...]:
        expected = self._plan.expectations.get(job.id)
        return job.spec.name, job.params, job.every, job.timeout, job.retries, expected

    def _row(self, unit: Unit, row: Row) -> ItemResult:
        if not row.applicable:  # rule 5
            return _blank(row, status=Status.NOT_APPLICABLE, reason="applies_when")
        stated = self._standing.stated(self._gate, unit.id, row.asset.id if row.asset else "", row.item.id)
        if by := attested.excluded(stated, row.item, self._now):  # rule 5
            return _blank(row, status=Status.NOT_APPLICABLE, reason="attested", detail=by)
        if row.item.attest is not None:
            blank = _blank(row).changed(expected=f"attested by an {row.item.attest.role}")
            return attested.judged(row.item, stated, blank, self._now)
        if row.item.parent is not None:
            return self._of_parent(unit, row.item.parent, _blank(row))
        if row.job is None:
            return _blank(row, reason=NOT_MEASURED, detail=row.lacking)
        latest = self._evidence.latest(row.job.id)
        seen = self._seen(row, row.job, latest, unit)
        if root := self._dependencies.blocked(row.job):  # rule 3
            return seen.changed(reason="blocked", blocked_by=root, detail=f"blocked by {root}")
        return self._judged(unit, row.item, row.job, latest, seen)

    def _of_parent(self, unit: Unit, least: str, blank: ItemResult) -> ItemResult:
        expected = "parent READY" if least == "READY" else "parent READY or CONDITIONAL"
        row = blank.changed(expected=expected)
        if unit.parent is None:
            return row.changed(reason=NOT_MEASURED, detail="this unit has no parent")
        found, _ = self._verdict(unit.parent)
        row = row.changed(actual=f"{unit.parent} is {found}", value=found.value)
        if found is Verdict.UNKNOWN:
            return row.changed(reason=NOT_MEASURED)
        good = found is Verdict.READY or found == least
        return (
            row.changed(status=Status.PASS) if good else row.changed(status=Status.FAIL, reason="expectation")
        )

    def _seen(self, row: Row, job: Job, latest: Latest | None, unit: Unit) -> _Seen:
        """Return the row with what is known of the last measurement, not judged yet."""
        if latest is None:
            return _Seen(row, None, {})
        reading, item = latest.measurement, row.item
        if reading is None:
            tried = {"attempted_at": latest.attempt.at, "vantage": latest.attempt.vantage or None}
            return _Seen(row, None, tried)
        name = item.expect[0][0] if item.expect else ""
        subject = Subject(job, name, reading)
        definition = subject.definition
        value = self._measuring.value(subject) if name else None
        expires_at = reading.at + self._age(item, job, unit)
        return _Seen(row, expires_at, {
            "collected_at": reading.at, "expires_at": expires_at,
            "attempted_at": latest.attempt.at, "vantage": reading.vantage or None,
            "value": value, "unit": definition.unit if definition else None,
        })  # fmt: skip

    def _age(self, item: Item, job: Job, unit: Unit) -> float:
        if item.max_age:
            return item.max_age
        if job.id not in self._ages:
            asset = unit.asset(job.asset)
            self._ages[job.id] = default_age(asset.kind if asset else "", job)
        return self._ages[job.id]

    def _judged(self, unit: Unit, item: Item, job: Job, latest: Latest | None, seen: _Seen) -> ItemResult:
        asked = [(job, name, condition) for name, condition in item.expect]
        if impossible := self._measuring.impossible(unit.id, asked):
            return _joined([impossible], seen, "")
        if latest is None:
            return seen.changed(reason=NOT_MEASURED, detail="the check has not run yet")
        reading, attempt = latest.measurement, latest.attempt
        if reading is None:
            return seen.changed(reason=attempt.kind or NOT_MEASURED, detail=attempt.detail)
        if reading.at > self._now + CLOCK_SLACK_S:
            return seen.changed(
                reason="inconclusive", detail="the reading lies in the future: check the clocks"
            )
        if seen.expires_at is None or self._now >= seen.expires_at:  # rule 2
            failed_since = attempt.at > reading.at and not attempt.outcome.measured
            kind = attempt.kind if failed_since and attempt.kind else "stale"
            return seen.changed(reason=kind, detail=attempt.detail if failed_since else "")
        return self._soaked(unit, item, job, self._measured(unit, item, job, reading, seen))

    def _measured(self, unit: Unit, item: Item, job: Job, reading: Reading, seen: _Seen) -> ItemResult:
        """Rule 1: a failed reading fails the item, unless the item judges windows alone."""
        instant = not item.expect or any(condition.instant for _, condition in item.expect)
        if reading.outcome is Outcome.FAILED and instant:
            actual = f"failed: {reading.kind}"
            return seen.changed(status=Status.FAIL, reason=reading.kind, detail=reading.detail, actual=actual)
        if not item.expect:
            return seen.changed(status=Status.PASS, actual="answers")
        age = self._age(item, job, unit)
        findings = [
            self._measuring.find(Subject(job, name, reading, age), condition)
            for name, condition in item.expect
        ]
        if any(finding.expected for finding in findings):
            seen.known["expected"] = _expected(item, job, findings)
        return _joined(_named(item, findings), seen, reading.detail)

    def _soaked(self, unit: Unit, item: Item, job: Job, result: ItemResult) -> ItemResult:
        if item.soak is None or result.status is not Status.PASS:  # rule 6
            return result
        zone = self._inventory.timezone(unit.id)
        found = soaked(item.soak, item.expect, job, self._evidence, now=self._now, zone=zone)
        if found.holds:
            return result
        left, text = round(found.left or item.soak.window), found.text(item.soak)
        return result.changed(status=Status.UNKNOWN, reason="soaking", detail=text, soak_left_s=left)

    def _waived(
        self, unit: Unit, judged: Iterable[tuple[Row, ItemResult]]
    ) -> tuple[tuple[ItemResult, ...], tuple[tuple[str, str | None, str], ...]]:
        """Rule 4: a waiver in force maps fail to waived, and unknown only where it says so."""
        items, used = [], []
        for row, result in judged:
            waiver = self._waivers.find((self._gate, unit.id, result.asset, result.id), self._now)
            if waiver is not None and _covers(waiver, row.item, result.status):
                used.append((waiver.id, result.asset, result.id))
                result = result.changed(status=Status.WAIVED, raw=result.status, waiver=_shown(waiver))  # noqa: PLW2901
            items.append(result)
        return tuple(items), tuple(used)


def _covers(waiver: Waiver, item: Item, status: Status) -> bool:
    if not item.may_be_waived:
        return False
    return status is Status.FAIL or (status is Status.UNKNOWN and waiver.covers_unknown)


def _shown(waiver: Waiver) -> Mapping[str, object]:
    return waiver.model_dump(mode="json", exclude={"gate", "unit", "asset", "item"})


@dataclass(slots=True)
class _Seen:
    """A row with what is known of its last measurement, not judged yet: written out once it is."""

    row: Row
    expires_at: float | None
    known: dict[str, Any]

    def changed(self, **values: Any) -> ItemResult:
        """Return the row with what it comes to."""
        return _blank(self.row, **(self.known | values))


def _blank(row: Row, status: Status = Status.UNKNOWN, **known: Any) -> ItemResult:
    """Return the row with nothing judged of it; `known` are further keys."""
    item = row.item
    expected = known.pop("expected", "") or row.expected or _expected(item, row.job)
    return ItemResult(
        item.id, row.asset.id if row.asset else None, item.category, item.title, item.title_zh, item.severity,
        status, expected=expected or ("" if item.awaits else "answers"),
        check=row.job.id if row.job else None,
        remediation=item.remediation, remediation_zh=item.remediation_zh, **known,
    )  # fmt: skip


def _expected(item: Item, job: Job | None, findings: Sequence[Finding] = ()) -> str:
    """Return what is expected, with the capacity model's figures as far as the findings know them."""
    metric = job.spec.metric if job else lambda _: None
    told = [finding.expected for finding in findings] or [""] * len(item.expect)
    return "; ".join(
        f"{name} {text or condition.text(figure(metric(name)))}"
        for (name, condition), text in zip(item.expect, told, strict=True)
    )


def _named(item: Item, findings: list[Finding]) -> list[Finding]:
    """Return the findings, of several each with the name of what it is about."""
    if len(findings) == 1:
        return findings
    return [
        replace(each, actual=f"{name} {each.actual}")
        if each.actual and not each.actual.startswith(f"{name} ")
        else each
        for (name, _), each in zip(item.expect, findings, strict=True)
    ]


def _joined(findings: list[Finding], seen: _Seen, note: str) -> ItemResult:
    """Return the row for all of its conditions: what decides it comes first."""
    first = findings[0]
    several = len(findings) > 1
    strict = conjunction([each.truth for each in findings]) if several else first.truth
    lenient = conjunction([each.lenient for each in findings]) if several else first.lenient
    truth, light = settled(strict, lenient)
    ordered = sorted(findings, key=lambda each: (each.truth is not truth, each.light is not light))
    lead, actual = ordered[0], "; ".join(each.actual for each in ordered if each.actual)
    found = seen.changed(
        status=_STATUS[truth], reason=lead.reason, actual=actual, value=lead.value, unit=lead.unit,
        detail=lead.detail or ("" if truth is Truth.PASS else note),
    )  # fmt: skip
    return _lightened(found) if light else found


def _lightened(row: ItemResult) -> ItemResult:
    """Return the row as a minor one at most, with the severity that its item declares kept beside."""
    if SEVERITIES.index(row.severity) >= SEVERITIES.index("minor"):
        return row
    return row.changed(severity="minor", declared_severity=row.severity)


def _after_dependencies(judged: list[tuple[Row, ItemResult]]) -> list[tuple[Row, ItemResult]]:
    """Block the rows whose item depends on one that fails: on the same asset, else on any."""
    by_item: dict[str, list[ItemResult]] = {}
    for _, result in judged:
        by_item.setdefault(result.id, []).append(result)
    items = {row.item.id: row.item for row, _ in judged}
    return [(row, _behind(row.item, result, by_item, items)) for row, result in judged]


def _behind(
    item: Item, result: ItemResult, by_item: Mapping[str, list[ItemResult]], items: Mapping[str, Item]
) -> ItemResult:
    if result.status is Status.NOT_APPLICABLE or result.blocked_by:
        return result
    waiting, seen = list(item.depends_on), {item.id}
    while waiting:
        key = waiting.pop(0)
        if key in seen:
            continue
        seen.add(key)
        others = by_item.get(key, [])
        same = [each for each in others if each.asset == result.asset] or others
        root = next((each.blocked_by or each.check or each.id for each in same if _stops(each)), None)
        if root:
            why = f"blocked by {root}"
            return result.changed(status=Status.UNKNOWN, reason="blocked", blocked_by=root, detail=why)
        waiting.extend(items[key].depends_on if key in items else ())
    return result


def _stops(result: ItemResult) -> bool:
    """Return whether what depends on it can't be judged; what works without headroom stops nothing."""
    works = result.declared_severity is not None
    return (result.status is Status.FAIL and not works) or result.blocked_by is not None
