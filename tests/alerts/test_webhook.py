"""The signed webhook against a real server."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts import schema
from monitor.alerts.event_document import EventDocument, describe, document
from monitor.alerts.webhook import HEADER, REPLAY_S, Webhook, signature, verify
from monitor.incidents.incident import Member, Notice
from monitor.messages.message import Message, TransportError
from monitor.state import State
from probes.api import SecretRef
from tests.alerts.life import BEGIN, CARD, event, incident
from tests.alerts.messages import message
from tests.json_schema import errors
from tests.servers.certificates import Authority
from tests.servers.receiver import Receiver, receiver

KEY = "Zauberwort-4711"
PATH = "/hooks/T0ken-in-the-path"
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/event.json").read_text("utf-8"))


def secrets(address: str = "") -> dict[str, str]:
    return {"desk": KEY, "address": address}


def hook(
    taking: Receiver, *, scheme: str = "http", ca_file: Path | None = None, limit: float = 5.0
) -> Webhook:
    known = secrets(f"{scheme}://localhost:{taking.port}{PATH}")
    return Webhook("desk", "secret:address", SecretRef("desk"), lambda ref: known[ref], limit, ca_file)


def told(notice: Notice = Notice.OPENED) -> Message:
    happened = replace(
        event(notice, incident()),
        members=(Member("gz/core/icmp", State.DOWN, "timeout", BEGIN, BEGIN),),
        total=3,
    )
    data = describe(happened, CARD)
    return replace(message(), channel="desk", notice=notice.value, data=data, date=BEGIN)


async def fails(webhook: Webhook) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await webhook.deliver(told())
    assert "T0ken" not in str(caught.value)
    assert KEY not in str(caught.value)
    return caught.value


async def test_what_is_posted_is_signed_and_as_the_schema_says() -> None:
    async with receiver() as taking:
        await hook(taking).deliver(told())
    [posted] = taking.posted
    assert posted.path == PATH
    assert verify(KEY, posted.body, posted.headers[HEADER], time.time())
    data = json.loads(posted.body)
    assert list(errors(data, SCHEMA)) == []
    assert (data["schema"], data["event"], data["id"]) == ("muster.event/1", "opened", "1@example.org")
    assert data["incident"]["members_total"] == 3
    assert data["unit"]["name"] == "Guangzhou"


def test_the_schema_is_that_of_the_model(tmp_path: Path) -> None:
    schema.main(tmp_path)
    assert json.loads((tmp_path / schema.NAME).read_text("utf-8")) == SCHEMA


def test_messages_without_an_incident_are_documents_too() -> None:
    found = EventDocument.model_validate_json(document(replace(message(), notice="summary")))
    assert (found.event, found.incident, found.unit) == ("summary", None, None)


def test_of_a_unit_that_is_gone_the_id_is_told() -> None:
    found = EventDocument.model_validate_json(
        document(replace(told(), data=describe(event(Notice.CLOSED, incident()), None)))
    )
    assert found.unit is not None
    assert (found.unit.id, found.unit.name, found.event) == ("gz", "", "closed")


async def test_tls_is_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with receiver(authority.issue("localhost").server_context()) as taking:
        assert "certificate" in str(await fails(hook(taking, scheme="https")))
        await hook(taking, scheme="https", ca_file=authority.file).deliver(told())
    async with receiver(authority.issue("elsewhere.example").server_context()) as other:
        assert "certificate" in str(await fails(hook(other, scheme="https", ca_file=authority.file)))
    assert (len(taking.posted), len(other.posted)) == (1, 0)


async def test_redirects_are_not_followed() -> None:
    async with receiver() as taking, receiver() as elsewhere:
        taking.status, taking.location = 307, f"http://localhost:{elsewhere.port}/"
        error = await fails(hook(taking))
    assert (error.permanent, elsewhere.posted) == (False, [])
    assert str(error).startswith("HTTP 307")


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(400, True), (410, True), (401, False), (404, False), (429, False), (503, False)],
)
async def test_what_answers_mean(status: int, permanent: bool) -> None:
    async with receiver() as taking:
        taking.status = status
        error = await fails(hook(taking))
    assert (str(error), error.permanent) == (f"HTTP {status}", permanent)


async def test_slow_servers_cost_their_time_only() -> None:
    async with receiver() as taking:
        taking.slow = 1.0
        assert str(await fails(hook(taking, limit=0.2))) == "no answer within 0.2 s"


async def test_down(caplog: pytest.LogCaptureFixture) -> None:
    async with receiver() as taking:
        pass
    with caplog.at_level(logging.DEBUG):
        assert "not handed over" in str(await fails(hook(taking)))
    assert "T0ken" not in caplog.text


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"desk": KEY, "address": "ftp://example.org/T0ken"}, "the webhook is no address"),
        ({"desk": KEY, "address": "http://example.org/T0ken"}, "a webhook over clear text is refused"),
        ({"desk": KEY}, "can't be read"),
    ],
)
async def test_secrets_that_are_missing_or_wrong(given: dict[str, str], why: str) -> None:
    webhook = Webhook("desk", "secret:address", SecretRef("desk"), lambda ref: given[ref])
    assert why in str(await fails(webhook))


@given(
    st.binary(max_size=200),
    st.integers(0, 10**10),
    st.floats(-2 * REPLAY_S, 2 * REPLAY_S),
    st.binary(min_size=1),
)
def test_a_signature_holds_for_its_body_key_and_time_alone(
    body: bytes, at: int, late: float, more: bytes
) -> None:
    header = signature(KEY, body, at)
    assert verify(KEY, body, header, at + late) == (abs(at + late - at) <= REPLAY_S)
    assert not verify(KEY, body + more, header, at)
    assert not verify(KEY + "x", body, header, at)
    assert not verify(KEY, body, header.replace(f"t={at}", f"t={at + 1}"), at)


@given(st.text(max_size=80))
def test_any_header_is_judged(header: str) -> None:
    assert not verify(KEY, b"{}", header, BEGIN)
