"""Numbers as people read them, with the raw value beside them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import units
from monitor.readiness.expectation import parse
from monitor.readiness.figures import exact, figure, plain
from probes.api import MetricDef
from tests.readiness.world import CHECKLIST, SPECS, World, spec

finite = st.floats(-1e14, 1e14)


@pytest.mark.parametrize(
    ("name", "unit", "value", "text"),
    [
        ("memory_total_bytes", "bytes", 25_276_493_824.0, "23.54 GiB"),
        ("rx_bytes_per_s", "bytes/s", 2_500_000.0, "20 Mbit/s"),
        ("total_ms", "ms", 1503.02, "1503.02"),
        ("rtt_ms", "ms", 81.2, "81.2"),
        ("loss_pct", "%", 0.0, "0"),
        ("humidity", "%", 41.5, "41.5 %"),
        ("temperature", "C", 25.5, "25.5 C"),
        ("days_left", "d", 4.99997, "5 d"),
        ("uptime_s", "s", 86_400.0, "1 d"),
        ("ttl_min", "s", 30.0, "30 s"),
        ("uptime_s", "s", 30.0, "30"),
        ("processes", "count", 12_345_678_901.0, "12345678901"),
    ],
)
def test_figures(name: str, unit: str, value: float, text: str) -> None:
    assert figure(MetricDef(name, unit))(value) == text


@given(finite)
def test_no_usual_number_has_an_exponent_above_one(value: float) -> None:
    assert "e+" not in plain(value)
    assert float(plain(value)) == pytest.approx(value, rel=1e-5)


@given(st.integers(-(10**14), 10**14))
def test_whole_numbers_are_exact(value: int) -> None:
    assert plain(float(value)) == exact(float(value)) == str(value)


@given(st.sampled_from(["bytes", "bit/s", "bytes/s", "Hz", "d"]), st.floats(1, 1e12))
def test_a_scaled_figure_is_read_back_as_what_it_was(unit: str, value: float) -> None:
    text = figure(MetricDef("x", unit))(value)
    assert units.parse(text, unit) == pytest.approx(value, rel=1e-3)


def test_a_condition_s_own_text_is_exact_and_digests_depend_on_it() -> None:
    metric = MetricDef("memory_total_bytes", "bytes")
    near, far = (parse(f">= {value}", metric=metric) for value in (536_870_912, 536_870_913))
    assert (str(near), str(far)) == (">= 536870912", ">= 536870913")
    assert near.text(figure(metric)) == far.text(figure(metric)) == ">= 512 MiB"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("between 1 GiB and 2 GiB", "between 1 GiB and 2 GiB"),
        ({"not": ">= 1 GiB"}, "not >= 1 GiB"),
        ({"any": ["<= 1 MiB", ">= 1 GiB"]}, "(<= 1 MiB or >= 1 GiB)"),
        ({"all": ["in [1 MiB, 2 MiB]", "!= 0"]}, "(in [1 MiB, 2 MiB] and != 0 bytes)"),
        ({"p95": "<= 1 GiB", "over": "24h"}, "p95 <= 1 GiB over 24h"),
        ("<= requirement", "<= requirement"),
    ],
)
def test_conditions_of_sizes(raw: object, text: str) -> None:
    metric = MetricDef("x", "bytes")
    assert parse(raw, metric=metric).text(figure(metric)) == text


@pytest.fixture
def memory(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(
        SPECS, "http", spec("http", [MetricDef("memory_bytes", "bytes"), MetricDef("status")])
    )
    world.checklist = CHECKLIST.replace("{status: 200}", '{memory_bytes: ">= 512 MiB"}')
    return world


def test_expected_and_actual_read_well_and_value_is_raw(memory: World) -> None:
    row = memory.ok("pc1/http", memory_bytes=25_276_493_824.0).item("page")
    assert (row.expected, row.actual) == ("memory_bytes >= 512 MiB", "memory_bytes = 23.54 GiB")
    data = json.loads(json.dumps(row.plain()))
    assert (data["value"], data["unit"]) == (25_276_493_824.0, "bytes")


def test_what_misses_by_less_than_is_shown_is_written_in_full(memory: World) -> None:
    row = memory.ok("pc1/http", memory_bytes=536_870_900.0).item("page")
    assert row.status == "fail"
    assert row.actual == "memory_bytes = 536870900 bytes"
