"""Questions in PromQL, to what Muster exposes on /metrics."""

from __future__ import annotations

from monitor.dashboards.look import STATES
from monitor.dashboards.measures import Measure

INFO = 'muster_unit_info{province=~"$province",municipal=~"$bureau",unit=~"$unit"}'
RATE = "$__rate_interval"


def among(expression: str) -> str:
    """Keep what belongs to the units that are chosen."""
    return f"{expression} and on (unit) {INFO}"


def named(expression: str) -> str:
    """Keep the units that are chosen, and give each its name (one of them, while it is being renamed)."""
    return f"{expression} * on (unit) group_left (name) topk by (unit) (1, {INFO})"


def latest(measure: Measure, by: tuple[str, ...], how: str, where: str = "", *, scoped: bool = True) -> str:
    """Return the latest values of a metric, put together by some labels."""
    probes = "|".join(measure.probes)
    chosen = f'{measure.prom}{{unit=~"$unit",probe=~"{probes}"{"," if where else ""}{where}}}'
    found = f"{how} by ({', '.join(by)}) ({chosen})"
    return among(found) if scoped else found


def state(where: str) -> str:
    """Return the state of checks as a number, by asset and check."""
    each = (f'muster_check_state{{{where},state="{state}"}} * {code}' for code, state in enumerate(STATES))
    return f"max by (unit, asset, check) ({' or '.join(each)})"


def labels(label: str, where: str, metric: str = "muster_unit_info") -> str:
    """Return the query of a variable."""
    return f"label_values({metric}{{{where}}}, {label})" if where else f"label_values({metric}, {label})"
