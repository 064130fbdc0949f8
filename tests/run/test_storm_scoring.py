"""How the storm's benchmark counts: a score that is wrong would make any daemon look good."""

from __future__ import annotations

import pytest

from benchmarks._storm_run import above
from benchmarks._storm_scoring import Mail, naive, outages, tally
from benchmarks._storm_script import Fault, Pace, Tree, full

HUB = Fault("hub", "b01/core", "10.1.0.0/16", "b01", ((100.0, 400.0),))
OWN = Fault("own", "b01h02/uplink", "10.1.2.0/24", "b01h02", ((200.0, 900.0),), hidden_until=400.0)
INF = float("inf")


def mail(at: float, root: str, notice: str = "opened", number: int = 0, left: tuple[str, ...] = ()) -> Mail:
    thread = f"incident:{number or root}:1"
    return Mail(at, f"<{thread}{notice}>", "a@b.example", "subject", thread, notice, root, left)


def test_mails_go_to_the_cause_they_tell_of() -> None:
    found = tally(
        [
            mail(150, "b01/core"),
            mail(460, "b01/core", "residual", left=("b01h02/uplink",)),
            mail(700, "b01/core", "closed"),
            mail(1200, "b01h02/uplink", "closed"),
        ],
        [HUB, OWN],
    )
    assert (found.problems, found.recoveries, found.children, found.untold, found.endless) == (1, 1, 0, 0, 0)
    assert [each.first for each in found.scores] == [50, 60]


@pytest.mark.parametrize(
    ("told", "problems", "recoveries", "children", "strays"),
    [
        (mail(150, "b01h07/uplink"), 0.5, 0, 1, 0),
        (mail(150, "b01h07/uplink/icmp", "closed"), 0, 0.5, 1, 0),
        (mail(250, "b01h02/uplink"), 0.5, 0, 1, 0),
        (mail(50, "b01/core"), 0.5, 0, 1, 1),
        (mail(150, "b02/core"), 0.5, 0, 1, 1),
        (mail(150, "", ""), 0.5, 0, 1, 1),
        (mail(460, "b01/core", "residual", left=("b01h09/uplink",)), 0.5, 0, 1, 0),
    ],
)
def test_what_tells_of_no_cause_counts_against(
    told: Mail, problems: float, recoveries: float, children: int, strays: int
) -> None:
    found = tally([told], [HUB, OWN])
    assert (found.problems, found.recoveries, found.children) == (problems, recoveries, children)
    assert len(found.strays) == strays
    assert (found.untold, found.endless) == (2, 2)


def test_what_is_told_twice_is_counted() -> None:
    once = mail(150, "b01/core")
    same_event = Mail(160, "<other>", once.recipient, "subject", once.thread, once.notice, once.root)
    assert tally([once, once], [HUB]).duplicates == 1
    assert tally([once, same_event], [HUB]).duplicates == 1
    assert tally([once, mail(500, "b01/core", "closed")], [HUB]).duplicates == 0


@pytest.mark.parametrize(
    ("runs", "down"),
    [
        ("..xx.", [(3, 4)]),
        ("..x.x.", []),
        ("xxxx", [(1, INF)]),
        (".xx..xxx.", [(2, 3), (6, 8)]),
    ],
)
def test_a_peer_calls_a_check_down_after_two_failures(runs: str, down: list[tuple[float, float]]) -> None:
    assert outages([(float(at), each == "x") for at, each in enumerate(runs)]) == down


@pytest.mark.parametrize(
    ("hub", "child", "muted"),
    [
        (".xx..", "..xx.", 2),  # it outlasts the hub
        ("..xx.", ".xx..", 2),  # it comes first
        (".xxx.", ".xxx.", 1),  # it is covered
        (".....", ".xx..", 1),  # it is alone
    ],
)
def test_a_muting_peer_tells_what_the_hub_does_not_cover(hub: str, child: str, muted: int) -> None:
    runs = {
        "hub": [(float(at), each == "x") for at, each in enumerate(hub)],
        "child": [(float(at), each == "x") for at, each in enumerate(child)],
    }
    found = naive(runs, {"child": ["hub"]})
    assert found.muted == muted
    assert found.each == ("xx" in hub) + ("xx" in child)


def test_the_storm_has_a_thousand_units_and_the_same_causes_for_a_seed() -> None:
    tree = Tree()
    assert tree.inventory(Pace()).count("  - id: ") - tree.inventory(Pace()).count("      - id: ") == 1000
    assert full(7) == full(7) != full(8)
    steps = [at for at, _, _ in full(7).steps()]
    assert steps == sorted(steps)
    roots = [fault.root for fault in full(7).faults]
    assert len(set(roots)) == len(roots) == 9


def test_what_is_above_a_check() -> None:
    checks = ["p/core/icmp", "b01/core/icmp", "b01h01/uplink/icmp", "b01h01/pc/icmp", "b30h01/uplink/icmp"]
    found = above(checks)
    assert found["p/core/icmp"] == []
    assert found["b01/core/icmp"] == ["p/core/icmp"]
    assert found["b01h01/pc/icmp"] == ["b01h01/uplink/icmp", "b01/core/icmp", "p/core/icmp"]
    assert found["b30h01/uplink/icmp"] == ["p/core/icmp"]
