"""Jobs and probes for tests of the running parts: probes of our own that answer, wait, or break."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from monitor.job import Job
from monitor.shared import SharedClients
from probes.api import Context, Params, ProbeSettings, ProbeSpec, Reading, Target


class NoParams(Params):
    """Takes nothing."""


Run = Callable[[Target, Any, Context], Awaitable[Reading]]


async def answers(target: Target, params: NoParams, context: Context) -> Reading:
    await asyncio.sleep(0)
    return Reading.ok({"value": 1.0})


async def hangs(target: Target, params: NoParams, context: Context) -> Reading:
    context.phase = "connect"
    await asyncio.Event().wait()
    return Reading.ok()


def spec(run: Run = answers, name: str = "fake", *, together: bool = False) -> ProbeSpec:
    return ProbeSpec(name, "test", "for tests", NoParams, run, together=together)


def job(
    name: str = "u/a/c",
    run: Run = answers,
    *,
    every: float = 60,
    timeout: float = 1,
    retries: int = 0,
    address: str = "127.0.0.1",
    together: bool = False,
) -> Job:
    unit, asset, check = name.split("/")
    target = Target(address, unit=unit, asset=asset)
    probe = spec(run, together=together)
    return Job(name, unit, asset, check, probe, target, NoParams(), every, timeout, retries)


def no_secrets(name: str) -> str:
    raise LookupError(name)


def shared() -> SharedClients:
    return SharedClients(ProbeSettings(), no_secrets)
