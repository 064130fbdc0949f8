"""What the probes of a TCP service share: how one is reached, and what a run has learnt until it ends.

Connect times are the kernel's (`probes._sockets`). A connection is tried once, and is closed when the
run ends, also where that is by its deadline.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from probes._certificates import TlsParams
from probes._resolve import Address, resolve
from probes._sockets import Poller, Stream, connect, own_deadline
from probes._starttls import Protocol, ask_for_tls
from probes._tls_stream import start_tls
from probes.api import Context, FactDef, MetricDef, Reading, Secret, Target, clip
from probes.errors import Ending, ProtocolViolated, from_oserror

Port = Annotated[int, Field(ge=1, le=65535)]
PIECE = 65_536
OF_FIRST_CONNECTION = ("connect", "tls")
"""Phases whose metric is of a run's first connection."""

CONNECT_MS = MetricDef(
    "connect_ms", "ms", "lower", 0.001, "TCP handshake, by the kernel (of the first connection)."
)
TLS_MS = MetricDef("tls_ms", "ms", "lower", 0.001, "TLS handshake (of the first connection).")
LOGIN_MS = MetricDef("login_ms", "ms", "lower", 0.001, "Logging in.")
QUERY_MS = MetricDef("query_ms", "ms", "lower", 0.001, "All questions and their answers.")
ROUND_TRIP_MS = MetricDef("round_trip_ms", "ms", "lower", 0.001, "Writing, reading back and deleting.")
TIMES = (CONNECT_MS, TLS_MS, LOGIN_MS, QUERY_MS, ROUND_TRIP_MS)
"""Of a service with accounts, in which a run may write and read back."""
ADDRESS = FactDef("address", help="The address that was asked.")
NOT_TOLD = FactDef("not_told", help="What could not be asked, and what it needs.")
KINDS = (
    "unreachable", "refused", "timeout", "tls", "protocol", "dns", "expectation", "auth", "permission",
    "inconclusive", "prober_error",
)  # fmt: skip
"""Outcomes besides ok that any run may have."""


class ServiceParams(TlsParams):
    """How a service is reached."""

    tls: Literal["off", "on"] = "off"
    """Whether to speak TLS, and verify it."""


