"""Twenty checks of a host's software cost one SSH command a round: schedule, runner and pool as they are."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from monitor.job import Job
from monitor.runner import Runner
from monitor.schedule import Batch, Planned, Schedule
from monitor.shared import SharedClients
from probes._ssh import Result, SshParams, SshPool
from probes._ssh_session import Output
from probes.api import Context, ProbeSettings, ProbeSpec, Reading, Target
from probes.software._gather import Gatherer
from probes.software._host import HostParams, asked
from probes.software._script import Ask
from tests.servers.sshd import sshd

CHECKS = 20


class Software(HostParams):
    number: int


async def _run(target: Target, params: Software, context: Context) -> Reading:
    """Ask for the host's clock, so that the value tells how old it is."""
    answer = await asked(target, params, Ask("date +%s.%N; echo $1", (str(params.number),)), context)
    clock, number = answer.part.data.split()
    return Reading.ok({"clock": float(clock), "number": float(number)}, phases=answer.phases)


SPEC = ProbeSpec("software", "test", "for tests", Software, _run, together=True)


def jobs(host: str, ssh: dict[str, Any], every: float, address: str) -> list[Job]:
    params = [Software.model_validate({"number": n, "ssh": ssh}) for n in range(CHECKS)]
    target = Target(address, unit="u", asset=host)
    return [
        Job(f"u/{host}/c{n}", "u", host, f"c{n}", SPEC, target, params[n], every, every * 0.9)
        for n in range(CHECKS)
    ]


@pytest.mark.alone
async def test_a_host_with_twenty_checks_is_asked_once_a_round() -> None:
    readings: list[Reading] = []
    async with sshd() as server:
        secrets = {"key": server.private_key}
        shared = SharedClients(ProbeSettings(known_hosts=server.known_hosts), secrets.__getitem__)
        runner = Runner(shared, lambda _, reading: readings.append(reading))
        schedule = Schedule(runner.start_batch)
        schedule.begin()
        ssh = {"user": server.user, "port": server.port, "key": "secret:key"}
        schedule.put(jobs("pc1", ssh, 3, server.host))
        try:
            async with asyncio.timeout(20):
                while len(readings) < 3 * CHECKS:
                    await asyncio.sleep(0.05)
        finally:
            schedule.stop()
            await runner.drain(3)
            await shared.aclose()
        commands = server.log().count("Starting session: command")
    assert [reading.kind for reading in readings] == [""] * len(readings)
    assert commands == len(readings) / CHECKS
    assert {int(reading.metrics["number"]) for reading in readings} == set(range(CHECKS))
    assert all(reading.metrics["clock"] >= reading.at for reading in readings), (
        "no value is older than its run"
    )
    await asyncio.sleep(1.1)


class CountingPool(SshPool):
    """Answers what a host would, without one: the commands that it would be given are counted."""

    def __init__(self, shared: Any) -> None:
        super().__init__(shared)
        self.by_host: dict[str, int] = {}

    async def run(
        self, target: Target, params: SshParams, command: str, context: Context, stdin: bytes = b""
    ) -> Result:
        assert command == "sh -s"
        self.by_host[target.address] = self.by_host.get(target.address, 0) + 1
        context.phase = "command"
        await asyncio.sleep(0.02)
        lines = stdin.decode().splitlines()
        word, stages = lines[0].removeprefix("N="), sum(line.startswith(("s ", "{ s ")) for line in lines)
        frames = (f"\n{word} b {n}\n{time.time()} {n}\n{word} e {n} 0\n" for n in range(stages))
        return Result(Output("".join(frames).encode(), b"", 0), {"command": 20.0})


async def test_a_thousand_hosts_with_twenty_checks_cost_a_thousand_commands() -> None:
    shared = SharedClients(ProbeSettings(), lambda _: "")
    shared._clients[SshPool] = pool = CountingPool(shared)
    readings: list[Reading] = []
    runner = Runner(shared, lambda _, reading: readings.append(reading))
    ssh = {"user": "ops", "key": "secret:key"}
    loop = asyncio.get_running_loop()
    for number in range(1000):
        of_host = [
            Planned(job) for job in jobs(f"h{number}", ssh, 60, f"10.1.{number // 250}.{number % 250}")
        ]
        assert len({planned.after(0) for planned in of_host}) == 1
        runner.start_batch(Batch(loop.time(), of_host))
        await asyncio.sleep(0.002)
    async with asyncio.timeout(20):
        while len(readings) < 1000 * CHECKS:
            await asyncio.sleep(0.05)
    await shared.aclose()
    assert {reading.kind for reading in readings} == {""}
    assert len(pool.by_host) == 1000
    assert set(pool.by_host.values()) == {1}
    assert shared.get(Gatherer)._hosts == {}
