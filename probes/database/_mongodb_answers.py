"""What answers of MongoDB say, as metrics and facts (MongoDB manual, Database Commands); pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probes.api import FactDef, MetricDef, clip
from probes.database._sql import Answer, of_limit

PRIMARY, SECONDARY = 1, 2
"""States of a member (Replica Set Member States)."""
MIB = 1024 * 1024
CACHE = "bytes currently in the cache", "tracked dirty bytes in the cache", "maximum bytes configured"

METRICS = (
    MetricDef("uptime_s", "s", "none", 1, "Since the server started."),
    MetricDef("connections_used", "count", "lower", 1, "Connections that there are."),
    MetricDef("connections_max", "count", "none", 1, "Connections that there may be."),
    MetricDef("connections_used_pct", "%", "lower", 0.01, "The former of the latter."),
    MetricDef("connections_rejected", "count", "lower", 1, "Connections sent away since the start (6.3 on)."),
    MetricDef("queued", "count", "lower", 1, "Operations that wait for a lock or a ticket."),
    MetricDef("memory_used_bytes", "bytes", "lower", MIB, "Memory that the server holds (resident)."),
    MetricDef("cache_used_pct", "%", "lower", 0.1, "WiredTiger's cache, of its limit; about 80 is its aim."),
    MetricDef("cache_dirty_pct", "%", "lower", 0.1, "What of the limit is not written yet; over 20 is late."),
    MetricDef("members", "count", "higher", 1, "Members of the replica set."),
    MetricDef("members_healthy", "count", "higher", 1, "Of these, up, and primary, secondary or arbiter."),
    MetricDef("has_primary", "count", "higher", 1, "1 where the replica set has a primary, else 0."),
    MetricDef("replica_lag_s", "s", "lower", 1,
              "How far a secondary is behind; on a primary, the secondary that is furthest behind."),
    MetricDef("oplog_window_s", "s", "higher", 1, "Time that the oplog spans: so long may a member be away."),
    MetricDef("shards", "count", "higher", 1, "Shards, as mongos knows them."),
    MetricDef("size_bytes", "bytes", "none", 1, "Storage of the database and its indexes."),
    MetricDef("disk_used_pct", "%", "lower", 0.1, "Of the file system that the database is on."),
)  # fmt: skip
FACTS = (
    FactDef("version", "version", "Version of the server."),
    FactDef("server", help="MongoDB, or MongoDB Enterprise."),
    FactDef("role", help="primary, secondary, arbiter, mongos, standalone, or another state of a member."),
    FactDef("replica_set", help="Name of the replica set."),
    FactDef("members_seen", help="Each member, its state, and how far it is behind."),
)
GOOD_STATES = (PRIMARY, SECONDARY, 7)


def number(document: Any, *path: str) -> float | None:
    """Return the number at `path` of a document (a time in ms since the epoch), or None."""
    for step in path:
        document = document.get(step) if isinstance(document, Mapping) else None
    if isinstance(document, bool) or document is None:
        return None
    try:
        return float(document if isinstance(document, float) else int(document))
    except (TypeError, ValueError, OverflowError):
        return None


def numbers(document: Any, names: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Return metrics by their paths; what is not there is left out."""
    found = {name: number(document, *path) for name, path in names.items()}
    return {name: value for name, value in found.items() if value is not None}


def read_hello(hello: Mapping[str, Any]) -> Answer:
    """Return what `hello` (or isMaster) says of the server's part."""
    if hello.get("msg") == "isdbgrid":
        return Answer(facts={"role": "mongos"})
    name = hello.get("setName")
    facts = {"replica_set": clip(name, 200)} if isinstance(name, str) else {}
    if hello.get("isWritablePrimary") or hello.get("ismaster"):
        return Answer(facts=facts | {"role": "primary" if facts else "standalone"})
    for field, role in (("secondary", "secondary"), ("arbiterOnly", "arbiter")):
        if hello.get(field):
            return Answer(facts=facts | {"role": role})
    return Answer(facts=facts)


def read_build(build: Mapping[str, Any]) -> Answer:
    """Return what `buildInfo` says."""
    modules = build.get("modules")
    enterprise = isinstance(modules, list) and "enterprise" in modules
    facts = {"server": "MongoDB Enterprise" if enterprise else "MongoDB"}
    if isinstance(version := build.get("version"), str):
        facts["version"] = clip(version, 100)
    return Answer(facts=facts)


