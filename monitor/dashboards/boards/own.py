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


def _now(name: str, called: str, how: str = "sum") -> Ask:
    return Ask(f"{how}(muster_{name})", flux.now(name, (), how, scoped=False), called)


def _over(name: str, called: str) -> Ask:
    return Ask(f"sum(muster_{name})", flux.over(name, (), "sum", scoped=False), called)


BOARD = Board(
    "own",
    "Muster itself",
    "Whether the monitor keeps up: lateness, queues, what was dropped, and which targets are slow.",
    PLACE,
    (
        counted("Checks", Scale(), _now("checks", "checks"), about="On the timetable."),
        counted(
            "Lost",
            LOST,
            Ask(
                "sum(increase(muster_store_dropped_total[1h])) + sum(increase(muster_runs_shed_total[1h])) + "
                "sum(increase(muster_runs_missed_total[1h]))",
                flux.read(
                    flux.FIGURES, ("store_dropped_total", "runs_shed_total", "runs_missed_total"), "", "-1h"
                )
                + "  |> increase()\n  |> last()\n"
                + flux.group(())
                + "  |> sum()\n",
                "in an hour",
            ),
            about="Readings dropped by the store, runs shed because of overload, runs missed.",
        ),
        counted("Cut off", LOST, _now("isolated", "isolated", "max"), about="1 while no witness answers."),
        counted(
            "Reload refused",
            LOST,
            _now("reload_failed", "refused", "max"),
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
                    flux.rate("muster_readings_total", ("outcome",)),
                    "{{outcome}}",
                ),
            ),
            Scale("cps", "cps"),
            (12, 8),
            "Readings by outcome a second.",
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
                _over("in_flight", "under way"),
                _over("store_queue", "to be committed"),
                _over("tests_waiting", "tests waiting"),
                _over("gate_waiting", "waiting for a witness"),
            ),
            Scale(),
            (12, 8),
            "What is under way and what waits.",
        ),
        Panel(
            "Dropped, shed, missed, expired",
            "timeseries",
            tuple(
                Ask(_rate(f"muster_{name}_total"), flux.rate(f"muster_{name}_total"), called)
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
                Ask(
                    "max by (quantile) (muster_loop_late_ms)",
                    flux.over("muster_loop_late_ms", ("quantile",), scoped=False),
                    "loop late, quantile {{quantile}}",
                ),
                Ask(
                    "max(muster_store_commit_age_seconds) * 1000",
                    flux.over("muster_store_commit_age_seconds", (), scoped=False)
                    + flux.mapped("r._value * 1000.0"),
                    "since the last commit",
                ),
            ),
            MS,
            (12, 10),
            "Lateness of the loop in the last minute, and the age of what waits to be committed.",
        ),
        Panel(
            "Targets that count as dead",
            "timeseries",
            (_over("circuits_open", "circuits open"),),
            Scale(),
            (8, 8),
            "They cost one try each.",
        ),
        Panel(
            "Processor",
            "timeseries",
            (
                Ask(
                    _rate("muster_cpu_seconds_total", " by (mode)"),
                    flux.rate("muster_cpu_seconds_total", ("mode",)),
                    "{{mode}}",
                ),
            ),
            Scale("percentunit", "percentunit"),
            (8, 8),
            "Share of one processor.",
        ),
        Panel(
            "Memory",
            "timeseries",
            (_over("resident_bytes", "resident"),),
            Scale("bytes", "bytes"),
            (8, 8),
            "Of the daemon.",
        ),
    ),
)
