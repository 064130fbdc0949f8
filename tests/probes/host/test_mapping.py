"""From series to metrics: what can't be told truly is not told."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from probes._exposition import Sample, Scan, selector
from probes.host._mapping import (
    FactMap,
    LastSamples,
    MetricMap,
    Scrape,
    fact,
    fresh,
    metric,
    selectors_of,
)
from tests.probing import SharedHere

TEXT = """
one 5
many{x="a"} 1
many{x="b"} 3
size{m="/"} 100
size{m="/srv"} 200
size{m="/zero"} 0
free{m="/"} 25
free{m="/srv"} 150
free{m="/zero"} 0
nothing NaN
endless +Inf
started 1000
info{release="5.10",name="x"} 1
info2{v="1"} 1
info2{v="2"} 1
"""


def _scrape(text: str, how: list[str], now: float = 1500.0) -> Scrape:
    scan = Scan(selectors_of(tuple(how)))
    scan.feed(text)
    return Scrape(scan.close(), now)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("one", 5),
        ({"of": "one", "scale": 2}, 10),
        ({"of": "many", "reduce": "sum"}, 4),
        ({"of": "many", "reduce": "max"}, 3),
        ({"of": "many", "reduce": "min"}, 1),
        ({"of": "many", "reduce": "avg"}, 2),
        ({"of": "many", "reduce": "count"}, 2),
        ('many{x="a"}', 1),
        ("absent or one", 5),
        ({"of": "free", "per": "size", "by": "each", "reduce": "max", "complement": True}, 0.75),
        ({"of": "size - free", "per": "size", "by": "each", "reduce": "max", "scale": 100}, 75),
        ({"of": "free", "per": "size"}, 175 / 300),
        ({"of": "one", "per": "many", "per_reduce": "count"}, 2.5),
        ({"of": "started", "age": True}, 500),
        ({"of": "many + many - many", "reduce": "sum"}, 4),
    ],
)
def test_told(how: Any, expected: float) -> None:
    mapped = MetricMap.model_validate(how)
    assert metric(mapped, _scrape(TEXT, list(mapped.expressions))) == pytest.approx(expected)


@pytest.mark.parametrize(
    "how",
    [
        "absent",
        "many",
        "nothing",
        "endless",
        {"of": "nothing", "reduce": "sum"},
        {"of": "one", "per": "absent"},
        {"of": "one", "per": 'size{m="/zero"}'},
        {"of": "one + absent"},
        {"of": "one", "rate": True},
        {"of": "size", "per": "many", "by": "each", "reduce": "max"},
        {"of": "absent", "reduce": "count"},
    ],
)
def test_not_told(how: Any) -> None:
    mapped = MetricMap.model_validate(how)
    assert metric(mapped, _scrape(TEXT, list(mapped.expressions))) is None


@pytest.mark.parametrize(
    "text", ["", "a b", "-a", "a +", 'a{x="1"', 'a "junk', "a * b", "a or", 'a{x="1"} "']
)
def test_a_bad_expression_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"no expression|no selector|no label matcher"):
        MetricMap.model_validate(text)


def test_facts() -> None:
    scrape = _scrape(TEXT, ["info", "info2"])
    assert fact(FactMap(of="info", label="release"), scrape) == "5.10"
    assert fact(FactMap(of="info", label="absent"), scrape) is None
    assert fact(FactMap(of="info2", label="v"), scrape) is None


def _rate(last: LastSamples, text: str, at: float, how: str = "many") -> float | None:
    mapped = MetricMap(of=how, rate=True, reduce="sum")
    scrape = _scrape(text, [how])
    scrape.add_rates(last, "url", selectors_of((how,)), at)
    return metric(mapped, scrape)


def test_rates_need_the_same_series_and_no_reset() -> None:
    last = LastSamples(SharedHere())
    first = 'many{x="a"} 10\nmany{x="b"} 20\n'
    assert _rate(last, first, 100.0) is None
    assert _rate(last, 'many{x="a"} 20\nmany{x="b"} 40\n', 110.0) == pytest.approx(3.0)
    assert _rate(last, 'many{x="a"} 5\nmany{x="b"} 400\n', 120.0) is None, "a was reset"
    assert _rate(last, 'many{x="a"} 15\n', 130.0) is None, "b is gone"
    assert _rate(last, 'many{x="a"} 25\n', 140.0) == pytest.approx(1.0)
    assert _rate(last, 'many{x="a"} 35\n', 140.1) is None, "too short"
    assert _rate(last, 'many{x="a"} 35\n', 150.0) == pytest.approx(1.0)
    assert _rate(last, 'many{x="a"} 9999\n', 9999.0) is None, "too long ago"


def test_stale_samples_are_absent() -> None:
    one = selector("a")
    samples = {one: [Sample((), 1.0, 1_000_000.0), Sample((), 2.0, 700_000.0), Sample((), 3.0)]}
    assert [s.value for s in fresh(samples, 1100.0, 300.0, 1000)[one]] == [1.0, 3.0]


def test_no_infinite_figure() -> None:
    mapped = MetricMap(of="a", scale=1e308)
    assert metric(mapped, _scrape("a 1e308\n", ["a"])) is None
    assert not math.isinf(metric(MetricMap(of="a"), _scrape("a 1e308\n", ["a"])) or 0)
