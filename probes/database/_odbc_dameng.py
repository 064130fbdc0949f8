"""What Dameng (DM8) is asked by ODBC, and what its answers say; after its documentation.

Source: the DM8 administrator's manual (dynamic views, and the system views that are as Oracle's). No Dameng
was to be had for tests: the functions are tested with rows as the documents show them. Its age of
transactions, its replicas' lag and its backups are not asked: the check's own queries may.
"""

from __future__ import annotations

from collections.abc import Iterator

from probes.database._sql import Answer, Question, SurveyParams, Table, of_limit
from probes.database._sql_answers import invalid, manifest, size, spaces, waiting

GRANT = "the roles VTI and SOI"
CHARSETS = {0: "GB18030", 1: "UTF-8", 2: "EUC-KR"}
ROLES = {"NORMAL": "standalone", "PRIMARY": "primary", "STANDBY": "replica"}
ABOUT = """
select svr_version as server, status$ as status_, mode$ as mode_, unicode() as charset from v$instance"""
SESSIONS = """
select count(*) as used, (select para_value from v$dm_ini where para_name = 'MAX_SESSIONS') as most
from v$sessions"""
WAITING = "select count(*) as waiting from v$trxwait"
TABLESPACES = """
select f.tablespace_name as name, sum(f.bytes) as size_,
       sum(case when f.autoextensible = 'YES' and f.maxbytes > f.bytes
                then f.maxbytes else f.bytes end) as most,
       (select coalesce(sum(s.bytes), 0) from dba_free_space s where s.tablespace_name = f.tablespace_name)
           as free
from dba_data_files f group by f.tablespace_name"""
SIZE = "select sum(bytes) as bytes from dba_data_files"
INVALID = """
select owner || '.' || object_name || ' (' || object_type || ')' as name from dba_objects
where status = 'INVALID' order by 1"""
PARAMETERS = "select para_name as name, para_value as value from v$dm_ini where lower(para_name) in ({names})"


def questions(asked: SurveyParams) -> Iterator[Question]:
    """Yield what is asked, what matters most first."""
    yield Question("server, encoding, role, open_mode", ABOUT, about, GRANT)
    yield Question("connections", SESSIONS, sessions, GRANT)
    yield Question("locks_waiting", WAITING, waiting, GRANT)
    yield Question("tablespace_used_pct, free_bytes", TABLESPACES, tablespaces, GRANT)
    yield Question("size_bytes", SIZE, size, GRANT)
    if asked.parameters:
        yield manifest(PARAMETERS, asked.parameters, GRANT)
    yield Question("invalid_objects", INVALID, invalid, GRANT)


def about(table: Table) -> Answer:
    """Read the answer to `ABOUT`."""
    row = table.first()
    mode, status = str(row["mode_"]).strip().upper(), str(row["status_"]).strip()
    facts = {"server": str(row["server"]), "open_mode": f"{status} {mode}".lower()}
    if mode in ROLES:
        facts["role"] = ROLES[mode]
    charset = CHARSETS.get(int(row["charset"]))
    return Answer(facts=facts | ({"encoding": charset} if charset else {}))


def sessions(table: Table) -> Answer:
    """Read the answer to `SESSIONS`."""
    row = table.first()
    return Answer(of_limit(float(row["used"]), float(row["most"])))


def tablespaces(table: Table) -> Answer:
    """Read the answer to `TABLESPACES`: shares are of what files may grow to."""
    return spaces(
        (str(row["name"]), float(row["size_"]) - float(row["free"]), float(row["most"]))
        for row in table.records()
    )
