"""`tcp` beside blackbox_exporter and a forked check_tcp.

    python -m benchmarks.tcp [--quick] [--json FILE]

A fresh connection each to nginx on 10,000 loopback addresses. Connect times are also compared between an
idle loop and one that is held up for 5 ms in every 20. Needs nginx, prometheus-blackbox-exporter and
monitoring-plugins-basic.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks.beside import acceptor, blackbox, jobs, muster, plugin, readings_of
from benchmarks.marks import Mark, arguments, judge, table
from tests.probes.network.busy import busy_loop


async def connect_times(port: int, busy: bool) -> list[float]:
    """Return connect times in ms."""
    if busy:
        async with busy_loop():
            return await connect_times(port, busy=False)
    readings, _ = await readings_of(jobs("tcp", 10_000, port=port), 3)
    return sorted(reading.metrics["connect_ms"] for reading in readings)


def main() -> int:
    """Run the benchmark; return its exit status."""
    options = arguments(__doc__).parse_args()
    seconds = 6 if options.quick else 20
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        directory = Path(name)
        with acceptor(directory) as port:
            idle = uvloop.run(connect_times(port, busy=False))
            busy = uvloop.run(connect_times(port, busy=True))
            forked = plugin("check_tcp", "-p", str(port))
            peer = blackbox(directory, "tcp_connect", seconds, f":{port}")
            own = uvloop.run(muster(jobs("tcp", 10_000, port=port), seconds))
    table(
        "connect time, ms",
        ("loop", "p50", "p95"),
        [(name, statistics.median(times), times[int(0.95 * len(times))]) for name, times in
         (("idle", idle), ("busy", busy))],
    )  # fmt: skip
    table(
        "checks per CPU second of the checker",
        ("program", "checks", "muster is"),
        [("muster", own, 1.0), ("blackbox_exporter", peer, own / peer), ("check_tcp", forked, own / forked)],
    )
    apart = abs(statistics.median(idle) - statistics.median(busy))
    marks = [
        Mark("of blackbox_exporter", own / peer, 3, "x", at_least=True),
        Mark("of a forked check_tcp", own / forked, 12, "x", at_least=True),
        Mark("connect, loop busy, from idle", apart, 0.1, "ms"),
    ]
    return judge(marks, options.json)


if __name__ == "__main__":
    sys.exit(main())
