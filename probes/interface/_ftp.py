"""A file server over FTP (RFC 959, 2428, 3659), in the clear or with TLS (RFC 4217), by aioftp.

Data connections are passive and go to the address of the control connection, whatever the server names. With
TLS they resume the control connection's session, which vsftpd and ProFTPD ask for unless told otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import aioftp
from aioftp.common import SSLSessionBoundContext

from probes._clean import cleaned
from probes._dial import break_off, dial
from probes._resolve import Address
from probes._service import Notes
from probes.api import Context, clip
from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProberFault,
    ProtocolViolated,
    from_oserror,
)
from probes.interface._ftp_lists import file_of, moment, of_iis
from probes.interface._store import MAX_NAMES, Absent, Entry, Sink, is_full, too_large, too_many

PIECE = 65_536
MAX_LINES = 2000
"""Lines that a server may say in a run, beside lists."""
MALFORMED = (
    aioftp.AIOFTPException, ValueError, IndexError, KeyError, AttributeError, TypeError, OverflowError,
)  # fmt: skip
"""What aioftp ends with where an answer is not of the protocol."""
logging.getLogger("aioftp.client").setLevel(logging.WARNING)
_CROWDED = re.compile(r"too many|maximum number")
_TLS = re.compile(r"encrypt|\btls\b|\bssl")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is, and how TLS is spoken with it: not at all, after AUTH TLS, or from the start."""

    address: Address
    port: int
    name: str
    tls: ssl.SSLContext | None = None
    implicit: bool = False


class _Client(aioftp.Client):
    """aioftp's client on sockets of our own."""

    def __init__(self, place: Place, notes: Notes) -> None:
        super().__init__(encoding="utf-8", parse_list_line_custom=of_iis, parse_list_line_custom_first=False)
        self._place, self._notes = place, notes
        self._lines = 0
        self._secured = False

    async def _open_connection(self, _: str, port: int) -> Streams:
        """Open the control connection, or a data connection, where TLS begins later.

        Where opening streams fails, asyncio closes the socket.
        """
        sock = await (self._data_socket(port) if self.connected else self._control_socket())
        if self.connected or not self._place.implicit:
            return await asyncio.open_connection(sock=sock, limit=PIECE)
        with self._notes.phase("tls"):
            streams = await asyncio.open_connection(
                sock=sock, ssl=self._place.tls, server_hostname=self._place.name, limit=PIECE
            )
        self._secured = True
        return streams

    @property
    def connected(self) -> bool:
        """Whether there is a control connection."""
        return self._stream is not None

    async def _control_socket(self) -> socket.socket:
        sock, took_ms = await dial(self._place.address, self._place.port, self._notes.context)
        self._notes.add("connect", took_ms)
        self._notes.context.phase = "login"
        return sock

    async def _data_socket(self, port: int) -> socket.socket:
        """Connect within the phase that wants the data."""
        context = self._notes.context
        try:
            sock, _ = await dial(self._place.address, port, Context(context.shared, context.remaining))
        except OSError as error:
            raise from_oserror(error, f"{context.phase}: data connection to port {port}") from None
        return sock

    async def parse_line(self) -> tuple[aioftp.Code, str]:
        """Return the next line. Raises `ProtocolViolated` where they are too many."""
        self._lines += 1
        if self._lines > MAX_LINES:
            raise ProtocolViolated(f"more than {MAX_LINES} lines of answers")
        code, rest = await super().parse_line()
        if self._lines == 1 and not code.isdecimal():
            raise ProtocolViolated(f"it is no FTP server: it says {clip(code + rest, 100)!r}")
        return code, rest

    async def secure(self) -> None:
        """Have the control connection, and then the data, go over TLS."""
        assert self._place.tls is not None
        if not self._secured:
            with self._notes.phase("tls"):
                await self.command("AUTH TLS", "234")
                await self.stream.start_tls(self._place.tls, self._place.name)
            self._secured = True
        await self.command("PBSZ 0", "200")
        await self.command("PROT P", "200")

    @asynccontextmanager
    async def data(self, command: str) -> AsyncIterator[Streams]:
        """Give a command that moves data; after the block the server must say that all went well."""
        reader, writer = await self.get_passive_connection()
        try:
            await self.command(command, "1xx")
            if self._secured:
                await writer.start_tls(self._resumed(), server_hostname=self._place.name)
            with contextlib.suppress(ConnectionError):  # the server says why, on the control connection
                yield reader, writer
            writer.close()
            await self.command(None, "2xx")
        finally:
            break_off(writer.transport)

    def _resumed(self) -> ssl.SSLContext:
        tls = self.stream.writer.transport.get_extra_info("ssl_object")
        return SSLSessionBoundContext(ssl.PROTOCOL_TLS_CLIENT, context=tls.context, session=tls.session)


