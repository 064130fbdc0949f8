"""Numbers as people read them in `expected` and `actual`; `value` and `unit` stay raw beside them."""

from __future__ import annotations

from collections.abc import Callable

from inventory import units
from probes.api import MetricDef

Figure = Callable[[float], str]
_SCALED = frozenset({"size", "rate", "frequency"})
LONG_S = 120.0
"""From here on seconds are shown as minutes, hours or days."""


def exact(value: float) -> str:
    """Return a number so that different ones stay different, as digests need it."""
    return f"{value:.0f}" if abs(value) < 1e15 and float(value).is_integer() else f"{value:.10g}"


def plain(value: float) -> str:
    """Return a number to 6 significant digits, those up to 1e15 without an exponent."""
    if abs(value) < 1e15 and float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"


def figure(metric: MetricDef | None) -> Figure:
    """Return how a metric's numbers are written.

    Sizes, rates, days and long times are scaled: 2.53e10 bytes are 23.56 GiB, and 4.99997 days 5 d.
    Others stay in the metric's unit, which is named where the metric's name does not end in it.
    """
    if metric is None:
        return plain
    unit, kind = metric.unit, units.dimension(metric.unit)
    if kind in _SCALED or unit == "d":
        return lambda value: units.render(value, unit)
    if unit == "s":
        return lambda value: units.render(value, unit) if abs(value) >= LONG_S else _suffixed(value, metric)
    return lambda value: _suffixed(value, metric)


def _suffixed(value: float, metric: MetricDef) -> str:
    ending = "_pct" if metric.unit == "%" else f"_{metric.unit}"
    named = metric.unit == "count" or metric.name.endswith(ending)
    return plain(value) if named else f"{plain(value)} {metric.unit}"
