"""One unit: how it stands, category by category, what its checks do, its channels, its incidents."""

from __future__ import annotations

from monitor.dashboards import flux, promql
from monitor.dashboards.boards.readiness import AT, AT_FLUX, BLOCKED, BLOCKING, COVERAGE, LEFT
from monitor.dashboards.look import BAD, GOOD
from monitor.dashboards.model import Ask, Board, Panel, Scale
from monitor.dashboards.parts import (
    BUREAU,
    GATE,
    INCIDENTS,
    ONE_UNIT,
    OUTCOME,
    PROVINCE,
    STATE,
    VERDICT,
    WORK,
    counted,
    of,
    steps,
)
from monitor.web.figures import STATE_CODE

HERE = 'unit=~"$unit"'
HERE_FLUX = flux.one("unit", "unit")
AT_GATE = f"{HERE_FLUX} and {AT_FLUX}"
PAGE = "/units/${unit}"
CHECK_PAGE = "/checks/${__field.labels.unit}/${__field.labels.asset}/${__field.labels.check}"


def _last(field: str) -> str:
    where = f"{AT_FLUX} and {flux.one('unit', 'unit')}"
    return flux.read(("muster_verdict",), (field,), where, "-1h") + flux.group(("unit",)) + "  |> last()\n"


OUTCOMES = (
    "from(bucket: v.defaultBucket)\n  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n"
    f'  |> filter(fn: (r) => r._field == "outcome" and {flux.one("unit", "unit")})\n'
    + flux.group(("unit", "asset", "check"))
)

BOARD = Board(
    "unit",
    "unit",
    "How one unit stands at its gate, and what its checks do.",
    (PROVINCE, BUREAU, ONE_UNIT, GATE),
    (
        counted(
            "Verdict",
            VERDICT,
            Ask(
                f"max(muster_unit_verdict{{{HERE},{AT}}})",
                _last("code"),
                "Verdict",
            ),
            size=(8, 4),
            about="As it was judged last, and as that is worth now.",
        ),
        counted(
            "Days left",
            LEFT,
            Ask(
                f"max((muster_unit_due_timestamp_seconds{{{HERE},{AT}}} - time()) / 86400)",
                flux.now("muster_unit_due_timestamp_seconds", ("unit",), "min", AT_GATE, scoped=False)
                + flux.mapped(flux.DAYS_LEFT),
                "Days left",
            ),
            about="Until the gate is due.",
        ),
        counted(
            "Coverage",
            COVERAGE,
            Ask(
                f"max(muster_unit_coverage_ratio{{{HERE},{AT}}})",
                _last("coverage"),
                "Coverage",
            ),
            about="The share of the unit's items that is measured.",
        ),
        counted(
            "Open incidents",
            Scale(steps=steps((None, GOOD), (1, BAD))),
            Ask(
                f"sum(muster_unit_incidents_open{{{HERE}}}) or vector(0)",
                flux.total("muster_unit_incidents_open", HERE_FLUX, scoped=False),
                "Open",
            ),
            size=(4, 4),
            about="Incidents whose root is in the unit.",
        ),
        Panel(
            "Categories",
            "state-timeline",
            (
                Ask(
                    f"max by (category) (muster_unit_category_verdict{{{HERE},{AT}}})",
                    flux.over("muster_unit_category_verdict", ("category",), "max", AT_GATE, scoped=False),
                    "{{category}}",
                ),
            ),
            VERDICT,
            (12, 10),
            "The verdict of each category alone.",
            PAGE,
        ),
        Panel(
            "Items by status",
            "timeseries",
            tuple(
                Ask(
                    f'max(muster_unit_items{{{HERE},{AT},status="{status}"}})',
                    flux.read(("muster_verdict",), (status,), f"{AT_FLUX} and {flux.one('unit', 'unit')}")
                    + flux.group(("unit",))
                    + f"  |> aggregateWindow(every: {flux.WINDOW}, fn: last, createEmpty: false)\n",
                    status,
                )
                for status in ("fail", "unknown", "waived", "pass")
            ),
            Scale(),
            (12, 10),
            "How many items of the unit pass, fail, are unknown or waived.",
        ),
        Panel(
            "What blocks it",
            "table",
            (
                Ask(
                    f"sum by (category, status, reason) (muster_unit_blocking_items{{{HERE},{AT}}}) or "
                    f'label_replace(0 * max(muster_unit_verdict{{{HERE},{AT}}}), "category", "nothing", "", "")',
                    flux.table(
                        flux.now("muster_unit_blocking_items", BLOCKING, "sum", AT_GATE, scoped=False),
                        BLOCKING,
                        "Items",
                    ),
                    "Items",
                ),
            ),
            Scale(),
            (12, 8),
            "Blocker and major items that fail or are unknown.",
            PAGE,
            key="category",
            columns=("status", "reason"),
            scales={"Items": BLOCKED},
        ),
        Panel(
            "Checks that are not OK",
            "table",
            (
                Ask(
                    f"{promql.state(HERE)} > 0",
                    flux.table(
                        flux.now(STATE_CODE, ("asset", "check"), "max", HERE_FLUX, scoped=False)
                        + "  |> filter(fn: (r) => r._value > 0.0)\n",
                        ("asset", "check"),
                        "State",
                    ),
                    "State",
                    victoria=f"{promql.state_written(HERE)} > 0",
                ),
            ),
            Scale(),
            (12, 8),
            "What is believed of each check now.",
            "/checks/${unit}/${__data.fields.asset}/${__data.fields.check}",
            key="asset",
            columns=("check",),
            scales={"State": STATE},
        ),
        Panel(
            "Checks over time",
            "state-timeline",
            (
                Ask(
                    promql.state(HERE),
                    flux.over(STATE_CODE, ("unit", "asset", "check"), "max", HERE_FLUX, scoped=False),
                    "{{asset}}/{{check}}",
                    victoria=promql.state_written(HERE),
                ),
            ),
            STATE,
            (24, 12),
            "What was believed of each check.",
            CHECK_PAGE,
        ),
        Panel(
            "Readings over time",
            "state-timeline",
            (
                Ask(
                    "",
                    OUTCOMES + f"  |> aggregateWindow(every: {flux.WINDOW}, fn: max, createEmpty: false)\n",
                    "{{asset}}/{{check}}",
                ),
            ),
            OUTCOME,
            (24, 12),
            "How the readings of each check ended, the worst of each interval.",
            CHECK_PAGE,
        ),
        of("Round trip", "rtt_ms", "icmp", "echo"),
        of("Loss", "loss_pct", "icmp", "echo"),
        of("First byte of its applications", "first_byte_ms", "http"),
    ),
    (INCIDENTS, WORK),
)
