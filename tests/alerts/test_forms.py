"""Each form of notice, for each kind of root, in both languages: subjects and texts word for word."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from monitor.alerts.advice_texts import ADVICE, OTHER
from monitor.alerts.mail_settings import Language, MailSettings
from monitor.alerts.mime import render
from monitor.alerts.notices import Context, Notices
from monitor.alerts.people import Recipient
from monitor.alerts.policy import Policy
from monitor.alerts.texts import text
from monitor.incidents.incident import Event, Notice
from monitor.messages.message import Message, content_id
from monitor.state import DRIFTS
from probes.errors import ERROR_KINDS, FAILURE_KINDS
from tests.alerts import samples
from tests.alerts.samples import AT, EVENTS

SUBJECTS: dict[str, tuple[str, str]] = {
    "outage": ("✖ DOWN: Tianhe service hall, uplink, unreachable", "✖ 中断：天河营业厅，uplink，不可达"),
    "degradation": (
        "◐ DEGRADED: Tianhe service hall, uplink/icmp, worse than usual",
        "◐ 劣化：天河营业厅，uplink/icmp，明显差于平时",
    ),
    "worse": (
        "✖ now DOWN: Tianhe service hall, uplink/icmp, no answer in time",
        "✖ 已恶化为中断：天河营业厅，uplink/icmp，超时无应答",
    ),
    "residue": (
        "◐ partly back: Tianhe service hall, uplink serves again, 2 are still failing",
        "◐ 部分恢复：天河营业厅，uplink 已恢复，2 项仍有故障",
    ),
    "escalation": (
        "✖ unacknowledged for 30 min, DOWN: Tianhe service hall, uplink, unreachable",
        "✖ 30 分钟无人确认，中断：天河营业厅，uplink，不可达",
    ),
    "reminder": (
        "✖ still DOWN after 1 h 1 min: Tianhe service hall, uplink, unreachable",
        "✖ 1 小时 1 分钟后仍为中断：天河营业厅，uplink，不可达",
    ),
    "recovery": (
        "✔ OK again: Tianhe service hall, uplink, was DOWN (unreachable) for 14 min",
        "✔ 已恢复正常：天河营业厅，uplink，此前中断（不可达），持续 14 分钟",
    ),
    "removed": (
        "? no longer watched: Tianhe service hall, uplink, was DOWN (unreachable)",
        "? 不再监测：天河营业厅，uplink，此前中断（不可达）",
    ),
    "by hand": (
        "✖ closed by hand: Tianhe service hall, uplink, DOWN (unreachable) for 16 min 45 s",
        "✖ 已人工关闭：天河营业厅，uplink，中断（不可达），持续 16 分钟 45 秒",
    ),
    "below": (
        "✖ DOWN: Guangzhou bureau, link to the units below, 9 units fail together",
        "✖ 中断：广州供电局，通往下属单位的线路，9 个单位同时故障（推断）",
    ),
    "isolated": (
        "✖ DOWN: Muster, its own line, no witness answers",
        "✖ 中断：Muster，自身线路，见证点均无应答",
    ),
    "rejoined": (
        "✔ OK again: Muster, its own line, was DOWN (no witness answers) for 14 min",
        "✔ 已恢复正常：Muster，自身线路，此前中断（见证点均无应答），持续 14 分钟",
    ),
}


def written(name: str, language: Language) -> Message:
    event, context = EVENTS[name]
    return of(event, context, language)


def of(event: Event, context: Context, language: Language = "en") -> Message:
    settings = MailSettings(host="mail.example", sender="muster@gd.example", language=language)
    named = settings.model_copy(update={"to": ("ops@gd.example",)})
    made = Notices(named, samples.CARDS.get, lambda root: "", context=lambda event: context)(event)
    return made[0]


def test_every_sample_has_its_subjects() -> None:
    assert SUBJECTS.keys() == EVENTS.keys()


@pytest.mark.parametrize("name", EVENTS)
def test_the_subject_says_unit_cause_and_state(name: str) -> None:
    assert (written(name, "en").subject, written(name, "zh").subject) == SUBJECTS[name]


def test_the_text_of_an_outage() -> None:
    assert written("outage", "en").body == (
        "Tianhe service hall: uplink is DOWN: unreachable.\n"
        "\n"
        "Unit: Tianhe service hall (gz-tianhe)\n"
        "Asset: gz-tianhe/uplink\n"
        "Target: 10.1.2.1\n"
        "State: DOWN\n"
        "Severity: critical\n"
        "Cause: unreachable\n"
        "Detail: no echo came back\n"
        "Since: 2027-01-15 16:00:15 +08:00\n"
        "Decided by the run of: 2027-01-15 16:00:15 +08:00\n"
        "Incident: 17\n"
        "\n"
        "Affected (14)\n"
        "✖ gz-tianhe/uplink/icmp: DOWN, unreachable, 16:00:15 +08:00\n"
        "✖ gz-tianhe/uplink/throughput: DOWN, no answer in time, 16:00:35 +08:00\n"
        "⋯ gz-tianhe/pc1/icmp-host: SHADOWED, unreachable, 16:00:20 +08:00\n"
        "⋯ gz-tianhe/pc2/icmp-host: SHADOWED, unreachable, 16:00:23 +08:00\n"
        "⋯ gz-tianhe/counter/http: SHADOWED, no answer in time, 16:00:46 +08:00\n"
        "and 9 more\n"
        "\n"
        "What to do\n"
        "- The channel answers: Look at the router's lights and the cable at both ends, then report the"
        " fault to the carrier with the circuit number.\n"
        "\n"
        "Acknowledge\n"
        "on the server: muster incident ack 17\n"
        "or on its page: https://muster.gd.example/incidents/17\n"
        "\n"
        "One more mail follows when it is over, and one if it gets worse.\n"
    )


def test_the_text_of_a_residue_in_chinese() -> None:
    assert written("residue", "zh").body == (
        "天河营业厅：uplink 已恢复。受其影响的项目中，2 项仍有故障。\n"
        "\n"
        "单位：天河营业厅 (gz-tianhe)\n"
        "资产：gz-tianhe/uplink\n"
        "目标：10.1.2.1\n"
        "状态：中断\n"
        "紧急程度：紧急\n"
        "原因：不可达\n"
        "详情：no echo came back\n"
        "开始时间：2027-01-15 16:00:15 +08:00\n"
        "判定依据的检测时间：2027-01-15 16:00:15 +08:00\n"
        "事件编号：17\n"
        "\n"
        "仍有故障（2）\n"
        "⋯ gz-tianhe/pc1/icmp-host：受上级影响，不可达，16:00:20 +08:00\n"
        "✖ gz-tianhe/counter\n"
        "\n"
        "处理建议\n"
        "- 通道连通：检查两端路由器指示灯和网线，然后携带电路编号向运营商报障。\n"
        "\n"
        "确认事件\n"
        "在服务器上执行：muster incident ack 17\n"
        "或在事件页面上确认：https://muster.gd.example/incidents/17\n"
        "\n"
        "恢复后将再发一封邮件；如继续恶化也会另行通知。\n"
    )


def test_the_text_of_a_recovery_asks_for_nothing() -> None:
    body = written("recovery", "en").body
    assert body.startswith("Tianhe service hall: uplink is OK again. It was DOWN (unreachable) for 14 min.\n")
    assert "Until: 2027-01-15 16:14:15 +08:00\nLasted: 14 min\n" in body
    assert "What to do" not in body
    assert "incident ack" not in body
    assert body.endswith(
        "https://muster.gd.example/incidents/17\n\nThis is the final state of incident 17.\n"
    )


def test_what_is_required_is_told_of_what_is_merely_slow() -> None:
    assert "Required: rtt_ms <= 58.3 ms\n" in written("degradation", "en").body
    assert "Required" not in written("outage", "en").body


def test_a_person_s_closing_does_not_claim_that_it_is_repaired() -> None:
    body = written("by hand", "en").body
    assert "OK" not in body
    assert "where that goes on, a new incident opens" in body
    assert "incident ack" not in body


def test_units_behind_a_root_that_is_not_measured() -> None:
    body = written("below", "en").body
    assert body.startswith(
        "The channels of 9 units below Guangzhou bureau fail together. The cause lies at"
        " Guangzhou bureau or on the way to it.\n"
    )
    assert "Affected (31)\n⋯ gz-conghua/uplink/icmp: SHADOWED" in body
    assert "What to do\n- Look at the line and the router that these have in common" in body


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", [*FAILURE_KINDS, *ERROR_KINDS, *DRIFTS, "flapping", "silent", "not_measured",
                                  "degradation", "overload", "something_new"])  # fmt: skip
def test_no_mail_of_what_is_open_is_without_a_next_step(kind: str, language: Language) -> None:
    body = of(samples.event(Notice.OPENED, replace(samples.DOWN, kind=kind)), Context(), language).body
    said = ADVICE[language][OTHER if kind == "something_new" else "drift" if kind in DRIFTS else kind]
    assert f"{text(language, 'title.steps')}\n- {said}\n" in body


def test_the_table_of_advice_says_the_same_in_both_languages() -> None:
    assert ADVICE["en"].keys() == ADVICE["zh"].keys()


def test_the_monitor_itself_is_cut_off() -> None:
    body = written("isolated", "en").body
    assert body.startswith("Muster itself is cut off: none of its witnesses answers.")
    assert "Unit:" not in body
    assert "Check the line, the switch port and the name service of the machine that Muster runs on" in body
    assert "cut off for 14 min" in written("rejoined", "en").body


def test_who_acknowledged_until_when() -> None:
    assert (
        "Acknowledged: by li, until 2027-01-15 17:02:00 +08:00: carrier called, ticket 5531\n"
        in written("reminder", "en").body
    )


def test_a_whole_unit_and_an_undecided_cause() -> None:
    whole = replace(samples.BELOW, kind="unreachable")
    mail = of(samples.event(Notice.OPENED, whole), Context())
    assert mail.subject == "✖ DOWN: Guangzhou bureau, the unit as a whole, unreachable"
    open_ = replace(samples.SLOW, kind="undecided")
    assert "could not be told: check both" in of(samples.event(Notice.OPENED, open_), Context()).body


def test_time_without_acknowledgement_counts_from_the_end_of_the_last_one() -> None:
    acked = replace(samples.ACKED, tier=2, told_at=AT)
    mail = of(samples.event(Notice.ESCALATED, acked, at=AT + 2 * samples.HOUR), Context())
    assert "unacknowledged for 1 h," in mail.subject


@pytest.mark.parametrize("name", [name for name in EVENTS if name != "isolated"])
def test_an_incident_is_one_conversation(name: str) -> None:
    first = written({"degradation": "degradation", "worse": "degradation"}.get(name, "outage"), "en")
    mail = written(name, "en")
    if EVENTS[name][0].notice is Notice.OPENED:
        assert mail.in_reply_to == ""
    elif EVENTS[name][0].incident.id == samples.DOWN.id:
        assert mail.in_reply_to == first.message_id != mail.message_id


def test_the_conversation_of_what_was_taken_in_goes_on() -> None:
    event, context = EVENTS["recovery"]
    leaf = samples.event(Notice.OPENED, replace(samples.SLOW, opened_at=AT - 60))
    mail = of(replace(event, threads=(leaf.incident.thread,)), context)
    opened = written("outage", "en").message_id
    parsed = message_from_bytes(render(mail, "muster@gd.example"), policy=policy.default)
    assert parsed["In-Reply-To"] == opened
    assert parsed["References"].split() == [of(leaf, Context()).message_id, opened]
    many = of(replace(event, threads=tuple(f"incident:{n}:1.0" for n in range(500))), context)
    assert len(many.references.split()) == 10


def test_repeated_notices_are_messages_of_their_own() -> None:
    event, context = EVENTS["reminder"]
    again = replace(event, at=event.at + 3600)
    assert of(event, context).key != of(again, context).key
    assert of(event, context).message_id != of(again, context).message_id
    assert of(event, context).key == of(event, context).key


class Named(Policy):
    def recipients(self, event: Event, card: object) -> tuple[Recipient, ...]:
        return (
            Recipient("li@gz.example"),
            Recipient("duty", "duty", "zh", not_before=AT + 60),
            Recipient("wang@gz.example", language="zh", not_before=AT + 9),
        )


@pytest.mark.parametrize("host", ["mail.example", ""])
def test_one_message_for_each_that_the_policy_names(host: str) -> None:
    settings = MailSettings(host=host, sender="muster@gd.example")
    event, context = EVENTS["outage"]
    made = Notices(settings, samples.CARDS.get, lambda root: "", Named(settings), lambda event: context)(
        event
    )
    told = [(each.recipient, each.channel, each.language, each.not_before) for each in made]
    duty = ("duty", "duty", "zh", AT + 60)
    mails = [("li@gz.example", "mail", "en", 0.0), duty, ("wang@gz.example", "mail", "zh", AT + 9)]
    assert told == (mails if host else [duty])
    other = made[1] if host else made[0]
    assert (other.html, other.picture) == ("", "")
    assert len({each.key for each in made}) == len(made)


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_says_all_that_the_text_says(name: str, language: Language) -> None:
    mail = written(name, language)
    shown = mail.html.replace("&#39;", "'").replace("&lt;", "<")
    for line in mail.body.split("\n"):
        _, _, value = line.partition(": " if language == "en" else "：")
        assert (value or line.lstrip("✖⋯- ")) in shown
    assert (f"cid:{content_id(mail.message_id)}" in mail.html) == bool(mail.picture)
    assert len(mail.html) < 20_000
