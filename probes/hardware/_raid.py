"""Arrays of disks: Linux md, Broadcom's and Dell's controllers (storcli, perccli), HPE's (ssacli). Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from probes.hardware._json import Resource, dig, objects, text

MD = re.compile(r"^(md[\w-]{1,60}) : (active|inactive)\b(.*)$")
MEMBERS = re.compile(r"\[(\d{1,4})/(\d{1,4})\]")
REBUILD = re.compile(r"\b(recovery|resync|reshape)\s*=\s*([\d.]+%|DELAYED|PENDING|REMOTE)")
SSA_ARRAY = re.compile(r"^\s*logicaldrive (\S+) \(([^()]*)\)", re.MULTILINE)
SSA_DISK = re.compile(r"^\s*physicaldrive (\S+) \(([^()]*)\)", re.MULTILINE)
SSA_STATUS = re.compile(r"^\s*(Controller|Cache|Battery/Capacitor) Status: (.+)$", re.MULTILINE)
VD_GOOD, VD_REBUILDS = ("Optl",), ("Rec", "Rbld")
PD_GOOD = ("Onln", "GHS", "DHS", "UGood", "JBOD", "UGUnsp", "Sntze")
PD_REBUILDS = ("Rbld", "Cpybck", "CpyBck")
BATTERY_GOOD = ("Optl", "Optimal", "Learning", "Learn")


@dataclass(slots=True)
class Arrays:
    """What all controllers tell together; what is listed nowhere is not counted."""

    arrays: list[str] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    rebuilding: list[str] = field(default_factory=list)
    disks: int = 0
    bad_disks: list[str] = field(default_factory=list)
    batteries: int = 0
    bad_batteries: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Tools that are there and told nothing."""


def mdstat(content: str, found: Arrays) -> None:
    """Take /proc/mdstat (md(4)); a scrub (check) is no rebuilding."""
    name = ""
    for line in content.split("\n"):
        if match := MD.match(line):
            name = match[1]
            found.arrays.append(name)
            failed = match[3].count("(F)")
            if match[2] == "inactive" or failed:
                found.degraded.append(
                    f"{name}: {'inactive' if match[2] == 'inactive' else f'{failed} failed'}"
                )
        elif not line.startswith(" "):
            name = ""
        elif name:
            _md_detail(name, line, found)


def _md_detail(name: str, line: str, found: Arrays) -> None:
    members, rebuild = MEMBERS.search(line), REBUILD.search(line)
    known = any(each.startswith(f"{name}: ") for each in found.degraded)
    if members and int(members[2]) < int(members[1]) and not known:
        found.degraded.append(f"{name}: {members[2]} of {members[1]} disks")
    if rebuild:
        found.rebuilding.append(f"{name}: {rebuild[1]} {rebuild[2]}")


def storcli(content: str, found: Arrays) -> None:
    """Take the JSON of `storcli /call show J` or perccli's."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    controllers = objects(document.get("Controllers")) if isinstance(document, dict) else []
    data = [dig(each, "Response Data") for each in controllers]
    if not any(data):
        found.unread.append("storcli")
    for number, each in enumerate(data):
        _controller(f"c{number}", each, found)


def _controller(prefix: str, data: Resource, found: Arrays) -> None:
    for each in objects(data.get("VD LIST")):
        name, state = f"{prefix} {text(each, 'DG/VD') or 'VD'}", text(each, "State")
        found.arrays.append(name)
        if state in VD_REBUILDS:
            found.rebuilding.append(f"{name}: {state}")
        if state not in VD_GOOD:
            found.degraded.append(f"{name}: {state or 'state not told'}")
    for each in objects(data.get("PD LIST")):
        name, state = f"{prefix} {text(each, 'EID:Slt') or 'PD'}", text(each, "State")
        found.disks += 1
        if state in PD_REBUILDS:
            found.rebuilding.append(f"{name}: {state}")
        elif state not in PD_GOOD:
            found.bad_disks.append(f"{name}: {state or 'state not told'}")
    for each in (*objects(data.get("BBU_Info")), *objects(data.get("Cachevault_Info"))):
        found.batteries += 1
        if (state := text(each, "State")) not in BATTERY_GOOD:
            found.bad_batteries.append(f"{prefix} {text(each, 'Model')}: {state or 'state not told'}")


def ssacli(content: str, found: Arrays) -> None:
    """Take the text of `ssacli ctrl all show config`."""
    arrays, disks = SSA_ARRAY.findall(content), SSA_DISK.findall(content)
    if not arrays and not disks:
        found.unread.append("ssacli")
    for name, words in arrays:
        state = _field(words, 2)
        found.arrays.append(f"logicaldrive {name}")
        if state.startswith(("Recovering", "Rebuilding")):
            found.rebuilding.append(f"logicaldrive {name}: {', '.join(_fields(words)[2:])}")
        if state != "OK":
            found.degraded.append(f"logicaldrive {name}: {state or 'state not told'}")
    for name, words in disks:
        state = _field(words, 3)
        found.disks += 1
        if state.startswith("Rebuilding"):
            found.rebuilding.append(f"physicaldrive {name}: {state}")
        elif state != "OK":
            found.bad_disks.append(f"physicaldrive {name}: {state or 'state not told'}")


def ssacli_status(content: str, found: Arrays) -> None:
    """Take the text of `ssacli ctrl all show status`: caches and their batteries."""
    for what, state in SSA_STATUS.findall(content):
        if what != "Controller":
            found.batteries += 1
            if state.strip() != "OK":
                found.bad_batteries.append(f"{what}: {state.strip()[:60]}")


def _fields(words: str) -> list[str]:
    return [each.strip() for each in words.split(",")]


def _field(words: str, number: int) -> str:
    fields = _fields(words)
    return fields[number] if number < len(fields) else ""
