"""A job that runs by the clock: an entry of a crontab, or a systemd timer with its last and next run.

Formats: crontab(5) of Vixie cron and its relatives; properties of org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, model_validator

from probes._patterns import Pattern
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.errors import Inconclusive
from probes.software._host import KINDS, PHASES, TIMEOUT_S, SudoParams, told
from probes.software._script import Ask
from probes.software._text import (
    UnitName,
    UserName,
    lines_of,
    listed,
    matching,
    moment,
    pairs,
    sections,
    systemd_time,
    whole,
)  # fmt: skip

TIMER = r"""
echo "now=$(date +%s)"
systemctl show -p LoadState -p ActiveState -p LastTriggerUSec -p NextElapseUSecRealtime -p Unit -- "$1" ||
  { echo "no systemd that answers on this host"; exit 94; }
"""
CRONTAB = r"""
u=$1
echo "@crontabs"
if [ -n "$u" ]; then
  command -v crontab >/dev/null || { echo "no crontab on this host"; exit 94; }
  if [ "$u" = "$(id -un)" ]; then o=$(crontab -l 2>&1); c=$?
  else o=$(p crontab -u "$u" -l 2>&1); c=$?
  fi
  case $c:$o in
  0:*) ;;
  *"no crontab for"*) o= ;;
  *) echo "the account may not read the crontab of $u"; exit 93 ;;
  esac
  echo "@crontab"
  printf '%s\n' "$o" | sed 's/^/ /'
else
  d=/etc/cron.d
  [ ! -d $d ] || { [ -r $d ] && [ -x $d ]; } || { echo "the account may not list $d"; exit 93; }
  for f in /etc/crontab /etc/cron.d/*; do
    [ -e "$f" ] || continue
    [ -r "$f" ] || { echo "the account may not read $f"; exit 93; }
    echo "@$f"
    sed 's/^/ /' "$f"
  done
fi
echo "@end"
"""
MOST = 65_536
_ENTRY = re.compile(r"\s*(@\w+|(?:[-0-9A-Za-z*/,~#LW?]+\s+){4}[-0-9A-Za-z*/,~#LW?]+)\s+(\S.*)")


class CronParams(SudoParams):
    """Which timer, or which entry of which crontab."""

    timer: UnitName | None = Field(None, description="A systemd timer.")
    user: UserName | None = Field(
        None, description="Whose crontab; without it the system's (/etc/cron.d too)."
    )
    pattern: Pattern | None = Field(None, description="Found in the command of the entry.")
    keep: bool = Field(False, description="Report the first entry's command; by default only when it runs.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.timer is None) == (self.pattern is None):
            msg = "give a timer, or a pattern that the entry's command has, e.g. pattern: backup"
            raise ValueError(msg)
        return self


def timer(text: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts of a systemd timer. Raises ValueError and LookupError."""
    values = pairs(text)
    now = whole(values["now"])
    exists, active = values["LoadState"] != "not-found", values["ActiveState"] == "active"
    metrics = {"entries": float(exists), "active": float(active)}
    facts = {"unit": clip(values.get("Unit", ""), 256)} if values.get("Unit") else {}
    last, following = (
        systemd_time(values.get(name, "")) for name in ("LastTriggerUSec", "NextElapseUSecRealtime")
    )
    if last is not None:
        metrics["last_run_age_s"], facts["last_run"] = now - last, moment(last)
    if following is not None:
        metrics["next_run_in_s"], facts["next_run"] = following - now, moment(following)
    return metrics, facts


def entries(text: str) -> list[tuple[str, str]]:
    """Return (schedule, the rest of the line) of all entries. Raises ValueError.

    In the system's own crontabs the rest begins with the user. Their lines are set off by a space, since some
    begin like the lines between them.
    """
    parts = sections(text)
    if not {"crontabs", "end"} <= parts.keys():
        raise ValueError("the crontab breaks off")
    found = []
    for name, body in parts.items():
        for line in lines_of(body) if name != "end" else ():
            match = _ENTRY.fullmatch(line)
            if match and not line.lstrip().startswith("#") and not re.match(r"\s*\w+\s*=", line):
                found.append((" ".join(match[1].split()), match[2]))
    return found


async def probe_cron(target: Target, params: CronParams, context: Context) -> Reading:
    """Look for a timer or entries. Raises what `told` does, and `Inconclusive` for the pattern."""
    if params.timer is not None:
        name = params.timer if "." in params.timer else f"{params.timer}.timer"
        (metrics, facts), phases = await told(target, params, Ask(TIMER, (name,)), context, timer)
        return Reading.ok(metrics, facts, phases)
    ask = Ask(CRONTAB, (params.user or "",), most=MOST, sudo=params.sudo)
    found, phases = await told(target, params, ask, context, entries)
    if params.pattern is None:
        raise Inconclusive("no pattern")
    commands = set(await matching(params.pattern, [command for _, command in found]))
    chosen = [(schedule, command) for schedule, command in found if command in commands]
    facts = {"schedule": listed(dict.fromkeys(schedule for schedule, _ in chosen), "; ") or "none"}
    if params.keep and chosen:
        facts["command"] = clip(chosen[0][1])
    return Reading.ok({"entries": float(len(chosen))}, facts, phases)


PROBE = ProbeSpec(
    name="cron",
    family="software",
    summary="A crontab entry or systemd timer of a host: there, when it last ran and next runs",
    params=CronParams,
    run=probe_cron,
    metrics=(
        MetricDef("entries", "count", "none", 1, "entries found; of a timer 1 where it exists"),
        MetricDef("active", "count", "higher", 1, "of a timer: 1 where it waits for its time"),
        MetricDef(
            "last_run_age_s", "s", "lower", 1, "of a timer: since it last ran; absent before its first"
        ),
        MetricDef("next_run_in_s", "s", "none", 1, "of a timer: until it next runs"),
    ),
    facts=(
        FactDef("schedule", help="when the entries run, as the crontab has it"),
        FactDef("command", help="with keep: the first entry's command"),
        FactDef("unit", help="what the timer starts"),
        FactDef("last_run", "datetime", "when it last ran"),
        FactDef("next_run", "datetime", "when it next runs"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=3600.0,
    default_timeout=TIMEOUT_S,
)
