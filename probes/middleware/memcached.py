"""memcached by its text protocol: connections, memory, hits and evictions; a round trip where asked for.

Statistics as in doc/protocol.txt of memcached's sources. A login is the one of `-Y` (1.5.15 and later); SASL,
which is of the binary protocol, is not spoken.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from pydantic import Field

from probes._service import (
    ADDRESS,
    KINDS,
    NOT_TOLD,
    TIMES,
    AccountParams,
    Notes,
    Port,
    address_of,
    talking,
)
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed, OwnLoginFailed
from probes.middleware._counters import LastCounters, Sample, deltas
from probes.middleware._memcached import Memcached

EXPIRY_S = 10
"""After so long the value of a round trip that was broken off is gone."""
PLAIN = {
    "uptime": "uptime_s",
    "curr_items": "items",
    "curr_connections": "connections_used",
    "max_connections": "connections_max",
    "rejected_connections": "connections_rejected",
    "bytes": "memory_used_bytes",
    "limit_maxbytes": "memory_max_bytes",
    "evictions": "evictions",
}
COUNTERS = ("get_hits", "get_misses", "evictions")


class MemcachedParams(AccountParams):
    """Parameters of `memcached`."""

    port: Port = 11211
    """Where it listens."""
    user: str | None = Field(None, pattern=r"^[!-~]+$", max_length=64)
    """Account of the server's authentication file (`-Y`)."""
    round_trip: bool = False
    """Whether to write a value `muster:...`, which expires after 10 s, read it back and delete it."""


async def probe_memcached(target: Target, params: MemcachedParams, context: Context) -> Reading:
    """Ask one server.

    Raises `OwnLoginFailed` (wrong_password), `ExpectationFailed` (too_many_connections, out_of_memory,
    refused), and what a connection comes to.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        async with talking(target, address, params.port, params, notes) as talk:
            password = "" if params.password is None else context.shared.secret(params.password)
            server = Memcached(talk, (password,))
            with notes.phase("query"):
                version = await server.version()
            if version is None:
                version = await _logged_in(server, params, password, notes)
            notes.facts["version"] = version
            with notes.phase("query"):
                stats = await server.stats()
            notes.metrics |= figures(stats) | _lately(target, params, stats, context)
            if "connections_max" not in notes.metrics:
                notes.missing("connections_max: this version does not tell it")
            if params.round_trip:
                with notes.phase("round_trip"):
                    await _round_trip(server)
    return notes.reading()


async def _logged_in(server: Memcached, params: MemcachedParams, password: str, notes: Notes) -> str:
    if params.user is None:
        raise OwnLoginFailed("wrong_password: the server wants a login, and no user is given")
    with notes.phase("login"):
        await server.login(params.user, password)
        return await server.version() or ""


async def _round_trip(server: Memcached) -> None:
    key, value = f"muster:{secrets.token_hex(8)}", secrets.token_hex(8).encode()
    await server.store(key, value, EXPIRY_S)
    if await server.fetch(key) != value:
        raise ExpectationFailed("round trip: what was written is not what is read")
    await server.delete(key)


def figures(stats: Mapping[str, str]) -> dict[str, float]:
    """Return what the statistics say by themselves."""
    found = {name: float(stats[stat]) for stat, name in PLAIN.items() if stats.get(stat, "").isdecimal()}
    for what, used, most in (
        ("connections_used_pct", "connections_used", "connections_max"),
        ("memory_used_pct", "memory_used_bytes", "memory_max_bytes"),
    ):
        if found.get(most) and used in found:
            found[what] = 100 * found[used] / found[most]
    ratio = _ratio(counters(stats))
    return found if ratio is None else found | {"hit_ratio_total_pct": ratio}


def counters(stats: Mapping[str, str]) -> dict[str, float]:
    """Return what only grows."""
    return {name: float(stats[name]) for name in COUNTERS if stats.get(name, "").isdecimal()}


def _ratio(counted: Mapping[str, float]) -> float | None:
    hits, misses = counted.get("get_hits"), counted.get("get_misses")
    if hits is None or misses is None or not hits + misses:
        return None
    return 100 * hits / (hits + misses)


def _lately(
    target: Target, params: MemcachedParams, stats: Mapping[str, str], context: Context
) -> dict[str, float]:
    now = Sample(counters(stats), stats.get("pid"))
    before = context.shared.get(LastCounters).swap(("memcached", target.address, params.port), now)
    if before is None:
        return {}
    seconds, grown = deltas(before, now)
    found = {"evictions_per_s": grown["evictions"] / seconds} if "evictions" in grown else {}
    ratio = _ratio(grown)
    return found if ratio is None else found | {"hit_ratio_pct": ratio}


PROBE = ProbeSpec(
    name="memcached",
    family="middleware",
    summary="A memcached server: connections, memory, hits, evictions, and a round trip where asked for.",
    params=MemcachedParams,
    run=probe_memcached,
    metrics=(
        *TIMES,
        MetricDef("uptime_s", "s", "none", 1, "Since the server was started."),
        MetricDef("items", "count", "none", 1, "Values stored."),
        MetricDef("connections_used", "count", "lower", 1, "Open connections, this one among them."),
        MetricDef("connections_max", "count", "none", 1, "Most connections it takes (`-c`)."),
        MetricDef("connections_used_pct", "%", "lower", 0.01, "Used of the most it takes."),
        MetricDef("connections_rejected", "count", "lower", 1, "Connections refused since it was started."),
        MetricDef("memory_used_bytes", "bytes", "none", 1, "Bytes of stored values."),
        MetricDef("memory_max_bytes", "bytes", "none", 1, "Most bytes it stores (`-m`)."),
        MetricDef("memory_used_pct", "%", "none", 0.01, "Used of the most it stores."),
        MetricDef("evictions", "count", "lower", 1, "Values dropped for others since it was started."),
        MetricDef("evictions_per_s", "count", "lower", 0.001, "The same a second, since the run before."),
        MetricDef("hit_ratio_total_pct", "%", "higher", 0.01, "Gets that found something, since its start."),
        MetricDef("hit_ratio_pct", "%", "higher", 0.01,
                  "The same, since the run before; none where nobody asked for anything."),
    ),
    facts=(FactDef("version", "version", "Version of the server."), ADDRESS, NOT_TOLD),
    phases=("resolve", "connect", "tls", "login", "query", "round_trip"),
    kinds=KINDS,
)  # fmt: skip
