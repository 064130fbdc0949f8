"""What people read: in both languages, short, in the unit's time, and safe whatever a target sends."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.account import moment
from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.notices import Notices
from monitor.alerts.people import Card
from monitor.alerts.texts import TEXTS, cause, lasted
from monitor.child.wire import UnitCard
from monitor.incidents.incident import BY_HAND, REMOVED, Event, Incident, Notice, Severity
from monitor.state import Phase, State, Transition
from probes.api import Outcome
from probes.errors import ERROR_KINDS, FAILURE_KINDS

OPENED_AT = 1_800_000_120.0
CARD = UnitCard(
    "gz-tianhe", "Tianhe service hall", "天河营业厅", "gz", "hall", "Asia/Shanghai", "service-hall", "w3", {},
    {"tier1": ("it@gz.example",), "tier2": ("ops@gd.example",)},
)  # fmt: skip
INCIDENT = Incident(
    17, 1, "gz-tianhe/uplink/icmp", "unreachable", "no echo came back", State.DOWN, State.DOWN,
    OPENED_AT - 60, OPENED_AT, None, True, severity=Severity.CRITICAL,
)  # fmt: skip
DOWN = Transition(
    INCIDENT.root, State.OK, State.DOWN, Phase.STEADY, OPENED_AT, OPENED_AT - 60, OPENED_AT - 1,
    Outcome.FAILED, "unreachable", "no echo came back",
)  # fmt: skip
BACK = replace(
    DOWN, before=State.DOWN, after=State.OK, at=OPENED_AT + 840, since=OPENED_AT + 720, kind="", detail=""
)
CLOSED = replace(INCIDENT, state=State.OK, closed_at=BACK.at)
SETTINGS = MailSettings(host="mail.example", sender="muster@gd.example", to=("ops@gd.example",))


def notices(settings: MailSettings = SETTINGS, card: Card | None = CARD) -> Notices:
    return Notices(settings, lambda unit: card, lambda check: "10.1.2.1")


def test_the_opening_mail() -> None:
    [mail] = notices()(Event(Notice.OPENED, INCIDENT, DOWN))
    assert mail.recipient == "it@gz.example"
    assert mail.subject == "✖ DOWN: Tianhe service hall, uplink/icmp, unreachable"
    assert mail.body == (
        "Tianhe service hall: uplink/icmp is DOWN: unreachable.\n"
        "\n"
        "Unit: Tianhe service hall (gz-tianhe)\n"
        "Check: gz-tianhe/uplink/icmp\n"
        "Target: 10.1.2.1\n"
        "State: DOWN\n"
        "Severity: critical\n"
        "Cause: unreachable\n"
        "Detail: no echo came back\n"
        "Since: 2027-01-15 16:01:00 +08:00\n"
        "Decided by the run of: 2027-01-15 16:01:59 +08:00\n"
        "Incident: 17\n"
        "\n"
        "What to do\n"
        "- Look whether the device has power and its cable is plugged in; from the machine of Muster, trace"
        " the route to the address to see where it ends.\n"
        "\n"
        "Acknowledge\n"
        "on the server: muster incident ack 17\n"
        "\n"
        "One more mail follows when it is over, and one if it gets worse.\n"
    )
    assert mail.in_reply_to == ""
    assert mail.expires_at == OPENED_AT + 3 * 86400


def test_the_closing_mail_replies_to_the_opening_one_and_tells_how_long_it_was() -> None:
    [opened] = notices()(Event(Notice.OPENED, INCIDENT, DOWN))
    [closed] = notices()(Event(Notice.CLOSED, CLOSED, BACK))
    assert closed.in_reply_to == opened.message_id != closed.message_id
    assert closed.thread == opened.thread
    assert closed.subject == "✔ OK again: Tianhe service hall, uplink/icmp, was DOWN (unreachable) for 13 min"
    assert "Until: 2027-01-15 16:14:00 +08:00\nLasted: 13 min\n" in closed.body
    assert closed.body.endswith("This is the final state of incident 17.\n")


def test_in_chinese_for_who_reads_chinese() -> None:
    settings = SETTINGS.model_copy(update={"languages": {"it@gz.example": "zh"}})
    [opened] = notices(settings)(Event(Notice.OPENED, INCIDENT, DOWN))
    assert opened.subject == "✖ 中断：天河营业厅，uplink/icmp，不可达"
    assert opened.body.startswith("天河营业厅：uplink/icmp 当前状态为中断：不可达。\n")
    [closed] = notices(settings)(Event(Notice.CLOSED, CLOSED, BACK))
    assert closed.in_reply_to == opened.message_id
    assert closed.subject == "✔ 已恢复正常：天河营业厅，uplink/icmp，此前中断（不可达），持续 13 分钟"


def test_getting_worse_is_told_in_the_same_thread() -> None:
    worse = replace(INCIDENT, version=2)
    [mail] = notices()(Event(Notice.WORSE, worse, replace(DOWN, before=State.DEGRADED)))
    assert mail.subject.startswith("✖ now DOWN: ")
    assert mail.in_reply_to


def test_a_removed_check_does_not_claim_to_be_repaired() -> None:
    gone = replace(DOWN, after=State.UNKNOWN, kind=REMOVED, at=OPENED_AT + 900)
    [mail] = notices()(Event(Notice.CLOSED, replace(INCIDENT, closed_at=gone.at), gone))
    assert "OK" not in mail.subject
    assert "does not say that the fault is gone" in mail.body


def test_the_same_event_gives_the_same_message() -> None:
    event = Event(Notice.OPENED, INCIDENT, DOWN)
    assert notices()(event) == notices()(event)
    restored = Event(Notice.OPENED, replace(INCIDENT, opened_at=OPENED_AT + 9), DOWN)
    assert notices()(restored)[0].message_id != notices()(event)[0].message_id


@pytest.mark.parametrize(
    ("settings", "card", "people"),
    [
        (SETTINGS, CARD, ["it@gz.example"]),
        (SETTINGS, replace(CARD, contacts={}), ["ops@gd.example"]),
        (SETTINGS, None, ["ops@gd.example"]),
        (SETTINGS, replace(CARD, contacts={"tier1": ("a@x.example", "a@x.example")}), ["a@x.example"]),
        (SETTINGS.model_copy(update={"to": ()}), replace(CARD, contacts={}), []),
        (SETTINGS.model_copy(update={"host": ""}), CARD, []),
    ],
)
def test_who_is_told(settings: MailSettings, card: Card | None, people: list[str]) -> None:
    told = notices(settings, card)(Event(Notice.OPENED, INCIDENT, DOWN))
    assert [mail.recipient for mail in told] == people


def test_the_end_is_told_to_those_who_heard_of_the_beginning() -> None:
    told = ("old@gz.example",)
    [closed] = notices()(Event(Notice.CLOSED, CLOSED, BACK, told))
    assert closed.recipient == "old@gz.example"
    worse = notices()(Event(Notice.WORSE, INCIDENT, DOWN, told))
    assert [mail.recipient for mail in worse] == ["old@gz.example", "it@gz.example"]


@given(st.text(), st.text(), st.text(max_size=3000), st.text(), st.sampled_from(["en", "zh"]))
def test_whatever_names_and_targets_say(name: str, kind: str, detail: str, zone: str, language: str) -> None:
    settings = SETTINGS.model_copy(update={"language": language})
    card = replace(CARD, name=name, name_zh=name, timezone=zone)
    incident = replace(INCIDENT, kind=kind, detail=detail)
    [mail] = notices(settings, card)(Event(Notice.OPENED, incident, DOWN))
    assert mail.subject.isprintable()
    assert len(mail.subject) <= 250
    assert all(line.isprintable() for line in mail.body.split("\n"))
    assert mail.body.count("\n") <= 23
    assert len(mail.body) < 3000


def test_both_languages_say_the_same_things() -> None:
    def places(template: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(template) if name}

    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key, template in TEXTS["en"].items():
        assert places(template) == places(TEXTS["zh"][key]), key


@pytest.mark.parametrize("language", TEXTS)
def test_no_form_state_or_severity_is_without_words(language: str) -> None:
    forms = [*(each.value for each in Notice), REMOVED, BY_HAND]
    wanted = [f"{part}.{form}" for part in ("subject", "lead") for form in forms]
    wanted += [f"state.{each}" for each in State] + [f"severity.{each}" for each in Severity]
    assert [key for key in wanted if key not in TEXTS[language]] == []


@pytest.mark.parametrize("kind", [*FAILURE_KINDS, *ERROR_KINDS, "flapping", "silent", "not_measured"])
def test_every_kind_has_a_name_in_chinese(kind: str) -> None:
    assert cause("zh", kind) != kind


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (-5, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7500, "2 h 5 min"), (90000, "1 d 1 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert lasted("en", seconds) == text


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "\0"])
def test_an_unknown_zone_is_utc(zone: str) -> None:
    assert moment(OPENED_AT, zone) == "2027-01-15 08:02:00 +00:00"
