"""One probe beside its peers: checks per CPU second of whoever checks, on the same targets in the same run.

Muster is its runner and its probe in this process (no store, no state: those are `benchmarks.pipeline`'s);
blackbox_exporter is asked over HTTP by another process's account, so only its own CPU counts; a plugin is
forked per check, and what forking costs the checker counts, as it does in every checker that forks.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from monitor.job import Job
from monitor.runner import Runner
from monitor.schedule import SLOT_S
from monitor.shared import SharedClients
from probes import registry
from probes.api import Outcome, ProbeSettings, Reading, Target
from tests.servers.ports import free_port, until_listening

AT_ONCE = 50
PER_MINUTE = 100_000
PLUGINS = Path("/usr/lib/nagios/plugins")
BLACKBOX = """
modules:
  icmp: {prober: icmp, timeout: 5s, icmp: {preferred_ip_protocol: ip4}}
  tcp_connect: {prober: tcp, timeout: 5s}
"""
NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr crit;
events { worker_connections 8192; }
http { access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u;
  scgi_temp_path s; server { listen PORT backlog=8192; return 204; } }
"""


def loopback(number: int) -> str:
    """Return one of 10,000 loopback addresses."""
    return f"127.1.{number // 100 % 100}.{1 + number % 100}"


@contextmanager
def serving(port: int, *command: str) -> Iterator[int]:
    """Run a program that listens on `port`; give its process id."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            asyncio.run(until_listening(port))
            yield process.pid
        finally:
            process.terminate()


@contextmanager
def acceptor(directory: Path) -> Iterator[int]:
    """Run nginx accepting on all loopback addresses; give its port."""
    port, config = free_port(), directory / "nginx.conf"
    config.write_text(NGINX.replace("PORT", str(port)), "utf-8")
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with serving(port, program, "-p", str(directory), "-c", str(config)):
        yield port


def jobs(probe: str, number: int, **params: Any) -> list[Job]:
    """Return jobs of one probe on as many loopback addresses."""
    spec = registry.get(probe)
    checked = spec.params.model_validate(params)
    return [
        Job(f"u/a{n}/{probe}", "u", f"a{n}", probe, spec, Target(loopback(n)), checked, 60.0, 5.0)
        for n in range(number)
    ]


@asynccontextmanager
async def clients() -> AsyncIterator[SharedClients]:
    """Give what probes share, with nothing secret in it."""
    shared = SharedClients(ProbeSettings(), lambda name: name)
    try:
        yield shared
    finally:
        await shared.aclose()


async def muster(planned: Sequence[Job], seconds: float) -> float:
    """Run the checks at 100,000 a minute; return checks per CPU second."""
    readings, used = await readings_of(planned, seconds)
    return len(readings) / used


async def readings_of(planned: Sequence[Job], seconds: float) -> tuple[list[Reading], float]:
    """Run the checks in 10 ms slots through the runner; return their readings and the CPU seconds."""
    readings: list[Reading] = []
    async with clients() as shared:
        runner = Runner(shared, lambda _, reading: readings.append(reading))
        runner.wheel.start()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        cpu = time.process_time()
        await _feed(runner, planned, seconds)
        while runner.in_flight:
            await asyncio.sleep(0.05)
        used = time.process_time() - cpu
        runner.wheel.stop()
    bad = [reading for reading in readings if reading.outcome is not Outcome.OK]
    assert not bad, f"{len(bad)} of {len(readings)} checks did not pass: {bad[0]}"
    return readings, used


async def _feed(runner: Runner, planned: Sequence[Job], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    start, started = loop.time(), 0
    while (passed := loop.time() - start) < seconds:
        due = loop.time()
        for number in range(started, int(passed * PER_MINUTE / 60)):
            runner.start(planned[number % len(planned)], due)
        started = int(passed * PER_MINUTE / 60)
        await asyncio.sleep(SLOT_S)


def blackbox(directory: Path, module: str, seconds: float, suffix: str = "") -> float:
    """Return blackbox_exporter's checks per CPU second, asked by 50 at once."""
    config, listen = directory / "blackbox.yml", free_port()
    config.write_text(BLACKBOX, "utf-8")
    program = shutil.which("prometheus-blackbox-exporter") or "blackbox_exporter"
    options = (f"--config.file={config}", f"--web.listen-address=127.0.0.1:{listen}", "--log.level=error")
    with serving(listen, program, *options) as pid:
        peer = psutil.Process(pid)
        before = peer.cpu_times()
        done = asyncio.run(_ask(f"http://127.0.0.1:{listen}/probe", module, suffix, seconds))
        after = peer.cpu_times()
    return done / (after.user + after.system - before.user - before.system)


async def _ask(url: str, module: str, suffix: str, seconds: float) -> int:
    end, done, failed = time.monotonic() + seconds, 0, 0

    async def worker(session: aiohttp.ClientSession, number: int) -> None:
        nonlocal done, failed
        while time.monotonic() < end:
            query = {"module": module, "target": loopback(number) + suffix}
            async with session.get(url, params=query) as answer:
                failed += "probe_success 1" not in await answer.text()
            number += AT_ONCE
            done += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(worker(session, number) for number in range(AT_ONCE)))
    assert failed < done / 100, f"blackbox_exporter failed {failed} of {done} checks of {module}"
    return done


def plugin(name: str, *arguments: str, number: int = 200) -> float:
    """Return a forked plugin's checks per CPU second, the forking process's share included."""
    before, own = resource.getrusage(resource.RUSAGE_CHILDREN), time.process_time()
    for n in range(number):
        command = [str(PLUGINS / name), "-H", loopback(n), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return number / (children + time.process_time() - own)
