"""Readiness: which units are ready, where, by when, and what keeps the others."""

from __future__ import annotations

from monitor.dashboards import flux, promql
from monitor.dashboards.look import BAD, GOOD, MAPPINGS, WARN
from monitor.dashboards.model import Ask, Board, Panel, Scale
from monitor.dashboards.parts import DAYS, GATE, PLACE, ROW_PAGE, UNIT_PAGE, VERDICT, counted, steps

AT = 'gate="$gate"'
AT_FLUX = flux.one("gate", "gate")
VERDICTS = ("READY", "CONDITIONAL", "NOT_READY", "UNKNOWN")
COVERAGE = Scale("percentunit", "percentunit", steps=steps((None, BAD), (0.9, WARN), (1.0, GOOD)))
LEFT = Scale("d", "d", steps=steps((None, BAD), (7, WARN), (30, GOOD)))
BLOCKED = Scale(steps=steps((None, GOOD), (1, BAD)))


def _count(code: int) -> Ask:
    sign, color = MAPPINGS["verdict"][str(code)]
    prom = f"count({promql.among(f'muster_unit_verdict{{{AT}}} == {code}')}) or vector(0)"
    asked = flux.last(("muster_verdict",), "code", ("unit",), AT_FLUX)
    counted_ = (
        f"  |> group()\n  |> map(fn: (r) => ({{_time: now(), _value: if r._value == {code} then 1 else 0}}))\n"
        "  |> sum()\n"
    )
    return Ask(prom, asked + counted_, sign, {"color": {"mode": "fixed", "fixedColor": color}})


DUE = flux.now("muster_unit_due_timestamp_seconds", ("unit",), "min", AT_FLUX)
"""When the gate is due, by unit."""
BLOCKING = ("category", "status", "reason")


def _now(measurement: str, field: str, column: str, where: str = "") -> str:
    return flux.table(flux.last((measurement,), field, ("unit",), where), ("unit",), column)


VERDICT_NOW = Ask(
    f"max by (unit, name) ({promql.named(f'muster_unit_verdict{{{AT}}}')})",
    _now("muster_verdict", "code", "Verdict", AT_FLUX),
    "Verdict",
)
LEFT_NOW = Ask(
    f"max by (unit) ({promql.among(f'(muster_unit_due_timestamp_seconds{{{AT}}} - time()) / 86400')})",
    flux.table(DUE + flux.mapped(flux.DAYS_LEFT), ("unit",), "Days left"),
    "Days left",
)
COVERAGE_NOW = Ask(
    f"max by (unit) ({promql.among(f'muster_unit_coverage_ratio{{{AT}}}')})",
    _now("muster_verdict", "coverage", "Coverage", AT_FLUX),
    "Coverage",
)


def _said(tag: str) -> str:
    return f'(if exists r.{tag} then r.{tag} else "")'


CAUSE = ' + ": " + '.join(map(_said, BLOCKING))


def _status(status: str) -> str:
    return f'muster_unit_items{{{AT},status="{status}"}}'


def _items(status: str, column: str) -> Ask:
    prom = f"max by (unit) ({promql.among(_status(status))})"
    return Ask(prom, _now("muster_verdict", status, column, AT_FLUX), column)


def _place(which: str, field: str, name: str) -> Ask:
    prom = f"max by (unit) ({promql.among(f'muster_unit_{which}_degrees')})"
    return Ask(prom, _now("muster_unit", field, name), name)


MAP = {
    "view": {"id": "fit", "lat": 0, "lon": 0, "zoom": 6, "allLayers": True},
    "controls": {"showZoom": True, "mouseWheelZoom": False, "showAttribution": True},
    "basemap": {"type": "default", "name": "Map"},
    "tooltip": {"mode": "details"},
    "layers": [
        {
            "type": "markers", "name": "Units", "tooltip": True,
            "location": {"mode": "coords", "latitude": "Latitude", "longitude": "Longitude"},
            "config": {
                "showLegend": True,
                "style": {
                    "color": {"field": "Verdict", "fixed": "#7F7F7F"},
                    "size": {"fixed": 9, "min": 6, "max": 15},
                    "opacity": 0.9, "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
                    "text": {"mode": "field", "field": "Verdict", "fixed": ""},
                    "textConfig": {"fontSize": 11, "offsetX": 0, "offsetY": 14, "textAlign": "center", "textBaseline": "middle"},
                },
            },
        }
    ],
}  # fmt: skip

