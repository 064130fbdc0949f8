"""The gate on a real uplink that is cut: real witnesses, echoes and store, in namespaces of their own."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from monitor import fresh
from monitor.isolation.gate import Answer
from monitor.isolation.gatekeeper import Gatekeeper, Witness
from monitor.isolation.witness_settings import Endpoint, WitnessSettings, endpoint
from monitor.job import Job
from monitor.pipeline import Pipeline
from monitor.runner import Runner
from monitor.shared import SharedClients
from monitor.store.engine import Store
from probes import registry
from probes.api import Outcome, ProbeSettings, Reading, Target
from tests.run.jobs import no_secrets, shared
from tests.servers.link import DEVICE, Link, link, mac, needs_link

ECHO, SERVICE = "10.88.0.3", "10.88.0.4"
"""The witnesses: one that echoes, one with a port."""
TARGETS = {"u/steady/icmp": "10.88.0.2", "u/breaks/icmp": "10.88.0.5"}
PORT = 7443
EVERY_S, TIMEOUT_S = 0.4, 0.35


class Nobody:
    def on_reading(self, job: Job, reading: Reading) -> None:
        """Believe nothing."""


def jobs() -> list[Job]:
    spec = registry.get("icmp")
    params = spec.params.model_validate({"count": 2, "interval": 0.02, "wait": 0.25})
    return [
        Job(key, "u", key.split("/")[1], "icmp", spec, Target(address), params, EVERY_S, TIMEOUT_S)
        for key, address in TARGETS.items()
    ]


class Monitor:
    """Probes through the gate into a store."""

    def __init__(self, directory: Path, line: Link) -> None:
        self.line, self.store = line, Store.open(directory)
        self.clients = SharedClients(ProbeSettings(), no_secrets)
        addresses = (ECHO, f"{SERVICE}:{PORT}")
        pipeline = Pipeline(self.store, Nobody())
        self.keeper = Gatekeeper(WitnessSettings(addresses=addresses, hold=0), self.clients, pipeline)
        self.runner = Runner(self.clients, self.keeper)
        self.isolated: list[float] = []
        self.connected: list[float] = []
        self.keeper.on_isolated, self.keeper.on_connected = self.isolated.append, self.connected.append

    async def run(self, course: Callable[[], Awaitable[None]]) -> None:
        self.runner.wheel.start()
        tasks = [asyncio.ensure_future(each) for each in (self.keeper.run(), self._probing())]
        try:
            await course()
        finally:
            tasks[1].cancel()
            await self.runner.drain(1)
            self.keeper.close()
            tasks[0].cancel()
            await asyncio.wait(tasks)
            self.runner.wheel.stop()
            await self.store.flush()
            await self.clients.aclose()

    async def _probing(self) -> None:
        while True:
            for job in jobs():
                self.runner.start(job, asyncio.get_running_loop().time())
            await asyncio.sleep(EVERY_S)

    def outcomes(self, check: str, start: float, end: float) -> Counter[int]:
        return Counter(self.store.outcomes(check, start, end).outcomes.tolist())


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not found():
            await asyncio.sleep(0.05)


def prepare(line: Link) -> socket.socket:
    """Give the far side the addresses of the witnesses and of the target that will break; serve a port."""
    extra = (ECHO, SERVICE, TARGETS["u/breaks/icmp"])
    line.far.ip(*(f"addr add {address}/24 dev {DEVICE}" for address in extra))
    line.near.ip(*(f"neigh replace {each} lladdr {mac(1)} dev {DEVICE} nud permanent" for each in extra))
    return line.far.do(lambda: socket.create_server((SERVICE, PORT)))


OK, FAILED, NOT_RUN = 0, 1, 3


@needs_link
@pytest.mark.alone
async def test_a_lost_uplink_blames_nobody_and_a_single_dead_target_is_told_soon(tmp_path: Path) -> None:
    async with link(relay=True) as line:
        with await asyncio.to_thread(prepare, line):
            await line.near.loop(lambda: course(tmp_path, line))


async def course(directory: Path, line: Link) -> None:
    monitor = Monitor(directory, line)
    marks: list[float] = []

    async def steps() -> None:
        await until(lambda: bool(monitor.connected))
        await asyncio.sleep(0.5)
        marks.append(time.time())
        line.cut()
        await until(lambda: bool(monitor.isolated))
        await asyncio.sleep(1.2)
        latest = [monitor.store.latest(check) for check in TARGETS]
        assert [each.attempt.kind for each in latest if each] == ["isolated", "isolated"]
        marks.append(time.time())
        line.heal()
        await until(lambda: len(monitor.connected) == 2)
        marks.append(time.time())
        await asyncio.sleep(0.5)
        assert monitor.keeper.gate.isolated_s > 2
        line.far.ip(f"addr del {TARGETS['u/breaks/icmp']}/24 dev {DEVICE}")
        marks.append(time.time())
        await until(lambda: monitor.keeper.gate.counters.confirmed > 1)

    try:
        await monitor.run(steps)
        judge(monitor, marks)
    finally:
        monitor.store.close()


def judge(monitor: Monitor, marks: list[float]) -> None:
    cut, healed, connected, broken = marks
    for check in TARGETS:
        assert set(monitor.outcomes(check, 0, cut - TIMEOUT_S)) == {OK}
        span = monitor.outcomes(check, cut, healed)
        assert span[NOT_RUN] >= 4
        assert FAILED not in monitor.outcomes(check, 0, broken - TIMEOUT_S)
    assert set(monitor.outcomes("u/steady/icmp", connected, broken + 9)) == {OK}
    assert monitor.outcomes("u/breaks/icmp", broken, broken + 2)[FAILED] > 1
    assert len(monitor.isolated) == 1


@needs_link
async def test_witnesses_that_we_may_not_ask_hold_nothing_back() -> None:
    async with link(relay=True) as line:
        await asyncio.to_thread(line.near.ip, f"addr add 10.99.0.1/24 dev {DEVICE}")
        await line.near.loop(forbidden)


async def forbidden() -> None:
    """Name broadcast addresses as witnesses: the kernel refuses echoes to them."""
    clients, passed = shared(), list[Reading]()
    settings = WitnessSettings(addresses=("10.88.0.255", "10.99.0.255"))
    keeper = Gatekeeper(settings, clients, lambda _, each: passed.append(each))
    asking = asyncio.ensure_future(keeper.run())
    try:
        keeper(jobs()[0], Reading(Outcome.FAILED, "timeout"))
        await until(lambda: bool(passed))
    finally:
        asking.cancel()
        await asyncio.wait([asking])
        await clients.aclose()
    assert [(each.outcome, each.kind) for each in passed] == [(Outcome.FAILED, "timeout")]
    assert [(each.answer, each.unasked > 0) for each in keeper.witnesses] == [(Answer.UNASKED, True)] * 2
    assert keeper.gate.isolated_at is None


@needs_link
async def test_a_short_isolation_is_counted_and_told_to_nobody(tmp_path: Path) -> None:
    async with link(relay=True) as line:
        with await asyncio.to_thread(prepare, line):
            await line.near.loop(lambda: blink(line))


async def blink(line: Link) -> None:
    clients, told = shared(), list[str]()
    settings = WitnessSettings(addresses=(ECHO, f"{SERVICE}:{PORT}"), every=1, hold=30)
    keeper = Gatekeeper(settings, clients, lambda _, each: None)
    keeper.on_isolated = lambda _: told.append("isolated")
    keeper.on_connected = lambda _: told.append("connected")
    line.cut()
    asking = asyncio.ensure_future(keeper.run())
    try:
        await until(lambda: keeper.gate.isolated_at is not None)
        line.heal()
        await until(lambda: keeper.gate.isolated_at is None)
    finally:
        asking.cancel()
        await asyncio.wait([asking])
        await clients.aclose()
    assert told == ["connected"]
    assert keeper.gate.isolated_s > 1


@needs_link
async def test_a_run_by_hand_without_a_daemon_blames_nobody_either(tmp_path: Path) -> None:
    async with link(relay=True) as line:
        with await asyncio.to_thread(prepare, line):
            line.cut()
            readings = await line.near.loop(by_hand)
    assert [(each.outcome, each.kind) for each in readings] == [(Outcome.NOT_RUN, "isolated")] * 2


async def by_hand() -> list[Reading]:
    clients, settings = shared(), WitnessSettings(addresses=(ECHO, f"{SERVICE}:{PORT}"))
    try:
        async with fresh.own(clients, None, witnesses=settings) as prober:
            return [each async for each in prober.run(jobs())]
    finally:
        await clients.aclose()


async def test_a_witness_whose_name_is_lost_is_asked_at_the_address_it_had() -> None:
    clients = SharedClients(ProbeSettings(resolvers=("127.0.0.1",)), no_secrets)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        lost = Witness("lost", endpoint(f"nowhere.example:{port}"))
        assert await lost.ask(clients) is Answer.UNRESOLVED
        lost.known = "127.0.0.1"
        assert await lost.ask(clients) is Answer.ANSWERED
    finally:
        server.close()
        await clients.aclose()


async def test_without_witnesses_everything_passes() -> None:
    passed: list[Reading] = []
    keeper = Gatekeeper(WitnessSettings(), shared(), lambda _, each: passed.append(each))
    over: list[float] = []
    keeper.on_connected = over.append
    await keeper.run()
    assert [abs(at - time.time()) < 5 for at in over] == [True], "an isolation found before ends"
    keeper(jobs()[0], Reading(Outcome.FAILED, "timeout"))
    assert [each.kind for each in passed] == ["timeout"]


async def test_a_reading_that_cannot_be_taken_ends_nothing_and_keeps_no_other_back() -> None:
    clients, passed = shared(), list[str]()

    def forward(job: Job, reading: Reading) -> None:
        if job.id == "u/steady/icmp":
            raise sqlite3.OperationalError("disk I/O error")
        passed.append(job.id)

    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    near = Witness("near", Endpoint("127.0.0.1", server.sockets[0].getsockname()[1]))
    keeper = Gatekeeper(WitnessSettings(addresses=(ECHO, SERVICE)), clients, forward)
    keeper.witnesses = [near]
    for job in jobs():
        keeper(job, Reading(Outcome.FAILED, "timeout"))
    asking = asyncio.ensure_future(keeper.run())
    try:
        await until(lambda: keeper.rounds > 1)
        assert not asking.done()
    finally:
        asking.cancel()
        await asyncio.wait([asking])
        server.close()
        await clients.aclose()
    assert passed == ["u/breaks/icmp"]
