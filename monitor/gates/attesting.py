"""What people state of what nobody can measure, and take back: what may be done. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monitor.gates import ledger
from monitor.gates.asking import Asking, near
from monitor.gates.attested import asked
from monitor.gates.ledger import Draft
from monitor.gates.rights import person
from monitor.gates.standing import Attestation
from monitor.people.refused import Refused
from probes.api import clip

MOST_FILES = 20
_SHA = re.compile(r"[0-9a-f]{64}")


def state(ask: Asking) -> Draft:
    """Return a statement of an item. Raises Refused."""
    item = ask.item()
    off = bool(ask.request.get("not_applicable"))
    if item.attest is None and not off:
        raise Refused(f'"{item.id}" is measured, not stated; a waiver (muster waive request) may except it')
    ask.need(item.attest.role if item.attest else "operator", f'stating "{item.id}"')
    files = _files(ask.request.get("files") or ())
    wanted = item.attest.files if item.attest and not off else 0
    if len(files) < wanted and not ask.request.get("fails"):
        raise Refused(f'"{item.id}" asks for {wanted} files; add --file FILE for each ({len(files)} given)')
    body = {
        "holds": not ask.request.get("fails"), "statement": ask.text("statement", required=True),
        "files": files, "asked": asked(item), "not_applicable": off,
    }  # fmt: skip
    return ask.draft(ledger.STATED, body, item=item.id, asset=_asset(ask, item.id) if off else "")


def withdraw(ask: Asking) -> Draft:
    """Return the end of a statement, by who made it or an approver. Raises Refused."""
    stated, item = _stated(ask)
    if person(stated.entry.actor) != person(ask.actor):
        ask.need("approver", f"taking back what {person(stated.entry.actor)} stated")
    body = {"of": stated.entry.seq, "reason": ask.text("reason", required=True)}
    return ask.draft(ledger.RETRACTED, body, item=item, asset=stated.entry.asset)


def confirm(ask: Asking) -> Draft:
    """Return the approval that an item does not apply, never by who stated it. Raises Refused."""
    stated, item = _stated(ask)
    if not stated.not_applicable:
        raise Refused(f'"{item}" was stated, and needs no approval')
    ask.need("approver", "approving that an item does not apply")
    if person(stated.entry.actor) == person(ask.actor):
        raise Refused("nobody approves what they stated; another approver has to")
    return ask.draft(ledger.CONFIRMED, {"of": stated.entry.seq}, item=item, asset=stated.entry.asset)


def _stated(ask: Asking) -> tuple[Attestation, str]:
    item = ask.text("item", required=True)
    stated = ask.standing.attestations.get((ask.gate, ask.unit, ask.text("asset"), item))
    if stated is None:
        raise Refused(f'nothing was stated of "{clip(item, 100)}" at {ask.unit}')
    return stated, item


def _asset(ask: Asking, item: str) -> str:
    """Return the asset that is meant, none for all. Raises Refused."""
    asset = ask.text("asset")
    there = {each.asset or "" for each in ask.result.items if each.id == item}
    if asset and asset not in there:
        raise Refused(f'"{item}" is not asked of "{clip(asset, 100)}"; {near(asset, there - {""})}')
    return asset


def _files(given: object) -> list[dict[str, Any]]:
    if not isinstance(given, list | tuple) or len(given) > MOST_FILES:
        raise Refused(f"at most {MOST_FILES} files")
    return [_file(each) for each in given]


def _file(given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise Refused("a file is given by name, sha256 and size")
    size, sha = given.get("size"), str(given.get("sha256"))
    if not isinstance(size, int) or not _SHA.fullmatch(sha):
        raise Refused("a file is given by name, sha256 and size")
    return {"name": clip(str(given.get("name") or "file"), 200), "sha256": sha, "size": size}
