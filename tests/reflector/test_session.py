"""A real reflector: what strangers get of it, what its budgets hold, trains and streams both ways."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from monitor.reflector.limits import MEGA, Limits
from probes._resolve import Address, numeric
from probes.errors import NotRun, OwnLoginFailed, ProtocolViolated, TimedOut
from probes.network import _reflect_bodies as bodies
from probes.network._reflect_bodies import SEND, SINK, WireError, unpack
from probes.network._reflect_session import Session, open_session
from probes.network._reflect_stream import tcp_stream
from probes.network._reflect_wire import HELLO_SIZE, OPEN_SIZE, Frame, Kind, header, opened, plain, sealed
from probes.network._sockets import Poller
from probes.network._train_pace import Paced
from tests.probing import shared_here
from tests.servers.liar import KEY, Seal, lying, port_of, reflector_here
from tests.servers.reflector import reflecting
from tests.servers.udp_relay import Relay, relaying

HERE = Address("127.0.0.1", "4")


def _soon(seconds: float = 3.0) -> float:
    return time.perf_counter() + seconds


@asynccontextmanager
async def _session(port: int, key: bytes = KEY, host: str = "127.0.0.1") -> AsyncIterator[Session]:
    address = numeric(host)
    assert address is not None
    async with (
        shared_here() as shared,
        open_session(shared.get(Poller), address, port, key, _soon()) as session,
    ):
        yield session


def _stranger(port: int) -> socket.socket:
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asker.setblocking(False)
    asker.connect(("127.0.0.1", port))
    return asker


async def _ask(asker: socket.socket, data: bytes, wait: float = 0.1) -> list[bytes]:
    """Send one datagram and return all that comes back within the wait."""
    loop, answers = asyncio.get_running_loop(), list[bytes]()
    asker.send(data)
    try:
        async with asyncio.timeout(wait):
            while True:
                answers.append(await loop.sock_recv(asker, 65536))
    except TimeoutError:
        return answers


async def _ask_alone(port: int, data: bytes) -> list[bytes]:
    with _stranger(port) as asker:
        return await _ask(asker, data, 0.3)


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
        with _stranger(reflector.port) as asker:
            (cookie,) = await _ask(asker, hello)
            ask = bodies.Open(nonce, unpack(bodies.Cookie, opened(cookie, b"").body).cookie)
            short, wrong, right = (
                sealed(KEY, Kind.OPEN, 0, 0, ask),
                sealed(bytes(32), Kind.OPEN, 0, 0, ask, OPEN_SIZE),
                sealed(KEY, Kind.OPEN, 0, 0, ask, OPEN_SIZE),
            )
            with_cookie = [await _ask(asker, data, 0.2) for data in (short, wrong, right)]
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
        with _stranger(port_of(service)) as asker, _stranger(port_of(service)) as other:
            (cookie,) = await _ask(asker, plain(Kind.HELLO, bodies.Hello(nonce), HELLO_SIZE))
            ask = bodies.Open(nonce, unpack(bodies.Cookie, opened(cookie, b"").body).cookie)
            assert await _ask(other, sealed(KEY, Kind.OPEN, 0, 0, ask, OPEN_SIZE)) == []
            (answer,) = await _ask(asker, sealed(KEY, Kind.OPEN, 0, 0, ask, OPEN_SIZE))
            assert await _ask(asker, sealed(KEY, Kind.OPEN, 0, 0, ask, OPEN_SIZE)) == [answer]
        assert service.counts["opened"] == 1


def _replaying(relay: Relay, kinds: tuple[Kind, ...]) -> None:
    def twice(_: int, data: bytes) -> list[tuple[float, bytes]]:
        return [(0, data), (0.01, data)] if header(data).kind in kinds else [(0, data)]

    relay.to_server = twice


async def test_replayed_requests_do_nothing() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:
        _replaying(relay, (Kind.ECHO, Kind.TRAIN_UP, Kind.TRAIN_DOWN, Kind.REPORT, Kind.DATA))
        async with _session(relay.port) as session:
            for _ in range(5):
                await session.echo(_soon())
            up = await session.train_up(20, 300, 10e6, _soon())
            down = await session.train_down(20, 300, 10e6, _soon())
            await asyncio.sleep(0.05)
        counts = service.counts
    assert (len(up.arrived), len(down.arrived)) == (20, 20)
    assert (counts["echoes"], counts["trains_up"], counts["trains_down"]) == (5, 1, 1)
    assert counts["train_packets_sent"] == 20
    assert counts["dropped_replayed"] >= 5 + 20 + 2


async def test_a_session_is_bound_to_its_address() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:
        async with _session(relay.port) as session:
            await session.echo(_soon())
            stolen = relay.from_client[-1]
            with _stranger(port_of(service)) as thief:
                assert await _ask(thief, stolen) == []
        assert service.counts["dropped_other_address"] == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_trains_both_ways(host: str) -> None:
    async with reflector_here(host=host) as service, _session(port_of(service), host=host) as session:
        for train in (
            await session.train_down(200, 1200, 40e6, _soon()),
            await session.train_up(200, 1200, 40e6, _soon()),
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
    async with reflector_here() as service, _session(port_of(service)) as session:
        down = await session.train_down(1000, 100, 20e6, _soon())
        up = await session.train_up(1000, 100, 20e6, _soon())
    for train in (down, up):
        assert len(train.sent) == len(train.arrived) + train.overflowed == 1000


async def test_losses_of_a_train_are_missing_from_its_arrivals() -> None:
    async with reflector_here() as service, relaying(port_of(service)) as relay:

        def lossy(_: int, data: bytes) -> list[tuple[float, bytes]]:
            is_data = header(data).kind is Kind.DATA
            return [] if is_data and data[27] % 4 == 1 else [(0, data)]

        relay.to_server = relay.to_client = lossy
        async with _session(relay.port) as session:
            down = await session.train_down(40, 200, 10e6, _soon())
            up = await session.train_up(40, 200, 10e6, _soon())
    kept = [number for number in range(40) if number % 4 != 1]
    for train in (down, up):
        assert [sequence for sequence, _ in train.arrived] == kept
        assert len(train.sent) == 40


async def test_a_train_is_stopped_when_others_suffer() -> None:
    hurt_at = time.perf_counter() + 0.2

    def hurt() -> str:
        return "others suffer" if time.perf_counter() > hurt_at else ""

    async with reflector_here() as service, _session(port_of(service)) as session:
        up = await session.train_up(4000, 1200, 20e6, _soon(5), hurt)
        down = await session.train_down(4000, 1200, 20e6, _soon(5), hurt)
    assert (up.stopped, down.stopped) == ("others suffer", "others suffer")
    assert 0 < len(up.sent) < 2000
    assert down.sent == ()


async def test_cancelling_ends_the_thread_that_sends() -> None:
    async with reflector_here() as service, _session(port_of(service)) as session:
        sending = asyncio.create_task(session.train_down(4000, 200, 2e6, _soon(5)))
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
    async with reflector_here() as service, _session(port_of(service)) as session:
        coming = asyncio.create_task(session.train_up(4000, 200, 2e6, _soon(1)))
        await asyncio.sleep(0.2)
        stopping = time.perf_counter()
        await service.aclose()
        assert time.perf_counter() - stopping < 0.5
        with pytest.raises((OSError, TimedOut)):
            await coming


async def test_a_step_of_the_reflector_s_clock_is_told_of_trains_and_echoes() -> None:
    async with reflector_here() as service, _session(port_of(service)) as session:
        steady = await session.train_down(5, 200, 0, _soon())
        await session.train_up(5, 200, 0, _soon())
        service.core.stepped()
        train, _ = await session.announce(5, 200, _soon())
        service.core.stepped()
        report = await session.echo_records(_soon())
        stepped = await session.arrivals(train, 5, 200, 0, Paced(), _soon())
    assert report.state & bodies.TRAIN_STEPPED
    assert (steady.stepped, stepped.stepped) == (False, True)


async def test_a_session_that_ends_ends_its_train() -> None:
    async with reflector_here() as service:
        with pytest.raises(TimedOut):
            async with _session(port_of(service)) as session:
                await session.train_up(4000, 1200, 5e6, _soon(0.3))
        await asyncio.sleep(0.1)
        assert service.counts["train_packets_sent"] < 600
        async with _session(port_of(service)) as session:
            assert len((await session.train_up(10, 200, 0, _soon())).arrived) == 10


async def test_budgets_hold_for_session_and_address_and_come_back() -> None:
    train = 100 * (1000 + 28)
    limits = Limits(peer_bytes=5 * train, peer_bps=train * 8, session_bytes=2 * train + 40_000)
    async with reflector_here(limits) as service:
        for allowed in (2, 2):
            async with _session(port_of(service)) as session:
                for _ in range(allowed):
                    assert len((await session.train_up(100, 1000, 0, _soon())).arrived) == 100
                with pytest.raises(NotRun, match="budget"):
                    await session.train_up(100, 1000, 0, _soon())
        async with _session(port_of(service)) as session:
            await session.train_up(100, 1000, 0, _soon())
            with pytest.raises(NotRun, match="again in"):
                await session.train_down(100, 1000, 0, _soon())
        assert service.counts["train_packets_sent"] <= 600
        assert service.counts["refused_budget"] == 3


@pytest.mark.parametrize(("packets", "size"), [(4001, 100), (100, 1473), (1, 10), (0, 100)])
async def test_what_is_beyond_the_limits_is_refused(packets: int, size: int) -> None:
    async with reflector_here() as service, _session(port_of(service)) as session:
        with pytest.raises(NotRun, match="budget"):
            await session.train_up(packets, size, 0, _soon())
        assert service.counts["refused_limit"] == 1


async def test_one_train_at_a_time() -> None:
    async with (
        reflector_here() as service,
        _session(port_of(service)) as one,
        _session(port_of(service)) as other,
    ):
        first = asyncio.create_task(one.train_up(400, 500, 4e6, _soon()))
        await asyncio.sleep(0.1)
        with pytest.raises(NotRun, match="busy"):
            await other.train_up(10, 500, 0, _soon())
        assert len((await first).arrived) == 400
        assert len((await other.train_up(10, 500, 0, _soon())).arrived) == 10


async def test_sessions_are_bounded_and_end_by_themselves() -> None:
    limits = Limits(sessions=4, idle_s=0.3)
    async with reflector_here(limits) as service, _session(port_of(service)) as first:
        for _ in range(4):
            async with _session(port_of(service)) as session:
                await session.echo(_soon())
        assert len(service.core.sessions) <= 4
        await asyncio.sleep(0.4)
        service.core.sweep(time.monotonic())
        assert len(service.core.sessions) == 0
        echo = first.send_echo()
        await first.answered(echo, _soon(0.2))
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

    async with lying(flood) as port, _session(port) as session:
        with pytest.raises(ProtocolViolated, match="never sent"):
            await session.echo(_soon(0.5))


async def test_a_stream_down_the_line_is_counted_to_the_last_byte(tmp_path: Path) -> None:
    async with (
        reflecting(tmp_path) as reflector,
        shared_here() as shared,
        tcp_stream(shared.get(Poller), HERE, reflector.port, KEY, SINK, 3 * MEGA, 5, _soon()) as stream,
    ):
        left, counts, block = 2_000_000, list[bodies.Count](), bytes(50_000)
        while left:
            sent, found = await stream.push(block[:left], _soon())
            left -= sent
            counts += found
        stream.finish()
        while found := await stream.counts(_soon()):
            counts += found
    assert counts[-1].bytes == 2_000_000
    assert [count.bytes for count in counts] == sorted(count.bytes for count in counts)
    assert [count.at_ns for count in counts] == sorted(count.at_ns for count in counts)


async def test_a_stream_up_ends_at_its_bytes_or_when_we_close() -> None:
    async with reflector_here() as service, shared_here() as shared:
        poller, port = shared.get(Poller), port_of(service)
        async with tcp_stream(poller, HERE, port, KEY, SEND, 300_000, 5, _soon()) as stream:
            got = 0
            while chunk := (await stream.receive(_soon())).data:
                got += len(chunk)
        assert got == 300_000
        async with tcp_stream(poller, HERE, port, KEY, SEND, 50 * MEGA, 5, _soon()) as stream:
            await stream.receive(_soon())
            with pytest.raises(NotRun, match="busy"):
                async with tcp_stream(poller, HERE, port, KEY, SEND, 1000, 5, _soon()):
                    pass
        await asyncio.sleep(0.2)
        async with tcp_stream(poller, HERE, port, KEY, SEND, 1000, 5, _soon()) as stream:
            assert len((await stream.receive(_soon())).data) == 1000
        assert service.counts["stream_bytes"] < 20 * MEGA


async def test_a_stream_with_another_key_or_beyond_the_limits_is_refused() -> None:
    async with reflector_here(Limits(stream_bytes=1000)) as service, shared_here() as shared:
        poller, port = shared.get(Poller), port_of(service)
        with pytest.raises(OwnLoginFailed):
            async with tcp_stream(poller, HERE, port, bytes(32), SEND, 1000, 5, _soon()):
                pass
        with pytest.raises(NotRun, match="budget"):
            async with tcp_stream(poller, HERE, port, KEY, SEND, 1001, 5, _soon()):
                pass
        assert "streams" not in service.counts


async def test_garbage_over_tcp_is_dropped() -> None:
    async with reflector_here() as service:
        for garbage in (
            b"GET / HTTP/1.0\r\n\r\n",
            struct.pack("!H", 5) + b"abcde",
            secrets.token_bytes(3000),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(service))
            writer.write(garbage)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(100), 6) == b""
            writer.close()
        assert service.counts["malformed"] == 3


async def test_what_a_stranger_sends_makes_no_state() -> None:
    async with reflector_here() as service:
        with _stranger(port_of(service)) as asker:
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
