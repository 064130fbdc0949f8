"""What the probes of message brokers share: parameters, names of metrics, and the connection.

A run sends one message with a token of its own to a queue, subject or topic of its own and takes it back:
`round_trip_ms` is from right before it was sent to the moment the kernel had the last byte of it, so that a
busy monitor does not lengthen it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Self

from pydantic import Field, model_validator

from probes._clean import cleaned
from probes._service import (
    ADDRESS,
    CONNECT_MS,
    LOGIN_MS,
    NOT_TOLD,
    PIECE,
    TLS_MS,
    Notes,
    Port,
    ServiceParams,
    Talk,
    address_of,
    bare,
)
from probes._sockets import Poller, connect, own_deadline
from probes._tls_stream import start_tls
from probes.api import FactDef, MetricDef, Outcome, Reading, Secret, Shared, Target
from probes.errors import Ending, ExpectationFailed, Inconclusive, PermissionMissing, ProtocolViolated

MAX_READ = 8 * 1024 * 1024
"""Bytes that one run takes from a broker, in all."""
TLS_ALERT = b"\x15\x03"
"""How a server begins that speaks TLS and was not spoken to in TLS (RFC 8446, sections 5.1 and 6)."""
METRICS = (
    CONNECT_MS,
    TLS_MS,
    LOGIN_MS,
    MetricDef("round_trip_ms", "ms", "lower", 0.001, "One message, from published to consumed."),
)
QUEUE_DEPTH = MetricDef("queue_depth", "count", "lower", 1, "Messages that wait there.")
CONSUMERS = MetricDef("consumers", "count", "higher", 1, "Who takes messages from there.")
OF_QUEUES = (*METRICS, QUEUE_DEPTH, CONSUMERS)
FACTS = (
    FactDef("version", "version", "Version of the broker, where it says so."),
    FactDef("server", help="What the broker calls itself."),
    FactDef("cluster", help="Name of the cluster, where it has one."),
    ADDRESS,
    NOT_TOLD,
)


class BrokerParams(ServiceParams):
    """Where the broker is, and how to log in."""

    port: Port | None = None
    """Port of the broker; by default the protocol's, with or without TLS."""
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """The account to log in with."""
    password: Secret | None = None
    """Its password."""
    round_trip: bool = True
    """Whether a message is sent and taken back."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.password is not None and self.user is None:
            msg = "a password needs a user"
            raise ValueError(msg)
        return self

    def password_from(self, shared: Shared) -> str:
        """Return the password, empty where none is given. Raises `ProberFault` for a missing secret."""
        return "" if self.password is None else shared.secret(self.password)


def new_token() -> str:
    """Return what marks the messages and names of this run, and of no other."""
    return secrets.token_hex(8)


def took_ms(start: float, end: float) -> float:
    """Return the milliseconds between two times of `time.perf_counter`, never below zero."""
    return max(0.0, end - start) * 1000


@dataclass(slots=True)
class Found(Notes):
    """What a run has learnt, and what none of its texts may show."""

    hidden: tuple[str, ...] = ()
    ends: list[tuple[str, Ending]] = field(default_factory=list)
    """How parts of the run ended badly, each with the phase it was in."""

    def said(self, text: str) -> str:
        """Return a text of the broker as it may be shown."""
        return cleaned(text, self.hidden)

    def tell(self, **facts: object) -> None:
        """Keep facts; what is empty or no text is none."""
        for name, text in facts.items():
            if isinstance(text, str) and text:
                self.facts[name] = self.said(text)

    @contextmanager
    def optional(self, what: str) -> Iterator[None]:
        """Do what may lack a right, or a newer broker: then that is noted, and the run goes on."""
        try:
            yield
        except (PermissionMissing, Inconclusive) as missing:
            self.missing(f"{what}: {self.said(missing.detail)}")

    @contextmanager
    def part(self) -> Iterator[None]:
        """One of several measurements: refused, the others are made all the same (`settled`)."""
        try:
            yield
        except (ExpectationFailed, PermissionMissing, Inconclusive) as ending:
            self.ends.append((self.context.phase, ending))

    def settled(self) -> Reading:
        """Return the reading of a run whose parts went well. Raises how one ended, a failure first."""
        if not self.ends:
            return self.reading()
        self.context.phase, ending = min(self.ends, key=lambda end: end[1].outcome is not Outcome.FAILED)
        raise ending

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Give what was learnt to any ending of the block, and clean what it says. Raises `Ending`."""
        with Notes.kept(self):
            try:
                yield
            except Ending as ending:
                ending.detail = self.said(ending.detail)
                raise


