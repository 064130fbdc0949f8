"""Every combination of severity and status against the paragraph, written down again as an oracle."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest

from monitor.readiness.checklist import SEVERITIES, Severity
from monitor.readiness.verdict import EXIT_STATUS, Status, Verdict, exit_status, rollup, verdict


@dataclass(frozen=True)
class Line:
    severity: Severity
    status: Status
    measured: bool


def lines() -> list[Line]:
    """All that one item can be: a waived one was measured (its fail) or not (its unknown was covered)."""
    found = []
    for severity, status in itertools.product(SEVERITIES, Status):
        evidence = {
            Status.PASS: (True,), Status.FAIL: (True,), Status.WAIVED: (True, False)
        }.get(status, (False,))  # fmt: skip
        found += [Line(severity, status, each) for each in evidence]
    return found


ALL = lines()


def oracle(items: tuple[Line, ...], max_waivers: int | None) -> str:
    """The paragraph, sentence by sentence, on counts."""
    count = {(s, t): 0 for s in SEVERITIES for t in Status}
    for item in items:
        count[item.severity, item.status] += 1
    waivers = sum(count[s, Status.WAIVED] for s in SEVERITIES)
    fails = count["blocker", Status.FAIL] + count["major", Status.FAIL]
    unknowns = count["blocker", Status.UNKNOWN] + count["major", Status.UNKNOWN]
    seen = [item for item in items if item.measured and item.severity in {"blocker", "major"}]
    if max_waivers is not None and waivers > max_waivers:
        return "NOT_READY"
    if len(seen) == 0:
        return "UNKNOWN"
    if fails > 0:
        return "NOT_READY"
    if unknowns > 0:
        return "UNKNOWN"
    if waivers + count["minor", Status.FAIL] + count["minor", Status.UNKNOWN] > 0:
        return "CONDITIONAL"
    return "READY"


@pytest.mark.parametrize("max_waivers", [None, 0, 1, 2])
@pytest.mark.parametrize("size", range(4))
def test_all_combinations(size: int, max_waivers: int | None) -> None:
    seen = set()
    for items in itertools.combinations_with_replacement(ALL, size):
        found, _ = verdict(items, max_waivers)
        assert found == oracle(items, max_waivers), items
        seen.add(found)
    assert size < 2 or seen == set(Verdict)


def test_every_subset_of_kinds_of_items() -> None:
    """Without a limit of waivers only whether a kind occurs matters."""
    for mask in range(1 << len(ALL[:12])):
        items = tuple(line for bit, line in enumerate(ALL[:12]) if mask >> bit & 1)
        for extra in ((), (ALL[-1],), tuple(ALL[12:])):
            assert verdict(items + extra)[0] == oracle(items + extra, None)


@pytest.mark.parametrize("permuted", list(itertools.permutations(ALL[:4])))
def test_the_order_of_items_does_not_matter(permuted: tuple[Line, ...]) -> None:
    assert verdict(permuted) == verdict(ALL[:4])


def test_reasons_name_the_weightiest_first() -> None:
    items = [
        Line("minor", Status.FAIL, True),
        Line("blocker", Status.UNKNOWN, False),
        *[Line("major", Status.FAIL, True)] * 2,
        Line("info", Status.FAIL, True),
    ]
    assert verdict(items) == (Verdict.NOT_READY, ("2 majors fail", "1 blocker is unknown", "1 minor fails"))
    assert verdict([])[1] == ("no item is asked of this unit",)
    assert verdict([Line("major", Status.PASS, True)]) == (Verdict.READY, ())


def test_waivers_over_the_limit_are_the_reason() -> None:
    items = [Line("major", Status.WAIVED, True)] * 2
    assert verdict(items, 1) == (Verdict.NOT_READY, ("2 waivers, and the gate allows 1",))
    assert verdict(items, 2)[0] is Verdict.CONDITIONAL


@pytest.mark.parametrize("verdicts", [c for n in range(1, 5) for c in itertools.combinations(Verdict, n)])
def test_the_exit_status_is_the_worst_in_the_order_3_5_4_0(verdicts: tuple[Verdict, ...]) -> None:
    order = [3, 5, 4, 0]
    assert exit_status(verdicts) == min((EXIT_STATUS[v] for v in verdicts), key=order.index)


def test_no_unit_is_a_usage_error() -> None:
    assert exit_status([]) == 2


def test_rollup_counts_and_names_the_worst() -> None:
    found = rollup([(Verdict.READY, 1.0), (Verdict.UNKNOWN, 0.5), (Verdict.READY, 0.9)])
    assert found.worst is Verdict.UNKNOWN
    assert found.counts == {
        Verdict.READY: 2,
        Verdict.CONDITIONAL: 0,
        Verdict.NOT_READY: 0,
        Verdict.UNKNOWN: 1,
    }
    assert found.coverage == pytest.approx(0.8)
    assert rollup([]).worst is Verdict.UNKNOWN
