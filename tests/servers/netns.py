"""Network namespaces of a test's own: made in a thread, kept by a descriptor, gone when that is closed.

Nothing is mounted and nothing has a name, so that nothing is left behind, not even by a killed test run.
`str(namespace)` is a path that `nsenter --net=PATH` and `ip link set DEVICE netns PATH` take.
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
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tests.servers.namespace import unshare

T = TypeVar("T")
CLONE_NEWNET = 0x4000_0000
SIOCETHTOOL = 0x8946
OFFLOADS = (0x17, 0x1F, 0x22, 0x24, 0x2C)
"""ETHTOOL_STXCSUM, STSO, SUFO, SGSO and SGRO (linux/ethtool.h); what a device lacks is passed over."""
COMMAND_S = 20.0


class Namespace:
    """A network namespace with `lo` up."""

    def __init__(self) -> None:
        made: list[int] = []

        def make() -> None:
            unshare()
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

        _in_thread(make)
        self._fd = made[0]
        self.ip("link set lo up")

    def __str__(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def close(self) -> None:
        """Let go of it; the kernel ends it when its last process and socket are gone. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def command(self, *arguments: str) -> tuple[str, ...]:
        """Return the command line that runs a program in it."""
        return ("nsenter", f"--net={self}", *arguments)

    def run(self, *arguments: str, text: str = "", timeout: float = COMMAND_S) -> str:
        """Run a program in it and return what it printed. Raises AssertionError where it fails."""
        done = subprocess.run(
            self.command(*arguments), input=text, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr.strip()}\n{text}"
        return done.stdout

    def ip(self, *commands: str) -> None:
        """Run `ip` commands in it, all by one process."""
        self.run("ip", "-batch", "-", text="\n".join(commands) + "\n")

    def tc(self, *commands: str) -> None:
        """Run `tc` commands in it, all by one process."""
        self.run("tc", "-batch", "-", text="\n".join(commands) + "\n")

    def write(self, path: str, value: str) -> None:
        """Write a sysctl of it, such as `net/ipv4/ip_forward`."""
        self.do(lambda: Path("/proc/sys", path).write_text(value, "ascii"))

    def do(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread in it, and wait. Threads and programs it starts are in there, too."""

        def entered() -> T:
            enter(self._fd)
            return work()

        return _in_thread(entered)

    async def call(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread in it without holding the loop."""
        return await asyncio.to_thread(self.do, work)

    async def loop(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine on a loop of its own in a thread in it."""

        async def awaited() -> T:
            return await work()

        def runner() -> T:
            with asyncio.Runner() as loop:
                return loop.run(awaited())

        return await self.call(runner)

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Return a socket that is in it, for any thread to use."""
        return self.do(lambda: socket.socket(family, kind, protocol))


def enter(descriptor: int) -> None:
    """Put the calling thread into the namespace behind `descriptor`."""
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def no_offloads(device: str) -> None:
    """Make the device of the calling thread's namespace carry packets as they are on a wire."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for command in OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("@II", command, 0))
            request = struct.pack("@16sP", device.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(asking, SIOCETHTOOL, request)
            except OSError:
                continue


def _in_thread(work: Callable[[], T]) -> T:
    """Run `work` in a fresh thread, which ends with it: no other work is ever in its namespace."""
    found: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return found[0]
