"""Traps of net-snmp's snmptrap make checks run; forged ones, unknown ones and floods do not."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from inventory.problems import ConfigError
from monitor.traps.receiver import Receiver
from monitor.traps.settings import TrapSettings
from probes.api import SecretRef
from probes.errors import ProberFault
from tests.run.jobs import job
from tests.servers.ports import free_port
from tests.traps.sending import (
    AUTH,
    COLD_START,
    COMMUNITY,
    PRIV,
    SECRETS,
    USER,
    V2,
    snmptrap,
    v1,
    v3,
)


def secret(ref: SecretRef) -> str:
    if ref not in SECRETS:
        raise ProberFault(f"no secret {ref}")
    return SECRETS[ref]


class Listening:
    """A receiver, and which assets it had asked."""

    def __init__(self, **settings: Any) -> None:
        self.port = free_port(socket.SOCK_DGRAM)
        self.asked: list[str] = []
        given = {"listen": f"127.0.0.1:{self.port}", "communities": ["secret:community"], "users": [USER]}
        self.receiver = Receiver(TrapSettings.model_validate(given | settings), secret, self.ask)
        self.receiver.adopt(
            [job("gz/router/icmp", address="127.0.0.1"), job("gz/ups/snmp", address="127.0.0.2")]
        )

    def ask(self, asset: str) -> int:
        self.asked.append(asset)
        return 2

    @property
    def counters(self) -> Any:
        return self.receiver.counters

    def dropped(self) -> dict[str, int]:
        return {reason: count for reason, count in self.counters.dropped.items() if count}

    def kinds(self) -> dict[str, int]:
        return {kind: count for kind, count in self.counters.kinds.items() if count}

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while sum(self.counters.kinds.values()) + sum(self.counters.dropped.values()) < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[Listening]:
    made = Listening(**settings)
    await made.receiver.open()
    running = asyncio.create_task(made.receiver.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.receiver.aclose()


async def test_a_trap_has_its_assets_checks_run_and_no_others() -> None:
    with capture_logs() as logs:
        async with listening() as here:
            await snmptrap(here.port)
            await here.until(1)
            assert here.asked == ["gz/router"]
            await snmptrap(here.port, V2, "", "1.3.6.1.2.1.33.2.1", source="127.0.0.2")
            await here.until(2)
    assert here.asked == ["gz/router", "gz/ups"]
    assert here.kinds() == {"link_down": 1, "ups_on_battery": 1}
    assert here.counters.asked == 4
    told = [each for each in logs if each["event"] == "trap"]
    assert (told[0]["kind"], told[0]["source"], told[0]["assets"]) == (
        "link_down",
        "127.0.0.1",
        ["gz/router"],
    )
    assert COMMUNITY not in str(logs)


async def test_version_1_and_what_asks_for_nothing() -> None:
    async with listening(again=1) as here:
        await v1(here.port, "1.3.6.1.2.1.33.2", "6", "1")
        await v1(here.port, "1.3.6.1.4.1.9", "4", "0")
        await v1(here.port, "1.3.6.1.4.1.9.9.41.2", "6", "1")
        await v1(here.port, "", "1", "0")
        await here.until(4)
    assert here.kinds() == {"authentication_failure": 1, "ups_on_battery": 1, "other": 1, "warm_start": 1}
    assert here.asked == ["gz/router"]


async def test_a_user_of_version_3_is_believed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logs:
        async with listening(communities=[]) as here:
            await snmptrap(here.port, v3(), "", COLD_START)
            await here.until(1)
    assert here.kinds() == {"cold_start": 1}
    assert here.asked == ["gz/router"]
    for marker in (AUTH, PRIV):
        assert marker not in f"{logs}{caplog.text}"


FORGED = {
    "another community": ("-v2c", "-c", "public"),
    "another user": v3(user="root"),
    "another pass phrase": v3(auth="not-the-pass-phrase"),
    "another engine": v3(engine="0x8000000001020305"),
    "no authentication": v3("noAuthNoPriv"),
    "no encryption": v3("authNoPriv"),
    "a community of version 1": ("-v1", "-c", "public"),
}


@pytest.mark.parametrize("what", FORGED)
async def test_what_is_forged_is_dropped_and_counted(what: str) -> None:
    async with listening() as here:
        if FORGED[what][0] == "-v1":
            await snmptrap(here.port, FORGED[what], "", "127.0.0.1", "2", "0", "")
        else:
            await snmptrap(here.port, FORGED[what])
        await here.until(1)
    assert here.dropped() == {"refused": 1}
    assert not here.kinds()
    assert not here.asked


async def test_ipv6() -> None:
    async with listening(listen=f"[::1]:{(port := free_port(socket.SOCK_DGRAM))}") as here:
        here.receiver.adopt([job("gz/six/icmp", address="0:0:0:0:0:0:0:1")])
        await snmptrap(port, host=f"udp6:[::1]:{port}", source="")
        await here.until(1)
    assert here.asked == ["gz/six"]


async def test_who_is_no_asset_is_not_even_read() -> None:
    async with listening() as here:
        await snmptrap(here.port, source="127.0.0.3")
        await here.until(1)
        here.receiver.adopt([job("gz/new/icmp", address="127.0.0.3")])
        await snmptrap(here.port, source="127.0.0.3")
        await here.until(2)
    assert here.dropped() == {"unknown_source": 1}
    assert here.asked == ["gz/new"]


async def test_an_asset_that_goes_on_sending_is_asked_once_in_a_while() -> None:
    async with listening(again=1, per_source=100) as here:
        for _ in range(5):
            await snmptrap(here.port)
        await here.until(5)
        assert here.asked == ["gz/router"]
        await asyncio.sleep(1.2)
        assert here.asked == ["gz/router"] * 2  # what came meanwhile is looked at once more
        await asyncio.sleep(1.2)
    assert here.asked == ["gz/router"] * 2


async def test_an_asset_that_can_not_be_asked_ends_no_receiver() -> None:
    made = Listening()
    made.ask = lambda asset: 1 // 0  # type: ignore[method-assign]
    made.receiver = Receiver(made.receiver._settings, secret, made.ask)
    made.receiver.adopt([job("gz/router/icmp", address="127.0.0.1")])
    await made.receiver.open()
    running = asyncio.create_task(made.receiver.run())
    await snmptrap(made.port)
    await made.until(1)
    await asyncio.sleep(0.05)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await made.receiver.aclose()
    assert made.counters.asked == 0


async def recorded(account: tuple[str, ...] = V2, *trap: str) -> bytes:
    """Return the datagram that snmptrap sends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        held.settimeout(5)
        await snmptrap(held.getsockname()[1], account, *trap)
        return held.recv(65536)


