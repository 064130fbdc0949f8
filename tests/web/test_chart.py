"""Charts: bounded, with extremes kept, and with gaps where nothing was measured."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.store.api import Point
from monitor.web.chart import MAX_MARKS, draw, thin

values = st.floats(-1e9, 1e9, allow_nan=False)


def _point(at: float, value: float) -> Point:
    return Point(at, 1, value, value, value, value, value)


@given(st.lists(values, min_size=1, max_size=2000))
def test_thinning_is_bounded_and_keeps_extremes_count_and_mean(series: list[float]) -> None:
    points = [_point(at, value) for at, value in enumerate(series)]
    marks = thin(points)
    assert len(marks) <= MAX_MARKS
    assert min(mark.minimum for mark in marks) == min(series)
    assert max(mark.maximum for mark in marks) == max(series)
    assert sum(mark.count for mark in marks) == len(series)
    mean = math.fsum(mark.mean * mark.count for mark in marks) / len(series)
    assert mean == pytest.approx(math.fsum(series) / len(series), rel=1e-9, abs=1e-3)


@given(st.lists(values, min_size=1, max_size=600))
def test_everything_drawn_lies_within_the_drawing(series: list[float]) -> None:
    chart = draw([_point(at, value) for at, value in enumerate(series)], (0.0, 600.0))
    assert chart is not None
    pairs = [pair.split(",") for run in chart.line.split("M")[1:] for pair in run.split("L")]
    for x, y in [*((float(x), float(y)) for x, y in pairs), *chart.dots]:
        assert 0 <= x <= chart.width
        assert 0 <= y <= chart.height


def test_the_line_breaks_where_nothing_was_measured() -> None:
    before = [_point(at, 1.0) for at in range(0, 100, 10)]
    after = [_point(at, 2.0) for at in range(300, 400, 10)]
    whole, broken = draw(before, (0, 400)), draw([*before, *after], (0, 400))
    assert whole is not None
    assert broken is not None
    assert (whole.line.count("M"), broken.line.count("M")) == (1, 2)


def test_lone_points_are_dots_and_no_points_no_chart() -> None:
    lone = draw([_point(5, 1.0)], (0, 10))
    assert lone is not None
    assert (lone.line, len(lone.dots)) == ("", 1)
    assert draw([], (0, 10)) is None
    assert draw([Point(5, 0, *[math.nan] * 5)], (0, 10)) is None
