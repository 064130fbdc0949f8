"""host: this machine by psutil, and the same machine over SSH, telling the same."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from probes.api import Outcome, ProbeSettings
from probes.host.host import PROBE, HostParams
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.hostile import tcp_server
from tests.servers.sshd import Sshd, sshd

GIB = 2**30
FRESH_ONLY = {"connect_ms", "login_ms"}


def _settings(server: Sshd) -> ProbeSettings:
    return ProbeSettings(known_hosts=server.known_hosts)


def _block(server: Sshd) -> dict[str, Any]:
    return {"user": server.user, "port": server.port, "key": "secret:key"}


@pytest.mark.alone
async def test_both_ways_tell_the_same() -> None:
    async with sshd() as server, shared_here(_settings(server), {"key": server.private_key}) as shared:
        remote = await run_once("host", server.host, shared=shared, ssh=_block(server))
        local = await run_once("host", "local", shared=shared)
    assert (remote.outcome, local.outcome) == (Outcome.OK, Outcome.OK)
    assert remote.metrics.keys() - FRESH_ONLY == local.metrics.keys()
    assert remote.metrics.keys() <= {metric.name for metric in PROBE.metrics}
    for name in ("memory_total_bytes", "disk_total_bytes", "swap_total_bytes", "read_only_disks"):
        assert remote.metrics[name] == local.metrics[name], name
    for name in ("memory_used_pct", "disk_used_pct", "inode_used_pct"):
        assert remote.metrics[name] == pytest.approx(local.metrics[name], abs=3), name
    assert remote.metrics["uptime_s"] == pytest.approx(local.metrics["uptime_s"], abs=5)
    assert 0 <= remote.metrics["cpu_pct"] <= 100
    different = {n for n in remote.facts.keys() | local.facts if remote.facts.get(n) != local.facts.get(n)}
    assert different <= {"boot_time"}, "which only differs where a minute turns"
    assert remote.facts["kernel"] == os.uname().release


async def test_later_runs_need_one_command_and_rate_over_the_interval() -> None:
    async with sshd() as server, shared_here(_settings(server), {"key": server.private_key}) as shared:
        first = await run_once("host", server.host, shared=shared, ssh=_block(server))
        await asyncio.sleep(0.9)
        commands = server.log().count("Starting session")
        later = await run_once("host", server.host, shared=shared, ssh=_block(server))
        assert server.log().count("Starting session") == commands + 1
    assert "cpu_pct" in first.metrics
    assert "cpu_pct" in later.metrics
    assert "login" in first.phases
    assert "login" not in later.phases


async def test_a_first_run_without_time_for_a_second_sample_reports_no_rate() -> None:
    reading = await run_once("host", "local", timeout=1.5)
    assert reading.outcome is Outcome.OK
    assert "cpu_pct" not in reading.metrics
    assert "load1" in reading.metrics


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
async def test_a_loopback_address_without_a_login_is_this_machine(address: str) -> None:
    reading = await run_once("host", address)
    assert reading.outcome is Outcome.OK
    assert reading.facts["kernel"] == os.uname().release


async def test_busy_processors_are_seen() -> None:
    spinning = await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done")
    try:
        reading = await run_once("host", "local")
    finally:
        spinning.kill()
        await spinning.wait()
    assert reading.metrics["cpu_pct"] > 100 / (os.cpu_count() or 1) * 0.5


async def test_hardware_is_compared() -> None:
    wanted = {"memory": 4096 * GIB, "cpu_cores": 1}
    reading = await run_once("host", "local", hardware=wanted)
    assert reading.metrics["hardware_mismatches"] == 1
    assert reading.facts["hardware_differences"].startswith("memory: expected 4096.0 GiB, found ")
    reading = await run_once("host", "local", hardware={"cpu_cores": 1})
    assert reading.metrics["hardware_mismatches"] == 0
    assert reading.facts["hardware_differences"] == "none"


async def test_no_way_in_says_what_to_write() -> None:
    reading = await run_once("host", "10.255.255.1")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert "give an ssh block" in reading.detail


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"via": "ssh"}, "via: ssh needs an ssh block"),
        ({"ssh": {"user": "ops"}}, "give a key or a password"),
        ({"ssh": {"user": "ops", "password": "inline"}}, "an inline password is refused"),
        ({"hardware": {"ram": 1}}, "Extra inputs"),
    ],
)
def test_bad_parameters(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HostParams.model_validate(params)


@asynccontextmanager
async def _forced(command: str) -> AsyncIterator[tuple[Sshd, SharedHere]]:
    async with (
        sshd(f"ForceCommand {command}") as server,
        shared_here(_settings(server), {"key": server.private_key}) as shared,
    ):
        yield server, shared


async def test_a_host_that_is_no_linux_is_a_protocol_failure() -> None:
    async with _forced("echo hello") as (server, shared):
        reading = await run_once("host", server.host, shared=shared, ssh=_block(server))
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert "ends before its end mark" in reading.detail


async def test_noise_of_start_up_files_does_not_matter() -> None:
    async with _forced("echo motd; echo more >&2; exec $SSH_ORIGINAL_COMMAND") as (server, shared):
        reading = await run_once("host", server.host, shared=shared, ssh=_block(server))
    assert reading.outcome is Outcome.OK, reading.detail


@pytest.mark.parametrize(
    ("said", "kind", "detail"),
    [
        (b"Not allowed at this time\r\n", "inconclusive", "turns this monitor away"),
        (b"Exceeded MaxStartups\r\n", "protocol", "Exceeded MaxStartups"),
        (b"220 mail ESMTP\r\n", "protocol", "220 mail ESMTP"),
        (b"", "protocol", "handshake"),
    ],
)
async def test_what_a_server_says_instead_of_a_banner(said: bytes, kind: str, detail: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with tcp_server(handler) as port, shared_here(secrets={"key": ""}) as shared:
        block = {"user": "x", "port": port, "key": "secret:key"}
        reading = await run_once("host", "127.0.0.1", shared=shared, ssh=block)
    assert reading.kind == kind
    assert detail in reading.detail
