"""A NATS server: login, a message to a subject of the run's own and back, and how far JetStream lags.

Spoken by a client of our own (docs.nats.io, client protocol): the usual library connects again by itself,
and gives the password away in the clear where a server does not ask for TLS. Here `tls: on` without an offer
of TLS ends the run before the login. Nothing is left behind: a subscription lasts as long as its connection.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from probes._service import KINDS, Port
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Secret, Target
from probes.errors import ExpectationFailed, PermissionMissing, ProberFault, ProtocolViolated
from probes.middleware._broker import (
    FACTS,
    OF_QUEUES,
    BrokerParams,
    Found,
    Wire,
    new_token,
    secured,
    took_ms,
    wire_to,
)
from probes.middleware._broker_http import Api, numbers, rows, text
from probes.middleware._nats_keys import BadSeed, NatsKey
from probes.middleware._nats_wire import Message, NatsWire

PORTS = (4222, 4222)
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\s.*>/\\]+$")]
STREAM = {
    "stream_messages": ("state", "messages"),
    "stream_bytes": ("state", "bytes"),
    "consumers": ("state", "consumer_count"),
}
CONSUMER = {
    "queue_depth": ("num_pending",),
    "unacknowledged": ("num_ack_pending",),
    "redelivered": ("num_redelivered",),
}
VARZ = {
    "connections": ("connections",),
    "slow_consumers": ("slow_consumers",),
    "memory_bytes": ("mem",),
}


class NatsParams(BrokerParams):
    """Parameters of `nats`."""

    token: Secret | None = None
    """A token to log in with, instead of user and password."""
    nkey: Secret | None = None
    """The seed of a user's key (SU...) to log in with, instead of user and password."""
    tls_first: bool = False
    """Whether the server wants TLS before its first word (handshake_first)."""
    inbox: Annotated[str, Field(pattern=r"^[^\s*>]+$", max_length=128)] = "_INBOX.muster"
    """What the subjects of a run begin with."""
    stream: Name | None = None
    """A stream of JetStream that has to be there."""
    consumer: Name | None = None
    """A consumer of that stream: how far it lags behind."""
    monitoring: Port | None = None
    """The server's monitoring port (8222), to ask it for connections and slow consumers."""

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if sum(each is not None for each in (self.user, self.token, self.nkey)) > 1:
            msg = "give one way to log in: user and password, token, or nkey"
            raise ValueError(msg)
        if self.consumer is not None and self.stream is None:
            msg = "a consumer needs its stream"
            raise ValueError(msg)
        return self


async def probe_nats(target: Target, params: NatsParams, context: Context) -> Reading:
    """Log in, send a message and take it back, and ask JetStream.

    Raises `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right), `ExpectationFailed`
    (tls_required, too_many_connections, no TLS, no such stream or consumer), `ProtocolViolated`, and the
    endings of the connection.
    """
    login, hidden = _login(params, context)
    found = Found(context, hidden=hidden)
    with found.kept():
        first = params.tls_first
        async with wire_to(target, params, PORTS, found, tls_later=not first) as wire:
            nats = NatsWire(wire)
            await _log_in(nats, target, params, login, found)
            token = new_token()
            await _measure(nats, params, f"{params.inbox}.{token}", token, found)
        if params.monitoring is not None:
            await _monitoring(params.monitoring, found)
        return found.reading()


def _login(params: NatsParams, context: Context) -> tuple[dict[str, str] | NatsKey, tuple[str, ...]]:
    """Return what CONNECT says to log in (or the key that signs), and what no text may show."""
    shared = context.shared
    if params.token is not None:
        token = shared.secret(params.token)
        return {"auth_token": token}, (token,)
    if params.nkey is not None:
        seed = shared.secret(params.nkey)
        try:
            return NatsKey(seed), (seed,)
        except BadSeed:
            raise ProberFault(f"the secret {params.nkey!s} is no seed of a user's key (SU...)") from None
    if params.user is not None:
        password = params.password_from(shared)
        return {"user": params.user, "pass": password}, (password,)
    return {}, ()


async def _log_in(
    nats: NatsWire, target: Target, params: NatsParams, login: dict[str, str] | NatsKey, found: Found
) -> None:
    wire = nats.wire
    found.context.phase = "login"
    info = await nats.info()
    await _agree_on_tls(wire, info, target, params)
    found.context.phase = "login"
    if isinstance(login, NatsKey):
        login = {"nkey": login.public, "sig": login.signature(text(info, "nonce"))}
    options = {
        "verbose": False, "pedantic": False, "tls_required": wire.secure, "name": "muster", "lang": "python",
        "version": "1", "protocol": 1, "echo": True, "headers": True, "no_responders": True,
    } | login  # fmt: skip
    await nats.say(b"CONNECT " + json.dumps(options).encode())
    await nats.pong()
    found.add("login", took_ms(wire.opened_at, wire.at))
    name = text(info, "server_name")
    found.tell(version=text(info, "version"), server=name, cluster=text(info, "cluster"))
    found.facts["jetstream"] = "yes" if info.get("jetstream") is True else "no"


