"""What a mail knows around an event: the series that shows it, what is required, and what to do."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts.account import Known, Step
from monitor.alerts.affected import Bound, Sketch, bounds_of, chosen
from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.notices import Context, Notices
from monitor.alerts.surroundings import Surroundings
from monitor.incidents.incident import Event, Join, Leave, Member, Notice, Open, Shut
from monitor.job import Job
from monitor.messages.message import Message
from monitor.readiness.expectation import parse
from monitor.state import State
from monitor.store.database import Database
from monitor.store.incidents import IncidentStore
from monitor.store.outbox import OutboxTable
from monitor.store.verdicts import Verdicts, pack
from monitor.units import Known as Unit
from monitor.units import Units
from probes import registry
from probes.api import Target
from tests.alerts import samples
from tests.alerts.samples import AT, HALL, URL


def job(check: str, probe: str, **expect: object) -> Job:
    unit, asset, name = check.split("/")
    spec = registry.get(probe)
    target = Target(f"10.1.2.{len(asset)}", unit=unit, asset=asset)
    params = spec.params.model_validate({"port": 22} if probe == "tcp" else {})
    conditions = {metric: parse(raw, metric=spec.metric(metric)) for metric, raw in expect.items()}
    return Job(check, unit, asset, name, spec, target, params, 60.0, 10.0, expect=conditions)


ICMP = job("gz-tianhe/uplink/icmp", "icmp")
PORT = job("gz-tianhe/uplink/tcp", "tcp", connect_ms="<= 80 ms")
HOST = job("gz-tianhe/pc1/tcp", "tcp")
ITEMS: Sequence[Mapping[str, Any]] = [
    {
        "id": "network.rtt", "check": ICMP.id, "status": "unknown", "expected": "rtt_ms p95 <= 58.3 over 24h",
        "title": "Round trip", "title_zh": "往返时延", "remediation": "Ask the carrier.",
        "remediation_zh": "问运营商。",
    },
    {
        "id": "network.channel-answers", "check": ICMP.id, "status": "pass", "expected": "received >= 1",
        "title": "Answers", "title_zh": "", "remediation": "Look at the cable.", "remediation_zh": "",
    },
    {
        "id": "network.loss", "check": ICMP.id, "status": "fail", "expected": "loss_pct <= 0.5",
        "title": "Loss", "title_zh": "", "remediation": "Look at the cable.", "remediation_zh": "",
    },
    {"id": "x", "check": HOST.id, "status": "fail", "expected": "answers", "remediation": "Switch it on."},
]  # fmt: skip
CABLE = Step("Loss", "", "Look at the cable.", "")
ASK = Step("Round trip", "往返时延", "Ask the carrier.", "问运营商。")


def around(
    event: Event, items: Sequence[Mapping[str, Any]] = ITEMS, jobs: Sequence[Job] = (ICMP, PORT, HOST)
) -> Context:
    by_asset: dict[str, tuple[Job, ...]] = {}
    for each in jobs:
        key = f"{each.unit}/{each.asset}"
        by_asset[key] = (*by_asset.get(key, ()), each)
    units = Units({HALL.id: Unit(HALL, "", {each.id: each for each in jobs}, by_asset)})
    return Surroundings(units, lambda unit: items if unit == HALL.id else (), URL)(event)


def test_a_check_that_got_slower() -> None:
    found = around(samples.EVENTS["degradation"][0])
    assert found.known.target == ICMP.target.address
    assert found.known.required == "rtt_ms <= 58.3 ms"
    assert found.known.steps[0] == ASK
    assert found.sketch is not None
    assert (found.sketch.check, found.sketch.metric, found.sketch.unit) == (ICMP.id, "rtt_ms", "ms")
    assert (found.sketch.op, found.sketch.bound) == ("<=", 58.3)
    assert (found.sketch.start, found.sketch.until) == (AT - 6 * 3600, AT)
    assert found.sketch.zone == "Asia/Shanghai"


def test_an_asset_that_does_not_answer_shows_the_check_by_which_it_is_seen() -> None:
    found = around(samples.EVENTS["outage"][0])
    assert found.sketch is not None
    assert found.sketch.check == ICMP.id
    assert found.known.target == ICMP.target.address
    assert found.known.steps[0].text == "Look at the cable."
    assert "Switch it on." not in [each.text for each in found.known.steps]


def test_what_lies_behind_speaks_for_a_root_that_is_not_measured() -> None:
    found = around(replace(samples.EVENTS["below"][0], members=(samples.BEHIND[6], *samples.BEHIND)))
    assert found.sketch is not None
    assert found.sketch.check == "gz-tianhe/uplink/icmp"
    assert found.known.target == ""


def test_nothing_is_shown_of_the_monitor_itself_or_of_what_nobody_knows() -> None:
    for event in (samples.EVENTS["isolated"][0], samples.EVENTS["below"][0]):
        assert around(event, jobs=()) == Context(Known(url=URL))


def test_a_unit_that_was_never_judged() -> None:
    found = around(samples.EVENTS["degradation"][0], items=())
    assert found.known.steps == ()
    assert found.known.required == ""
    assert found.sketch is not None


def test_where_the_first_gate_says_nothing_another_gate_does() -> None:
    units = Units({HALL.id: Unit(HALL, "", {ICMP.id: ICMP}, {"gz-tianhe/uplink": (ICMP,)})})
    event = samples.EVENTS["degradation"][0]
    other = [{**ITEMS[0], "remediation": "Rehearse."}]
    said = Surroundings(units, lambda unit: (), URL, lambda unit: other)(event)
    assert [each.text for each in said.known.steps] == ["Rehearse."]
    said = Surroundings(units, lambda unit: ITEMS, URL, lambda unit: other)(event)
    assert "Rehearse." not in [each.text for each in said.known.steps]


async def test_the_gates_at_which_a_unit_was_judged(tmp_path: Path) -> None:
    verdicts = Verdicts(Database(tmp_path / "state.db"))
    judged = {"id": HALL.id, "verdict": "READY", "items": []}
    await verdicts.save([pack(gate, HALL.id, AT, judged) for gate in ("rehearsal", "go-live")])
    assert verdicts.gates_now(HALL.id) == ["go-live", "rehearsal"]
    verdicts._database.close()


def test_a_fault_costs_the_extras_and_never_the_mail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    def broken(unit: str) -> Sequence[Mapping[str, Any]]:
        raise OSError("disk")

    units = Units({HALL.id: Unit(HALL, "", {ICMP.id: ICMP}, {"gz-tianhe/uplink": (ICMP,)})})
    assert Surroundings(units, broken, URL)(samples.EVENTS["outage"][0]) == Context(Known(url=URL))
    assert "nothing is known around incident 17" in caplog.text


@pytest.mark.parametrize(
    ("expected", "bounds"),
    [
        ("rtt_ms p95 <= 58.3 over 24h", {"rtt_ms": Bound("<=", 58.3)}),
        ("rtt_ms <= 1.5 s; loss_pct < 2", {"rtt_ms": Bound("<=", 1500.0), "loss_pct": Bound("<", 2.0)}),
        ("rtt_ms q05 >= 4e1 over 24h of counter-hours", {"rtt_ms": Bound(">=", 40.0)}),
        ("rtt_ms <= requirement", {}),
        ("rtt_ms between 1 and 2", {}),
        ("(rtt_ms <= 3 and x)", {}),
        ("rtt_ms <= 5 bytes", {}),
        ("answers", {}),
        ("", {}),
    ],
)
def test_what_an_item_requires_is_read_from_its_words(expected: str, bounds: dict[str, Bound]) -> None:
    assert bounds_of(ICMP, [{"check": ICMP.id, "expected": expected}]) == bounds
    assert bounds_of(ICMP, [{"check": HOST.id, "expected": expected}]) == {}


def test_the_inventory_s_own_expectation_counts_first() -> None:
    said = [{"check": PORT.id, "expected": "connect_ms <= 100"}]
    assert bounds_of(PORT, said) == {"connect_ms": Bound("<=", 80.0)}
    window = job("gz-tianhe/uplink/icmp", "icmp", rtt_ms={"p95": "<= 40", "over": "24h"})
    assert bounds_of(window, ()) == {"rtt_ms": Bound("<=", 40.0)}


@pytest.mark.parametrize(
    ("expect", "bounds"),
    [
        ({"all": ["> 0", "<= 40"]}, {"rtt_ms": Bound("<=", 40.0)}),
        ({"not": ">= 40"}, {}),
        ({"any": ["<= 40", ">= 90"]}, {}),
        ({"all": [{"not": ">= 40"}, "<= 50"]}, {"rtt_ms": Bound("<=", 50.0)}),
    ],
)
def test_what_need_not_hold_is_not_called_required(expect: object, bounds: dict[str, Bound]) -> None:
    assert bounds_of(job("gz-tianhe/uplink/icmp", "icmp", rtt_ms=expect), ()) == bounds


@pytest.mark.parametrize(
    ("detail", "bounds", "metric"),
    [
        ("loss_pct 12 %, usually 0 (loss)", {}, "loss_pct"),
        ("no echo came back", {}, "rtt_ms"),
        ("", {"jitter_ms": Bound("<=", 30.0)}, "jitter_ms"),
        ("", {"sent": Bound(">=", 1.0)}, "rtt_ms"),
    ],
)
def test_the_metric_that_is_drawn(detail: str, bounds: dict[str, Bound], metric: str) -> None:
    found = chosen(ICMP, detail, bounds)
    assert found is not None
    assert found.name == metric


def test_an_unknown_zone_is_drawn_in_utc() -> None:
    card = replace(HALL, timezone="Mars/Olympus")
    units = Units({HALL.id: Unit(card, "", {ICMP.id: ICMP}, {})})
    event = samples.event(Notice.OPENED, samples.SLOW)
    found = Surroundings(units, lambda unit: ())(event)
    assert found.sketch is not None
    assert found.sketch.zone == "UTC"


async def test_in_the_transaction_that_opens_it(tmp_path: Path) -> None:
    """The last judgement is read while the incident is being written, and the mail is queued with both."""
    database = Database(tmp_path / "state.db")
    verdicts = Verdicts(database)
    item = {**ITEMS[0], "severity": "blocker", "category": "network"}
    judged = {"id": HALL.id, "verdict": "NOT_READY", "items": [item]}
    await verdicts.save([pack("go-live", HALL.id, AT, judged)])
    units = Units({HALL.id: Unit(HALL, "", {ICMP.id: ICMP}, {"gz-tianhe/uplink": (ICMP,)})})

    def items(unit: str) -> Sequence[Mapping[str, Any]]:
        found = verdicts.detail_now(unit, "go-live")
        return found["items"] if found else ()

    settings = MailSettings(host="mail.example", sender="muster@gd.example")
    notices = Notices(settings, units.card, lambda root: "", None, Surroundings(units, items, URL))
    member = Member(ICMP.id, State.DEGRADED, "degradation", AT - 420, AT)
    opening = Open(ICMP.id, State.DEGRADED, "degradation", "rtt_ms 96", AT - 420, "", member, AT)
    assert (await IncidentStore(database, notices).apply([opening], AT)).queued == 1
    [claimed] = await OutboxTable(database).claim(AT + 1, 60.0, 5)
    database.close()
    assert "What to do\n- Round trip: Ask the carrier.\n" in claimed.message.body
    assert "Required: rtt_ms <= 58.3 ms\n" in claimed.message.body
    assert Sketch.parse(claimed.message.picture).check == ICMP.id
    assert "Ask the carrier." in claimed.message.html


async def test_the_end_refers_to_what_was_taken_in(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    written: list[Message] = []
    settings = MailSettings(host="mail.example", sender="muster@gd.example", to=("ops@gd.example",))
    notices = Notices(settings, lambda unit: None, lambda root: "")

    def compose(event: Event) -> list[Message]:
        written.extend(made := notices(event))
        return made

    incidents = IncidentStore(database, compose)
    member = Member(ICMP.id, State.DOWN, "timeout", AT, AT)
    leaf = Open(ICMP.id, State.DOWN, "timeout", "", AT, "", member, AT)
    hub = Open("gz/core", State.DOWN, "timeout", "", AT, "", replace(member, check="gz/core/icmp"), AT + 1)
    await incidents.apply([leaf], AT)
    await incidents.apply([hub, Shut(ICMP.id, AT + 2, into="gz/core")], AT + 2)
    await incidents.apply([Shut("gz/core", AT + 600)], AT + 600)
    database.close()
    first, second, end = written
    assert (end.in_reply_to, end.references) == (second.message_id, first.message_id)


async def test_what_lies_below_has_one_name_from_the_first_mail_to_the_last(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    written: list[Message] = []
    settings = MailSettings(host="mail.example", sender="muster@gd.example", to=("ops@gd.example",))
    notices = Notices(settings, samples.CARDS.get, lambda root: "")

    def compose(event: Event) -> list[Message]:
        written.extend(made := notices(event))
        return made

    incidents = IncidentStore(database, compose)
    first, *others = samples.BEHIND[:4]
    opening = Open("gz", State.DOWN, "inferred", "", AT - 100, "", first, AT)
    await incidents.apply([opening, Join("gz", tuple(others), AT)], AT)
    gone = [Leave("gz", each.check, AT + 200) for each in (first, *others)]
    await incidents.apply([Join("gz", (samples.BEHIND[4],), AT + 100), *gone, Shut("gz", AT + 500)], AT + 500)
    database.close()
    assert [mail.subject for mail in written] == [
        "✖ DOWN: Guangzhou bureau, link to the units below, 4 units fail together",
        "✔ OK again: Guangzhou bureau, link to the units below, was DOWN (5 units fail together) for 10 min",
    ]
