"""What a host itself listens on: a port, on which addresses, by which process; and what is not allowed.

Addresses come from /proc/net, which any account may read. Names of processes come from `ss -p`, which shows
those of others to root only. It sees what a firewall hides from outside; what is reachable, `tcp` tells.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.software._host import EVERY_S, KINDS, PHASES, TIMEOUT_S, SudoParams, told
from probes.software._script import Ask
from probes.software._sockets import FRAGMENT, MOST, Listener, listeners, owners
from probes.software._text import listed, sections

Protocol = Literal["tcp", "udp"]
Sockets = tuple[list[Listener], dict[tuple[str, int], set[str]]]


def _allowed(value: int | str) -> str:
    match = re.fullmatch(r"(?:(tcp|udp)/)?(\d{1,5})(?:-(\d{1,5}))?", str(value))
    if match is None or not 0 < int(match[2]) <= int(match[3] or match[2]) <= 65535:
        msg = "write a port as 22, udp/53 or 8000-8010"
        raise ValueError(msg)
    return str(value)


Allowed = Annotated[int | str, AfterValidator(_allowed)]


class PortParams(SudoParams):
    """Which port, and which ports may be open."""

    port: int | None = Field(None, ge=1, le=65535, description="The port that is looked for.")
    protocol: Protocol = Field("tcp", description="Its protocol.")
    allowed: tuple[Allowed, ...] | None = Field(
        None,
        max_length=1000,
        description="Ports that may be open: 22, udp/53, 8000-8010; others are counted.",
    )
    protocols: tuple[Protocol, ...] = Field(
        ("tcp",), min_length=1,
        description="Which protocols `allowed` is about; on UDP, whoever waits for an answer listens, too.",
    )  # fmt: skip
    loopback: bool = Field(False, description="Whether ports open on loopback only count for `allowed`.")

    @model_validator(mode="after")
    def _something(self) -> PortParams:
        if self.port is None and self.allowed is None:
            msg = "give a port, or the ports allowed, e.g. allowed: [22, 8080]"
            raise ValueError(msg)
        return self

    def allows(self, listener: Listener) -> bool:
        """Tell whether a socket may be open."""
        return any(_covers(str(each), listener) for each in self.allowed or ())


def _covers(allowed: str, listener: Listener) -> bool:
    protocol, _, ports = allowed.rpartition("/")
    first, _, last = ports.partition("-")
    return (protocol or "tcp") == listener.protocol and int(first) <= listener.port <= int(last or first)


def parse(text: str) -> Sockets:
    """Return the listening sockets, and whose they are. Raises ValueError and LookupError."""
    parts = sections(text)
    if "end" not in parts:
        raise ValueError("the list of sockets breaks off")
    return listeners(parts), owners(parts["ss"])


def reading(sockets: Sockets, params: PortParams) -> tuple[dict[str, float], dict[str, str]]:
    """Return the metrics and facts of the sockets of a host."""
    found, processes = sockets
    counted = [
        each for each in found if each.protocol in params.protocols and (params.loopback or not each.loopback)
    ]
    metrics = {"open_ports": float(len({each.name for each in counted}))}
    facts = {"ports": listed(dict.fromkeys(each.name for each in counted)) or "none"}
    if params.allowed is not None:
        unexpected = dict.fromkeys(each for each in counted if not params.allows(each))
        names = {each.name: sorted(processes.get((each.protocol, each.port), ())) for each in unexpected}
        metrics["unexpected_ports"] = float(len(names))
        facts["unexpected"] = listed(f"{port} {' '.join(of)}".strip() for port, of in names.items()) or "none"
    if params.port is not None:
        here = [each for each in found if (each.protocol, each.port) == (params.protocol, params.port)]
        metrics["listening"] = float(bool(here))
        facts["addresses"] = listed(dict.fromkeys(each.address for each in here)) or "none"
        of = sorted(processes.get((params.protocol, params.port), ()))
        if of:
            facts["process"] = listed(of)
        elif here:
            facts["not_read"] = "process: missing_right"
    return metrics, facts


async def probe_port(target: Target, params: PortParams, context: Context) -> Reading:
    """Look at what listens. Raises what `told` does."""
    ask = Ask(FRAGMENT, most=MOST, sudo=params.sudo)
    sockets, phases = await told(target, params, ask, context, parse)
    return Reading.ok(*reading(sockets, params), phases)


PROBE = ProbeSpec(
    name="port",
    family="software",
    summary="What a host listens on: a port, its addresses and process; ports that are not allowed",
    params=PortParams,
    run=probe_port,
    metrics=(
        MetricDef("listening", "count", "none", 1, "with port: 1 where something listens, else 0"),
        MetricDef("open_ports", "count", "none", 1, "ports open, of the protocols looked at"),
        MetricDef("unexpected_ports", "count", "lower", 1, "with allowed: ports open that are not allowed"),
    ),
    facts=(
        FactDef("addresses", help="with port: the addresses it is open on"),
        FactDef("process", help="with port: the processes that have it open"),
        FactDef("ports", help="all ports open, of the protocols looked at"),
        FactDef("unexpected", help="with allowed: which are not allowed, and whose they are"),
        FactDef("not_read", help="what could not be read, and why"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=EVERY_S,
    default_timeout=TIMEOUT_S,
)
