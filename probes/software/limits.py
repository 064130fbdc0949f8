"""Resource limits of running processes: of a service, by name, or of a user; against a manifest.

Format: /proc/PID/limits (proc(5)), of at most 64 processes; the lowest soft limit among them counts, and of
more only those too low are told. A limit is what a process has, whatever the files under /etc/security say
that a later login would get.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed
from probes.software._host import KINDS, PHASES, TIMEOUT_S, HostParams, told
from probes.software._script import Ask
from probes.software._text import ProcessName, UnitName, UserName, lines_of, listed, whole

FRAGMENT = r"""
by=$1 n=$2
[ -e /proc/1/stat ] || { echo "processes of others are hidden from the account"; exit 93; }
case $by in
service)
  v=$(systemctl show -p MainPID -- "$n") || { echo "no systemd that answers on this host"; exit 94; }
  set -- "${v#*=}"
  [ "$1" != 0 ] || shift ;;
process)
  set --
  for d in /proc/[0-9]*; do read -r c <"$d/comm" && [ "$c" = "$n" ] && set -- "$@" "${d#/proc/}"; done ;;
user)
  set -- $(stat -c '%U %n' /proc/[0-9]* |
    while read -r u d; do [ "$u" = "$n" ] && echo "${d#/proc/}"; done) ;;
esac
i=0 more=0
for pid; do
  if [ $i = 64 ] || ! l=$(cat "/proc/$pid/limits"); then
    [ ! -e "/proc/$pid" ] || more=$((more + 1))
    continue
  fi
  i=$((i + 1))
  echo "@$pid"
  printf '%s\n' "$l"
done
echo "more=$more"
echo "end=$i"
"""
MOST = 100_000
ROWS = {
    "Max cpu time": "cpu", "Max file size": "fsize", "Max data size": "data", "Max stack size": "stack",
    "Max core file size": "core", "Max resident set": "rss", "Max processes": "nproc",
    "Max open files": "nofile", "Max locked memory": "memlock", "Max address space": "as",
    "Max file locks": "locks", "Max pending signals": "sigpending", "Max msgqueue size": "msgqueue",
    "Max nice priority": "nice", "Max realtime priority": "rtprio", "Max realtime timeout": "rttime",
}  # fmt: skip
Name = Literal["cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks",
               "sigpending", "msgqueue", "nice", "rtprio", "rttime"]  # fmt: skip
REPORTED = ("nofile", "nproc", "memlock", "stack", "core")
UNLIMITED = 2.0**63
_ROW = re.compile(r"(Max [a-z ]+?) {2,}(\d{1,20}|unlimited) +(\d{1,20}|unlimited)\b.*")


class LimitsParams(HostParams):
    """Whose limits, and what they should be at least."""

    service: UnitName | None = Field(None, description="Of the main process of this systemd unit.")
    process: ProcessName | None = Field(None, description="Of all processes of this name.")
    user: UserName | None = Field(None, description="Of all processes of this user.")
    at_least: dict[Name, int | Literal["unlimited"]] = Field(
        default_factory=dict, description="The least soft limit, by its name in limits.conf: {nofile: 65536}."
    )

    @model_validator(mode="after")
    def _one(self) -> LimitsParams:
        if sum(each is not None for each in (self.service, self.process, self.user)) != 1:
            msg = "give one of service, process and user"
            raise ValueError(msg)
        return self

    @property
    def whose(self) -> tuple[str, str]:
        """By what processes are chosen, and its name."""
        if self.service is not None:
            return "service", self.service if "." in self.service else f"{self.service}.service"
        return ("process", self.process[:15]) if self.process is not None else ("user", self.user or "")


@dataclass(frozen=True, slots=True)
class Limits:
    """The lowest soft limits of some processes, how many they are, and how many more were not looked at."""

    processes: int
    soft: dict[str, float]
    more: int


def parse(text: str) -> Limits:
    """Return the lowest limits of all processes in the text. Raises ValueError."""
    *rows, more, last = lines_of(text)
    if not last.startswith("end=") or not more.startswith("more="):
        raise ValueError("the limits break off")
    soft: dict[str, float] = {}
    for row in rows:
        match = _ROW.fullmatch(row.rstrip())
        if match and match[1] in ROWS:
            name, value = ROWS[match[1]], value_of(match[2])
            soft[name] = min(value, soft.get(name, value))
    count = whole(last.removeprefix("end="))
    if bool(count) != bool(soft):
        raise ValueError("no table of limits")
    return Limits(count, soft, whole(more.removeprefix("more=")))


def value_of(text: str | int) -> float:
    """Return a limit as a number; unlimited is 2 ** 63."""
    return UNLIMITED if text == "unlimited" else float(text)


def _shown(value: float) -> str:
    return "unlimited" if value >= UNLIMITED else f"{value:.0f}"


def reading(
    found: Limits, at_least: dict[Name, int | Literal["unlimited"]]
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the metrics and facts of what was found."""
    soft = found.soft
    metrics = {"processes": float(found.processes + found.more)}
    if not found.more:
        metrics |= {name: soft[name] for name in REPORTED if name in soft}
    facts = {"limits": listed(f"{name} {_shown(value)}" for name, value in soft.items())}
    if at_least:
        lower = [
            f"{name}: expected at least {wanted}, found {_shown(soft[name]) if name in soft else 'none'}"
            for name, wanted in at_least.items()
            if soft.get(name, -1.0) < value_of(wanted)
        ]
        if lower or not found.more:
            metrics["differing"] = float(len(lower))
            facts["differences"] = listed(lower, "; ") or "none"
    if found.more:
        facts["not_read"] = f"{found.more} more processes"
    return metrics, facts


async def probe_limits(target: Target, params: LimitsParams, context: Context) -> Reading:
    """Read limits. Raises what `told` does, and `ExpectationFailed` where no such process runs."""
    by, name = params.whose
    found, phases = await told(target, params, Ask(FRAGMENT, (by, name), most=MOST), context, parse)
    if not found.processes:
        why = f"no process runs that could have limits ({by} {name})"
        raise ExpectationFailed(why, metrics={"processes": 0.0}, phases=phases)
    return Reading.ok(*reading(found, params.at_least), phases)


PROBE = ProbeSpec(
    name="limits",
    family="software",
    summary="Resource limits of a service, of processes or of a user's processes, against a manifest",
    params=LimitsParams,
    run=probe_limits,
    metrics=(
        MetricDef("processes", "count", "none", 1, "processes that there are"),
        MetricDef("nofile", "count", "higher", 1, "lowest soft limit of open files; unlimited is 2 ** 63"),
        MetricDef("nproc", "count", "higher", 1, "of processes of the user"),
        MetricDef("memlock", "bytes", "higher", 1, "of locked memory"),
        MetricDef("stack", "bytes", "higher", 1, "of the stack"),
        MetricDef("core", "bytes", "none", 1, "of a core file"),
        MetricDef("differing", "count", "lower", 1, "with at_least: limits that are lower"),
    ),
    facts=(
        FactDef("limits", help="all soft limits, the lowest of the processes"),
        FactDef("differences", help="with at_least: expected and found, where it is lower"),
        FactDef(
            "not_read", help="how many processes were not looked at: then no limit is told but one too low"
        ),
    ),
    phases=PHASES,
    kinds=(*KINDS, "expectation"),  # no such process runs
    inputs=("ssh",),
    together=True,
    default_every=3600.0,
    default_timeout=TIMEOUT_S,
)
