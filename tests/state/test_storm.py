"""Faults in a tree, from the readings to who is told: one cause, named once."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.incidents.incident import Notice
from monitor.incidents.topology import How
from monitor.incidents.topology_record import replay
from monitor.incidents.troubles import Timing
from monitor.readiness.expectation import Truth
from monitor.state import SILENT, CheckState, Policy, State, advance
from monitor.store.incident_rows import members
from tests.state.world import ICMP, TCP, Place, World, during, hub

pytestmark = pytest.mark.may_block


async def lived(world: World, seconds: float) -> World:
    await world.start()
    await world.until(seconds)
    await world.stop()
    return world


async def test_a_hub_with_thirty_sites_fails_once(tmp_path: Path) -> None:
    """30.6 mails with "mute when the parent is already down"; here one, and one when it is over."""
    world = await lived(World(tmp_path / "s", hub(), during(("hub/core", 300, 1020))), 1800)
    [opened] = world.of(Notice.OPENED)
    assert opened.root == "hub/core"
    assert 300 < opened.at <= 420
    [closed] = world.of(Notice.CLOSED)
    assert closed.root == "hub/core"
    assert len(world.mails) == 2
    assert world.watch.counts[State.OK] == 31


async def test_its_members_are_shadowed_and_not_down(tmp_path: Path) -> None:
    world = World(tmp_path / "s", hub(), during(("hub/core", 300, 5000)))
    await world.start()
    await world.until(600)
    assert world.watch.counts[State.SHADOWED] == 30
    assert world.watch.counts[State.DOWN] == 1
    [incident] = await world.store.open()
    assert (incident.root, incident.state) == ("hub/core", State.DOWN)
    await world.stop()


@pytest.mark.parametrize("seed", range(5))
async def test_a_leaf_alone_is_told_in_two_minutes(tmp_path: Path, seed: int) -> None:
    begin = 300 + 7 * seed
    world = World(tmp_path / "s", hub(10), during(("s3/uplink", begin, begin + 600)), seed)
    await lived(world, 1500)
    [opened] = world.of(Notice.OPENED)
    assert opened.root == "s3/uplink"
    assert opened.at - begin <= 120
    assert [mail.root for mail in world.of(Notice.CLOSED)] == ["s3/uplink"]


async def test_a_blip_within_the_hold_is_nobodys_mail(tmp_path: Path) -> None:
    world = await lived(World(tmp_path / "s", hub(5), during(("s3/uplink", 300, 335))), 1200)
    assert world.mails == []


async def test_what_still_fails_after_the_recovery_is_told_once(tmp_path: Path) -> None:
    faults = during(("hub/core", 300, 1020), ("s3/uplink", 500, 4000), ("s4/uplink", 500, 4000))
    world = await lived(World(tmp_path / "s", hub(), faults), 2400)
    [opened] = world.of(Notice.OPENED)
    [residue] = world.of(Notice.RESIDUAL)
    assert opened.root == residue.root == "hub/core"
    assert set(residue.left) == {"s3/uplink", "s4/uplink"}
    assert residue.at - 1020 <= 180
    assert [mail.root for mail in world.of(Notice.CLOSED)] == ["hub/core"]


async def test_who_was_told_of_the_residue_is_told_of_its_end(tmp_path: Path) -> None:
    faults = during(("hub/core", 300, 1020), ("s3/uplink", 500, 2000))
    world = await lived(World(tmp_path / "s", hub(), faults), 3000)
    assert [mail.root for mail in world.of(Notice.CLOSED)] == ["hub/core", "s3/uplink"]


async def test_a_cause_that_is_not_monitored_is_inferred(tmp_path: Path) -> None:
    places = [Place(f"s{n}/uplink", ("hub/core",)) for n in range(10)]
    world = await lived(World(tmp_path / "s", places, during(("hub/core", 300, 900))), 1800)
    [opened] = world.of(Notice.OPENED)
    assert opened.root == "hub/core"
    assert world.events[0].incident.kind == How.INFERRED
    assert len(world.of(Notice.CLOSED)) == 1


async def test_channels_that_name_nothing_are_behind_the_unit_above(tmp_path: Path) -> None:
    places = [Place(f"s{n}/uplink", (), "hub") for n in range(10)]
    world = await lived(World(tmp_path / "s", places, during(("hub", 300, 900))), 1800)
    assert [(mail.notice, mail.root) for mail in world.mails] == [
        (Notice.OPENED, "hub"), (Notice.CLOSED, "hub"),
    ]  # fmt: skip


async def test_a_backup_that_serves_keeps_what_is_behind(tmp_path: Path) -> None:
    places = [
        Place("s/primary"), Place("s/backup"), *(Place(f"s/pc{n}", (), "", (ICMP, TCP)) for n in range(4)),
    ]  # fmt: skip
    world = World(tmp_path / "s", places, during(("s/primary", 300, 900)))
    await lived(world, 1500)
    assert [mail.root for mail in world.mails] == ["s/primary", "s/primary"]
    assert world.watch.counts[State.OK] == 10


async def test_one_service_on_a_live_host_is_its_own_cause(tmp_path: Path) -> None:
    places = [Place("h/uplink"), Place("h/pc", ("h/uplink",), "", (ICMP, TCP))]
    world = await lived(World(tmp_path / "s", places, during(("h/pc/tcp", 300, 900))), 1500)
    assert [mail.root for mail in world.mails] == ["h/pc/tcp", "h/pc/tcp"]


async def test_a_dead_host_is_one_incident_with_its_services(tmp_path: Path) -> None:
    places = [Place("h/uplink"), Place("h/pc", ("h/uplink",), "", (ICMP, TCP))]
    world = World(tmp_path / "s", places, during(("h/pc", 300, 5000)))
    await world.start()
    await world.until(600)
    [incident] = await world.store.open()
    assert incident.root == "h/pc"
    assert len(world.mails) == 1
    service = world.watch.state("h/pc/tcp")
    assert service is not None
    assert service.state is State.SHADOWED
    await world.stop()


@pytest.mark.parametrize("at", [320, 345, 380, 600, 1030, 1200])
async def test_a_restart_in_the_middle_doubles_nothing(tmp_path: Path, at: int) -> None:
    world = World(tmp_path / "s", hub(), during(("hub/core", 300, 1020)))
    await world.start()
    await world.until(at)
    await world.restart(20.0)
    await world.until(2200)
    assert [(mail.notice, mail.root) for mail in world.mails] == [
        (Notice.OPENED, "hub/core"), (Notice.CLOSED, "hub/core"),
    ]  # fmt: skip
    await world.stop()


async def test_what_flaps_is_damped_and_its_end_is_told(tmp_path: Path) -> None:
    spans = [("s3/uplink", 300.0 + 500 * n, 450.0 + 500 * n) for n in range(6)]
    world = World(tmp_path / "s", hub(5), during(*spans), timing=Timing(stable=60))
    await lived(world, 4000)
    assert len(world.of(Notice.OPENED)) == 3
    closed = world.of(Notice.CLOSED)
    assert len(closed) == 3
    assert closed[-1].at > 2950 + 6 * 60, "nobody hears of the others; the end is told when it is over"


async def test_a_leaf_is_absorbed_when_its_parent_turns_out_to_be_the_cause(tmp_path: Path) -> None:
    faults = during(("s3/uplink", 300, 1000), ("hub/core", 600, 1500))
    world = await lived(World(tmp_path / "s", hub(), faults), 2600)
    assert [mail.root for mail in world.of(Notice.OPENED)] == ["s3/uplink", "hub/core"]
    assert [mail.root for mail in world.of(Notice.CLOSED)] == ["hub/core"]
    assert world.of(Notice.RESIDUAL) == []


async def test_a_second_outage_of_the_same_root_is_settled_like_the_first(tmp_path: Path) -> None:
    faults = during(
        ("hub/core", 300, 700), ("s5/uplink", 650, 770), ("hub/core", 850, 1200), ("s7/uplink", 950, 5000)
    )
    world = await lived(World(tmp_path / "s", hub(), faults), 2400)
    assert [mail.root for mail in world.of(Notice.OPENED)] == ["hub/core"]
    assert ["s7/uplink"] in [list(mail.left) for mail in world.of(Notice.RESIDUAL)]
    state = world.watch.state("s7/uplink/icmp")
    assert state is not None
    assert state.state is State.DOWN


@pytest.mark.parametrize("at", [1040, 1060, 1080, 1100, 1130])
async def test_a_residue_is_told_whenever_the_daemon_stops(tmp_path: Path, at: int) -> None:
    faults = during(("hub/core", 300, 1020), ("s3/uplink", 500, 4000))
    world = World(tmp_path / "s", hub(), faults)
    await world.start()
    await world.until(at)
    await world.restart(5.0)
    await world.until(2400)
    told = [mail for mail in world.mails if mail.root == "s3/uplink" or "s3/uplink" in mail.left]
    assert len(told) == 1
    await world.stop()


async def test_a_restart_ends_nothing_however_soon_incidents_close(tmp_path: Path) -> None:
    world = World(tmp_path / "s", hub(5), during(("s3/uplink", 300, 2000)), timing=Timing(stable=10))
    await world.start()
    await world.until(600)
    await world.restart(20.0)
    await world.until(1200)
    assert [(mail.notice, mail.root) for mail in world.mails] == [(Notice.OPENED, "s3/uplink")]
    await world.stop()


async def test_a_clock_that_is_set_back_delays_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "s", hub(5), during(("s3/uplink", 300, 9000)))
    await world.start()
    await world.until(330)
    world.correlator._last += 3600
    for trouble in world.correlator._troubles.values():
        trouble.noted, trouble.firm = trouble.noted + 3600, trouble.firm + 3600
    await world.until(440)
    assert [mail.root for mail in world.mails] == ["s3/uplink"]
    await world.stop()


async def test_a_unit_gone_silent_is_one_incident(tmp_path: Path) -> None:
    places = [Place("h/uplink"), *(Place(f"h/pc{n}", ("h/uplink",), "", (ICMP, TCP)) for n in range(4))]
    world = World(tmp_path / "s", [*places, Place("other/uplink")], during())
    await world.start()
    await world.until(300)
    world.stopped.add("h")
    await world.until(800)
    [incident] = await world.store.open()
    assert (incident.root, incident.kind, incident.state) == ("h", SILENT, State.UNKNOWN)
    assert (await world.database.read(lambda c: members(c, incident.id, 20)))[1] == 9
    await world.stop()


async def test_every_decision_can_be_made_again_from_what_was_recorded(tmp_path: Path) -> None:
    faults = during(("hub/core", 300, 900), ("s3/uplink", 1600, 2200))
    world = await lived(World(tmp_path / "s", hub(), faults), 2600)
    opened = [event.incident for event in world.events if event.notice is Notice.OPENED]
    assert len(opened) == 2
    for incident in opened:
        assert replay(incident.rule).root == incident.root
        state = CheckState(json.loads(incident.rule)["check"], State.OK, decided_at=1.0)
        for reading in world.pinned[f"incident:{incident.id}"]:
            advance(state, reading, Truth.PASS, Policy(), reading.at)
        assert state.state is State.DOWN
        assert state.since == json.loads(incident.rule)["since"]


async def test_random_single_faults_keep_the_marks(tmp_path: Path) -> None:
    """Three levels, faults one after the other: at most 1.05 problem mails an incident, no child's."""
    draw = random.Random(7)
    places = [Place("p/core"), *(Place(f"b{b}/core", ("p/core",), "p") for b in range(5))]
    places += [Place(f"b{b}h{h}/uplink", (f"b{b}/core",), f"b{b}") for b in range(5) for h in range(8)]
    roots, spans, at = [], [], 300.0
    for _ in range(8):
        root = draw.choice(places).name
        roots.append(root)
        spans.append((root, at, at + draw.uniform(150, 700)))
        at = spans[-1][2] + 700
    world = await lived(World(tmp_path / "s", places, during(*spans), timing=Timing(openings=9)), at)
    assert [mail.root for mail in world.of(Notice.OPENED)] == roots
    assert [mail.root for mail in world.of(Notice.CLOSED)] == roots
    assert max(m.at - s[1] for m, s in zip(world.of(Notice.OPENED), spans, strict=True)) <= 120


@pytest.mark.alone
async def test_no_step_of_a_tick_holds_the_loop_however_many_fail(tmp_path: Path) -> None:
    """1,000 halls behind a core that isn't measured: it was one step of 1.6 s when the first one opened."""
    world = World(tmp_path / "s", hub(1000)[1:], during(("hub/core", 300, 420)))
    await world.start()
    steps, took = world.correlator.steps, []

    def timed(now: float) -> Iterator[None]:
        going = steps(now)
        while True:
            begin = time.thread_time()
            over = next(going, ...) is ...
            took.append(time.thread_time() - begin)
            if over:
                return
            yield

    world.correlator.steps = timed  # type: ignore[method-assign]
    await world.until(500)
    await world.stop()
    assert len(world.of(Notice.OPENED)) == 1
    assert len(took) > 1000
    assert max(took) < 0.05
    assert sum(sorted(took)[-1000:]) < 0.5, "nor is it much in all"