def read_status(status: Mapping[str, Any]) -> Answer:
    """Return what `serverStatus` says."""
    metrics = numbers(
        status,
        {
            "uptime_s": ("uptime",),
            "connections_rejected": ("connections", "rejected"),
            "queued": ("globalLock", "currentQueue", "total"),
        },
    )
    used, left = number(status, "connections", "current"), number(status, "connections", "available")
    if used is not None and left is not None:
        metrics |= of_limit(used, used + left)
    if (resident := number(status, "mem", "resident")) is not None:
        metrics["memory_used_bytes"] = resident * MIB
    used, dirty, most = (number(status, "wiredTiger", "cache", name) for name in CACHE)
    if used is not None and dirty is not None and most:
        metrics |= {"cache_used_pct": 100 * used / most, "cache_dirty_pct": 100 * dirty / most}
    return Answer(metrics)


def read_members(status: Mapping[str, Any]) -> Answer:
    """Return what `replSetGetStatus` says. Without a primary nobody knows how far others are behind."""
    told = status.get("members")
    members = [each for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []
    primary = next((each for each in members if number(each, "state") == PRIMARY), None)
    healthy = [m for m in members if number(m, "health") == 1 and number(m, "state") in GOOD_STATES]
    metrics = {
        "members": float(len(members)),
        "members_healthy": float(len(healthy)),
        "has_primary": float(primary is not None),
    }
    lags = [(each, _behind(each, primary)) for each in members]
    facts = {"members_seen": clip("; ".join(_shown(*each) for each in lags))}
    mine = next((each for each in members if each.get("self")), {})
    if number(mine, "state") not in (None, PRIMARY, SECONDARY):
        facts["role"] = clip(str(mine.get("stateStr", "")), 50).lower()
    counted = [lag for each, lag in lags if _counts(each, mine)]
    if None in counted or primary is None:
        return Answer(metrics, facts, ("replica_lag_s: there is no primary, or a member did not tell",))
    known = [lag for lag in counted if lag is not None]
    return Answer(metrics | ({"replica_lag_s": max(known)} if known else {}), facts)


def _counts(member: Mapping[str, Any], mine: Mapping[str, Any]) -> bool:
    """Whether a member's lag is that of the server which was asked: its own, or any if it is the primary."""
    if number(mine, "state") == SECONDARY:
        return member is mine
    return number(member, "state") == SECONDARY


def _behind(member: Mapping[str, Any], primary: Mapping[str, Any] | None) -> float | None:
    written, applied = number(primary, "optimeDate"), number(member, "optimeDate")
    if written is None or applied is None or number(member, "state") != SECONDARY:
        return None
    return max(0.0, written - applied) / 1000


def _shown(member: Mapping[str, Any], lag: float | None) -> str:
    behind = "" if lag is None else f" {lag:g} s behind"
    return f"{clip(str(member.get('name', '')), 100)} {clip(str(member.get('stateStr', '')), 50)}{behind}"


def read_window(first: Mapping[str, Any], last: Mapping[str, Any]) -> Answer:
    """Return the time that the oplog spans, from its first and last entries' `ts` (BSON timestamps)."""
    since, until = (getattr(entry.get("ts"), "time", None) for entry in (first, last))
    if not isinstance(since, int) or not isinstance(until, int):
        return Answer(not_told=("oplog_window_s: the oplog is empty",))
    return Answer({"oplog_window_s": float(max(0, until - since))})


def read_size(stats: Mapping[str, Any]) -> Answer:
    """Return what `dbStats` says."""
    storage, indexes = number(stats, "storageSize"), number(stats, "indexSize")
    metrics = {"size_bytes": storage + indexes} if storage is not None and indexes is not None else {}
    used, total = number(stats, "fsUsedSize"), number(stats, "fsTotalSize")
    if used is not None and total:
        metrics["disk_used_pct"] = 100 * used / total
    return Answer(metrics)


def read_shards(told: Mapping[str, Any]) -> Answer:
    """Return what `listShards` says."""
    shards = told.get("shards")
    return Answer({"shards": float(len(shards))} if isinstance(shards, list) else {})


def first_of(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first document that a `find` gave, empty where it gave none."""
    cursor = answer.get("cursor")
    batch = cursor.get("firstBatch") if isinstance(cursor, Mapping) else None
    return batch[0] if isinstance(batch, list) and batch and isinstance(batch[0], Mapping) else {}
