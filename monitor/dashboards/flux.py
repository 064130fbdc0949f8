"""Questions in Flux, to what Muster writes into InfluxDB 2 (`monitor.sinks`).

The bucket is the data source's default one. A tag that a unit does not have reads as an empty text, so that
"all" finds it, too.
"""

from __future__ import annotations

import json

from monitor.dashboards.measures import Measure

LEVELS = {"province": "province", "bureau": "municipal", "unit": "unit"}
"""The tag that each variable chooses by."""
WINDOW = "v.windowPeriod"
IN_ORDER = '  |> sort(columns: ["_time"])\n'
DAYS_LEFT = "(r._value - float(v: uint(v: now())) / 1000000000.0) / 86400.0"
"""Of a time in epoch seconds."""


def chosen(tag: str, variable: str) -> str:
    """Return the condition that a tag is among the chosen."""
    return f'(if exists r.{tag} then r.{tag} else "") =~ /^(${{{variable}:regex}})$/'


def one(tag: str, variable: str) -> str:
    """Return the condition for a tag that is always there."""
    return f"r.{tag} =~ /^(${{{variable}:regex}})$/"


UNITS = f"""units = from(bucket: v.defaultBucket)
  |> range(start: -1h)
  |> filter(fn: (r) => r._measurement == "muster_unit" and r._field == "up")
  |> filter(fn: (r) => {" and ".join(chosen(tag, variable) for variable, tag in LEVELS.items())})
  |> keep(columns: ["unit"])
  |> group()
  |> distinct(column: "unit")
  |> findColumn(fn: (key) => true, column: "_value")
"""
AMONG = "  |> filter(fn: (r) => contains(value: r.unit, set: units))\n"


def read(measurements: tuple[str, ...], fields: tuple[str, ...], where: str = "", span: str = "") -> str:
    """Return the beginning of a question: which values, of which time."""
    of = " or ".join(f'r._measurement == "{each}"' for each in measurements)
    named = " or ".join(f'r._field == "{each}"' for each in fields)
    more = f"  |> filter(fn: (r) => {where})\n" if where else ""
    start = f"start: {span}" if span else "start: v.timeRangeStart, stop: v.timeRangeStop"
    return (
        f"from(bucket: v.defaultBucket)\n  |> range({start})\n"
        f"  |> filter(fn: (r) => {of})\n  |> filter(fn: (r) => {named})\n{more}"
    )


def group(by: tuple[str, ...]) -> str:
    """Put together by some tags."""
    return f"  |> group(columns: {json.dumps(list(by))})\n"


def latest(measure: Measure, by: tuple[str, ...], how: str, where: str = "", *, scoped: bool = True) -> str:
    """Return a metric over time, put together by some tags."""
    chosen_units = one("unit", "unit")
    both = f"{chosen_units} and {where}" if where else chosen_units
    begun = read(measure.measurements, (measure.field,), both)
    over = f"  |> aggregateWindow(every: {WINDOW}, fn: {how}, createEmpty: false)\n"
    return (UNITS if scoped else "") + begun + (AMONG if scoped else "") + group(by) + over


def last(
    measurements: tuple[str, ...], field: str, by: tuple[str, ...], where: str = "", span: str = "-1h"
) -> str:
    """Return the last value of each, among the units that are chosen."""
    return f"{UNITS}{read(measurements, (field,), where, span)}{AMONG}{group(by)}  |> last()\n"


def table(question: str, columns: tuple[str, ...], value: str) -> str:
    """Make one table of an answer: some tags, and the value under a name."""
    kept = ", ".join(f'"{each}"' for each in (*columns, "_value"))
    return (
        f'{question}  |> group()\n  |> keep(columns: [{kept}])\n  |> rename(columns: {{_value: "{value}"}})\n'
    )


def tags(tag: str, where: str, measurement: str = "muster_unit") -> str:
    """Return the query of a variable."""
    asked = f'r._measurement == "{measurement}"' + (f" and {where}" if where else "")
    return (
        'import "influxdata/influxdb/schema"\n'
        f'schema.tagValues(bucket: v.defaultBucket, tag: "{tag}", predicate: (r) => {asked}, start: -1h)\n'
    )


FIGURES = ("muster",)
NOW = "-5m"
"""Muster's own figures are written more often than that."""
TURN = f"""turn = {read(FIGURES, ("checks",), "", NOW)}  |> group()
  |> sort(columns: ["_time"])
  |> last()
  |> findColumn(fn: (key) => true, column: "_time")
"""
"""The time that all figures of the last turn bear: what is not of it has ended."""


def figures(name: str, where: str = "", span: str = "", *, scoped: bool = True) -> str:
    """Return the beginning of a question for one of Muster's own figures, named as on /metrics."""
    begun = read(FIGURES, (name.removeprefix("muster_"),), where, span)
    return f"{UNITS}{begun}{AMONG}" if scoped else begun


def now(name: str, by: tuple[str, ...], how: str = "max", where: str = "", *, scoped: bool = True) -> str:
    """Return what a figure is now, put together by some tags."""
    of_turn = "  |> filter(fn: (r) => contains(value: r._time, set: turn))\n"
    return f"{TURN}{figures(name, where, NOW, scoped=scoped)}{of_turn}{group(by)}  |> {how}()\n"


def over(
    name: str,
    by: tuple[str, ...],
    how: str = "max",
    where: str = "",
    *,
    scoped: bool = True,
    each: str = "",
    window: str = "last",
) -> str:
    """Return a figure over time, put together by some tags; `each` is done to each series before."""
    windows = f"  |> aggregateWindow(every: {WINDOW}, fn: {window}, createEmpty: false)\n"
    put = f"{group((*by, '_time'))}  |> {how}()\n{group(by)}{IN_ORDER}"
    return figures(name, where, scoped=scoped) + each + windows + put


def rate(name: str, by: tuple[str, ...] = (), *, where: str = "") -> str:
    """Return by how much a counter of Muster's own rises a second."""
    each = "  |> derivative(unit: 1s, nonNegative: true)\n"
    return over(name, by, "sum", where, scoped=False, each=each, window="mean")


def rise(name: str, by: tuple[str, ...] = ()) -> str:
    """Return by how much a counter of Muster's own rises in each interval."""
    each = "  |> difference(nonNegative: true)\n"
    return over(name, by, "sum", scoped=False, each=each, window="sum")


def total(name: str, where: str = "", *, scoped: bool = True) -> str:
    """Return the sum of a figure now, 0 where there is none."""
    begun = now(name, (), "sum", where, scoped=scoped)
    start = begun.rindex("from(bucket")
    return (
        f'import "array"\n{begun[:start]}found = {begun[start:]}  |> keep(columns: ["_value"])\n'
        "union(tables: [found, array.from(rows: [{_value: 0.0}])])\n  |> sum()\n"
    )


def mapped(value: str) -> str:
    """Make another value of each."""
    return f"  |> map(fn: (r) => ({{r with _value: {value}}}))\n"
