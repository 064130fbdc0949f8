"""`icmp` beside fping and blackbox_exporter.

    python -m benchmarks.icmp [--quick] [--json FILE]

Round trip times: 1,667 packets a second over 500 loopback addresses, fping and Muster by turns, Muster with
its loop idle and with its loop held up for 5 ms in every 20. CPU: checks per CPU second of the checker,
single packets and bursts of five, against single packets of blackbox_exporter. Needs the right to ping,
fping and prometheus-blackbox-exporter.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks.beside import blackbox, jobs, loopback, muster, readings_of
from benchmarks.marks import Mark, arguments, judge, table
from tests.probes.network.busy import busy_loop

ADDRESSES, PACKETS = 500, 10


def fping() -> float:
    """Return fping's median round trip time in microseconds."""
    pace = ("-C", str(PACKETS), "-i", "0.6", "-p", "300")
    command = ["fping", *pace, "-q", *(loopback(number) for number in range(ADDRESSES))]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    words = (word for line in answer.splitlines() for word in line.partition(":")[2].split())
    return statistics.median(float(word) for word in words if word != "-") * 1000


async def ours(busy: bool) -> float:
    """Return Muster's median round trip time in microseconds."""
    if busy:
        async with busy_loop():
            return await ours(busy=False)
    readings, _ = await readings_of(jobs("icmp", ADDRESSES, count=1), ADDRESSES * PACKETS * 0.0006)
    return statistics.median(r.metrics["rtt_ms"] for r in readings if "rtt_ms" in r.metrics) * 1000


def round_trips(rounds: int) -> dict[str, float]:
    """Return the medians of the rounds: fping, Muster idle, Muster busy."""
    found: dict[str, list[float]] = {"fping": [], "muster": [], "muster, loop busy": []}
    for _ in range(rounds):
        found["fping"].append(fping())
        found["muster"].append(uvloop.run(ours(busy=False)))
        found["muster, loop busy"].append(uvloop.run(ours(busy=True)))
    return {name: statistics.median(values) for name, values in found.items()}


def checks_per_cpu_second(seconds: float) -> dict[str, float]:
    """Return checks per CPU second by program."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        peer = blackbox(Path(name), "icmp", seconds)
    return {
        "blackbox_exporter": peer,
        "muster, one packet": uvloop.run(muster(jobs("icmp", 10_000, count=1), seconds)),
        "muster, bursts of five": uvloop.run(muster(jobs("icmp", 10_000, count=5, interval=0.1), seconds)),
    }


def main() -> int:
    """Run the benchmark; return its exit status."""
    options = arguments(__doc__).parse_args()
    trips = round_trips(1 if options.quick else 3)
    table("round trip time, median, microseconds", ("program", "p50"), list(trips.items()))
    rates = checks_per_cpu_second(6 if options.quick else 20)
    peer = rates["blackbox_exporter"]
    table(
        "checks per CPU second of the checker",
        ("program", "checks", "of the peer"),
        [(name, rate, rate / peer) for name, rate in rates.items()],
    )
    marks = [
        Mark("rtt p50 from fping's", abs(trips["muster"] - trips["fping"]), 10, "us"),
        Mark("rtt p50 from fping's, loop busy", abs(trips["muster, loop busy"] - trips["fping"]), 10, "us"),
        Mark("one packet: of blackbox_exporter", rates["muster, one packet"] / peer, 7, "x", at_least=True),
        Mark("burst of five: of one of its", rates["muster, bursts of five"] / peer, 3.5, "x", at_least=True),
    ]
    return judge(marks, options.json)


if __name__ == "__main__":
    sys.exit(main())
