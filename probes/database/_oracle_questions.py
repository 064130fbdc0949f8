"""What Oracle Database is asked, and what its answers say: queries for 12.1 and newer, and pure functions.

Source: Oracle Database Reference (static and dynamic views). The views that each question needs are named, to
be granted one by one as `SYS.V_$...` and `SYS.DBA_...`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from probes.database._sql import Answer, Question, Table
from probes.database._sql_answers import backup, invalid, manifest, oldest, size, waiting
from probes.database._sql_parameters import Setting

CLOCK = "%m/%d/%Y %H:%M:%S"
"""How `v$dataguard_stats` writes times."""
SILENT_S = 60
"""A standby hears of its primary every few seconds; after so long its figures are old."""
ABOUT = """
select (select value from nls_database_parameters where parameter = 'NLS_CHARACTERSET') as encoding,
       (select value from nls_database_parameters where parameter = 'NLS_NCHAR_CHARACTERSET') as national,
       (select value from nls_database_parameters where parameter = 'NLS_SORT') as collation,
       to_char(systimestamp, 'TZR') as timezone, sys_context('userenv', 'con_name') as container
from dual"""
LIMITS = """
select resource_name as name, current_utilization as used, trim(limit_value) as most
from v$resource_limit where resource_name in ('sessions', 'processes')"""
ROLE = """
select d.database_role as role, d.open_mode as mode_, d.log_mode as logging,
       (select count(*) from v$archive_dest where target = 'STANDBY' and status <> 'INACTIVE') as standbys,
       (select count(*) from v$archive_dest where status = 'ERROR') as failing
from v$database d"""
LAG = """
select d.database_role as role, s.name as name, s.value as value, s.time_computed as computed,
       s.datum_time as heard
from v$database d left join v$dataguard_stats s on s.name in ('apply lag', 'transport lag')"""
OLDEST = "select (sysdate - min(start_date)) * 86400 as age from v$transaction"
WAITING = "select count(*) as waiting from v$session where blocking_session is not null"
SIZE = "select sum(bytes) as bytes from dba_data_files"
TABLESPACES = """
select m.tablespace_name as name, m.used_percent as pct,
       (m.tablespace_size - m.used_space) * t.block_size as free
from dba_tablespace_usage_metrics m join dba_tablespaces t on t.tablespace_name = m.tablespace_name
where t.contents = 'PERMANENT'"""
RECOVERY = """
select space_limit as most, space_used as used, space_reclaimable as reclaimable from v$recovery_file_dest"""
BACKUP = """
select (sysdate - max(end_time)) * 86400 as age from v$rman_backup_job_details
where status like 'COMPLETED%' and input_type in ('DB FULL', 'DB INCR')"""
INVALID = """
select o.owner || '.' || o.object_name || ' (' || lower(o.object_type) || ')' as name
from dba_objects o where o.status = 'INVALID' and o.oracle_maintained = 'N'
union all
select i.owner || '.' || i.index_name || ' (unusable index)' from dba_indexes i
join dba_users u on u.username = i.owner and u.oracle_maintained = 'N' where i.status = 'UNUSABLE'
order by 1"""
PARAMETERS = """
select name, value, display_value as shown from v$parameter where lower(name) in ({names})"""


class Asked(Protocol):
    """What of a check's parameters decides what is asked."""

    @property
    def parameters(self) -> Mapping[str, Setting]:
        """The manifest of parameters."""

    @property
    def backup_age(self) -> str | None:
        """The site's own query for the age of the newest backup, in place of RMAN's."""


def questions(asked: Asked) -> Iterator[Question]:
    """Yield what is asked, what matters most first."""
    yield Question("encoding, collation, timezone", ABOUT, about)
    yield Question("connections", LIMITS, limits, "v_$resource_limit")
    yield Question("role, replicas, archive_failing", ROLE, role, "v_$database, v_$archive_dest")
    yield Question("replica_lag_s", LAG, lag, "v_$database, v_$dataguard_stats")
    yield Question("oldest_transaction_s", OLDEST, oldest, "v_$transaction")
    yield Question("locks_waiting", WAITING, waiting, "v_$session")
    yield Question("tablespace_used_pct, free_bytes", TABLESPACES, tablespaces,
                   "dba_tablespace_usage_metrics, dba_tablespaces")  # fmt: skip
    yield Question("recovery_area_used_pct", RECOVERY, recovery, "v_$recovery_file_dest")
    yield Question("size_bytes", SIZE, size, "dba_data_files")
    if asked.parameters:
        yield manifest(PARAMETERS, asked.parameters, "v_$parameter")
    if asked.backup_age is None:
        yield Question("backup_age_s", BACKUP, backup, "v_$rman_backup_job_details")
    yield Question("invalid_objects", INVALID, invalid, "dba_objects, dba_indexes, dba_users")


