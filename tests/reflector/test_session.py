"""A real reflector: what strangers get of it, what its budgets hold, trains both ways."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

import pytest

from monitor.reflector.limits import Limits
from probes.errors import NotRun, ProtocolViolated, TimedOut
from probes.network import _reflect_bodies as bodies
from probes.network._reflect_bodies import WireError, unpack
from probes.network._reflect_wire import HELLO_SIZE, OPEN_SIZE, Frame, Kind, header, opened, plain, sealed
from probes.network._train_pace import Paced
from tests.reflector.asking import ask, session_with, soon, stranger
from tests.servers.liar import KEY, Seal, lying, port_of, reflector_here
from tests.servers.reflector import reflecting
from tests.servers.udp_relay import Relay, relaying


async def _ask_alone(port: int, data: bytes) -> list[bytes]:
    with stranger(port) as asker:
        return await ask(asker, data, 0.3)


async def test_nothing_is_amplified_before_the_handshake(tmp_path: Path) -> None:
    nonce = b"n" * 16
    hello = plain(Kind.HELLO, bodies.Hello(nonce), HELLO_SIZE)
    alone = [
        hello,
        plain(Kind.HELLO, bodies.Hello(nonce), 1400),
        plain(Kind.HELLO, bodies.Hello(nonce)),
        sealed(KEY, Kind.OPEN, 0, 0, bodies.Open(nonce, bytes(16)), OPEN_SIZE),
        *(sealed(KEY, kind, 77, 5, bodies.Body(), size) for kind in Kind for size in (0, 64, 1400)),
        *(secrets.token_bytes(size) for size in (0, 1, 20, 36, 100, 1472)),
        b"MR\x01" + secrets.token_bytes(60),
    ]
    async with reflecting(tmp_path) as reflector:
        given = await asyncio.gather(*(_ask_alone(reflector.port, data) for data in alone))
        with stranger(reflector.port) as asker:
            (cookie,) = await ask(asker, hello)
            asked = bodies.Open(nonce, unpack(bodies.Cookie, opened(cookie, b"").body).cookie)
            short, wrong, right = (
                sealed(KEY, Kind.OPEN, 0, 0, asked),
                sealed(bytes(32), Kind.OPEN, 0, 0, asked, OPEN_SIZE),
                sealed(KEY, Kind.OPEN, 0, 0, asked, OPEN_SIZE),
            )
            with_cookie = [await ask(asker, data, 0.2) for data in (short, wrong, right)]
        counts = await reflector.stop()
    for data, answers in zip([*alone, short, wrong, right], [*given, *with_cookie], strict=True):
        assert sum(map(len, answers)) <= len(data)
    assert [len(answers) for answers in given[:4]] == [1, 1, 0, 0]
    assert [[header(answer).kind for answer in answers] for answers in with_cookie] == [
        [], [Kind.REFUSED], [Kind.OPENED],
    ]  # fmt: skip
    assert (counts["dropped_no_cookie"], counts["refused_auth"]) == (2, 1)
    assert counts["malformed"]


async def test_a_cookie_is_good_for_no_other_port() -> None:
    nonce = b"n" * 16
    async with reflector_here() as service:
        with stranger(port_of(service)) as asker, stranger(port_of(service)) as other:
            (cookie,) = await ask(asker, plain(Kind.HELLO, bodies.Hello(nonce), HELLO_SIZE))
            asked = bodies.Open(nonce, unpack(bodies.Cookie, opened(cookie, b"").body).cookie)
            assert await ask(other, sealed(KEY, Kind.OPEN, 0, 0, asked, OPEN_SIZE)) == []
            (answer,) = await ask(asker, sealed(KEY, Kind.OPEN, 0, 0, asked, OPEN_SIZE))
            assert await ask(asker, sealed(KEY, Kind.OPEN, 0, 0, asked, OPEN_SIZE)) == [answer]
        assert service.counts["opened"] == 1


def _replaying(relay: Relay, kinds: tuple[Kind, ...]) -> None:
    def twice(_: int, data: bytes) -> list[tuple[float, bytes]]:
        return [(0, data), (0.01, data)] if header(data).kind in kinds else [(0, data)]

    relay.to_server = twice


async def test_replayed_requests_do_nothing() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:
        _replaying(relay, (Kind.ECHO, Kind.TRAIN_UP, Kind.TRAIN_DOWN, Kind.REPORT, Kind.DATA))
        async with session_with(relay.port) as session:
            for _ in range(5):
                await session.echo(soon())
            up = await session.train_up(20, 300, 10e6, soon())
            down = await session.train_down(20, 300, 10e6, soon())
            await asyncio.sleep(0.05)
        counts = service.counts
    assert (len(up.arrived), len(down.arrived)) == (20, 20)
    assert (counts["echoes"], counts["trains_up"], counts["trains_down"]) == (5, 1, 1)
    assert counts["train_packets_sent"] == 20
    assert counts["dropped_replayed"] >= 5 + 20 + 2


async def test_a_session_is_bound_to_its_address() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:
        async with session_with(relay.port) as session:
            await session.echo(soon())
            stolen = relay.from_client[-1]
            with stranger(port_of(service)) as thief:
                assert await ask(thief, stolen) == []
        assert service.counts["dropped_other_address"] == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_trains_both_ways(host: str) -> None:
    async with reflector_here(host=host) as service, session_with(port_of(service), host=host) as session:
        for train in (
            await session.train_down(200, 1200, 40e6, soon()),
            await session.train_up(200, 1200, 40e6, soon()),
        ):
            assert [sequence for sequence, _ in train.sent] == list(range(200))
            assert sorted(sequence for sequence, _ in train.arrived) == list(range(200))
            assert (train.overflowed, train.stepped, train.stopped) == (0, False, "")
            times = [at_ns for _, at_ns in train.arrived]
            assert times == sorted(times)
            assert (times[-1] - times[0]) / 1e9 > 0.95 * 199 * 1200 * 8 / 40e6
        headers = 28 if host == "127.0.0.1" else 48
        assert session.sent_bytes > 200 * (1200 + headers)
        assert session.received_bytes > 200 * (1200 + headers)
        assert session.violation == ""


async def test_a_long_train_is_reported_whole() -> None:
    async with reflector_here() as service, session_with(port_of(service)) as session:
        down = await session.train_down(1000, 100, 20e6, soon())
        up = await session.train_up(1000, 100, 20e6, soon())
    for train in (down, up):
        assert len(train.sent) == len(train.arrived) + train.overflowed == 1000


async def test_losses_of_a_train_are_missing_from_its_arrivals() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:

        def lossy(_: int, data: bytes) -> list[tuple[float, bytes]]:
            is_data = header(data).kind is Kind.DATA
            return [] if is_data and data[27] % 4 == 1 else [(0, data)]

        relay.to_server = relay.to_client = lossy
        async with session_with(relay.port) as session:
            down = await session.train_down(40, 200, 10e6, soon())
            up = await session.train_up(40, 200, 10e6, soon())
    kept = [number for number in range(40) if number % 4 != 1]
    for train in (down, up):
        assert [sequence for sequence, _ in train.arrived] == kept
        assert len(train.sent) == 40


async def test_a_train_is_stopped_when_others_suffer() -> None:
    hurt_at = time.perf_counter() + 0.2

    def hurt() -> str:
        return "others suffer" if time.perf_counter() > hurt_at else ""

    async with reflector_here() as service, session_with(port_of(service)) as session:
        up = await session.train_up(4000, 1200, 20e6, soon(5), hurt)
        down = await session.train_down(4000, 1200, 20e6, soon(5), hurt)
    assert (up.stopped, down.stopped) == ("others suffer", "others suffer")
    assert 0 < len(up.sent) < 2000
    assert down.sent == ()


async def test_cancelling_ends_the_thread_that_sends() -> None:
    async with reflector_here() as service, session_with(port_of(service)) as session:
        sending = asyncio.create_task(session.train_down(4000, 200, 2e6, soon(5)))
        await asyncio.sleep(0.2)
        sending.cancel()
        started = time.perf_counter()
        await asyncio.wait([sending])
        assert sending.cancelled()
        assert time.perf_counter() - started < 0.5
        sent = session.sent_bytes
        await asyncio.sleep(0.05)
        assert session.sent_bytes == sent


async def test_a_reflector_that_is_stopped_ends_its_train_at_once() -> None:
    async with reflector_here() as service, session_with(port_of(service)) as session:
        coming = asyncio.create_task(session.train_up(4000, 200, 2e6, soon(1)))
        await asyncio.sleep(0.2)
        stopping = time.perf_counter()
        await service.aclose()
        assert time.perf_counter() - stopping < 0.5
        with pytest.raises((OSError, TimedOut)):
            await coming


async def test_a_step_of_the_reflector_s_clock_is_told_of_trains_and_echoes() -> None:
    async with reflector_here() as service, session_with(port_of(service)) as session:
        steady = await session.train_down(5, 200, 0, soon())
        await session.train_up(5, 200, 0, soon())
        service.core.stepped()
        train, _ = await session.announce(5, 200, soon())
        service.core.stepped()
        report = await session.echo_records(soon())
        stepped = await session.arrivals(train, 5, 200, 0, Paced(), soon())
    assert report.state & bodies.TRAIN_STEPPED
    assert (steady.stepped, stepped.stepped) == (False, True)


async def test_a_session_that_ends_ends_its_train() -> None:
    async with reflector_here() as service:
        with pytest.raises(TimedOut):
            async with session_with(port_of(service)) as session:
                await session.train_up(4000, 1200, 5e6, soon(0.3))
        await asyncio.sleep(0.1)
        assert service.counts["train_packets_sent"] < 600
        async with session_with(port_of(service)) as session:
            assert len((await session.train_up(10, 200, 0, soon())).arrived) == 10


async def test_budgets_hold_for_session_and_address_and_come_back() -> None:
    train = 100 * (1000 + 28)
    limits = Limits(peer_bytes=5 * train, peer_bps=train * 8, session_bytes=2 * train + 40_000)
    async with reflector_here(limits) as service:
        for allowed in (2, 2):
            async with session_with(port_of(service)) as session:
                for _ in range(allowed):
                    assert len((await session.train_up(100, 1000, 0, soon())).arrived) == 100
                with pytest.raises(NotRun, match="budget"):
                    await session.train_up(100, 1000, 0, soon())
        async with session_with(port_of(service)) as session:
            await session.train_up(100, 1000, 0, soon())
            with pytest.raises(NotRun, match="again in"):
                await session.train_down(100, 1000, 0, soon())
        assert service.counts["train_packets_sent"] <= 600
        assert service.counts["refused_budget"] == 3


@pytest.mark.parametrize(("packets", "size"), [(4001, 100), (100, 1473), (1, 10), (0, 100)])
async def test_what_is_beyond_the_limits_is_refused(packets: int, size: int) -> None:
    async with reflector_here() as service, session_with(port_of(service)) as session:
        with pytest.raises(NotRun, match="budget"):
            await session.train_up(packets, size, 0, soon())
        assert service.counts["refused_limit"] == 1


async def test_one_train_at_a_time() -> None:
    async with (
        reflector_here() as service,
        session_with(port_of(service)) as one,
        session_with(port_of(service)) as other,
    ):
        first = asyncio.create_task(one.train_up(400, 500, 4e6, soon()))
        await asyncio.sleep(0.1)
        with pytest.raises(NotRun, match="busy"):
            await other.train_up(10, 500, 0, soon())
        assert len((await first).arrived) == 400
        assert len((await other.train_up(10, 500, 0, soon())).arrived) == 10


async def test_sessions_are_bounded_and_end_by_themselves() -> None:
    limits = Limits(sessions=4, idle_s=0.3)
    async with reflector_here(limits) as service, session_with(port_of(service)) as first:
        for _ in range(4):
            async with session_with(port_of(service)) as session:
                await session.echo(soon())
        assert len(service.core.sessions) <= 4
        await asyncio.sleep(0.4)
        service.core.sweep(time.monotonic())
        assert len(service.core.sessions) == 0
        echo = first.send_echo()
        await first.answered(echo, soon(0.2))
        assert "does not know the session" in first.lost


async def test_a_reflector_that_sends_what_was_not_asked_for_is_caught() -> None:
    def flood(frame: Frame, seal: Seal) -> list[bytes] | None:
        if frame.kind is not Kind.ECHOED:
            return None
        return [
            seal(Kind.REPORTED, bodies.Reported(9, 0, 1, 0, 0, 0, ((1, 1),))),
            seal(Kind.ECHO, bodies.Echo(1)),
            seal(Kind.ECHOED, bodies.Echoed(40, 1, 0, 1, 1, 0, 0, 1, 1, 0, 0)),
        ]

    async with lying(flood) as port, session_with(port) as session:
        with pytest.raises(ProtocolViolated, match="never sent"):
            await session.echo(soon(0.5))


async def test_what_a_stranger_sends_makes_no_state() -> None:
    async with reflector_here() as service:
        with stranger(port_of(service)) as asker:
            for number in range(300):
                asker.send(plain(Kind.HELLO, bodies.Hello(number.to_bytes(16, "big")), HELLO_SIZE))
                if number % 50 == 0:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
        assert service.counts["hello"] == 300
        assert len(service.core.sessions) == 0
        assert len(service.core.budgets) == 0


def test_an_answer_of_another_kind_opens_no_session() -> None:
    with pytest.raises(WireError):
        unpack(bodies.Opened, opened(sealed(KEY, Kind.OPENED, 1, 0, bodies.Ready(1)), KEY).body)
