"""The ledger: what is written stays, and any change to it shows."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.gates.ledger import FIRST, Draft, Entry, broken, chained, sealed
from monitor.readiness.digest import canonical
from monitor.store import ledger
from tests.gates.home import Home

BODIES = st.dictionaries(
    st.text(max_size=5),
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | st.floats(-1e9, 1e9),
    max_size=3,
)
DRAFTS = st.builds(
    Draft, st.sampled_from(["attest", "sign"]), st.floats(0, 4e9), st.text(max_size=9), st.just("operator"),
    st.just("go-live"), st.sampled_from(["a", "b"]), body=BODIES,
)  # fmt: skip


def chain(drafts: list[Draft]) -> list[Entry]:
    entries: list[Entry] = []
    for draft in drafts:
        entries.append(chained(draft, entries[-1] if entries else None))
    return entries


@given(st.lists(DRAFTS, max_size=5))
def test_a_ledger_holds_together_also_when_it_was_written_and_read(drafts: list[Draft]) -> None:
    entries = chain(drafts)
    assert broken(entries) == ""
    again = [replace(each, body=json.loads(canonical(each.body))) for each in entries]
    assert broken(again) == ""


@given(st.lists(DRAFTS, min_size=2, max_size=5), st.data())
def test_any_change_shows(drafts: list[Draft], data: st.DataObject) -> None:
    entries = chain(drafts)
    index = data.draw(st.integers(0, len(entries) - 1))
    changed = replace(entries[index], body={**entries[index].body, "more": 1})
    assert broken([*entries[:index], changed, *entries[index + 1 :]])
    resealed = sealed(changed)
    if index + 1 < len(entries):
        assert broken([*entries[:index], resealed, *entries[index + 1 :]]), "the next one tells"
        assert broken([*entries[:index], *entries[index + 1 :]]), "one is left out"


def test_the_first_follows_nothing() -> None:
    [entry] = chain([Draft("sign", 1.0, "li", "admin", "go-live", "a")])
    assert (entry.seq, entry.previous) == (1, FIRST)
    assert entry.digest.startswith("sha256:")


@pytest.mark.parametrize("statement", ["UPDATE ledger SET actor = 'x'", "DELETE FROM ledger"])
def test_the_table_is_append_only(home: Home, statement: str) -> None:
    home.drilled()
    with closing(home.database()) as database, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.write_now(lambda connection: connection.execute(statement))
    assert broken(home.entries()) == ""


def test_of_two_at_the_same_moment_one_has_to_look_again(home: Home) -> None:
    draft = Draft("attest.withdraw", home.now, "li", "operator", "go-live", "hall", item="drill")
    with closing(home.database()) as database:
        database.write_now(lambda c: ledger.append(c, draft, 0))
        with pytest.raises(ledger.Overtaken, match="li acted on hall at the same moment"):
            database.write_now(lambda c: ledger.append(c, draft, 0))
        other = replace(draft, unit="gz")
        database.write_now(lambda c: ledger.append(c, other, 0))
    assert [each.unit for each in home.entries()] == ["hall", "gz"]


def test_a_crash_before_the_end_of_the_transaction_leaves_nothing(home: Home) -> None:
    draft = Draft("sign", home.now, "li", "operator", "go-live", "hall")

    def crash(connection: sqlite3.Connection) -> None:
        ledger.append(connection, draft, 0, home.measured().readings)
        raise RuntimeError

    with closing(home.database()) as database:
        with pytest.raises(RuntimeError):
            database.write_now(crash)
        assert database.read_now(lambda c: c.execute("SELECT count(*) FROM evidence").fetchone()[0]) == 0
    assert home.entries() == []
