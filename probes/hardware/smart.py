"""A host's disks by their own verdict (smartctl), and the arrays they are in: md, storcli, perccli, ssacli.

A tool that the host lacks is named in `not_read`, and so is a disk that tells nothing: neither is taken to be
well.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Target
from probes.errors import Inconclusive
from probes.hardware import _raid, _smart
from probes.hardware._json import joined
from probes.hardware._raid import Arrays
from probes.hardware._shell import PHASES, Part, ShellParams, parts_of
from probes.hardware._smart import Disk

SCRIPT = r"""
PATH=$PATH:/opt/MegaRAID/storcli:/opt/MegaRAID/perccli:/usr/local/sbin
one() { [ "$2" = scsi ] && set -- "$1" auto; m disk "$1" "$2"; p "$S" -j -i -H -A -n standby -d "$2" "$1"; }
S=$(command -v smartctl)
if [ -z "$S" ]; then m missing smartctl
elif [ $# -gt 0 ]; then while [ $# -gt 1 ]; do one "$1" "$2"; shift 2; done
elif L=$(q "$S" --scan); then
m scanned; printf '%s\n' "$L" | head -n 64 | while read -r d f k r; do [ "$f" != -d ] || one "$d" "$k"; done
[ "$(printf '%s\n' "$L" | wc -l)" -le 64 ] || m more
else m unscanned
fi
[ -r /proc/mdstat ] && { m mdstat; cat /proc/mdstat; }
for c in storcli64 storcli perccli64 perccli; do
C=$(command -v $c) && { m storcli $c; p "$C" /call show J; break; }
done
for c in ssacli hpssacli; do
C=$(command -v $c) || continue
m ssacli $c; p "$C" ctrl all show config
m ssacli_status; p "$C" ctrl all show status
break
done
"""
WORST = ("wear_used_pct", "temperature_c", "power_on_hours")
SUMS = ("reallocated_sectors", "pending_sectors", "uncorrectable_errors")


class DeviceParams(Params):
    """A disk that smartctl does not find by itself."""

    device: str = Field(pattern=r"^/dev/[\w/.:-]+$", max_length=100, description="As smartctl takes it.")
    type: str = Field(
        "auto", pattern=r"^[a-z0-9,+:/]+$", max_length=40, description="As `smartctl -d` takes it."
    )


class SmartParams(ShellParams):
    """Parameters of `smart`."""

    devices: Annotated[tuple[DeviceParams, ...], Field(max_length=64)] = ()
    """The disks, where `smartctl --scan` does not find them all: `{device, type}` each."""


async def probe_smart(target: Target, params: SmartParams, context: Context) -> Reading:
    """Ask a host for its disks.

    Raises what the connection came to, `ProtocolViolated` for an output that breaks off, `Inconclusive`
    where the host has none of the tools (not_supported).
    """
    arguments = [word for each in params.devices for word in (each.device, each.type)]
    parts, phases = await parts_of(target, params, SCRIPT, arguments, context)
    metrics, facts = told(parts)
    if not metrics:
        raise Inconclusive(f"not_supported: {facts.get('not_read', 'nothing')}", facts=facts, phases=phases)
    return Reading.ok(metrics, facts, phases)


def told(parts: list[Part]) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts of what the host printed."""
    disks = [
        _smart.disk(part.words[0] if part.words else "disk", part.text)
        for part in parts
        if part.name == "disk"
    ]
    arrays, names = Arrays(), {part.name for part in parts}
    for part in parts:
        if (reader := _READERS.get(part.name)) is not None:
            reader(part.text, arrays)
    whole = "more" not in names
    metrics, facts = _of_disks(_each_once(disks), whole) if names & {"disk", "scanned"} else ({}, {})
    more, bad = _of_arrays(arrays, names)
    metrics |= more
    reasons = [facts.pop("bad", ""), *bad]
    facts["bad"] = joined([each for each in reasons if each]) or "none"
    if arrays.rebuilding:
        facts["rebuilding"] = joined(arrays.rebuilding)
    unread = [
        facts.pop("unread", ""),
        *arrays.unread,
        *(why for name, why in _LACKING.items() if name in names),
    ]
    if any(unread):
        facts["not_read"] = joined([each for each in unread if each])
    return metrics, facts


_LACKING = {
    "missing": "smartctl: not there", "unscanned": "smartctl: it may not list the disks",
    "more": "smartctl: there are more than 64 disks",
}  # fmt: skip
_READERS = {
    "mdstat": _raid.mdstat, "storcli": _raid.storcli, "ssacli": _raid.ssacli,
    "ssacli_status": _raid.ssacli_status,
}  # fmt: skip


def _each_once(disks: list[Disk]) -> list[Disk]:
    """Return the disks, one that is there by several paths once."""
    found: dict[str, Disk] = {}
    for each in disks:
        key = each.serial or f"{each.name} {len(found)}"
        if key not in found or found[key].well is None:
            found[key] = each
    return list(found.values())


def _of_disks(disks: list[Disk], whole: bool) -> tuple[dict[str, float], dict[str, str]]:
    bad = [f"{each.name}: {each.why}" for each in disks if each.well is False]
    silent = [f"{each.name}: {each.why}" for each in disks if each.well is None]
    metrics = {"disks": float(len(disks))} if whole else {}
    if bad or (disks and whole and not silent):
        metrics["disks_bad"] = float(len(bad))
    for names, most in ((WORST, max), (SUMS, sum), (("spare_left_pct",), min)):
        for name in names:
            if values := [each.figures[name] for each in disks if name in each.figures]:
                metrics[name] = float(most(values))
    facts = {"disk_list": joined(map(str, disks)) or "none", "bad": joined(bad), "unread": joined(silent)}
    return metrics, facts


def _of_arrays(found: Arrays, names: set[str]) -> tuple[dict[str, float], list[str]]:
    """Return what is known of arrays; nothing where nothing was asked, or a tool told nothing."""
    metrics: dict[str, float] = {}
    if names & {"mdstat", "storcli", "ssacli"} and not found.unread:
        counts = {
            "arrays": found.arrays,
            "arrays_degraded": found.degraded,
            "arrays_rebuilding": found.rebuilding,
        }
        metrics |= {name: float(len(items)) for name, items in counts.items()}
    elif found.degraded:
        metrics["arrays_degraded"] = float(len(found.degraded))
    if found.disks:
        metrics |= {"raid_disks": float(found.disks), "raid_disks_bad": float(len(found.bad_disks))}
    if found.batteries:
        metrics["raid_batteries_bad"] = float(len(found.bad_batteries))
    return metrics, [*found.degraded, *found.bad_disks, *found.bad_batteries]


PROBE = ProbeSpec(
    name="smart",
    family="hardware",
    summary="A host's disks by their own verdict (SMART), their wear, and the arrays that they are in",
    params=SmartParams,
    run=probe_smart,
    metrics=(
        MetricDef("disks", "count", "none", 1, "Disks that smartctl lists."),
        MetricDef("disks_bad", "count", "lower", 1,
                  "Those that fail by their own verdict; absent where none does and some do not tell."),
        MetricDef("reallocated_sectors", "count", "lower", 1, "Sectors replaced, of all disks."),
        MetricDef("pending_sectors", "count", "lower", 1, "Sectors that could not be read, of all disks."),
        MetricDef("uncorrectable_errors", "count", "lower", 1, "Errors not corrected, of all disks."),
        MetricDef("wear_used_pct", "%", "lower", 1, "Endurance used of the disk that is worn most."),
        MetricDef("spare_left_pct", "%", "higher", 1, "Spare blocks left of the NVMe disk that has least."),
        MetricDef("temperature_c", "C", "lower", 1, "Temperature of the hottest disk."),
        MetricDef("power_on_hours", "count", "none", 1, "Hours that the oldest disk has run."),
        MetricDef("arrays", "count", "none", 1, "Arrays of md and RAID controllers."),
        MetricDef("arrays_degraded", "count", "lower", 1, "Those that are not whole."),
        MetricDef("arrays_rebuilding", "count", "lower", 1, "Arrays and disks that are being rebuilt."),
        MetricDef("raid_disks", "count", "none", 1, "Disks of RAID controllers."),
        MetricDef("raid_disks_bad", "count", "lower", 1, "Those that are neither in use nor in reserve."),
        MetricDef("raid_batteries_bad", "count", "lower", 1, "Batteries and caches that are not well."),
    ),
    facts=(
        FactDef("disk_list", help="The disks: name, size, model, serial number."),
        FactDef("bad", help="Each disk, array and battery that is not well, and why; or none."),
        FactDef("rebuilding", help="What is being rebuilt, and how far it is."),
        FactDef("not_read", help="Disks and tools that told nothing, and why."),
    ),
    phases=PHASES,
    kinds=(
        "unreachable", "refused", "timeout", "dns", "protocol", "permission", "auth", "inconclusive",
        "prober_error",
    ),
    inputs=("ssh",),
    default_every=900.0,
    default_timeout=60.0,
)  # fmt: skip