class Ftp:
    """A login of a run's own."""

    def __init__(self, client: _Client, notes: Notes, secrets: tuple[str, ...]) -> None:
        self._client, self._notes, self._secrets = client, notes, secrets

    async def log_in(self, user: str, password: str) -> None:
        """Log in. Raises `OwnLoginFailed`."""
        with self._phase("login"):
            await self._client.login(user, password)

    async def put(self, path: str, body: bytes) -> None:
        """Write a file."""
        with self._phase("put", path):
            async with self._client.data(f"STOR {path}") as (_, writer):
                for at in range(0, len(body), PIECE):
                    writer.write(body[at : at + PIECE])
                    await writer.drain()

    async def names(self, directory: str) -> list[Entry]:
        """Return the files of a directory, by MLSD or, where that is not known, by LIST."""
        with self._phase("list", directory):
            try:
                return await self._listed(f"MLSD {directory}".strip(), directory, exact=True)
            except aioftp.StatusCodeError as error:
                if not error.received_codes[-1].matches("50x"):
                    raise
            return await self._listed(f"LIST {directory}".strip(), directory, exact=False)

    async def _listed(self, command: str, directory: str, *, exact: bool) -> list[Entry]:
        found: list[Entry] = []
        lines = 0
        async with self._client.data(command) as (reader, _):
            while line := await reader.readline():
                lines += 1
                if lines > MAX_NAMES:
                    raise too_many(directory)
                if entry := self._entry(line, exact=exact):
                    found.append(entry)
        return found

    def _entry(self, line: bytes, *, exact: bool) -> Entry | None:
        """Return the file of a line; None for directories and what else a list holds."""
        if exact:
            return file_of(*self._client.parse_mlsx_line(line), exact=True)
        if not line.strip() or line.lower().startswith(b"total "):
            return None
        return file_of(*self._client.parse_list_line(line), exact=False)

    async def entry(self, path: str) -> Entry:
        """Return one file by SIZE and MDTM (RFC 3659: in UTC)."""
        with self._phase("list", path):
            await self._client.command("TYPE I", "200")
            _, said = await self._client.command(f"SIZE {path}", "213")
            size = int(said[-1].strip())
            try:
                _, said = await self._client.command(f"MDTM {path}", "213")
            except aioftp.StatusCodeError:
                return Entry(path.rpartition("/")[2], size, None)
        return Entry(path.rpartition("/")[2], size, moment(said[-1].strip()))

    async def get(self, path: str, sink: Sink, limit: int) -> None:
        """Read a file."""
        read = 0
        with self._phase("get", path):
            async with self._client.data(f"RETR {path}") as (reader, _):
                while data := await reader.read(PIECE):
                    read += len(data)
                    if read > limit:
                        raise too_large(path, limit)
                    sink(data)

    async def delete(self, path: str) -> None:
        """Delete a file."""
        with self._phase("delete", path):
            await self._client.command(f"DELE {path}", "2xx")

    @contextmanager
    def _phase(self, name: str, path: str = "") -> Iterator[None]:
        """Time a phase, and word what the server or aioftp ends it with."""
        with self._notes.phase(name), worded(f"{name} {path}".strip(), self._secrets):
            yield


@contextmanager
def worded(what: str, secrets: tuple[str, ...]) -> Iterator[None]:
    """Make an ending of what the server or aioftp ends a block with."""
    try:
        yield
    except aioftp.StatusCodeError as error:
        code, text = str(error.received_codes[-1]), " ".join(error.info).strip(" -")
        raise refusal(what, code, cleaned(text, secrets)) from None
    except OSError:  # of which one is a ValueError, too
        raise
    except aioftp.errors.InvalidCommand:
        raise ProberFault(f"{what}: the user, the password or the path holds a line break") from None
    except MALFORMED as error:
        raise ProtocolViolated(f"{what}: no valid answer ({type(error).__name__})") from None


def refusal(what: str, code: str, said: str) -> Ending:
    """Return what a reply stands for that is not the one hoped for (RFC 959, section 4.2)."""
    phase, words = what.partition(" ")[0], said.lower()
    detail = clip(f"{what}: {code} {said}", 300)
    if not code.isdecimal():
        return ProtocolViolated(f"{what}: it says {clip(said, 100)!r}")
    if code in ("522", "534") or (code in ("530", "550") and _TLS.search(words)):
        return ExpectationFailed(f"tls_required: {detail}")
    if code == "421" or _CROWDED.search(words):
        return ExpectationFailed(f"too_many_connections: {detail}")
    if code in ("452", "552") or is_full(words):
        return ExpectationFailed(f"disk_full: {detail}")
    if phase == "login" and code in ("530", "430", "332"):
        return OwnLoginFailed(f"wrong_password: {detail}")
    if phase == "tls":
        return ExpectationFailed(f"TLS is not offered: {code} {said}")
    if code in ("550", "553", "450"):
        absent = "permission" not in words and ("no such" in words or phase in ("list", "get"))
        return Absent(detail) if absent else PermissionMissing(f"missing_right: {detail}")
    return ExpectationFailed(detail)


@asynccontextmanager
async def ftp(place: Place, notes: Notes, user: str, password: str) -> AsyncIterator[Ftp]:
    """Log in; the connection is closed at the end of the block."""
    client, secrets = _Client(place, notes), (password,)
    try:
        with worded("connect", secrets):
            info = await client.connect(place.name, place.port)
        notes.facts["server"] = clip(info[-1].strip(), 200)
        if place.tls is not None:
            with worded("tls", secrets):
                await client.secure()
        served = Ftp(client, notes, secrets)
        await served.log_in(user, password)
        yield served
    finally:
        if client.connected:
            break_off(client.stream.writer.transport)
