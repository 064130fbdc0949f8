"""Logs, from recorded lines of many kinds: when each was written, and what counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.software import _log_times
from probes.software._log_times import Clock
from tests.probes.software.framing import told

DAY_S = 86_400
NOW = 1_795_564_800.0  # 2026-11-25 00:00:00 UTC


@pytest.mark.parametrize(
    ("line", "age"),
    [
        ("2026-11-24T23:59:00Z x", 60),
        ("2026-11-25T07:59:00+08:00 x", 60),
        ("2026-11-24 23:59:00,123 ERROR x", 60),
        ("[2026-11-24 23:59:00.123] x", 60),
        ("2026/11/24 23:59:00 [error] 7#7: x", 60),
        ("Nov 24 23:59:00 pc1 sshd[7]: x", 60),
        ("<13>Nov 24 23:59:00 pc1 x", 60),
        ("Dec 31 23:59:00 pc1 x", 60 + 328 * DAY_S),
        ('10.0.0.1 - - [25/Nov/2026:07:59:00 +0800] "GET / HTTP/1.1" 500 0', 60),
        ("1795564740.123456 pc1 sshd[7]: x", 60),
        ("no time at all", None),
        ("2026-13-45 99:99:99 x", None),
        ("Feb 31 10:00:00 x", None),
    ],
)
def test_when_a_line_was_written(line: str, age: float | None) -> None:
    at = _log_times.written(line, Clock(NOW))
    assert at is None if age is None else at == pytest.approx(NOW - age, abs=1)


def test_a_line_without_a_zone_is_in_the_hosts() -> None:
    assert _log_times.written("2026-11-25 07:59:00 x", Clock(NOW, "+0800")) == NOW - 60
    assert _log_times.written("Nov 24 18:59:00 x", Clock(NOW, "-0500")) == NOW - 60


@given(st.text(max_size=60), st.floats(0, 4e9))
def test_any_line_has_a_time_or_none(line: str, now: float) -> None:
    at = _log_times.written(line, Clock(now))
    assert at is None or abs(at) < 1e12


def syslog(*ages: float | None) -> str:
    lines = [f"{NOW - age:.6f} pc1 app: error {age}" if age is not None else "  traceback" for age in ages]
    return "exists=1\nnow=1795564800\nzone=+0000\n\n" + "".join(f"{line}\n" for line in lines)


async def test_log() -> None:
    text = syslog(900, 300, None, 60) + f"{NOW:.6f} pc1 app: fine\n"
    metrics, facts = await told("log", text, path="/x", pattern="error|traceback")
    assert metrics == {"lines": 4, "matches": 3, "newest_match_age_s": pytest.approx(60, abs=1)}
    assert facts == {}
    _, facts = await told("log", text, path="/x", pattern="error", keep=True)
    assert facts["line"].endswith("error 60")


async def test_a_log_that_does_not_reach_back_counts_nothing() -> None:
    text = syslog(*[60] * 100)
    metrics, facts = await told("log", text, path="/x", pattern="error", max_bytes=1024)
    assert "matches" not in metrics
    assert "do not reach back" in facts["not_read"]
    metrics, _ = await told("log", syslog(*[900] * 50, 60), path="/x", pattern="error", max_bytes=1024)
    assert metrics["matches"] == 1, "what is cut off is older than what counts"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("exists=1\nnow=1795564800\nzone=+0000\n\nno time\n", "do not say when"),
        (syslog(60).replace("zone", "rotated=1\nzone"), "rotated"),
    ],
)
async def test_a_log_that_can_not_be_told_counts_nothing(text: str, why: str) -> None:
    metrics, facts = await told("log", text, path="/x", pattern="x")
    assert "matches" not in metrics
    assert why in facts["not_read"]


async def test_an_empty_log_has_no_match() -> None:
    assert (await told("log", syslog(), path="/x", pattern="x"))[0] == {"lines": 0, "matches": 0}
