"""Signing a verdict: what is signed is its digest, so that nobody signs what they did not see. Pure.

The subject is gate, unit, verdict, the unit's and the checklists' digests, the waivers, and the evidence's
root: sha256 over the canonical JSON of all rows. A key may sign the subject, too (Ed25519, RFC 8032).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from monitor.gates import ledger
from monitor.gates.asking import Asking
from monitor.gates.ledger import Draft, Entry, sealed
from monitor.people.refused import Refused
from monitor.readiness.digest import digest
from monitor.readiness.results import UnitResult
from monitor.readiness.verdict import Verdict
from probes.api import clip

SCHEMA = "muster.signoff/1"
SIGNABLE = (Verdict.READY, Verdict.CONDITIONAL)
KEYS = ("gate", "unit", "verdict", "unit_digest", "checklists", "evidence_root", "waivers")
"""What a subject consists of."""


def subject_of(gate: str, result: UnitResult) -> dict[str, Any]:
    """Return what would be signed, as plain data with its own digest under `subject` and its `items`."""
    items = [item.plain() for item in result.items]
    waivers = [
        {"id": item["waiver"]["id"], "item": item["id"], "asset": item["asset"],
         "approved_by": item["waiver"]["approved_by"], "expires_at": item["waiver"]["expires_at"]}
        for item in items if item["waiver"]
    ]  # fmt: skip
    found = {
        "gate": gate, "unit": result.id, "verdict": result.verdict.value, "unit_digest": result.unit_digest,
        "checklists": [list(each) for each in result.checklists], "evidence_root": digest(items),
        "waivers": waivers,
    }  # fmt: skip
    return found | {"subject": digest(found), "items": items}


def message(subject: str) -> bytes:
    """Return what a key signs."""
    return f"{SCHEMA} {subject}".encode()


def sign(ask: Asking) -> Draft:
    """Return a signature of the verdict that was looked at. Raises Refused."""
    ask.need("approver", "signing a verdict")
    found = subject_of(ask.gate, ask.result)
    if ask.result.verdict not in SIGNABLE:
        why = "; ".join(ask.result.reasons[:3])
        raise Refused(
            f"{ask.unit} is {ask.result.verdict.value} ({why}): only READY and CONDITIONAL are signed"
        )
    if ask.text("subject") != found["subject"]:
        raise Refused(
            f"{ask.unit} is no longer what you looked at; look again (muster sign {ask.unit}), and sign"
        )
    body: dict[str, Any] = {**found, "key": "", "signature": ""}
    if ask.request.get("signature"):
        body |= {name: clip(str(ask.request.get(name) or ""), 200) for name in ("key", "signature")}
        if wrong := _key_wrong(body):
            raise Refused(wrong)
    return ask.draft(ledger.SIGNED, body)


def _key_wrong(body: Mapping[str, Any]) -> str:
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(body["key"], validate=True))
        key.verify(base64.b64decode(body["signature"], validate=True), message(body["subject"]))
    except (ValueError, binascii.Error, InvalidSignature):
        return "the key's signature does not fit what is signed"
    return ""


def document(entry: Entry) -> dict[str, Any]:
    """Return a sign-off as a file for others: all that is needed to verify it without us."""
    return {"schema": SCHEMA, "entry": entry.plain(), "digest": entry.digest}


def wrong_with(given: object, trusted: str = "") -> str:
    """Return what is wrong with a sign-off from a file, nothing where it is whole.

    With `trusted`, a public key (base64 of its 32 bytes), it must be signed by that key.
    """
    if not isinstance(given, Mapping) or given.get("schema") != SCHEMA:
        return f"this is no sign-off: its schema is not {SCHEMA}"
    try:
        entry = Entry(**dict(given["entry"]))
        return next(_wrongs(entry, str(given["digest"]), trusted), "")
    except (KeyError, TypeError, ValueError, AttributeError):
        return "this is no sign-off: parts of it are missing"


def _wrongs(entry: Entry, sealed_as: str, trusted: str) -> Iterator[str]:
    body = entry.body
    if sealed(entry).digest != sealed_as:
        yield "the record was changed after it was written"
    if (body["gate"], body["unit"], entry.kind) != (entry.gate, entry.unit, ledger.SIGNED):
        yield "the record is not that of a signature of this unit"
    if digest(body["items"]) != body["evidence_root"]:
        yield "the evidence was changed: its root is another"
    if digest({key: body[key] for key in KEYS}) != body["subject"]:
        yield "what was signed was changed: its digest is another"
    if body["signature"] and (wrong := _key_wrong(body)):
        yield wrong
    if trusted and (not body["signature"] or body["key"] != trusted):
        yield "it is not signed by the key that is trusted"
