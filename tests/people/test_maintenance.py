"""When announced work is, on both sides of a change of the clock, and what it covers."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.calendars.calendar import ALWAYS_OPEN, Calendar
from monitor.calendars.windows import Window
from monitor.incidents.incident import ISOLATED
from monitor.people.maintenance import Maintenance, Maintenances, Mode, Span, Tree, instant, spans
from monitor.store import maintenance as kept
from monitor.store.database import Database
from monitor.store.people import Moved

SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"
TREE = Tree({"gd": None, "gz": "gd", "gz-tianhe": "gz", "gz-yuexiu": "gz", "sz": "gd"})
WEEK = (((510, 1050),),) * 5 + ((), ())
OFFICE = Calendar("office", SHANGHAI, WEEK, frozenset({date(2027, 1, 1)}), {date(2027, 2, 20): 0})


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def work(scope: str = "gz", **other: object) -> Maintenance:
    values = {"mode": Mode.MUTE, "reason": "r", "actor": "li", "made_at": 0.0, "zone": SHANGHAI, **other}
    return Maintenance(1, scope, **values)  # type: ignore[arg-type]


def shown(found: list[Span], zone: str) -> list[str]:
    where = ZoneInfo(zone)
    return [
        " ".join(datetime.fromtimestamp(edge, where).strftime("%d %H:%M %z") for edge in span)
        for span in found
    ]


def of(found: Maintenance, start: str, end: str, calendar: Calendar | None = None) -> list[str]:
    return shown(spans(found, at(start), at(end), calendar), found.zone)


def test_one_off_work_is_between_its_bounds() -> None:
    found = work(starts_at=100.0, ends_at=200.0)
    assert spans(found, 0, 150) == [(100, 200)]
    assert spans(found, 0, 100) == spans(found, 200, 300) == []
    assert spans(work(starts_at=100.0, ends_at=200.0, ended_at=120.0), 0, 300) == [(100, 120)]
    assert spans(work(starts_at=100.0, ends_at=200.0, ended_at=50.0), 0, 300) == []


def test_a_window_of_the_night_is_one_span() -> None:
    found = work(windows=("sat 22:00-06:00",))
    assert of(found, "2027-01-11T00:00:00+08:00", "2027-01-25T00:00:00+08:00") == [
        "16 22:00 +0800 17 06:00 +0800", "23 22:00 +0800 24 06:00 +0800",
    ]  # fmt: skip
    assert of(found, "2027-01-17T03:00:00+08:00", "2027-01-17T03:01:00+08:00") == [
        "16 22:00 +0800 17 06:00 +0800"
    ]


def test_windows_that_touch_are_one() -> None:
    found = work(windows=("mon 20:00-24:00", "tue 00:00-04:00"))
    assert of(found, "2027-01-11T12:00:00+08:00", "2027-01-12T12:00:00+08:00") == [
        "11 20:00 +0800 12 04:00 +0800"
    ]


@pytest.mark.parametrize(
    ("window", "day", "expected"),
    [
        ("22:00-06:00", "2026-10-31", "31 22:00 -0400 01 06:00 -0500"),
        ("01:30-03:00", "2026-11-01", "01 01:30 -0400 01 03:00 -0500"),
        ("00:30-01:30", "2026-11-01", "01 00:30 -0400 01 01:30 -0500"),
        ("22:00-06:00", "2027-03-13", "13 22:00 -0500 14 06:00 -0400"),
        ("02:30-04:00", "2027-03-14", "14 03:00 -0400 14 04:00 -0400"),
        ("01:00-02:30", "2027-03-14", "14 01:00 -0500 14 03:00 -0400"),
    ],
)
def test_the_clock_is_set_back_and_forward(window: str, day: str, expected: str) -> None:
    name = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[date.fromisoformat(day).weekday()]
    found = work(windows=(f"{name} {window}",), zone=NEW_YORK)
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(NEW_YORK)).timestamp()
    assert shown(spans(found, start, start + 2 * 86400), NEW_YORK) == [expected]


def test_a_window_that_the_clock_skips_is_not() -> None:
    found = work(windows=("sun 02:10-02:50",), zone=NEW_YORK)
    day = at("2027-03-14T00:00:00-05:00")
    assert spans(found, day, day + 86400) == []
    assert len(spans(found, day + 7 * 86400, day + 8 * 86400)) == 1


def test_with_a_calendar_it_recurs_only_while_that_is_closed() -> None:
    found = work(windows=("sat 08:00-18:00",), calendar="office")
    assert of(found, "2027-02-13T00:00:00+08:00", "2027-02-14T00:00:00+08:00", OFFICE) == [
        "13 08:00 +0800 13 18:00 +0800"
    ]
    assert of(found, "2027-02-20T00:00:00+08:00", "2027-02-21T00:00:00+08:00", OFFICE) == [
        "20 08:00 +0800 20 08:30 +0800", "20 17:30 +0800 20 18:00 +0800",
    ], "a Saturday that is a workday"  # fmt: skip
    holiday = work(windows=("fri 10:00-11:00",), calendar="office")
    assert of(holiday, "2027-01-01T00:00:00+08:00", "2027-01-02T00:00:00+08:00", OFFICE) != []
    assert of(holiday, "2027-01-08T00:00:00+08:00", "2027-01-09T00:00:00+08:00", OFFICE) == []
    assert spans(found, at("2027-02-13T00:00:00+08:00"), at("2027-02-14T00:00:00+08:00"), None) == [], (
        "a calendar that is gone mutes nothing"
    )
    assert of(found, "2027-02-13T00:00:00+08:00", "2027-02-14T00:00:00+08:00", ALWAYS_OPEN) == []


WINDOWS = st.builds(
    lambda start, length, day: f"{day}{start // 60:02}:{start % 60:02}-"
    f"{(start + length) % 1440 // 60:02}:{(start + length) % 60:02}",
    st.integers(0, 1439), st.integers(1, 1439), st.sampled_from(["", "sat ", "mon-fri "]),
)  # fmt: skip
MOMENTS = st.integers(int(at("2026-01-01T00:00:00Z")), int(at("2028-01-01T00:00:00Z")))
ZONES = st.sampled_from([SHANGHAI, NEW_YORK, "UTC", "Europe/Berlin", "Australia/Lord_Howe"])


@given(WINDOWS, MOMENTS, ZONES)
def test_away_from_changes_of_the_clock_it_holds_when_the_wall_says_so(
    text: str, now: int, zone: str
) -> None:
    where = ZoneInfo(zone)
    moment = datetime.fromtimestamp(now, where)
    days = (moment - timedelta(days=2), moment, moment + timedelta(days=2))
    if len({each.utcoffset() for each in days}) > 1:
        return
    found = spans(work(windows=(text,), zone=zone), now, now + 60)
    assert any(a <= now < b for a, b in found) is Window.parse(text).holds(moment)


@given(st.lists(WINDOWS, min_size=1, max_size=4), MOMENTS, ZONES, st.integers(1, 20))
def test_spans_are_apart_and_the_same_from_wherever_one_looks(
    texts: list[str], now: int, zone: str, days: int
) -> None:
    found = work(windows=tuple(texts), zone=zone)
    whole = spans(found, now, now + days * 86400)
    assert all(a < b for a, b in whole)
    assert all(first[1] < second[0] for first, second in pairwise(whole))
    middle = now + days * 43200
    here = [each for each in whole if each[0] <= middle < each[1]]
    there = [each for each in spans(found, middle, middle + 60) if each[0] <= middle < each[1]]
    assert [each[0] <= middle for each in there] == [each[0] <= middle for each in here]


@given(MOMENTS, st.integers(0, 2879), ZONES, st.booleans())
def test_an_instant_is_when_the_wall_shows_it(day: int, minute: int, zone: str, last: bool) -> None:
    where = ZoneInfo(zone)
    midnight = datetime.fromtimestamp(day, where).date()
    found = datetime.fromtimestamp(instant(midnight, minute, where, last=last), where)
    wall = datetime.combine(midnight, datetime.min.time()) + timedelta(minutes=minute)
    assert found.replace(tzinfo=None, fold=0) >= wall
    skipped = wall.replace(tzinfo=where, fold=1).utcoffset() != wall.replace(tzinfo=where).utcoffset()
    assert skipped or found.replace(tzinfo=None, fold=0) == wall


def covering(*all_: Maintenance) -> Maintenances:
    found = Maintenances({"office": OFFICE})
    found.adopt(TREE)
    found.put(all_)
    return found


def test_a_unit_is_covered_with_all_below_it() -> None:
    found = covering(work("gz", starts_at=100.0, ends_at=200.0))
    inside = ("gz", "gz/core", "gz/core/icmp", "gz-tianhe", "gz-tianhe/uplink/icmp")
    assert [found.muted(root, 150) for root in inside] == [True] * 5
    assert [found.muted(root, 150) for root in ("gd", "gd/core", "sz/core/icmp", ISOLATED)] == [False] * 4
    assert [found.muted("gz", now) for now in (99.9, 100, 199.9, 200)] == [False, True, True, False]
    assert not found.skipped("gz/core/icmp", 150), "mute probes on"


def test_an_asset_and_a_check_are_covered_alone() -> None:
    asset = covering(work("gz/core", mode=Mode.SKIP, ends_at=200.0))
    assert [asset.skipped(each, 1) for each in ("gz/core/icmp", "gz/web/icmp", "gz-tianhe/core/icmp")] == [
        True, False, False,
    ]  # fmt: skip
    assert asset.muted("gz/core", 1), "what is skipped is muted, too"
    assert not asset.muted("gz", 1)
    check = covering(work("gz/core/icmp", mode=Mode.SKIP, ends_at=200.0))
    assert [check.skipped(each, 1) for each in ("gz/core/icmp", "gz/core/tcp")] == [True, False]
    assert check.excuse("gz/core/icmp", 1) == "maintenance 1: r"
    assert check.excuse("gz/core/tcp", 1) == ""


def test_what_changes_takes_effect_at_once() -> None:
    found = covering()
    assert not found.muted("gz/core", 150)
    found.put([work("gz", ends_at=200.0)])
    assert found.muted("gz-tianhe/core", 150)
    found.adopt(Tree({"gz": None, "gz-tianhe": None}))
    assert not found.muted("gz-tianhe/core", 150)
    found.put([])
    assert not found.muted("gz/core", 150)
    found.put([work("gz", ends_at=200.0)])
    assert found.muted("gz/core", 150)
    assert not found.muted("gz/core", 300)
    assert found.muted("gz/core", 150), "the clock was set back"


def test_a_tree_that_bites_its_tail_is_walked_once() -> None:
    tree = Tree({"a": "b", "b": "a", "c": "b"})
    assert tree.within(["a"]) == {"a", "b", "c"}
    assert tree.upward("c") == ["c", "b", "a"]


def test_what_is_planned_comes_in_order_with_its_next_span() -> None:
    now = at("2027-01-11T12:00:00+08:00")
    found = covering(
        work("gz", windows=("sat 22:00-06:00",)), work("sz", starts_at=now - 60, ends_at=now + 60)
    )
    planned = found.planned(now)
    assert [(each.work.scope, each.active(now)) for each in planned] == [("sz", True), ("gz", False)]
    assert shown([(planned[1].start, planned[1].end)], SHANGHAI) == ["16 22:00 +0800 17 06:00 +0800"]
    assert set(found.at_units(["gz-tianhe", "sz", "gd"], now, 86400)) == {"sz"}
    assert set(found.at_units(["gz-tianhe", "sz", "gd"], now, 7 * 86400)) == {"sz", "gz-tianhe"}


def test_it_is_cheap_to_ask() -> None:
    halls = {f"u{n}": f"c{n % 100}" for n in range(10_000)}
    tree = Tree({"p": None, **{f"c{n}": "p" for n in range(100)}, **halls})
    found = covering(*(work(f"c{n}", mode=Mode.SKIP, ends_at=1e9) for n in range(50)))
    found.adopt(tree)
    assert found.skipped("u49/a/c", 1)
    assert not found.skipped("u50/a/c", 1)
    start = time.process_time()
    for n in range(100_000):
        found.skipped(f"u{n % 10_000}/a/c", 1 + n / 2_000)
    assert time.process_time() - start < 1.0, "10 microseconds a run"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "state.db")


def test_it_is_kept_and_ended_and_survives_a_restart(database: Database, tmp_path: Path) -> None:
    written = work(windows=("sat 22:00-06:00", "sun 22:00-23:00"), calendar="office", mode=Mode.SKIP)
    first = database.write_now(lambda c: kept.add(c, written))
    second = database.write_now(lambda c: kept.add(c, work(starts_at=100.0, ends_at=200.0, windows=())))
    database.close()
    database = Database(tmp_path / "state.db")
    assert database.read_now(lambda c: kept.current(c, 150)) == [first, second]
    assert database.read_now(lambda c: kept.current(c, 250)) == [first]
    assert database.read_now(lambda c: kept.past(c, 250)) == [second]
    ended = database.write_now(lambda c: kept.end(c, first.id, "wang", 260))
    assert (ended.ended_by, ended.bounds[1]) == ("wang", 260)
    assert database.read_now(lambda c: kept.current(c, 260)) == []
    for number, fault in ((first.id, Moved), (second.id, Moved), (9, KeyError)):
        with pytest.raises(fault):
            database.write_now(partial(kept.end, number=number, actor="wang", at=270))
    database.close()


def test_times_are_those_of_utc_without_a_zone() -> None:
    found = work(windows=("00:00-01:00",), zone="")
    day = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    assert spans(found, day, day + 60) == [(day, day + 3600)]