async def _agree_on_tls(wire: Wire, info: dict[str, Any], target: Target, params: NatsParams) -> None:
    offered = info.get("tls_required") is True or info.get("tls_available") is True
    if params.tls == "off" and info.get("tls_required") is True:
        raise ExpectationFailed("tls_required: the server demands TLS; write tls: on")
    if params.tls == "on" and not wire.secure:
        if not offered:
            raise ExpectationFailed("the server offers no TLS; nothing was sent")
        await secured(wire, target, params)


async def _measure(nats: NatsWire, params: NatsParams, inbox: str, token: str, found: Found) -> None:
    if params.round_trip:
        await _round_trip(nats, inbox, token, found)
    if params.stream is not None:
        with found.optional("stream"):
            await _subscribe(nats, f"{inbox}.js", "2")
            await _jetstream(nats, params, inbox, found)


async def _subscribe(nats: NatsWire, subject: str, sid: str) -> None:
    await nats.say(f"SUB {subject} {sid}".encode())
    await nats.pong()


async def _round_trip(nats: NatsWire, inbox: str, token: str, found: Found) -> None:
    found.context.phase = "round_trip"
    await _subscribe(nats, inbox, "1")
    sent = await nats.say(f"PUB {inbox} {len(token)}".encode(), token.encode())
    while (await nats.message("1")).payload != token.encode():
        pass
    found.add("round_trip", took_ms(sent, nats.wire.at))


async def _jetstream(nats: NatsWire, params: NatsParams, inbox: str, found: Found) -> None:
    found.context.phase = "jetstream"
    stream = await _ask(nats, f"STREAM.INFO.{params.stream}", inbox)
    found.metrics |= numbers(stream, STREAM)
    found.metrics["replicas_behind"] = float(behind(stream))
    found.tell(stream_leader=text(stream, "cluster", "leader"))
    if params.consumer is not None:
        consumer = await _ask(nats, f"CONSUMER.INFO.{params.stream}.{params.consumer}", inbox)
        found.metrics |= numbers(consumer, CONSUMER)


def behind(stream: dict[str, Any]) -> int:
    """Return how many replicas of a stream are away or do not have all of it."""
    cluster = stream.get("cluster")
    replicas = rows(cluster.get("replicas")) if isinstance(cluster, dict) else []
    return sum(each.get("offline") is True or each.get("current") is not True for each in replicas)


async def _ask(nats: NatsWire, question: str, inbox: str) -> dict[str, Any]:
    await nats.say(f"PUB $JS.API.{question} {inbox}.js 0".encode(), b"")
    return judged(await nats.message("2"), question)


def judged(message: Message, question: str) -> dict[str, Any]:
    """Return JetStream's answer.

    Raises `ExpectationFailed` where nobody answers for JetStream or what was asked for is not there, and
    `PermissionMissing`.
    """
    if message.status.startswith("503"):
        raise ExpectationFailed("JetStream is not enabled for this account")
    answer = message.document()
    error = answer.get("error")
    if isinstance(error, dict):
        why = f"{question}: {text(error, 'description') or 'refused'}"
        if error.get("code") in (401, 403):
            raise PermissionMissing(f"missing_right: {why}")
        raise (ExpectationFailed if error.get("code") in (404, 503) else ProtocolViolated)(why)
    return answer


async def _monitoring(port: int, found: Found) -> None:
    api = Api(found, "monitoring", found.facts["address"], port)
    with found.optional("monitoring"):
        found.metrics |= numbers(await api.get("/varz"), VARZ)


PROBE = ProbeSpec(
    name="nats",
    family="middleware",
    summary="A NATS server: login, publish to consume, and what waits in a stream of JetStream",
    params=NatsParams,
    run=probe_nats,
    metrics=(
        *OF_QUEUES,
        MetricDef("unacknowledged", "count", "lower", 1, "Messages given to the consumer and not settled."),
        MetricDef("redelivered", "count", "lower", 1, "Of these, how many were given before."),
        MetricDef("stream_messages", "count", "none", 1, "Messages that the stream holds."),
        MetricDef("stream_bytes", "bytes", "none", 1, "How much that is."),
        MetricDef("replicas_behind", "count", "lower", 1, "Replicas of the stream away or not up to date."),
        MetricDef("connections", "count", "none", 1, "Connections of all clients (monitoring port)."),
        MetricDef("slow_consumers", "count", "lower", 1, "Clients cut off as too slow, since it started."),
        MetricDef("memory_bytes", "bytes", "lower", 1, "Memory that the server holds."),
    ),
    facts=(
        *FACTS,
        FactDef("jetstream", help="Whether the server has JetStream."),
        FactDef("stream_leader", help="The server that leads the stream, in a cluster."),
    ),
    phases=("resolve", "connect", "tls", "login", "round_trip", "jetstream", "monitoring"),
    kinds=KINDS,
)  # fmt: skip
