"""Whether a TCP port takes connections, how fast, and what it says; or that it is closed."""

from __future__ import annotations

import time
from typing import Annotated, Self

from pydantic import Field, model_validator

from probes._patterns import Pattern, found
from probes._resolve import Address, resolve
from probes._sockets import Chunk, Connection, Poller, connect, own_deadline
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Seconds, Target
from probes.errors import Ending, ExpectationFailed, Inconclusive, ProtocolViolated, TimedOut, from_oserror

MAX_BANNER = 4096
"""Bytes of a banner that are read and searched, however much the server sends."""
FACT_LENGTH = 200
Port = Annotated[int, Field(ge=1, le=65_535)]


class TcpParams(Params):
    """What `tcp` takes."""

    port: Port
    send: str | None = Field(default=None, max_length=MAX_BANNER)
    """Text sent (UTF-8) once connected."""
    expect_banner: Pattern | None = None
    r"""Regular expression searched in what the server sends first, e.g. "^SSH-2\\.0-"."""
    closed: bool = False
    """Pass when the port is closed, fail when it is open."""
    control_port: Port | None = None
    """With `closed`: a port of the same target that is open; only then does silence count as closed."""
    wait: Annotated[Seconds, Field(gt=0, le=60)] = 2.0
    """With `closed`: how long silence must last."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.closed and (self.send is not None or self.expect_banner is not None):
            raise ValueError("a closed port says nothing: leave out send and expect_banner, or closed")
        if self.control_port is not None and not self.closed:
            raise ValueError("control_port only counts together with closed: true")
        if self.control_port == self.port:
            raise ValueError("control_port must be another port than the one that should be closed")
        return self


async def probe_tcp(target: Target, params: TcpParams, context: Context) -> Reading:
    """Connect once; read a banner where asked for. Times are the kernel's (`probes._sockets`)."""
    address, resolve_ms = await resolve(target, context)
    run = _Run(context, address, resolve_ms)
    try:
        await (run.negative(params) if params.closed else run.positive(params))
    except (Ending, OSError) as error:
        ending = error if isinstance(error, Ending) else from_oserror(error, context.phase)
        ending.metrics, ending.facts, ending.phases = run.metrics, run.facts, run.phases
        raise ending from None
    return Reading.ok(run.metrics, run.facts, run.phases, run.detail)


class _Run:
    """One run, with what was measured so far."""

    __slots__ = ("address", "context", "detail", "facts", "metrics", "phases", "poller", "until")

    def __init__(self, context: Context, address: Address, resolve_ms: float) -> None:
        self.context, self.address = context, address
        self.poller = context.shared.get(Poller)
        self.until = own_deadline(context)
        self.detail = ""
        self.metrics: dict[str, float] = {}
        self.facts = {"address": address.host, "family": address.family}
        self.phases = {"resolve": resolve_ms} if resolve_ms else {}

    async def positive(self, params: TcpParams) -> None:
        self.context.phase = "connect"
        talks = params.send is not None or params.expect_banner is not None
        connection = await connect(self.poller, self.address, params.port, until=self.until, talks=talks)
        try:
            self._connected(connection)
            if talks:
                await self._talk(connection, params)
            self.metrics["total_ms"] = sum(self.phases.values())
        finally:
            connection.close()

    def _connected(self, connection: Connection) -> None:
        self.metrics["connect_ms"] = self.phases["connect"] = connection.connect_ms
        self.metrics["syn_retransmits"] = float(connection.retransmits)

    async def _talk(self, connection: Connection, params: TcpParams) -> None:
        self.context.phase = "banner"
        asked_at = connection.connected_at
        if params.send is not None:
            asked_at = await connection.send(params.send.encode(), self.until)
        if params.expect_banner is not None:
            await self._read_banner(connection, params.expect_banner, asked_at)

    async def _read_banner(self, connection: Connection, pattern: str, asked_at: float) -> None:
        """Read until the pattern is found, the banner is too long, the server stops, or time is up."""
        banner = b""
        while len(banner) < MAX_BANNER:
            chunk = await self._more(connection, banner, pattern)
            if not banner and chunk.data:
                self.metrics["first_byte_ms"] = max(0.0, chunk.at - asked_at) * 1000
            self.phases["banner"] = max(0.0, chunk.at - asked_at) * 1000
            banner += chunk.data
            self.facts["banner"] = banner[:FACT_LENGTH].decode(errors="replace").strip()
            if found(pattern, banner.decode(errors="replace")):
                return
            if not chunk.data:
                break
        if not banner:
            raise ProtocolViolated("banner: the server closed the connection without a word")
        raise ExpectationFailed(_not_found(pattern, banner))

    async def _more(self, connection: Connection, banner: bytes, pattern: str) -> Chunk:
        try:
            return await connection.recv(MAX_BANNER - len(banner), self.until)
        except (TimedOut, ConnectionError):
            if banner:
                raise ExpectationFailed(_not_found(pattern, banner)) from None
            raise

    async def negative(self, params: TcpParams) -> None:
        self.context.phase = "connect"
        answer = await self._knock(params.port, self._until_silent(params.wait))
        if answer is None:
            raise ExpectationFailed(f"port {params.port} is open")
        self.detail = f"port {params.port}: {answer.detail}"
        if answer.kind == "refused":
            return
        if answer.kind not in ("timeout", "unreachable"):
            raise answer
        await self._control(params.control_port, self.detail)

    def _until_silent(self, wait: float) -> float:
        """Leave the control at least half of the time."""
        now = time.perf_counter()
        return now + min(wait, (self.until - now) / 2)

    async def _control(self, port: int | None, silence: str) -> None:
        if port is None:
            raise Inconclusive(f"{silence}; without a control_port that can't be told from a dead target")
        self.context.phase = "control"
        answer = await self._knock(port, self.until)
        if answer is not None:
            raise Inconclusive(f"{silence}; control port {port}: {answer.detail}")
        self.detail = f"{silence}; control port {port} is open"

    async def _knock(self, port: int, until: float) -> Ending | None:
        """Return None for an open port, else what came of the attempt."""
        try:
            connection = await connect(self.poller, self.address, port, until=until)
        except TimedOut as ending:
            return ending
        except OSError as error:
            return from_oserror(error, "connect")
        connection.close()
        return None


def _not_found(pattern: str, banner: bytes) -> str:
    return f"banner {banner[:FACT_LENGTH].decode(errors='replace')!r} does not match /{pattern}/"


PROBE = ProbeSpec(
    name="tcp",
    family="network",
    summary="Connects to a TCP port, and reads its banner where asked; or checks that it is closed",
    params=TcpParams,
    run=probe_tcp,
    metrics=(
        MetricDef("connect_ms", "ms", "lower", 0.001, "From the SYN to its acknowledgement, by the kernel",
                  "latency"),
        MetricDef("total_ms", "ms", "lower", 0.001, "Resolving, connecting and the banner together"),
        MetricDef("first_byte_ms", "ms", "lower", 0.001,
                  "From connected (or sent) to the banner's first byte, by the kernel"),
        MetricDef("syn_retransmits", "count", "lower", 1, "How often the SYN had to be repeated"),
    ),
    facts=(
        FactDef("address", help="The address that was used"),
        FactDef("family", help="4 or 6"),
        FactDef("banner", help="The beginning of what the server said first"),
    ),
    phases=("resolve", "connect", "banner", "control"),
    kinds=(
        "refused", "unreachable", "timeout", "protocol", "expectation", "dns",
        "inconclusive", "permission", "prober_error",
    ),
)  # fmt: skip
