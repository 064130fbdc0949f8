"""A command on a kept SSH connection beside a forked ssh, on one sshd of loopback.

    python -m benchmarks.ssh [--quick] [--json FILE]

The command is `cat /proc/meminfo`, given through the pool that `host` and `exec` use; both clients log in
with the same key. Compared is the CPU of the client alone: sshd's is its own process's. The row of the `host`
probe is what one whole reading costs: all that a host tells, in one command.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import uvloop

from benchmarks.marks import Mark, arguments, judge, table
from monitor.shared import SharedClients
from probes._ssh import SshParams, SshPool
from probes.api import Context, Outcome, ProbeSettings, Target
from probes.host.host import PROBE
from probes.measure import measure
from tests.servers.sshd import Sshd, sshd

COMMAND = "cat /proc/meminfo"
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Figure:
    """What one way of asking costs: CPU of the client and time a command, and commands a second at once."""

    cpu_ms: float
    p50_ms: float
    per_second: float


async def measured(once: Callable[[], Awaitable[None]], number: int, spent: Callable[[], float]) -> Figure:
    """Ask `number` times one after the other, then as often by 8 at once."""
    took = []
    cpu = spent()
    for _ in range(number):
        start = time.perf_counter()
        await once()
        took.append((time.perf_counter() - start) * 1000)
    cpu = spent() - cpu
    left = iter(range(number))

    async def worker() -> None:
        for _ in left:
            await once()

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return Figure(cpu / number * 1000, statistics.median(took), number / (time.perf_counter() - start))


def forked_spent() -> float:
    """CPU seconds of the processes we forked and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime + time.process_time()


async def forked(server: Sshd, number: int) -> Figure:
    """Fork OpenSSH's client for each command."""
    command = server.ssh_command(COMMAND)

    async def once() -> None:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert output.startswith(b"MemTotal"), output

    return await measured(once, number, forked_spent)


async def kept(server: Sshd, shared: SharedClients, number: int) -> Figure:
    """Give the command over the pool's kept connection."""
    pool, target = shared.get(SshPool), Target(server.host)
    params = SshParams.model_validate(_block(server))

    async def once() -> None:
        result = await pool.run(target, params, COMMAND, Context(shared, 10.0))
        assert result.output.stdout.startswith(b"MemTotal")

    await once()
    return await measured(once, number, time.process_time)


async def host(server: Sshd, shared: SharedClients, number: int) -> Figure:
    """Take whole readings of the probe, once it has its first sample."""
    params, target = PROBE.params.model_validate({"ssh": _block(server)}), Target(server.host)

    async def once() -> None:
        reading = await measure(PROBE, target, params, Context(shared, 1.9))
        assert reading.outcome is Outcome.OK, reading.detail

    await once()
    return await measured(once, number, time.process_time)


def _block(server: Sshd) -> dict[str, object]:
    return {"user": server.user, "port": server.port, "key": "secret:key"}


async def run(*, quick: bool) -> list[Mark]:
    """Measure all and return the marks."""
    async with sshd("MaxStartups 100:30:200") as server:
        shared = SharedClients(ProbeSettings(known_hosts=server.known_hosts), lambda _: server.private_key)
        try:
            ours = await kept(server, shared, 200 if quick else 1000)
            whole = await host(server, shared, 50 if quick else 200)
        finally:
            await shared.aclose()
        theirs = await forked(server, 20 if quick else 100)
    names = (
        ("muster, kept connection", ours),
        ("muster, a whole host reading", whole),
        ("forked ssh", theirs),
    )
    rows = [(name, figure.cpu_ms, figure.p50_ms, figure.per_second) for name, figure in names]
    table(f"ssh: {COMMAND}", ("", "client CPU ms", "p50 ms", f"a second, {AT_ONCE} at once"), rows)
    return [
        Mark("client CPU less than forked ssh", theirs.cpu_ms / ours.cpu_ms, 50, "x", at_least=True),
        Mark("p50 of a command, unloaded", ours.p50_ms, 5, "ms"),
    ]


def main() -> int:
    """Measure, print, judge."""
    options = arguments(__doc__).parse_args()
    return judge(uvloop.run(run(quick=options.quick)), options.json)


if __name__ == "__main__":
    sys.exit(main())
