"""What the probes of databases share: manifests, canonical rows, refusals, answers that can't be read."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Context, Outcome
from probes.database import _postgresql_questions as pg
from probes.database._postgresql import refusal
from probes.database._sql import Answer, Findings, Question, Table, ask, asked_for, of_limit
from probes.database._sql_parameters import compare as compare_parameters
from probes.database._sql_parameters import meaning
from probes.database._sql_refusal import WORDS, Refusal
from probes.database._sql_rows import apart, canonical, compare, digest, numbers, texts
from probes.database.postgresql import PostgresqlParams
from tests.probing import SharedHere

CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.text(), st.binary(),
    st.datetimes(), st.datetimes(timezones=st.just(dt.UTC)), st.dates(), st.times(), st.timedeltas(),
)  # fmt: skip
ROWS = st.lists(st.lists(CELLS, max_size=4), max_size=8)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, "on"), ("yes", 1), ("OFF", False), ("1GB", "1024MB"), ("16384", 16384.0), ("1 GiB", "1g"),
        ("5s", "5000ms"), ("1min", "60 s"), ("1h", "60min"), ("utf8", "UTF8"), (" 7 ", 7), ("0.10", "0.1"),
    ],
)  # fmt: skip
def test_settings_that_mean_the_same(one: str | float | bool, other: str | float | bool) -> None:
    assert meaning(one) == meaning(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1GB", "1000MB"), ("5s", "5"), ("on", "online"), ("10", "010a"), ("1m", "1min"), ("NaN", "0")],
)
def test_settings_that_do_not(one: str, other: str) -> None:
    assert meaning(one) != meaning(other)


@given(st.one_of(st.text(max_size=60), st.integers(), st.floats(), st.booleans()))
def test_any_setting_has_a_meaning_and_is_itself(value: str | float | bool) -> None:
    assert meaning(value) == meaning(str(value) if not isinstance(value, bool) else value)
    assert compare_parameters({"x": value}, {"X": ("other", str(value))}).differing == () or isinstance(
        value, bool
    )


def test_what_is_not_shown_is_not_taken_for_right() -> None:
    comparison = compare_parameters({"a": 1, "b": 2}, {"a": "1"})
    assert comparison.metrics() == {}
    assert comparison.facts() == {"parameters": "b is not shown"}
    assert compare_parameters({"a": 2, "b": 2}, {"a": "1"}).metrics() == {"parameters_differing": 1}


@given(ROWS)
def test_rows_have_one_digest_whatever_their_order(rows: list[list[object]]) -> None:
    assert digest(canonical(rows)) == digest(canonical(reversed(rows)))
    assert compare(canonical(rows), canonical(rows)).metrics()["differences"] == 0


@given(ROWS, ROWS)
def test_differences_say_how_to_get_from_one_to_the_other(
    here: list[list[object]], there: list[list[object]]
) -> None:
    ours, theirs = canonical(here), canonical(there)
    found = compare(ours, theirs)
    assert sorted([*ours, *found.missing]) == sorted([*theirs, *found.unexpected])
    assert (digest(ours) == digest(theirs)) == (found.metrics()["differences"] == 0)


def test_the_same_value_of_two_engines_is_one() -> None:
    moment = dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)
    elsewhere = moment.astimezone(dt.timezone(dt.timedelta(hours=8)))
    one = [Decimal("10.00"), "0101  ", True, moment, b"\x01", None, 0.5, Decimal("-0")]
    other = [10, "0101", 1, elsewhere, bytearray(b"\x01"), None, Decimal("0.50"), 0]
    assert canonical([one]) == canonical([other])


def test_values_that_differ_stay_apart() -> None:
    for one, other in [("007", 7), (None, ""), (None, "None"), ("a b", "ab"), (1, 1.5), ("A", "a")]:
        assert canonical([[one]]) != canonical([[other]])
    assert canonical([["a", "b"]]) != canonical([["a,b"]])


def test_numbers_and_texts_of_a_row() -> None:
    table = Table(
        ("Age_H", "state", "bad name", "nan", "gone"), ((Decimal("1.5"), "OK", 3, float("nan"), None),)
    )
    assert numbers(table) == {"age_h": 1.5}
    assert texts(table) == {"state": "OK", "nan": "NaN"}
    assert numbers(Table(("count",), ((3,),))) == {"count": 3, "value": 3}
    assert numbers(Table(("count",), ((3,), (4,)))) == {}
    assert numbers(Table(("count",), ((10**400,),))) == {}
    assert apart(Table(("n", "m"), ((3, 1),)), Table(("N", "k"), ((5, 1),))) == {"difference_n": -2}


def test_no_limit_makes_no_share() -> None:
    assert "connections_used_pct" not in of_limit(3, 0)


def test_each_word_ends_a_run_as_it_says() -> None:
    for word, kind in WORDS.items():
        ending = Refusal(word, "because").ending()
        assert type(ending) is kind
        assert ending.detail == f"{word}: because"
    with pytest.raises(ValueError, match="is not one of the words"):
        Refusal("whatever")


@given(st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", max_size=5), st.text(max_size=20))
def test_any_sqlstate_has_a_word(state: str, said: str) -> None:
    assert refusal(state, said).word in WORDS


QUESTIONS = list(
    pg.questions(
        PostgresqlParams.model_validate(
            {"database": "d", "user": "u", "parameters": {"a": 1}, "tablespace_limits": {"t": 1}}
        )
    )
)
NAMES = {name for question in QUESTIONS for name in re.findall(r"as (\w+)", question.query)} | {"told", "pid"}
TABLES = st.one_of(
    st.just(Table((), ())),
    st.builds(
        lambda cells: Table(tuple(cells), (tuple(cells.values()),)),
        st.dictionaries(
            st.sampled_from(sorted(NAMES)), CELLS),
    ),
)  # fmt: skip


class Replies:
    """A session that gives the same table to every question."""

    begin = ""

    def __init__(self, table: Table) -> None:
        self.table = table

    async def rows(self, query: str, limit: int | None = None) -> Table:
        return self.table

    async def execute(self, statement: str) -> None:
        raise AssertionError

    async def aclose(self) -> None:
        raise AssertionError


@given(TABLES)
async def test_no_table_makes_a_crash(table: Table) -> None:
    findings = Findings()
    params = PostgresqlParams.model_validate({"database": "d", "user": "u"})
    await ask(Replies(table), QUESTIONS, findings, params, Context(SharedHere(), 60))
    assert all(isinstance(value, float) for value in findings.metrics.values())
    assert findings.reading().outcome is Outcome.OK


async def test_what_there_is_no_time_for_is_named() -> None:
    findings = Findings()
    params = PostgresqlParams.model_validate({"database": "d", "user": "u"})
    question = Question("late", "select 1", lambda _: Answer({"late": 1.0}))
    await ask(Replies(Table((), ())), [question], findings, params, Context(SharedHere(), 0.2))
    assert findings.metrics == {}
    assert findings.not_told == ["late: slow_query: no time was left to ask"]


def own(query: str, *cells: object) -> Answer:
    """Return what a check's own query of this name tells, given rows of one cell."""
    params = PostgresqlParams.model_validate({"database": "d", "user": "u", query: "select 1"})
    [question] = asked_for(params)
    return question.read(Table(("x",), tuple((cell,) for cell in cells)))


