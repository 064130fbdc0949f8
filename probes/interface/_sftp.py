"""A file server over SFTP (version 3, as OpenSSH speaks it), in the threads of the SSH pool."""

from __future__ import annotations

import stat
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import paramiko

from probes._service import Notes
from probes._ssh import SshParams, SshPool
from probes._ssh_session import Session
from probes.api import Target, clip
from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
    TimedOut,
    from_oserror,
)
from probes.interface._store import MAX_NAMES, Absent, Entry, Sink, is_full, too_large, too_many

MORE_BYTES = 16 * 1024 * 1024
"""What a run may have delivered beside the content of files: lists, answers, padding."""
WINDOW = 1 << 21
PIECE = 32_768
REQUESTS = 64
"""Pieces that are asked for at a time."""
BROKEN = (
    paramiko.SSHException, paramiko.SFTPError, EOFError, ValueError, LookupError, TypeError, struct.error,
)  # fmt: skip
"""What paramiko ends with where the connection breaks, or an answer is not of the protocol."""
T = TypeVar("T")


class Sftp:
    """A login of a run's own, and SFTP on it."""

    def __init__(self, pool: SshPool, session: Session, notes: Notes, most: int) -> None:
        self._pool, self._session, self._notes, self._most = pool, session, notes, most
        self._client: paramiko.SFTPClient | None = None
        self._took_ms = 0.0

    async def open(self) -> None:
        """Start SFTP. Raises `ExpectationFailed` where the server has none."""
        await self._do("login", "", lambda client: client.normalize("."))

    async def put(self, path: str, body: bytes) -> None:
        """Write a new file, which must not be there yet."""
        await self._do("put", path, lambda client: _put(client, path, body))

    async def names(self, directory: str) -> list[Entry]:
        """Return the files of a directory."""
        return await self._do("list", directory, lambda client: _names(client, directory))

    async def entry(self, path: str) -> Entry:
        """Return one file."""
        return await self._do("list", path, lambda client: _entry(path, client.stat(path)))

    async def get(self, path: str, sink: Sink, limit: int) -> None:
        """Read a file, in a thread, where `sink` is called, too."""
        await self._do("get", path, lambda client: _get(client, path, sink, limit))

    async def delete(self, path: str) -> None:
        """Delete a file."""
        await self._do("delete", path, lambda client: client.remove(path))

    async def _do(self, phase: str, path: str, work: Callable[[paramiko.SFTPClient], T]) -> T:
        """Do `work` in a thread and note how long it took there, without the wait for the thread."""

        def timed(session: Session, timeout: float) -> T:
            started = time.perf_counter()
            result = self._worded(session, timeout, phase, path, work)
            self._took_ms = (time.perf_counter() - started) * 1000
            return result

        result = await self._pool.work(self._session, timed, self._notes.context, phase)
        self._notes.add(phase, self._took_ms)
        return result

    def _worded(
        self,
        session: Session,
        timeout: float,
        phase: str,
        path: str,
        work: Callable[[paramiko.SFTPClient], T],
    ) -> T:
        try:
            if self._client is None:
                self._client = self._started(session, timeout)
            channel = self._client.get_channel()
            assert channel is not None
            channel.settimeout(timeout)
            return work(self._client)
        except TimeoutError:
            raise TimedOut(f"{phase}: no answer in time") from None
        except OSError as error:
            raise _refusal(error, f"{phase} {path}".strip()) from None
        except BROKEN as error:
            raise ProtocolViolated(clip(f"{phase}: no SFTP: {error or 'end of file'}", 200)) from None

    def _started(self, session: Session, timeout: float) -> paramiko.SFTPClient:
        channel = session.open(timeout, self._most, WINDOW)
        channel.settimeout(timeout)
        try:
            channel.invoke_subsystem("sftp")
        except paramiko.SSHException:
            if not session.alive:
                raise
            raise ExpectationFailed("no_sftp: the server has no SFTP for this account") from None
        return paramiko.SFTPClient(channel)


@asynccontextmanager
async def sftp(target: Target, params: SshParams, notes: Notes, most: int) -> AsyncIterator[Sftp]:
    """Log in and start SFTP; at the end the connection is reset. `most` bytes of files may come."""
    pool = notes.context.shared.get(SshPool)
    async with AsyncExitStack() as stack:
        try:
            own = await stack.enter_async_context(pool.own(target, params, notes.context))
        except OwnLoginFailed as refused:
            raise OwnLoginFailed(f"wrong_password: {refused.detail}") from None
        for phase, took_ms in own.phases.items():
            notes.add(phase, took_ms)
        client = Sftp(pool, own.session, notes, most + most // 50 + MORE_BYTES)
        await client.open()
        yield client


def _put(client: paramiko.SFTPClient, path: str, body: bytes) -> None:
    with client.open(path, "wxb") as file:
        file.set_pipelined(True)
        file.write(body)
    taken = client.stat(path).st_size  # of writes that are not waited for, paramiko loses refusals
    if taken != len(body):
        what = f"the server took {taken} of {len(body)} bytes and does not say why (no room? a quota?)"
        raise ExpectationFailed(f"put {path}: {what}")


def _get(client: paramiko.SFTPClient, path: str, sink: Sink, limit: int) -> None:
    with client.open(path, "rb") as file:
        size = file.stat().st_size or 0
        if size > limit:
            raise too_large(path, limit)
        file.prefetch(size, REQUESTS)
        while size > 0 and (data := file.read(min(PIECE, size))):
            size -= len(data)
            sink(data)


def _names(client: paramiko.SFTPClient, directory: str) -> list[Entry]:
    found: list[Entry] = []
    for one in client.listdir_iter(directory):
        if one.st_mode is None or stat.S_ISREG(one.st_mode):
            found.append(_entry(one.filename, one))
        if len(found) > MAX_NAMES:
            raise too_many(directory)
    return found


def _entry(path: str, found: paramiko.SFTPAttributes) -> Entry:
    modified = None if found.st_mtime is None else float(found.st_mtime)
    return Entry(path.rpartition("/")[2], found.st_size or 0, modified)


def _refusal(error: OSError, what: str) -> Ending:
    """Return what a status of SFTP stands for, which paramiko makes an OSError of."""
    said = clip(str(error.strerror or error), 200)
    if isinstance(error, PermissionError):
        return PermissionMissing(f"missing_right: {what}: {said}")
    if isinstance(error, FileNotFoundError):
        return Absent(f"{what}: {said}")
    if error.errno is not None:
        return from_oserror(error, what)
    return ExpectationFailed(f"disk_full: {what}: {said}" if is_full(said) else f"{what}: it says {said!r}")
