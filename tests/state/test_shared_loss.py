"""Loss on a link that several share: it is found by chance, minutes apart, and told once."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from monitor.degradation import LossDetector
from monitor.incidents.incident import Notice
from monitor.incidents.topology_record import replay
from monitor.incidents.troubles import PATIENCE_S
from monitor.noticing import Noticing
from monitor.state import DEGRADATION
from tests.state.world import START, Levels, Place, World, during, hub

pytestmark = pytest.mark.may_block
BEGIN = 300.0


def lossy(share: float, *behind: str) -> Levels:
    """Return levels: from `BEGIN` on these lose a share of ten packets, all where none is named."""

    def level(check: str, at: float, draw: random.Random) -> Mapping[str, float]:
        worse = at >= BEGIN and (not behind or check.startswith(behind))
        lost = sum(draw.random() < share for _ in range(10)) if worse else 0
        return {"rtt_ms": 25.0 + draw.uniform(-0.5, 0.5), "loss_pct": 10.0 * lost, "sent": 10.0}

    return level


async def lived(
    path: Path,
    seed: int,
    levels: Levels,
    places: Sequence[Place],
    seconds: float = 2400.0,
    every: float = 60.0,
) -> World:
    world = World(path, places, lambda _name, _at: False, seed, every, levels=levels)
    await world.start()
    world.learn(6)
    await world.until(seconds)
    await world.stop()
    return world


async def opened(path: Path, seeds: int, places: Sequence[Place]) -> tuple[int, set[str]]:
    """Return how many openings were told over so many seeds, and of which roots."""
    told: list[str] = []
    for seed in range(seeds):
        world = await lived(path / f"{seed}", seed, lossy(0.05), places, 1500.0)
        for event in world.events:
            if event.notice is Notice.OPENED:
                assert replay(event.incident.rule).root == event.incident.root, "it can be decided again"
        told += [mail.root for mail in world.of(Notice.OPENED)]
    return len(told), set(told)


async def test_a_core_that_loses_is_found_before_its_halls_are_mailed(tmp_path: Path) -> None:
    """4.0 mails an outage without patience, 1.3 with it (20 seeds of 40 minutes, 10 halls)."""
    count, roots = await opened(tmp_path, 10, hub(10))
    assert "hub/core" in roots
    assert count <= 15


async def test_a_shared_link_that_is_not_measured_is_found_by_those_behind_it(tmp_path: Path) -> None:
    """5.2 mails an outage without patience, 1.05 with it (20 seeds, 10 halls)."""
    count, _ = await opened(tmp_path, 10, hub(10)[1:])
    assert count <= 15


async def test_a_hall_that_loses_alone_is_told_as_soon_as_ever(tmp_path: Path) -> None:
    world = await lived(tmp_path / "s", 3, lossy(0.2, "s0/"), hub(3), 1200.0)
    [mail] = world.of(Notice.OPENED)
    assert mail.root == "s0/uplink"
    assert mail.at - BEGIN <= 5 * 60 + world.timing.hold + 10


@pytest.mark.parametrize("leans", ["hub/core/icmp", "s"])
async def test_the_wait_for_what_leans_is_bounded(
    tmp_path: Path, leans: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A core, or two halls behind one that isn't measured, that lean for ever: three minutes more."""
    monkeypatch.setattr(Noticing, "leaning", lambda _, check: check.startswith(leans) and check[:3] != "s0/")
    places = hub(3) if leans.startswith("hub") else hub(3)[1:]
    world = await lived(tmp_path / "s", 3, lossy(0.2, "s0/"), places, 1500.0)
    [mail] = world.of(Notice.OPENED)
    assert mail.root == "s0/uplink"
    found = next(each for each in world.events if each.notice is Notice.OPENED)
    waited = mail.at - (found.incident.began_at - START)
    assert world.timing.hold + PATIENCE_S <= waited <= world.timing.hold + PATIENCE_S + 70
    assert found.incident.kind == DEGRADATION, "its cause is not undecided"


async def test_an_outage_waits_for_nobody_that_leans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Noticing, "leaning", lambda _, check: check.startswith("hub"))
    faults = during(("s0/uplink", BEGIN, 5000))
    world = World(tmp_path / "s", hub(3), faults, levels=lossy(0.0))
    await world.start()
    await world.until(600)
    [mail] = world.of(Notice.OPENED)
    assert mail.at - BEGIN <= 120
    await world.stop()


def test_a_loss_leans_from_the_first_packet_lost_above_what_is_usual() -> None:
    detector, leaning = LossDetector(10), []
    for minute in range(140):
        detector.update(0.1 if minute == 100 else 0.0, 60.0 * minute)
        leaning.append(detector.leaning)
    assert not any(leaning[:100])
    assert leaning[100]
    assert not leaning[-1]
