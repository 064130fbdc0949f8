"""A SIP server or hotline by OPTIONS (RFC 3261, section 11): does it answer, as what, and how fast.

Over UDP a request is repeated as section 17.1.2.2 has it; each repetition is counted, and `response_ms` is
from the first one. No call is made, and nobody is registered.
"""

from __future__ import annotations

import secrets
import socket
import time
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from probes._resolve import Address
from probes._service import (
    ADDRESS,
    CONNECT_MS,
    KINDS,
    TLS_MS,
    Notes,
    Port,
    ServiceParams,
    address_of,
    bare,
    talking,
)
from probes._sockets import Poller, own_deadline
from probes._udp import Udp
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed, OwnLoginFailed, ProtocolViolated, TimedOut
from probes.peripheral._arrivals import Arrivals
from probes.peripheral._sip_message import (
    HEAD_END,
    LONGEST_HEAD,
    Options,
    Response,
    methods,
    response,
)

T1, T2 = 0.5, 4.0
"""Seconds until a request is repeated for the first time, and at most between later ones (17.1.1.1)."""
MOST_OTHERS = 20
"""Provisional responses, and responses to others, that are passed over."""
WANTS_LOGIN = (401, 407)


class SipParams(ServiceParams):
    """Parameters of `sip`."""

    transport: Literal["udp", "tcp"] = "udp"
    """What SIP is spoken over; TLS (`tls: on`) is over `tcp`."""
    port: Port | None = None
    """Where it listens; by default 5060, or 5061 with TLS."""
    user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.!~*'()&=+$,;?/-]+$", max_length=64)] | None = None
    """Whom the question is for: a number such as 95598; without it, the server itself."""
    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9.\[\]:-]+$", max_length=253)] | None = None
    """Domain asked for; by default the target's address."""
    accept: Annotated[
        tuple[Annotated[int, Field(ge=200, le=699)], ...], Field(min_length=1, max_length=20)
    ] = (200,)
    """Final responses that are well."""

    @model_validator(mode="after")
    def _tls_is_over_tcp(self) -> Self:
        if self.tls == "on" and self.transport == "udp":
            raise ValueError("TLS is over TCP: write transport: tcp")
        return self


