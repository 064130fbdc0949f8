"""A Linux host: processor, memory, disks, load, network, units, and what it is made of.

Its own machine by psutil; others by one command over a kept SSH connection (`_proc.gather_script`, given to a
shell's standard input, so that any login shell will do). Rates cover the time since the run before, by the
host's own clock; the first run takes a second sample after a second.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Literal, cast

from pydantic import Field, model_validator

from probes._hardware import HardwareParams
from probes._local_machine import is_local
from probes._ssh import Result, SshParams, SshPool
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Shared, Target, clip
from probes.errors import ProberFault, ProtocolViolated
from probes.host import _local, _proc, _snapshot
from probes.host._hardware import compare
from probes.host._snapshot import Counters, Snapshot

SPAN_S = 1.0
"""Between the two samples of a first run."""
SHORTEST_SPAN_S = 0.8
"""Processor time is counted in hundredths of a second: a rate over less says little."""
LONGEST_SPAN_S = 900.0
"""A sample before this is too old to take a rate from."""
MAX_HOSTS = 20_000


class HostParams(Params):
    """How a host is reached, and what hardware it should have."""

    via: Literal["local", "ssh"] | None = Field(
        None, description="How: this machine itself, or SSH; by the address and the ssh block unless given."
    )
    ssh: SshParams | None = Field(None, description="How to log in.")
    hardware: HardwareParams | None = Field(None, description="What the machine should have.")
    sudo: bool = Field(
        False,
        description="Read serial number and memory modules by `sudo -n`; docs/servers.md has the lines.",
    )

    @model_validator(mode="after")
    def _reachable(self) -> HostParams:
        if self.via == "ssh" and self.ssh is None:
            msg = 'via: ssh needs an ssh block, e.g. ssh: {user: ops, key: "secret:hall_ssh"}'
            raise ValueError(msg)
        return self


class LastCounters:
    """The last counters of each host; a client for `Shared.get`."""

    def __init__(self, _: Shared) -> None:
        self._kept: OrderedDict[tuple[str, ...], tuple[float, Counters]] = OrderedDict()

    def swap(self, key: tuple[str, ...], now: Counters) -> Counters | None:
        """Keep `now` and return what was kept before, if of the same boot, neither too old nor too new."""
        kept = self._kept.pop(key, None)
        self._kept[key] = (time.monotonic(), now)
        if len(self._kept) > MAX_HOSTS:
            self._kept.popitem(last=False)
        if kept is None or time.monotonic() - kept[0] > LONGEST_SPAN_S:
            return None
        return kept[1] if kept[1].at + SHORTEST_SPAN_S <= now.at else None


async def probe_host(target: Target, params: HostParams, context: Context) -> Reading:
    """Gather one host. Raises what the connection came to, or `ProtocolViolated` for a text broken off."""
    local = is_local(target, params.via, params.ssh)
    if not local and params.ssh is None:
        raise ProberFault(
            'no way in: give an ssh block, e.g. ssh: {user: ops, key: "secret:hall_ssh"}, or via: local'
        )
    now, phases = await (_of_this_machine(params, context) if local else _over_ssh(target, params, context))
    metrics, facts = _snapshot.metrics(now), _snapshot.facts(now)
    if now.counters is not None:
        metrics |= await _rates(target, params, context, now.counters, local)
    for phase in ("connect", "login"):
        if phase in phases:
            metrics[f"{phase}_ms"] = phases[phase]
    if params.hardware is not None:
        compared = compare(params.hardware, now).report()
        metrics, facts = metrics | compared[0], facts | compared[1]
    if not metrics:
        raise ProtocolViolated("it showed nothing of what a Linux host shows", phases=phases)
    return Reading.ok(metrics, {name: clip(text) for name, text in facts.items()}, phases)


async def _of_this_machine(params: HostParams, context: Context) -> tuple[Snapshot, dict[str, float]]:
    context.phase = "gather"
    start = time.perf_counter()
    hardware = params.hardware is not None
    now = await asyncio.to_thread(_local.snapshot, hardware=hardware, sudo=hardware and params.sudo)
    return now, {"gather": (time.perf_counter() - start) * 1000}


async def _over_ssh(
    target: Target, params: HostParams, context: Context
) -> tuple[Snapshot, dict[str, float]]:
    hardware = params.hardware is not None
    script = _proc.gather_script(hardware=hardware, sudo=hardware and params.sudo)
    result = await _script(target, params, context, script)
    try:
        now = _proc.snapshot(_text(result))
    except _proc.BrokenOff as error:
        raise _not_a_host(result, error) from None
    return now, result.phases


async def _script(target: Target, params: HostParams, context: Context, script: str) -> Result:
    pool = context.shared.get(SshPool)
    ssh = cast("SshParams", params.ssh)
    return await pool.run(target, ssh, "sh -s", context, script.encode())


def _text(result: Result) -> str:
    return result.output.stdout.decode("utf-8", "replace")


def _not_a_host(result: Result, error: Exception) -> ProtocolViolated:
    output = result.output
    if output.truncated:
        return ProtocolViolated("it answered the script without end", phases=result.phases)
    said = clip(output.stderr.decode("utf-8", "replace").strip(), 200)
    detail = f"{error} (exit status {output.status}{f', it said: {said}' if said else ''})"
    return ProtocolViolated(detail, phases=result.phases)


async def _rates(
    target: Target, params: HostParams, context: Context, now: Counters, local: bool
) -> dict[str, float]:
    key = ("local",) if local else (target.address, params.ssh.user, str(params.ssh.port))  # type: ignore[union-attr]
    last = context.shared.get(LastCounters)
    before = last.swap(key, now)
    if before is None:
        if context.remaining < 2 * SPAN_S:
            return {}
        await asyncio.sleep(SPAN_S)
        later = await _counters(target, params, context, local)
        if later is None:
            return {}
        before, now = now, later
        last.swap(key, now)
    return _snapshot.rates(before, now)


async def _counters(target: Target, params: HostParams, context: Context, local: bool) -> Counters | None:
    if local:
        return await asyncio.to_thread(_local.counters)
    result = await _script(target, params, context, _proc.COUNTERS_SCRIPT)
    try:
        return _proc.counters(_proc.sections(_text(result)))
    except _proc.BrokenOff as error:
        raise _not_a_host(result, error) from None


PROBE = ProbeSpec(
    name="host",
    family="host",
    summary="A Linux host's load, memory, disks, network, units and hardware, locally or over SSH",
    params=HostParams,
    run=probe_host,
    metrics=(
        *_snapshot.HOST_METRICS,
        MetricDef("hardware_mismatches", "count", "lower", 1,
                  "differences from the expected hardware; absent where not all of it could be read"),
        MetricDef("connect_ms", "ms", "lower", 0.001, "TCP connect, when logged in anew"),
        MetricDef("login_ms", "ms", "lower", 0.1, "SSH login, when logged in anew"),
    ),
    facts=(
        *_snapshot.HOST_FACTS,
        FactDef("hardware_differences", help="expected and found, where they differ"),
        FactDef("hardware_unreadable", help="what is expected and could not be read"),
    ),
    phases=("resolve", "connect", "handshake", "login", "command", "gather"),
    kinds=(
        "unreachable", "refused", "timeout", "dns",
        "protocol",  # also: the host key is not the known one, or is revoked
        "permission",  # the host key is not known: nobody has verified it yet
        "auth", "inconclusive", "prober_error",
    ),
    inputs=("ssh", "hardware"),
    default_every=60.0,
    default_timeout=15.0,
)  # fmt: skip