def test_a_query_of_the_checks_own_gives_one_cell_or_tells_nothing() -> None:
    assert own("schema_version", "2.7.1").facts == {"schema_version": "2.7.1"}
    assert own("backup_age", Decimal("60.5")).metrics == {"backup_age_s": 60.5}
    assert own("backup_age", -2).metrics == {"backup_age_s": 0}, "clocks are a little apart"
    for query, cells in {
        "schema_version": ((), (None,), ("2.7.1", "2.6")),
        "backup_age": ((), (None,), (1, 2), (-28_800,), (float("nan"),), (float("inf"),)),
    }.items():
        for each in cells:
            answer = own(query, *each)
            assert (answer.metrics, answer.facts) == ({}, {}), each
            assert answer.not_told


def standbys(**row: object) -> Answer:
    usual = {"replica": False, "pid": 1, "name": "s", "address": None, "state": "streaming", "sync": "async",
             "behind": Decimal(0), "lag": None, "advances": False, "slots": 0, "told": True}  # fmt: skip
    made = usual | row
    return pg.standbys(Table(tuple(made), (tuple(made.values()),)))


def test_the_lag_of_standbys() -> None:
    assert standbys(pid=None).facts["role"] == "standalone"
    assert standbys().metrics["replica_lag_s"] == 0
    assert standbys(behind=Decimal(10), advances=True, lag=Decimal(3)).metrics["replica_lag_s"] == 3
    assert "replica_lag_s" not in standbys(behind=Decimal(10), lag=Decimal("0.1")).metrics
    assert "replica_lag_bytes" not in standbys(behind=None).metrics
    untimed = standbys(behind=Decimal(10), advances=True)
    assert "replica_lag_s" not in untimed.metrics, "no figure is not 0"
    assert untimed.not_told == ("replica_lag_s: the server has no figure for s at this machine",)


def test_the_lag_of_a_replica() -> None:
    def told(**row: object) -> Answer:
        usual = {"replica": True, "behind": 0, "still_behind": 0, "replayed_ago": 3600, "told": True,
                 "receiver": "streaming"}  # fmt: skip
        made = usual | row
        return pg.replica(Table(tuple(made), (tuple(made.values()),)))

    assert told().metrics["replica_lag_s"] == 0
    assert told(behind=9).metrics["replica_lag_s"] == pg.LOOK_AGAIN_S
    assert told(behind=9, still_behind=9).metrics["replica_lag_s"] == 3600
    assert "replica_lag_s" not in told(behind=9, still_behind=9, replayed_ago=None).metrics
    assert told(receiver=None).metrics == {"receiving": 0}
    assert told(replica=False) == Answer()
