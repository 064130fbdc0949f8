"""A probe's metric as both sources have it: its name, its unit, and the bounds that the checklists set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from monitor.dashboards.look import BAD, GOOD, WARN
from monitor.dashboards.model import Scale, Step
from monitor.paths import shipped
from monitor.readiness.checklists import load_calendars
from monitor.readiness.conditions import Between, Compare, Condition, Statistic
from monitor.readiness.expectation import parse
from monitor.sinks import lines
from monitor.web.exposition import family
from probes import registry
from probes.api import MetricDef

GRAFANA: Mapping[str, tuple[str, str]] = {
    "us": ("s", "µs"), "ms": ("s", "ms"), "s": ("s", "s"), "d": ("d", "d"), "min": ("m", "m"),
    "%": ("percentunit", "percent"), "bytes": ("bytes", "bytes"), "bit/s": ("bps", "bps"),
    "bytes/s": ("Bps", "Bps"), "count": ("short", "short"), "count/s": ("cps", "cps"),
    "C": ("celsius", "celsius"), "V": ("volt", "volt"), "W": ("watt", "watt"), "kWh": ("kwatth", "kwatth"),
}  # fmt: skip
"""Of each unit of a metric, Grafana's: for Prometheus (base units), and for InfluxDB (as declared)."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric that one or several probes report, in one unit."""

    metric: MetricDef
    probes: tuple[str, ...]

    @property
    def prom(self) -> str:
        """The metric's name on /metrics."""
        return family(self.metric.name, self.metric.unit)[0]

    @property
    def divisor(self) -> float:
        """What makes base units of the declared one."""
        return family(self.metric.name, self.metric.unit)[1]

    @property
    def written(self) -> tuple[str, ...]:
        """The metric's names in VictoriaMetrics that Muster writes to."""
        return tuple(f"{each}_{self.field}" for each in self.measurements)

    @property
    def field(self) -> str:
        """The field's name in InfluxDB."""
        return lines.field_name(self.metric.name)

    @property
    def measurements(self) -> tuple[str, ...]:
        """The measurements in InfluxDB."""
        return tuple(lines.measurement(probe) for probe in self.probes)

    def scale(self) -> Scale:
        """Return unit and thresholds."""
        prom, flux = GRAFANA[self.metric.unit]
        return Scale(prom, flux, self.divisor, self.steps())

    def steps(self) -> tuple[Step, ...]:
        """Return where the checklists draw lines: what breaks some is amber, what breaks all is vermilion."""
        found = [each for each in self._bounds() if each.op[0] in "<>" or (each.op, each.bound) == ("==", 0)]
        if not found:
            return ()
        if found[0].op.startswith(">"):
            least, most = (f(each.bound for each in found) for f in (min, max))
            return _unlike(Step(None, BAD), Step(least, WARN), Step(most, GOOD))
        step = self.metric.resolution or (1.0 if self.metric.unit == "count" else 0.0)
        least, most = (f(each.bound for each in found) + step for f in (min, max))
        return _unlike(Step(None, GOOD), Step(least, WARN), Step(most, BAD))

    def _bounds(self) -> Iterator[Compare]:
        for probe in self.probes:
            yield from bounds().get((probe, self.metric.name), ())


def _unlike(first: Step, second: Step, third: Step) -> tuple[Step, ...]:
    return (first, third) if second.value == third.value else (first, second, third)


def measure(name: str, *probes: str) -> Measure:
    """Return a metric of some probes. Raises LookupError where one of them does not report it so."""
    found = [registry.get(probe).metric(name) for probe in probes]
    metric = found[0]
    if metric is None or any(each is None or each.unit != metric.unit for each in found):
        raise LookupError(f"{name} is not the same metric of {', '.join(probes)}")
    return Measure(metric, probes)


@lru_cache(maxsize=1)
def bounds() -> Mapping[tuple[str, str], tuple[Compare, ...]]:
    """Return what the shipped checklists ask, by probe and metric."""
    found: dict[tuple[str, str], tuple[Compare, ...]] = {}
    calendars = load_calendars([shipped("config") / "calendars"])
    for item in _items():
        for name, raw in item["expect"].items():
            for probe in _probes(item):
                metric = registry.get(probe).metric(name)
                if metric is not None:
                    key = (probe, name)
                    condition = parse(raw, metric=metric, calendars=calendars)
                    found[key] = (*found.get(key, ()), *_compared(condition))
    return found


def _items() -> Iterator[dict[str, Any]]:
    """Yield the items that expect something; one that only tightens another has that one's probe."""
    known: dict[str, dict[str, Any]] = {}
    for path in sorted(shipped("config").glob("checklists/*.yaml")):
        for item in yaml.safe_load(path.read_text("utf-8"))["items"]:
            known[item["id"]] = whole = {**known.get(item["id"], {}), **item}
            if "expect" in item:
                yield whole


def _probes(item: Mapping[str, Any]) -> list[str]:
    named = item.get("probe") or item.get("check") or []
    names = [named] if isinstance(named, str) else named
    return [each for each in names if each in registry.BUILT_IN]


def _compared(condition: Condition) -> Iterator[Compare]:
    inner = condition.inner if isinstance(condition, Statistic) else condition
    if isinstance(inner, Compare):
        yield inner
    if isinstance(inner, Between):
        yield inner.sides()[1]
