"""One channel: the distribution of its latency with its loss as smoke, and its rates against what is asked."""

from __future__ import annotations

from dataclasses import replace

from monitor.dashboards import flux, promql
from monitor.dashboards.look import BAD, GOOD, LINES, WARN
from monitor.dashboards.measures import measure
from monitor.dashboards.model import Ask, Board, Panel, Scale
from monitor.dashboards.parts import (
    BUREAU,
    CHANNEL,
    INCIDENTS,
    ONE_UNIT,
    OUTCOME,
    PROVINCE,
    STATE,
    WORK,
    asked,
    steps,
)
from monitor.web.figures import STATE_CODE

HERE = 'unit=~"$unit",asset=~"$channel"'
THIS = {"asset": "channel"}
UNIT_FLUX, THIS_FLUX = flux.one("unit", "unit"), flux.one("asset", "channel")
PAGE = "/units/${unit}"
CHECKED = flux.read(
    ("muster_icmp", "muster_echo"),
    ("outcome",),
    f"{UNIT_FLUX} and {THIS_FLUX}",
)
DASHED = {"custom.lineStyle": {"fill": "dash", "dash": [10, 6]}, "custom.lineWidth": 2}


def _fixed(color: str) -> dict[str, object]:
    return {"color": {"mode": "fixed", "fixedColor": color}}


def _burst(name: str, called: str, style: dict[str, object]) -> Ask:
    return asked(measure(name, "icmp", "echo"), called, THIS, style)


SMOKE = {"fillOpacity": 18, "lineWidth": 0, "showPoints": "never"}


def _smoke(unit: str, most: float) -> dict[str, object]:
    """Return how a loss is drawn: bars behind, amber where any is lost, vermilion from `most` on."""
    drawn = [
        {"value": None, "color": "transparent"},
        {"value": 1e-9, "color": WARN},
        {"value": most, "color": BAD},
    ]
    return {
        "unit": unit,
        "custom.axisPlacement": "right",
        "custom.drawStyle": "bars",
        "custom.fillOpacity": 45,
        "custom.lineWidth": 0,
        "color": {"mode": "thresholds"},
        "thresholds": {"mode": "absolute", "steps": drawn},
    }


LOSS = replace(
    asked(measure("loss_pct", "icmp", "echo"), "loss", THIS, _smoke("percentunit", 0.05)),
    flux_style=_smoke("percent", 5.0),
)


def _rate(direction: str, name: str, called: str, color: str) -> Ask:
    return asked(measure(f"{name}_{direction}_bps", "throughput"), called, THIS, _fixed(color))


def _bound(name: str, by: tuple[str, ...], where: str) -> str:
    return flux.over(name, by, "max", where, scoped=False)


def _rates(title: str, direction: str) -> Panel:
    here = f'{UNIT_FLUX} and r.direction == "{direction}"'
    where = f'{HERE},direction="{direction}"'
    needed = f'max(muster_channel_required_bits_per_second{{unit=~"$unit",direction="{direction}"}})'
    return Panel(
        title,
        "timeseries",
        (
            _rate(direction, "capacity", "capacity", LINES[0]),
            _rate(direction, "tcp", "expected TCP", LINES[1]),
            _rate(direction, "transfer", "TCP transfer", LINES[4]),
            Ask(
                needed,
                _bound("muster_channel_required_bits_per_second", ("unit",), here),
                "required",
                {**_fixed(BAD), **DASHED},
            ),
            Ask(
                f"max(muster_channel_contracted_bits_per_second{{{where}}})",
                _bound("muster_channel_contracted_bits_per_second", ("unit",), f"{here} and {THIS_FLUX}"),
                "contracted",
                {**_fixed(GOOD), **DASHED},
            ),
        ),
        Scale("bps", "bps"),
        (12, 9),
        "What is measured, what the unit's functions require, what the carrier promised.",
        PAGE,
        custom={"showPoints": "always", "spanNulls": True},
    )


