"""`tls` against real handshakes: good, expired, self-signed and misnamed certificates, and STARTTLS."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes._certificates import describe
from probes._starttls import _TALKS, _Talk
from probes.api import Outcome, Reading
from probes.errors import ExpectationFailed, ProtocolViolated
from tests.probing import run_once
from tests.servers.certificates import Authority, Pair
from tests.servers.hostile import Handler, closes, garbage, resets, says, tcp_server

FACTS = {
    "version",
    "cipher",
    "subject",
    "issuer",
    "names",
    "serial",
    "sha256",
    "not_after",
    "chain",
    "address",
    "family",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


async def _hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


def _served(pair: Pair, client_ca: Path | None = None) -> ssl.SSLContext:
    return pair.server_context(client_ca)


async def _probe(pair: Pair, ca: Path | None, host: str = "127.0.0.1", **params: Any) -> Reading:
    trusted: dict[str, Any] = {"ca": str(ca)} if ca else {}
    async with tcp_server(_hello, host, tls=_served(pair)) as port:
        return await run_once("tls", host, port=port, **trusted, **params)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_good_certificate(authority: Authority, host: str) -> None:
    reading = await _probe(authority.issue("127.0.0.1", "::1", "good.example", days=30), authority.file, host)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["days_left"] == pytest.approx(30, abs=0.01)
    assert set(reading.facts) == FACTS
    assert reading.facts["names"] == "127.0.0.1, ::1, good.example"
    assert reading.facts["issuer"] == "CN=Muster test authority"
    assert (reading.facts["chain"], reading.facts["version"]) == ("ok", "TLSv1.3")
    assert 0 < reading.metrics["handshake_ms"] < 2000


async def test_an_expired_certificate_is_a_failure_with_its_dates(authority: Authority) -> None:
    reading = await _probe(authority.issue("127.0.0.1", days=-3, label="expired"), authority.file)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "tls")
    assert reading.detail == "certificate: certificate has expired"
    assert reading.metrics["days_left"] == pytest.approx(-3, abs=0.01)
    assert set(reading.facts) == FACTS


async def test_a_self_signed_certificate(authority: Authority) -> None:
    pair = authority.issue("127.0.0.1", self_signed=True, label="self")
    reading = await _probe(pair, authority.file)
    assert (reading.kind, reading.detail) == ("tls", "certificate: self-signed certificate")
    assert reading.facts["issuer"] == reading.facts["subject"] == "CN=127.0.0.1"
    trusted = await _probe(pair, None, verify=False)
    assert (trusted.outcome, trusted.facts["chain"]) == (Outcome.OK, "not verified")


async def test_another_name(authority: Authority) -> None:
    pair = authority.issue("other.example")
    reading = await _probe(pair, authority.file)
    assert reading.kind == "tls"
    assert "IP address mismatch" in reading.detail
    assert reading.facts["names"] == "other.example"
    named = await _probe(pair, authority.file, server_name="other.example")
    assert named.outcome is Outcome.OK


async def test_an_unknown_authority_is_not_trusted_by_the_systems_own(authority: Authority) -> None:
    reading = await _probe(authority.issue("127.0.0.1", label="unknown"), None)
    assert reading.kind == "tls"
    assert "unable to get local issuer" in reading.detail
    assert reading.metrics["days_left"] > 80


async def test_an_old_version_is_refused(authority: Authority) -> None:
    context = authority.issue("127.0.0.1", label="old").server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with tcp_server(_hello, tls=context) as port:
        new = await run_once("tls", "127.0.0.1", port=port, ca=str(authority.file), min_version="1.3")
        old = await run_once("tls", "127.0.0.1", port=port, ca=str(authority.file))
    assert (new.outcome, new.kind) == (Outcome.FAILED, "tls")
    assert (old.outcome, old.facts["version"]) == (Outcome.OK, "TLSv1.2")


async def test_a_client_certificate(authority: Authority) -> None:
    server, client = authority.issue("127.0.0.1", label="mutual"), authority.issue("client.example")
    async with tcp_server(_hello, tls=_served(server, authority.file)) as port:
        reading = await run_once(
            "tls", "127.0.0.1", port=port, ca=str(authority.file), certificate=str(client.file)
        )
    assert reading.outcome is Outcome.OK


@pytest.mark.parametrize("name", ["ca", "certificate"])
async def test_a_file_that_is_not_there_is_our_fault(name: str) -> None:
    given_file: dict[str, Any] = {name: "/nowhere/x.pem"}
    async with tcp_server(_hello) as port:
        reading = await run_once("tls", "127.0.0.1", port=port, **given_file)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert reading.detail == "certificate files (/nowhere/x.pem): No such file or directory"


@pytest.mark.parametrize(
    ("handler", "kinds"),
    [
        (garbage, {"tls"}),
        (closes, {"tls", "protocol"}),
        (resets, {"protocol"}),
        (says(b"HTTP/1.1 400 Bad\r\n\r\n"), {"tls"}),
    ],
)
async def test_what_is_no_tls(handler: Handler, kinds: set[str]) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("tls", "127.0.0.1", port=port)
    assert reading.outcome is Outcome.FAILED
    assert reading.kind in kinds


def _upgrading(context: ssl.SSLContext, greeting: bytes, *talk: tuple[bytes, bytes]) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        for question, answer in talk:
            assert (await reader.readexactly(len(question))) == question
            writer.write(answer)
            await writer.drain()
        await writer.start_tls(context)
        await reader.read(1)

    return handle


LDAP_QUESTION = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
LDAP_ANSWER = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01%c\x04\0\x04\0"
DIALOGUES: dict[str, tuple[bytes, tuple[tuple[bytes, bytes], ...]]] = {
    "smtp": (
        b"220-mail\r\n220 ready\r\n",
        ((b"EHLO muster\r\n", b"250-mail\r\n250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"220 go\r\n")),
    ),
    "imap": (b"* OK ready\r\n", ((b"m1 STARTTLS\r\n", b"* CAPABILITY x\r\nm1 OK go\r\n"),)),
    "pop3": (b"+OK ready\r\n", ((b"STLS\r\n", b"+OK go\r\n"),)),
    "postgres": (b"", ((b"\0\0\0\x08\x04\xd2\x16\x2f", b"S"),)),
    "ldap": (b"", ((LDAP_QUESTION, LDAP_ANSWER % 0),)),
}  # fmt: skip


@pytest.mark.parametrize("protocol", DIALOGUES)
async def test_starttls(authority: Authority, protocol: str) -> None:
    greeting, talk = DIALOGUES[protocol]
    context = authority.issue("127.0.0.1", label=protocol).server_context()
    async with tcp_server(_upgrading(context, greeting, *talk)) as port:
        reading = await run_once("tls", "127.0.0.1", port=port, ca=str(authority.file), starttls=protocol)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["days_left"] > 80


@pytest.mark.parametrize(
    ("protocol", "handler", "kind", "detail"),
    [
        ("smtp", says(b""), "timeout", ""),
        ("imap", garbage, "protocol", "TLS is not offered"),
        ("postgres", says(b"N"), "expectation", "TLS is not offered: the server answered N"),
        ("postgres", says(b"SHTTP"), "protocol", "no PostgreSQL"),
        ("ldap", says(LDAP_ANSWER % 2), "expectation", "result code 2"),
        ("ldap", says(b"HTTP/1.1 400\r\n\r\n"), "protocol", "no LDAP"),
        ("pop3", closes, "protocol", "closed before TLS was started"),
    ],
)  # fmt: skip
async def test_starttls_that_goes_wrong(protocol: str, handler: Handler, kind: str, detail: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("tls", "127.0.0.1", port=port, starttls=protocol, timeout=0.5)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)
    assert detail in reading.detail


async def test_words_ahead_of_tls_are_refused() -> None:
    async def ahead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK ready\r\n")
        await reader.read(64)
        writer.write(b"+OK go\r\n+OK injected\r\n")
        await reader.read(64)

    async with tcp_server(ahead) as port:
        reading = await run_once("tls", "127.0.0.1", port=port, starttls="pop3")
    assert (reading.kind, reading.detail) == ("protocol", "data in the clear after the answer to STARTTLS")


class _Scripted:
    """The part of a connection that a talk uses, with answers of our choice."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)

    async def send(self, data: bytes, until: float) -> float:
        return 0.0

    async def recv(self, limit: int, until: float) -> tuple[bytes, float]:
        return next(self._pieces, b"")[:limit], 0.0


@given(st.sampled_from(sorted(_TALKS)), st.lists(st.binary(min_size=1, max_size=80), max_size=20))
def test_any_talk_ends_or_is_an_ending(protocol: str, pieces: list[bytes]) -> None:
    async def talk() -> None:
        try:
            await _TALKS[protocol](_Talk(_Scripted(pieces), 0.0))  # type: ignore[arg-type]
        except (ProtocolViolated, ExpectationFailed):
            return

    asyncio.run(talk())


@given(st.binary(max_size=400))
def test_no_certificate_is_none(data: bytes) -> None:
    assert describe(data) is None


@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_certificate_is_read_or_none(authority: Authority, damage: list[tuple[float, int]]) -> None:
    der = bytearray(ssl.PEM_cert_to_DER_cert(authority.file.read_text()))
    for place, value in damage:
        der[int(place * len(der))] = value
    found = describe(bytes(der))
    assert found is None or (found.subject.isprintable() and len(found.names) <= 2000)
