"""SIP by OPTIONS against Kamailio and sipp, and against peers that lose, repeat and muddle."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes import registry
from probes.api import Outcome, Target
from probes.errors import ProtocolViolated
from probes.peripheral import sip as module
from probes.peripheral._sip_message import Options, methods, response
from probes.peripheral.sip import SipParams, options
from tests.probing import run_once
from tests.servers.certificates import Authority
from tests.servers.hostile import endless, garbage, resets, silent, tcp_server
from tests.servers.ports import closed_port, free_port_of_both
from tests.servers.sip import Script, field, kamailio, reply, scripted_udp, sipp

OPTIONS = Options("sip:a@b", "UDP", "127.0.0.1:5060", "branch", "tag", "call")


async def test_kamailio_over_udp_and_tcp() -> None:
    async with kamailio() as server:
        for transport in ("udp", "tcp"):
            ask: dict[str, Any] = {"port": server.port, "transport": transport}
            good = await run_once("sip", "127.0.0.1", **ask, user="95598")
            itself = await run_once("sip", "127.0.0.1", **ask)
            slow = await run_once("sip", "127.0.0.1", **ask, user="slow")
            assert (good.outcome, good.detail) == (Outcome.OK, "")
            assert good.metrics["status"] == 200
            assert 0 < good.metrics["response_ms"] < 1000
            assert good.facts["response"] == "200 OK"
            assert good.facts["server"].startswith("kamailio (5.")
            assert good.facts["allow"] == "ACK, BYE, CANCEL, INVITE, OPTIONS"
            assert good.facts["supported"] == "timer"
            assert good.metrics.get("retransmissions") == (0 if transport == "udp" else None)
            assert {*good.metrics} <= {metric.name for metric in module.PROBE.metrics}
            assert {*good.facts} <= {fact.name for fact in module.PROBE.facts}
            assert itself.outcome is Outcome.OK
            assert (slow.outcome, slow.metrics["provisional"]) == (Outcome.OK, 1)


async def test_kamailio_says_no() -> None:
    async with kamailio() as server:
        unknown = await run_once("sip", "127.0.0.1", port=server.port, user="10086")
        busy = await run_once("sip", "127.0.0.1", port=server.port, user="busy", transport="tcp")
        locked = await run_once("sip", "127.0.0.1", port=server.port, user="locked")
        taken = await run_once("sip", "127.0.0.1", port=server.port, user="locked", accept=[200, 401])
    assert (unknown.outcome, unknown.kind) == (Outcome.FAILED, "expectation")
    assert unknown.detail == "status_404: Not Found"
    assert unknown.metrics["status"] == 404
    assert busy.detail == "status_503: Service Unavailable (retry after 30)"
    assert (locked.outcome, locked.kind) == (Outcome.ERROR, "auth")
    assert locked.detail.startswith("status_401: ")
    assert (taken.outcome, taken.facts["response"]) == (Outcome.OK, "401 Unauthorized")


async def test_kamailio_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with kamailio(pair=authority.issue("127.0.0.1")) as server:
        ask: dict[str, Any] = {"port": server.secure, "transport": "tcp", "user": "95598"}
        good = await run_once("sip", "127.0.0.1", **ask, tls="on", ca=str(authority.file))
        bad = await run_once("sip", "127.0.0.1", **ask, tls="on")
        plain = await run_once("sip", "127.0.0.1", **ask, timeout=1.0)
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert good.metrics["tls_ms"] > 0
    assert (bad.outcome, bad.kind) == (Outcome.FAILED, "tls")
    assert plain.outcome is Outcome.FAILED


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_sipp(tmp_path: Path, transport: str) -> None:
    async with sipp(tmp_path, transport=f"{transport[0]}1") as port:
        reading = await run_once("sip", "127.0.0.1", port=port, transport=transport, user="95598")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts["server"] == "SIPp"


async def test_the_request_is_as_the_standard_wants_it() -> None:
    async with scripted_udp(lambda asked, _: [reply(asked)]) as (port, asked):
        first = await run_once("sip", "127.0.0.1", port=port, user="95598", domain="hotline.example")
        await run_once("sip", "127.0.0.1", port=port, user="95598", domain="hotline.example")
    assert first.outcome is Outcome.OK
    text = asked[0].decode()
    assert text.startswith("OPTIONS sip:95598@hotline.example SIP/2.0\r\n")
    assert re.fullmatch(
        r"SIP/2\.0/UDP 127\.0\.0\.1:\d+;branch=z9hG4bK[0-9a-f]{16};rport", field(asked[0], "Via")
    )
    assert re.fullmatch(r"<sip:muster@127\.0\.0\.1:\d+>;tag=[0-9a-f]{16}", field(asked[0], "From"))
    assert field(asked[0], "To") == "<sip:95598@hotline.example>"
    assert (field(asked[0], "CSeq"), field(asked[0], "Max-Forwards")) == ("1 OPTIONS", "70")
    assert text.endswith("Content-Length: 0\r\n\r\n")
    for name in ("Via", "From", "Call-ID"):
        assert field(asked[0], name) != field(asked[1], name)


async def test_what_is_lost_is_repeated_and_counted() -> None:
    async with scripted_udp(lambda asked, before: [reply(asked)] if before == 2 else []) as (port, asked):
        reading = await run_once("sip", "127.0.0.1", port=port, timeout=5.0)
    assert reading.outcome is Outcome.OK
    assert reading.metrics["retransmissions"] == 2
    assert 1400 < reading.metrics["response_ms"] < 4900
    assert len(set(asked)) == 1


async def test_nothing_comes_back() -> None:
    async with scripted_udp(lambda _asked, _before: []) as (port, asked):
        reading = await run_once("sip", "127.0.0.1", port=port, timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "timeout")
    assert reading.metrics["retransmissions"] == len(asked) - 1 == 1


async def test_after_a_provisional_response_there_is_patience() -> None:
    async with scripted_udp(lambda asked, _: [reply(asked, "100 Trying")]) as (port, asked):
        reading = await run_once("sip", "127.0.0.1", port=port, timeout=2.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "timeout")
    assert reading.metrics["provisional"] == len(asked) == 1


async def test_only_provisional_responses() -> None:
    async with scripted_udp(lambda asked, _: [reply(asked, "100 Trying")] * 30) as (port, _):
        reading = await run_once("sip", "127.0.0.1", port=port, timeout=2.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")


MUDDLED: dict[str, Script] = {
    "branch": lambda asked, _: [reply(asked, Via=field(asked, "Via").replace("z9hG4bK", "z9hG4bKx"))],
    "call": lambda asked, _: [reply(asked, Call_ID="other")],
    "sequence": lambda asked, _: [reply(asked, CSeq="2 OPTIONS")],
    "method": lambda asked, _: [reply(asked, CSeq="1 INVITE")],
    "tag": lambda asked, _: [reply(asked, From="<sip:muster@127.0.0.1>;tag=other")],
    "no via": lambda asked, _: [reply(asked, Via="")],
    "request": lambda asked, _: [asked],
    "status": lambda asked, _: [reply(asked, "999 Never")],
    "garbage": lambda _asked, _: [bytes(range(256))],
    "line": lambda asked, _: [reply(asked).replace(b"Call-ID:", b"Call ID:")],
}


@pytest.mark.parametrize("how", sorted(MUDDLED))
async def test_what_is_no_response_to_us_is_a_stray(how: str) -> None:
    async with scripted_udp(MUDDLED[how]) as (port, _):
        reading = await run_once("sip", "127.0.0.1", port=port, timeout=0.6)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert reading.metrics["strays"] >= 1


async def test_a_right_response_among_strays() -> None:
    script: Script = lambda asked, _: [b"noise", reply(asked, Call_ID="other"), reply(asked)]  # noqa: E731
    async with scripted_udp(script) as (port, _):
        reading = await run_once("sip", "127.0.0.1", port=port)
    assert (reading.outcome, reading.metrics["strays"]) == (Outcome.OK, 2)


async def test_short_names_folds_and_several_allows() -> None:
    def short(asked: bytes, _: int) -> list[bytes]:
        text = reply(asked, Server="a\r\n  b", Allow="INVITE\r\nAllow: BYE,ACK").decode()
        for long, name in (
            ("Via", "v"),
            ("From", "f"),
            ("To", "t"),
            ("Call-ID", "i"),
            ("Content-Length", "l"),
        ):
            text = text.replace(f"\n{long}:", f"\n{name} :")
        return [text.encode()]

    async with scripted_udp(short) as (port, _):
        reading = await run_once("sip", "127.0.0.1", port=port)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts["server"] == "a b"
    assert reading.facts["allow"] == "ACK, BYE, INVITE"


async def _says(*pieces: bytes | str, timeout: float = 1.0) -> Any:
    """Ask a peer over TCP that says these pieces; texts are statuses or fields of a reply."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(reply(asked, piece) if isinstance(piece, str) else piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        await reader.read()

    async with tcp_server(handler) as port:
        return await run_once("sip", "127.0.0.1", port=port, transport="tcp", timeout=timeout)


