"""Asking SNMP agents: GET and walks, the same over both libraries (RFC 3416).

    async with snmp(target, params.snmp, context) as agent:
        values = await agent.get(["1.3.6.1.2.1.1.3.0"])
        rows = await agent.walk("1.3.6.1.2.1.2.2.1.2")

One question at a time. gufo is fast; pysnmp does what gufo can't (contexts) and stands where gufo is not
installed.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import cache

from probes._resolve import Address, resolve
from probes._snmp_gufo import open_gufo
from probes._snmp_params import OverSnmp, SnmpParams
from probes._snmp_pysnmp import open_pysnmp
from probes._snmp_values import (
    NO_SUCH,
    NO_SUCH_NAME,
    TOO_BIG,
    Engine,
    Missing,
    Pairs,
    StatusError,
    Value,
    key,
)
from probes.api import Context, Target
from probes.errors import Ending, ProtocolViolated

__all__ = ["KINDS", "NO_SUCH", "Missing", "OverSnmp", "Snmp", "SnmpParams", "Value", "key", "snmp", "text"]

AT_ONCE = 20
"""Objects asked for in one GET: an answer should fit one packet."""
MOST = 10_000
"""Objects that a walk gives at most, unless its caller says otherwise."""
LONGEST_BYTES = 4_000_000
"""Octets that a walk gives at most."""
KINDS = (
    "unreachable", "refused", "timeout", "dns",
    "protocol",  # no SNMP, names out of order, an error status
    "auth",  # version 3: unknown user, wrong key or level; a right that is missing
    "missing_driver", "permission", "inconclusive", "prober_error",
)  # fmt: skip


class Snmp:
    """One agent, for one run. `phases` grows with what was asked; `facts` holds `engine_id` of version 3."""

    def __init__(self, engine: Engine, params: SnmpParams, address: Address, resolve_ms: float) -> None:
        self._engine = engine
        self._repetitions = params.max_repetitions
        self.address = address
        self.phases = {"resolve": resolve_ms, "query": 0.0}
        self.asked = 0

    @property
    def facts(self) -> dict[str, str]:
        """What is known of the agent besides its answers."""
        return {"address": self.address.host, **self._engine.facts}

    async def get(self, oids: Iterable[str]) -> dict[str, Value]:
        """Return the value of each of `oids`, `NO_SUCH` for what the agent has not or does not show.

        Raises `ProtocolViolated` (garbage, an error status), `OwnLoginFailed`, `TimedOut`, `Refused`.
        """
        wanted = list(dict.fromkeys(oids))
        found: dict[str, Value] = {}
        for start in range(0, len(wanted), AT_ONCE):
            found |= await self._timed_get(wanted[start : start + AT_ONCE])
        return {oid: found.get(oid, NO_SUCH) for oid in wanted}

    async def walk(self, base: str, limit: int = MOST) -> Pairs:
        """Return the objects below `base` in their order, at most `limit`: further ones are not read.

        Raises what `get` raises; names that do not increase are `ProtocolViolated`.
        """
        found: Pairs = []
        ask, last, size = self._engine.walk(base), key(base), 0
        start = time.perf_counter()
        try:
            while len(found) < limit:
                batch = await self._batch(ask, base)
                if batch is None:
                    break
                for oid, value in batch:
                    this = key(oid)
                    if this <= last:
                        raise ProtocolViolated(f"order: after {_dots(last)} it gave {oid}")
                    last, size = this, size + (len(value) if isinstance(value, (str, bytes)) else 8)
                    found.append((oid, value))
                if size > LONGEST_BYTES:
                    raise ProtocolViolated(f"too_long: over {LONGEST_BYTES} octets below {base}")
        finally:
            self.phases["query"] += (time.perf_counter() - start) * 1000
        return found[:limit]

    async def column(self, base: str, limit: int = MOST) -> dict[str, Value]:
        """Return a column of a table: what follows `base` in each name, and its value."""
        return {oid[len(base) + 1 :]: value for oid, value in await self.walk(base, limit)}

    async def _batch(self, ask: object, base: str) -> Pairs | None:
        while True:
            self.asked += 1
            try:
                batch: Pairs | None = await ask(self._repetitions)  # type: ignore[operator]
            except StatusError as error:
                if error.status == NO_SUCH_NAME:
                    return None
                if error.status != TOO_BIG or self._repetitions == 1:
                    raise error.ending(base) from None
                self._repetitions //= 2
            else:
                return batch

    async def _timed_get(self, oids: list[str]) -> dict[str, Value]:
        start = time.perf_counter()
        try:
            return await self._get(oids)
        finally:
            self.phases["query"] += (time.perf_counter() - start) * 1000

    async def _get(self, oids: list[str]) -> dict[str, Value]:
        """Ask for these; without the one that version 1 refuses them all for, by halves if it is too much."""
        self.asked += 1
        try:
            return await self._engine.get(oids)
        except StatusError as error:
            if error.status == NO_SUCH_NAME and 1 <= error.index <= len(oids):
                left = oids[: error.index - 1] + oids[error.index :]
                return await self._get(left) if left else {}
            if error.status != TOO_BIG or len(oids) == 1:
                asked = oids[error.index - 1] if 1 <= error.index <= len(oids) else oids[0]
                raise error.ending(asked) from None
        half = len(oids) // 2
        return await self._get(oids[:half]) | await self._get(oids[half:])


@asynccontextmanager
async def snmp(target: Target, params: SnmpParams, context: Context) -> AsyncIterator[Snmp]:
    """Open the way to one agent; of version 3 that asks for its engine id, boots and time.

    Phases: resolve, login (version 3), query. An ending gets the phases and facts known until then.
    """
    address, resolve_ms = await resolve(target, context)
    until = context.started + context.timeout - min(0.1, context.timeout * 0.1)
    opened = open_gufo if _by_gufo(params) else open_pysnmp
    started = time.perf_counter()
    engine = await opened(address, params, context, until)
    try:
        agent = Snmp(engine, params, address, resolve_ms)
        if params.version == "3":
            agent.phases["login"] = (time.perf_counter() - started) * 1000
        context.phase = "query"
        yield agent
    except Ending as ending:
        ending.phases = ending.phases or agent.phases
        ending.facts = ending.facts or agent.facts
        raise
    finally:
        await engine.aclose()


def text(value: Value) -> str:
    """Return a value as one line: octets that are no UTF-8 text as hexadecimal digits with colons."""
    if not isinstance(value, bytes):
        return "" if value is NO_SUCH else str(value)
    stripped = value.rstrip(b"\0")
    try:
        written = stripped.decode()
    except UnicodeDecodeError:
        return value.hex(":")
    return written if all(c.isprintable() or c.isspace() for c in written) else value.hex(":")


def _by_gufo(params: SnmpParams) -> bool:
    if params.engine != "auto":
        return params.engine == "gufo"
    return not params.context and _gufo_there()


@cache
def _gufo_there() -> bool:
    return importlib.util.find_spec("gufo") is not None and importlib.util.find_spec("gufo.snmp") is not None


def _dots(arcs: tuple[int, ...]) -> str:
    return ".".join(map(str, arcs))
