"""What INFO of a Redis server says (redis.io, INFO), as metrics and facts; pure."""

from __future__ import annotations

from collections.abc import Mapping

from probes.api import FactDef, MetricDef, clip
from probes.database._sql import Answer

PLAIN = {
    "uptime_in_seconds": "uptime_s",
    "used_memory": "memory_used_bytes",
    "maxmemory": "memory_max_bytes",
    "mem_fragmentation_ratio": "memory_fragmentation",
    "evicted_keys": "evicted_keys",
    "connected_clients": "connections_used",
    "blocked_clients": "connections_blocked",
    "maxclients": "connections_max",
    "rejected_connections": "connections_rejected",
    "rdb_changes_since_last_save": "changes_unsaved",
    "connected_slaves": "replicas",
}
ROLES = {"master": "primary", "slave": "replica"}
ONLINE = "online"

METRICS = (
    MetricDef("uptime_s", "s", "none", 1, "Since the server started."),
    MetricDef("memory_used_bytes", "bytes", "lower", 1, "Memory that the server has allocated."),
    MetricDef("memory_max_bytes", "bytes", "none", 1, "Its limit (maxmemory); 0 is none."),
    MetricDef("memory_used_pct", "%", "lower", 0.1, "Of the limit; absent where there is none."),
    MetricDef("memory_fragmentation", "count", "lower", 0.01, "Memory taken of the system, by allocated."),
    MetricDef("evicted_keys", "count", "lower", 1, "Keys thrown out for want of memory, since the start."),
    MetricDef("connections_used", "count", "lower", 1, "Clients that are connected, this one among them."),
    MetricDef("connections_blocked", "count", "none", 1, "Of these, waiting in a blocking command."),
    MetricDef("connections_max", "count", "none", 1, "Clients that may be (maxclients)."),
    MetricDef("connections_used_pct", "%", "lower", 0.1, "Of the clients that may be."),
    MetricDef("connections_rejected", "count", "lower", 1, "Clients sent away, since the start."),
    MetricDef("changes_unsaved", "count", "lower", 1, "Changes since the last snapshot (RDB)."),
    MetricDef("last_save_age_s", "s", "lower", 1,
              "Since the last snapshot, by the server's clock; absent where it shows no clock, or none "
              "was made since the start."),
    MetricDef("last_save_ok", "count", "higher", 1, "1 where the last snapshot went well, else 0."),
    MetricDef("aof_ok", "count", "higher", 1,
              "1 where the append-only file is written and was last rewritten well; absent where it is off."),
    MetricDef("replicas", "count", "higher", 1, "Replicas that are connected to this server."),
    MetricDef("replicas_online", "count", "higher", 1, "Of these, fed with changes."),
    MetricDef("replica_lag_s", "s", "lower", 1,
              "On a primary, since the replica that is silent for longest last spoke; on a replica, since "
              "its primary did (an idle one speaks every 10 s)."),
    MetricDef("replica_lag_bytes", "bytes", "lower", 1,
              "On a primary, what the replica furthest behind has not got; on a replica, what it has not "
              "applied."),
    MetricDef("replica_link_up", "count", "higher", 1, "On a replica: 1 while it is linked to its primary."),
)  # fmt: skip
FACTS = (
    FactDef("version", "version", "Version of the server."),
    FactDef("server", help="Its mode (standalone, sentinel, cluster) and the system it runs on."),
    FactDef("role", help="primary or replica."),
    FactDef("primary", help="On a replica: its primary."),
    FactDef("replicas_seen", help="On a primary: each replica, its state, and how far it is behind."),
    FactDef("eviction", help="What is thrown out when memory is used up (maxmemory-policy)."),
    FactDef("aof", help="Append-only file: off, ok or failing."),
)


def parsed(text: str) -> dict[str, str]:
    """Return the fields of an INFO text, `name:value` a line."""
    fields = (line.partition(":") for line in text.splitlines() if line[:1] not in ("", "#"))
    return {name: value.strip() for name, colon, value in fields if colon}


def number(text: str | None) -> float | None:
    """Return a decimal number of at most 20 characters, or None."""
    if text is None or len(text) > 20 or not text.removeprefix("-").replace(".", "", 1).isdecimal():
        return None
    return float(text)


