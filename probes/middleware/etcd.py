"""A member of an etcd cluster: health, leader, members, Raft, database against its quota, alarms.

By its JSON gateway (`/v3`, etcd 3.4 and later), `/health` and `/metrics`; a key with a lease is written, read
back and deleted where asked for. The gateway is off by default where etcd 3.4 has a configuration file
(`enable-grpc-gateway`); then the rest is asked all the same.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
from typing import Annotated, Any

from pydantic import Field

from probes._clean import cleaned
from probes._exposition import Malformed, Scan
from probes._service import (
    ADDRESS,
    KINDS,
    NOT_TOLD,
    TIMES,
    AccountParams,
    Notes,
    Port,
    address_of,
)
from probes._web import Answer, Web
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import Ending, ExpectationFailed, PermissionMissing, ProtocolViolated
from probes.middleware import _etcd as said_by
from probes.middleware._counters import LastCounters, Sample, deltas

LEASE_S = 30
"""After so long the key of a round trip that was broken off is gone."""
MAX_SERIES_TEXT = 4 * 1_048_576
NO_GATEWAY = "the JSON gateway is off; start etcd with enable-grpc-gateway"


class EtcdParams(AccountParams):
    """Parameters of `etcd`."""

    port: Port = 2379
    """Where clients connect."""
    user: str | None = Field(None, min_length=1, max_length=256)
    """Account, where authentication is on."""
    round_trip: Annotated[str, Field(pattern=r"^[!-~]+$", max_length=200)] | None = None
    """Prefix of a key `PREFIXmuster-...` to write with a lease of 30 s, to read back and to delete."""


class _Gateway:
    """The JSON gateway, asked with the account's token."""

    def __init__(self, web: Web, notes: Notes) -> None:
        self._web, self._notes = web, notes
        self._secrets: list[str] = []
        self._fields: list[tuple[str, str]] = []

    async def login(self, user: str, password: str) -> None:
        """Get a token. Raises `OwnLoginFailed`."""
        self._secrets.append(password)
        body = {"name": user, "password": password}
        token = str((await self.call("auth/authenticate", body, "login")).get("token", ""))
        if not token.isprintable() or not token:
            raise ProtocolViolated("the answer to authenticate holds no token")
        self._secrets.append(token)
        self._fields = [("Authorization", token)]

    async def call(self, what: str, body: dict[str, Any], phase: str = "query") -> dict[str, Any]:
        """Return the answer. Raises the refusal that it is, `PermissionMissing` where the gateway is off."""
        fields = [("Content-Type", "application/json"), *self._fields]
        data = json.dumps(body).encode()
        answer = await self._web.ask("POST", f"/v3/{what}", fields=fields, body=data, phase=phase)
        if answer.status == 404 and not answer.field("content-type").startswith("application/json"):
            raise PermissionMissing(f"missing_right: {NO_GATEWAY}")
        document = await _object(answer)
        if answer.status != 200:
            text = str(document.get("error") or document.get("message") or "")
            raise said_by.refusal(answer.status, document, cleaned(text, self._secrets))
        return document


