"""`dns` against BIND, and its decoder against anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import dns.message
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Outcome
from probes.network._dns_message import MAX_CLASSES, Answer, _classes, decode, question
from probes.network.dns import DnsParams, objection
from tests.probing import run_once
from tests.servers.named import named

ASKED = question("www.muster.example", "A", recursion=True)


@pytest_asyncio.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    async with named(tmp_path) as listening:
        yield listening


async def test_answers_are_measured_and_sorted(port: int) -> None:
    reading = await run_once("dns", "127.0.0.1", port=port, name="www.muster.example")
    assert reading.outcome is Outcome.OK
    assert reading.facts["answer"] == "10.0.0.1, 10.0.0.2"
    assert reading.facts["flags"] == "aa"
    assert reading.metrics["answers"] == 2
    assert reading.metrics["ttl_min"] == 120
    assert 0 < reading.metrics["query_ms"] < 1000
    assert list(reading.phases) == ["resolve", "query"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_both_families(port: int, address: str) -> None:
    reading = await run_once("dns", address, port=port, name="www.muster.example", type="AAAA")
    assert (reading.outcome, reading.facts["answer"]) == (Outcome.OK, "2001:db8::1")
    assert reading.facts["address"] == address


@pytest.mark.parametrize(
    ("kind", "name", "answer"),
    [
        ("CNAME", "alias.muster.example", "www.muster.example"),
        ("MX", "muster.example", "10 mail.muster.example"),
        ("TXT", "note.muster.example", '"Hello \\"World\\""'),
        ("PTR", "10.0.0.1", "www.muster.example"),
        ("A", "alias.muster.example", "10.0.0.1, 10.0.0.2"),
    ],
)
async def test_types(port: int, kind: str, name: str, answer: str) -> None:
    reading = await run_once("dns", "127.0.0.1", port=port, name=name, type=kind)
    assert (reading.outcome, reading.facts.get("answer")) == (Outcome.OK, answer)


async def test_a_truncated_answer_is_asked_for_again_over_tcp(port: int) -> None:
    reading = await run_once("dns", "127.0.0.1", port=port, name="big.muster.example")
    assert (reading.outcome, reading.metrics["answers"]) == (Outcome.OK, 90)
    assert reading.facts["transport"] == "tcp"


async def test_tcp_alone(port: int) -> None:
    reading = await run_once("dns", "::1", port=port, name="www.muster.example", transport="tcp")
    assert (reading.outcome, reading.facts["transport"]) == (Outcome.OK, "tcp")


async def test_several_names_end_at_the_first_that_is_wrong(port: int) -> None:
    names = ["www.muster.example", "gone.muster.example", "alias.muster.example"]
    reading = await run_once("dns", "127.0.0.1", port=port, name=names)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail == "gone.muster.example A: NXDOMAIN, expected NOERROR"
    assert reading.metrics["answers"] == 2


async def test_a_negative_check_wants_nxdomain(port: int) -> None:
    reading = await run_once("dns", "127.0.0.1", port=port, name="gone.muster.example", rcode="nxdomain")
    assert (reading.outcome, reading.facts["rcode"]) == (Outcome.OK, "NXDOMAIN")


async def test_a_foreign_name_is_refused_by_an_authoritative_server(port: int) -> None:
    reading = await run_once("dns", "127.0.0.1", port=port, name="other.example")
    assert (reading.kind, reading.detail) == ("expectation", "other.example A: REFUSED, expected NOERROR")


async def test_other_answers_are_a_failed_expectation(port: int) -> None:
    reading = await run_once("dns", "127.0.0.1", port=port, name="www.muster.example", answers=["10.0.0.9"])
    assert reading.kind == "expectation"
    assert reading.detail == "www.muster.example A: answered 10.0.0.1, 10.0.0.2, expected 10.0.0.9"


def _answer(*data: str, rcode: str = "NOERROR") -> Answer:
    return Answer(rcode, (), False, data, 60 if data else None)


@pytest.mark.parametrize(
    ("match", "expected", "right"),
    [
        ("exactly", ["10.0.0.1", "10.0.0.2"], True),
        ("exactly", ["10.0.0.1"], False),
        ("contains", ["10.0.0.1"], True),
        ("contains", ["10.0.0.3"], False),
    ],
)
def test_matching(match: str, expected: list[str], right: bool) -> None:
    params = DnsParams.model_validate({"name": "x.example", "answers": expected, "match": match})
    assert (objection(_answer("10.0.0.2", "10.0.0.1"), params) == "") is right


def test_no_record_of_the_type_is_no_success() -> None:
    assert objection(_answer(), DnsParams(name=("x.example",))) == "no A record"


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example", "a." * 200])
def test_names_that_cannot_be_asked_are_refused_at_load(name: str) -> None:
    with pytest.raises(ValidationError):
        DnsParams.model_validate({"name": name} if name else {"name": []})


def test_answers_for_several_names_are_refused() -> None:
    with pytest.raises(ValidationError, match="one check for each name"):
        DnsParams.model_validate({"name": ["a.example", "b.example"], "answers": ["10.0.0.1"]})


@given(st.binary(max_size=600))
def test_the_decoder_takes_anything(data: bytes) -> None:
    assert decode(data, ASKED) is None or data[:2] == ASKED.wire[:2]


@given(st.binary(max_size=300), st.integers(0, 255), st.integers(0, 255))
def test_the_decoder_takes_anything_behind_a_right_header(tail: bytes, high: int, low: int) -> None:
    header = ASKED.wire[:2] + bytes([high | 0x80, low]) + b"\0\1\0\3\0\1\0\1"
    found = decode(header + ASKED.wire[12:] + tail, ASKED)
    assert found is None or len(found.data) <= 256


def test_kinds_of_records_that_answers_name_are_not_kept_without_end() -> None:
    head, asked, sizes = ASKED.wire[:2] + b"\x80\0\0\1\0\x64\0\0\0\0", ASKED.wire[12:-11], []
    for number in range(1000, 1000 + 2 * MAX_CLASSES, 100):
        records = [b"\xc0\x0c%b\0\1\0\0\0\1\0\1x" % (number + n).to_bytes(2, "big") for n in range(100)]
        assert decode(head + asked + b"".join(records), ASKED) is not None
        sizes.append(len(_classes))
    assert MAX_CLASSES / 2 < max(sizes) <= MAX_CLASSES
    assert decode(dns.message.make_response(ASKED.message).to_wire(), ASKED) is not None


@given(st.data())
def test_a_damaged_answer_is_an_answer_or_nothing(data: st.DataObject) -> None:
    answer = dns.message.make_response(ASKED.message)
    wire = bytearray(answer.to_wire())
    wire[data.draw(st.integers(2, len(wire) - 1))] = data.draw(st.integers(0, 255))
    found = decode(bytes(wire), ASKED)
    assert found is None or isinstance(found, Answer)
