"""A group of a host: its number and who is in it (getent(1))."""

from __future__ import annotations

from pydantic import Field

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.software._host import KINDS, PHASES, TIMEOUT_S, HostParams, told
from probes.software._script import Ask
from probes.software._text import UserName, listed, pairs, whole

FRAGMENT = r"""
command -v getent >/dev/null || { echo "no getent on this host"; exit 94; }
e=$(getent group "$1")
case $? in
0) printf 'entry=%s\n' "$e" | cut -d: -f1,3,4 ;;
2) echo "entry=" ;;
*) echo "getent failed"; exit 94 ;;
esac
"""


class GroupParams(HostParams):
    """Which group."""

    group: UserName = Field(description="Name of the group.")


def parse(text: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts. Raises ValueError and LookupError."""
    entry = pairs(text)["entry"]
    if not entry:
        return {"exists": 0.0}, {}
    _, gid, members = entry.split(":")
    names = sorted(name for name in members.split(",") if name)
    metrics = {"exists": 1.0, "gid": float(whole(gid)), "members": float(len(names))}
    return metrics, {"member_names": listed(names) or "none"}


async def probe_group(target: Target, params: GroupParams, context: Context) -> Reading:
    """Look at one group. Raises what `told` does."""
    ask = Ask(FRAGMENT, (params.group,), most=16_384)
    (metrics, facts), phases = await told(target, params, ask, context, parse)
    return Reading.ok(metrics, facts, phases)


PROBE = ProbeSpec(
    name="group",
    family="software",
    summary="A group of a host: its number and its members",
    params=GroupParams,
    run=probe_group,
    metrics=(
        MetricDef("exists", "count", "none", 1, "1 where the group exists, else 0"),
        MetricDef("gid", "count", "none", 1, "its number"),
        MetricDef(
            "members", "count", "none", 1, "accounts that are in it besides those whose first group it is"
        ),
    ),
    facts=(FactDef("member_names", help="these accounts, sorted"),),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=3600.0,
    default_timeout=TIMEOUT_S,
)
