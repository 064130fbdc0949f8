"""A serial line of the monitor's own machine (termios(3)): opened for a run, for it alone, and put back.

No library is used for it: serialx opens whatever it is given, checks no parity, leaves the line as it has set
it, and takes threads that all share.

One run at a time has a device: others of this monitor wait for it (phase "queued"), other programs are
respected (flock(2), as pyserial and minicom use it, and TIOCEXCL). Only terminals are opened, since opening
some other devices does something (a watchdog starts).

What becomes of a device that can't be opened, by the first word of the detail: `no_device` is
failed(unreachable), `busy` is error(inconclusive), `missing_right` is error(permission), `no_serial_line` and
`no_such_setting` are failed(expectation).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import stat
import termios
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from probes._sockets import Chunk
from probes.api import Context, Params, Shared, Target
from probes.errors import (
    Ending,
    ExpectationFailed,
    Inconclusive,
    PermissionMissing,
    ProtocolViolated,
    TimedOut,
    Unreachable,
    from_oserror,
)
from probes.peripheral._here import must_be_here
from probes.peripheral._threads import Threads, begun

THREADS = 8
CLOSE_S = 1.0
"""Longest wait for a line to close; a driver that hangs closes it when it comes back."""
PSEUDO_TERMINALS = range(136, 144)
"""Major numbers of pseudo-terminals (Documentation/admin-guide/devices.txt); sysfs does not list them."""
GONE = {errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO}
BITS = {5: termios.CS5, 6: termios.CS6, 7: termios.CS7, 8: termios.CS8}
PARITY = {"none": 0, "even": termios.PARENB, "odd": termios.PARENB | termios.PARODD}
Attributes = list[Any]
"""What tcgetattr gives: iflag, oflag, cflag, lflag, ispeed, ospeed, and the list of control characters."""


Baud = Literal[
    300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600
]  # fmt: skip


class LineParams(Params):
    """Settings of a serial line."""

    baud: Baud = 9600
    """Bits a second."""
    bits: Literal[5, 6, 7, 8] = 8
    """Data bits of a character."""
    parity: Literal["none", "even", "odd"] = "none"
    """Parity bit."""
    stop: Literal[1, 2] = 1
    """Stop bits."""
    flow: Literal["none", "rtscts", "xonxoff"] = "none"
    """Flow control."""


Device = Annotated[str, Field(pattern=r"^/dev/[\w./:@+-]+$", max_length=200)]
"""Path of a serial device; those in `/dev/serial/by-id` stay the same when something else is plugged in."""


class Lines:
    """Who has which device, and the few threads that open. A client of `Shared.get`."""

    def __init__(self, _shared: Shared) -> None:
        self.threads = Threads("serial", THREADS)
        self._locks: dict[str, asyncio.Lock] = {}

    def lock(self, device: str) -> asyncio.Lock:
        """Return the lock of a device, whichever of its names is used."""
        return self._locks.setdefault(os.path.realpath(device), asyncio.Lock())


class SerialLine:
    """An open line; as a `probes._sockets.Stream`."""

    def __init__(self, fd: int, opened_ms: float) -> None:
        self._fd = fd
        self.opened_ms = opened_ms
        """How long opening and setting took, without what was waited for others."""

    async def send(self, data: bytes, until: float | None = None) -> float:
        """Hand all of `data` to the kernel; return the `time.perf_counter` right before."""
        sent_at, left = time.perf_counter(), memoryview(data)
        loop = asyncio.get_running_loop()
        while left:
            late = _passed(until)
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:
                if late:
                    raise TimedOut("send: the device takes nothing (flow control)") from None
                await self._happens(loop.add_writer, loop.remove_writer, until)
        return sent_at

    async def recv(self, limit: int = 65_536, until: float | None = None) -> Chunk:
        """Return what has come, at most `limit` bytes; nothing where the line was hung up."""
        loop = asyncio.get_running_loop()
        while True:
            late = _passed(until)
            try:
                return Chunk(os.read(self._fd, limit), time.perf_counter())
            except BlockingIOError:
                if late:
                    raise TimedOut("receive: no answer of the device") from None
                await self._happens(loop.add_reader, loop.remove_reader, until)
            except OSError as error:
                if error.errno in GONE:
                    raise ProtocolViolated("hung_up: the device went away") from None
                raise

    async def _happens(
        self, add: Callable[..., Any], remove: Callable[[int], Any], until: float | None
    ) -> None:
        done = asyncio.get_running_loop().create_future()
        add(self._fd, _resolve, done)
        try:
            async with asyncio.timeout(None if until is None else max(0.0, until - time.perf_counter())):
                await done
        except TimeoutError:
            pass
        finally:
            remove(self._fd)

    def close(self) -> None:
        """Do nothing: `serial_line` closes."""


def _resolve(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _passed(until: float | None) -> bool:
    return until is not None and time.perf_counter() >= until


@asynccontextmanager
async def serial_line(
    target: Target, device: str, settings: LineParams, context: Context
) -> AsyncIterator[SerialLine]:
    """Open a device with these settings; at the end it is put back and closed, however the run ends.

    Raises the endings of the module's docstring, and `ProberFault` for a target that is another machine.
    """
    must_be_here(target, "a serial device")
    lines = context.shared.get(Lines)
    context.phase = "queued"
    async with lines.lock(device):
        opened = await lines.threads.do(lambda: _open_now(device, settings, context), context, _close)
        try:
            yield SerialLine(opened.fd, opened.took_ms)
        finally:
            await asyncio.wait({begun(lambda: _close(opened))}, timeout=CLOSE_S)


@dataclass(frozen=True, slots=True)
class Opened:
    """An open line, how it was set before, and how long opening took."""

    fd: int
    before: Attributes
    took_ms: float


def _open_now(device: str, settings: LineParams, context: Context) -> Opened:
    """Open, in a thread; until one is free it is the monitor that is waited for."""
    context.phase, start = "connect", time.perf_counter()
    try:
        _look(device)
        fd = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _refusal(device, error) from None
    try:
        return Opened(fd, _set(fd, settings), (time.perf_counter() - start) * 1000)
    except BlockingIOError:
        os.close(fd)
        raise Inconclusive(f"busy: another program has {device}") from None
    except (OSError, termios.error) as error:
        os.close(fd)
        raise _refusal(device, OSError(*error.args)) from None


def _look(device: str) -> None:
    found = Path(device).stat()
    number = found.st_rdev
    subsystem = Path(f"/sys/dev/char/{os.major(number)}:{os.minor(number)}/subsystem")
    terminal = os.major(number) in PSEUDO_TERMINALS or subsystem.resolve().name == "tty"
    if not (stat.S_ISCHR(found.st_mode) and terminal):
        raise ExpectationFailed(f"no_serial_line: {device} is no terminal")


def _refusal(device: str, error: OSError) -> Ending:
    if error.errno in GONE:
        return Unreachable(f"no_device: {device}: {error.strerror}")
    if error.errno == errno.EINVAL:
        return ExpectationFailed(f"no_such_setting: {device} can't be set as the check asks for")
    if error.errno == errno.EBUSY:
        return Inconclusive(f"busy: another program has {device}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionMissing(f"missing_right: the monitor may not open {device} (group dialout)")
    return from_oserror(error, "connect")


def _set(fd: int, settings: LineParams) -> Attributes:
    """Take the line for this run alone, and set it. Returns what was set before."""
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.ioctl(fd, termios.TIOCEXCL)
    before: Attributes = termios.tcgetattr(fd)
    termios.tcsetattr(fd, termios.TCSANOW, attributes(before, settings))
    termios.tcflush(fd, termios.TCIOFLUSH)
    return before


def attributes(before: Attributes, settings: LineParams) -> Attributes:
    """Return the attributes of a raw line with these settings."""
    speed = getattr(termios, f"B{settings.baud}")
    characters = [*before[6]]
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    control = termios.CREAD | termios.CLOCAL | BITS[settings.bits] | PARITY[settings.parity]
    control |= termios.CSTOPB if settings.stop == 2 else 0
    control |= termios.CRTSCTS if settings.flow == "rtscts" else 0
    control |= before[2] & termios.HUPCL
    incoming = termios.IXON | termios.IXOFF if settings.flow == "xonxoff" else 0
    incoming |= termios.INPCK if settings.parity != "none" else 0
    return [incoming, 0, control, 0, speed, speed, characters]


def _close(opened: Opened) -> None:
    """Put the line back, and close it. What was not sent is dropped, since closing would wait for it."""
    with contextlib.suppress(OSError, termios.error):
        termios.tcflush(opened.fd, termios.TCIOFLUSH)
        termios.tcsetattr(opened.fd, termios.TCSANOW, opened.before)
        fcntl.ioctl(opened.fd, termios.TIOCNXCL)
    with contextlib.suppress(OSError):
        os.close(opened.fd)
