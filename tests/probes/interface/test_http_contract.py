"""http_contract against servers that check what they are sent: signatures, receipts, SOAP, refusals."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Outcome, Reading
from probes.errors import ProberFault, ProtocolViolated
from probes.interface import _template as template
from probes.interface import _xml as xml
from probes.interface.http_contract import PROBE
from tests.probes.middleware.watched import MARKER, run_watched
from tests.servers.certificates import Authority
from tests.servers.contract import Contract, contract
from tests.servers.hostile import garbage, silent, tcp_server
from tests.servers.ports import closed_port

SIGN = {
    "key": "secret:pw",
    "text": "${method}\n${path}\n${timestamp}\n${nonce}\n${body_sha256}",
}
SUBMIT = {
    "name": "submit",
    "method": "POST",
    "path": "/sms",
    "headers": {"X-Time": "${timestamp}", "X-Nonce": "${nonce}"},
    "json_body": {"to": "${number}", "text": 'Muster "${run}"'},
    "status": 202,
    "json_matches": {"$.code": 0},
    "capture": {"id": "$.id"},
}
RECEIPT = {
    "name": "receipt",
    "path": "/sms/${id}",
    "json_matches": {"$.state": "delivered"},
    "extract": {"parts": "$.parts", "state": "$.state"},
    "until": {"within": 3, "pace": 0.2},
}
ASK = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<Count xmlns="urn:bank"><Day>${time}</Day></Count></s:Body></s:Envelope>'
)
COUNT = {
    "name": "count",
    "method": "POST",
    "path": "/bank",
    "xml_body": ASK,
    "xml_matches": {"//{*}Code": "0000", "//b:CountResult/@day": "${time}"},
    "namespaces": {"b": "urn:bank"},
    "extract": {"rows": "//{*}Rows"},
}


@pytest_asyncio.fixture
async def system() -> AsyncIterator[Contract]:
    async with contract(MARKER) as running:
        yield running


async def _ask(caplog: pytest.LogCaptureFixture, port: int, *steps: Any, **more: Any) -> Reading:
    return await run_watched(caplog, "http_contract", port=port, steps=list(steps), **more)


async def test_a_message_is_submitted_and_its_receipt_awaited(
    system: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    reading = await _ask(caplog, system.port, SUBMIT, RECEIPT, sign=SIGN, values={"number": "+86 1"})
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["steps_passed"] == 2
    assert reading.metrics["receipt_ms"] >= 200
    assert reading.metrics["total_ms"] >= reading.metrics["receipt_ms"]
    assert reading.metrics["parts"] == 1
    assert reading.facts["state"] == "delivered"
    assert set(reading.phases) == {"resolve", "connect", "step.submit", "step.receipt"}
    path, body = system.seen[-1]
    assert path == "/sms"
    assert body.startswith('{"to":"+86 1","text":"Muster \\"muster')


async def test_a_receipt_that_does_not_come(system: Contract, caplog: pytest.LogCaptureFixture) -> None:
    system.delivered_after_s = 60
    try:
        late = RECEIPT | {"until": {"within": 0.7, "pace": 0.2}}
        reading = await _ask(caplog, system.port, SUBMIT, late, sign=SIGN, values={"number": "1"})
    finally:
        system.delivered_after_s = 0.3
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("step receipt: $.state is queued, expected delivered (")
    assert reading.facts["failed_step"] == "receipt"
    assert reading.metrics["steps_passed"] == 1
    assert reading.phase == "step.receipt"


async def test_a_wrong_signature_is_our_login(system: Contract, caplog: pytest.LogCaptureFixture) -> None:
    wrong = SIGN | {"text": "${body}"}
    reading = await _ask(caplog, system.port, SUBMIT, sign=wrong, values={"number": "1"})
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
    assert reading.detail == "wrong_password: step submit: HTTP 401"


async def test_soap(system: Contract, caplog: pytest.LogCaptureFixture) -> None:
    given = {"time_format": "%Y-%m-%d", "timezone": "Asia/Shanghai"}
    reading = await _ask(caplog, system.port, COUNT, **given)
    wrong = await _ask(caplog, system.port, COUNT | {"xml_matches": {"//{*}Rows": "4"}}, **given)
    nothing = await _ask(caplog, system.port, COUNT | {"xml_matches": {"//{*}Fault": "4"}}, **given)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["rows"] == 3
    assert wrong.detail == "step count: //{*}Rows is 3, expected 4"
    assert nothing.detail == "step count: //{*}Fault is nothing, expected 4"


async def test_gbk_both_ways(system: Contract, caplog: pytest.LogCaptureFixture) -> None:
    step = {
        "name": "ask", "method": "POST", "path": "/bank/gbk", "charset": "gbk",
        "xml_body": '<?xml version="1.0" encoding="GBK"?><Ask><Unit>${unit}</Unit></Ask>',
        "xml_matches": {"/Reply/Text": "交易成功"},
    }  # fmt: skip
    reading = await _ask(caplog, system.port, step, values={"unit": "天河 & 越秀"})
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert "<Unit>天河 &amp; 越秀</Unit>" in system.seen[-1][1]


async def test_entities_are_refused(system: Contract, caplog: pytest.LogCaptureFixture) -> None:
    step = {"name": "bomb", "path": "/bomb", "xml_matches": {"/a": "cc"}}
    reading = await _ask(caplog, system.port, step)
    assert (reading.kind, reading.detail) == ("protocol", "step bomb: XML with a document type")


async def test_a_captured_value_stays_in_its_place(
    system: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    login = {
        "name": "login", "method": "POST", "path": "/login", "json_body": {"password": "${pass}"},
        "capture": {"token": "$.token"},
    }  # fmt: skip
    show = {"name": "show", "path": "/show/${token}?token=${token}", "json_matches": {"$.token": "${token}"}}
    secret_values = {"pass": "secret:pw"}
    reading = await _ask(caplog, system.port, login, show, secret_values=secret_values)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    wrong = show | {"json_matches": {"$.path": "/"}}
    reading = await _ask(caplog, system.port, login, wrong, secret_values=secret_values)
    assert reading.detail == "step show: $.path is /show/***?token=***, expected /"


@pytest.mark.parametrize(
    ("status", "kind", "word"), [(401, "auth", "wrong_password"), (403, "permission", "missing_right")]
)
async def test_an_account_that_is_refused(
    status: int, kind: str, word: str, system: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    step = {"name": "ask", "path": f"/guarded?status={status}"}
    reading = await _ask(caplog, system.port, step, user="monitor", password="secret:pw")
    expected = await _ask(caplog, system.port, step | {"status": [str(status)]})
    anonymous = await _ask(caplog, system.port, step)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, kind)
    assert reading.detail == f"{word}: step ask: HTTP {status}"
    assert expected.outcome is Outcome.OK
    assert (anonymous.kind, anonymous.detail) == (
        "expectation",
        f"step ask: status {status}, expected 200-299",
    )


async def test_what_repeats_a_secret(system: Contract, caplog: pytest.LogCaptureFixture) -> None:
    step = {"name": "show", "path": "/show/?token=${word}", "json_matches": {"$.token": "other"}}
    reading = await _ask(caplog, system.port, step, secret_values={"word": "secret:pw"})
    assert reading.detail == "step show: $.token is ***, expected other"


async def test_redirects_are_not_followed(system: Contract, caplog: pytest.LogCaptureFixture) -> None:
    reading = await _ask(caplog, system.port, {"name": "ask", "path": "/away"})
    assert reading.detail == "step ask: status 302, expected 200-299"


async def test_a_body_over_the_limit(system: Contract, caplog: pytest.LogCaptureFixture) -> None:
    step = {"name": "ask", "path": "/large", "json_matches": {"$.code": 0}}
    whole = await _ask(caplog, system.port, step)
    cut = await _ask(caplog, system.port, step, body_limit=1000)
    assert whole.outcome is Outcome.OK
    assert (cut.outcome, cut.kind) == (Outcome.ERROR, "inconclusive")
    assert "body_limit" in cut.detail


async def test_over_tls_with_a_client_certificate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("bank.example", label="server")
    client = authority.issue("monitor", label="client")
    step = {"name": "show", "path": "/show/"}
    given: dict[str, Any] = {"tls": "on", "host": "bank.example", "ca": str(authority.file)}
    async with contract("k", server.server_context(authority.file)) as running:
        good = await _ask(caplog, running.port, step, certificate=str(client.file), **given)
        without = await _ask(caplog, running.port, step, **given)
        named = await _ask(caplog, running.port, step, **{**given, "host": None})
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert good.metrics["tls_ms"] > 0
    assert without.outcome is Outcome.FAILED
    assert named.kind == "tls"


async def test_hostile_and_absent_servers(caplog: pytest.LogCaptureFixture) -> None:
    step = {"name": "ask", "path": "/"}
    async with tcp_server(garbage) as port:
        reading = await _ask(caplog, port, step)
    assert reading.kind == "protocol"
    assert reading.detail.startswith("step ask: ")
    async with tcp_server(silent) as port:
        reading = await _ask(caplog, port, step, timeout=0.5)
    assert (reading.kind, reading.phase) == ("timeout", "step.ask")
    with closed_port() as port:
        reading = await _ask(caplog, port, step)
    assert reading.kind == "refused"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"steps": []}, "at least 1"),
        ({"steps": [{"name": "a", "path": "//other/"}]}, "pattern"),
        ({"steps": [{"name": "a", "path": "http://other/"}]}, "pattern"),
        ({"steps": [{"name": "a", "path": "/${id}"}]}, "nothing gives \\${id}"),
        ({"steps": [{"name": "a", "path": "/", "xml_matches": {"//p:x": "1"}}]}, "no path into XML"),
        ({"steps": [{"name": "a", "path": "/", "capture": {"x": "id"}}]}, "write a JSONPath"),
        ({"steps": [{"name": "total", "path": "/"}]}, "reported already"),
        ({"steps": [{"name": "a", "path": "/"}] * 2}, "a_ms is reported already"),
        ({"steps": [{"name": "a", "path": "/", "json_body": 1, "form_body": {"a": "b"}}]}, "exclude"),
        ({"steps": [{"name": "a", "path": "/", "form_body": {"a": "${b}"}}]}, "nothing gives \\${b}"),
        ({"steps": [{"name": "a", "path": "/", "headers": {"Host": "x"}}]}, "can't be set"),
        ({"steps": [{"name": "a", "path": "/"}], "timezone": "Mars/One"}, "time zone"),
        ({"steps": [{"name": "a", "path": "/"}], "secret_headers": {"X-Key": "inline"}}, "inline"),
    ],
)
def test_parameters_that_are_refused(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        PROBE.params.model_validate(more)


def test_a_signature_is_the_one_of_rfc_4231() -> None:
    made = template.signature(b"Jefe", b"what do ya want for nothing?", "sha256", "hex")
    assert made == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_a_signature_by_sm3_is_openssls() -> None:
    made = template.signature(b"k", b"abc", "sm3", "hex")
    assert made == "af684d81732e81f6a9c5dd0aa68f27667b36debcebe29e094a654c3d496a898a"


@pytest.mark.parametrize(("text", "encoding"), [("00zz", "hex"), ("a=b", "base64")])
def test_a_key_that_is_written_otherwise(text: str, encoding: Any) -> None:
    with pytest.raises(ProberFault, match=encoding):
        template.key_of(text, encoding)
    assert template.key_of("0a0b", "hex") == template.key_of("Cgs=", "base64") == b"\n\x0b"


@given(st.text(max_size=50))
def test_a_value_in_xml_comes_back(value: str) -> None:
    kept = "".join(c for c in value if c.isprintable())
    text = template.in_xml("<a b='${v}'>${v}</a>", {"v": kept}).encode("utf-8", "replace")
    kept = kept.encode("utf-8", "replace").decode()
    found = xml.document(text)[0]
    assert (found.text or "", found.get("b")) == (kept, kept)


@given(st.text(max_size=50))
def test_a_value_is_not_read_again(value: str) -> None:
    assert template.in_json({"a": ["${v}"]}, {"v": value, "w": "no"}) == {"a": [value]}


@given(st.binary(max_size=300) | st.text("<>/ab&;!DOCTYPE[]\"='", max_size=100).map(str.encode))
def test_any_bytes_are_xml_or_a_violation(data: bytes) -> None:
    with contextlib.suppress(ProtocolViolated):
        assert isinstance(xml.document(data), ET.Element)


def test_depth_and_size_are_bounded() -> None:
    with pytest.raises(ProtocolViolated, match="elements"):
        xml.document(b"<a>" + b"<b/>" * 100_000 + b"</a>")
    with pytest.raises(ProtocolViolated, match="nested"):
        xml.document(b"<a>" * 100 + b"</a>" * 100)
