"""Readings, states and jobs for the tests of states."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.job import Job
from monitor.readiness.expectation import Condition
from probes.api import Context, Outcome, Params, ProbeSpec, Reading, Target


async def _run(target: Target, params: Params, context: Context) -> Reading:
    raise NotImplementedError


SPEC = ProbeSpec("none", "network", "measures nothing", Params, _run)


def ok(at: float, **metrics: float) -> Reading:
    return stamped(Reading.ok(dict(metrics)), at)


def failed(at: float, kind: str = "timeout", detail: str = "") -> Reading:
    return stamped(Reading(Outcome.FAILED, kind, detail), at)


def error(at: float, kind: str = "prober_error") -> Reading:
    return stamped(Reading(Outcome.ERROR, kind), at)


def not_run(at: float, reason: str = "overload") -> Reading:
    return stamped(Reading(Outcome.NOT_RUN, reason), at)


def stamped(reading: Reading, at: float, check: str = "u/a/c") -> Reading:
    reading.at, reading.check = at, check
    return reading


def job(
    id_: str = "u/a/c",
    expect: Mapping[str, Condition] | None = None,
    every: float = 60.0,
    timeout: float = 10.0,
) -> Job:
    unit, asset, check = id_.split("/")
    target = Target("192.0.2.1", unit=unit, asset=asset)
    return Job(id_, unit, asset, check, SPEC, target, Params(), every, timeout, expect=expect or {})
