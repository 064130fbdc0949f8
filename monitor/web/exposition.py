"""/metrics: the Prometheus text format 0.0.4, made in slices so that the loop is never held for long.

Values come in Prometheus' base units (seconds, bytes, ratios), under `muster_<metric>_<unit>`. A value does
not say when it was measured: `muster_reading_timestamp_seconds` does, one for each check.
https://prometheus.io/docs/instrumenting/exposition_formats/ and .../practices/naming/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice

from monitor.process.turns import Turn
from monitor.web.figures import SLICE, figures
from monitor.web.view import OwnMetric, Series, View

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LINES = 5000
"""Finished lines that are handled at once."""
MAX_NAME = 120

UNITS: dict[str, tuple[str, str, float]] = {
    "us": ("_us", "seconds", 1e6),
    "ms": ("_ms", "seconds", 1e3),
    "s": ("_s", "seconds", 1.0),
    "d": ("_days", "days", 1.0),
    "%": ("_pct", "ratio", 100.0),
    "bytes": ("_bytes", "bytes", 1.0),
    "bit/s": ("_bit_per_s", "bits_per_second", 1.0),
    "bytes/s": ("_bytes_per_s", "bytes_per_second", 1.0),
    "count/s": ("_per_s", "per_second", 1.0),
    "count": ("", "", 1.0),
    "C": ("_c", "celsius", 1.0),
    "Hz": ("_hz", "hertz", 1.0),
    "V": ("_v", "volts", 1.0),
    "W": ("_w", "watts", 1.0),
    "m": ("_m", "meters", 1.0),
}
"""Of each unit: the ending of our own names for it, Prometheus' ending, and what the value is divided by."""

TIMES, STATES, LEFT_OUT = "muster_reading_timestamp_seconds", "muster_check_state", "muster_exposed_left_out"


@lru_cache(maxsize=4096)
def family(metric: str, unit: str) -> tuple[str, float]:
    """Return the Prometheus name of a metric in `unit`, and what its values are divided by."""
    ours, theirs, divisor = UNITS.get(unit, ("", _clean(unit), 1.0))
    stem = _clean(metric.removesuffix(ours) if ours else metric)[:MAX_NAME]
    if theirs and theirs not in stem:
        stem = f"{stem}_{theirs}"
    return f"muster_{stem}", divisor


def _clean(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def escape(value: str) -> str:
    """Return a label's value as the format wants it."""
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value


def number(value: float) -> str:
    """Return a value as the format wants it."""
    if value != value:  # noqa: PLR0124 - not a number
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


class _Family:
    """The lines of one metric: the format wants them in one block."""

    __slots__ = ("help", "lines", "type")

    def __init__(self, text: str, kind: str) -> None:
        self.help, self.type = text, kind
        self.lines: list[str] = []

    def parts(self, name: str) -> Iterator[bytes]:
        """Yield the block in slices."""
        text = self.help.replace("\\", "\\\\").replace("\n", "\\n")
        yield f"# HELP {name} {text}\n# TYPE {name} {self.type}\n".encode()
        for start in range(0, len(self.lines), LINES):
            yield ("\n".join(self.lines[start : start + LINES]) + "\n").encode()


async def expose(view: View, max_series: int) -> bytes:
    """Return the whole exposition: the daemon's own, then at most `max_series` series, states and times."""
    families, turn = dict[str, _Family](), Turn()
    async for told in figures(view, turn):
        _add_own(families, told)
    shown = await _add_series(families, view, max_series, turn)
    states = await _add_states(families, view, max_series, turn)
    _add_own(families, _accounts(view.checks(), shown, states))
    parts: list[bytes] = []
    for name, each in families.items():
        for part in each.parts(name):
            parts.append(part)
            await turn.end()
    return b"".join(parts)


def _accounts(checks: int, series: int, states: int) -> list[OwnMetric]:
    text = "Checks that the limit web.max_series keeps out of this answer: without values, without state."
    left_out = {"values": max(0, checks - series), "state": max(0, checks - states)}
    return [OwnMetric(LEFT_OUT, text, "gauge", {"what": what}, count) for what, count in left_out.items()]


def _add_own(families: dict[str, _Family], metrics: Iterable[OwnMetric]) -> None:
    for name, text, kind, labels, value in metrics:
        whole = name.rpartition("_")[0] if kind == "histogram" else name
        each = families.get(whole) or families.setdefault(whole, _Family(text, kind))
        each.lines.append(f"{name}{_labels(labels)} {number(value)}")


def _labels(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{escape(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


async def _add_series(families: dict[str, _Family], view: View, limit: int, turn: Turn) -> int:
    """Add up to `limit` series; return how many checks they are of."""
    iterator, own = islice(view.series(), limit), frozenset(families) | {TIMES, STATES, LEFT_OUT}
    times = dict[str, float]()
    while part := list(islice(iterator, SLICE)):
        _add_part(families, own, times, part)
        await turn.end()
    if times:
        each = families[TIMES] = _Family("When the values of a check were measured.", "gauge")
        pairs = iter(times.items())
        while lines := [f"{TIMES}{labels} {number(at)}" for labels, at in islice(pairs, LINES)]:
            each.lines += lines
            await turn.end()
    return len(times)


def _add_part(
    families: dict[str, _Family], own: frozenset[str], times: dict[str, float], part: list[Series]
) -> None:
    last, labels = ("", "", ""), ""
    for unit, asset, check, probe, metric, unit_of_metric, value, at in part:
        if (unit, asset, check) != last:
            last = (unit, asset, check)
            labels = _labels({"unit": unit, "asset": asset, "check": check, "probe": probe})
            times[labels] = at
        name, divisor = family(metric, unit_of_metric)
        if name in own:
            name = name.replace("muster_", "muster_check_", 1)
        each = families.get(name)
        if each is None:
            each = families[name] = _Family(f"Latest {metric} of each check.", "gauge")
        each.lines.append(f"{name}{labels} {number(value / divisor)}")


async def _add_states(families: dict[str, _Family], view: View, limit: int, turn: Turn) -> int:
    """Add the state of up to `limit` checks; return of how many."""
    iterator, each = islice(view.states(), limit), _Family("1 for the state each check is in.", "gauge")
    while part := list(islice(iterator, SLICE)):
        for check, state in part:
            labels = dict(zip(("unit", "asset", "check"), check.split("/"), strict=False))
            each.lines.append(f"{STATES}{_labels(labels | {'state': state})} 1")
        await turn.end()
    if each.lines:
        families[STATES] = each
    return len(each.lines)
