"""What Db2 for Linux, UNIX and Windows (10.5 and newer) is asked by ODBC, and what its answers say.

Source: IBM documentation, monitor routines (MON_GET_...) and administrative views (SYSIBMADM). No Db2 was
to be had for tests: the functions are tested with rows as the documents show them.
"""

from __future__ import annotations

from collections.abc import Iterator

from probes.database._sql import Answer, Question, SurveyParams, Table, of_limit
from probes.database._sql_answers import backup, invalid, manifest, oldest, size, spaces, waiting

MONITOR = "EXECUTE on SYSPROC.{}"


def _apart(later: str, earlier: str) -> str:
    """Return the seconds between two timestamps, in SQL."""
    days = f"(days({later}) - days({earlier})) * 86400"
    return f"{days} + midnight_seconds({later}) - midnight_seconds({earlier})"


NOW = "current timestamp"
RECEIVES = ("PEER", "REMOTE_CATCHUP")
"""States of HADR in which a standby gets the log: in others its times are those of when it last did."""
ABOUT = """
select (select service_level from sysibmadm.env_inst_info) as server,
       (select max(value) from sysibmadm.dbcfg where name = 'codeset') as encoding,
       (select max(value) from sysibmadm.dbcfg where name = 'db_collname') as collation,
       varchar(current timezone) as timezone
from sysibm.sysdummy1"""
SESSIONS = """
select (select count(*) from table(mon_get_connection(cast(null as bigint), -1)) as c) as used,
       (select max(value) from sysibmadm.dbcfg where name = 'maxappls') as most
from sysibm.sysdummy1"""
WAITING = "select count(*) as waiting from sysibmadm.mon_lockwaits"
OLDEST = f"""
select max({_apart(NOW, "uow_start_time")}) as age
from table(mon_get_unit_of_work(null, -2)) as u
where uow_stop_time is null and application_handle <> mon_get_application_handle()"""  # noqa: S608
HADR = f"""
select hadr_role as role, hadr_state as state,
       {_apart("primary_log_time", "standby_replay_log_time")} as lag
from table(mon_get_hadr(null)) as h"""  # noqa: S608
TABLESPACES = """
select tbsp_name as name, tbsp_used_pages * tbsp_page_size as used,
       tbsp_total_pages * tbsp_page_size as size_, tbsp_auto_resize_enabled as grows, tbsp_max_size as most
from table(mon_get_tablespace(null, -2)) as t where tbsp_content_type in ('ANY', 'LARGE')"""
SIZE = """
select sum(tbsp_total_pages * tbsp_page_size) as bytes from table(mon_get_tablespace(null, -2)) as t"""
BACKUP = f"""
select {_apart(NOW, "timestamp(max(end_time))")} as age from sysibmadm.db_history
where operation = 'B' and objecttype = 'D' and sqlcode is null"""  # noqa: S608
INVALID = """
select rtrim(objectschema) || '.' || objectname || ' (type ' || objecttype || ')' as name
from syscat.invalidobjects order by 1"""
PARAMETERS = """
select name, value from sysibmadm.dbcfg where lower(name) in ({names})
union all select name, value from sysibmadm.dbmcfg where lower(name) in ({names})"""


def questions(asked: SurveyParams) -> Iterator[Question]:
    """Yield what is asked, what matters most first."""
    yield Question("server, encoding, collation, timezone", ABOUT, about, "SELECT on SYSIBMADM.DBCFG")
    yield Question("connections", SESSIONS, sessions, MONITOR.format("MON_GET_CONNECTION"))
    yield Question("role, replicas, replica_lag_s", HADR, hadr, MONITOR.format("MON_GET_HADR"))
    yield Question("oldest_transaction_s", OLDEST, oldest, MONITOR.format("MON_GET_UNIT_OF_WORK"))
    yield Question("locks_waiting", WAITING, waiting, "SELECT on SYSIBMADM.MON_LOCKWAITS")
    space = MONITOR.format("MON_GET_TABLESPACE")
    yield Question("tablespace_used_pct, free_bytes", TABLESPACES, tablespaces, space)
    yield Question("size_bytes", SIZE, size, space)
    if asked.parameters:
        yield manifest(PARAMETERS, asked.parameters, "SELECT on SYSIBMADM.DBCFG and SYSIBMADM.DBMCFG")
    if asked.backup_age is None:
        yield Question("backup_age_s", BACKUP, backup, "SELECT on SYSIBMADM.DB_HISTORY")
    yield Question("invalid_objects", INVALID, invalid, "SELECT on SYSCAT.INVALIDOBJECTS")


def about(table: Table) -> Answer:
    """Read the answer to `ABOUT`."""
    return Answer(facts={name: str(value).strip() for name, value in table.first().items() if value})


def sessions(table: Table) -> Answer:
    """Read the answer to `SESSIONS`: the limit may be the server's own to find."""
    row = table.first()
    most = str(row["most"] or "").strip()
    if most.isdecimal() and int(most):
        return Answer(of_limit(float(row["used"]), float(most)))
    return Answer({"connections_used": float(row["used"])}, not_told=("connections_max: no limit is set",))


def hadr(table: Table) -> Answer:
    """Read the answer to `HADR`: one row a standby on the primary, none without partners.

    A standby that gets nothing may be behind by any time, and is none of the replicas that receive.
    """
    rows = table.records()
    if not rows:
        return Answer(facts={"role": "standalone"})
    leads = str(rows[0]["role"]).strip() == "PRIMARY"
    fed = [row for row in rows if str(row["state"]).strip() in RECEIVES]
    lags = [row["lag"] for row in fed]
    known = {} if None in lags or len(fed) < len(rows) else {"replica_lag_s": max(0.0, *map(float, lags))}
    told = () if known else ("replica_lag_s: not known of all replicas",)
    count = {"replicas": float(len(fed))} if leads else {}
    return Answer(known | count, {"role": "primary" if leads else "replica"}, told)


def tablespaces(table: Table) -> Answer:
    """Read the answer to `TABLESPACES`: what grows without limit is bounded by disks only."""
    found: list[tuple[str, float, float]] = []
    endless: list[str] = []
    for row in table.records():
        name, most = str(row["name"]).strip(), float(row["most"] or -1)
        if row["grows"] and most <= 0:
            endless.append(name)
        else:
            found.append((name, float(row["used"]), most if row["grows"] else float(row["size_"])))
    answer = spaces(found)
    if not endless:
        return answer
    told = f"tablespace_used_pct of those that grow without limit: {', '.join(endless[:20])}"
    return Answer(answer.metrics, answer.facts, (told,))
