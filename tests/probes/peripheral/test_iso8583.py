"""A card host by echo tests: layouts, response codes, and everything a host may do wrong."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import iso8583 as library
import iso8583.specs as _specs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes import registry
from probes.api import Outcome
from probes.errors import ProtocolViolated
from probes.peripheral import iso8583 as module
from probes.peripheral._iso8583_message import answer, check, framed, is_answer, length
from probes.peripheral._iso8583_params import CARD_DATA, Iso8583Params
from tests.probing import run_once
from tests.servers.certificates import Authority
from tests.servers.hostile import endless, garbage, resets, silent, tcp_server
from tests.servers.ports import closed_port
from tests.servers.pos_host import Host, ascii_echo, card_host, packed_echo, with_length

assert _specs.default
PACKED: dict[str, Any] = {
    "tpdu": "6000030000", "header": "603100310000", "encoding": "bcd", "type": "0820", "network_code": None,
    "transmission_time": False, "fields": {41: "12345678", 42: "123456789012345", 60: "00000001301"},
}  # fmt: skip


async def _ask(host: Host, *, timeout: float = 2.0, **params: Any) -> Any:
    async with card_host(host) as port:
        return await run_once("iso8583", "127.0.0.1", port=port, timeout=timeout, **params)


async def test_a_host_that_is_well() -> None:
    host = Host()
    reading = await _ask(host)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts["response_code"] == "00"
    assert reading.facts["type"] == "0810"
    assert 0 < reading.metrics["response_ms"] < 1000
    assert reading.metrics["strays"] == 0
    assert [*reading.phases] == ["resolve", "connect", "query"]
    assert len(host.asked) == 1
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in module.PROBE.facts}


@pytest.mark.parametrize("mac", [False, True])
async def test_a_host_as_terminals_in_china_ask_it(mac: bool) -> None:
    reading = await _ask(Host(reply=lambda asked: packed_echo(asked, mac=mac), pieces=7), **PACKED)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts["type"] == "0830"
    assert reading.facts["terminal"] == "12345678"
    assert reading.facts["merchant"] == "123456789012345"
    assert reading.facts.get("mac") == ("not verified" if mac else None)
    assert "not_told" not in reading.facts


@pytest.mark.parametrize(
    ("framing", "itself", "size", "frame"),
    [
        ("ascii4", False, int, lambda m: b"%04d" % len(m) + m),
        ("ascii4", True, lambda head: int(head) - 4, lambda m: b"%04d" % (len(m) + 4) + m),
        ("bcd2", False, lambda head: int(head.hex()), lambda m: bytes.fromhex(f"{len(m):04}") + m),
        ("binary2", True, lambda head: head[1] - 2, lambda m: with_length(m + b"..")[:-2]),
    ],
)
async def test_lengths(framing: str, itself: bool, size: Any, frame: Any) -> None:
    host = Host(length_bytes=4 if framing == "ascii4" else 2, size=size, frame=frame, pieces=1)
    reading = await _ask(host, framing=framing, length_counts_itself=itself)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")


async def test_bitmaps_as_digits() -> None:
    def reply(asked: bytes) -> bytes:
        bits, rest = asked[4:36], asked[36:]
        made = ascii_echo(asked[:4] + bytes.fromhex(bits.decode()) + rest)
        return made[:4] + made[4:20].hex().upper().encode() + made[20:]

    assert (await _ask(Host(reply=reply), bitmap="ascii")).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("code", "text"), [("91", "the switch or the bank"), ("ZZ", "the host says no more")]
)
async def test_another_response_code(code: str, text: str) -> None:
    reading = await _ask(Host(reply=lambda asked: ascii_echo(asked, code=code)))
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith(f"code_{code}: {text}")
    assert reading.facts["response_code"] == code
    assert reading.metrics["response_ms"] > 0


async def test_another_code_may_be_well() -> None:
    reading = await _ask(Host(reply=lambda asked: ascii_echo(asked, code="88")), accept=["00", "88"])
    assert reading.outcome is Outcome.OK


def _shifted(asked: bytes) -> bytes:
    return ascii_echo(asked, stan=f"{(int(asked[30:36]) + 1) % 1_000_000:06}")


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (None, "timeout", "query: no answer"),
        (_shifted, "protocol", "field 11 is"),
        (lambda asked: ascii_echo(asked)[:-3] + b"001", "protocol", "field 70 is '001', not '301'"),
        (lambda asked: ascii_echo(asked, kind="0800"), "protocol", "1 messages came, none of them"),
        (lambda asked: b"0810" + bytes(8), "protocol", "an answer without field 11"),
        (lambda asked: b"0810\x00\x20" + bytes(6) + asked[30:36], "protocol", "without a response code"),
        (lambda asked: ascii_echo(asked)[:40], "ok", ""),
        (lambda asked: ascii_echo(asked)[:33], "protocol", "an answer without field 11: field 11: "),
        (lambda asked: b"\xff" * 30, "protocol", "no message of ISO 8583"),
        (lambda asked: b"08", "protocol", "no message of ISO 8583"),
        (lambda asked: "０８１０".encode() + bytes(20), "protocol", "no message of ISO 8583"),
    ],
)
async def test_a_bad_answer(reply: Any, kind: str, text: str) -> None:
    reading = await _ask(Host(reply=reply), timeout=0.7)
    assert (reading.kind or "ok") == kind
    assert text in reading.detail
    if kind == "ok":
        assert reading.facts["not_told"].startswith("what follows in the answer: field 70: ")


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (lambda m: with_length(m)[:20], "breaks off after 20 bytes"),
        (lambda m: b"\x00\x30", "breaks off after 2 bytes"),
        (lambda m: b"\xff\xff" + m, "a message of 65535 bytes"),
    ],
)
async def test_a_bad_length(frame: Any, text: str) -> None:
    reading = await _ask(Host(frame=frame), timeout=0.7)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert text in reading.detail


async def test_what_a_host_says_of_itself_is_passed_over() -> None:
    heartbeat, its_own = (
        b"\0\0",
        with_length(b"0800" + bytes.fromhex("8220" + 12 * "0") + b"1124120000000001"),
    )
    reading = await _ask(Host(before=heartbeat + its_own))
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["strays"] == 2
    without_end = await _ask(Host(before=heartbeat * 50))
    assert (without_end.outcome, without_end.kind) == (Outcome.FAILED, "protocol")


async def test_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with card_host(Host(), tls=authority.issue("127.0.0.1").server_context()) as port:
        ask: dict[str, Any] = {"port": port, "tls": "on", "timeout": 3.0}
        good = await run_once("iso8583", "127.0.0.1", **ask, ca=str(authority.file))
        bad = await run_once("iso8583", "127.0.0.1", **ask)
        plain = await run_once("iso8583", "127.0.0.1", port=port, timeout=1.0)
    assert good.outcome is Outcome.OK
    assert good.metrics["tls_ms"] > 0
    assert (bad.outcome, bad.kind) == (Outcome.FAILED, "tls")
    assert plain.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("handler", "kind"),
    [(silent, "timeout"), (garbage, "protocol"), (endless, "protocol"), (resets, "protocol")],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("iso8583", "127.0.0.1", port=port, timeout=0.7)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


async def test_a_closed_port() -> None:
    with closed_port() as port:
        reading = await run_once("iso8583", "127.0.0.1", port=port)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "refused")


async def test_fields_that_can_not_be_written_are_ours() -> None:
    reading = await _ask(Host(), fields={41: "far too long for a terminal"})
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")


async def test_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "iso8583"]:
        monkeypatch.setitem(sys.modules, name, None)
    reading = await run_once("iso8583", "127.0.0.1", port=1)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")
    assert reading.detail.endswith("install muster-monitor[iso8583]")


async def test_a_run_that_is_cancelled_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        closed.set()

    async with tcp_server(waits) as port:
        run = asyncio.create_task(run_once("iso8583", "127.0.0.1", port=port))
        await asyncio.sleep(0.2)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.parametrize("number", [*sorted(CARD_DATA), 7, 11, 39, 70, 64, 128, 1, 65, 129])
def test_no_card_data_is_taken(number: int) -> None:
    with pytest.raises(ValidationError):
        registry.get("iso8583").params.model_validate({"port": 1, "fields": {number: "1"}})


params = st.builds(
    Iso8583Params,
    port=st.just(1),
    framing=st.sampled_from(("binary2", "ascii4", "bcd2")),
    length_counts_itself=st.booleans(),
    encoding=st.sampled_from(("ascii", "bcd")),
    bitmap=st.sampled_from(("binary", "ascii")),
    tpdu=st.sampled_from((None, "6000030000")),
)


@given(st.binary(max_size=4000), params)
def test_a_length_is_read_as_written(message: bytes, how: Iso8583Params) -> None:
    whole = framed(message, how)
    size = len(whole) - len(message)
    assert length(whole[:size], how) == len(message)


@given(st.binary(min_size=4, max_size=4), params)
def test_any_length_is_bounded(head: bytes, how: Iso8583Params) -> None:
    try:
        assert 0 <= length(head[: 4 if how.framing == "ascii4" else 2], how) <= 4096
    except ProtocolViolated:
        return


@given(st.sampled_from((b"", b"0810", b"\x08\x10", b"0810\xff\xff")), st.binary(max_size=300), params)
def test_any_message_is_read_or_refused(head: bytes, rest: bytes, how: Iso8583Params) -> None:
    try:
        found = answer(library, bytes(5 * (how.tpdu is not None)) + head + rest, how)
        if is_answer(found, how):
            assert not found.has_mac or found.fields["p"]
            check(found, "123456", how)
    except ProtocolViolated:
        return
