"""TCP streams with a reflector, both ways."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
from pathlib import Path

import pytest

from monitor.reflector.limits import MEGA, Limits
from probes._sockets import Poller
from probes.errors import NotRun, OwnLoginFailed
from probes.network import _reflect_bodies as bodies
from probes.network._reflect_bodies import SEND, SINK
from probes.network._reflect_stream import tcp_stream
from tests.probing import shared_here
from tests.reflector.asking import HERE, soon
from tests.servers.liar import KEY, port_of, reflector_here
from tests.servers.reflector import reflecting


async def test_a_stream_down_the_line_is_counted_to_the_last_byte(tmp_path: Path) -> None:
    async with (
        reflecting(tmp_path) as reflector,
        shared_here() as shared,
        tcp_stream(shared.get(Poller), HERE, reflector.port, KEY, SINK, 3 * MEGA, 5, soon()) as stream,
    ):
        left, counts, block = 2_000_000, list[bodies.Count](), bytes(50_000)
        while left:
            sent, found = await stream.push(block[:left], soon())
            left -= sent
            counts += found
        stream.finish()
        while found := await stream.counts(soon()):
            counts += found
    assert counts[-1].bytes == 2_000_000
    assert [count.bytes for count in counts] == sorted(count.bytes for count in counts)
    assert [count.at_ns for count in counts] == sorted(count.at_ns for count in counts)


async def test_a_stream_up_ends_at_its_bytes_or_when_we_close() -> None:
    async with reflector_here() as service, shared_here() as shared:
        poller, port = shared.get(Poller), port_of(service)
        async with tcp_stream(poller, HERE, port, KEY, SEND, 300_000, 5, soon()) as stream:
            got = 0
            while chunk := (await stream.receive(soon())).data:
                got += len(chunk)
        assert got == 300_000
        async with tcp_stream(poller, HERE, port, KEY, SEND, 50 * MEGA, 5, soon()) as stream:
            await stream.receive(soon())
            with pytest.raises(NotRun, match="busy"):
                async with tcp_stream(poller, HERE, port, KEY, SEND, 1000, 5, soon()):
                    pass
        await asyncio.sleep(0.2)
        async with tcp_stream(poller, HERE, port, KEY, SEND, 1000, 5, soon()) as stream:
            assert len((await stream.receive(soon())).data) == 1000
        assert service.counts["stream_bytes"] < 20 * MEGA


async def test_a_stream_with_another_key_or_beyond_the_limits_is_refused() -> None:
    async with reflector_here(Limits(stream_bytes=1000)) as service, shared_here() as shared:
        poller, port = shared.get(Poller), port_of(service)
        with pytest.raises(OwnLoginFailed):
            async with tcp_stream(poller, HERE, port, bytes(32), SEND, 1000, 5, soon()):
                pass
        with pytest.raises(NotRun, match="budget"):
            async with tcp_stream(poller, HERE, port, KEY, SEND, 1001, 5, soon()):
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
