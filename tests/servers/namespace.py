"""A network namespace of one thread's own, and a simulated network behind a TUN device in it.

Only the thread is in the namespace (unshare(2)): sockets it opens and programs it starts are in there, the
rest of the tests are not. The namespace ends with the thread and its sockets.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import pytest

from probes.network._icmp_packet import ones_sum

T = TypeVar("T")
CLONE_NEWNET = 0x4000_0000
TUNSETIFF, IFF_TUN_NO_PI = 0x4004_54CA, 0x1001

needs_namespace = pytest.mark.skipif(os.geteuid() != 0, reason="making a network namespace needs root")

Answer = tuple[float, bytes]
"""Seconds to wait, and the packet to send back."""
Network = Callable[[bytes], Iterable[Answer]]


async def in_namespace(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` on a loop of its own in a thread in a new network namespace with `lo` up."""
    return await asyncio.to_thread(_in_thread, work)


def _in_thread(work: Callable[[], Awaitable[T]]) -> T:
    found: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            unshare()
            ip("link set lo up")
            with asyncio.Runner() as runner:
                found.append(runner.run(_awaited(work)))
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return found[0]


def unshare() -> None:
    """Put the calling thread into a new network namespace."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def ip(*commands: str) -> None:
    """Run `ip` commands in the namespace of the calling thread."""
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True, capture_output=True)


@contextmanager
def tun(network: Network) -> Iterator[int]:
    """Route 10.99.0.0/24 and fd99::/64 to `network`, which answers each packet; give the descriptor."""
    loop = asyncio.get_running_loop()
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"tun0", IFF_TUN_NO_PI))
        ip(
            "addr add 10.99.0.1/24 dev tun0", "link set tun0 up",
            "addr add fd99::1/64 dev tun0 nodad", "link set tun0 txqueuelen 10000",
        )  # fmt: skip
        loop.add_reader(device, _serve, loop, device, network)
        yield device
    finally:
        loop.remove_reader(device)
        os.close(device)


def _serve(loop: asyncio.AbstractEventLoop, device: int, network: Network) -> None:
    with suppress(BlockingIOError):
        while True:
            packet = os.read(device, 65_536)
            for delay, answer in network(packet):
                if delay:
                    loop.call_later(delay, os.write, device, answer)
                else:
                    os.write(device, answer)


def is_echo_request(packet: bytes) -> bool:
    """Tell whether an IP packet is an ICMP or ICMPv6 echo request."""
    if packet[0] >> 4 == 4:
        return packet[9] == socket.IPPROTO_ICMP and packet[20] == 8
    return packet[6] == socket.IPPROTO_ICMPV6 and packet[40] == 128


def sequence(packet: bytes) -> int:
    """Return the sequence number of an echo."""
    at = 26 if packet[0] >> 4 == 4 else 46
    return int.from_bytes(packet[at : at + 2], "big")


def echo_reply(packet: bytes, *, source: str | None = None, ttl: int = 61) -> bytes:
    """Return the reply to an echo request, from its destination or from `source`."""
    if packet[0] >> 4 == 4:
        sender = socket.inet_aton(source) if source else packet[16:20]
        return packet4(sender, packet[12:16], b"\0\0" + packet[22:], ttl)
    sender = socket.inet_pton(socket.AF_INET6, source) if source else packet[24:40]
    return packet6(sender, packet[8:24], b"\x81\0" + packet[42:], ttl)


def icmp_error(packet: bytes, router: str, kind: int, code: int, quoted: int = 1000) -> bytes:
    """Return the ICMP error that `router` sends about `packet`, quoting at most `quoted` bytes of it."""
    message = bytes([kind, code, 0, 0, 0, 0, 0, 0]) + packet[:quoted]
    if packet[0] >> 4 == 4:
        return packet4(socket.inet_aton(router), packet[12:16], message, 64)
    return packet6(socket.inet_pton(socket.AF_INET6, router), packet[8:24], message, 64)


def packet4(source: bytes, destination: bytes, message: bytes, ttl: int) -> bytes:
    """Return an IPv4 packet with an ICMP message; both checksums are put in."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0, ttl, socket.IPPROTO_ICMP, 0)
    head = _with_sum(head + source + destination, 10, b"")
    return head + _with_sum(message, 2, b"")


def packet6(source: bytes, destination: bytes, message: bytes, hops: int) -> bytes:
    """Return an IPv6 packet with an ICMPv6 message, its checksum put in."""
    head = struct.pack("!IHBB", 0x6000_0000, len(message), socket.IPPROTO_ICMPV6, hops)
    pseudo = source + destination + struct.pack("!II", len(message), socket.IPPROTO_ICMPV6)
    return head + source + destination + _with_sum(message, 2, pseudo)


def _with_sum(data: bytes, at: int, before: bytes) -> bytes:
    cleared = data[:at] + b"\0\0" + data[at + 2 :]
    return data[:at] + (0xFFFF - ones_sum(before + cleared)).to_bytes(2, "big") + data[at + 2 :]
