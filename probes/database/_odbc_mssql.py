"""What SQL Server (2016 and newer) is asked by ODBC, and what its answers say; after its documentation.

Source: learn.microsoft.com, Transact-SQL reference, system dynamic management views. No SQL Server was to be
had for tests: the functions are tested with rows as the documents show them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from probes.database._sql import Answer, Question, SurveyParams, Table, of_limit
from probes.database._sql_answers import backup, manifest, oldest, size, spaces
from probes.database._sql_refusal import Refusal

GRANT = "VIEW SERVER STATE"
PAGE = 8192
ABOUT = """
select cast(serverproperty('ProductVersion') as nvarchar(128)) as version,
       cast(serverproperty('Edition') as nvarchar(128)) as edition,
       cast(databasepropertyex(db_name(), 'Collation') as nvarchar(128)) as collation,
       cast(databasepropertyex(db_name(), 'Updateability') as nvarchar(128)) as updateability,
       cast(collationproperty(cast(databasepropertyex(db_name(), 'Collation') as nvarchar(128)), 'CodePage')
            as nvarchar(20)) as codepage,
       datename(tzoffset, sysdatetimeoffset()) as timezone"""
ACTIVITY = """
select (select count(*) from sys.dm_exec_sessions where is_user_process = 1) as used,
       @@max_connections as most,
       (select count(*) from sys.dm_exec_requests where blocking_session_id > 0) as waiting,
       case when 1 in (has_perms_by_name(null, null, 'VIEW SERVER STATE'),
                       has_perms_by_name(null, null, 'VIEW SERVER PERFORMANCE STATE'))
            then 1 else 0 end as told"""
OLDEST = """
select datediff(second, min(t.transaction_begin_time), getdate()) as age
from sys.dm_tran_active_transactions as t
join sys.dm_tran_session_transactions as s on s.transaction_id = t.transaction_id
where s.is_user_transaction = 1 and s.session_id <> @@spid"""
FILES = """
select coalesce(filegroup_name(f.data_space_id), 'none') as name, cast(f.size as bigint) as size,
       cast(fileproperty(f.name, 'SpaceUsed') as bigint) as used, cast(f.max_size as bigint) as most,
       f.growth as growth, v.volume_mount_point as volume, v.available_bytes as disk
from sys.database_files as f cross apply sys.dm_os_volume_stats(db_id(), f.file_id) as v where f.type = 0"""
SIZE = "select sum(cast(size as bigint)) * 8192 as bytes from sys.database_files"
REPLICAS = """
select cast(is_local as int) as here, cast(is_primary_replica as int) as leads, secondary_lag_seconds as lag,
       case when synchronization_state in (1, 2) then 1 else 0 end as fed
from sys.dm_hadr_database_replica_states where database_id = db_id()"""
BACKUP = """
select datediff(second, max(backup_finish_date), getdate()) as age from msdb.dbo.backupset
where database_name = db_name() and type in ('D', 'I') and is_damaged = 0"""
CONFIGURATIONS = """
select name, cast(value_in_use as nvarchar(200)) as value from sys.configurations
where lower(name) in ({names})"""


def questions(asked: SurveyParams) -> Iterator[Question]:
    """Yield what is asked, what matters most first."""
    yield Question("version, encoding, collation, timezone", ABOUT, about)
    yield Question("connections, locks_waiting", ACTIVITY, activity, GRANT)
    yield Question("role, replicas, replica_lag_s", REPLICAS, replicas, GRANT)
    yield Question("oldest_transaction_s", OLDEST, oldest, GRANT)
    yield Question("tablespace_used_pct, free_bytes", FILES, files, GRANT)
    yield Question("size_bytes", SIZE, size)
    if asked.parameters:
        yield manifest(CONFIGURATIONS, asked.parameters)
    if asked.backup_age is None:
        yield Question("backup_age_s", BACKUP, backup, "SELECT on msdb.dbo.backupset")


def about(table: Table) -> Answer:
    """Read the answer to `ABOUT`."""
    row = table.first()
    facts = {name: str(row[name]) for name in ("version", "edition", "collation", "timezone") if row[name]}
    if row["updateability"]:
        facts["open_mode"] = str(row["updateability"]).replace("_", " ").lower()
    return Answer(facts=facts | ({"encoding": f"CP{row['codepage']}"} if row["codepage"] else {}))


def activity(table: Table) -> Answer:
    """Read the answer to `ACTIVITY`: without the right the server hides other sessions, and says nothing."""
    row = table.first()
    if not row["told"]:
        raise Refusal("missing_right", "the sessions of others are hidden")
    return Answer(of_limit(float(row["used"]), float(row["most"])) | {"locks_waiting": float(row["waiting"])})


def replicas(table: Table) -> Answer:
    """Read the answer to `REPLICAS`: no row where the database is in no availability group.

    A replica that is neither synchronizing nor synchronized may be behind by any time.
    """
    rows = table.records()
    if not rows:
        return Answer(facts={"role": "standalone"})
    leads = any(row["here"] and row["leads"] for row in rows)
    others = [row for row in rows if not row["here"]] if leads else [row for row in rows if row["here"]]
    lags: list[Any] = [row["lag"] if row["fed"] else None for row in others]
    known = {"replica_lag_s": float(max(lags))} if lags and None not in lags else {}
    told = () if known or not lags else ("replica_lag_s: not known of all replicas",)
    count = {"replicas": float(sum(bool(row["fed"]) for row in others))} if leads else {}
    return Answer(known | count, {"role": "primary" if leads else "replica"}, told)


def files(table: Table) -> Answer:
    """Read the answer to `FILES`: a file group may grow to what its files' limits and their disks allow."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in table.records():
        groups.setdefault(str(row["name"]), []).append(row)
    return spaces(
        (name, sum(float(row["used"]) for row in rows) * PAGE, _capacity(rows))
        for name, rows in groups.items()
    )


def _capacity(rows: list[dict[str, Any]]) -> float:
    room: dict[str, float] = {}
    disks = {str(row["volume"]): float(row["disk"]) for row in rows}
    for row in rows:
        volume, growth, most = str(row["volume"]), int(row["growth"]), int(row["most"])
        grows = 0.0 if not growth else disks[volume] if most < 0 else (most - int(row["size"])) * PAGE
        room[volume] = room.get(volume, 0.0) + max(0.0, float(grows))
    size_ = sum(float(row["size"]) for row in rows) * PAGE
    return size_ + sum(min(grows, disks[volume]) for volume, grows in room.items())
