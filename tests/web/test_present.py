"""How numbers and times are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.job import Job
from monitor.web.present import due, moment, quantity, readable
from probes import registry
from probes.api import Target


def _job(probe: str) -> Job:
    spec = registry.get(probe)
    return Job("u/a/c", "u", "a", "c", spec, Target("127.0.0.1"), spec.params.model_construct(), 60.0, 5.0)


@pytest.mark.parametrize(
    ("probe", "text", "shown"),
    [
        ("http", "first_byte_ms = 1500.62", "first_byte_ms = 1.501 s"),
        ("http", "first_byte_ms <= 1000", "first_byte_ms <= 1 s"),
        ("icmp", "rtt_ms <= 50; loss_pct <= 1", "rtt_ms <= 50 ms; loss_pct <= 1 %"),
        ("icmp", "rtt_ms p95 <= 58.3 over 24h", "rtt_ms p95 <= 58.3 ms over 24h"),
        ("icmp", "rtt_ms = 12 ms", "rtt_ms = 12 ms"),
        (
            "icmp",
            "p95 = 81.2, 95 % bounds 78.9..84.0, n = 1440",
            "p95 = 81.2, 95 % bounds 78.9..84.0, n = 1440",
        ),
        ("host", "memory_total_bytes = 2.52765e+10", "memory_total_bytes = 23.54 GiB"),
        ("host", "kernel = 6.18.44-fc-v669", "kernel = 6.18.44-fc-v669"),
        ("host", "kernel matches /^([4-9])/", "kernel matches /^([4-9])/"),
        ("icmp", "no_such_thing = 5", "no_such_thing = 5"),
        ("tls", "days_left >= 30", "days_left >= 30 d"),
    ],
)
def test_numbers_get_the_units_that_the_probe_declares(probe: str, text: str, shown: str) -> None:
    assert readable(text, _job(probe)) == shown
    assert readable(text, None) == text


@given(st.text(max_size=300))
def test_any_text_is_shown(text: str) -> None:
    assert len(readable(text, _job("tcp"))) <= 20 * len(text) + 20


def test_a_time_is_in_the_units_zone_with_its_offset() -> None:
    at = 1_900_000_000.0
    shown, other = moment(at, "Asia/Shanghai", at), moment(at, "no/such", at + 86_400)
    assert shown is not None
    assert other is not None
    assert (shown.text, shown.iso) == ("01:46:40 +08:00", "2030-03-18T01:46:40+08:00")
    assert other.text == "2030-03-17 17:46:40 +00:00"
    assert moment(None, "UTC", at) is None


def test_days_may_be_past_and_no_date_is_none() -> None:
    assert due(None, "UTC", 0.0) is None
    past = due("2030-03-15", "UTC", 1_900_000_000.0)
    assert past is not None
    assert past.days == -2


def test_no_number_is_a_dash() -> None:
    assert (quantity(None, "ms"), quantity(float("nan"), "ms"), quantity(0.0, "count")) == ("–", "–", "0")