def read_info(fields: Mapping[str, str]) -> Answer:
    """Return what the fields say; what this version does not tell is left out and named."""
    metrics = {
        name: value for field, name in PLAIN.items() if (value := number(fields.get(field))) is not None
    }
    facts = {
        "version": fields.get("redis_version", ""),
        "server": ", ".join(each for key in ("redis_mode", "os") if (each := fields.get(key))),
        "role": ROLES.get(fields.get("role", ""), ""),
        "eviction": fields.get("maxmemory_policy", ""),
    }
    not_told = [*_memory(metrics), *_saved(fields, metrics), *_aof(fields, metrics, facts)]
    not_told += (_of_replica if facts["role"] == "replica" else _of_primary)(fields, metrics, facts)
    return Answer(metrics, {name: text for name, text in facts.items() if text}, tuple(not_told))


def _memory(metrics: dict[str, float]) -> list[str]:
    used, most = metrics.get("memory_used_bytes"), metrics.get("memory_max_bytes")
    if used is None or most is None:
        return []
    if not most:
        return ["memory_used_pct: no limit is set (maxmemory)"]
    metrics["memory_used_pct"] = 100 * used / most
    return []


def share_of_connections(metrics: dict[str, float]) -> None:
    """Add `connections_used_pct` where both of its parts are known."""
    used, most = metrics.get("connections_used"), metrics.get("connections_max")
    if used is not None and most:
        metrics["connections_used_pct"] = 100 * used / most


def _saved(fields: Mapping[str, str], metrics: dict[str, float]) -> list[str]:
    """Tell of snapshots. A server that has made none says when it started (rdb.c, lastsave)."""
    if (status := fields.get("rdb_last_bgsave_status")) is not None:
        metrics["last_save_ok"] = float(status == "ok")
    saved, uptime = number(fields.get("rdb_last_save_time")), metrics.get("uptime_s")
    if saved is None or uptime is None:
        return []
    microseconds = number(fields.get("server_time_usec"))
    if microseconds is None:
        return ["last_save_age_s: the server does not show its clock"]
    now = microseconds / 1e6
    if abs(now - uptime - saved) <= 2:
        return ["last_save_age_s: no snapshot since the server started"]
    metrics["last_save_age_s"] = max(0.0, now - saved)
    return []


def _aof(fields: Mapping[str, str], metrics: dict[str, float], facts: dict[str, str]) -> list[str]:
    if (enabled := fields.get("aof_enabled")) is None:
        return []
    if enabled != "1":
        facts["aof"] = "off"
        return []
    statuses = (fields.get("aof_last_write_status"), fields.get("aof_last_bgrewrite_status"))
    metrics["aof_ok"] = float(all(status == "ok" for status in statuses))
    facts["aof"] = "ok" if metrics["aof_ok"] else "failing"
    return []


def _of_replica(fields: Mapping[str, str], metrics: dict[str, float], facts: dict[str, str]) -> list[str]:
    facts["primary"] = f"{fields.get('master_host', '')}:{fields.get('master_port', '')}"
    up = fields.get("master_link_status") == "up"
    metrics["replica_link_up"] = float(up)
    silent = number(fields.get("master_last_io_seconds_ago" if up else "master_link_down_since_seconds"))
    taken, applied = number(fields.get("slave_read_repl_offset")), number(fields.get("slave_repl_offset"))
    if up and taken is not None and applied is not None:
        metrics["replica_lag_bytes"] = max(0.0, taken - applied)
    if silent is None or silent < 0:
        return ["replica_lag_s: it was never linked to its primary"]
    metrics["replica_lag_s"] = silent
    return []


def _of_primary(fields: Mapping[str, str], metrics: dict[str, float], facts: dict[str, str]) -> list[str]:
    replicas = [_pairs(value) for name, value in fields.items() if _numbered(name, "slave")]
    if not replicas:
        return []
    online = [each for each in replicas if each.get("state") == ONLINE]
    metrics["replicas_online"] = float(len(online))
    facts["replicas_seen"] = clip("; ".join(_shown(each) for each in replicas))
    silent = [number(each.get("lag")) for each in online]
    taken = [number(each.get("offset")) for each in online]
    if len(online) < len(replicas) or None in silent or None in taken:
        return ["replica_lag_s, replica_lag_bytes: not every replica is fed with changes yet"]
    written = number(fields.get("master_repl_offset"))
    metrics["replica_lag_s"] = max(lag for lag in silent if lag is not None)
    if written is not None:
        metrics["replica_lag_bytes"] = max(0.0, written - min(each for each in taken if each is not None))
    return []


def _numbered(name: str, stem: str) -> bool:
    return name.startswith(stem) and name.removeprefix(stem).isdecimal()


def _pairs(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (pair.partition("=") for pair in text.split(","))}


def _shown(replica: Mapping[str, str]) -> str:
    where = f"{replica.get('ip', '')}:{replica.get('port', '')}"
    return f"{where} {replica.get('state', '')}, {replica.get('lag', '?')} s"
