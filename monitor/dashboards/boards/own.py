"""Muster itself: whether it keeps up, what waits, what is lost, who is slow."""

from __future__ import annotations

from monitor.dashboards import flux, promql
from monitor.dashboards.look import BAD, GOOD, WARN
from monitor.dashboards.model import Ask, Board, Panel, Scale
from monitor.dashboards.parts import PLACE, counted, steps

LOST = Scale(steps=steps((None, GOOD), (1, BAD)))
MS = Scale("ms", "ms", steps=steps((None, GOOD), (100, WARN), (1000, BAD)))
CHECK_PAGE = "/checks/${__field.labels.unit}/${__field.labels.asset}/${__field.labels.check}"
ANY = (
    "from(bucket: v.defaultBucket)\n  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n"
    '  |> filter(fn: (r) => r._field == "{field}" and exists r.probe)\n'
)


def _rate(metric: str, by: str = "") -> str:
    return f"sum{by} (rate({metric}[{promql.RATE}]))"


def _of(field: str) -> str:
    return flux.UNITS + ANY.replace("{field}", field) + flux.AMONG


def _lag(q: float) -> Ask:
    prom = f"histogram_quantile({q}, sum by (le) (rate(muster_lag_ms_bucket[{promql.RATE}])))"
    over = (
        f"  |> group()\n  |> aggregateWindow(every: {flux.WINDOW}, "
        f"fn: (column, tables=<-) => tables |> quantile(q: {q}, column: column), createEmpty: false)\n"
    )
    return Ask(prom, _of("lag_ms") + over, f"p{q * 100:g}")


BOARD = Board(
    "own",
    "Muster itself",
    "Whether the monitor keeps up: lateness, queues, what was dropped, and which targets are slow.",
    PLACE,
    (
        counted("Checks", Scale(), Ask("sum(muster_checks)", "", "checks"), about="On the timetable."),
        counted(
            "Lost",
            LOST,
            Ask(
                "sum(increase(muster_store_dropped_total[1h])) + sum(increase(muster_runs_shed_total[1h])) + "
                "sum(increase(muster_runs_missed_total[1h]))",
                "",
                "in an hour",
            ),
            about="Readings dropped by the store, runs shed because of overload, runs missed.",
        ),
        counted(
            "Cut off", LOST, Ask("max(muster_isolated)", "", "isolated"), about="1 while no witness answers."
        ),
        counted(
            "Reload refused",
            LOST,
            Ask("max(muster_reload_failed)", "", "refused"),
            about="1 where the last reload was refused.",
        ),
        Panel(
            "From due to started",
            "timeseries",
            (_lag(0.5), _lag(0.95), _lag(0.99)),
            MS,
            (12, 8),
            "Lateness of runs: the monitor's own, never the target's.",
        ),
        Panel(
            "Readings",
            "timeseries",
            (
                Ask(
                    _rate("muster_readings_total", " by (outcome)"),
                    "",
                    "{{outcome}}",
                ),
                Ask(
                    "",
                    _of("outcome")
                    + f"  |> group()\n  |> aggregateWindow(every: {flux.WINDOW}, fn: count, createEmpty: true)\n",
                    "readings in each interval",
                ),
            ),
            Scale("cps", "short"),
            (12, 8),
            "Readings by outcome a second (in InfluxDB: their number).",
        ),
        Panel(
            "Readings that measured nothing",
            "timeseries",
            (
                Ask(
                    "",
                    _of("outcome") + "  |> filter(fn: (r) => r._value >= 2)\n  |> group()\n"
                    f"  |> aggregateWindow(every: {flux.WINDOW}, fn: count, createEmpty: true)\n",
                    "error or not run",
                ),
            ),
            Scale(),
            (12, 8),
            "Errors of our own, and runs that were skipped.",
        ),
        Panel(
            "Queues",
            "timeseries",
            (
                Ask("sum(muster_in_flight)", "", "under way"),
                Ask("sum(muster_store_queue)", "", "to be committed"),
                Ask("sum(muster_tests_waiting)", "", "tests waiting"),
                Ask("sum(muster_gate_waiting)", "", "waiting for a witness"),
            ),
            Scale(),
            (12, 8),
            "What is under way and what waits.",
        ),
        Panel(
            "Dropped, shed, missed, expired",
            "timeseries",
            tuple(
                Ask(_rate(f"muster_{name}_total"), "", called)
                for name, called in (
                    ("store_dropped", "dropped by the store"),
                    ("runs_shed", "shed"),
                    ("runs_missed", "missed"),
                    ("runs_expired", "ended by their deadline"),
                )
            ),
            Scale("cps", "cps"),
            (12, 8),
            "A second.",
        ),
        Panel(
            "Slow targets",
            "bargauge",
            (
                Ask(
                    f"sort_desc({promql.among('max by (unit, asset, check) (muster_slow_run_seconds)')})",
                    _of("duration_ms")
                    + flux.group(("unit", "asset", "check"))
                    + '  |> max()\n  |> group()\n  |> sort(columns: ["_value"], desc: true)\n  |> limit(n: 20)\n'
                    + flux.group(("unit", "asset", "check")),
                    "{{unit}}/{{asset}}/{{check}}",
                ),
            ),
            Scale("s", "ms"),
            (12, 10),
            "The checks whose runs took longest.",
            CHECK_PAGE,
        ),
        Panel(
            "Held up",
            "timeseries",
            (
                Ask("max by (quantile) (muster_loop_late_ms)", "", "loop late, quantile {{quantile}}"),
                Ask("max(muster_store_commit_age_seconds) * 1000", "", "since the last commit"),
            ),
            MS,
            (12, 10),
            "Lateness of the loop in the last minute, and the age of what waits to be committed.",
        ),
        Panel(
            "Targets that count as dead",
            "timeseries",
            (Ask("sum(muster_circuits_open)", "", "circuits open"),),
            Scale(),
            (8, 8),
            "They cost one try each.",
        ),
        Panel(
            "Processor",
            "timeseries",
            (Ask(_rate("muster_cpu_seconds_total", " by (mode)"), "", "{{mode}}"),),
            Scale("percentunit", "percentunit"),
            (8, 8),
            "Share of one processor.",
        ),
        Panel(
            "Memory",
            "timeseries",
            (Ask("sum(muster_resident_bytes)", "", "resident"),),
            Scale("bytes", "bytes"),
            (8, 8),
            "Of the daemon.",
        ),
    ),
)
