"""One TCP connection for a driver that takes a socket, its time by the kernel (TCP_INFO), not by the loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

from probes._resolve import Address
from probes._sockets import RTT_AT, TCP_INFO_SIZE, TOTAL_RETRANS_AT, U32
from probes.api import Context


async def dial(address: Address, port: int, context: Context) -> tuple[socket.socket, float]:
    """Return a connected, non-blocking socket, and the round trip of the handshake in ms.

    The caller closes it. One attempt, in the phase "connect". Raises OSError as the kernel has it.
    """
    context.phase = "connect"
    sock = socket.socket(address.af, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        await asyncio.get_running_loop().sock_connect(sock, address.sockaddr(port))
        return sock, _handshake_ms(sock, (time.perf_counter() - started) * 1000)
    except BaseException:
        sock.close()
        raise


def _handshake_ms(sock: socket.socket, passed_ms: float) -> float:
    """Return the kernel's round trip; where the SYN was repeated, what has passed."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    repeated = U32.unpack_from(info, TOTAL_RETRANS_AT)[0]
    return passed_ms if repeated else float(U32.unpack_from(info, RTT_AT)[0]) / 1000


def break_off(transport: asyncio.WriteTransport) -> None:
    """Abort a connection, also one that has ended: over TLS Python 3.11.2 has an AttributeError for that."""
    with contextlib.suppress(AttributeError):
        transport.abort()
