"""The forecast against its paragraph: every combination of what can be known of a unit, and properties."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.calendars.calendar import ALWAYS_OPEN
from monitor.roadmap.forecast import STATUSES, Forecast, Open, Situation, Terms, forecast
from monitor.roadmap.words import said
from tests.roadmap.test_workdays import CHINA

TODAY = date(2026, 11, 24)
TERMS = Terms(ALWAYS_OPEN, 3, 2)
DAY_S = 86_400.0


def ahead(days: int) -> date:
    return TODAY + timedelta(days=days)


ROWS = {
    "nothing": None,
    "in time": Open("li", ahead(5)),
    "just in time": Open("li", ahead(18)),
    "too late": Open("li", ahead(30)),
    "overdue": Open("li", ahead(-2)),
    "no date": Open("li", None),
    "no owner": Open("", ahead(5)),
    "nobody": Open(),
    "soaks": Open(soaking=True, soak_s=2 * DAY_S),
    "soaks too long": Open(soaking=True, soak_s=30 * DAY_S),
}
DATES = {"none": None, "past": ahead(-1), "today": TODAY, "far": ahead(20)}
VERDICTS = ("READY", "CONDITIONAL", "NOT_READY", "UNKNOWN")
FLAGS = tuple(itertools.product((False, True), repeat=4))


def expected(go_live: date | None, kinds: set[str], verdict: str, flags: tuple[bool, ...]) -> str | None:
    """Return what the paragraph says, written another way."""
    approvals, waiver, signed, regressed = flags
    if go_live is None:
        return None
    if signed:
        return "on_track"
    if go_live < TODAY:
        return "late"
    left = (go_live - TODAY).days
    ends = {"in time": 5, "no owner": 5, "just in time": 18, "too late": 30, "overdue": 0, "soaks": 1,
            "soaks too long": 29}  # fmt: skip
    days = [ends[kind] for kind in kinds if kind in ends] + [2] * approvals
    if max(days, default=0) > left:
        return "late"
    if kinds & {"no date", "no owner", "nobody", "overdue"} or waiver or regressed:
        return "at_risk"
    if not kinds and verdict not in ("READY", "CONDITIONAL"):
        return "at_risk"
    waits = bool(kinds or approvals) or verdict not in ("READY", "CONDITIONAL")
    return "at_risk" if waits and left - max(days, default=0) < 3 else "on_track"


def combinations() -> Iterator[tuple[str, str, str]]:
    yield from itertools.product(DATES, ROWS, ROWS)


@pytest.mark.parametrize(("day", "one", "two"), list(combinations()))
def test_all_combinations(day: str, one: str, two: str) -> None:
    kinds = {one, two} - {"nothing"}
    rows = [row for name in (one, two) if (row := ROWS[name]) is not None]
    for verdict, flags in itertools.product(VERDICTS, FLAGS):
        approvals, waiver, signed, regressed = flags
        now = Situation(
            TODAY,
            DATES[day],
            verdict,
            DAY_S,
            rows,
            int(approvals),
            (),
            (ahead(0),) * waiver,
            signed,
            regressed,
        )
        found = forecast(now, TERMS)
        assert found.status == expected(DATES[day], kinds, verdict, flags), (verdict, flags, found)
        assert found.reasons
        assert all(said(each) and said(each, "zh") for each in found.reasons)


def of(*rows: Open, go_live: int | None = 20, **more: object) -> Forecast:
    base = Situation(TODAY, None if go_live is None else ahead(go_live), "NOT_READY", DAY_S, rows)
    return forecast(replace(base, **more), TERMS)  # type: ignore[arg-type]


def test_the_latest_decides() -> None:
    rows = (Open("li", ahead(4)), Open(soaking=True, soak_s=6.5 * DAY_S))
    assert (of(*rows).earliest_ready, of(*rows).decided_by) == (ahead(6), "soak")
    found = of(*rows, Open("li", ahead(9)), approvals=1)
    assert (found.earliest_ready, found.decided_by, found.slack) == (ahead(9), "remediation", 11)
    found = of(approvals=1, verdict="CONDITIONAL")
    assert (found.earliest_ready, found.decided_by) == (ahead(2), "approval")
    found = of(attestations=(ahead(11), ahead(40)), verdict="READY")
    assert (found.earliest_ready, found.decided_by, found.status) == (ahead(11), "attestation", "on_track")


def test_what_is_mended_has_to_soak() -> None:
    assert of(Open("li", ahead(4), soak_s=3 * DAY_S)).earliest_ready == ahead(7)
    assert of(Open("li", ahead(18), soak_s=3 * DAY_S)).status == "late"


def test_a_soak_that_ends_today_and_one_after_midnight() -> None:
    row = Open(soaking=True, soak_s=3600)
    assert of(row, left_today_s=3601.0).earliest_ready == TODAY
    assert of(row, left_today_s=3599.0).earliest_ready == ahead(1)


def test_without_dates_nobody_can_say() -> None:
    found = of(Open("li", ahead(3)), Open("li"))
    assert (found.earliest_ready, found.slack, found.status) == (None, None, "at_risk")
    assert [each.code for each in found.reasons] == ["unowned"]
    late = of(Open("li", ahead(30)), Open("li"))
    assert (late.earliest_ready, late.status) == (None, "late"), "what is known is too late already"


def test_slack_is_workdays_and_says_where_holidays_are_unknown() -> None:
    terms = Terms(CHINA, 3, 2)
    now = Situation(TODAY, date(2026, 12, 31), "NOT_READY", DAY_S, (Open("li", date(2026, 12, 24)),))
    found = forecast(now, terms)
    assert (found.slack, found.holidays_unknown) == (5, False)
    assert forecast(replace(now, go_live=date(2027, 1, 15)), terms).holidays_unknown


OPEN = st.builds(
    Open, st.sampled_from(["", "li"]), st.none() | st.dates(ahead(-40), ahead(400)), st.booleans(),
    st.floats(0, 90 * DAY_S),
)  # fmt: skip
SITUATIONS = st.builds(
    Situation, st.just(TODAY), st.none() | st.dates(ahead(-40), ahead(400)), st.sampled_from(VERDICTS),
    st.floats(1, DAY_S), st.lists(OPEN, max_size=6), st.integers(0, 3),
    st.lists(st.dates(ahead(-5), ahead(400)), max_size=3),
    st.lists(st.dates(ahead(-5), ahead(400)), max_size=2),
    st.booleans(), st.booleans(),
)  # fmt: skip
CHINESE = Terms(CHINA, 3, 2)


@given(SITUATIONS)
def test_an_open_row_without_owner_and_date_is_never_on_track(now: Situation) -> None:
    found = forecast(now, CHINESE)
    if any(not row.settled for row in now.open) and not now.signed:
        assert found.status != "on_track"
    if now.verdict not in ("READY", "CONDITIONAL") and not now.open and not now.signed:
        assert found.status != "on_track"
        assert found.earliest_ready is None


@given(SITUATIONS)
def test_slack_and_status_agree(now: Situation) -> None:
    found = forecast(now, CHINESE)
    assert (found.status is None) == (now.go_live is None)
    if found.slack is not None and found.slack < 0:
        assert found.status == "late" or now.signed
    if found.status == "on_track" and found.earliest_ready and not now.signed:
        assert now.go_live is not None
        assert found.earliest_ready <= now.go_live


@given(SITUATIONS, st.dates(ahead(0), ahead(400)))
def test_one_more_row_never_makes_it_better(now: Situation, due: date) -> None:
    more = replace(now, open=[*now.open, Open("li", due)])
    before, after = forecast(now, CHINESE), forecast(more, CHINESE)
    if before.status is not None and after.status is not None and now.open:
        assert STATUSES.index(after.status) <= STATUSES.index(before.status)
    if before.earliest_ready and after.earliest_ready:
        assert after.earliest_ready >= before.earliest_ready


@given(SITUATIONS, st.integers(1, 60))
def test_a_later_go_live_is_never_worse(now: Situation, days: int) -> None:
    if now.go_live is None or now.waivers or now.attestations:
        return
    before = forecast(now, CHINESE)
    after = forecast(replace(now, go_live=now.go_live + timedelta(days=days)), CHINESE)
    assert before.status is not None
    assert after.status is not None
    assert STATUSES.index(after.status) >= STATUSES.index(before.status)
