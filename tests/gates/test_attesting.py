"""What people state: by whom, for how long it counts, and what it never makes a pass."""

from __future__ import annotations

import pytest

from monitor.people.refused import Refused
from monitor.readiness.verdict import Status
from tests.gates.home import CHECKLIST, DAY, SHA, Home


def test_nothing_stated_is_not_attested(home: Home) -> None:
    row = home.row("drill")
    assert (row.status, row.reason, row.expected) == (
        Status.UNKNOWN,
        "not_attested",
        "attested by an operator",
    )


def test_a_statement_with_its_files_passes_until_it_is_stale(home: Home) -> None:
    home.drilled()
    row = home.row("drill")
    assert (row.status, row.collected_at, row.expires_at) == (Status.PASS, home.now, home.now + 30 * DAY)
    assert row.actual == "li (unauthenticated): held on Monday"
    home.now += 30 * DAY - 1
    assert home.row("drill").status is Status.PASS
    home.now += 1
    row = home.row("drill")
    assert (row.status, row.reason, row.value) == (Status.UNKNOWN, "stale", "holds")


def test_that_it_does_not_hold_may_be_stated_and_fails(home: Home) -> None:
    home.drilled(fails=True, files=[], statement="the generator did not start")
    row = home.row("drill")
    assert (row.status, row.reason, row.detail) == (Status.FAIL, "expectation", "the generator did not start")
    home.drilled()
    assert home.row("drill").status is Status.PASS, "the last statement counts"


def test_too_few_files_are_refused(home: Home) -> None:
    with pytest.raises(Refused, match=r"asks for 1 files; add --file FILE for each \(0 given\)"):
        home.drilled(files=[])


@pytest.mark.parametrize("files", ["x", [1], [{"name": "a"}], [{"sha256": "zz", "size": 1}], [{}] * 30])
def test_what_is_no_file_is_refused(home: Home, files: object) -> None:
    with pytest.raises(Refused, match="file"):
        home.drilled(files=files)


def test_a_role_may_be_asked_for(home: Home) -> None:
    with pytest.raises(Refused, match=r'li is operator at hall, and stating "report" takes an approver'):
        home.ask("attest", item="report", statement="I have it")
    with pytest.raises(Refused, match="elsewhere is viewer at hall"):
        home.ask("attest", "elsewhere", item="report", statement="I have it")
    home.ask("attest", "root for chief", item="report", statement="I have it")
    assert home.row("report").status is Status.PASS


def test_another_question_needs_another_statement(home: Home) -> None:
    home.drilled()
    home.write("checklists/hall.yaml", CHECKLIST.replace("files: 1", "files: 2"))
    row = home.row("drill")
    assert (row.status, row.reason) == (Status.UNKNOWN, "not_attested")
    assert "asks something else" in row.detail


def test_a_statement_of_the_future_is_no_evidence(home: Home) -> None:
    home.drilled()
    home.now -= 3600
    row = home.row("drill")
    assert (row.status, row.reason) == (Status.UNKNOWN, "inconclusive")


def test_what_is_measured_is_not_stated(home: Home) -> None:
    with pytest.raises(Refused, match='"fast" is measured, not stated'):
        home.ask("attest", item="fast", statement="it is fast")
    with pytest.raises(Refused, match=r"is not asked .*did you mean drill"):
        home.ask("attest", item="dril", statement="x")
    with pytest.raises(Refused, match=r"no unit .*did you mean hall"):
        home.ask("attest", unit="hal", item="drill", statement="x")
    with pytest.raises(Refused, match="--statement: write it"):
        home.ask("attest", item="drill", files=[{"name": "a", "sha256": SHA, "size": 1}])


def test_taking_back(home: Home) -> None:
    home.drilled()
    with pytest.raises(Refused, match="taking back what li stated takes an approver"):
        home.ask("attest.withdraw", "wang", item="drill", reason="wrong file")
    home.ask("attest.withdraw", item="drill", reason="wrong file")
    assert home.row("drill").reason == "not_attested"
    with pytest.raises(Refused, match="nothing was stated"):
        home.ask("attest.withdraw", item="drill", reason="again")
    assert [each.kind for each in home.entries()] == ["attest", "attest.withdraw"]


def test_not_applicable_counts_once_another_approved_it(home: Home) -> None:
    home.measured(rtt_ms=90)
    home.ask("attest", "boss", item="fast", asset="pc1", statement="no counter there", not_applicable=True)
    assert home.row("fast").status is Status.FAIL, "not approved yet"
    with pytest.raises(Refused, match="nobody approves what they stated"):
        home.ask("attest.confirm", "root for boss", item="fast", asset="pc1")
    with pytest.raises(Refused, match="takes an approver"):
        home.ask("attest.confirm", "li", item="fast", asset="pc1")
    home.ask("attest.confirm", "chief", item="fast", asset="pc1")
    row = home.row("fast")
    assert (row.status, row.reason) == (Status.NOT_APPLICABLE, "attested")
    assert "no counter there; approved by chief" in row.detail
    home.now += 30 * DAY
    home.measured(rtt_ms=90)
    assert home.row("fast").status is Status.FAIL, "it has to be stated again"


def test_an_asset_that_is_not_asked_is_refused(home: Home) -> None:
    with pytest.raises(Refused, match='"fast" is not asked of "pc2"; did you mean pc1'):
        home.ask("attest", item="fast", asset="pc2", statement="x", not_applicable=True)
