"""Questions in PromQL, to what Muster exposes on /metrics, or writes to VictoriaMetrics (`victoria`).

What is written there is named as on /metrics, but readings (`muster_<probe>_<field>`, in declared units), and
the states of checks, which are numbers.
"""

from __future__ import annotations

from monitor.dashboards.measures import Measure
from monitor.web.figures import STATE_CODE, STATES

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


def latest_written(
    measure: Measure, by: tuple[str, ...], how: str, where: str = "", *, scoped: bool = True
) -> str:
    """Return the same of what is written to VictoriaMetrics."""
    chosen = f'unit=~"$unit"{"," if where else ""}{where}'
    found = f"{how} by ({', '.join(by)}) ({written(measure, chosen)}){per(measure)}"
    return among(found) if scoped else found


def written(measure: Measure, where: str) -> str:
    """Return the series of a metric in VictoriaMetrics, in its declared unit."""
    first, *others = measure.written
    return f'{{__name__=~"{"|".join(measure.written)}",{where}}}' if others else f"{first}{{{where}}}"


def per(measure: Measure) -> str:
    """Return the division that makes base units of the declared one."""
    return f" / {measure.divisor:.15g}" if measure.divisor != 1 else ""


def state_written(where: str) -> str:
    """Return the state of checks as it is written to VictoriaMetrics."""
    return f"max by (unit, asset, check) ({STATE_CODE}{{{where}}})"


def state(where: str) -> str:
    """Return the state of checks as a number, by asset and check."""
    each = (f'muster_check_state{{{where},state="{state}"}} * {code}' for code, state in enumerate(STATES))
    return f"max by (unit, asset, check) ({' or '.join(each)})"


def labels(label: str, where: str, metric: str = "muster_unit_info") -> str:
    """Return the query of a variable."""
    return f"label_values({metric}{{{where}}}, {label})" if where else f"label_values({metric}, {label})"
