"""What stays worse for a day becomes the usual level, and nobody is told that it is OK again."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from monitor.alerts.mail_settings import Language, MailSettings
from monitor.alerts.notices import Notices
from monitor.child.wire import UnitCard
from monitor.degradation import Detector, LossDetector
from monitor.degradation.packing import seal, unseal
from monitor.incidents.document import document
from monitor.incidents.incident import ADOPTED, RECOVERED, Event, Incident, Notice
from monitor.job import IMPOSSIBLE, Required
from monitor.messages.message import Message
from monitor.noticing import Noticing
from monitor.readiness.expectation import parse
from monitor.state import State
from monitor.store.incident_views import whole
from probes import registry
from tests.state.world import START, Levels, Place, World, during, hub

HOUR = 3600.0
DAY = 24 * HOUR
CARD = UnitCard("s0", "Hall", "营业厅", None, "hall", "UTC", None, "", {}, {"tier1": ("it@gz.example",)})
HALL = (Place("s0/uplink"),)
pytestmark = pytest.mark.may_block


def rises(
    begin: float = HOUR, end: float = 9 * DAY, worse: float = 85.0, loss: float = 0.0, but: str = ""
) -> Levels:
    """Return levels: 25 ms and no loss, but worse from `begin` to `end`; those of `but` two hours longer."""

    def level(check: str, at: float, draw: random.Random) -> Mapping[str, float]:
        bad = begin <= at < end + (2 * HOUR if but and check.startswith(but) else 0.0)
        lost = sum(draw.random() < (loss if bad else 0.0) for _ in range(10))
        rtt = (worse if bad else 25.0) + draw.uniform(-0.5, 0.5)
        return {"rtt_ms": rtt, "loss_pct": 10.0 * lost, "sent": 10.0}

    return level


@dataclass
class Lived:
    """A world that is looked at once a minute, and the mails of its incidents in one language."""

    world: World
    notices: Notices
    letters: list[Message] = field(default_factory=list)

    @classmethod
    async def start(
        cls, path: Path, levels: Levels, places: Sequence[Place] = HALL, language: Language = "en"
    ) -> Lived:
        settings = MailSettings(host="mail.example", sender="muster@gd.example", language=language)
        world = World(path, places, lambda _name, _at: False, levels=levels, tick=60.0)
        lived = cls(world, Notices(settings, lambda _: CARD, lambda _: "192.0.2.1"))
        world.tells = lived.told
        await world.start()
        world.learn(24)
        return lived

    def told(self, event: Event) -> Sequence[Message]:
        self.letters += self.notices(event)
        return ()

    async def until(self, at: float) -> Lived:
        await self.world.until(at)
        return self

    @property
    def ends(self) -> list[Message]:
        return [each for each in self.letters if each.notice == Notice.CLOSED]

    async def incidents(self) -> list[Incident]:
        return sorted(await self.world.store.recent(0), key=lambda each: each.id)


async def test_after_a_day_it_is_said_what_is_usual_now_and_what_was(tmp_path: Path) -> None:
    lived = await (await Lived.start(tmp_path / "s", rises())).until(27 * HOUR)
    [incident] = await lived.incidents()
    assert (incident.ending, incident.state, incident.kind) == (ADOPTED, State.DEGRADED, "degradation")
    assert lived.world.watch.counts[State.OK] == 1
    [end] = lived.ends
    since = r"1970-01-12 14:5\d:\d\d \+00:00"
    usual = rf"rtt_ms (85|84\.9|85\.1) ms since {since}; was 25(\.\d)? ms"
    assert re.fullmatch(rf"◐ now usual: Hall, uplink, {usual}", end.subject)
    assert "OK" not in end.body
    assert "State: NOW USUAL\n" in end.body
    assert "Usual from now on (1)\n◐ s0/uplink/icmp: rtt_ms 8" in end.body
    assert "Until:" not in end.body
    found = await lived.world.database.read(lambda c: whole(c, 1))
    told = document(found, {}, START)
    assert (told["ended"], told["open"]) == ("adopted", False)
    assert told["detail"].startswith("s0/uplink/icmp: rtt_ms now usually 8")
    assert [each.what for each in found.history if each.what in (ADOPTED, RECOVERED)] == [ADOPTED]
    await lived.world.stop()


async def test_in_chinese(tmp_path: Path) -> None:
    lived = await (await Lived.start(tmp_path / "s", rises(), language="zh")).until(27 * HOUR)
    [end] = lived.ends
    assert end.subject.startswith("◐ 现为常态：营业厅，uplink，rtt_ms 自 1970-01-12 14:5")
    assert "并未恢复" in end.body
    assert "状态：现为常态\n" in end.body
    await lived.world.stop()


async def test_loss_that_stays_becomes_usual_too(tmp_path: Path) -> None:
    lived = await (await Lived.start(tmp_path / "s", rises(worse=25.0, loss=0.2))).until(27 * HOUR)
    [end] = lived.ends
    assert "now usual: Hall, uplink, loss_pct " in end.subject
    assert "; was 0.2 %" in end.subject
    await lived.world.stop()


async def test_what_comes_back_within_the_day_is_ok_again(tmp_path: Path) -> None:
    lived = await (await Lived.start(tmp_path / "s", rises(end=20 * HOUR))).until(27 * HOUR)
    [incident] = await lived.incidents()
    assert (incident.ending, incident.state) == (RECOVERED, State.OK)
    assert lived.ends[0].subject.startswith("✔ OK again: ")
    await lived.world.stop()


async def test_what_comes_back_later_is_silent_and_the_next_rise_is_measured_anew(tmp_path: Path) -> None:
    lived = await (await Lived.start(tmp_path / "s", rises(end=30 * HOUR))).until(40 * HOUR)
    assert [each.ending for each in await lived.incidents()] == [ADOPTED]
    assert lived.world.noticing.usual("s0/uplink/icmp") == (), "it has come back from it"
    await lived.world.stop()


async def missing(lived: Lived) -> None:
    """Assert that after days the incident is still the one that was told."""
    await lived.until(60 * HOUR)
    [incident] = await lived.incidents()
    assert (incident.ending, incident.closed_at, incident.state) == ("", None, State.DEGRADED)
    assert lived.ends == []
    await lived.world.stop()


async def test_what_misses_what_the_functions_require_is_never_usual(tmp_path: Path) -> None:
    lived = await Lived.start(tmp_path / "s", rises())
    lived.world.noticing.require("s0", Required(1e6, 1e6, 80.0), lived.world.jobs.values())
    await missing(lived)


async def test_a_loss_that_misses_what_the_functions_require_is_never_usual(tmp_path: Path) -> None:
    lived = await Lived.start(tmp_path / "s", rises(worse=25.0, loss=0.2))
    lived.world.noticing.require("s0", Required(1e6, 1e6, 80.0, 0.01), lived.world.jobs.values())
    await missing(lived)


async def test_what_misses_it_for_a_part_of_each_day_is_never_usual(tmp_path: Path) -> None:
    """The day for which a level has to last begins anew whenever it misses what is required."""

    def levels(check: str, at: float, draw: random.Random) -> Mapping[str, float]:
        busy = at % DAY < 20 * HOUR
        return rises(worse=62.0 if busy else 55.0)(check, at, draw)

    lived = await Lived.start(tmp_path / "s", levels)
    lived.world.noticing.require("s0", Required(1e6, 1e6, 60.0), lived.world.jobs.values())
    await missing(lived)


async def test_a_day_within_what_is_required_makes_it_usual_after_all(tmp_path: Path) -> None:
    def levels(check: str, at: float, draw: random.Random) -> Mapping[str, float]:
        return rises(worse=85.0 if at < 30 * HOUR else 70.0)(check, at, draw)

    lived = await Lived.start(tmp_path / "s", levels)
    lived.world.noticing.require("s0", Required(1e6, 1e6, 80.0), lived.world.jobs.values())
    await lived.until(53 * HOUR)
    assert [each.ending for each in await lived.incidents()] == [""]
    await lived.until(57 * HOUR)
    assert [each.ending for each in await lived.incidents()] == [ADOPTED]
    await lived.world.stop()


async def test_where_no_channel_would_do_nothing_becomes_usual(tmp_path: Path) -> None:
    lived = await Lived.start(tmp_path / "s", rises())
    lived.world.noticing.require("s0", IMPOSSIBLE, lived.world.jobs.values())
    await missing(lived)


@pytest.mark.parametrize(
    "written",
    [
        "<= 60",
        {"p95": "<= 60", "over": "24h"},
        {"p95": "between 0 and 60", "over": "24h"},
        {"not": {"p95": ">= 60", "over": "24h"}},
        {"p95": "<= requirement", "over": "24h"},
    ],
)
async def test_what_misses_the_check_s_own_expectation_is_never_usual(
    tmp_path: Path, written: object
) -> None:
    lived = await Lived.start(tmp_path / "s", rises())
    world = lived.world
    metric = registry.get("icmp").metric("rtt_ms")
    expect = {"rtt_ms": parse(written, metric=metric)}
    world.jobs = {key: replace(job, expect=expect) for key, job in world.jobs.items()}
    await world.watch.adopt(world.jobs.values())
    await world.noticing.adopt(world.jobs.values())
    await missing(lived)


async def test_an_expectation_on_another_metric_keeps_the_incident_too(tmp_path: Path) -> None:
    lived = await Lived.start(tmp_path / "s", rises(loss=0.9))
    world = lived.world
    metric = registry.get("icmp").metric("loss_pct")
    world.jobs = {
        key: replace(job, expect={"loss_pct": parse("<= 1", metric=metric)})
        for key, job in world.jobs.items()
    }
    await world.watch.adopt(world.jobs.values())
    await world.noticing.adopt(world.jobs.values())
    await missing(lived)


async def test_nothing_is_adopted_before_it_is_known_what_is_required(tmp_path: Path) -> None:
    lived = await Lived.start(tmp_path / "s", rises())
    lived.world.noticing._required.clear()
    await lived.world.noticing.adopt(lived.world.jobs.values())
    await missing(lived)


async def test_the_first_to_be_adopted_makes_no_residue_of_the_others(tmp_path: Path) -> None:
    """The core's alarm is a block older than the halls': its adoption is no sign that it serves again."""

    def levels(check: str, at: float, draw: random.Random) -> Mapping[str, float]:
        begin = HOUR if check.startswith("hub") else HOUR + 1500
        return rises(begin)(check, at, draw)

    lived = await Lived.start(tmp_path / "s", levels, hub(3))
    await lived.until(28 * HOUR)
    assert [mail.root for mail in lived.world.of(Notice.OPENED)] == ["hub/core"]
    assert lived.world.of(Notice.RESIDUAL) == []
    assert [each.ending for each in await lived.incidents()] == [ADOPTED]
    [end] = lived.ends
    assert "Usual from now on (4)" in end.body
    await lived.world.stop()


async def test_an_adoption_is_known_after_a_restart(tmp_path: Path) -> None:
    lived = await (await Lived.start(tmp_path / "s", rises())).until(25 * HOUR)
    while lived.world.watch.counts[State.OK] == 0:
        await lived.until(lived.world.now - START + 60)
    await lived.world.noticing.save_changed()
    await lived.world.restart(20.0)
    await lived.until(27 * HOUR)
    assert [each.ending for each in await lived.incidents()] == [ADOPTED]
    await lived.world.stop()


async def test_an_adoption_of_long_ago_does_not_hide_that_a_hub_serves_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Noticing, "adopted_at", lambda _, check: START - DAY)
    faults = during(("hub/core", 300, 1020), ("s1/uplink", 500, 4000))
    world = World(tmp_path / "s", hub(3), faults)
    await world.start()
    await world.until(2400)
    assert [list(mail.left) for mail in world.of(Notice.RESIDUAL)] == [["s1/uplink"]]
    await world.stop()


@pytest.mark.parametrize(
    ("kind", "version", "grown", "made"),
    [(b"ML", 2, 80, Detector()), (b"MS", 3, 72, LossDetector())],
)
def test_a_detector_saved_before_there_were_adoptions_goes_on(
    kind: bytes, version: int, grown: int, made: Detector | LossDetector
) -> None:
    for minute in range(3000):
        made.update(0.02 if kind == b"MS" else 25.0 + minute % 3, 60.0 * minute)
    content = unseal(kind, version, made.to_bytes())
    assert content is not None
    older = seal(kind, version - 1, content[:grown] + content[grown + 16 :])
    assert type(made).from_bytes(older).to_bytes() == made.to_bytes()
