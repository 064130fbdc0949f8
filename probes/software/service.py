"""A service of a host: does it run, since when, how often was it restarted, will it start at boot?

By systemd where it runs (systemctl(1), properties as in org.freedesktop.systemd1(5)), else by OpenRC or an
init script's `status` (LSB 22.2: 0 running, 1 to 3 not running), else by a process of that name.
"""

from __future__ import annotations

from pydantic import Field

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.errors import Inconclusive
from probes.software._host import KINDS, PHASES, TIMEOUT_S, HostParams, told
from probes.software._script import Ask
from probes.software._text import ProcessName, UnitName, moment, number, pairs, systemd_time, whole

FRAGMENT = r"""
n=$1 proc=$2
b=${n%.service}
echo "uptime=$(cut -d' ' -f1 /proc/uptime)"
if [ -d /run/systemd/system ]; then
  echo manager=systemd
  systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState -p NRestarts -p Result \
    -p ActiveEnterTimestamp -p ActiveEnterTimestampMonotonic -- "$n"
  echo "status=$?"
elif [ -e "/etc/init.d/$b" ] && command -v rc-service >/dev/null; then
  echo manager=openrc
  rc-service "$b" status >/dev/null
  echo "status=$?"
  set -- /etc/runlevels/*/"$b"
  [ -e "$1" ] && echo enabled=1 || echo enabled=0
elif [ -x "/etc/init.d/$b" ]; then
  echo manager=sysv
  "/etc/init.d/$b" status >/dev/null
  echo "status=$?"
  set -- /etc/rc[2-5].d/S??"$b"
  [ -e "$1" ] && echo enabled=1 || echo enabled=0
else
  [ -e /proc/1/stat ] || { echo "processes of others are hidden from the account"; exit 93; }
  echo manager=process
  i=0
  for d in /proc/[0-9]*/comm; do
    read -r c <"$d" && [ "$c" = "$proc" ] && i=$((i + 1))
  done
  echo "count=$i"
fi
"""
ENABLED = {"enabled": 1.0, "enabled-runtime": 1.0, "alias": 1.0, "generated": 1.0,
           "disabled": 0.0, "masked": 0.0, "masked-runtime": 0.0, "bad": 0.0}  # fmt: skip
"""Other states (static, indirect, transient) say nothing of what happens at boot."""
Told = tuple[dict[str, float], dict[str, str]]


class ServiceParams(HostParams):
    """Which service."""

    service: UnitName = Field(description="Name of the unit or init script, with or without .service.")
    process: ProcessName | None = Field(
        None, description="Where there is neither: the process to look for, by default the service's name."
    )


def parse(text: str) -> Told:
    """Return metrics and facts. Raises ValueError, LookupError, `Inconclusive` where systemd is silent."""
    values = pairs(text)
    by = values["manager"]
    if by == "systemd":
        metrics, facts = _systemd(values)
    elif by == "process":
        count = whole(values["count"])
        metrics, facts = {"active": float(count > 0)}, {"state": f"{count} processes"}
    elif by in ("openrc", "sysv"):
        metrics, facts = _script(values)
    else:
        raise ValueError("no known manager of services")
    return metrics, facts | {"manager": by}


def _systemd(values: dict[str, str]) -> Told:
    if values["status"] != "0" or "LoadState" not in values:
        raise Inconclusive("systemd runs on the host and does not answer systemctl")
    state = values.get("ActiveState", "")
    metrics = {
        "exists": float(values["LoadState"] != "not-found"),
        "active": float(state in ("active", "reloading")),
    }
    facts = {"state": clip(f"{state} ({values.get('SubState', '')})", 100)}
    if enabled := values.get("UnitFileState"):
        facts["enabled_state"] = clip(enabled, 60)
        if enabled in ENABLED:
            metrics["enabled"] = ENABLED[enabled]
    elif not metrics["exists"]:
        metrics["enabled"] = 0.0
    if restarts := values.get("NRestarts"):
        metrics["restarts"] = float(whole(restarts))
    if values.get("Result"):
        facts["result"] = clip(values["Result"], 60)
    since = systemd_time(values.get("ActiveEnterTimestamp", ""))
    if metrics["active"] and since is not None:
        facts["since"] = moment(since)
        elapsed = number(values["uptime"]) - whole(values["ActiveEnterTimestampMonotonic"]) / 1e6
        metrics["active_for_s"] = max(0.0, elapsed)
    return metrics, facts


def _script(values: dict[str, str]) -> Told:
    """Read an init script's status; 4 and what is not of the LSB says nothing of whether it runs."""
    status = whole(values["status"])
    metrics = {"exists": 1.0, "enabled": float(whole(values["enabled"]))}
    if status <= 3:
        metrics["active"] = float(status == 0)
    return metrics, {"state": f"status {status}"}


async def probe_service(target: Target, params: ServiceParams, context: Context) -> Reading:
    """Look at one service. Raises what `told` and `parse` do."""
    name = params.service if "." in params.service else f"{params.service}.service"
    process = (params.process or name.removesuffix(".service"))[:15]
    ask = Ask(FRAGMENT, (name, process), most=4096)
    (metrics, facts), phases = await told(target, params, ask, context, parse)
    return Reading.ok(metrics, facts, phases)


PROBE = ProbeSpec(
    name="service",
    family="software",
    summary="A service of a host: active, enabled, since when, restarts (systemd, OpenRC, init scripts)",
    params=ServiceParams,
    run=probe_service,
    metrics=(
        MetricDef("exists", "count", "none", 1, "1 where the manager knows it; absent without a manager"),
        MetricDef("active", "count", "higher", 1, "1 where it runs, else 0"),
        MetricDef(
            "enabled", "count", "none", 1, "1 where it starts at boot; absent where that can't be told"
        ),
        MetricDef("active_for_s", "s", "none", 1, "since it became active (systemd)"),
        MetricDef("restarts", "count", "lower", 1, "automatic restarts (systemd 235 and newer)"),
    ),
    facts=(
        FactDef("manager", help="systemd, openrc, sysv, or process where none of them knows it"),
        FactDef("state", help="active (running), failed (failed)..."),
        FactDef("enabled_state", help="as systemd has it: enabled, disabled, static, masked..."),
        FactDef("result", help="how it last ended, as systemd has it: success, exit-code, oom-kill..."),
        FactDef("since", "datetime", "when it became active"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=60.0,
    default_timeout=TIMEOUT_S,
)
