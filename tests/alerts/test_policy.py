"""Who is told when, from examples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.alerts.notify_settings import NotifySettings
from monitor.alerts.people import Recipient
from monitor.alerts.policy import Policy, Step
from monitor.incidents.incident import ISOLATED, Notice, Severity
from monitor.state import State
from tests.alerts.life import BEGIN, CARD, HOUR, MAIL, Life, event, incident

IT, OPS, VENDOR = "it@example.org", "ops@example.org", "vendor@example.org"


def notify(**tables: object) -> NotifySettings:
    return NotifySettings.model_validate(tables)


def test_without_settings_tiers_are_told_after_half_an_hour_and_two_hours_then_reminders_come() -> None:
    life = Life.of()
    life.until(BEGIN + 9 * HOUR)
    assert life.heard(Notice.OPENED) == [(0, IT)]
    assert life.heard(Notice.ESCALATED) == [(0.5, IT), (0.5, OPS), (2, IT), (2, OPS), (2, VENDOR)]
    assert life.heard(Notice.REMINDER) == [(at, who) for at in (4.0, 8.0) for who in (IT, OPS, VENDOR)]
    life.close()
    assert life.heard(Notice.CLOSED) == [(9, IT), (9, OPS), (9, VENDOR)]
    assert life.incident.next_at is None


def test_a_warning_is_reminded_of_and_does_not_escalate() -> None:
    life = Life.of(state=State.DEGRADED)
    life.until(BEGIN + 5 * HOUR)
    assert [each.notice for each in life.log] == [Notice.OPENED, Notice.REMINDER]


def test_what_gets_critical_counts_from_then() -> None:
    life = Life.of(state=State.DEGRADED)
    life.until(BEGIN + 3 * HOUR)
    life.worse()
    life.until(BEGIN + 3.6 * HOUR)
    assert life.heard(Notice.WORSE) == [(3, IT)]
    assert life.heard(Notice.ESCALATED) == [(3.5, IT), (3.5, OPS)]


def test_an_acknowledgement_holds_until_it_expires_and_then_somebody_is_reminded() -> None:
    life = Life.of()
    life.until(BEGIN + 0.25 * HOUR)
    life.ack(BEGIN + 6 * HOUR)
    life.until(BEGIN + 7 * HOUR)
    assert life.heard(Notice.REMINDER) == [(6, IT)]
    assert life.heard(Notice.ESCALATED) == [(6.5, IT), (6.5, OPS)]


def test_an_acknowledgement_without_end_is_the_last_word_until_it_is_over() -> None:
    life = Life.of()
    life.ack(None)
    assert life.incident.next_at is None
    life.until(BEGIN + 100 * HOUR)
    life.close()
    assert [each.notice for each in life.log] == [Notice.OPENED, Notice.CLOSED]


def test_a_snooze_holds_reminders_and_escalation() -> None:
    life = Life.of()
    life.change(snoozed_until=BEGIN + 3 * HOUR)
    life.until(BEGIN + 3.2 * HOUR)
    assert life.heard(Notice.REMINDER, Notice.ESCALATED) == [(3, IT)]


def test_a_daemon_that_was_stopped_for_a_day_tells_the_highest_tier_and_reminds_once() -> None:
    life = Life.of()
    life.now = BEGIN + 24.5 * HOUR
    life.look()
    life.until(BEGIN + 27 * HOUR)
    assert life.heard(Notice.ESCALATED) == [(24.5, IT), (24.5, OPS), (24.5, VENDOR)]
    assert life.heard(Notice.REMINDER) == []
    life.until(BEGIN + 28 * HOUR)
    assert len(life.heard(Notice.REMINDER)) == 3


def test_quiet_hours_hold_a_warning_until_they_end() -> None:
    quiet = notify(quiet={"windows": ["22:00-07:00"]})
    life = Life.of(quiet, State.DEGRADED, BEGIN + 15 * HOUR)
    assert life.log == []
    life.until(BEGIN + 30 * HOUR)
    assert life.heard(Notice.OPENED) == [(23, IT)]


def test_quiet_hours_count_by_the_clock_of_the_unit() -> None:
    quiet = notify(quiet={"windows": ["22:00-07:00"]})
    card = replace(CARD, timezone="Asia/Shanghai")
    at = BEGIN + 7 * HOUR  # 23:00 in Shanghai
    policy, held = Policy(MAIL, settings=quiet), incident(State.DEGRADED, at)
    assert policy.recipients(event(Notice.OPENED, held, at), card) == ()
    assert policy.next_at(held, at, card) == at + 8 * HOUR
    assert policy.recipients(event(Notice.OPENED, held, at), CARD) != ()


def test_what_ends_at_night_is_told_in_the_morning_to_those_who_knew() -> None:
    life = Life.of(notify(quiet={"windows": ["22:00-07:00"]}), State.DEGRADED, BEGIN + 13 * HOUR)
    life.until(BEGIN + 16 * HOUR)
    life.close()
    [opened, closed] = life.log
    assert (opened.not_before, closed.recipient) == (0, IT)
    assert closed.not_before == BEGIN + 23 * HOUR


NIGHT = {"windows": ["22:00-07:00"]}


def test_reminders_of_the_night_become_one_in_the_morning() -> None:
    """Told at 21:00; reminders would come at 01:00 and 05:00, and come at 07:00, and at 09:00 as ever."""
    life = Life.of(notify(quiet=NIGHT), State.DEGRADED, BEGIN + 13 * HOUR)
    life.until(BEGIN + 24 * HOUR)
    assert life.heard(Notice.REMINDER) == [(23.0, IT)]
    life.until(BEGIN + 26 * HOUR)
    assert life.heard(Notice.REMINDER) == [(23.0, IT), (25.0, IT)]


def test_a_night_without_a_reminder_ends_without_one() -> None:
    life = Life.of(notify(quiet=NIGHT, remind_every=43200), State.DEGRADED, BEGIN + 13 * HOUR)
    life.until(BEGIN + 24.9 * HOUR)
    assert life.heard(Notice.REMINDER) == []


def test_what_was_taken_over_or_is_over_by_the_morning_is_not_reminded_of() -> None:
    acked, over = (Life.of(notify(quiet=NIGHT), State.DEGRADED, BEGIN + 13 * HOUR) for _ in range(2))
    for life in (acked, over):
        life.until(BEGIN + 22 * HOUR)
    acked.ack(None)
    over.close()
    for life in (acked, over):
        life.until(BEGIN + 30 * HOUR)
        assert life.heard(Notice.REMINDER) == []


def test_what_is_critical_goes_through_quiet_hours_unless_told_otherwise() -> None:
    night = BEGIN + 15 * HOUR
    assert Life.of(notify(quiet={"windows": ["22:00-07:00"]}), at=night).log
    every = {"windows": ["22:00-07:00"], "severities": ["critical"]}
    assert not Life.of(notify(quiet=every), at=night).log


def test_a_mute_holds_the_opening_and_never_the_end() -> None:
    mute = [True]
    life = Life(Policy(MAIL, lambda root, now: mute[0]))
    life.tell(Notice.OPENED)
    life.plan()
    life.until(BEGIN + HOUR)
    assert life.log == []
    mute[0] = False
    life.until(BEGIN + 1.1 * HOUR)
    assert len(life.heard(Notice.OPENED)) == 1
    mute[0] = True
    life.until(BEGIN + 20 * HOUR)
    assert life.heard(Notice.REMINDER, Notice.ESCALATED) == []
    life.close()
    assert life.heard(Notice.CLOSED) == [(20, IT)]


def test_what_ended_before_anybody_was_told_ends_in_silence() -> None:
    life = Life.of(notify(quiet={"windows": ["22:00-07:00"]}), State.DEGRADED, BEGIN + 15 * HOUR)
    life.close()
    policy = life.policy
    assert life.log == []
    assert policy.recipients(event(Notice.CLOSED, life.incident), CARD) == ()


def test_minor_things_wait_for_the_digest_until_they_get_worse() -> None:
    life = Life.of(notify(digest={"severities": ["warning"]}), State.DEGRADED)
    assert (life.log, life.incident.next_at) == ([], None)
    life.until(BEGIN + HOUR)
    life.worse()
    assert life.heard(Notice.OPENED) == [(1, IT)]


def test_nobody_is_mailed_where_mail_is_not_set_up() -> None:
    life = Life(Policy())
    life.tell(Notice.OPENED)
    life.plan()
    assert (life.log, life.incident.next_at) == ([], None)


def test_an_escalation_to_nobody_new_is_left_out() -> None:
    life = Life(Policy(MAIL), card=None)
    life.tell(Notice.OPENED)
    life.plan()
    life.until(BEGIN + 5 * HOUR)
    assert [(each.notice, each.recipient) for each in life.log] == [
        (Notice.OPENED, OPS), (Notice.REMINDER, OPS),
    ]  # fmt: skip


ROUTES = notify(
    oncall={"duty": {"people": ["a@example.org", "b@example.org"]}},
    channels={"phone": {"url": "secret:phone", "language": "zh"}},
    routes=[
        {"units": ["isolated-site"], "to": []},
        {"units": ["gd"], "severity": "critical", "to": ["tier1", "phone"], "also": True},
        {"kinds": ["database"], "to": ["dba@example.org"], "escalate": {"tier2": "300"}},
        {"categories": ["network"], "windows": ["sat-sun 00:00-24:00"], "to": ["oncall:duty"]},
        {"severity": "warning", "to": ["tier1"]},
    ],
)
KINDS = {"gz/core/icmp": "channel", "gz/db/pg": "database"}
ABOVE = {"gz": ("gz", "gd"), "isolated-site": ("isolated-site", "gd")}
ROUTED = Policy(
    MAIL, settings=ROUTES, kind=lambda root: KINDS.get(root, ""), above=lambda unit: ABOVE.get(unit, (unit,))
)


@pytest.mark.parametrize(
    ("root", "state", "hours", "who"),
    [
        ("gz/core/icmp", State.DOWN, 0, [IT, "phone"]),
        ("gz/core/icmp", State.DEGRADED, 0, [IT]),
        ("gz/core/icmp", State.DEGRADED, 24, ["a@example.org"]),
        ("gz", State.DEGRADED, 24, ["a@example.org"]),
        ("gz/db/pg", State.DOWN, 24, [IT, "phone", "dba@example.org"]),
        ("gz/db/pg", State.DEGRADED, 0, ["dba@example.org"]),
        ("isolated-site/core/icmp", State.DOWN, 0, []),
        ("other/core/icmp", State.UNKNOWN, 0, [IT]),
        (ISOLATED, State.DOWN, 0, [OPS]),
    ],
)
def test_routes_by_unit_kind_severity_and_time(root: str, state: State, hours: float, who: list[str]) -> None:
    at = BEGIN + hours * HOUR
    card = None if root == ISOLATED else CARD
    found = ROUTED.recipients(event(Notice.OPENED, incident(state, at, root), at), card)
    assert [each.address for each in found] == who
    for each in found:
        if each.address == "phone":
            assert each == Recipient("phone", "phone", "zh", 1)


def test_a_route_brings_its_own_escalation() -> None:
    known = replace(incident(root="gz/db/pg"), notified=True, told_at=BEGIN, tier=1)
    assert ROUTED.due(known, BEGIN + 299, CARD) is None
    assert ROUTED.due(known, BEGIN + 300, CARD) == Step(Notice.ESCALATED, 2)


def test_reminders_can_be_left_out() -> None:
    known = replace(incident(State.DEGRADED), notified=True, told_at=BEGIN, tier=1)
    policy = Policy(MAIL, settings=notify(remind_every=0))
    assert policy.next_at(known, BEGIN + 1, CARD) is None
    assert policy.due(known, BEGIN + 1e9, CARD) is None


def test_a_route_that_names_nobody_is_asked_again_where_it_counts_at_times_only() -> None:
    rules = notify(routes=[{"windows": ["mon-fri 00:00-24:00"], "to": []}])
    policy = Policy(MAIL, settings=rules)
    assert policy.next_at(incident(), BEGIN, CARD) == BEGIN + 600
    assert policy.due(incident(), BEGIN, CARD) is None
    saturday = BEGIN + 24 * HOUR
    assert policy.due(incident(), saturday, CARD) == Step(Notice.OPENED, 1)
    assert incident().severity is Severity.CRITICAL
