"""Runs are kept, compared and told; what of the files changed is told with them. Real files, a real store."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.history import keeping
from monitor.history.comparing import compare, kind_of
from monitor.history.keeping import head_of
from monitor.history.previous import BadPrevious, Previous, load
from monitor.history.showing import history_lines, text_of
from monitor.history.telling import document
from monitor.place import place
from monitor.readiness.layered import Layered
from monitor.readiness.results import Run
from monitor.store import runs
from monitor.store.ledger import catch_up
from monitor.workspace import open_workspace
from tests.gates.home import INVENTORY, NOW, Home

DAY = 86_400.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def run(home: Home) -> Run:
    """Judge the hall, and keep that as a run."""
    where = place(home.directory / "muster.toml")
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    units = list(workspace.results(["hall"], Layered(None, home.readings), "go-live", home.now))
    made = Run("go-live", "stored", home.now - 1, home.now, units)
    parts = keeping._parts(workspace, made, keeping._known(where))
    with closing(home.database()) as database:
        database.write_now(lambda connection: keeping.write(connection, head_of(made), parts))
    return made


def diff(home: Home, what: str, after: Run) -> dict[str, Any]:
    found: Previous = load(place(home.directory / "muster.toml"), what, "go-live", ["hall"], after.started_at)
    return compare(found.units, [unit.plain() for unit in after.units], found.told, ["hall", "gz"])


def history(home: Home, item: str = "") -> dict[str, Any]:
    with closing(home.database()) as database:
        changes = database.read_now(lambda c: runs.changes(c, "go-live", "hall"))
        return document(
            "go-live", "hall", changes, lambda key: database.read_now(lambda c: runs.subject(c, key)), item
        )


def test_what_got_better_and_worse_is_told(home: Home) -> None:
    home.measured(rtt_ms=12)
    run(home)
    home.now += 60
    home.measured(rtt_ms=80)
    home.reported()
    after = run(home)
    found = diff(home, "last", after)
    [unit] = found["units"]
    changes = {item["id"]: (item["change"], item["before"]["status"]) for item in unit["items"]}
    assert changes == {"fast": ("worse", "pass"), "report": ("better", "unknown")}
    assert (unit["before"], unit["verdict"]) == ("UNKNOWN", "NOT_READY")
    assert found["counts"] == {"worse": 1, "better": 1, "appeared": 0, "went": 0, "other": 0}
    text = text_of(found, "en")
    assert "worse: fast (pc1): pass -> fail" in text
    assert "变差" in text_of(found, "zh")


def test_all_forms_of_previous_find_the_same_run(home: Home) -> None:
    home.measured()
    first = run(home)
    file = home.directory / "before.json"
    file.write_text(json.dumps(first.plain()), "utf-8")
    home.now += 2 * DAY
    after = run(home)
    day = first.plain()["finished_at"][:10]
    told = [diff(home, what, after) for what in ("last", "1", day, str(file))]
    assert [each["units"] for each in told] == [told[0]["units"]] * 4
    assert {item["id"] for item in told[0]["units"][0]["items"]} == {"answers", "fast"}  # stale now


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("77", "no such run"), ("2001-01-01", "no run of these units"), ("2026-02-31", "no such day"),
        ("nowhere.json", "No such file"), ("1", "of the gate"),
    ],
)  # fmt: skip
def test_what_names_nothing_is_refused(home: Home, what: str, says: str) -> None:
    home.measured()
    run(home)
    gate = "rehearsal" if says == "of the gate" else "go-live"
    with pytest.raises(BadPrevious, match=says):
        load(place(home.directory / "muster.toml"), what, gate, ["hall"], NOW + 9)


@pytest.mark.parametrize(
    "text", ["[]", "{}", "{", '{"schema": "muster.check/1", "units": [{}]}', "[" * 100_000]
)
def test_a_file_that_is_no_run_is_refused(home: Home, text: str) -> None:
    path = home.directory / "other.json"
    path.write_text(text, "utf-8")
    with pytest.raises(BadPrevious, match="not"):
        load(place(home.directory / "muster.toml"), str(path), "go-live", ["hall"], NOW)


def test_every_pair_of_statuses_has_its_kind() -> None:
    order = ("fail", "unknown", "waived", "pass")
    for i, before in enumerate(order):
        for j, after in enumerate(order):
            if i != j:
                assert kind_of(before, after) == (
                    "other" if (before, after) == ("fail", "unknown") else "better" if j > i else "worse"
                )
    assert (kind_of("", "fail"), kind_of("pass", "")) == ("appeared", "went")
    assert {kind_of("fail", "not_applicable"), kind_of("not_applicable", "pass")} == {"other"}


def test_history_tells_what_of_the_inventory_changed_with_an_item(home: Home) -> None:
    home.measured()
    run(home)
    home.now += 60
    run(home)  # nothing changed
    home.write("inventory.yaml", INVENTORY.replace("address: 127.0.0.1", "address: 127.0.0.9"))
    home.now += 60
    run(home)  # the address alone
    home.now += 60
    home.measured(rtt_ms=90)
    run(home)
    whole, fast = history(home), history(home, "fast")
    assert [len(each["items"]) for each in whole["changes"]] == [1, 0, 4]
    assert whole["changes"][1]["differences"] == [
        {"path": "unit.assets.pc1.address", "before": "127.0.0.1", "after": "127.0.0.9"}
    ]
    [now, first] = fast["changes"]
    assert (now["items"][0]["before"], now["items"][0]["status"]) == ("pass", "fail")
    assert now["differences"] == whole["changes"][1]["differences"]
    assert (first["items"][0]["before"], first["unit_changed"]) == ("", False)
    assert "    unit.assets.pc1.address: 127.0.0.1 -> 127.0.0.9" in list(history_lines(whole))


def test_a_change_of_the_checklist_is_told_by_its_item(home: Home) -> None:
    home.measured(rtt_ms=30)
    run(home)
    path = home.directory / "checklists" / "hall.yaml"
    path.write_text(path.read_text("utf-8").replace('"<= 40"', '"<= 20"'), "utf-8")
    home.now += 60
    run(home)
    [now, _] = history(home, "fast")["changes"]
    found = {each["path"]: (each["before"], each["after"]) for each in now["differences"]}
    assert any(path.startswith("items.fast.expect") and "20" in str(pair[1]) for path, pair in found.items())


def test_an_older_judgement_changes_nothing(home: Home) -> None:
    home.measured()
    run(home)
    home.now -= 600
    run(home)
    assert len(history(home)["changes"]) == 1


def test_what_is_signed_survives_retention(home: Home) -> None:
    home.measured()
    home.drilled()
    home.reported()
    run(home)
    look = home.ask("sign.look", "boss")["shown"]
    signed = home.ask("sign", "boss", subject=look["subject"])["entry"]
    home.write("inventory.yaml", INVENTORY.replace("address: 127.0.0.1", "address: 127.0.0.9"))
    home.now += 2 * DAY
    run(home)
    with closing(home.database()) as database:
        database.write_now(lambda c: runs.forget(c, NOW + DAY))
        kept = database.read_now(lambda c: [head.id for head in runs.heads(c, "go-live", 10)])
        then = database.read_now(lambda c: runs.subject(c, signed["body"]["unit_digest"]))
        pins = database.read_now(
            lambda c: c.execute("SELECT count(*) FROM evidence WHERE reference = ?", (signed["digest"],))
            .fetchone()[0]
        )  # fmt: skip
        database.write_now(lambda c: runs.forget(c, NOW + 90 * DAY))
        left = database.read_now(lambda c: c.execute("SELECT count(*) FROM run_units").fetchone()[0])
        now = database.read_now(lambda c: runs.subject(c, look["unit_digest"]))
    assert (kept, left, pins) == ([2], 0, 1)
    assert then is not None
    assert then == now
    assert then[0]["unit"]["assets"][0]["address"] == "127.0.0.1"
    assert [entry.kind for entry in home.entries()] == ["attest", "attest", "sign"]


def test_a_run_that_can_not_be_kept_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    where = place(home.directory / "muster.toml")
    workspace = open_workspace(where)
    units = list(workspace.results(["hall"], Layered(), "go-live", home.now))
    made = Run("go-live", "stored", home.now, home.now, units)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("monitor.history.keeping.write", full)
    said = asyncio.run(keeping.keep(replace(where), workspace, made))
    assert "not kept" in said
    assert "full" in said
