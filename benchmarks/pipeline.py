"""The whole daemon on a load of loopback checks, beside blackbox_exporter at the same work in the same run.

    python -m benchmarks.pipeline [--quick] [--json FILE] [--minutes N]

Half of the checks are icmp (one packet), a quarter tcp, a quarter plain http, from an inventory, through
probe, store, state and incident. The daemon is `muster run` in a process of its own; its figures are those of
its own /metrics and of the kernel (`/proc`), its child process counted apart. The target is nginx.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from benchmarks.marks import Mark, arguments, judge, table
from benchmarks.running import Daemon, nginx, process, quantile, wait_for
from tests.servers.ports import free_port

ASSETS_PER_UNIT = 20
CHECKS_PER_ASSET = 4
BLACKBOX_MODULES = """
modules:
  icmp: {prober: icmp, timeout: 5s, icmp: {preferred_ip_protocol: ip4}}
  tcp_connect: {prober: tcp, timeout: 5s}
  http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}
"""


@dataclass(frozen=True, slots=True)
class Load:
    """So many checks, each so often (seconds), measured for so long after a settling time."""

    checks: int
    every: float
    seconds: float
    settle: float = 10.0

    @property
    def per_minute(self) -> float:
        """Checks a minute."""
        return self.checks / self.every * 60


@dataclass(frozen=True, slots=True)
class Figures:
    """What one load gave."""

    rate: float
    user: float
    system: float
    child: float
    lag_p50: float
    lag_p99: float
    lag_worst: float
    stalls: float
    worst_stall: float
    missed: float
    shed: float
    false_failures: float
    rss_mib: float
    per_100k: float
    """CPU seconds per 100,000 checks, the child's included."""


def write_inventory(directory: Path, load: Load, port: int) -> None:
    """Write an inventory with that many checks; every asset has an address of its own."""
    lines = ["version: 1", "units:"]
    assets = load.checks // CHECKS_PER_ASSET
    for number in range(assets):
        if number % ASSETS_PER_UNIT == 0:
            unit = number // ASSETS_PER_UNIT
            lines += [f"  - id: u{unit}", f"    name: Unit {unit}", "    level: hall", "    assets:"]
        address = f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"
        timing = f"every: {load.every:g} s, timeout: {min(4.0, load.every * 0.8):g} s"
        lines += [
            f"      - id: a{number % ASSETS_PER_UNIT}",
            "        kind: host",
            f"        address: {address}",
            "        depends_on: []",
            "        checks:",
            f"          - {{probe: icmp, count: 1, {timing}}}",
            f"          - {{probe: icmp, id: icmp2, count: 1, {timing}}}",
            f"          - {{probe: tcp, port: {port}, {timing}}}",
            f"          - {{probe: http, scheme: http, port: {port}, {timing}}}",
        ]
    (directory / "inventory.yaml").write_text("\n".join(lines) + "\n", "utf-8")


def write_settings(home: Path) -> tuple[Path, str]:
    """Write a daemon's settings for the inventory beside them; return their file and where it will listen."""
    web, settings = free_port(), home / "muster.toml"
    settings.write_text(
        f'[daemon]\nstate_dir = "{home}/state"\ninventory = "inventory.yaml"\nlog_level = "error"\n'
        f'[web]\nlisten = "127.0.0.1:{web}"\nmax_series = 0\n',
        "utf-8",
    )
    return settings, f"http://127.0.0.1:{web}"


def measure(load: Load, directory: Path, port: int) -> Figures:
    """Run the daemon on a load and return its figures."""
    home = Path(tempfile.mkdtemp(dir=directory))
    write_inventory(home, load, port)
    settings, url = write_settings(home)
    command = [sys.executable, "-m", "monitor.cli", "run", "-c", str(settings)]
    with process(command) as running:
        wait_for(f"{url}/readyz")
        daemon = Daemon(running.pid, url)
        time.sleep(load.settle)
        before, cpu_before, start = daemon.figures(), daemon.cpu(), time.monotonic()
        time.sleep(load.seconds)
        after, cpu_after, took = daemon.figures(), daemon.cpu(), time.monotonic() - start
        return _figures(before, after, cpu_before, cpu_after, took, daemon.rss_mib())


