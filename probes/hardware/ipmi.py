"""A server by its management controller: IPMI over LAN (IPMI 2.0, by pyghmi), where it has no Redfish.

Read only, with the right of a user. What is not answered leaves out its figures, and `not_told` names it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from probes._clean import cleaned
from probes._driver import driver
from probes._hardware import HardwareParams, against
from probes._process import Processes
from probes._service import ADDRESS, NOT_TOLD, QUERY_MS, Notes, Port, address_of
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Secret, Target
from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    ProtocolViolated,
    TimedOut,
)
from probes.hardware import _ipmi_answers as answers
from probes.hardware._json import dig, joined, number, text

CHILD = str(Path(__file__).with_name("_ipmi_child.py"))
MOST = 1024 * 1024
SHARE, MARGIN_S = 0.8, 2.0
"""The child stops asking after this share of what is left of the run, less this, so that it can log out."""
PRIVILEGES = {"user": 2, "operator": 3, "administrator": 4}
AUTH = ("password", "name", "role", "privilege", "integrity", "user", "rakp4")
TOO_OLD = ("cipher", "does not speak", "algorithm", "md5 required")


class IpmiParams(Params):
    """Parameters of `ipmi`."""

    port: Port = 623
    """UDP port of the controller."""
    interface: Literal["lanplus", "lan"] = "lanplus"
    """IPMI 2.0 with authentication and encryption, or 1.5 with MD5 and without encryption."""
    user: str = Field(min_length=1, max_length=16)
    """Account."""
    password: Secret
    """Its password, of 20 characters at most (16 with lan)."""
    privilege: Literal["user", "operator", "administrator"] = "user"
    """The right that is asked for; a user's is enough."""
    events: int = Field(16, ge=0, le=64)
    """How many of the newest events of the log are read."""
    hardware: HardwareParams | None = None
    """What the machine should have: serial, vendor and product are known by IPMI."""


async def probe_ipmi(target: Target, params: IpmiParams, context: Context) -> Reading:
    """Ask one controller.

    Raises `MissingDriver`, `OwnLoginFailed` (wrong_password), `ExpectationFailed` (version_too_old,
    too_many_connections), `TimedOut`, `ProtocolViolated`.
    """
    driver("pyghmi", "ipmi")
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        password = context.shared.secret(params.password)
        found = await _asked(address.host, params, password, context)
        if (why := found.get("refused")) is not None:
            raise refused(cleaned(str(why), (password,)), challenged=found.get("challenged") is True)
        notes.add("query", number(found, "took_ms") or 0.0)
        _report(found, params, notes)
    return notes.reading()


async def _asked(host: str, params: IpmiParams, password: str, context: Context) -> dict[str, Any]:
    asked = {
        "host": host, "port": params.port, "interface": params.interface, "user": params.user,
        "password": password, "privilege": PRIVILEGES[params.privilege], "events": params.events,
        "seconds": max(1.0, context.remaining * SHARE - MARGIN_S),
    }  # fmt: skip
    command = (sys.executable, "-I", "-W", "ignore", CHILD)
    processes = context.shared.get(Processes)
    finished = await processes.run(command, {}, context, most=MOST, stdin=json.dumps(asked).encode())
    try:
        found = json.loads(finished.stdout)
    except (ValueError, RecursionError):
        found = None
    if finished.status or not isinstance(found, dict):
        lines = finished.stderr.decode("utf-8", "replace").strip().splitlines()
        context.log(cleaned(lines[-1] if lines else "", (password,)))
        raise ProtocolViolated("it answers with what can't be understood")
    return found


def refused(why: str, *, challenged: bool) -> Ending:
    """Return the ending that a login without success stands for."""
    low = why.lower()
    if low in ("none", "timeout"):
        if challenged:  # a message whose MD5 is wrong is not answered (IPMI 1.5)
            return OwnLoginFailed("wrong_password: no answer after the challenge")
        return TimedOut("no answer")
    if "resources" in low:
        return ExpectationFailed(f"too_many_connections: {why}")
    if any(word in low for word in TOO_OLD):
        return ExpectationFailed(f"version_too_old: {why}")
    if any(word in low for word in AUTH):
        return OwnLoginFailed(f"wrong_password: {why}")
    return ProtocolViolated(f"no session: {why}")