BOARD = Board(
    "readiness",
    "readiness overview",
    "Which units are ready to go live, where they are, and what keeps the others.",
    (*PLACE, GATE),
    (
        counted(
            "Units by verdict",
            Scale(),
            *(_count(code) for code in range(len(VERDICTS))),
            size=(16, 5),
            about="How many of the chosen units have each verdict.",
        ),
        Panel(
            "Days to the next go-live",
            "stat",
            (
                Ask(
                    f"min({promql.among(f'(muster_unit_due_timestamp_seconds{{{AT}}} - time()) / 86400 >= 0')})",
                    DUE
                    + flux.group(())
                    + flux.mapped(flux.DAYS_LEFT)
                    + "  |> filter(fn: (r) => r._value >= 0.0)\n  |> min()\n",
                    "Days left",
                ),
            ),
            LEFT,
            (8, 5),
            "Days until the next unit is due at its gate.",
        ),
        Panel(
            "Verdict by unit",
            "status-history",
            (
                Ask(
                    promql.named(f"muster_unit_verdict{{{AT}}}"),
                    flux.UNITS
                    + flux.read(("muster_verdict",), ("code",), AT_FLUX)
                    + flux.AMONG
                    + flux.group(("unit",))
                    + f"  |> aggregateWindow(every: {flux.WINDOW}, fn: last, createEmpty: false)\n",
                    "{{unit}}",
                ),
            ),
            VERDICT,
            (24, 11),
            "A line is a unit. The sign in each field says what its colour says.",
            UNIT_PAGE,
        ),
        Panel(
            "Units on the map",
            "geomap",
            (VERDICT_NOW, _place("latitude", "lat", "Latitude"), _place("longitude", "lon", "Longitude")),
            Scale(),
            (12, 12),
            "Units with a location in the inventory; the word is the verdict.",
            ROW_PAGE,
            scales={"Verdict": VERDICT},
            options=MAP,
        ),
        Panel(
            "Countdown",
            "table",
            (VERDICT_NOW, LEFT_NOW, COVERAGE_NOW, _items("fail", "Fail"), _items("unknown", "Unknown")),
            Scale(),
            (12, 12),
            "Units with their verdict, the days left and what is missing.",
            ROW_PAGE,
            scales={
                "Verdict": VERDICT,
                "Days left": LEFT,
                "Coverage": COVERAGE,
                "Fail": BLOCKED,
                "Unknown": BLOCKED,
            },
            options={"sortBy": [{"displayName": "Days left", "desc": False}]},
        ),
        Panel(
            "Blockers by cause",
            "barchart",
            (
                Ask(
                    "sort_desc(label_join(sum by (category, status, reason) "
                    f"({promql.among(f'muster_unit_blocking_items{{{AT}}}')}), "
                    '"cause", ": ", "category", "status", "reason"))',
                    flux.now("muster_unit_blocking_items", BLOCKING, "sum", AT_FLUX)
                    + flux.group(())
                    + f"  |> map(fn: (r) => ({{cause: {CAUSE}, Items: r._value}}))\n"
                    '  |> sort(columns: ["Items"], desc: true)\n',
                    "Items",
                ),
            ),
            Scale(),
            (12, 10),
            "Blocker and major items that fail or are unknown, in all units.",
            key="cause",
            options={"xField": "cause"},
        ),
        Panel(
            "What is missing, by unit",
            "barchart",
            (
                Ask("", _now("muster_verdict", "fail", "Fail", AT_FLUX), "Fail"),
                Ask("", _now("muster_verdict", "unknown", "Unknown", AT_FLUX), "Unknown"),
            ),
            Scale(),
            (12, 10),
            "Items that fail or are unknown.",
            options={"xField": "unit"},
        ),
        Panel(
            "Burn-down",
            "timeseries",
            tuple(
                Ask(
                    f"sum({promql.among(_status(status))})",
                    flux.UNITS
                    + flux.read(("muster_verdict",), (status,), AT_FLUX)
                    + flux.AMONG
                    + flux.group(("unit",))
                    + f"  |> aggregateWindow(every: {flux.WINDOW}, fn: last, createEmpty: false)\n"
                    '  |> group(columns: ["_time"])\n  |> sum()\n  |> group()\n  |> sort(columns: ["_time"])\n',
                    f"{sign} {status}",
                    {"color": {"mode": "fixed", "fixedColor": color}},
                )
                for status, sign, color in (
                    ("fail", "✖", BAD),
                    ("unknown", "?", "#7F7F7F"),
                    ("waived", "◐", WARN),
                    ("pass", "✔", GOOD),
                )
            ),
            Scale(),
            (12, 10),
            "Items of all units by status.",
        ),
        Panel(
            "Coverage by unit",
            "bargauge",
            (
                Ask(
                    f"sort(max by (unit) ({promql.among(f'muster_unit_coverage_ratio{{{AT}}}')}))",
                    flux.last(("muster_verdict",), "coverage", ("unit",), AT_FLUX),
                    "{{unit}}",
                ),
            ),
            COVERAGE,
            (12, 10),
            "The share of a unit's items that is measured: what is not, never counts as passed.",
            UNIT_PAGE,
        ),
        Panel(
            "Days left by unit",
            "bargauge",
            (
                Ask(
                    f"sort(max by (unit) ({promql.among(f'(muster_unit_due_timestamp_seconds{{{AT}}} - time()) / 86400')}))",
                    DUE + flux.mapped(flux.DAYS_LEFT),
                    "{{unit}}",
                ),
            ),
            DAYS,
            (12, 10),
            "Until the gate is due.",
            UNIT_PAGE,
        ),
    ),
    span="now-7d",
)