def about(table: Table) -> Answer:
    """Read the answer to `ABOUT`."""
    return Answer(facts={name: str(value) for name, value in table.first().items() if value is not None})


def limits(table: Table) -> Answer:
    """Read the answer to `LIMITS`: the limit that is nearest counts; background processes are in it."""
    found: list[tuple[float, float, float]] = []
    for row in table.records():
        most = str(row["most"]).strip()
        if most.isdecimal() and int(most):
            used = float(row["used"])
            found.append((100 * used / int(most), used, float(most)))
    if not found:
        return Answer(not_told=("connections: neither sessions nor processes have a limit",))
    pct, used, most_ = max(found)
    return Answer({"connections_used_pct": pct, "connections_used": used, "connections_max": most_})


def role(table: Table) -> Answer:
    """Read the answer to `ROLE`."""
    row = table.first()
    told, standbys = str(row["role"]), float(row["standbys"])
    primary = "primary" if standbys else "standalone"
    facts = {"role": primary if told == "PRIMARY" else "replica", "database_role": told.lower(),
             "open_mode": str(row["mode_"]).lower(), "log_mode": str(row["logging"]).lower()}  # fmt: skip
    return Answer({"replicas": standbys, "archive_failing": float(row["failing"])}, facts)


def lag(table: Table) -> Answer:
    """Read the answer to `LAG`: only a standby knows how far it is behind.

    It goes on showing the last figure when it hears nothing more of its primary (`DATUM_TIME`): that is none.
    """
    rows = table.records()
    if not rows or rows[0]["role"] == "PRIMARY":
        return Answer()
    lags = {row["name"]: _seconds(row["value"]) for row in rows if row["name"] and _hears(row)}
    found = {name: value for name, value in lags.items() if value is not None}
    metrics = {
        metric: found[name]
        for metric, name in (("replica_lag_s", "apply lag"), ("transport_lag_s", "transport lag"))
        if name in found
    }
    why = "the standby does not tell (is it applying, and does it hear of its primary?)"
    return Answer(metrics, not_told=() if "replica_lag_s" in metrics else (f"replica_lag_s: {why}",))


def _hears(row: Mapping[str, Any]) -> bool:
    """Whether a figure is made of what the primary said shortly before, both by the standby's clock."""
    try:
        computed, heard = (dt.datetime.strptime(str(row[name]), CLOCK) for name in ("computed", "heard"))  # noqa: DTZ007
    except ValueError:
        return False
    return abs((computed - heard).total_seconds()) <= SILENT_S


def _seconds(value: object) -> float | None:
    """Read an interval as the view writes it: "+00 00:00:05" or "+00 00:00:05.123"."""
    text = str(value or "").strip().lstrip("+")
    days, _, clock = text.partition(" ")
    parts = clock.split(":")
    if len(parts) != 3 or not days.isdecimal():
        return None
    try:
        return int(days) * 86400 + int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2])
    except ValueError:
        return None


def tablespaces(table: Table) -> Answer:
    """Read the answer to `TABLESPACES`: shares are of what files may grow to, as far as disks let them."""
    rows = table.records()
    if not rows:
        return Answer(not_told=("tablespace_used_pct: no permanent tablespace is shown",))
    fullest = max(rows, key=lambda row: float(row["pct"]))
    metrics = {
        "tablespace_used_pct": float(fullest["pct"]),
        "free_bytes": min(float(row["free"]) for row in rows),
    }
    return Answer(metrics, {"fullest": f"{fullest['name']}: {float(fullest['pct']):.1f} %"})


def recovery(table: Table) -> Answer:
    """Read the answer to `RECOVERY`: what can be reclaimed is not in use."""
    row: dict[str, Any] = table.first()
    if not row or not row["most"]:
        return Answer(not_told=("recovery_area_used_pct: there is no recovery area",))
    used = float(row["used"]) - float(row["reclaimable"])
    return Answer({"recovery_area_used_pct": 100 * used / float(row["most"])})
