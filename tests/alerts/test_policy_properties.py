"""What holds of every life of an incident, whatever people, quiet hours, mutes and pauses do to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerts.notify_settings import NotifySettings
from monitor.alerts.oncall import Rotation
from monitor.alerts.policy import Policy, quiet_end
from monitor.calendars.windows import Window, any_holds
from monitor.incidents.incident import Notice, Severity
from monitor.state import State
from tests.alerts.life import BEGIN, HOUR, MAIL, Life, incident

ALL = list(Severity)
MINUTES = st.integers(1, 20 * 60).map(lambda n: n * 60.0)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Shanghai"])
WINDOWS = st.sampled_from(
    ["22:00-07:00", "mon-fri 12:00-13:00", "sat-sun 00:00-24:00", "07:00-08:00", "sun 23:30-00:30"]
)
STEPS = st.one_of(
    st.tuples(st.just("wait"), MINUTES),
    st.tuples(st.just("stopped"), MINUTES),
    st.tuples(st.just("ack"), st.none() | MINUTES),
    st.tuples(st.just("snooze"), MINUTES),
    st.tuples(st.sampled_from(["mute", "worse"]), st.none()),
)


@st.composite
def rules(draw: st.DrawFn) -> NotifySettings:
    tables: dict[str, object] = {
        "remind_every": draw(st.sampled_from([0, 900, 14400])),
        "quiet": {
            "windows": draw(st.lists(WINDOWS, max_size=3)),
            "severities": draw(st.sets(st.sampled_from(ALL))),
        },
        "escalate": {
            "critical": draw(st.sampled_from([{}, {"tier2": 1800, "tier3": 7200}, {"tier3": 60}])),
            "warning": draw(st.sampled_from([{}, {"tier2": 3600}])),
        },
    }  # fmt: skip
    if draw(st.booleans()):
        tables["digest"] = {"severities": ["warning"]}
    return NotifySettings.model_validate(tables)


Steps = list[tuple[str, float | None]]
Spans = list[tuple[float, float]]


def live(given_: NotifySettings, state: State, steps: Steps) -> tuple[Life, Spans]:
    """Lead a life through steps; return it with the spans in which nobody may be reminded."""
    mute = [False]
    life = Life(Policy(MAIL, lambda root, now: mute[0], given_), incident(state))
    life.tell(Notice.OPENED)
    life.plan()
    rests: Spans = []
    for what, value in steps:
        if what == "wait":
            life.until(life.now + (value or 0))
        elif what == "stopped":
            life.now += value or 0
            life.until(life.now)
        elif what == "ack":
            until = None if value is None else life.now + value
            life.ack(until)
            rests.append((life.now, float("inf") if until is None else until))
        elif what == "snooze":
            life.change(snoozed_until=life.now + (value or 0))
            rests.append((life.now, life.now + (value or 0)))
        elif what == "mute":
            mute[0] = not mute[0]
        elif life.incident.state is not State.DOWN:
            life.worse()
    return life, _last_word(rests)


def _last_word(rests: Spans) -> Spans:
    """An acknowledgement or snooze counts until the next of its kind; cut at the next of any."""
    following = [begin for begin, _ in rests[1:]] + [float("inf")]
    return [(begin, min(end, cut)) for (begin, end), cut in zip(rests, following, strict=False)]


LIVES = st.tuples(rules(), st.sampled_from([State.DOWN, State.DEGRADED]), st.lists(STEPS, max_size=12))


@settings(max_examples=40)
@given(LIVES)
def test_whoever_was_told_of_an_opening_is_told_of_the_end_once_and_nobody_else(
    drawn: tuple[NotifySettings, State, Steps],
) -> None:
    life, _ = live(*drawn)
    knew = set(life.told)
    life.close()
    assert set(life.count(Notice.CLOSED)) == knew
    assert all(count == 1 for count in life.count(Notice.CLOSED).values())
    assert life.policy.next_at(life.incident, life.now, life.card) is None
    assert life.policy.due(life.incident, life.now + 1e6, life.card) is None


@settings(max_examples=40)
@given(LIVES)
def test_an_opening_is_told_once_and_a_moment_at_most_once(
    drawn: tuple[NotifySettings, State, Steps],
) -> None:
    life, _ = live(*drawn)
    assert all(count == 1 for count in life.count(Notice.OPENED).values())
    occasions = [(each.at, each.notice, each.recipient) for each in life.log]
    assert len(set(occasions)) == len(occasions)
    escalations = [each for each in life.log if each.notice is Notice.ESCALATED]
    tiers = [each.tier for each in escalations]
    assert tiers == sorted(tiers)
    assert len({(each.tier, each.recipient) for each in escalations}) == len(tiers)


@settings(max_examples=40)
@given(LIVES)
def test_nothing_escalates_or_reminds_while_it_is_acknowledged_or_snoozed(
    drawn: tuple[NotifySettings, State, Steps],
) -> None:
    life, rests = live(*drawn)
    life.until(life.now + 30 * HOUR)
    for told in life.log:
        if told.notice in (Notice.ESCALATED, Notice.REMINDER):
            assert not any(begin < told.at < end for begin, end in rests), told


@settings(max_examples=40)
@given(LIVES)
def test_looking_always_goes_on_and_is_seldom(
    drawn: tuple[NotifySettings, State, Steps],
) -> None:
    life, _ = live(*drawn)
    begin, before = life.now, life.looks
    life.until(begin + 24 * HOUR)
    assert life.looks - before <= 24 * 60 + 10
    planned = life.incident.next_at
    assert planned is None or planned > life.now


@given(rules(), st.sampled_from([State.DOWN, State.DEGRADED]), st.integers(0, 7 * 24 * 60), MINUTES)
def test_what_was_held_is_told_once_when_the_quiet_and_the_mute_are_over(
    rules_: NotifySettings, state: State, minute: int, muted: float
) -> None:
    at = BEGIN + minute * 60
    life = Life(Policy(MAIL, lambda root, now: now < at + muted, rules_), incident(state, at), now=at)
    life.tell(Notice.OPENED)
    life.plan()
    life.until(at + muted + 3 * 24 * HOUR)
    digested = state is State.DEGRADED and bool(rules_.digest.severities)
    assert sum(life.count(Notice.OPENED).values()) == (0 if digested else 1)
    quiet = [Window.parse(text) for text in rules_.quiet.windows]
    for told in life.log:
        hushed = life.incident.severity in rules_.quiet.severities and any(
            window.holds(datetime.fromtimestamp(told.at, UTC)) for window in quiet
        )
        assert not hushed
        assert told.at >= at + muted


@given(
    st.lists(WINDOWS, min_size=1), st.integers(0, 366 * 24 * 60), st.sampled_from(["UTC", "Europe/Berlin"])
)
def test_quiet_ends_at_the_first_moment_outside(texts: list[str], minute: int, zone: str) -> None:
    windows = [Window.parse(text) for text in texts]
    moment = datetime.fromtimestamp(BEGIN + minute * 60, ZoneInfo(zone))
    end = datetime.fromtimestamp(quiet_end(windows, moment), ZoneInfo(zone))
    assert end >= moment
    assert not any_holds(windows, end)
    before = (end.astimezone(UTC) - timedelta(minutes=1)).astimezone(ZoneInfo(zone))
    assert end == moment or any_holds(windows, before)


PEOPLE = ("a@example.org", "b@example.org", "c@example.org")


@given(st.integers(0, 400 * 24 * 60), ZONES)
def test_a_turn_lasts_from_handover_to_handover_and_everybody_has_one(minute: int, zone: str) -> None:
    rotation = Rotation(people=PEOPLE, handover="wed 09:00", zone=zone)
    now = BEGIN + minute * 60
    local = datetime.fromtimestamp(now, ZoneInfo(zone)).replace(tzinfo=None)
    begin = (local - timedelta(hours=9)).date()
    begin -= timedelta(days=(begin.weekday() - 2) % 7)
    handover = datetime(begin.year, begin.month, begin.day, 9, tzinfo=ZoneInfo(zone)).timestamp()
    assert rotation.at(now) == rotation.at(handover)
    assert rotation.at(handover) != rotation.at(handover - 1)
    assert {rotation.at(handover + week * 7 * 86400 + 7200) for week in range(3)} == set(PEOPLE)
