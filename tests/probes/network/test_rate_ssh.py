"""`throughput` through an SSH pipe: real sshds behind emulated links, and hosts that are no good for it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from probes._sockets import U32
from probes.api import Context, Outcome, ProbeSettings, Reading
from probes.network import throughput as _probe  # noqa: F401 - imported before the loop runs
from probes.network._rate_params import ThroughputParams
from probes.network._rate_ssh import INFO_SIZE, NOTSENT_AT, RCV_SSTHRESH_AT, Looks
from tests.probes.network.test_throughput import Allowed
from tests.probing import run_once, shared_here
from tests.servers.link import Link, ip_rate, link, needs_link
from tests.servers.sshd import Sshd, sshd

pytestmark = pytest.mark.alone


async def run(
    server: Sshd, allowed: Allowed | None = None, timeout: float = 20.0, user: str = "", **params: Any
) -> Reading:
    login = {"user": user or server.user, "port": server.port, "key": "secret:key"}
    asked: dict[str, Any] = {"method": "ssh", "ssh": login, "directions": "up", **params}
    settings = ProbeSettings(known_hosts=server.known_hosts)
    async with shared_here(settings, {"key": server.private_key}) as shared:
        context = Context(shared, timeout, link=allowed)
        return await run_once(
            "throughput", server.host, shared=shared, context=context, timeout=timeout, **asked
        )


@asynccontextmanager
async def line_with_host(**shape: Any) -> AsyncIterator[tuple[Link, Sshd]]:
    async with link(**shape) as line, sshd(host=line.far_address, inside=line.far) as server:
        yield line, server


@needs_link
@pytest.mark.parametrize("rate", [2e6, 10e6])
async def test_the_rate_each_way(rate: float) -> None:
    allowed = Allowed(up_bps=rate, down_bps=rate)
    async with line_with_host(up=rate, down=rate, rtt_ms=20) as (line, server):
        reading = await line.near.loop(
            lambda: run(server, allowed, directions="both", transfer_bytes=2_000_000)
        )
        up, down = (await line.traffic("up")).ip_bytes, (await line.traffic("down")).ip_bytes
    goodput = ip_rate(rate) * 1448 / 1500
    assert reading.metrics["transfer_up_bps"] == pytest.approx(goodput, rel=0.02)
    assert reading.metrics["transfer_down_bps"] == pytest.approx(goodput, rel=0.02)
    assert (reading.facts["method"], reading.facts["decided_up"]) == ("ssh", "at_least")
    assert not {"capacity_up_bps", "capacity_down_bps"} & reading.metrics.keys()
    assert {"connect", "handshake", "login"} <= reading.phases.keys()
    assert up < reading.metrics["received_bytes"] * 1.1 + 150_000, "it stopped when it had settled"
    assert down < reading.metrics["sent_bytes"] * 1.1 + 150_000


async def test_few_bytes_decide_nothing() -> None:
    allowed = Allowed(max_bytes=100_000)
    async with sshd() as server:
        reading = await run(server, allowed)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail == "up: a transfer did not settle before the bytes allowed were used up"
    assert sum(allowed.used.values()) < 110_000


async def test_others_who_suffer_end_it() -> None:
    allowed = Allowed(max_bytes=10**9, stop_after=1)
    async with sshd() as server:
        reading = await run(server, allowed, transfer_bytes=1_000_000_000)
    assert (reading.kind, reading.detail) == ("inconclusive", "stopped: others suffer")
    assert sum(allowed.used.values()) < 100_000_000


async def test_a_host_that_runs_no_such_command_tells_nothing() -> None:
    async with sshd("ForceCommand echo no shell for you >&2; exit 127") as server:
        reading = await run(server)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail == "the host did not run the command (exit status 127): no shell for you "
    assert not [name for name in reading.metrics if "bps" in name]


async def test_a_host_that_sends_without_end_is_bounded() -> None:
    allowed = Allowed()
    async with sshd("ForceCommand cat /dev/zero") as server:
        reading = await run(server, allowed, transfer_bytes=500_000)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert allowed.used["up"] < 10_000_000


async def test_an_unknown_host_key_and_a_refused_login_move_nothing() -> None:
    async with sshd() as server:
        strange = await run(server, user="nobody-of-that-name")
        server.known_hosts.write_text("")
        unknown = await run(server)
    assert (strange.kind, unknown.kind) == ("auth", "permission")
    assert not unknown.metrics.get("received_bytes")


def _info(window: int, notsent: int) -> bytes:
    info = bytearray(INFO_SIZE)
    U32.pack_into(info, RCV_SSTHRESH_AT, window)
    U32.pack_into(info, NOTSENT_AT, notsent)
    return bytes(info)


def test_an_end_that_sets_the_pace_is_told_from_the_line() -> None:
    for way, free, full in (("up", (_info(64_000, 0), 100), (_info(64_000, 0), 60_000)),
                            ("down", (_info(64_000, 30_000), 0), (_info(64_000, 0), 0))):  # fmt: skip
        looks = Looks()
        for number in range(100):
            info, unread = full if number % 4 == 0 else free
            looks.note(info, unread, "up" if way == "up" else "down")
        assert not looks.slow
        for _ in range(20):
            looks.note(*full, "up" if way == "up" else "down")
        assert looks.slow
    assert not Looks().slow


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"method": "ssh"}, 'method ssh needs an ssh block, e.g. ssh: {user: ops, key: "secret:hall_ssh"}'),
        ({"method": "ssh", "ssh": {"user": "ops"}}, "give a key or a password"),
        ({"method": "ssh", "ssh": {"user": "ops", "key": "abc"}}, "an inline password is refused"),
    ],
)
def test_parameters_that_make_no_sense(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(why)):
        ThroughputParams.model_validate(given)


def test_an_ssh_block_of_the_asset_changes_no_other_method() -> None:
    login = {"user": "ops", "key": "secret:a"}
    assert ThroughputParams.model_validate({"ssh": login}).how == "icmp"
    assert ThroughputParams.model_validate({"ssh": login, "secret": "secret:b"}).how == "reflector"
