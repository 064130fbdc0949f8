"""What `requirement` means in a condition: which metrics the capacity model bounds, and how they are judged.

A rate's lower tail is judged (q05), a round trip time's upper one (p95), loss by the sequential test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from inventory import units
from monitor.calendars.calendar import DAY_S
from monitor.capacity.need import Need
from monitor.readiness.conditions import Requirement, Statistic
from probes.api import FactDef, MetricDef

Kind = Literal["rate", "rtt", "loss"]
Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, ...] = ("up", "down")
AT_LEAST = "_at_least"
"""In the name of a metric that is only a lower bound of another: `capacity_up_at_least_bps`."""
_SIDES: Mapping[Kind, str] = {"rate": ">", "rtt": "<", "loss": "<"}
_USUAL: Mapping[Kind, str] = {"rate": "q05", "rtt": "p95"}


class Requirements(Protocol):
    """What the capacity model requires of each unit's channel."""

    def need(self, unit: str, /) -> Need | None:
        """Return the unit's requirement, None where no business function says that it has one."""

    def digest(self, unit: str, /) -> str:
        """Return the digest of all that the requirement follows from, empty without functions."""


class NoRequirements:
    """No capacity model: nothing is required, which is not the same as zero."""

    def need(self, unit: str, /) -> Need | None:  # noqa: ARG002
        """Return None."""
        return None

    def digest(self, unit: str, /) -> str:  # noqa: ARG002
        """Return an empty text."""
        return ""


def kind_of(metric: MetricDef | None) -> Kind | None:
    """Return what kind of requirement bounds a metric, None where the model says nothing of it.

    By unit and name: rates whose name says a direction (`tcp_down_bps`), `rtt...` in a unit of time, and
    `loss...` in percent.
    """
    if metric is None:
        return None
    dimension = units.dimension(metric.unit)
    if dimension == "rate":
        return "rate" if direction_of(metric.name) else None
    if dimension == "duration":
        return "rtt" if metric.name.startswith("rtt") else None
    return "loss" if metric.unit == "%" and metric.name.startswith("loss") else None


def direction_of(name: str) -> Direction | None:
    """Return the direction that a metric's name says, None where it says none."""
    parts = name.split("_")
    return next((each for each in DIRECTIONS if each in parts), None)


def at_least(name: str) -> str:
    """Return the metric that bounds `name` from below: `tcp_up_at_least_bps` for `tcp_up_bps`."""
    head, _, ending = name.rpartition("_")
    return f"{head}{AT_LEAST}_{ending}" if head else name + AT_LEAST


def wrong(metric: MetricDef, op: str) -> str:
    """Return what is wrong with `op` before `requirement`, empty where it is on the right side."""
    kind = kind_of(metric)
    if kind is None or op.startswith(_SIDES[kind]):
        return ""
    better = "more" if _SIDES[kind] == ">" else "less"
    return f'{metric.name} is the better the {better} it is; write "{_SIDES[kind]}= requirement"'


def weak(metric: MetricDef | FactDef | None, name: str, quantile: float | None) -> str:
    """Return what is wrong with a statistic against `requirement`, empty where it looks at the bad tail."""
    kind = kind_of(metric) if isinstance(metric, MetricDef) else None
    if kind is None or kind == "loss":
        return ""
    if quantile is None:
        good = name == ("min" if kind == "rate" else "max")
    else:
        good = quantile <= 0.05 if kind == "rate" else quantile >= 0.95
    form = f'{{{_USUAL[kind]}: "{_SIDES[kind]}= requirement", over: 24h}}'
    return "" if good else f"{name} hides the tail that the requirement is about; write {form}"


def usual(kind: Kind, part: Requirement) -> Statistic:
    """Return the statistic that a requirement without a window stands for: over 24 h, whatever the hour."""
    return Statistic(_USUAL[kind], 0.05 if kind == "rate" else 0.95, part, DAY_S, "24h")
