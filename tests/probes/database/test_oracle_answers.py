"""oracle: rows as the views give them, and its numbers; no database is to be had here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.database import _oracle_questions as ask
from probes.database._oracle_refusal import WORDS, codes, gone, refusal
from probes.database._sql import UNREADABLE, Answer, Table
from probes.database._sql_answers import backup, invalid, manifest, oldest, size, waiting
from probes.database._sql_parameters import Setting
from probes.database._sql_refusal import WORDS as KNOWN
from probes.database.oracle import PROBE, OracleParams


def test_all_words_are_known() -> None:
    assert {*WORDS.values()} <= {*KNOWN}


@given(st.text(max_size=60) | st.from_regex(r"(ORA|DPY)-\d{1,6}: x"))
def test_no_text_breaks_the_reading(text: str) -> None:
    refusal(text, text)
    gone(text)
    assert all(code.startswith(("ORA-", "DPY-")) for code in codes(text))


def _table(columns: str, *rows: tuple[Any, ...]) -> Table:
    return Table(tuple(columns.upper().split()), rows)


def test_limits() -> None:
    """As v$resource_limit gives them: limits are padded texts, and may be UNLIMITED."""
    rows = (("processes", Decimal(80), "       150"), ("sessions", Decimal(90), "       248"))
    found = ask.limits(_table("name used most", *rows))
    assert found.metrics == {
        "connections_used": 80,
        "connections_max": 150,
        "connections_used_pct": pytest.approx(53.33, abs=0.01),
    }
    none = ask.limits(_table("name used most", ("sessions", Decimal(1), " UNLIMITED")))
    assert not none.metrics
    assert none.not_told


@pytest.mark.parametrize(
    ("told", "standbys", "role"),
    [("PRIMARY", 0, "standalone"), ("PRIMARY", 2, "primary"), ("PHYSICAL STANDBY", 0, "replica")],
)
def test_roles(told: str, standbys: int, role: str) -> None:
    row = (told, "READ ONLY WITH APPLY", "ARCHIVELOG", Decimal(standbys), Decimal(1))
    found = ask.role(_table("role mode_ logging standbys failing", row))
    assert (found.facts["role"], found.facts["database_role"]) == (role, told.lower())
    assert found.metrics == {"replicas": standbys, "archive_failing": 1}


def test_lags() -> None:
    columns, standby = "role name value computed heard", "PHYSICAL STANDBY"
    times = ("11/14/2010 20:00:19", "11/14/2010 20:00:18")

    def lag(apply: str | None, transport: str, times: tuple[str | None, str | None]) -> Answer:
        rows = ((standby, "apply lag", apply, *times), (standby, "transport lag", transport, *times))
        return ask.lag(_table(columns, *rows))

    assert lag("+00 00:01:05", "+01 00:00:00", times).metrics == {
        "replica_lag_s": 65, "transport_lag_s": 86400,
    }  # fmt: skip
    assert ask.lag(_table(columns, ("PRIMARY", None, None, None, None))) == Answer()
    unknown = lag(None, "+00 00:00:00", times)
    assert unknown.metrics == {"transport_lag_s": 0}
    assert unknown.not_told
    for old in (("11/14/2010 20:05:19", times[1]), (times[0], None), (times[0], "")):
        deaf = lag("+00 00:00:00", "+00 00:00:00", old)
        assert deaf.metrics == {}, "it shows its last figure, and has heard nothing since"
        assert deaf.not_told


def test_transactions_space_and_backups() -> None:
    assert oldest(_table("age", (None,))).metrics == {"oldest_transaction_s": 0}
    assert oldest(_table("age", (Decimal("90.5"),))).metrics == {"oldest_transaction_s": 90.5}
    assert waiting(_table("waiting", (Decimal(3),))).metrics == {"locks_waiting": 3}
    assert size(_table("bytes", (Decimal(1000),))).metrics == {"size_bytes": 1000}
    spaces = _table(
        "name pct free", ("USERS", Decimal("87.5"), Decimal(100)), ("SYSTEM", Decimal(3), Decimal(9))
    )
    full = ask.tablespaces(spaces)
    assert full.metrics == {"tablespace_used_pct": 87.5, "free_bytes": 9}
    assert full.facts == {"fullest": "USERS: 87.5 %"}
    area = ask.recovery(_table("most used reclaimable", (Decimal(100), Decimal(80), Decimal(30))))
    assert area.metrics == {"recovery_area_used_pct": 50}
    assert ask.recovery(_table("most used reclaimable", (Decimal(0), Decimal(0), Decimal(0)))).not_told
    assert backup(_table("age", (Decimal(3600),))).metrics == {"backup_age_s": 3600}
    assert not backup(_table("age", (None,))).metrics


def test_invalid_objects_and_parameters() -> None:
    assert invalid(_table("name")).facts == {"invalid_names": "none"}
    many = invalid(_table("name", *((f"A.P{number} (procedure)",) for number in range(25))))
    assert many.metrics == {"invalid_objects": 25}
    assert many.facts["invalid_names"].endswith("A.P19 (procedure), ...")
    shown = _table("name value shown", ("processes", "500", "500"), ("sga_target", "1073741824", "1G"))
    wanted: dict[str, Setting] = {"PROCESSES": 500, "sga_target": "1 GB", "cursor_sharing": "EXACT"}
    found = manifest(ask.PARAMETERS, wanted).read(shown)
    assert found.facts["parameters"] == "cursor_sharing is not shown"
    assert manifest(ask.PARAMETERS, {"processes": 300}).read(shown).metrics == {"parameters_differing": 1}


VALUES = (
    st.none()
    | st.integers(-5, 10**6)
    | st.text(max_size=12)
    | st.decimals(allow_nan=False, allow_infinity=False)
)


@given(st.data())
def test_answers_of_something_else_are_unreadable_and_nothing_worse(data: st.DataObject) -> None:
    """What a question can't read is left out by `_sql.ask`, which knows these errors only."""
    for question in ask.questions(OracleParams(database="d", user="u", parameters={"a": 1})):
        width = data.draw(st.integers(1, 4))
        names = data.draw(st.lists(st.sampled_from(COLUMNS), min_size=width, max_size=width, unique=True))
        rows = data.draw(st.lists(st.tuples(*[VALUES] * width), max_size=2))
        try:
            answer = question.read(Table(tuple(names), tuple(rows)))
        except UNREADABLE:
            continue
        assert {*answer.metrics} <= {metric.name for metric in PROBE.metrics}


COLUMNS = [
    "NAME",
    "USED",
    "MOST",
    "ROLE",
    "MODE_",
    "LOGGING",
    "STANDBYS",
    "FAILING",
    "VALUE",
    "OPEN_",
    "AGE",
    "WAITING",
    "BYTES",
    "PCT",
    "FREE",
    "SHOWN",
]


def test_every_question_reports_what_is_declared() -> None:
    declared = {metric.name for metric in PROBE.metrics} | {fact.name for fact in PROBE.facts}
    declared |= {"connections", "replica_lag_s"}
    for question in ask.questions(OracleParams(database="d", user="u", parameters={"a": 1})):
        assert {name.strip() for name in question.name.split(",")} <= declared, question.name
