"""One local process at a time, of a bounded number: no shell, a clean environment, nothing left behind.

No child watcher of the event loop is used (asyncio's needs a thread for each child, uvloop's the main
thread): the process is started in a thread, its end seen by a pidfd, and its whole process group is killed
before it is reaped, so that neither its number can be taken by another nor a grandchild live on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from probes.api import Context, Shared
from probes.errors import NotRun, ProberFault

MAX_PROCESSES = 32
MAX_OUTPUT = 64 * 1024
"""Longest standard output and standard error that are taken, in bytes; one who writes more is killed."""
MAX_INPUT = 32 * 1024
"""Longest standard input; a pipe holds it."""
DRAIN_S = 0.2
"""How long output is awaited once the process has ended; only one who left its group can still hold it."""
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(slots=True)
class Finished:
    """How a process ended: its exit status (negative: the signal), and its output."""

    status: int
    stdout: bytes
    stderr: bytes


class Processes:
    """The processes of a monitor; a client for `Shared.get`."""

    def __init__(self, _: Shared) -> None:
        self._free = asyncio.Semaphore(MAX_PROCESSES)

    async def run(
        self,
        command: tuple[str, ...],
        environment: dict[str, str],
        context: Context,
        most: int = MAX_OUTPUT,
        stdin: bytes = b"",
    ) -> Finished:
        """Run a command to its end; it may write `most` bytes to each of its outputs.

        `stdin` is what it may read, `MAX_INPUT` bytes at most.

        Raises `ProberFault` (it can't be started, it writes without end), `NotRun` (too many run already).
        Where cancelled, its process group is killed.
        """
        context.phase = "queued"
        try:
            async with asyncio.timeout(context.remaining * 0.8):
                await self._free.acquire()
        except TimeoutError:
            raise NotRun("overload", f"{MAX_PROCESSES} processes run already") from None
        try:
            child = await _start(command, ENVIRONMENT | environment, stdin)
            context.phase = "command"
            return await child.finish(most)
        finally:
            self._free.release()


class Child:
    """A started process, its pipes and its pidfd."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._pidfd = os.pidfd_open(process.pid)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_end)

    async def finish(self, most: int = MAX_OUTPUT) -> Finished:
        """Wait for the end and return it; whatever happens, the group is killed and the process reaped.

        Raises `ProberFault` where it wrote too much.
        """
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        pipes = (self._process.stdout, self._process.stderr)
        outputs = [bytearray() for _ in pipes]
        readers = [
            asyncio.create_task(_read(pipe.fileno(), data, self.kill, most))
            for pipe, data in zip(pipes, outputs, strict=True)
        ]
        try:
            await asyncio.shield(self._ended)
            await asyncio.wait(readers, timeout=DRAIN_S)
        finally:
            self.kill()
            for reader in readers:
                reader.cancel()
            await asyncio.wait(readers, timeout=DRAIN_S)
            await asyncio.wait([self._ended], timeout=DRAIN_S)
            for pipe in pipes:
                pipe.close()
        if max(map(len, outputs)) > most:
            raise ProberFault(f"it writes more than {most} bytes")
        return Finished(self._process.returncode, *map(bytes, outputs))

    def kill(self) -> None:
        """Kill the whole group; the process is reaped when its pidfd says that it has ended."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _on_end(self) -> None:
        self.kill()
        self._process.poll()
        if self._process.returncode is None:
            return
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        if not self._ended.done():
            self._ended.set_result(None)


async def _start(command: tuple[str, ...], environment: dict[str, str], stdin: bytes) -> Child:
    starting = asyncio.ensure_future(asyncio.to_thread(_popen, command, environment, stdin))
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_kill_late)
        raise
    except OSError as error:
        raise ProberFault(f"can't start {command[0]}: {error.strerror}") from None
    return Child(process)


def _popen(command: tuple[str, ...], environment: dict[str, str], stdin: bytes) -> subprocess.Popen[bytes]:
    given = _readable_end(stdin) if stdin else subprocess.DEVNULL
    try:
        return subprocess.Popen(  # noqa: S603 - what may run is allow-listed by the settings
            command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, cwd="/", start_new_session=True, bufsize=0,
        )  # fmt: skip
    finally:
        if stdin:
            os.close(given)


def _readable_end(data: bytes) -> int:
    """Return the end of a pipe in which `data` waits to be read."""
    reading, writing = os.pipe()
    try:
        os.write(writing, data[:MAX_INPUT])
    finally:
        os.close(writing)
    return reading


def _kill_late(starting: asyncio.Future[subprocess.Popen[bytes]]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        process = starting.result()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        Child(process).kill()


async def _read(fd: int, data: bytearray, on_too_much: Callable[[], None], most: int) -> None:
    """Read a pipe into `data`, to its end or to just past the limit."""
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)
    while len(data) <= most:
        try:
            chunk = os.read(fd, 16384)
        except BlockingIOError:
            await _readable(loop, fd)
            continue
        if not chunk:
            return
        data += chunk
    on_too_much()


async def _readable(loop: asyncio.AbstractEventLoop, fd: int) -> None:
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