async def test_a_stream_in_pieces_with_bodies_and_empty_lines() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        trying = reply(asked, "180 Ringing", Content_Length="4") + b"body"
        whole = b"\r\n\r\n" + trying + b"\r\n" + reply(asked)
        for at in range(0, len(whole), 50):
            writer.write(whole[at : at + 50])
            await writer.drain()
            await asyncio.sleep(0.002)
        await reader.read()

    async with tcp_server(handler) as port:
        reading = await run_once("sip", "127.0.0.1", port=port, transport="tcp")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["provisional"] == 1


@pytest.mark.parametrize(
    ("pieces", "kind", "text"),
    [
        (["100 Trying"], "timeout", ""),
        ([b"SIP/2.0 200 OK\r\n\r\n"], "protocol", "another branch"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "protocol", "no response of SIP"),
        ([b"SIP/2.0 200 OK\r\nVia: " + b"x" * 20_000], "protocol", "a head of more than"),
        (["100 Trying"] * 30, "protocol", "more than 20 provisional"),
    ],
)
async def test_a_bad_stream(pieces: list[Any], kind: str, text: str) -> None:
    reading = await _says(*pieces, timeout=1.5 if len(pieces) > 1 else 0.5)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)
    assert text in reading.detail


@pytest.mark.parametrize("told", ["", "x", "-1", "99999999"])
async def test_a_provisional_response_whose_length_is_not_told(told: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(asked, "100 Trying", Content_Length=told))
        await reader.read()

    async with tcp_server(handler) as port:
        reading = await run_once("sip", "127.0.0.1", port=port, transport="tcp", timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")


@pytest.mark.parametrize(
    ("handler", "kind"),
    [(silent, "timeout"), (garbage, "protocol"), (endless, "protocol"), (resets, "protocol")],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("sip", "127.0.0.1", port=port, transport="tcp", timeout=0.7)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


async def test_closed_ports() -> None:
    with closed_port() as port:
        stream = await run_once("sip", "127.0.0.1", port=port, transport="tcp")
    datagrams = await run_once("sip", "127.0.0.1", port=free_port_of_both())
    assert (stream.outcome, stream.kind) == (Outcome.FAILED, "refused")
    assert (datagrams.outcome, datagrams.kind) == (Outcome.FAILED, "refused")


@pytest.mark.alone
async def test_a_flood_of_strays_does_not_hold_the_run() -> None:
    started = time.perf_counter()
    async with scripted_udp(lambda _asked, _: [b"x" * 1000] * 500) as (port, _):
        reading = await run_once("sip", "127.0.0.1", port=port, timeout=0.6)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize(
    ("address", "params", "uri", "sent_by"),
    [
        ("10.0.0.1", {}, "sip:10.0.0.1", "10.0.0.2:5060"),
        ("10.0.0.1", {"port": 5070}, "sip:10.0.0.1:5070", "10.0.0.2:5060"),
        ("[fe80::1%eth0]", {"user": "95598"}, "sip:95598@[fe80::1]", "[fe80::2]:1"),
        ("a", {"transport": "tcp"}, "sip:a;transport=tcp", "h"),
        ("a", {"transport": "tcp", "tls": "on", "domain": "b"}, "sip:b;transport=tls", "h"),
    ],
)
def test_whom_the_request_is_for(address: str, params: dict[str, Any], uri: str, sent_by: str) -> None:
    asked = options(Target(address), SipParams.model_validate(params), sent_by)
    assert asked.uri == uri
    assert f" {sent_by};branch=".encode() in asked.data()


@pytest.mark.parametrize(
    "params",
    [
        {"tls": "on"},
        {"user": "a b"},
        {"user": "a\r\nb"},
        {"domain": "a b"},
        {"accept": []},
        {"accept": [100]},
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        registry.get("sip").params.model_validate(params)


HEADS = st.lists(
    st.sampled_from(
        ["SIP/2.0 200 OK", "SIP/2.0 100", "Via: SIP/2.0/UDP a;branch=z9hG4bKbranch", "CSeq: 1 OPTIONS",
         "i: call", "Call-ID: call", "From: <sip:a>;tag=tag", "f: x;tag=tag", " folded", "l: 9", "", ":"]
    ) | st.text(max_size=20),
    max_size=8,
).map(lambda lines: "\r\n".join(lines).encode("utf-8", "replace"))  # fmt: skip


@given(st.binary(max_size=300) | HEADS)
@example(b"SIP/2.0 200 OK\r\nVia: ;branch=z9hG4bKbranch\r\nCSeq: 1 OPTIONS\r\ni: call\r\nf: ;tag=tag")
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    accepted = OPTIONS.accepts(data)
    try:
        found = response(data)
    except ProtocolViolated:
        return
    assert 100 <= found.status <= 699
    if accepted is not None:
        assert not OPTIONS.foreign(accepted)
    try:
        assert found.body_bytes >= 0
    except ProtocolViolated:
        return


@given(st.text(max_size=100))
def test_methods_are_sorted(text: str) -> None:
    assert methods(text) == methods(methods(text))
