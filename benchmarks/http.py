"""`http` beside blackbox_exporter and a forked check_http, plain and TLS, a fresh connection each.

    python -m benchmarks.http [--quick] [--json FILE]

Compared are checks per CPU second of the checker, in one run, against one nginx on the other core; and
whether a loop that is held 5 ms in every 20 changes the time of the first byte. blackbox_exporter also serves
the request that starts each of its probes: that is how it is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import uvloop

from benchmarks.marks import Mark, arguments, judge, table
from monitor.shared import SharedClients
from probes.api import Context, Outcome, ProbeSettings, Target
from probes.measure import measure
from probes.network.http import PROBE
from tests.servers.certificates import Authority
from tests.servers.ports import free_port, until_listening

AT_ONCE = 20
ADDRESSES = [f"127.0.1.{number}" for number in range(1, 101)]
PLUGIN = "/usr/lib/nagios/plugins/check_http"
NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s; ssl_session_tickets off;
  server {{ listen {plain} backlog=4096; listen {secure} ssl backlog=4096;
    ssl_certificate {pem}; ssl_certificate_key {pem};
    location / {{ return 200 "ready\\n"; }} }} }}
"""
BLACKBOX = """
modules:
  plain: {{prober: http, timeout: 5s, http: {{preferred_ip_protocol: ip4}}}}
  secure:
    prober: http
    timeout: 5s
    http: {{preferred_ip_protocol: ip4, tls_config: {{ca_file: {ca}, server_name: localhost}}}}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """What is checked, and the blackbox_exporter that checks it, too."""

    plain: int
    secure: int
    ca: str
    exporter: int
    exporter_pid: int


@dataclass(frozen=True, slots=True)
class Figure:
    """Checks and the CPU seconds they cost the checker."""

    checks: int
    cpu: float
    wall: float

    @property
    def per_cpu_second(self) -> float:
        """Checks per CPU second."""
        return self.checks / self.cpu


@contextlib.asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Run nginx on the last core; blackbox_exporter and this process take turns on the first."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as running:
        directory, plain, secure, exporter = Path(name), free_port(), free_port(), free_port()
        authority = Authority(directory)
        pem = authority.issue("localhost", label="site").file
        (directory / "nginx.conf").write_text(
            NGINX.format(dir=directory, plain=plain, secure=secure, pem=pem)
        )
        (directory / "blackbox.yml").write_text(BLACKBOX.format(ca=authority.file))
        nginx = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", name, "-c", f"{name}/nginx.conf"]
        running.enter_context(_process(nginx, (os.cpu_count() or 1) - 1))
        blackbox = [
            shutil.which("prometheus-blackbox-exporter") or "blackbox_exporter",
            f"--config.file={name}/blackbox.yml", f"--web.listen-address=127.0.0.1:{exporter}",
        ]  # fmt: skip
        pid = running.enter_context(_process(blackbox, 0))
        os.sched_setaffinity(0, {0})
        await until_listening(plain)
        await until_listening(exporter)
        yield Site(plain, secure, str(authority.file), exporter, pid)


@contextlib.contextmanager
def _process(command: list[str], core: int) -> Iterator[int]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        os.sched_setaffinity(process.pid, {core})
        try:
            yield process.pid
        finally:
            process.terminate()


async def spread(checks: int, check: Callable[[str], Awaitable[None]], at_once: int = AT_ONCE) -> float:
    """Do `checks` checks over all addresses, some at once; return the seconds it took."""
    numbers = iter(range(checks))

    async def one_by_one() -> None:
        for number in numbers:
            await check(ADDRESSES[number % len(ADDRESSES)])

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one_by_one())
    return time.perf_counter() - start


@contextlib.asynccontextmanager
async def shared() -> AsyncIterator[SharedClients]:
    """What all runs share."""
    clients = SharedClients(ProbeSettings(), lambda name: name)
    try:
        yield clients
    finally:
        await clients.aclose()


async def muster(checks: int, params: dict[str, Any]) -> Figure:
    """Run our probe as the runner does."""
    validated = PROBE.params.model_validate(params)
    async with shared() as clients:

        async def check(address: str) -> None:
            reading = await measure(PROBE, Target(address), validated, Context(clients, 5.0))
            if reading.outcome is not Outcome.OK:
                raise RuntimeError(reading.detail)

        await spread(100, check)
        cpu = time.process_time()
        wall = await spread(checks, check)
        return Figure(checks, time.process_time() - cpu, wall)


async def blackbox(checks: int, here: Site, module: str) -> Figure:
    """Ask blackbox_exporter to probe, over kept connections, and take the CPU of its process."""
    scheme, port = ("http", here.plain) if module == "plain" else ("https", here.secure)
    process = psutil.Process(here.exporter_pid)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{here.exporter}") as session:

        async def check(address: str) -> None:
            query = {"module": module, "target": f"{scheme}://{address}:{port}/"}
            async with session.get("/probe", params=query) as response:
                if "probe_success 1" not in await response.text():
                    raise RuntimeError(f"blackbox_exporter: {module} {address} failed")

        await spread(100, check)
        before = process.cpu_times()
        wall = await spread(checks, check)
        after = process.cpu_times()
    return Figure(checks, after.user - before.user + after.system - before.system, wall)


async def plugin(checks: int, port: int) -> Figure:
    """Fork check_http for each check."""

    async def check(address: str) -> None:
        process = await asyncio.create_subprocess_exec(
            PLUGIN, "-I", address, "-p", str(port), stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait():
            raise RuntimeError(f"check_http {address} failed")

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    before = spent()
    wall = await spread(checks, check, at_once=4)
    return Figure(checks, spent() - before, wall)


async def first_byte(checks: int, port: int, *, busy: bool) -> list[float]:
    """Return the times of the first byte, one check after the other, with the loop idle or held."""
    validated = PROBE.params.model_validate({"port": port})
    times: list[float] = []

    async def hold() -> None:
        while True:
            time.sleep(0.005)  # the block is the subject
            await asyncio.sleep(0.015)

    async with shared() as clients:
        holder = asyncio.create_task(hold()) if busy else None
        for number in range(checks):
            target = Target(ADDRESSES[number % len(ADDRESSES)])
            reading = await measure(PROBE, target, validated, Context(clients, 5.0))
            times.append(reading.metrics["first_byte_ms"])
            await asyncio.sleep(0.001)
        if holder is not None:
            holder.cancel()
    return times


async def run(quick: bool) -> list[Mark]:
    """Measure everything in one run and return the marks."""
    count = 4_000 if quick else 20_000
    async with site() as here:
        secure = {"scheme": "https", "port": here.secure, "ca": here.ca, "host": "localhost"}
        figures = {
            "http muster": await muster(count, {"port": here.plain}),
            "http blackbox_exporter": await blackbox(count // 2, here, "plain"),
            "https muster": await muster(count // 2, secure),
            "https blackbox_exporter": await blackbox(count // 4, here, "secure"),
        }
        if Path(PLUGIN).exists():
            figures["http check_http"] = await plugin(200 if quick else 1000, here.plain)
        idle, busy = [await first_byte(count // 8, here.plain, busy=busy) for busy in (False, True)]
    _show(figures, idle, busy)
    plain = _ratio(figures, "http muster", "http blackbox_exporter")
    tls = _ratio(figures, "https muster", "https blackbox_exporter")
    return [
        Mark("plain http, checks per CPU second, of blackbox_exporter's", plain, 1.5, "x", at_least=True),
        Mark("https, of blackbox_exporter's", tls, 1.0, "x", at_least=True),
        Mark("first byte p50, loop held 5 ms in 20, away from idle", abs(_p50(busy) - _p50(idle)), 0.1, "ms"),
    ]  # fmt: skip


def _p50(times: list[float]) -> float:
    return statistics.median(times)


def _ratio(figures: dict[str, Figure], ours: str, theirs: str) -> float:
    return figures[ours].per_cpu_second / figures[theirs].per_cpu_second


def _show(figures: dict[str, Figure], idle: list[float], busy: list[float]) -> None:
    rows: list[tuple[object, ...]] = [
        (name, item.checks, item.per_cpu_second, item.cpu / item.checks * 1e6, item.checks / item.wall)
        for name, item in figures.items()
    ]
    table("a fresh connection each", ("checker", "checks", "per CPU second", "CPU us", "per second"), rows)
    loops = (("idle", idle), ("held", busy))
    rows = [(name, _p50(times), statistics.quantiles(times, n=100)[98]) for name, times in loops]
    table("time of the first byte, ms", ("loop", "p50", "p99"), rows)


def main() -> int:
    """Measure, print, judge."""
    options = arguments(__doc__).parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        marks = runner.run(run(options.quick))
    return judge(marks, options.json)


if __name__ == "__main__":
    sys.exit(main())
