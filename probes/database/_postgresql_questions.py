"""What PostgreSQL is asked, and what its answers say: queries for 10 and newer, and pure functions.

Sources: the manual's chapters on monitoring statistics, system catalogs and administration functions. All is
allowed to an account with LOGIN and pg_monitor. Where that is missing the server hides the sessions of others
without a word, so each such query also asks whether the account has the role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from probes.database._sql import NOTHING, Answer, Question, Table, of_limit
from probes.database._sql_parameters import Setting, compare
from probes.database._sql_refusal import Refusal

GRANT = "pg_monitor"
LOOK_AGAIN_S = 0.25
"""A replica that has not replayed all it received is looked at again after this time."""
MOST_NAMES = 20

TOLD = "pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage') as told"
ABOUT = """
select current_setting('server_version') as version, version() as server,
       pg_encoding_to_char(encoding) as encoding, datcollate as collation, datctype as ctype,
       current_setting('TimeZone') as timezone
from pg_catalog.pg_database where datname = current_database()"""
ACTIVITY = f"""
select count(*) filter (where backend_type = 'client backend') as used,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0) as most,
       count(*) filter (where wait_event_type = 'Lock') as waiting,
       extract(epoch from clock_timestamp() - least(
           min(xact_start) filter (where backend_type = 'client backend' and pid <> pg_backend_pid()),
           (select min(prepared) from pg_catalog.pg_prepared_xacts))) as oldest,
       {TOLD}
from pg_catalog.pg_stat_activity"""  # noqa: S608 - a constant
SIZE = "select pg_database_size(current_database()) as size"
TABLESPACES = "select spcname as name, pg_tablespace_size(oid) as size from pg_catalog.pg_tablespace"
STANDBYS = f"""
with here as (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                     else pg_current_wal_lsn() end as lsn),
seen as (select pid, application_name, client_addr, state, sync_state, replay_lsn,
                pg_wal_lsn_diff(here.lsn, replay_lsn) as behind
         from here, pg_catalog.pg_stat_replication where state is distinct from 'backup'),
waited as (select pg_sleep(case when exists (select from seen where behind > 0)
                           then {LOOK_AGAIN_S} else 0 end)::text as done)
select pg_is_in_recovery() as replica, seen.pid, seen.application_name as name, seen.client_addr as address,
       seen.state, seen.sync_state as sync, seen.behind, extract(epoch from later.replay_lag) as lag,
       later.replay_lsn > seen.replay_lsn as advances,
       (select count(*) from pg_catalog.pg_replication_slots where not active) as slots, {TOLD}
from waited left join seen on true left join lateral (
    select replay_lsn, replay_lag from pg_catalog.pg_stat_replication as s
    where s.pid = seen.pid and waited.done is not null offset 0) as later on true"""  # noqa: S608
REPLICA = f"""
with seen as (select case when pg_is_in_recovery() then pg_last_wal_receive_lsn() end as received,
                     case when pg_is_in_recovery() then pg_last_wal_replay_lsn() end as replayed),
waited as (select pg_sleep(case when received > replayed then {LOOK_AGAIN_S} else 0 end)::text as done
           from seen)
select pg_is_in_recovery() as replica, pg_wal_lsn_diff(received, replayed) as behind,
       case when pg_is_in_recovery()
            then pg_wal_lsn_diff(received, pg_last_wal_replay_lsn()) end as still_behind,
       extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) as replayed_ago,
       (select max(status) from pg_catalog.pg_stat_wal_receiver) as receiver, {TOLD}
from seen, waited where waited.done is not null"""  # noqa: S608
ARCHIVER = """
select current_setting('archive_mode') as mode, last_failed_time > coalesce(last_archived_time, '-infinity')
       as failing, extract(epoch from clock_timestamp() - last_archived_time) as age