@dataclass(slots=True)
class Wire(Talk):
    """A connection to a broker, bounded in all; `at` is when the last byte of it had arrived."""

    found: Found | None = None
    taken: int = 0
    opened_at: float = 0.0
    """When the connection stood, TLS included (`time.perf_counter`)."""
    at: float = 0.0
    secure: bool = False
    ended: bool = False
    """Whether the broker has closed."""

    async def more(self) -> bool:
        """Wait for more in `left`. Raises `ProtocolViolated` where the broker closes, or says too much."""
        data, at = await self.stream.recv(PIECE, self.until)
        if not data:
            self.ended = True
            raise ProtocolViolated(f"{self._phase}: the broker closed the connection")
        if not self.taken and not self.secure and data.startswith(TLS_ALERT):
            raise ExpectationFailed("tls_required: the port speaks TLS; write tls: on")
        self.taken += len(data)
        if self.taken > MAX_READ:
            raise ProtocolViolated(f"{self._phase}: more than {MAX_READ >> 20} MiB in one run")
        self.left += data
        self.at = at
        return True

    async def up_to(self, mark: bytes, limit: int) -> bytes:
        """Return what comes up to a byte, with it. Raises `ProtocolViolated` where that is over `limit`."""
        looked = 0
        while (at := self.left.find(mark, looked)) < 0:
            if len(self.left) > limit:
                raise ProtocolViolated(f"{self._phase}: more than {limit} bytes in one piece")
            looked = len(self.left)
            await self.more()
        taken, self.left = self.left[: at + len(mark)], self.left[at + len(mark) :]
        return taken

    async def send(self, data: bytes) -> float:
        """Send all; return the `time.perf_counter` right before the first byte went out.

        Where the broker has closed, reading tells: it may have said why.
        """
        try:
            return await self.stream.send(data, self.until)
        except (BrokenPipeError, ConnectionResetError):
            return time.perf_counter()

    @property
    def _phase(self) -> str:
        return self.found.context.phase if self.found else ""


@asynccontextmanager
async def wire_to(
    target: Target, params: BrokerParams, ports: tuple[int, int], found: Found, *, tls_later: bool = False
) -> AsyncIterator[Wire]:
    """Connect once (`ports`: the protocol's, without and with TLS); closed at the end, whatever happens.

    With `tls_later` the protocol itself says when TLS starts (`secured`). Raises the endings of resolving,
    of sockets and of TLS.
    """
    context, until = found.context, own_deadline(found.context)
    address = await address_of(target, found)
    if params.tls == "on":
        await params.context()
    context.phase = "connect"
    port = params.port or ports[params.tls == "on"]
    connection = await connect(context.shared.get(Poller), address, port, until=until, talks=True)
    try:
        found.add("connect", connection.connect_ms)
        wire = Wire(connection, until, b"", found, 0, connection.connected_at, connection.connected_at)
        if params.tls == "on" and not tls_later:
            await secured(wire, target, params)
        yield wire
    finally:
        connection.close()


async def secured(wire: Wire, target: Target, params: BrokerParams) -> None:
    """Speak TLS from now on, verified. Raises `TlsFailed`, and `ProberFault` for files of ours."""
    found = wire.found
    assert found is not None
    if wire.left:
        raise ProtocolViolated("tls: data in the clear before TLS was started")
    settings = await params.context()
    found.context.phase = "tls"
    name = params.server_name or bare(target.address)
    stream = await start_tls(wire.stream, settings, name, wire.until)  # type: ignore[arg-type]
    found.add("tls", stream.handshake_ms)
    wire.stream, wire.secure = stream, True
    wire.opened_at = wire.at = wire.at + stream.handshake_ms / 1000
