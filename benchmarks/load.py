"""How long an inventory takes to load and to plan, and how much memory that needs.

    python -m benchmarks.load [--quick] [--json FILE]

1,000 units with 20 assets each, and (without --quick) 10,000. Each size runs in a process of its own, so
that the peak of its memory is its own. Exits 0 only where all judged marks hold.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import inventories
from inventory import load, profiles
from monitor import plan

ASSETS = 20


@dataclass(frozen=True, slots=True)
class Mark:
    """A figure and the most it may be."""

    name: str
    figure: str
    limit: float
    unit: str
    size: int


MARKS = (
    Mark("1,000 units load", "load_s", 5.0, "s", 1000),
    Mark("1,000 units: peak memory", "rss_mib", 512.0, "MiB", 1000),
    Mark("10,000 units load", "load_s", 60.0, "s", 10_000),
    Mark("10,000 units: peak memory", "rss_mib", 2048.0, "MiB", 10_000),
)


def child(directory: Path) -> dict[str, float]:
    """Load and plan the inventory below a directory once; return the figures of this process."""
    start = time.perf_counter()
    inventory = load.load(directory / "inventory")
    loaded = time.perf_counter()
    rss_loaded = _peak_mib()
    planned = plan.build(inventory, profiles.load([directory / "profiles"]))
    end = time.perf_counter()
    return {
        "units": float(len(inventory.units)),
        "assets": float(sum(len(unit.assets) for unit in inventory)),
        "jobs": float(len(planned.jobs)),
        "load_s": round(loaded - start, 3),
        "plan_s": round(end - loaded, 3),
        "rss_load_mib": round(rss_loaded, 1),
        "rss_mib": round(_peak_mib(), 1),
    }


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(units: int) -> dict[str, float]:
    """Return the figures of one size, from a process of its own."""
    with tempfile.TemporaryDirectory(prefix="muster-load-") as name:
        inventories.write(Path(name), inventories.Options(units=units, assets=ASSETS))
        command = [sys.executable, "-m", "benchmarks.load", "--child", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def judge(measured: dict[int, dict[str, float]]) -> bool:
    """Print every mark beside its figure; return whether all that were measured hold."""
    good = True
    for mark in MARKS:
        if mark.size not in measured:
            print(f"  {mark.name:<28} not measured (mark: <= {mark.limit:g} {mark.unit})")
            continue
        value = measured[mark.size][mark.figure]
        holds = value <= mark.limit
        good &= holds
        verdict = "holds" if holds else "MISSED"
        print(f"  {mark.name:<28} {value:10.2f} {mark.unit:<4} <= {mark.limit:g} {mark.unit}: {verdict}")
    return good


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and judge."""
    parser = argparse.ArgumentParser(prog="benchmarks.load")
    parser.add_argument("--quick", action="store_true", help="1,000 units only")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        print(json.dumps(child(given.child)))
        return 0
    sizes = (1000,) if given.quick else (1000, 10_000)
    print(f"python -m benchmarks.load{' --quick' if given.quick else ''}: {ASSETS} assets a unit")
    measured = {}
    for size in sizes:
        measured[size] = measure(size)
        print(f"{size:>6} units: " + ", ".join(f"{key} {value:g}" for key, value in measured[size].items()))
    good = judge(measured)
    if given.json:
        marks = [[mark.name, mark.limit, mark.unit] for mark in MARKS]
        given.json.write_text(json.dumps({"figures": measured, "marks": marks, "good": good}, indent=1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
