"""Judgements kept, summarised, and what they are worth later."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from monitor.readiness.checklist import Severity
from monitor.readiness.verdict import Status, verdict
from monitor.store.verdicts import EXPIRED, aged, as_of, summary
from tests.web.views import GATE, Sample, iso, item, judged, sample, save


async def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        rows = {row.unit: row for row in await view.verdicts.board(GATE)}
        hall = rows["gz-tianhe"]
        assert hall.verdict == "NOT_READY"
        assert hall.counts == {"pass": 1, "fail": 2, "unknown": 1, "waived": 0, "not_applicable": 0}
        assert [each.id for each in hall.blocking] == ["security.certificate", "app.login"]
        assert hall.blocking[0].title_zh == "门户证书有效期不少于 30 天"
        assert hall.blocking[1].blocked_by == "security.certificate"
        detail = await view.verdicts.detail("gz-tianhe", GATE)
        assert detail is not None
        assert detail["items"][0]["id"] == "network.rtt"
        assert detail["judged_at"] == hall.judged_at
        assert await view.verdicts.detail("gz-tianhe", "rehearsal") is None
        assert await view.verdicts.board("rehearsal") == []


async def test_an_older_judgement_changes_nothing_and_a_newer_one_does(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        now = time.time()
        await save(view, ("gz", now - 60, judged("gz", "NOT_READY", item("a", "fail"))))
        assert await _verdict(view, "gz") == "READY"
        await save(view, ("gz", now + 1, judged("gz", "NOT_READY", item("a", "fail"))))
        assert await _verdict(view, "gz") == "NOT_READY"


async def test_units_that_are_gone_have_no_judgement(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        await view.verdicts.keep_only(["gz-tianhe", "new"])
        assert [row.unit for row in await view.verdicts.board(GATE)] == ["gz-tianhe"]
        assert await view.verdicts.detail("gz", GATE) is None


async def _verdict(view: Sample, unit: str) -> str:
    return next(row.verdict for row in await view.verdicts.board(GATE) if row.unit == unit)


@pytest.mark.parametrize("good", ["READY", "CONDITIONAL"])
def test_a_good_verdict_is_unknown_once_its_evidence_has_expired(good: str) -> None:
    now = time.time()
    row = summary("u", now, judged("u", good, item("a", expires_at=iso(now + 60)), item("b")))
    assert as_of(row, now) is row
    later = as_of(row, now + 61)
    assert (later.verdict, later.reasons[0]) == ("UNKNOWN", EXPIRED)


def test_a_bad_verdict_stays_bad_and_minor_evidence_may_expire() -> None:
    now = time.time()
    bad = summary("u", now, judged("u", "NOT_READY", item("a", "fail"), item("b", expires_at=iso(now + 1))))
    assert as_of(bad, now + 10).verdict == "NOT_READY"
    minor = item("m", severity="minor", expires_at=iso(now + 1))
    assert as_of(summary("u", now, judged("u", "READY", item("a"), minor)), now + 10).verdict == "READY"


def test_items_age_and_are_counted_anew() -> None:
    now = time.time()
    unit = judged("u", "READY", item("a", expires_at=iso(now + 60)), item("b", expires_at=None))
    assert aged(unit, now) == unit
    later = aged(unit, now + 61)
    assert [(each["status"], each["reason"]) for each in later["items"]] == [
        ("unknown", "stale"),
        ("pass", ""),
    ]
    assert later["counts"]["pass"] == 1
    assert later["counts"]["unknown"] == 1
    assert later["verdict"] == "UNKNOWN"
    assert unit["items"][0]["status"] == "pass"


SEVERITIES: tuple[Severity, ...] = ("blocker", "major", "minor")


class _Item:
    def __init__(self, severity: Severity, status: Status) -> None:
        self.severity: Severity = severity
        self.status = status
        self.measured = status in (Status.PASS, Status.FAIL, Status.WAIVED)


def test_a_category_is_signed_by_the_rules_of_the_unit() -> None:
    """All pairs of severity and status, against `monitor.readiness.verdict`, where something grave holds."""
    kinds = list(itertools.product(SEVERITIES, Status))
    for one, two in itertools.product(kinds, kinds):
        pair = [one, two, ("blocker", Status.PASS)]
        items: list[dict[str, Any]] = [
            item(str(number), status.value, severity=severity)
            for number, (severity, status) in enumerate(pair)
        ]
        expected, _ = verdict([_Item(severity, status) for severity, status in pair])
        found = summary("u", 0.0, judged("u", "UNKNOWN", *items)).categories["network"]
        assert found.verdict == expected.value, pair
