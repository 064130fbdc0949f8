"""A third party's probe, installed for a daemon of the tests: it stands in for one that loads a link."""

from __future__ import annotations

from pathlib import Path

CODE = """
import asyncio
import json
import time

from probes.api import MetricDef, Params, ProbeSpec, Reading
from probes.errors import NotRun


class ClaimParams(Params):
    bytes: int = 100_000
    seconds: float = 0.05
    note: str = ""


async def claim(target, params, context):
    context.phase, start = "transfer", time.time()
    link = context.link
    granted = None if link is None else link.max_bytes
    spent = params.bytes if granted is None else min(params.bytes, granted)
    if link is not None:
        link.spent(0, spent)
    context.log(f"claimed {spent}")
    await asyncio.sleep(params.seconds)
    if params.note:
        with open(params.note, "a") as file:
            file.write(json.dumps([target.unit, start, time.time(), spent, granted]) + "\\\\n")
    return Reading.ok({"sent_bytes": float(spent)})


PROBE = ProbeSpec("claim", "test", "Stands in for a test of a link", ClaimParams, claim,
                  metrics=(MetricDef("sent_bytes", "bytes"),), loads_link=True)
"""


def install(folder: Path) -> Path:
    """Write the probe as an installed distribution into a folder, to be put on PYTHONPATH."""
    info = folder / "claim_probe-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: claim-probe\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[muster.probes]\nclaim = claim_probe:PROBE\n")
    (folder / "claim_probe.py").write_text(CODE.replace("\\\\n", "\\n"))
    return folder
