"""Writing to VictoriaMetrics beside influxdb-client's Point objects and bare aiohttp; an outage; kills.

    python -m benchmarks.influx [--quick] [--hours H] [--json FILE]

Writing: icmp-like readings of 1,000 checks, seven tags and five numbers each, in requests of 5,000 lines, CPU
of this process, medians of three. Readings come as the store gives them. Muster makes lines and sends them;
the peer makes a Point of each reading and hands them to influxdb-client's asynchronous WriteApi. What sending
alone costs is shown apart, of the same bytes: influxdb-client takes about 0.2 ms a request more than aiohttp.

Outage: the server is down while readings of H hours (quick: three minutes; 1 by default) at 7,000 samples
a second, of 20,000 checks, are stored and rolled into chunks; this is done as fast as it goes, and a day in
full was not run. Then the server comes up, and live readings go on at 7,000 samples a second while the gap is
filled. Lag is how late the loop's own timer is, every 10 ms, with the cycle collector set as in the daemon;
memory is this process's, with store and sink; counted is what the server has of what the store has.

Kills (not quick): a real `muster run` and the server, either killed 20 times at random moments; counted.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aiohttp
import psutil
import uvloop
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.client.write.point import Point
from influxdb_client.domain.write_precision import WritePrecision

from benchmarks.marks import Mark, arguments, judge, table
from benchmarks.store import HOUR, METRICS, NAMES
from monitor.people.maintenance import Maintenances
from monitor.process import garbage
from monitor.sinks import feeder as feeding
from monitor.sinks.feeder import Feeder
from monitor.sinks.influx import Influx
from monitor.sinks.lines import ReadingLines, Series
from monitor.sinks.sending import bodies
from monitor.sinks.settings import InfluxSettings
from monitor.sinks.sink import build
from monitor.store.engine import Store
from monitor.store.paths import Bounds
from monitor.units import Units
from probes.api import Outcome, Reading
from tests.servers.victoriametrics import VictoriaMetrics
from tests.sinks.killing import killed

CHECKS, LINES = 1000, 5000
OUTAGE_CHECKS = 20_000
SAMPLES_A_SECOND = 7000
READINGS_A_SECOND = SAMPLES_A_SECOND // len(METRICS)
KILLS = 20
TAGS = ("asset", "check", "kind", "level", "probe", "unit")


def describe(check: str) -> Series:
    """Return the tags of one of our checks."""
    unit, asset, name = check.split("/")
    return Series(unit, asset, name, "icmp", "channel", "hall", METRICS)


def reading(number: int, at: float, checks: int = CHECKS) -> Reading:
    """Return the reading of a check at a time."""
    base = 2 + number % 60 + (number * 7919 % 1000) / 997
    values = dict(zip(NAMES, (base, base * 0.97, base * 1.31, base * 0.05, 0.0), strict=True))
    check = f"unit-{number % checks // 50}/asset-{number % 50}/icmp"
    return Reading(
        Outcome.OK, metrics=values, check=check, at=at, lag_ms=0.4, duration_ms=base + 80, vantage="hub"
    )


Sender = Callable[[Sequence[Reading]], Awaitable[object]]


async def per_cpu_second(send: Sender, batches: Sequence[Sequence[Reading]]) -> float:
    """Return how many readings a CPU second of this process pays for, the median of three."""
    await send(batches[0])
    rates = []
    for _ in range(3):
        started = time.process_time()
        for batch in batches:
            await send(batch)
        rates.append(sum(map(len, batches)) / (time.process_time() - started))
    return statistics.median(rates)


def point(each: Reading) -> Any:
    """Return a reading as influxdb-client's Point."""
    series = describe(each.check)
    made: Any = Point("muster_icmp")  # type: ignore[no-untyped-call]
    made.tag("vantage", each.vantage)
    for name in TAGS:
        made.tag(name, getattr(series, name))
    for name, value in (*each.metrics.items(), ("lag_ms", each.lag_ms), ("duration_ms", each.duration_ms)):
        made.field(name, value)
    return made.field("outcome", 0).time(round(each.at * 1000), "ms")


