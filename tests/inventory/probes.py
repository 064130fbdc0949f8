"""A small registry of probes for tests of planning: what real ones declare, without measuring anything."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from probes.api import (
    Bytes,
    Context,
    FactDef,
    MetricDef,
    Params,
    ProbeSpec,
    Reading,
    Seconds,
    Secret,
    SecretRef,
    Target,
)


class TcpParams(Params):
    port: Annotated[int, Field(ge=1, le=65535, strict=True)]
    wait: Seconds = 1.0
    closed: bool = False


class WebParams(Params):
    path: str = "/"
    port: int = 80
    limit: Bytes = 65536
    password: Secret | None = None


class Ssh(Params):
    user: str
    key: Secret
    port: int = 22


class ShellParams(Params):
    ssh: Ssh
    command: str = "true"


class SelfParams(Params):
    depth: int = 1


async def run(target: Target, params: Params, context: Context) -> Reading:
    return Reading.ok()


SPECS = {
    "tcp": ProbeSpec(
        "tcp", "network", "connects", TcpParams, run,
        metrics=(MetricDef("connect_ms", "ms", "lower", 0.001),), facts=(FactDef("banner"),),
    ),
    "web": ProbeSpec(
        "web", "network", "fetches", WebParams, run,
        metrics=(MetricDef("total_ms", "ms"), MetricDef("connect_ms", "ms"), MetricDef("size", "bytes")),
        facts=(FactDef("server"), FactDef("version", "version")),
        default_every=30.0, default_timeout=5.0,
    ),
    "shell": ProbeSpec(
        "shell", "host", "runs", ShellParams, run, inputs=("ssh",), dynamic=True,
        metrics=(MetricDef("runtime_s", "s"),),
    ),
    "plugin": ProbeSpec("plugin", "host", "runs a plugin", SelfParams, run, dynamic=True),
    "self": ProbeSpec(
        "self", "host", "this machine", SelfParams, run, needs_address=False,
        metrics=(MetricDef("cpu_pct", "%"),),
    ),
}  # fmt: skip


class Registry:
    """What `probes.registry` is to the program."""

    def __init__(self, broken: str = "") -> None:
        self._broken = broken

    def names(self) -> tuple[str, ...]:
        return tuple(sorted({*SPECS, *([self._broken] if self._broken else [])}))

    def get(self, name: str) -> ProbeSpec:
        if name == self._broken:
            raise ImportError("No module named 'gone'")
        return SPECS[name]


__all__ = ["SPECS", "Registry", "SecretRef", "SelfParams", "ShellParams", "TcpParams", "WebParams", "run"]
