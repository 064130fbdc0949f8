"""The store beside plain SQLite rows.

    python -m benchmarks.store [--quick] [--json FILE]

1,000 checks a minute apart, each reading an icmp-like burst of five numbers (round trip p50, least, greatest,
jitter in ms to 0.001, loss in % to 0.01), fed hour by hour as fast as the store takes them. A sample is one
number; times, outcomes, lag, duration, words and the commit are stored beside them and not counted.

Writing: CPU of the whole process, threads and kernel included, from `append` to hourly chunks on disk, over
samples. It takes in the commits, sorting the heads and rolling; the merging of hourly chunks that follows is
shown apart. Bytes: a day's file once it is sealed, over samples. Reading: medians, in a second store object,
over the 24 h that end at 16:00, when the running day has the most chunks a check: part of a sealed day, four
chunks, and an hour of heads. The peer stores (series, time, value) rows with an index, in batches of
10,000, in WAL mode.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from benchmarks.marks import Mark, arguments, judge, table
from monitor.store.days import DayWriter, name_of
from monitor.store.engine import Store
from monitor.store.evidence import StoreReader
from monitor.store.paths import Keep
from probes.api import MetricDef, Outcome, Reading

CHECKS = 1000
HOUR = 3600
DAY = 86400
FIRST_DAY = 20_600
METRICS = (
    MetricDef("rtt_ms", "ms", "lower", 0.001), MetricDef("rtt_min_ms", "ms", "lower", 0.001),
    MetricDef("rtt_max_ms", "ms", "lower", 0.001), MetricDef("jitter_ms", "ms", "lower", 0.001),
    MetricDef("loss_pct", "%", "lower", 0.01),
)  # fmt: skip
NAMES = [metric.name for metric in METRICS]
IDS = [f"unit-{i // 50}/asset-{i % 50}/icmp" for i in range(CHECKS)]


@dataclass(slots=True)
class Figures:
    """What was measured of one store."""

    samples: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    append_s: float = 0.0
    merge_s: float = 0.0
    seal_s: float = 0.0
    bytes: int = 0
    worst_gap_ms: float = 0.0
    reads_ms: dict[str, float] = field(default_factory=dict)


def hours(count: int) -> Iterator[list[Reading]]:
    """Yield the readings of each hour; each check has a round trip time of its own, with a daily swell."""
    rng = np.random.default_rng(7)
    base, phase = rng.uniform(2, 60, CHECKS), rng.integers(0, 6000, CHECKS) / 100
    for hour in range(count):
        readings: list[Reading] = []
        swell = 1 + 0.1 * np.sin(2 * np.pi * hour / 24)
        for minute in range(60):
            at = FIRST_DAY * DAY + hour * HOUR + minute * 60 + phase + rng.exponential(0.002, CHECKS)
            readings += _minute(rng, at, base * swell)
        yield readings


def _minute(rng: np.random.Generator, at: NDArray[np.float64], base: NDArray[np.float64]) -> list[Reading]:
    jitter = rng.gamma(2, 0.05, CHECKS) * np.sqrt(base)
    low = base + rng.gamma(1, 0.05, CHECKS)
    mid, high = low + jitter, low + jitter * rng.uniform(1.5, 4, CHECKS)
    lost = np.where(rng.random(CHECKS) < 0.01, rng.integers(1, 10, CHECKS) * 10.0, 0.0)
    columns = (at, mid, low, high, jitter, lost, rng.exponential(1, CHECKS))
    return [_reading(check, *row) for check, *row in zip(IDS, *(c.tolist() for c in columns), strict=True)]


def _reading(check: str, at: float, *figures: float) -> Reading:
    metrics = dict(zip(NAMES, figures, strict=False))
    lag, duration = figures[-1], 80 + figures[2]
    return Reading(
        Outcome.OK, metrics=metrics, check=check, at=at, lag_ms=lag, duration_ms=duration, vantage="hub"
    )


@contextmanager
def merging_apart(found: Figures) -> Iterator[None]:
    """Take the CPU of merging chunks, which comes after them, into an account of its own."""
    merge = DayWriter._merge_up

    def timed(day: DayWriter, grp: int) -> None:
        started = time.thread_time()
        merge(day, grp)
        found.merge_s += time.thread_time() - started

    with mock.patch.object(DayWriter, "_merge_up", timed):
        yield


async def fill(directory: Path, count: int, found: Figures) -> None:
    """Write so many hours, and one more that stays in the heads; note the figures of writing."""
    store = await asyncio.to_thread(Store.open, directory, Keep(raw_days=10**6))
    for check in IDS:
        store.declare(check, METRICS)
    for hour, readings in enumerate(hours(count + 1)):
        if hour == count:
            started = time.process_time()
            await store.compact(today=FIRST_DAY + count * HOUR // DAY)
            found.seal_s = time.process_time() - started
        await _hour(store, readings, found, roll=hour < count)
    await store.aclose()
    found.bytes = (directory / "samples" / f"{name_of(FIRST_DAY)}.db").stat().st_size


async def _hour(store: Store, readings: list[Reading], found: Figures, *, roll: bool) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    for start in range(0, len(readings), 400):
        began = time.thread_time()
        for reading in readings[start : start + 400]:
            store.append(reading)
        found.append_s += time.thread_time() - began if roll else 0
        await asyncio.sleep(0)
    await store.flush()
    if roll:
        watching = asyncio.create_task(_watch(found))
        await store.compact(today=0)
        watching.cancel()
        found.cpu_s += time.process_time() - cpu
        found.wall_s += time.perf_counter() - wall
        found.samples += len(readings) * len(METRICS)


async def _watch(found: Figures) -> None:
    """Note for how long the loop was not free."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        found.worst_gap_ms = max(found.worst_gap_ms, (time.perf_counter() - before - 0.001) * 1000)


