"""A Redis server, alone, in a cluster, or as a sentinel tells of it: latency, memory, clients, replication.

What is asked is INFO, and by the way it is run CLUSTER INFO and NODES, or SENTINEL MASTER, REPLICAS and
CKQUORUM (redis.io, commands). Valkey and KeyDB speak the same.
"""

from __future__ import annotations

import secrets
import ssl
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from probes._driver import loaded
from probes._resolve import Address, numeric, resolve
from probes.api import Context, MetricDef, ProbeSpec, Reading, Secret, Target
from probes.database import _redis_cluster, _redis_info, _redis_sentinel, _sql_defs
from probes.database._sql import Answer, Findings, ServerParams, ending_with
from probes.database._sql_parameters import Setting, compare
from probes.errors import ExpectationFailed, PermissionMissing, ProtocolViolated

if TYPE_CHECKING:
    from probes.database._redis_wire import Account, RedisLink

EXPIRY_S = 60
"""After so long the key of a round trip that was broken off is gone."""
PORTS = {"standalone": 6379, "cluster": 6379, "sentinel": 26379}
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class RedisParams(ServerParams):
    """Parameters of `redis`."""

    port: Port | None = None
    """Where it listens; 6379, of a sentinel 26379."""
    mode: Literal["standalone", "cluster", "sentinel"] = "standalone"
    """What is asked: the server alone, with the cluster it is of, or a sentinel."""
    user: Text | None = None
    """The monitor's account; without one a password is the default user's."""
    password: Secret | None = None
    """The account's password."""
    db: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Number of the database in which a round trip is made."""
    round_trip: bool = False
    """Whether to write a key `muster:...`, which expires after 60 s, read it back and delete it."""
    parameters: dict[Text, Setting] = Field(default_factory=dict, max_length=200)
    """What the server's parameters should be, by name (CONFIG GET)."""
    service: Text | None = None
    """Of a sentinel: name of the service it watches."""
    nodes: tuple[Text, ...] = ()
    """Of a sentinel: numeric addresses of the service's servers; the primary, one of them, is asked."""
    sentinel_user: Text | None = None
    """Account at the sentinel; `user` is the one at the servers."""
    sentinel_password: Secret | None = None
    """Its password."""

    @model_validator(mode="after")
    def _fits_the_mode(self) -> RedisParams:
        if (self.mode == "sentinel") != (self.service is not None):
            raise ValueError("mode: sentinel and service belong together")
        if self.mode != "sentinel" and (self.nodes or self.sentinel_user or self.sentinel_password):
            raise ValueError("nodes, sentinel_user and sentinel_password are of mode: sentinel")
        if any(numeric(node) is None for node in self.nodes):
            raise ValueError("nodes are numeric addresses, since a sentinel gives those")
        if self.mode == "sentinel" and not self.nodes and (self.round_trip or self.parameters):
            raise ValueError("round_trip and parameters need the service's servers in nodes")
        if self.user is not None and self.password is None:
            raise ValueError("a user needs a password")
        return self


@dataclass(frozen=True, slots=True)
class _Run:
    params: RedisParams
    context: Context
    findings: Findings
    tls: tuple[ssl.SSLContext | None, str]

    def account(self) -> Account:
        """Return the account at a server. Raises `ProberFault` for a missing secret."""
        from probes.database._redis_wire import Account  # noqa: PLC0415 - imports the driver

        return Account(self.params.user, self._secret(self.params.password), self.params.db)

    def sentinel_account(self) -> Account:
        """Return the account at the sentinel. Raises `ProberFault` for a missing secret."""
        from probes.database._redis_wire import Account  # noqa: PLC0415 - imports the driver

        return Account(self.params.sentinel_user, self._secret(self.params.sentinel_password))

    def _secret(self, ref: Secret | None) -> str:
        return "" if ref is None else self.context.shared.secret(ref)

    async def optional(self, link: RedisLink, what: str, right: str, *command: str) -> object:
        """Return the answer, or None where the right or the version is missing, which is noted."""
        try:
            return await link.ask(*command)
        except PermissionMissing as missing:
            self.findings.not_told.append(f"{what}: {missing.detail} (needs {right})")
        except ExpectationFailed as refused:
            if not refused.detail.startswith("version_too_old"):
                raise
            self.findings.not_told.append(f"{what}: {refused.detail}")
        return None


