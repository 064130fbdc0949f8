"""Incidents, and whether alerting is worth listening to."""

from __future__ import annotations

from monitor.dashboards import flux, promql
from monitor.dashboards.look import BAD, GOOD, WARN
from monitor.dashboards.model import Ask, Board, Panel, Scale
from monitor.dashboards.parts import INCIDENTS, PLACE, ROW_PAGE, WORK, counted, steps

SHARE = Scale("percentunit", "percentunit", steps=steps((None, GOOD), (0.1, WARN), (0.3, BAD)))
IN_TIME = Scale("percentunit", "percentunit", steps=steps((None, BAD), (0.7, WARN), (0.9, GOOD)))
OPEN = Scale(steps=steps((None, GOOD), (1, WARN), (10, BAD)))
PAGE = "/incidents"


def _share(what: str, of_: str = "opened") -> str:
    return f'sum(muster_incidents_recent{{what="{what}"}}) / clamp_min(sum(muster_incidents_recent{{what="{of_}"}}), 1)'


def _part(what: str) -> str:
    begun = flux.now("muster_incidents_recent", ("what",), "max", scoped=False) + flux.group(())
    return (
        begun + "  |> reduce(identity: {part: 0.0, whole: 0.0}, fn: (r, accumulator) => ({\n"
        f'      part: accumulator.part + (if r.what == "{what}" then r._value else 0.0),\n'
        '      whole: accumulator.whole + (if r.what == "opened" then r._value else 0.0),\n    }))\n'
        "  |> map(fn: (r) => ({_time: now(), _value: if r.whole > 0.0 then r.part / r.whole else 0.0}))\n"
    )


def _events(what: str) -> str:
    begun = flux.UNITS + flux.read(("muster_incident",), ("number",), f'r.what == "{what}"')
    over = f"  |> group()\n  |> aggregateWindow(every: {flux.WINDOW}, fn: count, createEmpty: true)\n"
    return begun + flux.AMONG + over


def _rate(metric: str) -> str:
    return f"sum(increase({metric}[{promql.RATE}]))"


BOARD = Board(
    "incidents",
    "incidents and alerting",
    "What is wrong now, what happened, and how good the alarms are: brief ones, repeated ones, taken over in time.",
    PLACE,
    (
        counted(
            "Open incidents",
            OPEN,
            Ask(
                f"sum({promql.among('muster_unit_incidents_open')}) or vector(0)",
                flux.total("muster_unit_incidents_open"),
                "open",
            ),
            size=(6, 5),
            about="In the units that are chosen.",
        ),
        counted(
            "Taken over in time",
            IN_TIME,
            Ask(_share("in_time"), _part("in_time"), "within 15 min"),
            size=(6, 5),
            about="Incidents of 30 days that somebody acknowledged within 15 minutes.",
        ),
        counted(
            "Brief",
            SHARE,
            Ask(_share("brief"), _part("brief"), "over within 5 min"),
            size=(6, 5),
            about="Incidents of 30 days that were over within 5 minutes and that nobody took over: perhaps false.",
        ),
        counted(
            "Repeated",
            SHARE,
            Ask(_share("repeated"), _part("repeated"), "again within a day"),
            size=(6, 5),
            about="Incidents of 30 days whose cause had another within the day before.",
        ),
        Panel(
            "Open incidents by unit",
            "table",
            (
                Ask(
                    f"sum by (unit) ({promql.among('muster_unit_incidents_open')}) or "
                    f"max by (unit) ({promql.among('0 * muster_unit_info')})",
                    flux.table(
                        flux.UNITS
                        + flux.read(("muster_incident",), ("open",), span="-30d")
                        + flux.AMONG
                        + flux.group(("unit", "asset", "check"))
                        + '  |> sort(columns: ["_time"])\n  |> last()\n  |> group(columns: ["unit"])\n  |> sum()\n',
                        ("unit",),
                        "Open",
                    ),
                    "Open",
                ),
            ),
            Scale(),
            (12, 9),
            "Incidents whose root is in the unit.",
            ROW_PAGE,
            scales={"Open": OPEN},
        ),
        Panel(
            "What happened",
            "table",
            (
                Ask(
                    "",
                    flux.UNITS
                    + flux.read(("muster_incident",), ("number",))
                    + flux.AMONG
                    + '  |> group()\n  |> sort(columns: ["_time"], desc: true)\n  |> limit(n: 200)\n'
                    '  |> keep(columns: ["_time", "unit", "asset", "check", "severity", "what", "state", "_value"])\n'
                    '  |> rename(columns: {_value: "Incident"})\n',
                    "Incident",
                ),
            ),
            Scale("none", "none"),
            (12, 9),
            "The last events of incidents.",
            "/incidents/${__data.fields.Incident}",
            key="_time",
            columns=("unit", "asset", "check", "severity", "what", "state"),
        ),
        Panel(
            "Incidents opened and closed",
            "timeseries",
            (
                Ask(_rate("muster_incidents_opened_total"), _events("open"), "opened"),
                Ask(_rate("muster_incidents_closed_total"), _events("close"), "closed"),
            ),
            Scale(),
            (12, 9),
            "In each interval.",
            PAGE,
            custom={"drawStyle": "bars", "fillOpacity": 60},
        ),
        Panel(
            "Taken over",
            "timeseries",
            (Ask("", _events("ack"), "acknowledged"),),
            Scale(),
            (12, 9),
            "Acknowledgements in each interval.",
            PAGE,
            custom={"drawStyle": "bars", "fillOpacity": 60},
        ),
        Panel(
            "Until somebody took over",
            "timeseries",
            (
                Ask(
                    "max by (quantile) (muster_incident_acknowledge_seconds) or vector(0)",
                    flux.over("muster_incident_acknowledge_seconds", ("quantile",), scoped=False),
                    "quantile {{quantile}}",
                ),
            ),
            Scale("s", "s"),
            (12, 9),
            "Of the incidents of 30 days, from opened to acknowledged.",
            PAGE,
        ),
        Panel(
            "Messages",
            "timeseries",
            (
                Ask(
                    f"sum by (result) (increase(muster_messages_total[{promql.RATE}]))",
                    flux.rise("muster_messages_total", ("result",)),
                    "{{result}}",
                ),
            ),
            Scale(),
            (12, 9),
            "Messages by what became of them; `dead` and `dropped` reached nobody.",
        ),
        Panel(
            "Checks by state",
            "timeseries",
            (
                Ask(
                    "sum by (state) (muster_checks_in_state)",
                    flux.over("muster_checks_in_state", ("state",), "sum", scoped=False),
                    "{{state}}",
                ),
            ),
            Scale(),
            (12, 9),
            "All units.",
        ),
    ),
    (INCIDENTS, WORK),
    span="now-7d",
)
