"""How truly a channel's rate is measured: `throughput` beside iperf3 on emulated links, in the same run.

    python -m benchmarks.channel [--quick] [--json FILE] [--rows FILE] [--table FILE]
        [--only TEXT] [--seed N] [--repeats N]

Two network namespaces joined by a shaper each way, a relay in between where delay or loss is asked for, a
reflector and an iperf3 server on the far side. Rates are shaped at layer 2; errors are against the same rate
at the IP layer in packets of 1,500 bytes, and iperf3's goodput is converted to that. Bytes are the kernel's
count of both directions of a line; the queue is the shaper's own, looked at every millisecond. Needs root,
/dev/net/tun, iproute2 and iperf3. It takes some 20 minutes.
"""

from __future__ import annotations

import asyncio
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.emulated import WAYS, Bench, Condition, Seen, bench, ip_goodput
from benchmarks.marks import Mark, arguments, judge, table
from probes.api import Outcome, Reading
from tests.servers.link import Direction, why_not

PEER_S = 5.0
RATES = (2.0, 10.0, 50.0, 100.0)
BUCKET_KB = 256.0
BURST_CREDIT_PCT = 5.0
"""A figure that is called sustained and lies this far above the truth is burst credit taken for rate."""
QUICK = (Condition(2, 2), Condition(10, 10, 40), Condition(50, 50))
FULL = (
    *(Condition(rate, rate, rtt, loss) for rate in RATES for rtt in (0, 40, 120) for loss in (0, 0.01)),
    Condition(2, 10, 40), Condition(10, 100, 40),
    *(Condition(rate, rate, burst_kb=BUCKET_KB) for rate in RATES),
    *(Condition(rate, rate, burst_kb=BUCKET_KB, policer=True) for rate in RATES),
    *(Condition(rate, rate, 40, cross=0.5) for rate in RATES),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sample:
    """One direction of one run. `error_pct` is None where no figure was claimed; `claim` says what was."""

    way: Direction
    error_pct: float | None
    claim: str
    why: str
    bytes: int
    seconds: float
    queue_ms: float


@dataclass(slots=True)
class Row:
    """All runs in one condition."""

    condition: Condition
    ours: list[Sample] = field(default_factory=list)
    peers: list[Sample] = field(default_factory=list)


def our_samples(condition: Condition, reading: Reading, seen: Seen) -> list[Sample]:
    """Return a reading's two directions; what both sides sent counts half for each."""
    if reading.outcome is not Outcome.OK:
        print(f"  {condition.name}: {reading.outcome} {reading.kind}: {reading.detail}", file=sys.stderr)
    samples = []
    for way in WAYS:
        figure = reading.metrics.get(f"capacity_{way}_bps")
        error = None if figure is None else 100 * (figure / condition.true_bps(way) - 1)
        claim = reading.facts.get(f"decided_{way}", reading.kind or "nothing")
        why, number = reading.facts.get(f"why_{way}", reading.detail), sum(seen.bytes.values()) // 2
        samples.append(Sample(way, error, claim, why, number, seen.seconds / 2, seen.queue_ms[way]))
    return samples


async def measured(condition: Condition, repeats: int, ways: Sequence[Direction], seed: int) -> Row:
    """Measure one condition with both programs."""
    row = Row(condition)
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        async with bench(condition, Path(directory), seed) as running:
            for _ in range(repeats):
                row.ours += our_samples(condition, *await running.muster())
            row.peers = [await _peer(running, way) for way in ways]
    return row


async def _peer(running: Bench, way: Direction) -> Sample:
    found, seen = await running.peer(way, PEER_S)
    error = 100 * (ip_goodput(found.goodput_bps) / running.condition.true_bps(way) - 1)
    return Sample(way, error, "exact", "", sum(seen.bytes.values()), seen.seconds, seen.queue_ms[way])


async def run(
    conditions: Sequence[Condition], repeats: int, ways: Sequence[Direction], seed: int
) -> list[Row]:
    """Measure all conditions, one after the other."""
    rows = []
    for number, condition in enumerate(conditions):
        rows.append(await measured(condition, repeats, ways, seed + number))
        print(f"  {number + 1} of {len(conditions)}: {condition.name}", file=sys.stderr)
    return rows


COLUMNS = (
    "Mbit/s, RTT", "error %", "worst", "decided", "kB", "share %", "s", "queue ms",
    "iperf3 error %", "MB", "s", "queue ms",
)  # fmt: skip


def show(rows: Sequence[Row]) -> None:
    """Print a line for each condition."""
    title = "per direction: throughput, its share of iperf3's bytes, and iperf3 for 5 s"
    table(title, COLUMNS, [_line(row) for row in rows])


def markdown(rows: Sequence[Row]) -> str:
    """Return the same table in Markdown."""
    cells = [COLUMNS, ("---", *["---:"] * (len(COLUMNS) - 1)), *map(_line, rows)]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in cells)