def read(store: StoreReader, end: float) -> dict[str, float]:
    """Return medians in ms."""
    start = end - DAY
    one = [_timed(partial(store.window, IDS[i], "rtt_ms", start, end)) for i in range(0, CHECKS, 17)]
    all_p95 = [_timed(lambda: _p95(store, start, end)) for _ in range(3)]
    return {
        "24 h of one series": statistics.median(one),
        "p95 over 24 h x 1,000 series": statistics.median(all_p95),
        "latest of 1,000 checks": _timed(lambda: [store.latest(check) for check in IDS]),
    }


def _p95(store: StoreReader, start: float, end: float) -> list[float]:
    return [_quantile(store.window(check, "rtt_ms", start, end).values) for check in IDS]


def _quantile(values: NDArray[np.float64]) -> float:
    return float(np.sort(values)[int(0.95 * len(values))])


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


@dataclass(slots=True)
class PeerFigures:
    """What was measured of plain rows."""

    per_cpu_second: float
    bytes_a_sample: float
    one_ms: float
    all_ms: float


def plain_rows(path: Path, count: int) -> PeerFigures:
    """Write some hours of one number each as plain rows, and read them; figures are scaled to 24 h."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(
        "CREATE TABLE samples (series INTEGER, at REAL, value REAL, PRIMARY KEY (series, at)) WITHOUT ROWID"
    )
    cpu, written = 0.0, 0
    for readings in hours(count):
        rows = [(i % CHECKS, r.at, r.metrics["rtt_ms"]) for i, r in enumerate(readings)]
        started = time.process_time()
        for start in range(0, len(rows), 10_000):
            db.execute("BEGIN")
            db.executemany("INSERT INTO samples VALUES (?, ?, ?)", rows[start : start + 10_000])
            db.execute("COMMIT")
        cpu, written = cpu + time.process_time() - started, written + len(rows)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    one = statistics.median(_timed(partial(_rows, db, i)) for i in range(0, CHECKS, 17))
    every = _timed(lambda: [_quantile(_rows(db, i)) for i in range(CHECKS)])
    db.close()
    scale = 24 / count
    return PeerFigures(written / cpu, path.stat().st_size / written, one * scale, every * scale)


def _rows(db: sqlite3.Connection, series: int) -> NDArray[np.float64]:
    query = "SELECT value FROM samples WHERE series = ? AND at >= ? AND at < ?"
    return np.fromiter((row[0] for row in db.execute(query, (series, 0, 1e12))), np.float64)


def report(found: Figures, peer: PeerFigures) -> list[Mark]:
    """Print the figures side by side; return the marks."""
    rate, size = found.samples / (found.cpu_s - found.merge_s), found.bytes / (CHECKS * 1440 * len(METRICS))
    one, every = found.reads_ms["24 h of one series"], found.reads_ms["p95 over 24 h x 1,000 series"]
    table(
        f"{found.samples / 1e6:.1f} million samples of {CHECKS:,} checks",
        ("", "Muster", "SQLite rows", "ratio"),
        [
            (
                "samples a CPU second, thousands",
                rate / 1e3,
                peer.per_cpu_second / 1e3,
                rate / peer.per_cpu_second,
            ),
            ("bytes a sample", size, peer.bytes_a_sample, peer.bytes_a_sample / size),
            ("24 h of one series, ms", one, peer.one_ms, peer.one_ms / one),
            ("p95 over 24 h x 1,000 series, ms", every, peer.all_ms, peer.all_ms / every),
        ],
    )
    readings = found.samples / len(METRICS)
    table(
        "besides",
        ("", "Muster"),
        [
            ("append, microseconds a reading", found.append_s / readings * 1e6),
            (
                "all until hourly chunks, microseconds a reading",
                (found.cpu_s - found.merge_s) / readings * 1e6,
            ),
            ("merging of hourly chunks, microseconds a reading", found.merge_s / readings * 1e6),
            ("sealing a day with rollups, CPU microseconds a reading", found.seal_s / (CHECKS * 1440) * 1e6),
            ("longest the loop was not free while an hour was rolled, ms", found.worst_gap_ms),
            ("latest of 1,000 checks, ms", found.reads_ms["latest of 1,000 checks"]),
        ],
    )
    return [
        Mark("samples per CPU second from reading to hourly chunk", rate, 1.5e6, at_least=True),
        Mark("bytes a sample, quantised", size, 2.8, "B"),
        Mark("24 h of one series", one, 1, "ms"),
        Mark("p95 over the trailing 24 h x 1,000 series", every, 250, "ms"),
    ]


def main() -> int:
    """Run the benchmark; return 0 only where the marks hold."""
    options = arguments(__doc__).parse_args()
    count, peer_hours = (39, 6) if options.quick else (87, 24)
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        directory = Path(name)
        found = Figures()
        with merging_apart(found):
            asyncio.run(fill(directory / "state", count, found))
        store = Store.read_only(directory / "state")
        found.reads_ms = read(store, FIRST_DAY * DAY + (count + 1) * HOUR)
        store.close()
        peer = plain_rows(directory / "rows.db", peer_hours)
        return judge(report(found, peer), options.json)


if __name__ == "__main__":
    sys.exit(main())