async def writing(server: VictoriaMetrics, count: int) -> dict[str, float]:
    """Return readings per CPU second, by what writes them."""
    at = time.time() - count
    batches = [
        [reading(n, at + (start + n) / LINES) for n in range(LINES)]
        for start in range(0, count * LINES, LINES)
    ]
    lines, found = ReadingLines(describe, texts=False), dict[str, float]()
    client = Influx(InfluxSettings(url=server.url, server="victoriametrics"), str)
    session, url = aiohttp.ClientSession(), f"{server.url}/api/v2/write?org=-&bucket=muster&precision=ms"
    made = [b"".join(bodies(lines.of(batch), LINES, 10**8)) for batch in batches]
    body = dict(zip(map(id, batches), made, strict=True))

    async def ours(batch: Sequence[Reading]) -> None:
        for each in bodies(lines.of(batch), LINES, 10**6):
            await client.write(each)

    async def sent(batch: Sequence[Reading]) -> None:
        await client.write(body[id(batch)])

    async def bare(data: bytes) -> None:
        async with session.post(url, data=data) as answer:
            await answer.read()

    async def bare_made(batch: Sequence[Reading]) -> None:
        for each in bodies(lines.of(batch), LINES, 10**6):
            await bare(each)

    async def bare_sent(batch: Sequence[Reading]) -> None:
        await bare(body[id(batch)])

    found["Muster, lines made and sent"] = await per_cpu_second(ours, batches)
    found["bare aiohttp, the same lines made and sent"] = await per_cpu_second(bare_made, batches)
    found["Muster, lines sent"] = await per_cpu_second(sent, batches)
    found["bare aiohttp, lines sent"] = await per_cpu_second(bare_sent, batches)
    await client.close()
    await session.close()
    found["influxdb-client, Point objects"] = await points(server, batches[: max(2, count // 4)])
    return found


async def points(server: VictoriaMetrics, batches: Sequence[Sequence[Reading]]) -> float:
    """Return the same of influxdb-client's Point objects."""
    async with InfluxDBClientAsync(server.url, "", "-") as client:
        api, precision = client.write_api(), cast("WritePrecision", WritePrecision.MS)

        async def send(batch: Sequence[Reading]) -> None:
            made = [point(each) for each in batch]
            await api.write("muster", record=made, write_precision=precision)

        return await per_cpu_second(send, batches)


@dataclass(slots=True)
class Outage:
    """What an outage did."""

    readings: int = 0
    written: int = 0
    fill_s: float = 0.0
    lag_ms: dict[str, list[float]] = field(default_factory=dict)
    rss_mib: dict[str, float] = field(default_factory=dict)
    behind_s: float = 0.0
    """The most that the live cursor was behind while the gap was filled."""

    def p99(self, phase: str) -> float:
        """Return the 99th percentile of the loop's lateness."""
        ordered = sorted(self.lag_ms[phase])
        return ordered[int(0.99 * len(ordered))]


async def live(store: Store, found: Outage, first: int) -> None:
    """Append readings at the rate, until cancelled, each 10 ms; note how late that is."""
    number, start, turn = first, time.perf_counter(), 0
    while True:
        turn += 1
        if turn % 100 == 0:
            await garbage.every_second()
        await asyncio.sleep(max(0.0, start + turn * 0.01 - time.perf_counter()))
        late = (time.perf_counter() - start - turn * 0.01) * 1000
        found.lag_ms[phase(found)].append(late)
        if late > 1000:
            start, turn = time.perf_counter(), 0
        for _ in range(READINGS_A_SECOND // 100):
            store.append(reading(number, time.time(), OUTAGE_CHECKS))
            number += 1
            found.readings += 1


def phase(found: Outage) -> str:
    """Return the phase that is going on."""
    return next(reversed(found.lag_ms))


def begin(found: Outage, name: str) -> None:
    """Begin a phase."""
    found.lag_ms[name] = []
    found.rss_mib[name] = psutil.Process().memory_info().rss / 2**20


async def outage(directory: Path, seconds: int) -> Outage:
    """Store so many seconds of readings while the server is down, then let it come up; count."""
    server, found = VictoriaMetrics(directory), Outage()
    garbage.collect_little()
    store = await asyncio.to_thread(Store.open, directory / "state", None, Bounds(log_kept=0))
    for number in range(OUTAGE_CHECKS):
        store.declare(reading(number, 0.0, OUTAGE_CHECKS).check, METRICS)
    settings = InfluxSettings(url=server.url, server="victoriametrics")
    sink = build(settings, store, Units(), Maintenances(), str)
    assert sink is not None
    sink.lines.describe = describe
    running = asyncio.create_task(sink.run())
    try:
        await down(store, found, seconds)
        await up(server, store, sink, found)
        found.written = await counted(server, found.readings)
    finally:
        running.cancel()
        await asyncio.wait([running])
        await server.kill()
        await store.aclose()
    return found


async def down(store: Store, found: Outage, seconds: int) -> None:
    """Store everything of the outage, and roll it."""
    start = time.time() - seconds
    for second in range(seconds):
        for number in range(READINGS_A_SECOND):
            at = start + second + number / READINGS_A_SECOND
            store.append(reading(second * READINGS_A_SECOND + number, at, OUTAGE_CHECKS))
        found.readings += READINGS_A_SECOND
        if second % 60 == 0:
            await store.flush()
        await asyncio.sleep(0)
    await store.flush()
    await store.compact(today=0)
    garbage.freeze()
    begin(found, "the server is down")
    task = asyncio.create_task(live(store, found, found.readings))
    await asyncio.sleep(6)
    task.cancel()
    await store.compact(today=0)


async def up(server: VictoriaMetrics, store: Store, sink: Feeder, found: Outage) -> None:
    """Start the server; wait until the gap is filled while readings go on."""
    begin(found, "the gap is filled")
    task = asyncio.create_task(live(store, found, found.readings))
    await server.start()
    started = time.perf_counter()
    while not level(sink):
        await asyncio.sleep(0.1)
        if sink.track.now.gaps and sink.link.trouble is None:
            found.behind_s = max(found.behind_s, (sink.head - sink.track.now.live.after) / 4)
    found.fill_s = time.perf_counter() - started
    begin(found, "afterwards")
    await asyncio.sleep(3)
    task.cancel()
    await store.flush()
    while not level(sink) or sink.track.now.live.after < store.head():
        await asyncio.sleep(0.1)


def level(sink: Feeder) -> bool:
    """Whether nothing is left to be written but what has just come."""
    now = sink.track.now
    return not now.gaps and sink.link.trouble is None and sink.head - now.live.after <= feeding.BEHIND


async def counted(server: VictoriaMetrics, wanted: int) -> int:
    """Return how many readings the server shows, at the latest after some seconds."""
    count = 0
    for _ in range(20):
        await server.ask("/internal/force_flush")
        found = await server.query("sum(count_over_time(muster_icmp_outcome[10d]))")
        count = int(float(found[0]["value"][1])) if found else 0
        if count >= wanted:
            break
        await asyncio.sleep(0.5)
    return count


def tell_outage(found: Outage) -> None:
    """Print what an outage did."""
    rows = [(name, found.p99(name), max(found.lag_ms[name]), found.rss_mib[name]) for name in found.lag_ms]
    table(
        f"an outage of {found.readings / READINGS_A_SECOND / HOUR:.2f} h: {found.readings:,} readings,"
        f" {found.readings * len(METRICS):,} samples; filled in {found.fill_s:.0f} s",
        ("while", "lag p99, ms", "lag max, ms", "memory at its beginning, MiB"),
        rows,
    )
    print(f"stored {found.readings:,}, written {found.written:,}")


async def run(options: argparse.Namespace) -> list[Mark]:
    """Measure, print, and return the marks."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        home = Path(name)
        (home / "writing").mkdir()
        server = VictoriaMetrics(home / "writing")
        await server.start()
        rates = await writing(server, 8 if options.quick else 24)
        await server.kill()
        ours, plain, *_, objects = rates.values()
        rows = [(each, rate, rate * len(METRICS), rate / objects) for each, rate in rates.items()]
        table("per CPU second of the client", ("", "readings", "samples", "of Point objects"), rows)
        (home / "outage").mkdir()
        feeding.BEHIND = 8
        found = await outage(home / "outage", 180 if options.quick else int(options.hours * HOUR))
        tell_outage(found)
        lost: int | None = None
        if not options.quick:
            (home / "kills").mkdir()
            feeding.BEHIND = 240
            kept, written = await killed(home / "kills", KILLS, seed=20)
            lost = len(kept ^ written)
            print(f"{KILLS} kills: stored {len(kept):,}, written {len(written):,}, different {lost}")
    filling = "the gap is filled"
    return [
        Mark("of Point objects", ours / objects, 8, "x", at_least=True),
        Mark("of bare aiohttp", ours / plain, 0.9, "x", at_least=True),
        Mark("readings missing or too many after an outage", abs(found.readings - found.written), 0),
        Mark("loop's lag p99 while the gap is filled", found.p99(filling), 20, "ms"),
        Mark("live cursor behind while the gap is filled", found.behind_s, 10, "s"),
        Mark("memory that filling took", found.rss_mib["afterwards"] - found.rss_mib[filling], 100, "MiB"),
        Mark("readings different after 20 kills", lost, 0),
    ]


def main() -> int:
    """Run the benchmark; return 0 only where the marks hold."""
    parser = arguments(__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="how long the outage is")
    options = parser.parse_args()
    return judge(uvloop.run(run(options)), options.json)


if __name__ == "__main__":
    sys.exit(main())