def _line(row: Row) -> tuple[object, ...]:
    errors = [sample.error_pct for sample in row.ours if sample.error_pct is not None]
    size, peer_size = mean_bytes(row.ours), mean_bytes(row.peers)
    return (
        row.condition.name,
        f"{statistics.median(errors):+.2f}" if errors else "-",
        f"{max(errors, key=abs):+.2f}" if errors else "-",
        f"{len(errors)}/{len(row.ours)}",
        f"{size / 1000:,.0f}",
        f"{100 * size / peer_size:.1f}",
        f"{statistics.mean(sample.seconds for sample in row.ours):.1f}",
        f"{max(sample.queue_ms for sample in row.ours):.0f}",
        "/".join(f"{sample.error_pct:+.1f}" for sample in row.peers),
        f"{peer_size / 1e6:.1f}",
        f"{statistics.mean(sample.seconds for sample in row.peers):.1f}",
        f"{max(sample.queue_ms for sample in row.peers):.0f}",
    )


def mean_bytes(samples: Sequence[Sample]) -> float:
    """Return the bytes of one run of one direction, on average."""
    return statistics.mean(sample.bytes for sample in samples)


def marks(rows: Sequence[Row]) -> list[Mark]:
    """Return the marks of the method; those whose links were not among the measured are not judged."""
    plain = [row for row in rows if row.condition.plain]
    errors = sorted(abs(s.error_pct) for row in plain for s in row.ours if s.error_pct is not None)
    decided = [s.error_pct is not None for row in plain for s in row.ours]
    bursts = [row for row in rows if row.condition.burst_kb]
    cross = [row for row in rows if row.condition.cross]
    return [
        Mark("median error, plain links", statistics.median(errors) if errors else None, 0.5, "%"),
        Mark("p95 of errors, plain links", _p95(errors) if errors else None, 3, "%"),
        Mark("decided, plain links", _percent(decided), 90, "%", at_least=True),
        Mark("bytes of iperf3's, 10 Mbit/s and more", _share(plain, fast=True), 5, "%"),
        Mark("bytes of iperf3's, 2 Mbit/s", _share(plain, fast=False), 10, "%"),
        Mark("queue added, 10 Mbit/s and more", _queue(plain, fast=True), 50, "ms"),
        Mark("queue added, 2 Mbit/s", _queue(plain, fast=False), 80, "ms"),
        Mark("burst credit called sustained", _credit(bursts) if bursts else None, 0, "runs"),
        Mark("worst error at 50 % cross-traffic", _worst(cross) if cross else None, 3, "%"),
    ]


def _percent(values: Sequence[bool]) -> float | None:
    return 100 * sum(values) / len(values) if values else None


def _p95(ordered: Sequence[float]) -> float:
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


def _share(rows: Sequence[Row], *, fast: bool) -> float | None:
    """Return the largest share of iperf3's bytes where nothing is lost: with loss it gets nowhere."""
    shares = (
        100 * mean_bytes(row.ours) / mean_bytes(row.peers)
        for row in rows
        if not row.condition.loss and (min(row.condition.up, row.condition.down) >= 10) == fast
    )
    return max(shares, default=None)


def _queue(rows: Sequence[Row], *, fast: bool) -> float | None:
    queues = (
        sample.queue_ms
        for row in rows
        for sample in row.ours
        if ((row.condition.up if sample.way == "up" else row.condition.down) >= 10) == fast
    )
    return max(queues, default=None)


def _credit(rows: Sequence[Row]) -> float:
    return float(sum((sample.error_pct or 0) > BURST_CREDIT_PCT for row in rows for sample in row.ours))


def _worst(rows: Sequence[Row]) -> float:
    found = [abs(s.error_pct) for row in rows for s in row.ours if s.error_pct is not None]
    return max(found, default=math.inf)


def main() -> int:
    """Run the benchmark; return its exit status."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=Path, metavar="FILE", help="write every sample there, as JSON")
    parser.add_argument("--seed", type=int, default=1, help="of losses, delays and other traffic")
    parser.add_argument("--repeats", type=int, default=0, help="runs of throughput in each condition")
    parser.add_argument("--only", default="", metavar="TEXT", help="only links with this in their name")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table there, in Markdown")
    options = parser.parse_args()
    if reason := why_not():
        print(reason, file=sys.stderr)
        return 1
    conditions, ways = (QUICK, WAYS[:1]) if options.quick else (FULL, WAYS)
    chosen = [condition for condition in conditions if options.only in condition.name]
    repeats = options.repeats or (3 if options.quick else 5)
    rows = asyncio.run(run(chosen, repeats, ways, options.seed))
    show(rows)
    if options.table:
        options.table.write_text(markdown(rows), "utf-8")
    if options.rows:
        options.rows.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", "utf-8")
    return judge(marks(rows), options.json)


if __name__ == "__main__":
    sys.exit(main())