class AccountParams(ServiceParams):
    """How a service is reached, and by which account."""

    user: str | None = None
    """The account."""
    password: Secret | None = None
    """Its password."""

    @model_validator(mode="after")
    def _account_is_whole(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        return self


@dataclass(slots=True)
class Notes:
    """What a run has learnt; goes with its reading however it ends."""

    context: Context
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    not_told: list[str] = field(default_factory=list)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Give what was learnt to any ending of the block, errors of sockets among them. Raises `Ending`."""
        try:
            yield
        except OSError as error:
            raise self._with(from_oserror(error, self.context.phase)) from None
        except Ending as ending:
            raise self._with(ending) from None

    @contextmanager
    def phase(self, name: str, *, told: bool = True) -> Iterator[None]:
        """Time a phase, also one that ends badly; one that is gone through again adds up.

        It is a metric, too, unless `told` is false.
        """
        self.context.phase, start = name, time.perf_counter()
        try:
            yield
        finally:
            self.add(name, (time.perf_counter() - start) * 1000, told=told)

    def add(self, phase: str, took_ms: float, *, told: bool = True) -> None:
        """Add to a phase, and to the metric `PHASE_ms`, which for connecting is of the first connection."""
        self.phases[phase] = self.phases.get(phase, 0.0) + took_ms
        if phase in OF_FIRST_CONNECTION:
            self.metrics.setdefault(f"{phase}_ms", took_ms)
        elif told and phase != "resolve":
            self.metrics[f"{phase}_ms"] = self.phases[phase]

    def missing(self, what: str) -> None:
        """Note what could not be asked; the metrics that it gives are left out."""
        self.not_told.append(what)
        self.facts["not_told"] = clip("; ".join(self.not_told))

    def reading(self, detail: str = "") -> Reading:
        """Return the reading of a run that went well."""
        facts = {name: clip(text) for name, text in self.facts.items()}
        return Reading.ok(self.metrics, facts, self.phases, detail)

    def _with(self, ending: Ending) -> Ending:
        """Return the ending with all that was learnt; how long an unfinished phase took is no figure."""
        if self.context.phase not in OF_FIRST_CONNECTION:
            self.metrics.pop(f"{self.context.phase}_ms", None)
        ending.metrics = self.metrics | (ending.metrics or {})
        facts = self.facts | (ending.facts or {})
        ending.facts = {name: clip(text) for name, text in facts.items()}
        ending.phases = self.phases
        return ending


@dataclass(slots=True)
class Talk:
    """A connection with a service, and what of it is not read yet."""

    stream: Stream
    until: float
    left: bytes = b""

    async def say(self, data: bytes) -> None:
        """Send `data`."""
        await self.stream.send(data, self.until)

    async def more(self) -> bool:
        """Wait for more in `left`; False where the other side has closed."""
        data, _ = await self.stream.recv(PIECE, self.until)
        self.left += data
        return bool(data)

    async def line(self, limit: int) -> bytes:
        """Return the next line without its end. Raises `ProtocolViolated` for one over `limit` bytes."""
        while b"\n" not in self.left:
            if len(self.left) > limit:
                raise ProtocolViolated(f"a line of more than {limit} bytes")
            if not await self.more():
                raise ProtocolViolated("closed amid the answer" if self.left else "closed without an answer")
        line, _, self.left = self.left.partition(b"\n")
        return line.rstrip(b"\r")

    async def exactly(self, size: int) -> bytes:
        """Return the next `size` bytes. Raises `ProtocolViolated` where the connection ends before."""
        while len(self.left) < size:
            if not await self.more():
                raise ProtocolViolated("closed amid the answer" if self.left else "closed without an answer")
        data, self.left = self.left[:size], self.left[size:]
        return data

    async def rest(self, limit: int) -> bytes:
        """Return all until the other side closes. Raises `ProtocolViolated` for more than `limit` bytes."""
        while len(self.left) <= limit:
            if not await self.more():
                return self.left
        raise ProtocolViolated(f"an answer of more than {limit} bytes")


async def address_of(target: Target, notes: Notes) -> Address:
    """Resolve the target and note it."""
    address, took_ms = await resolve(target, notes.context)
    notes.add("resolve", took_ms)
    notes.facts["address"] = address.host
    return address


@asynccontextmanager
async def talking(
    target: Target,
    address: Address,
    port: int,
    params: ServiceParams,
    notes: Notes,
    *,
    starttls: Protocol = "none",
    until: float | None = None,
    prefix: str = "",
) -> AsyncIterator[Talk]:
    """Connect, with TLS where asked for; the connection is closed at the end of the block.

    With `starttls` TLS begins after that protocol's own question for it. `until` (`time.perf_counter`) is
    the run's own deadline unless given. `prefix` goes before the phases of a second service. Raises what the
    connection and TLS come to.
    """
    context, until = notes.context, until or own_deadline(notes.context)
    settings = await params.context() if params.tls == "on" or starttls != "none" else None
    context.phase = f"{prefix}connect"
    connection = await connect(context.shared.get(Poller), address, port, until=until, talks=True)
    try:
        notes.add(f"{prefix}connect", connection.connect_ms)
        stream: Stream = connection
        if settings is not None:
            context.phase = f"{prefix}tls"
            await ask_for_tls(starttls, connection, until)
            name = params.server_name or bare(target.address)
            secured = await start_tls(connection, settings, name, until)
            notes.add(f"{prefix}tls", secured.handshake_ms)
            stream = secured
        yield Talk(stream, until)
    finally:
        connection.close()


def bare(address: str) -> str:
    """Return an address without the brackets that some write around IPv6."""
    return address.removeprefix("[").removesuffix("]")
