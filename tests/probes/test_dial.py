"""A connection for a driver: one attempt, timed by the kernel, nothing left open."""

from __future__ import annotations

import asyncio
import socket

import pytest

from probes._dial import dial
from probes._resolve import Address
from probes.api import Context
from tests.probing import SharedHere
from tests.servers.hostile import silent, tcp_server, unanswering
from tests.servers.ports import closed_port

HERE = Address("127.0.0.1", "4")


async def test_a_socket_that_is_connected() -> None:
    context = Context(SharedHere(), 5)
    async with tcp_server(silent) as port:
        sock, took_ms = await dial(HERE, port, context)
        with sock:
            assert sock.getpeername() == ("127.0.0.1", port)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert not sock.getblocking()
            assert 0 < took_ms < 50
    assert context.phase == "connect"


async def test_a_port_that_is_closed() -> None:
    with closed_port() as port, pytest.raises(ConnectionRefusedError):
        await dial(HERE, port, Context(SharedHere(), 5))


async def test_nothing_is_left_of_one_that_is_given_up() -> None:
    """An unclosed socket would be a warning, which fails the test."""
    with unanswering() as port, pytest.raises(TimeoutError):
        await asyncio.wait_for(dial(HERE, port, Context(SharedHere(), 5)), 0.2)
