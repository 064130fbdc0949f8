"""How long a running daemon takes to follow a change in a large inventory, and what it costs its loop.

    python -m benchmarks.reload [--quick] [--json FILE]

1,000 units with 20 assets and four checks each, all run once a minute against nginx and the loopback. One
asset is added to the file, several times. The time counts from the moment the file is written until the
check is on the timetable; what reading and checking all files takes in the child process is taken off, as
the daemon itself tells it. The loop is watched by the daemon's own timer. No peer: none follows its files.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.marks import Mark, arguments, judge, table
from benchmarks.pipeline import Load, write_inventory, write_settings
from benchmarks.running import Daemon, nginx, process, wait_for
from tests.servers.ports import free_port

CHECKS = 80_000
ADDED = """      - id: added-{number}
        kind: host
        address: 127.0.0.1
        depends_on: []
        checks:
          - {{probe: icmp, count: 1, every: 60 s, timeout: 4 s}}
"""


@dataclass(slots=True)
class Figures:
    """Of each change: seconds in all, of reading, of applying; and what the loop showed meanwhile."""

    whole_s: list[float] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)
    apply_s: list[float] = field(default_factory=list)
    stalls: float = 0.0
    worst_late_ms: float = 0.0
    missed: float = 0.0

    @property
    def beyond_s(self) -> float:
        """The worst time from the file to the timetable, without reading the files."""
        return max(w - r for w, r in zip(self.whole_s, self.read_s, strict=True))


def measure(directory: Path, port: int, changes: int) -> Figures:
    """Run a daemon, change its file so many times, and return the figures."""
    write_inventory(directory, Load(CHECKS, 60, 0), port)
    settings, url = write_settings(directory)
    found = Figures()
    with process([sys.executable, "-m", "monitor.cli", "run", "-c", str(settings)]) as running:
        wait_for(f"{url}/readyz")
        daemon = Daemon(running.pid, url)
        time.sleep(5)
        before = daemon.figures()
        for number in range(changes):
            _change(directory / "inventory.yaml", daemon, number, found)
            time.sleep(1)
        after = daemon.figures()
    found.stalls = after["muster_loop_stalls_total"] - before["muster_loop_stalls_total"]
    found.missed = after["muster_runs_missed_total"] - before["muster_runs_missed_total"]
    found.worst_late_ms = max(value for key, value in after.items() if key.startswith("muster_loop_late_ms"))
    return found


def _change(inventory: Path, daemon: Daemon, number: int, found: Figures) -> None:
    with inventory.open("a", encoding="utf-8") as file:
        file.write(ADDED.format(number=number))
    written, wanted = time.monotonic(), CHECKS + number + 1
    while (figures := daemon.figures())["muster_checks"] != wanted:
        if time.monotonic() - written > 60:
            raise TimeoutError("the daemon did not follow the change within 60 s")
        time.sleep(0.05)
    found.whole_s.append(time.monotonic() - written)
    time.sleep(0.5)
    figures = daemon.figures()
    found.read_s.append(figures["muster_reload_seconds{part=read}"])
    found.apply_s.append(figures["muster_reload_seconds{part=apply}"])


def main() -> int:
    """Run the benchmark; return its exit status."""
    options = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        directory, port = Path(name), free_port()
        with nginx(directory, port):
            found = measure(directory, port, 2 if options.quick else 5)
    rows = [
        ("from the file to the timetable, median", statistics.median(found.whole_s)),
        ("of which reading and checking all files", statistics.median(found.read_s)),
        ("of which transfer and applying", statistics.median(found.apply_s)),
    ]
    table(f"one asset more among {CHECKS:,} checks of 1,000 units", ("", "seconds"), rows)
    marks = [
        Mark("in effect beyond the load, the worst", found.beyond_s, 2, "s"),
        Mark("the loop was late, at most", found.worst_late_ms, 50, "ms"),
        Mark("stalls over 50 ms", found.stalls, 0),
        Mark("runs missed", found.missed, 0),
    ]
    return judge(marks, options.json)


if __name__ == "__main__":
    sys.exit(main())