from pg_catalog.pg_stat_archiver"""
INVALID = """
select 'index' as kind, i.indexrelid::regclass::text as name from pg_catalog.pg_index as i
where not (i.indisvalid and i.indisready)
union all
select 'constraint', conrelid::regclass::text || '.' || conname from pg_catalog.pg_constraint
where not convalidated and conrelid <> 0 order by 1, 2"""
SETTINGS = """
select name, setting, current_setting(name, true) as shown from pg_catalog.pg_settings
where lower(name) in ({names})"""


class Asked(Protocol):
    """What of a check's parameters decides what is asked."""

    @property
    def parameters(self) -> Mapping[str, Setting]:
        """The manifest of parameters."""

    @property
    def tablespace_limits(self) -> Mapping[str, int]:
        """To what size each tablespace may grow, in bytes."""


def questions(asked: Asked) -> Iterator[Question]:
    """Yield what is asked, what matters most first."""
    yield Question("version, server, encoding, collation, ctype, timezone", ABOUT, about)
    yield Question("connections, oldest_transaction_s, locks_waiting", ACTIVITY, activity, GRANT)
    yield Question("role, replicas, replica_lag (of the replicas)", STANDBYS, standbys, GRANT)
    yield Question("replica_lag (its own), receiving", REPLICA, replica, GRANT)
    if asked.parameters:
        names = ", ".join("'" + name.lower().replace("'", "''") + "'" for name in asked.parameters)
        query = SETTINGS.format(names=names)
        yield Question("parameters", query, lambda table: parameters(table, asked.parameters), GRANT)
    yield Question("archive_age_s", ARCHIVER, archiver)
    yield Question("invalid_objects", INVALID, invalid)
    yield Question("size_bytes", SIZE, lambda table: Answer({"size_bytes": float(_first(table)["size"])}))
    yield Question(
        "tablespaces", TABLESPACES, lambda table: tablespaces(table, asked.tablespace_limits), GRANT
    )


def about(table: Table) -> Answer:
    """Read the answer to `ABOUT`."""
    row = _first(table)
    version = str(row["version"]).split(maxsplit=1)[0]
    return Answer(facts={name: str(text) for name, text in row.items()} | {"version": version})


def activity(table: Table) -> Answer:
    """Read the answer to `ACTIVITY`: without an open transaction the oldest is 0 s old."""
    row = _told(table)
    return Answer({
        **of_limit(row["used"], row["most"]),
        "locks_waiting": float(row["waiting"]),
        "oldest_transaction_s": max(0.0, float(row["oldest"] or 0)),
    })  # fmt: skip


def standbys(table: Table) -> Answer:
    """Read the answer to `STANDBYS`: how far the replicas that this server feeds are behind.

    The server's own figure for the time is what the last replay took, and stays as it was when replay stops:
    it counts only where the replica has replayed all or is seen to go on, and the server has a figure.
    """
    row = _told(table)
    fed = [record for record in table.records() if record["pid"] is not None]
    role = "replica" if row["replica"] else "primary" if fed else "standalone"
    metrics = {"replicas": float(len(fed)), "slots_inactive": float(row["slots"])}
    facts = {"role": role, "replication": "; ".join(_standby(r) for r in fed[:MOST_NAMES]) or NOTHING}
    if not fed:
        return Answer(metrics, facts)
    behind = [r for r in fed if r["behind"] is None or r["behind"] > 0]
    stalled = [_name(r) for r in behind if r["behind"] is None or not r["advances"]]
    if all(r["behind"] is not None for r in fed):
        metrics["replica_lag_bytes"] = max(0.0, *(float(r["behind"]) for r in fed))
    if stalled:
        return Answer(
            metrics, facts, (f"replica_lag_s: {', '.join(stalled)} did not advance while looked at",)
        )
    untimed = [_name(r) for r in behind if r["lag"] is None]
    if untimed:
        return Answer(metrics, facts, (f"replica_lag_s: the server has no figure for {', '.join(untimed)}",))
    metrics["replica_lag_s"] = max([0.0, *(float(r["lag"]) for r in behind)])
    return Answer(metrics, facts)


