"""Connections of our own: the kernel's times, one attempt, nothing left open."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import statistics
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from probes._resolve import Address, numeric
from probes._sockets import Connection, Poller, connect
from probes._tls import client_context
from probes._tls_stream import start_tls
from probes.errors import ProberFault, TimedOut, TlsFailed, from_oserror
from tests.probes.network.busy import busy_loop, greeter
from tests.probing import shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import Handler, garbage, resets, says, silent, tcp_server, unanswering
from tests.servers.ports import closed_port

HERE = Address("127.0.0.1", "4")


@pytest_asyncio.fixture
async def poller() -> AsyncIterator[Poller]:
    async with shared_here() as shared:
        yield shared.get(Poller)


def soon(seconds: float = 2.0) -> float:
    return time.perf_counter() + seconds


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(64, open_descriptors() + 8), hard))
        with suppress(OSError):
            while True:
                held.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        yield


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_connection_carries_data_both_ways(poller: Poller, host: str) -> None:
    address = numeric(host)
    assert address is not None
    async with tcp_server(says(b"one ", b"two", pause=0.01), host) as port:
        connection = await connect(poller, address, port, until=soon(), talks=True)
        sent_at = await connection.send(b"hello", soon())
        first = await connection.recv(100, soon())
        second = await connection.recv(100, soon())
        assert (await connection.recv(100, soon())).data == b""
        connection.close()
        connection.close()
    assert (first.data, second.data) == (b"one ", b"two")
    assert connection.started <= connection.connected_at <= sent_at <= first.at < second.at
    assert 0 < connection.connect_ms < 1000
    assert connection.retransmits == 0


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_many_at_once_on_either_loop(run: Callable[..., object]) -> None:
    async def main() -> None:
        async with shared_here() as shared, tcp_server(says(b"hi")) as port:
            poller = shared.get(Poller)
            found = await asyncio.gather(*(one(poller, port) for _ in range(200)))
        assert found == [b"hi"] * 200

    async def one(poller: Poller, port: int) -> bytes:
        connection = await connect(poller, HERE, port, until=soon(10), talks=True)
        await connection.send(b"?", soon(10))
        chunk = await connection.recv(100, soon(10))
        connection.close()
        return chunk.data

    run(main())


async def test_refused_and_silent_and_out_of_descriptors(poller: Poller) -> None:
    before = open_descriptors()
    with closed_port() as port, pytest.raises(ConnectionRefusedError):
        await connect(poller, HERE, port, until=soon())
    with unanswering() as port:
        started = time.perf_counter()
        with pytest.raises(TimedOut, match="connect: no answer after"):
            await connect(poller, HERE, port, until=soon(0.2))
        assert 0.2 <= time.perf_counter() - started < 1
    with no_descriptors_left(), pytest.raises(OSError, match="Too many open files") as caught:
        await connect(poller, HERE, 9, until=soon())
    assert caught.value.errno == errno.EMFILE
    assert isinstance(from_oserror(caught.value), ProberFault)
    assert open_descriptors() == before


async def test_cancellation_leaves_nothing_open(poller: Poller) -> None:
    with unanswering() as port:
        before = open_descriptors()
        task = asyncio.create_task(connect(poller, HERE, port))
        await asyncio.sleep(0.05)
        assert open_descriptors() == before + 1
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert open_descriptors() == before


async def test_a_repeated_syn_is_counted_and_its_wait_is_part_of_the_time(poller: Poller) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(2)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        task = asyncio.create_task(connect(poller, HERE, listener.getsockname()[1], until=soon(8)))
        await asyncio.sleep(0.1)
        (await asyncio.to_thread(listener.accept))[0].close()
        connection = await task
        connection.close()
        for filler in fillers:
            filler.close()
    assert connection.retransmits >= 1
    assert 900 < connection.connect_ms < 4000


async def test_a_reset_after_the_handshake_comes_out_when_the_connection_is_used(poller: Poller) -> None:
    async with tcp_server(resets) as port:
        connection = await connect(poller, HERE, port, until=soon(), talks=True)
        with pytest.raises(ConnectionResetError):
            await connection.recv(10, soon())
        connection.close()


async def test_a_reset_before_we_look_is_still_a_connection_and_its_data_is_read(poller: Poller) -> None:
    connection = Connection(poller, HERE, talks=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        connection._socket.connect_ex(listener.getsockname())
        accepted, _ = listener.accept()
        accepted.send(b"bye")
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
    assert connection._established()
    assert (await connection.recv(10, soon())).data == b"bye"
    with pytest.raises(ConnectionResetError):
        await connection.recv(10, soon())
    with pytest.raises(ConnectionResetError):
        await connection.send(b"?", soon())
    connection.close()


async def test_what_arrived_is_read_even_when_we_come_too_late(poller: Poller) -> None:
    with greeter(b"hello") as port:
        connection = await connect(poller, HERE, port, until=soon(), talks=True)
        await asyncio.sleep(0.05)
        chunk = await connection.recv(10, until=time.perf_counter() - 1)
        with pytest.raises(TimedOut, match="receive"):
            await connection.recv(10, until=time.perf_counter() - 1)
        connection.close()
    assert chunk.data == b"hello"


@pytest.mark.alone
async def test_a_busy_loop_changes_neither_connect_nor_first_byte(poller: Poller) -> None:
    with greeter(b"hello") as port:
        idle = await times(poller, port)
        async with busy_loop():
            busy = await times(poller, port)
    for quiet, loud in zip(idle, busy, strict=True):
        assert abs(statistics.median(quiet) - statistics.median(loud)) < 0.1


async def times(poller: Poller, port: int) -> tuple[list[float], list[float]]:
    connects, firsts = [], []
    for number in range(60):
        await asyncio.sleep(0.001 * (number % 7))
        connection = await connect(poller, HERE, port, until=soon(), talks=True)
        chunk = await connection.recv(10, soon())
        connects.append(connection.connect_ms)
        firsts.append((chunk.at - connection.connected_at) * 1000)
        connection.close()
    return connects, firsts


async def test_tls_is_timed_and_carries_data(poller: Poller, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with tcp_server(says(b"secret"), tls=authority.issue("localhost").server_context()) as port:
        context = client_context(ca_file=str(authority.file))
        connection = await connect(poller, HERE, port, until=soon(), talks=True)
        stream = await start_tls(connection, context, "localhost", soon())
        await stream.send(b"hello", soon())
        version = stream.tls.version()
        chunk = await stream.recv(100, soon())
        end = await stream.recv(100, soon())
        stream.close()
    assert (chunk.data, end.data) == (b"secret", b"")
    assert 0 < stream.handshake_ms < 1000
    assert version == "TLSv1.3"
    assert client_context(ca_file=str(authority.file)) is context


@pytest.mark.parametrize(
    ("handler", "message"),
    [(garbage, "wrong version number"), (says(), "ended the connection")],
)
async def test_a_handshake_that_fails_says_why(poller: Poller, handler: Handler, message: str) -> None:
    async with tcp_server(handler) as port:
        connection = await connect(poller, HERE, port, until=soon(), talks=True)
        with pytest.raises(TlsFailed, match=message):
            await start_tls(connection, client_context(), "localhost", soon())
        connection.close()


async def test_a_certificate_of_an_unknown_authority_is_refused(poller: Poller, tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("localhost")
    async with tcp_server(silent, tls=pair.server_context()) as port:
        connection = await connect(poller, HERE, port, until=soon(), talks=True)
        with pytest.raises(TlsFailed, match="certificate: "):
            await start_tls(connection, client_context(), "localhost", soon())
        connection.close()