@pytest.mark.alone
async def test_a_flood_delays_nothing() -> None:
    """10,000 traps at once: the loop is held for no 50 ms, and most are dropped and counted."""
    data, worst = await recorded(), 0.0
    async with listening(queue=100) as here:

        def flood() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(10_000):
                    sender.sendto(data, ("127.0.0.1", here.port))

        flooding = asyncio.create_task(asyncio.to_thread(flood))
        quiet = 0
        while quiet < 20:
            before, received = time.perf_counter(), here.counters.received
            await asyncio.sleep(0.01)
            worst = max(worst, time.perf_counter() - before - 0.01)
            quiet = quiet + 1 if flooding.done() and here.counters.received == received else 0
        await snmptrap(here.port)  # with it the kernel tells what it had no room for
        while here.counters.received == received:
            await asyncio.sleep(0.01)
    assert worst < 0.05
    assert here.counters.received + here.counters.dropped["kernel"] == 10_001
    assert here.dropped()["source_rate"] >= here.counters.received - 60
    assert 1 <= here.kinds()["link_down"] <= 60
    assert here.asked == ["gz/router"]


async def test_the_rate_of_all_and_the_queue_are_bounded() -> None:
    data = await recorded()
    async with listening(per_source=1000, overall=5) as here:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(60):
                sender.sendto(data, ("127.0.0.1", here.port))
        await here.until(60)
    assert here.dropped()["rate"] >= 35
    async with listening(per_source=1000, overall=1000, queue=5) as here:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(60):
                sender.sendto(data, ("127.0.0.1", here.port))
        await here.until(60)
    assert here.dropped()["queue"] >= 10


async def test_an_answer_is_never_sent() -> None:
    """Neither to informs, nor to those whose engine is not known: no reflector for forged senders."""
    for account in (V2, v3(), v3(user="root"), v3("noAuthNoPriv", engine="0x8000000001020309")):
        data = await recorded(account)
        if account is V2:
            data = data.replace(b"\xa7", b"\xa6", 1)  # an InformRequest
        async with listening() as here:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind(("127.0.0.1", 0))
                sender.setblocking(False)
                sender.sendto(data, ("127.0.0.1", here.port))
                await here.until(1)
                await asyncio.sleep(0.05)
                with pytest.raises(BlockingIOError):
                    sender.recv(65536)


async def test_what_is_no_trap_is_malformed() -> None:
    good = await recorded()
    bad = [b"", b"\x00", b"\x30\x82\xff\xff", b"GET / HTTP/1.1\r\n\r\n", good[:-9], b"x" * 9000,
           good.replace(b"\xa7", b"\xa0", 1), bytes([0x30, 0x80]) * 2000]  # fmt: skip
    async with listening(per_source=1000) as here:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for data in bad:
                sender.sendto(data, ("127.0.0.1", here.port))
        await here.until(len(bad))
        await snmptrap(here.port)
        await here.until(len(bad) + 1)
    assert here.kinds() == {"link_down": 1}
    assert here.dropped()["too_large"] == 1
    assert here.dropped()["malformed"] >= 4


async def test_nothing_is_listened_for_by_default() -> None:
    receiver = Receiver(TrapSettings(), secret, lambda asset: 0)
    await receiver.open()
    assert receiver.address is None
    await receiver.aclose()


async def test_what_can_not_be_listened_for_says_why() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        here = Listening(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConfigError, match=r"traps\.listen: 127\.0\.0\.1:\d+: Address already in use"):
            await here.receiver.open()
        await here.receiver.aclose()
    here = Listening(communities=["secret:none"])
    with pytest.raises(ConfigError, match="traps: no secret none"):
        await here.receiver.open()
    await here.receiver.aclose()