async def probe_sip(target: Target, params: SipParams, context: Context) -> Reading:
    """Ask once.

    Raises `ExpectationFailed` (another response: `status_NNN: `), `OwnLoginFailed` (it wants a login),
    `ProtocolViolated` (garbage, only responses to others), and what a connection comes to.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        ask = _over_udp if params.transport == "udp" else _over_tcp
        found, took_ms = await ask(target, address, params, notes)
        notes.metrics |= {"response_ms": took_ms, "status": float(found.status)}
        notes.facts |= facts(found)
        judge(found, params)
    return notes.reading()


async def _over_udp(
    target: Target, address: Address, params: SipParams, notes: Notes
) -> tuple[Response, float]:
    notes.metrics |= {"retransmissions": 0.0, "provisional": 0.0, "strays": 0.0}
    until, wait = own_deadline(notes.context), T1
    with (
        notes.phase("query", told=False),
        Udp(notes.context.shared.get(Poller), address, params.port or 5060) as udp,
    ):
        asked = options(target, params, _written(*udp.local))
        first = last = time.perf_counter()
        udp.send(asked.data())
        while True:
            try:
                found, datagram = await udp.answer(min(until, time.perf_counter() + wait), asked.accepts)
            except (TimedOut, ProtocolViolated):
                if time.perf_counter() >= until:
                    raise
                last, wait = time.perf_counter(), min(2 * wait, T2)
                udp.send(asked.data())
                notes.metrics["retransmissions"] += 1
                continue
            finally:
                notes.metrics["strays"] = float(udp.strays)
            if found.status >= 200:
                return found, (last - first) * 1000 + datagram.elapsed_ms
            _count_provisional(notes)
            wait = T2


async def _over_tcp(
    target: Target, address: Address, params: SipParams, notes: Notes
) -> tuple[Response, float]:
    notes.metrics["provisional"] = 0.0
    port = params.port or (5061 if params.tls == "on" else 5060)
    asked = options(target, params, _written(_local(address, port), None))
    async with talking(target, address, port, params, notes) as talk:
        arrivals = Arrivals(talk.stream, talk.until)
        with notes.phase("query", told=False):
            sent_at = await talk.stream.send(asked.data(), talk.until)
            while True:
                found = await _response(arrivals)
                if why := asked.foreign(found):
                    raise ProtocolViolated(f"a response to something else: {why}")
                if found.status >= 200:
                    return found, (arrivals.at - sent_at) * 1000
                await arrivals.exactly(found.body_bytes)
                _count_provisional(notes)


async def _response(talk: Arrivals) -> Response:
    """Return the next response; empty lines before it keep a connection alive (RFC 5626, 4.4.1)."""
    while True:
        talk.left = talk.left.lstrip(b"\r\n")
        head, end, rest = talk.left.partition(HEAD_END)
        if end:
            talk.left = rest
            return response(head)
        if len(talk.left) > LONGEST_HEAD:
            raise ProtocolViolated(f"a head of more than {LONGEST_HEAD} bytes")
        if not await talk.more():
            raise ProtocolViolated("closed amid the answer" if talk.left else "closed without an answer")


def _count_provisional(notes: Notes) -> None:
    notes.metrics["provisional"] += 1
    if notes.metrics["provisional"] > MOST_OTHERS:
        raise ProtocolViolated(f"more than {MOST_OTHERS} provisional responses, and no final one")


def options(target: Target, params: SipParams, sent_by: str) -> Options:
    """Return the request of a run."""
    domain = params.domain or _written(bare(target.address).partition("%")[0], None)
    whom = f"{params.user}@{domain}" if params.user else domain
    port = f":{params.port}" if params.port and not params.domain else ""
    over = "" if params.transport == "udp" else f";transport={'tls' if params.tls == 'on' else 'tcp'}"
    transport = "TLS" if params.tls == "on" else params.transport.upper()
    tokens = [secrets.token_hex(8) for _ in range(3)]
    return Options(f"sip:{whom}{port}{over}", transport, sent_by, *tokens)


def _written(host: str, port: int | None) -> str:
    """Return a host and port as SIP writes them (25.1)."""
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return host if port is None else f"{host}:{port}"


def _local(address: Address, port: int) -> str:
    """Return the address that we have towards the target; nothing is sent."""
    with socket.socket(address.af, socket.SOCK_DGRAM) as sock:
        sock.connect(address.sockaddr(port))
        return str(sock.getsockname()[0])


def facts(found: Response) -> dict[str, str]:
    """Return what a response says of the server."""
    told = {
        "response": f"{found.status} {found.reason}".strip(),
        "server": found.field("server") or found.field("user-agent"),
        "allow": methods(found.field("allow")),
        "supported": methods(found.field("supported")).lower(),
    }
    return {name: text for name, text in told.items() if text}


def judge(found: Response, params: SipParams) -> None:
    """Raise where a final response is not one that the check takes."""
    if found.status in params.accept:
        return
    said = f"status_{found.status}: {found.reason}"
    if found.status in WANTS_LOGIN:
        raise OwnLoginFailed(f"{said}: it wants a login, which is not supported")
    later = found.field("retry-after")
    raise ExpectationFailed(f"{said} (retry after {later})" if later else said)


PROBE = ProbeSpec(
    name="sip",
    family="peripheral",
    summary="A SIP server or hotline by OPTIONS: its response, what it allows, and how fast it answers.",
    params=SipParams,
    run=probe_sip,
    metrics=(
        CONNECT_MS, TLS_MS,
        MetricDef("response_ms", "ms", "lower", 0.001,
                  "From the first request to the final response; over UDP repetitions are in it."),
        MetricDef("status", "count", "none", 1, "Number of the final response."),
        MetricDef("retransmissions", "count", "lower", 1,
                  "How often the request was repeated (over UDP): datagrams were lost, or it was slow."),
        MetricDef("provisional", "count", "none", 1, "Provisional responses (1xx) before it."),
        MetricDef("strays", "count", "lower", 1, "Datagrams that were no response to the request (ignored)."),
    ),
    facts=(
        FactDef("response", help="The final response: number and reason."),
        FactDef("server", help="The Server field, or else User-Agent."),
        FactDef("allow", help="Methods that it allows, sorted."),
        FactDef("supported", help="Extensions that it supports, sorted."),
        ADDRESS,
    ),
    phases=("resolve", "connect", "tls", "query"),
    kinds=KINDS,
)  # fmt: skip