def _figures(
    before: dict[str, float],
    after: dict[str, float],
    cpu_before: tuple[float, float, float],
    cpu_after: tuple[float, float, float],
    took: float,
    rss: float,
) -> Figures:
    def grown(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    runs = grown("muster_lag_ms_count")
    user, system, child = (b - a for a, b in zip(cpu_before, cpu_after, strict=True))
    return Figures(
        rate=runs / took * 60,
        user=user / took * 100,
        system=system / took * 100,
        child=child / took * 100,
        lag_p50=quantile(before, after, 0.5),
        lag_p99=quantile(before, after, 0.99),
        lag_worst=after["muster_lag_worst_ms"],
        stalls=grown("muster_loop_stalls_total"),
        worst_stall=after["muster_loop_late_worst_ms"],
        missed=grown("muster_runs_missed_total"),
        shed=grown("muster_runs_shed_total"),
        false_failures=grown("muster_readings_total{outcome=failed}"),
        rss_mib=rss,
        per_100k=(user + system) / max(1.0, runs) * 100_000,
    )


async def ask_blackbox(base: str, port: int, seconds: float) -> int:
    """Ask blackbox_exporter for the same mix as fast as it can, 50 at once; return how many it probed."""
    end, done = time.monotonic() + seconds, 0
    kinds = ["icmp", "tcp_connect", "icmp", "http_2xx"]

    async def worker(session: aiohttp.ClientSession, number: int) -> None:
        nonlocal done
        while time.monotonic() < end:
            number += 50
            module = kinds[number % 4]
            host = f"127.1.{number // 250 % 250}.{1 + number % 250}"
            target = {"icmp": host, "tcp_connect": f"{host}:{port}", "http_2xx": f"http://{host}:{port}/"}[
                module
            ]
            async with session.get(f"{base}/probe", params={"module": module, "target": target}) as answer:
                text = await answer.text()
            assert "probe_success 1" in text, f"blackbox_exporter failed on {module} {target}: {text[-300:]}"
            done += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(worker(session, n) for n in range(50)))
    return done


def blackbox(directory: Path, port: int, seconds: float) -> float:
    """Return the peer's CPU seconds per 100,000 checks of the same mix."""
    config, listen = directory / "blackbox.yml", free_port()
    config.write_text(BLACKBOX_MODULES, "utf-8")
    program = shutil.which("prometheus-blackbox-exporter") or "/usr/bin/prometheus-blackbox-exporter"
    command = [
        program,
        f"--config.file={config}",
        f"--web.listen-address=127.0.0.1:{listen}",
        "--log.level=error",
    ]
    with process(command) as running:
        wait_for(f"http://127.0.0.1:{listen}/-/healthy")
        peer = psutil.Process(running.pid)
        before = peer.cpu_times()
        done = asyncio.run(ask_blackbox(f"http://127.0.0.1:{listen}", port, seconds))
        after = peer.cpu_times()
    return (after.user + after.system - before.user - before.system) / done * 100_000


def show(title: str, figures: Figures) -> None:
    """Print one load's figures."""
    rows = [(name, getattr(figures, name)) for name in Figures.__slots__]
    table(title, ("figure", "value"), rows)


def marks_of_the_day(figures: Figures | None, minutes: float) -> list[Mark]:
    """Return the marks of 100,000 checks a minute."""

    def of(name: str) -> float | None:
        return getattr(figures, name) if figures else None

    own = figures.user + figures.system if figures else None
    return [
        Mark("100k/min: checks a minute", of("rate"), 99_000, at_least=True),
        Mark("100k/min: lag p99", of("lag_p99"), 20, "ms"),
        Mark("100k/min: lag max", of("lag_worst"), 100, "ms"),
        Mark("100k/min: stalls over 50 ms", of("stalls"), 0),
        Mark("100k/min: missed", of("missed"), 0),
        Mark("100k/min: shed", of("shed"), 0),
        Mark("100k/min: false failures", of("false_failures"), 0),
        Mark("100k/min: user CPU", of("user"), 30, "% of a core"),
        Mark("100k/min: all CPU", own, 40, "% of a core"),
        Mark("RSS after an hour", of("rss_mib") if minutes >= 60 else None, 400, "MiB"),
    ]


def marks_of_the_rush(figures: Figures | None) -> list[Mark]:
    """Return the marks of 300,000 checks a minute."""
    return [
        Mark("300k/min: missed", figures.missed if figures else None, 0),
        Mark("300k/min: shed", figures.shed if figures else None, 0),
        Mark("300k/min: lag p99", figures.lag_p99 if figures else None, 150, "ms"),
    ]


def marks_of_the_flood(figures: Figures | None) -> list[Mark]:
    """Return the marks of three times what it can do."""
    return [
        Mark("overload: false failures", figures.false_failures if figures else None, 0),
        Mark("overload: shed and counted", figures.shed if figures else None, 1, at_least=True),
    ]


def main() -> int:
    """Run the benchmark; return its exit status."""
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long 100,000 a minute are measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        directory, port = Path(name), free_port()
        with nginx(directory, port):
            seconds = 15.0 if options.quick else options.minutes * 60
            day = measure(
                Load(25_000 if options.quick else 100_000, 15 if options.quick else 60, seconds),
                directory,
                port,
            )
            peer = blackbox(directory, port, 6.0 if options.quick else 20.0)
            show("100,000 checks a minute", day)
            rush = flood = None
            if not options.quick:
                rush = measure(Load(100_000, 20, 60), directory, port)
                show("300,000 checks a minute", rush)
                flood = measure(Load(100_000, 3, 40), directory, port)
                show("2,000,000 checks a minute", flood)
    ratio = peer / day.per_100k
    rows = [("muster, whole pipeline", day.per_100k), ("blackbox_exporter", peer), ("ratio", ratio)]
    table("CPU seconds per 100,000 checks", ("program", "value"), rows)
    marks = [*marks_of_the_day(day, 0 if options.quick else options.minutes), *marks_of_the_rush(rush)]
    return judge([*marks, *marks_of_the_flood(flood)], options.json)


if __name__ == "__main__":
    sys.exit(main())