def _beside(title: str, name: str) -> Panel:
    found = measure(name, "icmp", "echo")
    roles = '* on (unit, asset) group_left (role) muster_asset_info{unit=~"$unit",kind="channel"}'
    scraped = f'max by (unit, asset) ({found.prom}{{unit=~"$unit",probe=~"icmp|echo"}})'
    written = promql.latest_written(found, ("unit", "asset"), "max", scoped=False)
    prom, victoria = (f"max by (asset, role) ({each} {roles})" for each in (scraped, written))
    where = f'{flux.one("unit", "unit")} and r.kind == "channel"'
    asking = flux.read(found.measurements, (found.field,), where) + flux.group(("asset",))
    over = f"  |> aggregateWindow(every: {flux.WINDOW}, fn: max, createEmpty: false)\n"
    about = "The unit's channels beside each other, with their roles (in InfluxDB: without)."
    called = Ask(prom, "", "{{role}} {{asset}}", victoria=victoria), Ask("", asking + over, "{{asset}}")
    return Panel(title, "timeseries", called, found.scale(), (12, 8), about, PAGE)


BOARD = Board(
    "channel",
    "channel",
    "One channel: latency as a distribution, loss, rates both ways, use, and what happened meanwhile.",
    (PROVINCE, BUREAU, ONE_UNIT, CHANNEL),
    (
        Panel(
            "Latency: its distribution, with loss as smoke",
            "timeseries",
            (
                _burst(
                    "rtt_max_ms",
                    "max",
                    {**_fixed("#7F7F7F"), "custom.fillBelowTo": "min"}
                    | {f"custom.{key}": value for key, value in SMOKE.items()},
                ),
                _burst("rtt_p95_ms", "p95", _fixed(LINES[3])),
                _burst("rtt_ms", "median", {**_fixed(LINES[0]), "custom.lineWidth": 2}),
                _burst("rtt_min_ms", "min", {**_fixed("#7F7F7F"), "custom.lineWidth": 0}),
                Ask(
                    'max(muster_channel_required_rtt_seconds{unit=~"$unit"})',
                    _bound("muster_channel_required_rtt_seconds", ("unit",), UNIT_FLUX)
                    + flux.mapped("r._value * 1000.0"),
                    "required",
                    {**_fixed(BAD), **DASHED},
                ),
                LOSS,
            ),
            Scale("s", "ms"),
            (24, 11),
            "The band reaches from the fastest to the slowest answer of each burst; bars are the share that was lost.",
            PAGE,
        ),
        Panel(
            "State",
            "state-timeline",
            (
                Ask(
                    promql.state(HERE),
                    _bound(STATE_CODE, ("check",), f"{UNIT_FLUX} and {THIS_FLUX}"),
                    "{{check}}",
                    victoria=promql.state_written(HERE),
                ),
            ),
            STATE,
            (24, 5),
            "What was believed of the channel's checks.",
            PAGE,
        ),
        Panel(
            "Readings",
            "state-timeline",
            (
                Ask(
                    "",
                    CHECKED
                    + flux.group(("check",))
                    + f"  |> aggregateWindow(every: {flux.WINDOW}, fn: max, createEmpty: false)\n",
                    "{{check}}",
                ),
            ),
            OUTCOME,
            (24, 5),
            "How the readings of the channel ended, the worst of each interval.",
            PAGE,
        ),
        _rates("Rate towards the unit", "down"),
        _rates("Rate from the unit", "up"),
        Panel(
            "Use",
            "timeseries",
            (
                asked(measure("utilisation_in_pct", "interfaces"), "in", THIS, _fixed(LINES[0])),
                asked(measure("utilisation_out_pct", "interfaces"), "out", THIS, _fixed(LINES[1])),
            ),
            Scale("percentunit", "percent", 100.0, steps((None, GOOD), (70, BAD))),
            (12, 8),
            "Share of the interface's speed; at most 70 % in the busy hour.",
            PAGE,
        ),
        Panel(
            "Jitter, and the round trip under load",
            "timeseries",
            (
                _burst("jitter_ms", "jitter", _fixed(LINES[0])),
                asked(measure("rtt_loaded_ms", "throughput"), "under load", THIS, _fixed(LINES[1])),
                asked(measure("rtt_idle_ms", "throughput"), "idle before it", THIS, _fixed(LINES[4])),
            ),
            Scale("s", "ms"),
            (12, 8),
            "A line whose round trip more than doubles under load has queues.",
            PAGE,
        ),
        _beside("Latency: primary against backup", "rtt_ms"),
        _beside("Loss: primary against backup", "loss_pct"),
    ),
    (INCIDENTS, WORK),
)
