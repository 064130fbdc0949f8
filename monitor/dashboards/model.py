"""What a dashboard is, before it is Grafana's JSON: panels and what each asks of either data source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

WIDE = 24
"""Grafana's columns."""
Kind = Literal[
    "barchart",
    "bargauge",
    "geomap",
    "stat",
    "state-timeline",
    "status-history",
    "table",
    "text",
    "timeseries",
]


class Source(StrEnum):
    """The kind of data source that a dashboard asks."""

    PROMETHEUS = "prometheus"
    """Prometheus or VictoriaMetrics that scrape /metrics."""
    VICTORIAMETRICS = "victoriametrics"
    """VictoriaMetrics that Muster itself writes to: the same, but for the names of readings."""
    INFLUX = "influx"


@dataclass(frozen=True, slots=True)
class Ask:
    """One query, in PromQL and in Flux; empty where the source does not have it.

    `name` is what a series is called, with `{{label}}` in it, or the column of a table. `style` are Grafana's
    overrides for it.
    """

    prom: str
    flux: str
    name: str
    style: Mapping[str, object] = field(default_factory=dict)
    flux_style: Mapping[str, object] = field(default_factory=dict)
    """What of the style is otherwise in InfluxDB, where values are not in base units."""
    victoria: str = ""
    """The query in PromQL where Muster writes to VictoriaMetrics, if that is another."""

    def of(self, source: Source) -> str:
        """Return the query in the language of a source."""
        if source is Source.INFLUX:
            return self.flux
        return self.victoria if source is Source.VICTORIAMETRICS and self.victoria else self.prom

    def drawn(self, source: Source) -> dict[str, object]:
        """Return Grafana's overrides in a source."""
        return {**self.style, **(self.flux_style if source is Source.INFLUX else {})}


@dataclass(frozen=True, slots=True)
class Step:
    """From `value` on (None: from the beginning) a colour of `look.py`."""

    value: float | None
    color: str


@dataclass(frozen=True, slots=True)
class Scale:
    """What a panel's values are: Grafana's unit in each source, and what their thresholds are divided by."""

    prom: str = "short"
    flux: str = "short"
    divisor: float = 1.0
    steps: tuple[Step, ...] = ()
    """In the unit of the metric, as the checklists write it."""
    mapping: str = ""
    """The mapping of numbers to words of `look.py`."""

    def unit(self, source: Source) -> str:
        """Return Grafana's unit."""
        return self.flux if source is Source.INFLUX else self.prom

    def steps_of(self, source: Source) -> tuple[Step, ...]:
        """Return the thresholds as the source has the values."""
        if source is Source.INFLUX:
            return self.steps
        return tuple(
            Step(None if each.value is None else each.value / self.divisor, each.color) for each in self.steps
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. One whose asks are all empty in a source is left out there."""

    title: str
    kind: Kind
    asks: tuple[Ask, ...] = ()
    scale: Scale = Scale()
    size: tuple[int, int] = (12, 8)
    about: str = ""
    link: str = ""
    """A page of Muster, below its address, with Grafana's `${...}` in it."""
    key: str = "unit"
    """The column by which the queries of a table belong together."""
    columns: tuple[str, ...] = ()
    """Further columns of a table that are shown, before those of its asks."""
    scales: Mapping[str, Scale] = field(default_factory=dict)
    """The scale of single columns of a table."""
    options: Mapping[str, object] = field(default_factory=dict)
    custom: Mapping[str, object] = field(default_factory=dict)
    text: str = ""

    def asks_of(self, source: Source) -> tuple[Ask, ...]:
        """Return what is asked of a source."""
        return tuple(each for each in self.asks if each.of(source))

    def shown_in(self, source: Source) -> bool:
        """Whether the source has anything of it."""
        return bool(self.asks_of(source)) or self.kind == "text"


@dataclass(frozen=True, slots=True)
class Variable:
    """A drop-down list of the values that a query finds."""

    name: str
    label: str
    prom: str
    flux: str
    several: bool = True

    def of(self, source: Source) -> str:
        """Return the query in the language of a source."""
        return self.flux if source is Source.INFLUX else self.prom


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard."""

    key: str
    title: str
    about: str
    variables: tuple[Variable, ...]
    panels: tuple[Panel, ...]
    annotations: tuple[Ask, ...] = ()
    span: str = "now-24h"