async def probe_etcd(target: Target, params: EtcdParams, context: Context) -> Reading:
    """Ask one member.

    Raises `ExpectationFailed` (no_leader, disk_full, unhealthy, refused), `OwnLoginFailed` (wrong_password),
    `PermissionMissing` (missing_right, for the round trip), and what a connection comes to.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        async with Web(target, address, params.port, params, notes) as web:
            gateway = _Gateway(web, notes)
            if params.user is not None and params.password is not None:
                await gateway.login(params.user, context.shared.secret(params.password))
            health = await _object(await web.ask("GET", "/health"))
            await _series(web, target, params, notes)
            await _cluster(gateway, notes)
            notes.metrics |= said_by.quota_used(notes.metrics)
            if why := said_by.unhealthy(health, notes.metrics, notes.facts):
                raise ExpectationFailed(why)
            if params.round_trip is not None:
                await _round_trip(gateway, params.round_trip)
    return notes.reading()


async def _cluster(gateway: _Gateway, notes: Notes) -> None:
    status = await _told(gateway, "maintenance/status", {}, notes)
    if status is not None:
        _note(notes, said_by.of_status(status))
    if notes.metrics.get("has_leader") == 0:
        notes.missing("members and alarms: only a cluster with a leader tells them")
        return
    listed = await _told(gateway, "cluster/member/list", {}, notes)
    if listed is not None:
        _note(notes, said_by.of_members(listed, str((status or {}).get("leader", ""))))
    alarms = await _told(gateway, "maintenance/alarm", {"action": "GET"}, notes)
    if alarms is not None:
        _note(notes, said_by.of_alarms(alarms))


async def _told(gateway: _Gateway, what: str, body: dict[str, Any], notes: Notes) -> dict[str, Any] | None:
    try:
        return await gateway.call(what, body)
    except PermissionMissing as missing:
        notes.missing(f"{what}: {missing.detail}")
        return None


def _note(notes: Notes, found: tuple[dict[str, float], dict[str, str]]) -> None:
    notes.metrics |= found[0]
    notes.facts |= found[1]


async def _series(web: Web, target: Target, params: EtcdParams, notes: Notes) -> None:
    answer = await web.ask("GET", "/metrics", limit=MAX_SERIES_TEXT)
    if answer.status != 200:
        notes.missing(f"metrics: HTTP {answer.status} for /metrics")
        return
    scan = Scan(said_by.SELECTORS)
    try:
        scan.feed(answer.text())
        found = said_by.of_series(scan.close())
    except Malformed as error:
        raise ProtocolViolated(f"/metrics: {error}"[:200]) from None
    counted = {name: found.pop(name) for name in said_by.FSYNC if name in found}
    notes.metrics |= found
    if len(counted) < len(said_by.FSYNC):
        return
    last = notes.context.shared.get(LastCounters)
    before = last.swap(("etcd", target.address, params.port), now := Sample(counted))
    grown = deltas(before, now)[1] if before is not None else {}
    if grown.get(said_by.FSYNC[1]):
        notes.metrics["wal_fsync_ms"] = 1000 * grown[said_by.FSYNC[0]] / grown[said_by.FSYNC[1]]


async def _round_trip(gateway: _Gateway, prefix: str) -> None:
    async def call(what: str, **body: Any) -> dict[str, Any]:
        return await gateway.call(what, body, "round_trip")

    key, value = _base64(f"{prefix}muster-{secrets.token_hex(8)}"), _base64(secrets.token_hex(8))
    lease = (await call("lease/grant", TTL=LEASE_S)).get("ID", "")
    try:
        await call("kv/put", key=key, value=value, lease=lease)
        found = (await call("kv/range", key=key)).get("kvs")
        if not isinstance(found, list) or [kv.get("value") for kv in found] != [value]:
            raise ExpectationFailed("round trip: what was written is not what is read")
        await call("kv/deleterange", key=key)
    except Ending:
        with contextlib.suppress(Ending):
            await call("lease/revoke", ID=lease)
        raise
    await call("lease/revoke", ID=lease)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def _object(answer: Answer) -> dict[str, Any]:
    document = await answer.json()
    if not isinstance(document, dict):
        raise ProtocolViolated("the answer is no JSON object")
    return document


PROBE = ProbeSpec(
    name="etcd",
    family="middleware",
    summary="A member of an etcd cluster: health, leader, members, Raft, database size, alarms.",
    params=EtcdParams,
    run=probe_etcd,
    metrics=(
        *TIMES,
        MetricDef("has_leader", "count", "higher", 1, "1 where the member knows a leader, else 0."),
        MetricDef("members", "count", "none", 1, "Members of the cluster."),
        MetricDef("members_started", "count", "higher", 1, "Members that have started at least once."),
        MetricDef("learners", "count", "none", 1, "Members that have no vote."),
        MetricDef("raft_index", "count", "none", 1, "The member's last entry of the log."),
        MetricDef("raft_term", "count", "none", 1, "Elections that there were."),
        MetricDef("raft_lag", "count", "lower", 1, "Entries of the log that are not applied yet."),
        MetricDef("leader_changes", "count", "lower", 1, "Changes of the leader seen since the start."),
        MetricDef("proposals_pending", "count", "lower", 1, "Writes that wait for the cluster."),
        MetricDef("proposals_failed", "count", "lower", 1, "Writes that failed since the start."),
        MetricDef("wal_fsync_ms", "ms", "lower", 0.001, "Mean time of a sync of the log, lately."),
        MetricDef("db_size_bytes", "bytes", "lower", 1, "Size of the database file."),
        MetricDef("db_used_bytes", "bytes", "none", 1, "What of it is in use; defragmenting frees the rest."),
        MetricDef("db_quota_bytes", "bytes", "none", 1, "Most it may grow to."),
        MetricDef("db_quota_used_pct", "%", "lower", 0.01, "Size of the file, of the most it may grow to."),
        MetricDef("alarms", "count", "lower", 1, "Alarms raised in the cluster."),
    ),
    facts=(
        FactDef("version", "version", "Version of the member."),
        FactDef("role", help="leader, follower, learner, or no leader."),
        FactDef("member", help="Name of the member."),
        FactDef("leader", help="Name of the leader."),
        FactDef("members_not_started", help="Peer addresses of members that never started."),
        FactDef("alarms_raised", help="Which alarms: NOSPACE, CORRUPT."), ADDRESS, NOT_TOLD,
    ),
    phases=("resolve", "connect", "tls", "login", "query", "round_trip"),
    kinds=KINDS,
)  # fmt: skip