async def probe_redis(target: Target, params: RedisParams, context: Context) -> Reading:
    """Ask one server, and where it is a sentinel the primary of its service.

    Raises `OwnLoginFailed` (wrong_password, login_refused), `PermissionMissing` (missing_right),
    `ExpectationFailed` (too_many_connections, loading, and of a round trip read_only, out_of_memory,
    save_failed, too_few_replicas, cluster_down), `TlsFailed`, `ProtocolViolated`, `MissingDriver`, and what a
    connection comes to.
    """
    await loaded("redis.asyncio", "redis")
    findings = Findings()
    with ending_with(findings, context):
        run = _Run(params, context, findings, (await params.tls_context(), params.tls_name(target)))
        address, resolve_ms = await resolve(target, context)
        findings.passed("resolve", resolve_ms)
        port = params.port or PORTS[params.mode]
        if params.mode == "sentinel":
            await _service(run, address, port)
        else:
            await _server(run, address, port)
    return findings.reading()


async def _server(run: _Run, address: Address, port: int) -> None:
    from probes.database._redis_wire import linked  # noqa: PLC0415 - imports the driver

    account = run.account()
    async with linked(address, port, run.tls, account, run.context, run.findings) as link:
        run.context.phase = "query"
        await _info(run, link)
        slots = await _cluster(run, link) if run.params.mode == "cluster" else None
        await _ping(run, link)
        if run.params.parameters:
            await _parameters(run, link)
        if run.params.round_trip:
            await _round_trip(run, link, slots)


async def _info(run: _Run, link: RedisLink) -> None:
    """Take INFO in, which is answered also while the server loads."""
    text = _text(await run.optional(link, "all but ping_ms", "+info", "INFO"), "INFO")
    if text:
        run.findings.take(_redis_info.read_info(_redis_info.parsed(text)))
        if "connections_max" not in run.findings.metrics:
            await _limit_of_clients(run, link)
        _redis_info.share_of_connections(run.findings.metrics)


async def _limit_of_clients(run: _Run, link: RedisLink) -> None:
    found = await run.optional(link, "connections_max", "+config|get", "CONFIG", "GET", "maxclients")
    limit = _redis_info.number(_redis_sentinel.pairs(found).get("maxclients"))
    if limit is not None:
        run.findings.metrics["connections_max"] = limit


async def _ping(run: _Run, link: RedisLink) -> None:
    started = time.perf_counter()
    if await link.ask("PING") != "PONG":
        raise ProtocolViolated("the answer to PING is not PONG")
    run.findings.metrics["ping_ms"] = (time.perf_counter() - started) * 1000
    run.findings.passed("query", run.findings.metrics["ping_ms"])


async def _cluster(run: _Run, link: RedisLink) -> list[_redis_cluster.Node]:
    info = await run.optional(link, "the cluster's state", "+cluster|info", "CLUSTER", "INFO")
    run.findings.take(_redis_cluster.read_cluster(_redis_info.parsed(_text(info, "CLUSTER INFO"))))
    told = await run.optional(link, "the cluster's nodes", "+cluster|nodes", "CLUSTER", "NODES")
    nodes = _redis_cluster.nodes(_text(told, "CLUSTER NODES"))
    if nodes:
        run.findings.take(_redis_cluster.read_nodes(nodes))
    return nodes


def _text(answer: object, command: str) -> str:
    """Return a text, empty where it could not be asked. Raises `ProtocolViolated` for what is none."""
    if not isinstance(answer, str | None):
        raise ProtocolViolated(f"the answer to {command} is no text")
    return answer or ""


async def _parameters(run: _Run, link: RedisLink) -> None:
    """Compare the server's parameters; a size is told in bytes, and may be wanted as "100mb"."""
    found: dict[str, tuple[str, str]] = {}
    for name in run.params.parameters:
        answer = await run.optional(link, f"parameters: {name}", "+config|get", "CONFIG", "GET", name)
        if answer is None:
            break
        found |= {key: (f"{value}b", value) for key, value in _redis_sentinel.pairs(answer).items()}
    comparison = compare(run.params.parameters, found)
    run.findings.take(Answer(comparison.metrics(), comparison.facts()))


