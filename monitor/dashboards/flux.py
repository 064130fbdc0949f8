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
EPOCH_NS = 1_000_000_000


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
