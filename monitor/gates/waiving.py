"""Exceptions that people ask for, approve, reject and end: what may be done. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.gates import ledger
from monitor.gates.asking import Asking, near
from monitor.gates.ledger import Draft
from monitor.gates.rights import person
from monitor.gates.standing import Asked
from monitor.people.refused import Refused
from monitor.readiness.checklist import SEVERITIES
from monitor.readiness.results import ItemResult

LONGEST_S = 366 * 86_400.0


def ask_for(ask: Asking) -> Draft:
    """Return a request to except a row for a while. Raises Refused."""
    ask.need("operator", "asking for a waiver")
    row = _row(ask)
    _may_be_waived(ask, row)
    starts, ends = ask.instant("effective_at") or ask.now, ask.instant("expires_at")
    if ends is None or ends <= max(starts, ask.now):
        raise Refused("--until: write when it ends, later than now and than it begins")
    if ends - starts > LONGEST_S:
        raise Refused("--until: at most a year; what lasts longer belongs in the checklist")
    open_ = [each for each in _about(ask, row) if each.state == "requested"]
    if open_:
        raise Refused(f"{open_[0].id} asks for the same already, and waits for an approver")
    body = {name: ask.text(name, required=True) for name in ("reason", "risk", "compensating_action")}
    times = {"effective_at": _iso(starts), "expires_at": _iso(ends)}
    covers = bool(ask.request.get("covers_unknown"))
    return ask.draft(
        ledger.ASKED, body | times | {"covers_unknown": covers}, item=row.id, asset=row.asset or ""
    )


def approve(ask: Asking) -> Draft:
    """Return the approval of what somebody else asked for. Raises Refused."""
    found = _open(ask)
    ask.need("approver", "approving a waiver")
    if person(found.entry.actor) == person(ask.actor):
        raise Refused("nobody approves what they asked for; another approver has to")
    if datetime.fromisoformat(found.entry.body["expires_at"]).timestamp() <= ask.now:
        raise Refused(f"{found.id} would be over already; ask for a new one")
    return ask.draft(ledger.APPROVED, {"waiver": found.id, "note": ask.text("note")}, **_of(found))


def reject(ask: Asking) -> Draft:
    """Return the rejection of a request; who asked may take it back so. Raises Refused."""
    found = _open(ask)
    if person(found.entry.actor) != person(ask.actor):
        ask.need("approver", "rejecting a waiver")
    return ask.draft(
        ledger.REJECTED, {"waiver": found.id, "note": ask.text("note", required=True)}, **_of(found)
    )


def end(ask: Asking) -> Draft:
    """Return the end of an approved waiver before its time. Raises Refused."""
    found = _named(ask)
    if found.state != "approved":
        raise Refused(f"{found.id} is {found.state}: there is nothing to end")
    ask.need("approver", "ending a waiver")
    return ask.draft(
        ledger.ENDED, {"waiver": found.id, "note": ask.text("note", required=True)}, **_of(found)
    )


def _decided(ask: Asking, found: Asked, kind: str) -> Draft:
    return ask.draft(kind, {"waiver": found.id, "note": ask.text("note", required=True)}, **_of(found))


def _row(ask: Asking) -> ItemResult:
    key, asset = ask.text("item", required=True), ask.text("asset") or None
    rows = [each for each in ask.result.items if each.id == key]
    if not rows:
        raise Refused(f'{ask.unit} is not asked "{key}"; {near(key, {each.id for each in ask.result.items})}')
    assets = [each.asset for each in rows if each.asset]
    found = next((each for each in rows if each.asset == asset), None)
    if found is None:
        hint = f"write --asset {' or '.join(assets)}" if assets else "leave --asset out"
        raise Refused(f'"{key}" is asked of {len(rows)} rows; {hint}')
    return found


def _may_be_waived(ask: Asking, row: ItemResult) -> None:
    item = ask.items.get(row.id)
    severity = row.declared_severity or row.severity
    blocks = SEVERITIES.index(severity) <= SEVERITIES.index("blocker")
    if blocks and not (item is not None and item.may_be_waived):
        raise Refused(f'"{row.id}" is a blocker, and its item does not say waivable: true; mend what fails')


def _about(ask: Asking, row: ItemResult) -> list[Asked]:
    key = (ask.gate, ask.unit, row.asset or "", row.id)
    return [
        each for each in ask.standing.asked.values()
        if (each.entry.gate, each.entry.unit, each.entry.asset, each.entry.item) == key
    ]  # fmt: skip


def _named(ask: Asking) -> Asked:
    key = ask.text("waiver", required=True)
    here = {k: each for k, each in ask.standing.asked.items() if each.entry.unit == ask.unit}
    if key not in here:
        raise Refused(f'there is no waiver "{key}" at {ask.unit}; {near(key, here)}')
    return here[key]


def _open(ask: Asking) -> Asked:
    found = _named(ask)
    if found.state != "requested":
        raise Refused(f"{found.id} is {found.state} already")
    return found


def _of(found: Asked) -> dict[str, str]:
    return {"item": found.entry.item, "asset": found.entry.asset}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