def replica(table: Table) -> Answer:
    """Read the answer to `REPLICA`, which says nothing of a primary.

    Behind is what has received more than it has replayed, so that an idle primary makes no lag; the time is
    that since the last transaction replayed, on the primary's clock. One that caught up while it was looked
    at is behind by no more than that took. One that receives nothing may be behind by any time.
    """
    row = _told(table)
    if not row["replica"]:
        return Answer()
    if row["receiver"] != "streaming" or row["behind"] is None:
        why = f"the replica receives nothing ({row['receiver'] or 'no receiver'})"
        return Answer({"receiving": 0.0}, not_told=(f"replica_lag_s: {why}",))
    metrics = {"receiving": 1.0, "replica_lag_bytes": max(0.0, float(row["behind"])), "replica_lag_s": 0.0}
    if row["behind"] <= 0:
        return Answer(metrics)
    if row["still_behind"] <= 0:
        return Answer(metrics | {"replica_lag_s": LOOK_AGAIN_S})
    if row["replayed_ago"] is None:
        del metrics["replica_lag_s"]
        return Answer(metrics, not_told=("replica_lag_s: no transaction was replayed since the start",))
    return Answer(metrics | {"replica_lag_s": max(0.0, float(row["replayed_ago"]))})


def archiver(table: Table) -> Answer:
    """Read the answer to `ARCHIVER`: the log's archive is no backup, but one is worth little without it."""
    row = _first(table)
    if row["mode"] == "off":
        return Answer(not_told=("archive_age_s: archive_mode is off",))
    metrics = {"archive_failing": float(bool(row["failing"]))}
    if row["age"] is None:
        return Answer(metrics, not_told=("archive_age_s: nothing was archived since the statistics began",))
    return Answer(metrics | {"archive_age_s": max(0.0, float(row["age"]))})


def invalid(table: Table) -> Answer:
    """Read the answer to `INVALID`: indexes that are no use, constraints that old rows may break."""
    names = [f"{row['kind']} {row['name']}" for row in table.records()]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    shown = ", ".join(names[:MOST_NAMES]) + more
    return Answer({"invalid_objects": float(len(names))}, {"invalid_names": shown or NOTHING})


def parameters(table: Table, wanted: Mapping[str, Setting]) -> Answer:
    """Read the answer to `SETTINGS`: either as kept (16384 pages) or as shown (128MB) may be wanted."""
    found = {row["name"]: (str(row["setting"]), str(row["shown"])) for row in table.records()}
    comparison = compare(wanted, found)
    return Answer(comparison.metrics(), comparison.facts())


def tablespaces(table: Table, limits: Mapping[str, int]) -> Answer:
    """Read the answer to `TABLESPACES`: the engine knows no limit, so that shares need those of the check."""
    sizes = {str(row["name"]): float(row["size"]) for row in table.records() if row["size"] is not None}
    facts = {"tablespaces": ", ".join(f"{name} {size:.0f}" for name, size in sorted(sizes.items()))}
    unknown = sorted(set(limits) - set(sizes))
    if unknown or not limits:
        why = f"there is no {', '.join(unknown)}" if unknown else "needs tablespace_limits"
        return Answer(facts=facts, not_told=(f"tablespace_used_pct, free_bytes: {why}",))
    used = max(100 * sizes[name] / limit for name, limit in limits.items())
    free = min(limit - sizes[name] for name, limit in limits.items())
    return Answer({"tablespace_used_pct": used, "free_bytes": max(0.0, free)}, facts)


def _standby(row: Mapping[str, Any]) -> str:
    behind = "unknown" if row["behind"] is None else f"{row['behind']:.0f} bytes"
    return f"{_name(row)} {row['state']} {row['sync']}, behind {behind}"


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['name'] or 'unnamed'} at {row['address'] or 'this machine'}"


def _first(table: Table) -> dict[str, Any]:
    row = table.first()
    if not row:
        raise Refusal("query_refused", "no row came")
    return row


def _told(table: Table) -> dict[str, Any]:
    row = _first(table)
    if not row["told"]:
        raise Refusal("missing_right", "the server hides the sessions of others")
    return row
