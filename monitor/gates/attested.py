"""What a statement is worth now: the row of an item that nobody can measure. Pure."""

from __future__ import annotations

from typing import Any

from monitor.gates.rights import at_least
from monitor.gates.standing import Attestation
from monitor.readiness.checklist import Item
from monitor.readiness.digest import digest
from monitor.readiness.results import ItemResult
from monitor.readiness.verdict import Status

SLACK_S = 300.0
"""How far ahead of our clock a statement may lie."""
MOST_KNOWN = 2000
_ASKED: dict[int, tuple[Item, str]] = {}
"""Digests of the items met last, by identity: all units share them."""
AGE_S = 30 * 86_400.0
"""For how long it counts that a measured item does not apply."""


def asked(item: Item) -> str:
    """Return the digest of what is to be stated: another question needs another answer."""
    known = _ASKED.get(id(item))
    if known is None or known[0] is not item:
        if len(_ASKED) >= MOST_KNOWN:
            _ASKED.clear()
        known = _ASKED[id(item)] = (item, _asked(item))
    return known[1]


def _asked(item: Item) -> str:
    return digest({"id": item.id, "title": item.title, "attest": item.attest, "expect": item.expect})


def judged(item: Item, stated: Attestation | None, blank: ItemResult, now: float) -> ItemResult:
    """Return the row of an item by what was stated of it; `blank` is the row with nothing judged.

    Nothing stated, too few files, or another question: not_attested. Older than `every`: stale, and what was
    said stays to be seen.
    """
    attest = item.attest
    if attest is None or stated is None or stated.not_applicable:
        return blank.changed(reason="not_attested")
    entry = stated.entry
    found = {
        "collected_at": entry.at, "attempted_at": entry.at, "expires_at": entry.at + attest.every,
        "actual": f"{entry.actor}: {stated.statement}", "value": "holds" if stated.holds else "fails",
        "reason": "not_attested",
    }  # fmt: skip
    return blank.changed(**(found | _worth(item, stated, attest.every, now)))


def _worth(item: Item, stated: Attestation, every: float, now: float) -> dict[str, Any]:
    """Return what a statement comes to: status, reason and detail, as far as they are not those of none."""
    at = stated.entry.at
    if lacking := _lacking(item, stated):
        return {"detail": lacking}
    if at > now + SLACK_S:
        return {"reason": "inconclusive", "detail": "it was stated in the future: check the clocks"}
    if now >= at + every:
        return {"reason": "stale", "detail": "what was stated is too old: state it again"}
    if stated.holds:
        return {"reason": "", "status": Status.PASS}
    return {"reason": "expectation", "status": Status.FAIL, "detail": stated.statement}


def _lacking(item: Item, stated: Attestation) -> str:
    assert item.attest is not None
    if stated.asked != asked(item):
        return "the checklist asks something else since it was stated: state it again"
    role = stated.entry.role
    if not at_least(role, item.attest.role):  # type: ignore[arg-type]
        return f"it was stated by an {role}, and takes an {item.attest.role}"
    return ""


def excluded(stated: Attestation | None, item: Item, now: float) -> str:
    """Return by whom a row was agreed not to apply; nothing where that is not approved, or too long ago."""
    if stated is None or not stated.not_applicable or not stated.confirmed_by:
        return ""
    age = item.attest.every if item.attest else AGE_S
    if stated.asked != asked(item) or now >= stated.entry.at + age:
        return ""
    return f"{stated.entry.actor}: {stated.statement}; approved by {stated.confirmed_by}"
