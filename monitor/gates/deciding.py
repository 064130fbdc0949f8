"""From what somebody asks to do at a gate to what is written, or why it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from inventory.models import DEFAULT_GATE
from monitor.bundles.accepting import Here, accept
from monitor.bundles.bundle import NotTaken
from monitor.bundles.bundle import read as read_bundle
from monitor.bundles.settings import TrustedKey
from monitor.gates import assigning, attesting, signing, waiving
from monitor.gates.asking import Asking, near
from monitor.gates.ledger import Draft
from monitor.gates.rights import Right
from monitor.people.refused import Refused
from monitor.readiness.applied import Asked
from monitor.readiness.layered import Layered
from monitor.readiness.results import UnitResult
from monitor.store.api import Evidence
from monitor.workspace import Workspace
from probes.api import Reading, clip

LOOK = "sign.look"
"""To see what would be signed."""
ACTS: Mapping[str, Callable[[Asking], Draft]] = {
    "attest": attesting.state,
    "attest.withdraw": attesting.withdraw,
    "attest.confirm": attesting.confirm,
    "waive.request": waiving.ask_for,
    "waive.approve": waiving.approve,
    "waive.reject": waiving.reject,
    "waive.end": waiving.end,
    "sign": signing.sign,
    "plan.assign": assigning.assign,
    "plan.reach": assigning.reach,
}
TAKE_IN = "bundle.import"
"""Whose readings go to the store, too."""
REQUESTS = (*ACTS, LOOK, TAKE_IN)


@dataclass(frozen=True, slots=True)
class Decided:
    """What is to be written (None: nothing), what was known of the ledger, and the readings behind it."""

    draft: Draft | None
    seen: int
    evidence: tuple[Reading, ...] = ()
    shown: Mapping[str, Any] = field(default_factory=dict)
    """What the one who asks sees besides."""
    readings: tuple[Reading, ...] = ()
    """For the store."""


def decide(
    workspace: Workspace,
    evidence: Evidence,
    request: Mapping[str, Any],
    rights: tuple[Right, ...],
    now: float,
    keys: tuple[TrustedKey, ...] = (),
) -> Decided:
    """Return what comes of a request: `do`, `actor`, and by kind of it the rest. Raises Refused."""
    if request["do"] == TAKE_IN and str(request.get("unit")) not in workspace.inventory.units:
        gone = clip(str(request.get("unit")), 100)
        return _not_taken(workspace, NotTaken("foreign", f"there is no unit {gone}"))
    gate, unit = _about(workspace, request)
    [result] = workspace.results([unit], evidence, gate, now)
    asked = Asked(workspace.checklists, gate).of(workspace.inventory.units[unit])
    line = (unit, *(each.id for each in workspace.inventory.ancestors(unit)))
    items = {item.id: item for item in asked.items}
    ask = Asking(request, str(request["actor"]), now, gate, result, line, items, workspace.standing, rights)
    seen = workspace.standing.seen
    if request["do"] == LOOK:
        return Decided(None, seen, shown=_look(ask, workspace))
    if request["do"] == TAKE_IN:
        return _taken(ask, workspace, evidence, keys)
    draft = ACTS[request["do"]](ask)
    pinned = tuple(_behind(result, evidence)) if request["do"] == "sign" else ()
    return Decided(draft, seen, pinned)


def _about(workspace: Workspace, request: Mapping[str, Any]) -> tuple[str, str]:
    waiver = workspace.standing.asked.get(str(request.get("waiver") or ""))
    gate = str(request.get("gate") or (waiver.entry.gate if waiver else DEFAULT_GATE))
    unit = str(request.get("unit") or (waiver.entry.unit if waiver else ""))
    if not unit and request.get("waiver"):
        key = clip(str(request["waiver"]), 40)
        raise Refused(f'there is no waiver "{key}"; {near(key, workspace.standing.asked)}')
    if unit not in workspace.inventory.units:
        raise Refused(
            f'there is no unit "{clip(unit, 100)}"; {near(unit, (each.id for each in workspace.inventory))}'
        )
    gates = {DEFAULT_GATE, *(each.gate for each in workspace.checklists.values())}
    if request["do"] == "plan.reach":
        gates |= {each.id for each in workspace.roadmap.milestones}
    if gate not in gates:
        raise Refused(f'there is no gate "{clip(gate, 100)}"; {near(gate, gates)}')
    return gate, unit


def _look(ask: Asking, workspace: Workspace) -> Mapping[str, Any]:
    last = workspace.standing.signature(ask.gate, ask.unit)
    found = signing.subject_of(ask.gate, ask.result)
    return found | {
        "reasons": list(ask.result.reasons),
        "counts": {status.value: count for status, count in ask.result.counts.items()},
        "signed": None if last is None else {"by": last.actor, "at": last.at, "digest": last.digest},
    }


def _taken(ask: Asking, workspace: Workspace, evidence: Evidence, keys: tuple[TrustedKey, ...]) -> Decided:
    """Return what comes of a bundle of readings; who asks sees why it is not taken in."""

    def judged(readings: Iterable[Reading]) -> UnitResult:
        [result] = workspace.results([ask.unit], Layered(None, readings), ask.gate, ask.now)
        return result

    def stored(reading: Reading) -> bool:
        found = evidence.outcomes(reading.check, reading.at - 0.002, reading.at + 0.002)
        return len(found.times) > 0

    checks = frozenset(key for key, job in workspace.plan.jobs.items() if job.unit == ask.unit)
    try:
        bundle = read_bundle(str(ask.request.get("bundle") or ""))
        found = accept(ask, bundle, Here(keys, checks, judged, stored))
    except NotTaken as error:
        return _not_taken(workspace, error)
    seen = workspace.standing.seen
    return Decided(found.draft, seen, found.readings if found.draft else (), found.told, found.readings)


def _not_taken(workspace: Workspace, error: NotTaken) -> Decided:
    return Decided(None, workspace.standing.seen, shown={"not_taken": error.code, "why": str(error)})


def _behind(result: UnitResult, evidence: Evidence) -> Iterator[Reading]:
    """Yield the last measurement of each check that answers a row."""
    for check in dict.fromkeys(item.check for item in result.items if item.check):
        latest = evidence.latest(check)
        if latest is not None and latest.measurement is not None:
            yield latest.measurement
