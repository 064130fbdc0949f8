"""A Nagios plugin, run here or over SSH, with its performance data as metrics.

Plugin interface: Monitoring Plugins Development Guidelines. Only what the settings allow-list (`exec_allow`)
is run, without a shell and in a clean environment. Secrets go into the plugin's environment, never onto its
command line; over SSH the environment is set by a script on standard input.

A plugin's warning is a threshold that was exceeded, set by whoever wrote the command. It is a failure unless
`warning_is: ok` says that expectations on the metrics judge instead: a warning that nobody looks at must not
pass. A plugin that does not end, or says UNKNOWN, tells nothing of the target.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from probes import _allowed
from probes._process import Finished, Processes
from probes._ssh import SshParams, SshPool
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, SecretRef, Target
from probes.errors import (
    Ending,
    ExpectationFailed,
    Inconclusive,
    ProberFault,
    TimedOut,
)
from probes.host._perfdata import PluginOutput, metric_names, parse

STATES = ("ok", "warning", "critical", "unknown")
ADDRESS = "{address}"
OWN_SHARE = 0.95
"""Share of the run's time a plugin gets: it is ended by us, before the deadline, as inconclusive."""
MAX_REMOTE_OUTPUT = 64 * 1024


class ExecParams(Params):
    """What is run, where, and what a warning means."""

    command: tuple[str, ...] = Field(
        min_length=1, max_length=200,
        description="The plugin's absolute path and its arguments; {address} stands for the asset's address.",
    )  # fmt: skip
    via: Literal["local", "ssh"] = Field("local", description="Where it runs: here, or on the asset.")
    ssh: SshParams | None = Field(None, description="How to log in, for via: ssh.")
    env: dict[str, Any] = Field(
        default_factory=dict,
        max_length=50,
        description='Environment of the plugin; values may be "secret:NAME".',
    )
    warning_is: Literal["failed", "ok"] = Field("failed", description="What exit status 1 makes of the run.")

    @field_validator("command")
    @classmethod
    def _is_path(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        return _allowed.checked(command)

    @field_validator("env")
    @classmethod
    def _is_environment(cls, env: dict[str, Any]) -> dict[str, Any]:
        for name, value in env.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name):
                msg = f"{name!r} is no name of an environment variable; write letters, digits and _"
                raise ValueError(msg)
            if not isinstance(value, str) or "\0" in value:
                msg = f'{name} must be a text, or "secret:NAME"'
                raise ValueError(msg)
        return {
            name: SecretRef(value.removeprefix("secret:")) if value.startswith("secret:") else value
            for name, value in env.items()
        }

    @model_validator(mode="after")
    def _reachable(self) -> ExecParams:
        if self.via == "ssh" and self.ssh is None:
            msg = 'via: ssh needs an ssh block, e.g. ssh: {user: ops, key: "secret:hall_ssh"}'
            raise ValueError(msg)
        return self


async def probe_exec(target: Target, params: ExecParams, context: Context) -> Reading:
    """Run one plugin. Raises `PermissionMissing`, and the ending its exit status stands for."""
    _allowed.require(params.command[0], context.shared.settings.exec_allow)
    if target.address.startswith("-"):
        raise ProberFault(f"the address {target.address!r} would be read as an option")
    command = tuple(word.replace(ADDRESS, target.address) for word in params.command)
    environment = {
        name: context.shared.secret(value) if isinstance(value, SecretRef) else value
        for name, value in params.env.items()
    }
    if params.via == "ssh" and params.ssh is not None:
        finished, phases = await _over_ssh(target, params.ssh, command, environment, context)
    else:
        finished, phases = await _here(command, environment, context)
    output = parse(finished.stdout.decode("utf-8", "replace"))
    for data in output.data:
        context.log(f"{data.label} = {data.value:g} {data.unit} warn {data.warn} crit {data.crit}")
    return _reading(params, finished, output, phases)


