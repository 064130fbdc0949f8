"""Waivers: asked for by one, approved by another; never a pass, and over when they are over."""

from __future__ import annotations

import pytest

from monitor.people.refused import Refused
from monitor.readiness.verdict import Status, Verdict
from tests.gates.home import CHECKLIST, DAY, Home


@pytest.fixture
def slow(home: Home) -> Home:
    """A hall that is ready but for one slow machine."""
    home.drilled()
    home.reported()
    return home.measured(rtt_ms=90)


def test_approved_by_another_it_makes_waived_of_fail(slow: Home) -> None:
    assert slow.judge().verdict is Verdict.NOT_READY
    slow.waive()
    assert slow.row("fast").status is Status.FAIL, "a request changes nothing"
    slow.ask("waive.approve", "boss", waiver="w3", unit="")
    row = slow.row("fast")
    assert (row.status, row.raw, row.reason) == (Status.WAIVED, Status.FAIL, "expectation")
    assert row.waiver is not None
    assert (row.waiver["id"], row.waiver["approved_by"]) == ("w3", "boss (unauthenticated)")
    assert slow.judge().verdict is Verdict.CONDITIONAL


def test_it_ends_at_its_time(slow: Home) -> None:
    slow.waive(expires_at=slow.now + 300)
    slow.ask("waive.approve", "boss", waiver="w3")
    slow.now += 299
    assert slow.row("fast").status is Status.WAIVED
    slow.now += 1
    assert slow.row("fast").status is Status.FAIL


def test_it_never_covers_unknown_unless_it_says_so(slow: Home) -> None:
    slow.waive()
    slow.ask("waive.approve", "boss", waiver="w3")
    slow.now += 3 * 3600
    assert slow.row("fast").status is Status.UNKNOWN
    slow.waive(covers_unknown=True)
    slow.ask("waive.approve", "boss", waiver="w5")
    assert slow.row("fast").status is Status.WAIVED


def test_nobody_approves_what_they_asked_for(slow: Home) -> None:
    slow.waive(actor="boss")
    with pytest.raises(Refused, match="nobody approves what they asked for"):
        slow.ask("waive.approve", "boss", waiver="w3")
    with pytest.raises(Refused, match="nobody approves what they asked for"):
        slow.ask("waive.approve", "root for Boss", waiver="w3")
    with pytest.raises(Refused, match="takes an approver"):
        slow.ask("waive.approve", "li", waiver="w3")
    slow.ask("waive.approve", "chief", waiver="w3")
    with pytest.raises(Refused, match="w3 is approved already"):
        slow.ask("waive.approve", "chief", waiver="w3")


def test_a_blocker_only_where_its_item_says_so(slow: Home) -> None:
    with pytest.raises(Refused, match='"answers" is a blocker, and its item does not say waivable: true'):
        slow.waive(item="answers")
    measured = "select: {kind: host}, check: icmp, expect: {received"
    slow.write("checklists/hall.yaml", CHECKLIST.replace(measured, f"waivable: true, {measured}"))
    slow.waive(item="answers")


def test_rejected_taken_back_ended(slow: Home) -> None:
    slow.waive()
    with pytest.raises(Refused, match="w3 asks for the same already"):
        slow.waive()
    with pytest.raises(Refused, match="--note: write it"):
        slow.ask("waive.reject", waiver="w3")
    slow.ask("waive.reject", waiver="w3", note="not needed")
    slow.waive()
    slow.ask("waive.approve", "boss", waiver="w5")
    assert slow.row("fast").status is Status.WAIVED
    slow.now += 60
    slow.ask("waive.end", "chief", waiver="w5", note="mended")
    slow.now += 1
    assert slow.row("fast").status is Status.FAIL
    with pytest.raises(Refused, match="w5 is ended"):
        slow.ask("waive.end", "chief", waiver="w5", note="mended")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"asset": ""}, "write --asset pc1"),
        ({"item": "fats"}, "did you mean fast"),
        ({"expires_at": None}, "--until: write when it ends"),
        ({"expires_at": 5.0}, "--until: write when it ends"),
        ({"expires_at": 9e10}, "--until: at most a year"),
        ({"expires_at": "soon"}, "seconds since the epoch"),
        ({"risk": ""}, "--risk: write it"),
        ({"compensating_action": " "}, "--compensating-action: write it"),
        ({"gate": "nowhere"}, 'no gate "nowhere"'),
    ],
)
def test_what_is_not_whole_is_refused(slow: Home, more: dict[str, object], message: str) -> None:
    with pytest.raises(Refused, match=message):
        slow.waive(**more)
    assert len(slow.entries()) == 2


def test_a_request_for_too_short_a_time_can_t_be_approved_any_more(slow: Home) -> None:
    slow.waive(expires_at=slow.now + DAY)
    slow.now += DAY
    with pytest.raises(Refused, match="would be over already"):
        slow.ask("waive.approve", "boss", waiver="w3")
    with pytest.raises(Refused, match=r'no waiver "w9"; .*w3'):
        slow.ask("waive.approve", "boss", waiver="w9", unit="")