def _report(found: dict[str, Any], params: IpmiParams, notes: Notes) -> None:
    for what in answers.not_told(found.get("errors")):
        notes.missing(what)
    metrics, bad = answers.chassis(text(found, "chassis"))
    more, worse = answers.sensors(found["sensors"]) if "sensors" in found else ({}, [])
    logged, facts = answers.log(dig(found, "log"))
    known, machine = answers.identity(dig(found, "fru"))
    notes.metrics |= metrics | more | logged
    notes.facts |= facts | known | answers.device(text(found, "device"))
    notes.facts |= {
        "bad": joined([*bad, *worse]) or "none",
        "ipmi_version": str(found.get("version", ""))[:10],
    }
    if "powered_on" in metrics:
        notes.facts["power_state"] = "On" if metrics["powered_on"] else "Off"
    if params.hardware is not None:
        compared = against(params.hardware, machine).report()
        notes.metrics |= compared[0]
        notes.facts |= compared[1]


PROBE = ProbeSpec(
    name="ipmi",
    family="hardware",
    summary="A server by its management controller (IPMI): power, sensors, event log, serial number",
    params=IpmiParams,
    run=probe_ipmi,
    metrics=(
        QUERY_MS,
        MetricDef("powered_on", "count", "higher", 1, "1 where the machine is switched on, else 0."),
        MetricDef("chassis_faults", "count", "lower", 1, "Faults of power, fans and disks, and intrusion."),
        MetricDef("sensors", "count", "none", 1, "Sensors that give a reading."),
        MetricDef("sensors_bad", "count", "lower", 1, "Those over a threshold, or that tell a fault."),
        MetricDef("psus", "count", "none", 1, "Power supplies that are there."),
        MetricDef("psus_bad", "count", "lower", 1, "Sensors of power supplies that tell a fault."),
        MetricDef("fans", "count", "none", 1, "Fans that give a reading."),
        MetricDef("fans_bad", "count", "lower", 1, "Those over or under a threshold."),
        MetricDef("temperatures", "count", "none", 1, "Temperatures that give a reading."),
        MetricDef("temperatures_bad", "count", "lower", 1, "Those over or under a threshold."),
        MetricDef("inlet_c", "C", "lower", 0.1, "Temperature of the air that goes in."),
        MetricDef("log_entries", "count", "none", 1, "Entries of the event log."),
        MetricDef("log_full", "count", "lower", 1, "1 where the event log takes no more, else 0."),
        MetricDef("log_severe", "count", "lower", 1, "Faults among its newest events (`events`)."),
        MetricDef("hardware_mismatches", "count", "lower", 1,
                  "Differences from the expected hardware; absent where not all of it could be read."),
    ),
    facts=(
        FactDef("manufacturer", help="Maker of the machine (FRU)."),
        FactDef("model", help="Its model (FRU)."),
        FactDef("serial", help="Its serial number (FRU)."),
        FactDef("bmc_version", help="Version of the management controller's firmware."),
        FactDef("ipmi_version", help="Version of the session."),
        FactDef("power_state", help="On or Off."),
        FactDef("bad", help="Each fault of chassis and sensors; or none."),
        FactDef("log_newest", help="The newest events of the log, by the controller's own clock."),
        FactDef("hardware_differences", help="Expected and found, where they differ."),
        FactDef("hardware_unreadable", help="What is expected and could not be read."),
        ADDRESS, NOT_TOLD,
    ),
    phases=("resolve", "command", "query"),
    kinds=(
        "timeout", "protocol", "dns", "expectation", "auth", "missing_driver", "inconclusive",
        "prober_error",
    ),
    inputs=("hardware",),
    default_every=600.0,
    default_timeout=60.0,
)  # fmt: skip
