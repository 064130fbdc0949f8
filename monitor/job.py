"""What is planned: one check bound to its probe, target, parameters and timing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from probes.api import Params, ProbeSpec, Target

if TYPE_CHECKING:
    from monitor.readiness.expectation import Condition


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
    """The check's own expectations, by metric or fact: what makes an ok reading DEGRADED."""
