"""SQL Server, Dameng and Db2, none of which was to be had: rows as their documents show them, read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.database import _odbc_dameng as dameng
from probes.database import _odbc_db2 as db2
from probes.database import _odbc_mssql as mssql
from probes.database._sql import UNREADABLE, Question, SurveyParams, Table
from probes.database._sql_answers import spaces
from probes.database._sql_refusal import Refusal
from probes.database.odbc import PROBE, QUESTIONS, OdbcParams

GIB = 2**30


def _table(columns: str, *rows: tuple[Any, ...]) -> Table:
    return Table(tuple(columns.split()), rows)


def _params() -> SurveyParams:
    return OdbcParams.model_validate(
        {"driver": "FreeTDS", "database": "d", "user": "u", "parameters": {"fill factor (%)": 80}}
    )


def test_sql_server() -> None:
    about = mssql.about(
        _table(
            "version edition collation updateability codepage timezone",
            ("15.0.4345.5", "Standard Edition (64-bit)", "Chinese_PRC_CI_AS", "READ_WRITE", "936", "+08:00"),
        )
    )
    assert about.facts == {
        "version": "15.0.4345.5", "edition": "Standard Edition (64-bit)", "collation": "Chinese_PRC_CI_AS",
        "open_mode": "read write", "encoding": "CP936", "timezone": "+08:00",
    }  # fmt: skip
    found = mssql.activity(_table("used most waiting told", (30, 300, 2, 1)))
    assert found.metrics == {
        "connections_used": 30, "connections_max": 300, "connections_used_pct": 10, "locks_waiting": 2,
    }  # fmt: skip
    with pytest.raises(Refusal, match="missing_right"):
        mssql.activity(_table("used most waiting told", (1, 300, 0, 0)))


def test_availability_groups() -> None:
    columns = "here leads lag fed"
    assert mssql.replicas(_table(columns)).facts == {"role": "standalone"}
    primary = mssql.replicas(_table(columns, (1, 1, None, 1), (0, 0, 3, 1), (0, 0, 9, 1)))
    assert primary.facts == {"role": "primary"}
    assert primary.metrics == {"replicas": 2, "replica_lag_s": 9}
    unknown = mssql.replicas(_table(columns, (1, 1, None, 1), (0, 0, None, 1)))
    assert unknown.metrics == {"replicas": 1}
    assert unknown.not_told
    assert mssql.replicas(_table(columns, (1, 0, 4, 1))).metrics == {"replica_lag_s": 4}
    lost = mssql.replicas(_table(columns, (1, 1, None, 1), (0, 0, 0, 0), (0, 0, 3, 1)))
    assert lost.metrics == {"replicas": 1}, "one is fed no more: its figure is old"
    assert lost.not_told


def test_file_groups_grow_as_limits_and_disks_allow() -> None:
    columns, pages = "name size used most growth volume disk", GIB // mssql.PAGE

    def pct(*rows: tuple[Any, ...]) -> float:
        return mssql.files(_table(columns, *rows)).metrics["tablespace_used_pct"]

    assert pct(("PRIMARY", pages, pages // 2, -1, 0, "D:", 9 * GIB)) == 50, "it does not grow"
    assert pct(("PRIMARY", pages, pages // 2, -1, 10, "D:", GIB)) == 25, "it may fill the disk"
    assert pct(("PRIMARY", pages, pages // 2, 4 * pages, 10, "D:", 9 * GIB)) == 12.5, "it has a limit"
    two = [("PRIMARY", pages, pages // 2, -1, 10, "D:", 2 * GIB)] * 2
    assert pct(*two) == 25, "they share the disk"


def test_dameng() -> None:
    row = ("DM Database Server x64 V8", "OPEN", "PRIMARY", 1)
    assert dameng.about(_table("SERVER STATUS_ MODE_ CHARSET", row)).facts == {
        "server": "DM Database Server x64 V8",
        "role": "primary",
        "open_mode": "open primary",
        "encoding": "UTF-8",
    }
    assert dameng.sessions(_table("USED MOST", (5, "100"))).metrics["connections_used_pct"] == 5
    found = dameng.tablespaces(_table("NAME SIZE_ MOST FREE", ("MAIN", 100, 200, 40), ("SYSTEM", 10, 100, 5)))
    assert found.metrics == {"tablespace_used_pct": 30, "free_bytes": 95}
    assert found.facts == {"fullest": "MAIN: 30.0 %"}


def test_db2() -> None:
    about = _table("SERVER ENCODING COLLATION TIMEZONE", ("DB2 v11.5.8.0", "UTF-8", None, "80000."))
    told = {"server": "DB2 v11.5.8.0", "encoding": "UTF-8", "timezone": "80000."}
    assert db2.about(about).facts == told
    assert db2.sessions(_table("USED MOST", (5, "50"))).metrics["connections_used_pct"] == 10
    endless = db2.sessions(_table("USED MOST", (5, "AUTOMATIC")))
    assert endless.metrics == {"connections_used": 5}
    assert endless.not_told
    assert db2.hadr(_table("ROLE STATE LAG")).facts == {"role": "standalone"}
    two = db2.hadr(_table("ROLE STATE LAG", ("PRIMARY", "PEER", 2), ("PRIMARY", "PEER", 7)))
    assert (two.facts, two.metrics) == ({"role": "primary"}, {"replica_lag_s": 7, "replicas": 2})
    standby = db2.hadr(_table("ROLE STATE LAG", ("STANDBY", "DISCONNECTED", None)))
    assert (standby.facts, standby.metrics) == ({"role": "replica"}, {})
    cut = db2.hadr(_table("ROLE STATE LAG", ("PRIMARY", "PEER", 2), ("PRIMARY", "DISCONNECTED", 0)))
    assert (cut.facts, cut.metrics) == ({"role": "primary"}, {"replicas": 1})
    assert cut.not_told
    columns = "NAME USED SIZE_ GROWS MOST"
    found = db2.tablespaces(
        _table(columns, ("A", 50, 100, 0, -1), ("B", 50, 100, 1, Decimal(1000)), ("C", 99, 100, 1, -1))
    )
    assert found.metrics == {"tablespace_used_pct": 50, "free_bytes": 50}
    assert found.not_told == ("tablespace_used_pct of those that grow without limit: C",)
    assert not db2.tablespaces(_table(columns, ("C", 99, 100, 1, -1))).metrics


def test_the_fullest_and_the_least_free_may_differ() -> None:
    found = spaces([("small", 9, 10), ("large", 500, 1000)])
    assert found.metrics == {"tablespace_used_pct": 90, "free_bytes": 1}
    assert spaces([("none", 1, 0)]).not_told


VALUES = st.none() | st.integers(-5, 10**6) | st.text(max_size=12)
COLUMNS = [
    "version",
    "edition",
    "collation",
    "updateability",
    "codepage",
    "timezone",
    "used",
    "most",
    "waiting",
    "told",
    "here",
    "leads",
    "fed",
    "lag",
    "name",
    "size",
    "growth",
    "volume",
    "disk",
    "server",
    "status_",
    "mode_",
    "charset",
    "size_",
    "free",
    "role",
    "state",
    "grows",
    "age",
    "bytes",
    "value",
    "encoding",
]


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS.keys())
@given(data=st.data())
def test_answers_of_something_else_are_unreadable_and_nothing_worse(
    ask: Callable[[SurveyParams], Iterable[Question]], data: st.DataObject
) -> None:
    metrics, facts = {metric.name for metric in PROBE.metrics}, {fact.name for fact in PROBE.facts}
    for question in ask(_params()):
        names = data.draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=6, unique=True))
        rows = data.draw(st.lists(st.tuples(*[VALUES] * len(names)), max_size=2))
        try:
            answer = question.read(Table(tuple(names), tuple(rows)))
        except (*UNREADABLE, Refusal):
            continue
        assert {*answer.metrics} <= metrics
        if ask is not db2.questions:
            assert {*answer.facts} <= facts


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_every_question_reports_what_is_declared(ask: Callable[[SurveyParams], Iterable[Question]]) -> None:
    declared = (
        {metric.name for metric in PROBE.metrics} | {fact.name for fact in PROBE.facts} | {"connections"}
    )
    for question in ask(_params()):
        assert {name.strip() for name in question.name.split(",")} <= declared, question.name
        assert "{" not in question.query