async def _round_trip(run: _Run, link: RedisLink, nodes: list[_redis_cluster.Node] | None) -> None:
    """Write, read and delete a key that no other run has, on this very server."""
    token = secrets.token_hex(8)
    key = f"muster:{token}" if nodes is None else _key_here(nodes, token)
    started = time.perf_counter()
    await link.ask("SET", key, token, "EX", EXPIRY_S, "NX")
    read = await link.ask("GET", key)
    await link.ask("DEL", key)
    if read != token:
        raise ExpectationFailed("lost_key: what was written is not what is read")
    run.findings.metrics["round_trip_ms"] = (time.perf_counter() - started) * 1000
    run.findings.passed("query", run.findings.metrics["round_trip_ms"])


def _key_here(nodes: list[_redis_cluster.Node], token: str) -> str:
    from redis.crc import key_slot  # noqa: PLC0415 - the driver

    if key := _redis_cluster.key_within(_redis_cluster.own_slots(nodes), token, key_slot):
        return key
    raise ExpectationFailed("read_only: the node has no slots to write to, or they could not be asked")


async def _service(run: _Run, address: Address, port: int) -> None:
    """Ask the sentinel, and the primary it names where that is one of the service's servers."""
    from probes.database._redis_wire import linked  # noqa: PLC0415 - imports the driver

    account = run.sentinel_account()
    async with linked(address, port, run.tls, account, run.context, run.findings) as link:
        run.context.phase = "query"
        primary = await _ask_sentinel(run, link)
    if run.params.nodes:
        address, port = _allowed(primary, run.params.nodes)
        name = run.params.server_name or address.host
        await _server(replace(run, tls=(run.tls[0], name)), address, port)


async def _ask_sentinel(run: _Run, link: RedisLink) -> dict[str, str]:
    service = run.params.service or ""
    primary = _redis_sentinel.pairs(await link.ask("SENTINEL", "MASTER", service))
    run.findings.take(_redis_sentinel.read_primary(primary))
    replicas = await run.optional(
        link, "sentinel_replicas_ok", "+sentinel|replicas", "SENTINEL", "REPLICAS", service
    )
    if replicas is not None:
        run.findings.take(_redis_sentinel.read_replicas(replicas))
    await _quorum(run, link, service)
    return primary


async def _quorum(run: _Run, link: RedisLink, service: str) -> None:
    try:
        said = await run.optional(
            link, "sentinel_quorum_ok", "+sentinel|ckquorum", "SENTINEL", "CKQUORUM", service
        )
    except ExpectationFailed as refused:
        if not refused.detail.startswith("no_quorum"):
            raise
        run.findings.take(_redis_sentinel.read_quorum(refused.detail, ok=False))
        return
    if isinstance(said, str):
        run.findings.take(_redis_sentinel.read_quorum(said, ok=True))


def _allowed(primary: dict[str, str], nodes: tuple[str, ...]) -> tuple[Address, int]:
    """Return the primary's address and port; what is not in the inventory is not asked."""
    host, port = primary.get("ip", ""), _redis_info.number(primary.get("port"))
    address = numeric(host)
    known = {found.host for node in nodes if (found := numeric(node)) is not None}
    if address is None or port is None or address.host not in known:
        raise ExpectationFailed(f"unknown_primary: {host}:{primary.get('port', '')} is none of the nodes")
    return address, int(port)


PROBE = ProbeSpec(
    name="redis",
    family="database",
    summary="A Redis server: latency, memory, clients, snapshots, replication; its cluster or sentinels.",
    params=RedisParams,
    run=probe_redis,
    metrics=(
        *_sql_defs.only(_sql_defs.METRICS, "connect_ms", "tls_ms", "login_ms"),
        MetricDef("ping_ms", "ms", "lower", 0.001, "PING and its answer."),
        MetricDef("round_trip_ms", "ms", "lower", 0.001, "A key written, read and deleted; where asked for."),
        *_redis_info.METRICS,
        *_redis_cluster.METRICS,
        *_redis_sentinel.METRICS,
        *_sql_defs.only(_sql_defs.METRICS, "parameters_differing"),
    ),
    facts=(
        *_redis_info.FACTS,
        *_redis_cluster.FACTS,
        *_redis_sentinel.FACTS,
        *_sql_defs.only(_sql_defs.FACTS, "parameters", "not_told"),
    ),
    phases=_sql_defs.PHASES,
    kinds=_sql_defs.KINDS,
)
