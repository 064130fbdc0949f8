"""The table in docs/snmp.md of what was read from each recording; run it to make it anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from probes.api import Outcome, Reading
from tests.probing import run_once, shared_here
from tests.servers.recordings import answering, load, names

PAGE = Path(__file__).parents[3] / "docs" / "snmp.md"
BEGIN = "<!-- made by python -m tests.probes.hardware.recorded -->\n"
END = "<!-- end of the table -->\n"
HEAD = (
    "| recording | what it is | interfaces | sensors | UPS |\n"
    "| --- | --- | --- | --- | --- |\n"
)  # fmt: skip
NOTHING = "none in the MIBs that are read"


async def readings(name: str) -> dict[str, Reading]:
    """Run the probes on one recording."""
    recording = await asyncio.to_thread(load, name)
    found = {}
    async with answering(recording), shared_here(secrets={"c": "x"}) as shared:
        for probe in ("entity", "interfaces", "sensors", "ups"):
            more: dict[str, Any] = {"first_span": 0} if probe == "interfaces" else {}
            block = {"community": "secret:c"}
            found[probe] = await run_once(probe, "127.0.0.1", timeout=60, shared=shared, snmp=block, **more)
    return found


def row(name: str, found: dict[str, Reading]) -> str:
    """Return the line of one recording."""
    cells = (
        identity(found["entity"]),
        ports(found["interfaces"]),
        air(found["sensors"]),
        mains(found["ups"]),
    )
    return "| " + " | ".join([name, *(cell.replace("|", "/") for cell in cells)]) + " |\n"


def identity(reading: Reading) -> str:
    """Return what it is, or what it does not tell."""
    if reading.outcome is not Outcome.OK:
        return _why(reading)
    facts = reading.facts
    words = [facts.get("vendor", ""), facts.get("model", "")]
    words += [f"serial {facts['serial']}" if "serial" in facts else "no serial told"]
    words += [facts.get("version", "")]
    known = ", ".join(word for word in words if word)
    return known if "vendor" in facts or "model" in facts else f"{known}: {facts.get('description', '')[:40]}"


def ports(reading: Reading) -> str:
    """Return how many interfaces were read, and how many of them should be up and are not."""
    if reading.outcome is not Outcome.OK:
        return _why(reading)
    metrics = reading.metrics
    text = f"{metrics['interfaces']:.0f}, {metrics.get('not_up', 0):.0f} not up"
    return text + (f", {metrics['admin_down']:.0f} switched off" if metrics.get("admin_down") else "")


def air(reading: Reading) -> str:
    """Return what the sensors say."""
    if reading.outcome is not Outcome.OK:
        return _why(reading)
    metrics = reading.metrics
    words = [f"{metrics['sensors']:.0f} sensors"]
    if "temperature_max_c" in metrics:
        words.append(f"{metrics['temperature_min_c']:.0f} to {metrics['temperature_max_c']:.0f} C")
    for name, what in (("fans", "fans"), ("power_supplies", "power supplies")):
        if name in metrics:
            words.append(f"{metrics[f'{name}_ok']:.0f} of {metrics[name]:.0f} {what} well")
    bad = reading.facts["bad"]
    return ", ".join(words) + ("" if bad == "none" else f"; not well: {bad[:60]}")


def mains(reading: Reading) -> str:
    """Return what the UPS says."""
    if reading.outcome is not Outcome.OK:
        return _why(reading)
    metrics, facts = reading.metrics, reading.facts
    words = [
        f"battery {facts.get('battery_status', 'not told')}",
        f"output {facts.get('output_source', 'not told')}",
    ]
    for name, text in (("charge_pct", "charge {:.0f} %"), ("load_pct", "load {:.0f} %")):
        words += [text.format(metrics[name])] if name in metrics else []
    left = (
        f"{metrics['minutes_left']:.0f} min left" if "minutes_left" in metrics else "no estimate of minutes"
    )
    return ", ".join([*words, left])


def _why(reading: Reading) -> str:
    detail = reading.detail.split(" (")[0].removeprefix("not_shown: ")
    if NOTHING in detail:
        return NOTHING
    return f"{reading.outcome.value}({reading.kind}): {detail.partition(': ')[2] or detail}"[:120]


async def table(of: Iterable[str]) -> str:
    """Return the lines of these recordings."""
    return "".join([row(name, await readings(name)) for name in of])


def documented() -> dict[str, str]:
    """Return the lines in docs/snmp.md by recording."""
    lines = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].splitlines(keepends=True)
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines[2:]}


def main() -> None:
    """Write the table into docs/snmp.md."""
    logging.disable()
    before, begin, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + begin + HEAD + asyncio.run(table(names())) + END + after, "utf-8")


if __name__ == "__main__":
    main()
