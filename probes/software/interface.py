"""A network interface as its host sees it: up, speed, duplex, MTU, addresses.

Sources: /sys/class/net (sysfs-class-net of the kernel's documentation), ip(8) with -o.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import Field

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.software._host import EVERY_S, KINDS, PHASES, TIMEOUT_S, HostParams, told
from probes.software._script import Ask
from probes.software._text import lines_of, listed, pairs, sections, whole

FRAGMENT = r"""
d=/sys/class/net/$1
[ -d /sys/class/net ] || { echo "no /sys/class/net"; exit 94; }
echo "@interface"
[ -e "$d" ] && echo "exists=1" || { echo "exists=0"; echo "@end"; exit 0; }
for f in operstate carrier mtu address speed duplex; do echo "$f=$(cat "$d/$f")"; done
echo "@addresses"
ip -o addr show dev "$1" || echo "none"
echo "@end"
"""
Name = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:@-]*$")]


class InterfaceParams(HostParams):
    """Which interface."""

    interface: Name = Field(description="Name of the interface: eth0.")


def parse(text: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts. Raises ValueError and LookupError."""
    parts = sections(text)
    if "end" not in parts:
        raise ValueError("what it says of the interface breaks off")
    values = pairs(parts["interface"])
    if values["exists"] == "0":
        return {"exists": 0.0}, {}
    state = values["operstate"]
    up = state == "up" or (state == "unknown" and values["carrier"] == "1")
    metrics = {"exists": 1.0, "up": float(up), "mtu": float(whole(values["mtu"]))}
    if values["speed"].isdecimal():
        metrics["speed"] = whole(values["speed"]) * 1e6
    if values["duplex"] in ("full", "half"):
        metrics["full_duplex"] = float(values["duplex"] == "full")
    facts = {"state": clip(state, 40), "mac": clip(values["address"], 40) or "none"}
    return metrics, facts | _addresses(parts["addresses"])


def _addresses(text: str) -> dict[str, str]:
    """Return the addresses of `ip -o addr`, sorted, or that there is no such program."""
    if text.strip() == "none":
        return {"not_read": "addresses: not_supported, no ip"}
    words = [line.split() for line in lines_of(text)]
    found = [ipaddress.ip_interface(each[3]) for each in words if each[2] in ("inet", "inet6")]
    return {"addresses": listed(str(each) for each in sorted(found, key=lambda a: (a.version, a))) or "none"}


async def probe_interface(target: Target, params: InterfaceParams, context: Context) -> Reading:
    """Look at one interface. Raises what `told` does."""
    ask = Ask(FRAGMENT, (params.interface,), most=16_384)
    (metrics, facts), phases = await told(target, params, ask, context, parse)
    return Reading.ok(metrics, facts, phases)


PROBE = ProbeSpec(
    name="interface",
    family="software",
    summary="A network interface as its host sees it: up, speed, duplex, MTU, addresses",
    params=InterfaceParams,
    run=probe_interface,
    metrics=(
        MetricDef("exists", "count", "none", 1, "1 where it is there, else 0"),
        MetricDef("up", "count", "higher", 1, "1 where it is up, else 0"),
        MetricDef("speed", "bit/s", "higher", 1_000_000, "negotiated; absent where it has none"),
        MetricDef("full_duplex", "count", "higher", 1, "1 for full, 0 for half; absent where it has none"),
        MetricDef("mtu", "bytes", "none", 1, "longest packet"),
    ),
    facts=(
        FactDef("state", help="as the kernel has it: up, down, lowerlayerdown, unknown"),
        FactDef("mac", help="hardware address"),
        FactDef("addresses", help="IP addresses with the lengths of their prefixes, sorted"),
        FactDef("not_read", help="what could not be read, and why"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=EVERY_S,
    default_timeout=TIMEOUT_S,
)
