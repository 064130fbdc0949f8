"""Incidents, verdicts, maintenance and sign-offs as points: each once, at the time it happened."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

from monitor.calendars.calendar import BUILT_IN
from monitor.child.wire import UnitCard, UnitWire
from monitor.people.maintenance import Maintenance, Mode
from monitor.sinks.events import Events, begun
from monitor.sinks.position import Told
from monitor.store import maintenance
from monitor.units import Units
from tests.servers.victoriametrics import victoria_metrics
from tests.sinks.feeding import fed, feeding, until
from tests.store.making import opened

NOW = 1_795_500_000.0


def units() -> Units:
    found = Units()
    for key, level, parent in (("gd", "province", None), ("gz", "municipal", "gd"), ("th", "hall", "gz")):
        card = UnitCard(
            key, key.upper(), "天河, 厅", parent, level, "Asia/Shanghai", None, "w1",
            {"go-live": "2027-01-15"}, {},
            kinds={"up": "channel"}, location=(23.1, 113.3),
        )  # fmt: skip
        found.apply(UnitWire(card, key, ()))
    return found


def happened(db: sqlite3.Connection) -> None:
    """Put one event of each kind into the state database."""
    db.execute(
        "INSERT INTO incident (version, root, kind, detail, state, worst, began_at, opened_at, notified)"
        " VALUES (1, 'th/up', 'timeout', '', 'DOWN', 'DOWN', ?, ?, 0)",
        (NOW - 20, NOW - 10),
    )
    db.execute(
        "INSERT INTO incident_history (incident, at, actor, what, state, kind, detail)"
        " VALUES (1, ?, 'muster', 'open', 'DOWN', 'timeout', 'no answer')",
        (NOW - 10,),
    )
    for verdict, at in (("UNKNOWN", NOW - 9), ("UNKNOWN", NOW - 8), ("READY", NOW - 7)):
        db.execute(
            "INSERT INTO verdicts VALUES ('th', 'go-live', ?1, NULL, ?2, 0.5, '[]', '{}', '{}', '[]', '')"
            " ON CONFLICT (gate, unit) DO UPDATE SET judged_at = ?1, verdict = ?2",
            (at, verdict),
        )
    work = Maintenance(0, "gz", Mode.MUTE, "new router", "ann", NOW - 100, NOW - 6, NOW - 2)
    maintenance.add(db, work)
    db.execute(
        "INSERT INTO ledger VALUES (1, ?, 'sign', 'bob', 'approver', 'go-live', 'th', '', '', '{}', '', 'd')",
        (NOW - 1,),
    )


async def test_each_event_is_a_point(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.state.write(happened)
        events = Events(units(), lambda: BUILT_IN)
        found = await store.state.read(lambda db: events.after(db, Told(), NOW))
        names = [each.split(",")[0] for each in found.lines]
        assert sorted(names) == sorted(
            ["muster_incident", "muster_signoff", *["muster_maintenance"] * 2]
            + ["muster_verdict", "muster_verdict_change"] * 2
        )
        incident = next(each for each in found.lines if each.startswith("muster_incident"))
        assert incident == (
            "muster_incident,asset=up,kind=channel,level=hall,severity=warning,state=DOWN,unit=th,what=open"
            ' number=1i,open=1i,age_s=10.0,cause="timeout",detail="no answer",actor="muster"'
            f" {round((NOW - 10) * 1000)}"
        )
        again = await store.state.read(lambda db: events.after(db, found.told, NOW + 60))
        assert again.lines == [], "each once"
        ends = [each.rpartition(" ")[2] for each in found.lines if each.startswith("muster_maintenance")]
        assert ends == [str(round((NOW - 6) * 1000)), str(round((NOW - 2) * 1000))]


async def test_events_that_come_in_pieces_are_the_same(tmp_path: Path) -> None:
    """However often it is looked, and whenever: no beginning or end is missed or told twice."""
    async with opened(tmp_path) as store:
        await store.state.write(happened)
        events = Events(units(), lambda: BUILT_IN)
        whole = await store.state.read(lambda db: events.after(db, Told(), NOW))
        told, lines = Told(), list[str]()
        for step in range(14):
            found = await store.state.read(partial(events.after, told=told, now=NOW - 13 + step))
            told, lines = found.told, lines + found.lines
        assert sorted(lines) == sorted(whole.lines)


async def test_a_sink_that_begins_with_now_tells_nothing_of_before(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.state.write(happened)
        told = await store.state.read(lambda db: begun(db, NOW, anew=False))
        found = await store.state.read(lambda db: Events(units(), lambda: BUILT_IN).after(db, told, NOW))
        assert found.lines == []


async def test_names_of_units_reach_the_server(tmp_path: Path) -> None:
    async with opened(tmp_path / "state") as store, victoria_metrics(tmp_path) as server:
        await store.state.write(happened)
        async with feeding(fed(store, server.url, units())) as feeder:
            await until(lambda: feeder.sender.sent.points["events"] >= 10)
        found = await server.export('muster_unit_up{unit="th"}')
        assert found[0]["metric"] == {
            "__name__": "muster_unit_up", "unit": "th", "level": "hall", "parent": "gz", "province": "gd",
            "municipal": "gz", "name": "TH", "name_zh": "天河, 厅", "wave": "w1",
        }  # fmt: skip
        assert await server.export('muster_verdict_code{unit="th"}')
