"""What MySQL, MariaDB and their kin are asked, and what the answers say: queries by engine, pure functions.

Sources: MySQL reference manual (SHOW, INFORMATION_SCHEMA) and the MariaDB knowledge base. Without the right
PROCESS the server hides the sessions of others without a word, so the query on sessions also reads
`innodb_trx`, which is refused then. Views are hidden as well: the query on them also counts the rights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from probes.api import clip
from probes.database._mysql import Flavour
from probes.database._sql import NOTHING, Answer, Question, Table, of_limit
from probes.database._sql_parameters import Setting, compare
from probes.database._sql_refusal import Refusal

MOST_NAMES = 20
VARIABLES = ("version_comment", "time_zone", "system_time_zone", "max_connections", "read_only",
             "super_read_only")  # fmt: skip
ABOUT = "show global variables where variable_name in ({names})"
STATUS = "show global status where variable_name in ('Threads_connected')"
DATABASE = """
select default_character_set_name as encoding, default_collation_name as collation
from information_schema.schemata where schema_name = database()"""
SESSIONS = """
select (select count(*) from information_schema.innodb_trx where trx_state = 'LOCK WAIT')
       + (select count(*) from information_schema.processlist
          where state like 'Waiting for % lock') as waiting,
       (select max(timestampdiff(microsecond, trx_started, now(6))) / 1000000
        from information_schema.innodb_trx) as oldest,
       (select count(*) from information_schema.processlist where command like 'Binlog Dump%') as replicas"""
SESSIONS_TIDB = """
select (select count(*) from information_schema.cluster_tidb_trx where state = 'LockWaiting') as waiting,
       (select max(timestampdiff(microsecond, start_time, now(6))) / 1000000
        from information_schema.cluster_tidb_trx) as oldest"""
SIZE = """
select sum(file_size) as size from information_schema.{table}
where substring_index(name, '/', 1) = '{database}' and name like '%/%'"""
INVALID = """
select rights.held, views.name from (
    select count(distinct privilege_type) as held from (
        select privilege_type from information_schema.user_privileges
        union all
        select privilege_type from information_schema.schema_privileges where database() like table_schema
    ) as granted where privilege_type in ('SELECT', 'SHOW VIEW')
) as rights left join (
    select table_name as name, table_rows as opened from information_schema.tables
    where table_schema = database() and table_type = 'VIEW' and table_comment like '%references invalid%'
    and table_rows is null
) as views on true order by views.name"""
SYSTEM_TABLES = {"mariadb": "innodb_sys_tablespaces", "mysql": "innodb_tablespaces"}
REPLICATION_OF = {
    "io": ("replica_io_running", "slave_io_running"),
    "sql": ("replica_sql_running", "slave_sql_running"),
    "lag": ("seconds_behind_source", "seconds_behind_master"),
    "name": ("connection_name", "channel_name"),
    "source": ("source_host", "master_host"),
    "io_error": ("last_io_error",),
    "sql_error": ("last_sql_error",),
}
"""Columns of the replication status, by MySQL 8.0.22 and newer, and by the others."""


class Asked(Protocol):
    """What of a check's parameters decides what is asked."""

    @property
    def parameters(self) -> Mapping[str, Setting]:
        """The manifest of parameters."""

    @property
    def database(self) -> str:
        """Name of the database."""

    @property
    def size_limit(self) -> int | None:
        """To what size the database may grow, in bytes."""


def questions(asked: Asked, engine: Flavour) -> Iterator[Question]:
    """Yield what is asked of this engine, what matters most first."""
    yield Question("server, timezone, connections_max, read_only", _variables(VARIABLES), about, must=True)
    yield Question("connections_used", STATUS, connections)
    yield Question("encoding, collation", DATABASE, database)
    if engine.name == "tidb":
        yield Question("oldest_transaction_s, locks_waiting", SESSIONS_TIDB, sessions, "PROCESS")
    elif engine.name != "oceanbase":
        yield from _of_mysql(asked, engine)
    if asked.parameters:
        wanted = asked.parameters
        yield Question("parameters", _variables(wanted), lambda table: parameters(table, wanted))


def _of_mysql(asked: Asked, engine: Flavour) -> Iterator[Question]:
    yield Question("oldest_transaction_s, locks_waiting, replicas", SESSIONS, sessions, "PROCESS")
    status, grant = replication_status(engine)
    yield Question("replica_lag_s, replication", status, replication, grant)
    view = "SELECT and SHOW VIEW on the database, granted to the account itself"
    yield Question("invalid_objects", INVALID, invalid, view)
    table = SYSTEM_TABLES[engine.name] if engine.numbers >= (8,) else "innodb_sys_tablespaces"
    yield Question(
        "size_bytes",
        SIZE.format(table=table, database=in_files(asked.database)),
        lambda table: size(table, asked.size_limit),
        "PROCESS",
    )


def replication_status(engine: Flavour) -> tuple[str, str]:
    """Return the statement that tells how replication goes, and the right for it."""
    if engine.name == "mariadb":
        return "show all slaves status", "SLAVE MONITOR (before 10.5.9 REPLICATION CLIENT)"
    return (
        "show replica status" if engine.numbers >= (8, 0, 22) else "show slave status",
        "REPLICATION CLIENT",
    )


