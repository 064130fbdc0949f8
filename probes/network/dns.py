"""Does a name server answer, how fast, and with what it should (RFC 1035)?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from probes._resolve import Address, resolve
from probes._sockets import Connection, Poller, connect, own_deadline
from probes._udp import Udp
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Target, clip
from probes.errors import ExpectationFailed, ProtocolViolated
from probes.network._dns_message import Answer, Question, canonical, decode, question

LONG = 4096
"""Answers beyond this many bytes are decoded in a thread, so that none holds the loop."""


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
Type = Literal["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT", "CAA", "DS", "DNSKEY", "ANY"]


class DnsParams(Params):
    """Parameters of `dns`."""

    name: Annotated[Texts, Field(min_length=1, max_length=32)]
    """The name to ask for, or a list of names, asked one after the other."""
    type: Type = "A"
    """Type of record. The PTR of an address may be asked for by the address itself."""
    port: Annotated[int, Field(ge=1, le=65535)] = 53
    """Port of the server."""
    answers: Texts | None = None
    """What must come back: addresses, or data as `dig +short` shows it."""
    match: Literal["exactly", "contains"] = "exactly"
    """Whether the answers must be these and no others, or at least these."""
    rcode: str = "NOERROR"
    """The response code that is right; `NXDOMAIN` makes a negative check."""
    recursion: bool = True
    """Whether to ask for recursion; without it a server answers only from what it holds."""
    transport: Literal["udp", "tcp"] = "udp"
    """With udp, a truncated answer is asked for again over tcp."""

    @field_validator("name")
    @classmethod
    def _names_can_be_asked(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            question(name, "A", recursion=True)
        return names

    @field_validator("rcode")
    @classmethod
    def _upper(cls, rcode: str) -> str:
        return rcode.upper()

    @model_validator(mode="after")
    def _answers_belong_to_one_name(self) -> DnsParams:
        if self.answers is not None and len(self.name) > 1:
            raise ValueError("answers can be given for one name only; write one check for each name")
        return self


@dataclass(slots=True)
class _Seen:
    """What one run gathered over its names."""

    query_ms: list[float] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    strays: int = 0
    transport: str = "udp"


async def probe_dns(target: Target, params: DnsParams, context: Context) -> Reading:
    """Ask `target` for each name once; the first answer that is not right ends the run.

    Raises `ExpectationFailed` (another response code, other answers), `ProtocolViolated` (only garbage
    came, or TCP broke off), `TimedOut`, and the endings of sockets and of resolving the server's own name.
    """
    address, resolve_ms = await resolve(target, context)
    asking = _Asking(params, address, context.shared.get(Poller), own_deadline(context), params.transport)
    phases = {"resolve": resolve_ms}
    for name in params.name:
        context.phase = "query"
        asked = question(name, params.type, recursion=params.recursion)
        answer = await asking.ask(asked)
        phases["query"] = sum(asking.query_ms)
        if wrong := objection(answer, params):
            raise ExpectationFailed(
                f"{name} {params.type}: {wrong}",
                metrics=asking.metrics(), facts=asking.facts(), phases=phases,
            )  # fmt: skip
    return Reading.ok(asking.metrics(), asking.facts(), phases)


@dataclass(slots=True)
class _Asking:
    """One run: where it asks, and what it gathered over its names."""

    params: DnsParams
    address: Address
    poller: Poller
    until: float
    transport: str
    query_ms: list[float] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    strays: int = 0

    async def ask(self, asked: Question) -> Answer:
        """Ask once: over UDP, and after a truncated answer over TCP."""
        answer, took_ms = await (
            self._over_udp(asked) if self.params.transport == "udp" else self._over_tcp(asked)
        )
        if answer.truncated and self.params.transport == "udp":
            self.transport = "tcp"
            answer, took_ms = await self._over_tcp(asked)
        self.answers.append(answer)
        self.query_ms.append(took_ms)
        return answer

    async def _over_udp(self, asked: Question) -> tuple[Answer, float]:
        with Udp(self.poller, self.address, self.params.port) as udp:
            udp.send(asked.wire)
            try:
                answer, datagram = await udp.answer(self.until, lambda data: decode(data, asked))
            finally:
                self.strays += udp.strays
            return answer, datagram.elapsed_ms

    async def _over_tcp(self, asked: Question) -> tuple[Answer, float]:
        """A length of two bytes bounds what is read (RFC 7766). The time is with that of connecting."""
        stream = await connect(self.poller, self.address, self.params.port, until=self.until, talks=True)
        try:
            sent_at = await stream.send(asked.framed, self.until)
            head, _ = await _exactly(stream, 2, self.until)
            data, arrived_at = await _exactly(stream, int.from_bytes(head, "big"), self.until)
        finally:
            stream.close()
        long = len(data) > LONG
        answer = await asyncio.to_thread(decode, data, asked) if long else decode(data, asked)
        if answer is None:
            raise ProtocolViolated("over tcp: not an answer to the question")
        return answer, stream.connect_ms + (arrived_at - sent_at) * 1000

    def metrics(self) -> dict[str, float]:
        """Return what was measured until now."""
        metrics = {
            "query_ms": max(self.query_ms),
            "answers": float(sum(len(answer.data) for answer in self.answers)),
            "strays": float(self.strays),
        }
        ttls = [answer.ttl for answer in self.answers if answer.ttl is not None]
        return metrics | ({"ttl_min": float(min(ttls))} if ttls else {})

    def facts(self) -> dict[str, str]:
        """Return what was said until now."""
        last = self.answers[-1]
        return {
            "answer": clip(_listed({text for answer in self.answers for text in answer.data})),
            "rcode": last.rcode,
            "flags": " ".join(last.flags),
            "transport": self.transport,
            "address": self.address.host,
            "family": self.address.family,
        }


async def _exactly(stream: Connection, count: int, until: float) -> tuple[bytes, float]:
    data, at = b"", 0.0
    while len(data) < count:
        piece, at = await stream.recv(count - len(data), until)
        if not piece:
            raise ProtocolViolated(f"over tcp: closed after {len(data)} of {count} bytes")
        data += piece
    return data, at


def objection(answer: Answer, params: DnsParams) -> str:
    """Return what is wrong with an answer, or an empty text."""
    if answer.rcode != params.rcode:
        return f"{answer.rcode}, expected {params.rcode}"
    if params.answers is None:
        empty = not answer.data and params.rcode == "NOERROR"
        return f"no {params.type} record" if empty else ""
    return _other_answers(answer.data, params.answers, params.match)


def _other_answers(data: Sequence[str], expected: Sequence[str], match: str) -> str:
    got, wanted = set(data), {canonical(text) for text in expected}
    if got == wanted if match == "exactly" else got >= wanted:
        return ""
    least = "" if match == "exactly" else "at least "
    return f"answered {_listed(got) or 'nothing'}, expected {least}{_listed(wanted)}"


def _listed(texts: set[str]) -> str:
    return ", ".join(sorted(texts))


PROBE = ProbeSpec(
    name="dns",
    family="network",
    summary="A name server's answers, their time and their content, over UDP with TCP after truncation.",
    params=DnsParams,
    run=probe_dns,
    metrics=(
        MetricDef("query_ms", "ms", "lower", 0.001, "Slowest answer of the run; over UDP by kernel time."),
        MetricDef("answers", "count", "none", 1, "Records of the asked type, over all names."),
        MetricDef("ttl_min", "s", "none", 1, "Shortest time to live among the answers."),
        MetricDef("strays", "count", "lower", 1, "Datagrams that were no answer to the question (ignored)."),
    ),
    facts=(
        FactDef("answer", help="The answers, sorted."),
        FactDef("rcode", help="Response code of the last answer."),
        FactDef("flags", help="aa (authoritative), ra (recursion available), ad (validated)."),
        FactDef("transport", help="udp or tcp."),
        FactDef("address", help="The server's address that was asked."),
        FactDef("family", help="4 or 6."),
    ),
    phases=("resolve", "query"),
    kinds=(
        "unreachable",
        "refused",
        "timeout",
        "protocol",
        "expectation",
        "dns",
        "inconclusive",
        "permission",
        "prober_error",
    ),
    default_timeout=5.0,
)
