"""What is planned: one check bound to its probe, target, parameters and timing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from probes.api import Params, ProbeSpec, Target

if TYPE_CHECKING:
    from monitor.calendars.windows import Window
    from monitor.readiness.expectation import Condition
    from monitor.releases.pledges import Pledge


@dataclass(frozen=True, slots=True)
class Line:
    """A physical line, named by one of the channels (`unit/asset`) that use it."""

    id: str
    zone: str
    """Time zone of the unit that has it; its calendar day bounds what may be put on the line."""
    bps: float | None = None
    """Contracted rate of its slower direction in bit/s, None where the inventory does not say."""


@dataclass(frozen=True, slots=True)
class Route:
    """The lines that lie between an asset and the monitor's side: its own first, never none.

    The contracted rates (bit/s) are those of the asset's own channel, up from the unit, down towards it.
    """

    lines: tuple[Line, ...]
    up_bps: float | None = None
    down_bps: float | None = None


@dataclass(frozen=True, slots=True)
class Required:
    """What a unit's business functions require of its channels: rates in bit/s, the round trip time in ms."""

    up_bps: float
    down_bps: float
    rtt_ms: float
    loss: float | None = None
    """Share of packets that may be lost, 0 to 1."""
    impossible: bool = False
    """Whether no channel at all would do: there is nothing to hold a series to, and none is good enough."""


IMPOSSIBLE = Required(0.0, 0.0, 0.0, impossible=True)


@dataclass(frozen=True, slots=True)
class Job:
    """A check that is validated and ready to run. Equal jobs need no rescheduling on reload."""

    id: str
    """`unit/asset/check`."""
    unit: str
    asset: str
    check: str
    spec: ProbeSpec
    target: Target
    params: Params
    every: float
    timeout: float
    retries: int = 0
    expect: Mapping[str, Condition] = field(default_factory=dict)
    """The check's own expectations, by metric or fact: the instant ones make an ok reading DEGRADED."""
    route: Route | None = None
    """For checks of channels, and for those that load a link."""
    windows: tuple[Window, ...] = ()
    """When it may run, of those that load a link; empty: as the settings say."""
    degradation: Mapping[str, str] = field(default_factory=dict)
    """By metric, how readily it is noticed that it gets worse: off, low, normal or high."""
    released: tuple[Pledge, ...] = ()
    """What the unit's release says of what this check reports."""
