"""What the capacity model gives: a channel's requirement in figures, with what binds each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RateNeed:
    """One direction, in bit/s: mean load; capacity that is enough, and about necessary; with headroom."""

    mean_bps: float
    capacity_bps: float
    minimum_bps: float
    required_bps: float
    binding: str
    """The function that needs the most."""


@dataclass(frozen=True, slots=True)
class RttNeed:
    """The longest round trip time at which every function still meets its target, and which one binds."""

    ms: float
    binding: str


@dataclass(frozen=True, slots=True)
class Need:
    """The requirement of one unit. `impossible` says in one sentence why no channel would do; else empty."""

    unit: str
    up: RateNeed
    down: RateNeed
    loss_max: float
    """Share of packets, 0..1."""
    packets_per_loss: float
    """L of the sequential test: at most one loss event in so many packets."""
    rtt_at: Callable[[float, float], RttNeed] = field(repr=False, compare=False)
    """Return the ceiling at a rate up and down (bit/s); a measured lower bound above R counts as R."""
    impossible: str = ""