async def _here(
    command: tuple[str, ...], environment: dict[str, str], context: Context
) -> tuple[Finished, dict[str, float]]:
    started = context.remaining
    try:
        async with asyncio.timeout(context.remaining * OWN_SHARE):
            finished = await context.shared.get(Processes).run(command, environment, context)
    except TimeoutError:
        raise Inconclusive(
            f"the plugin did not end within {started * OWN_SHARE:.1f} s and was killed"
        ) from None
    return finished, {"command": (started - context.remaining) * 1000}


async def _over_ssh(
    target: Target, ssh: SshParams, command: tuple[str, ...], environment: dict[str, str], context: Context
) -> tuple[Finished, dict[str, float]]:
    words = " ".join(map(shlex.quote, command))
    limit = max(1, int(context.remaining * OWN_SHARE))
    script = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()) + (
        "export LC_ALL=C\n"
        f"if command -v timeout >/dev/null 2>&1; then exec timeout -k 2 {limit} {words} </dev/null; fi\n"
        f"exec {words} </dev/null\n"
    )
    started = context.remaining
    try:
        async with asyncio.timeout(started * OWN_SHARE):
            result = await context.shared.get(SshPool).run(target, ssh, "sh -s", context, script.encode())
    except TimeoutError:
        if context.phase != "command":
            raise TimedOut(f"{context.phase}: no answer within {started:.1f} s") from None
        raise Inconclusive(f"the plugin did not end within {started:.1f} s and was given up") from None
    output = result.output
    if output.truncated or len(output.stdout) > MAX_REMOTE_OUTPUT:
        raise ProberFault(f"it writes more than {MAX_REMOTE_OUTPUT} bytes", phases=result.phases)
    if output.status == 124:
        raise Inconclusive(f"the plugin did not end within {limit} s and was killed", phases=result.phases)
    return Finished(output.status, output.stdout, output.stderr), result.phases


def _reading(
    params: ExecParams, finished: Finished, output: PluginOutput, phases: dict[str, float]
) -> Reading:
    status = finished.status
    metrics = metric_names(output.data) | {"exit_status": float(status)}
    facts = {"output": output.text}
    if output.long_text:
        facts["long_output"] = output.long_text
    if output.dropped:
        facts["dropped_data"] = str(output.dropped)
    if status not in range(4):
        raise _broken(params.command[0], finished, phases)
    facts["state"] = STATES[status]
    if status == 0 or (status == 1 and params.warning_is == "ok"):
        return Reading.ok(metrics, facts, phases, output.text)
    ending: type[Ending] = Inconclusive if status == 3 else ExpectationFailed
    raise ending(f"{STATES[status]}: {output.text}", metrics=metrics, facts=facts, phases=phases)


def _broken(program: str, finished: Finished, phases: dict[str, float]) -> ProberFault:
    said = finished.stderr.decode("utf-8", "replace").strip()[:200]
    tail = f": {said}" if said else ""
    if finished.status < 0:
        return ProberFault(f"{program} was ended by a signal ({-finished.status}){tail}", phases=phases)
    reasons = {126: "can't be executed", 127: "is not there"}
    reason = reasons.get(finished.status, f"ended with status {finished.status}, which no plugin uses")
    return ProberFault(f"{program} {reason}{tail}", phases=phases)


PROBE = ProbeSpec(
    name="exec",
    family="host",
    summary="A Nagios plugin, run here or over SSH, with its performance data as metrics",
    params=ExecParams,
    run=probe_exec,
    metrics=(MetricDef("exit_status", "count", "lower", 1, "0 ok, 1 warning, 2 critical, 3 unknown"),),
    facts=(
        FactDef("state", help="ok, warning, critical or unknown, as the plugin says"),
        FactDef("output", help="the plugin's first line"),
        FactDef("long_output", help="the lines after it"),
        FactDef("dropped_data", help="performance data that were garbled or over the limit"),
    ),
    phases=("resolve", "connect", "handshake", "login", "command"),
    kinds=(
        "expectation",  # critical, and warning unless warning_is: ok
        "unreachable", "refused", "timeout", "dns", "protocol",  # of the SSH connection
        "permission",  # not allow-listed; over SSH also: the host key is not known
        "auth", "inconclusive", "prober_error",
    ),
    dynamic=True,
    inputs=("ssh",),
    default_every=300.0,
    default_timeout=30.0,
)  # fmt: skip
