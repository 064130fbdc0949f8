"""Signatures: of what was looked at, by whom may, provable by anybody later."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monitor.gates.ledger import Entry, broken, sealed
from monitor.gates.signing import KEYS, document, message, wrong_with
from monitor.people.refused import Refused
from monitor.readiness.digest import digest
from monitor.store.pins import from_json
from tests.gates.home import Home


@pytest.fixture
def ready(home: Home) -> Home:
    home.drilled()
    home.reported()
    return home.measured()


def signed(home: Home, actor: str = "boss", **more: Any) -> Entry:
    subject = home.ask("sign.look", actor)["shown"]["subject"]
    return Entry(**home.ask("sign", actor, subject=subject, **more)["entry"])


def with_key(home: Home, key: Ed25519PrivateKey) -> dict[str, str]:
    subject = home.ask("sign.look")["shown"]["subject"]
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    return {"key": public, "signature": base64.b64encode(key.sign(message(subject))).decode()}


def test_looking_shows_and_writes_nothing(ready: Home) -> None:
    shown = ready.ask("sign.look")["shown"]
    assert (shown["verdict"], shown["counts"]["pass"], shown["signed"]) == ("READY", 4, None)
    assert len(ready.entries()) == 2


def test_a_signature_keeps_verdict_digests_rows_and_readings(ready: Home) -> None:
    entry = signed(ready)
    body = entry.body
    assert (body["verdict"], body["unit"], entry.role) == ("READY", "hall", "approver")
    assert body["unit_digest"] == ready.judge().unit_digest
    assert {row["id"] for row in body["items"]} == {"drill", "report", "answers", "fast"}
    with closing(ready.database()) as database:
        rows = database.read_now(lambda c: c.execute("SELECT * FROM evidence").fetchall())
    [kept] = [from_json(row[3]) for row in rows if row[0] == entry.digest]
    assert kept == ready.readings[0]
    assert ready.ask("sign.look")["shown"]["signed"]["by"] == "boss (unauthenticated)"


def test_what_changed_since_one_looked_is_not_signed(ready: Home) -> None:
    subject = ready.ask("sign.look")["shown"]["subject"]
    ready.measured(rtt_ms=13, age=1)
    with pytest.raises(Refused, match="no longer what you looked at"):
        ready.ask("sign", "boss", subject=subject)


def test_who_may_not_sign_and_what_is_not_signed(ready: Home) -> None:
    with pytest.raises(Refused, match="li is operator at hall, and signing a verdict takes an approver"):
        signed(ready, "li")
    ready.measured(rtt_ms=90, age=1)
    with pytest.raises(Refused, match=r"hall is NOT_READY \(.*only READY and CONDITIONAL are signed"):
        signed(ready)


def test_a_record_is_whole_anywhere_and_any_change_to_it_shows(ready: Home) -> None:
    key = Ed25519PrivateKey.generate()
    record = json.loads(json.dumps(document(signed(ready, **with_key(ready, key)))))
    trusted = record["entry"]["body"]["key"]
    assert wrong_with(record, trusted) == ""
    other = base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    assert "not signed by the key" in wrong_with(record, other)

    def changed(change: Callable[[dict[str, Any]], None]) -> str:
        again = copy.deepcopy(record)
        change(again)
        return wrong_with(again, trusted)

    assert changed(lambda r: r["entry"].update(actor="chief"))
    assert changed(lambda r: r["entry"]["body"].update(verdict="CONDITIONAL"))
    assert changed(lambda r: r["entry"]["body"]["items"][0].update(status="fail"))
    assert changed(lambda r: r["entry"]["body"].pop("waivers"))
    assert changed(lambda r: r.update(digest="sha256:0"))
    assert changed(lambda r: r.update(schema="x"))
    assert wrong_with([], trusted)
    assert wrong_with({"schema": "muster.signoff/1", "entry": 5, "digest": ""})


def test_a_forger_who_seals_anew_lacks_the_key(ready: Home) -> None:
    record = document(signed(ready, **with_key(ready, Ed25519PrivateKey.generate())))
    body = copy.deepcopy(dict(record["entry"]["body"]))
    body["items"][0]["status"] = "fail"
    body["evidence_root"] = digest(body["items"])
    body["subject"] = digest({key: body[key] for key in KEYS})
    forged = sealed(Entry(**{**record["entry"], "body": body}))
    assert wrong_with(document(forged)) == "the key's signature does not fit what is signed"


def test_a_wrong_key_is_refused_at_once(ready: Home) -> None:
    key = with_key(ready, Ed25519PrivateKey.generate())
    with pytest.raises(Refused, match="does not fit"):
        signed(ready, **{**key, "signature": base64.b64encode(b"x" * 64).decode()})
    with pytest.raises(Refused, match="does not fit"):
        signed(ready, key="?", signature="?")


def test_all_of_it_is_one_chain(ready: Home) -> None:
    signed(ready)
    signed(ready, "chief")
    assert [each.kind for each in ready.entries()] == ["attest", "attest", "sign", "sign"]
    assert broken(ready.entries()) == ""