def in_files(name: str) -> str:
    """Return a database's name as it is in names of files (MySQL, Mapping of Identifiers to File Names)."""
    return "".join(c if (c.isascii() and c.isalnum()) or c == "_" else f"@{ord(c):04x}" for c in name)


def _variables(names: Any) -> str:
    quoted = ("'" + name.lower().replace("\\", "\\\\").replace("'", "''") + "'" for name in names)
    return ABOUT.format(names=", ".join(quoted))


def _pairs(table: Table) -> dict[str, str]:
    return {str(row[0]).lower(): str(row[1]) for row in table.rows}


def about(table: Table) -> Answer:
    """Read the server's variables: whether it takes writes, and how many sessions it allows."""
    found = _pairs(table)
    zone = found.get("time_zone", "")
    facts = {
        "server": found.get("version_comment", ""),
        "timezone": found.get("system_time_zone", zone) if zone == "SYSTEM" else zone,
    }
    reads = {found[name] for name in ("read_only", "super_read_only") if name in found}
    metrics = {"connections_max": float(found["max_connections"])}
    if reads:
        metrics["read_only"] = float(not reads <= {"OFF", "0"})
    return Answer(metrics, {name: text for name, text in facts.items() if text})


def connections(table: Table) -> Answer:
    """Read how many sessions there are."""
    return Answer({"connections_used": float(_pairs(table)["threads_connected"])})


def with_shares(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics of sessions once both of their parts are known."""
    used, most = metrics.get("connections_used"), metrics.get("connections_max")
    return {} if used is None or most is None else of_limit(used, most)


def database(table: Table) -> Answer:
    """Read the database's character set and collation."""
    row = _first(table)
    return Answer(facts={name: str(row[name]) for name in ("encoding", "collation")})


def sessions(table: Table) -> Answer:
    """Read the answer to `SESSIONS`: without an open transaction the oldest is 0 s old."""
    row = _first(table)
    metrics = {
        "locks_waiting": float(row["waiting"]),
        "oldest_transaction_s": max(0.0, float(row["oldest"] or 0)),
    }
    if "replicas" in row:
        metrics["replicas"] = float(row["replicas"])
    return Answer(metrics)


def replication(table: Table) -> Answer:
    """Read how replication goes, over all sources; a server that follows none has no row.

    The lag is absent while any of its threads stands still: then it is not known how far it is behind.
    """
    links = [_link(row) for row in table.records()]
    if not links:
        return Answer({"sources": 0.0})
    running = all(link["io"] == "Yes" and link["sql"] == "Yes" for link in links)
    metrics = {"sources": float(len(links)), "replication_running": float(running)}
    facts = {"replication": clip("; ".join(_shown(link) for link in links))}
    lags = [link["lag"] for link in links]
    if not running or None in lags:
        return Answer(metrics, facts, ("replica_lag_s: replication does not run",))
    return Answer(metrics | {"replica_lag_s": max(float(lag) for lag in lags)}, facts)


def _link(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        part: next((row[name] for name in names if name in row), None)
        for part, names in REPLICATION_OF.items()
    }


def _shown(link: Mapping[str, Any]) -> str:
    errors = " ".join(clip(str(link[part]), 200) for part in ("io_error", "sql_error") if link[part])
    name = f"{link['name']} " if link["name"] else ""
    return (
        f"{name}from {link['source']}: io {link['io']}, sql {link['sql']}{f' ({errors})' if errors else ''}"
    )


def role(metrics: Mapping[str, float]) -> dict[str, str]:
    """Return the fact `role` where enough is known to tell."""
    if metrics.get("sources"):
        return {"role": "replica"}
    if "sources" not in metrics or "replicas" not in metrics:
        return {}
    return {"role": "primary" if metrics["replicas"] else "standalone"}


def size(table: Table, limit: int | None) -> Answer:
    """Read the size of the database's files (InnoDB, a file for each table), and what it is of its limit."""
    found = _first(table)["size"]
    if found is None:
        return Answer(not_told=("size_bytes: the database has no files of its own",))
    used = float(found)
    if limit is None:
        return Answer({"size_bytes": used}, not_told=("tablespace_used_pct, free_bytes: needs size_limit",))
    shares = {"tablespace_used_pct": 100 * used / limit, "free_bytes": max(0.0, limit - used)}
    return Answer({"size_bytes": used} | shares)


def invalid(table: Table) -> Answer:
    """Read the views whose tables, columns or functions are gone, where the account sees every view."""
    if _first(table)["held"] < 2:
        raise Refusal("missing_right", "the server hides views")
    names = [f"view {row['name']}" for row in table.records() if row["name"] is not None]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    shown = clip(", ".join(names[:MOST_NAMES])) + more
    return Answer({"invalid_objects": float(len(names))}, {"invalid_names": shown or NOTHING})


def parameters(table: Table, wanted: Mapping[str, Setting]) -> Answer:
    """Compare the server's variables with the manifest; sizes are told in bytes."""
    found = {name: (f"{value}b", value) for name, value in _pairs(table).items()}
    comparison = compare(wanted, found)
    return Answer(comparison.metrics(), comparison.facts())


def _first(table: Table) -> dict[str, Any]:
    row = table.first()
    if not row:
        raise Refusal("query_refused", "no row came")
    return row
