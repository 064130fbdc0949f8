"""What several dashboards have in common: variables, panels of one metric, annotations."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.dashboards import flux, promql
from monitor.dashboards.measures import Measure, measure
from monitor.dashboards.model import Ask, Panel, Scale, Step, Variable

VERDICT = Scale(mapping="verdict")
STATE = Scale(mapping="state")
OUTCOME = Scale(mapping="outcome")
DAYS = Scale("d", "d")
UNIT_PAGE = "/units/${__field.labels.unit}"
ROW_PAGE = "/units/${__data.fields.unit}"

PROVINCE = Variable("province", "Province", promql.labels("province", ""), flux.tags("province", ""))
BUREAU = Variable(
    "bureau", "Bureau",
    promql.labels("municipal", 'province=~"$province"'),
    flux.tags("municipal", flux.chosen("province", "province")),
)  # fmt: skip
_WITHIN = f"{flux.chosen('province', 'province')} and {flux.chosen('municipal', 'bureau')}"
UNIT = Variable(
    "unit", "Unit",
    promql.labels("unit", 'province=~"$province",municipal=~"$bureau"'), flux.tags("unit", _WITHIN),
)  # fmt: skip
ONE_UNIT = Variable("unit", "Unit", UNIT.prom, UNIT.flux, several=False)
GATE = Variable(
    "gate", "Gate", promql.labels("gate", "", "muster_unit_verdict"),
    flux.tags("gate", "true", "muster_verdict"), several=False,
)  # fmt: skip
CHANNEL = Variable(
    "channel", "Channel",
    promql.labels("asset", 'unit=~"$unit",kind="channel"', "muster_asset_info"),
    'import "influxdata/influxdb/schema"\n'
    'schema.tagValues(bucket: v.defaultBucket, tag: "asset", predicate: (r) => '
    f'r.kind == "channel" and {flux.one("unit", "unit")}, start: -1h)\n', several=False,
)  # fmt: skip
PLACE = (PROVINCE, BUREAU, UNIT)
"""Province > bureau > hall: each offers what is within those before it."""

_HERE = flux.one("unit", "unit")
INCIDENTS = Ask(
    'sum by (unit) (muster_unit_incidents_open{unit=~"$unit"}) > 0',
    flux.read(("muster_incident",), ("number",), _HERE)
    + '  |> map(fn: (r) => ({_time: r._time, text: r.what + " " + r.severity, tags: r.unit}))\n',
    "Incidents",
)
WORK = Ask(
    'max by (unit, scope, mode) (muster_maintenance_active{unit=~"$unit"}) > 0',
    flux.read(("muster_maintenance",), ("number",), _HERE)
    + '  |> map(fn: (r) => ({_time: r._time, text: "maintenance " + r.what + " (" + r.mode + ")", '
    "tags: r.unit}))\n",
    "Maintenance",
)


def of(
    title: str,
    name: str,
    *probes: str,
    by: tuple[str, ...] = ("unit", "asset"),
    how: str = "max",
    size: tuple[int, int] = (8, 8),
    about: str = "",
) -> Panel:
    """Return a panel of one metric over time, for the units that are chosen.

    Of several series that fall together the worst is shown: the least where more is better.
    """
    found = measure(name, *probes)
    worst = "min" if found.metric.better == "higher" and how == "max" else how
    called = " ".join(f"{{{{{each}}}}}" for each in by)
    victoria = promql.latest_written(found, by, _prom(worst))
    ask = Ask(
        promql.latest(found, by, _prom(worst)), flux.latest(found, by, worst), called, victoria=victoria
    )
    text = about or f"{name} of {', '.join(probes)}, the worst of each."
    return Panel(title, "timeseries", (ask,), found.scale(), size, text, UNIT_PAGE)


def _prom(how: str) -> str:
    return {"mean": "avg"}.get(how, how)


def asked(found: Measure, name: str, where: Mapping[str, str], style: Mapping[str, object]) -> Ask:
    """Return a metric of the one unit that is chosen, with further labels."""
    prom = ",".join(f'{label}=~"${variable}"' for label, variable in where.items())
    tags = " and ".join(flux.one(label, variable) for label, variable in where.items())
    by = ("unit", "asset")
    how = "min" if found.metric.better == "higher" else "max"
    return Ask(
        promql.latest(found, by, how, prom, scoped=False),
        flux.latest(found, by, how, tags, scoped=False),
        name,
        style,
        victoria=promql.latest_written(found, by, how, prom, scoped=False),
    )


def counted(title: str, scale: Scale, *asks: Ask, size: tuple[int, int] = (6, 4), about: str = "") -> Panel:
    """Return figures, large enough for a wall."""
    return Panel(title, "stat", asks, scale, size, about)


def steps(*found: tuple[float | None, str]) -> tuple[Step, ...]:
    """Return thresholds."""
    return tuple(Step(value, color) for value, color in found)
