"""Processes of a host by name, command line or user: how many, their memory, processor time and age.

Format: ps(1) of procps. What the monitor itself runs there (its own session) is never counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import Field, model_validator

from probes._patterns import Pattern
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.software._host import EVERY_S, KINDS, PHASES, TIMEOUT_S, HostParams, told
from probes.software._script import Ask
from probes.software._text import ProcessName, UserName, lines_of, listed, matching, sections, whole

FRAGMENT = r"""
[ -e /proc/1/stat ] || { echo "processes of others are hidden from the account"; exit 93; }
me=$(ps -o sid= -p $$) || { echo "no ps of procps on this host"; exit 94; }
echo "@sid"
echo "$me"
echo "@ps"
ps -ww -eo pid=,sid=,rss=,etimes=,time=,stat=,user:32=,comm:16=,args= | cut -c 1-700
echo "@end"
"""
MOST = 524_288
_LINE = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d:-]+)\s+(\S+)\s+(\S+)\s+(.{15}.?) (.*)")


class ProcessParams(HostParams):
    """Which processes; all that is given must hold."""

    name: ProcessName | None = Field(None, description="Its name, as the kernel has it (15 characters).")
    pattern: Pattern | None = Field(None, description="Found in its command line.")
    user: UserName | None = Field(None, description="Whose it is.")

    @model_validator(mode="after")
    def _something(self) -> ProcessParams:
        if self.name is None and self.pattern is None and self.user is None:
            msg = "give a name, a pattern or a user, e.g. name: nginx"
            raise ValueError(msg)
        return self


@dataclass(frozen=True, slots=True)
class Process:
    """A process; memory in bytes, times in seconds."""

    session: int
    rss: int
    age: int
    cpu: int
    state: str
    user: str
    name: str
    command: str


def parse(text: str) -> list[Process]:
    """Return the processes that are not the monitor's own. Raises ValueError and LookupError."""
    parts = sections(text)
    if "end" not in parts:
        raise ValueError("the list of processes breaks off")
    own = whole(parts["sid"].strip())
    found = [_process(line) for line in lines_of(parts["ps"])]
    others = [process for process in found if process.session != own]
    if len(others) == len(found):
        raise ValueError("the list of processes lacks ps itself")
    return others


def _process(line: str) -> Process:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(clip(line, 60))
    _, session, rss, age, cpu, state, user, name, command = match.groups()
    return Process(
        whole(session), whole(rss) * 1024, whole(age), _seconds(cpu), state, user, name.rstrip(), command
    )


def _seconds(text: str) -> int:
    """Return a time that ps writes as [days-]hours:minutes:seconds."""
    days, _, clock = text.rpartition("-")
    hours, minutes, seconds = clock.split(":")
    return (whole(days or "0") * 24 + whole(hours)) * 3600 + whole(minutes) * 60 + whole(seconds)


def reading(found: list[Process]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the metrics and facts of the processes that were looked for."""
    alive = [process for process in found if not process.state.startswith("Z")]
    metrics = {"count": float(len(alive)), "zombies": float(len(found) - len(alive))}
    if alive:
        metrics |= {
            "rss_bytes": float(sum(process.rss for process in alive)),
            "cpu_avg_pct": sum(100 * process.cpu / process.age for process in alive if process.age > 0),
            "oldest_s": float(max(process.age for process in alive)),
            "youngest_s": float(min(process.age for process in alive)),
        }
    return metrics, {"users": listed(sorted({process.user for process in alive})) or "none"}


async def probe_process(target: Target, params: ProcessParams, context: Context) -> Reading:
    """Look for processes. Raises what `told` does, and `Inconclusive` for a pattern that takes too long."""
    found, phases = await told(target, params, Ask(FRAGMENT, most=MOST), context, parse)
    if params.name is not None:
        found = [process for process in found if process.name == params.name[:15]]
    if params.user is not None:
        found = [process for process in found if process.user == params.user]
    if params.pattern is not None:
        commands = set(await matching(params.pattern, [process.command for process in found]))
        found = [process for process in found if process.command in commands]
    return Reading.ok(*reading(found), phases)


PROBE = ProbeSpec(
    name="process",
    family="software",
    summary="Processes of a host by name, command line or user: count, memory, processor time, age",
    params=ProcessParams,
    run=probe_process,
    metrics=(
        MetricDef("count", "count", "none", 1, "processes that are found, zombies apart"),
        MetricDef("zombies", "count", "lower", 1, "of those found, how many have ended and are not reaped"),
        MetricDef("rss_bytes", "bytes", "lower", 4096, "their resident memory together"),
        MetricDef("cpu_avg_pct", "%", "lower", 0.01, "processor time over each one's whole life, together"),
        MetricDef("oldest_s", "s", "none", 1, "age of the oldest"),
        MetricDef("youngest_s", "s", "none", 1, "age of the youngest: small after a restart"),
    ),
    facts=(FactDef("users", help="whose they are"),),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=EVERY_S,
    default_timeout=TIMEOUT_S,
)
