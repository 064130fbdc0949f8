"""One mail handed to a server by SMTP (RFC 5321), as an account may send it (RFC 6409, RFC 4954)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import cast

import aiosmtplib

from probes._clean import cleaned
from probes._dial import break_off, dial
from probes._resolve import Address
from probes._service import Notes
from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
    TimedOut,
    TlsFailed,
    from_oserror,
)
from probes.interface._store import is_full

GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is, and how TLS is spoken with it: not at all, after STARTTLS, or from the start."""

    address: Address
    port: int
    name: str
    tls: ssl.SSLContext | None = None
    implicit: bool = False


class Smtp:
    """A connection with the server."""

    def __init__(self, client: aiosmtplib.SMTP, notes: Notes, secrets: tuple[str, ...]) -> None:
        self._client, self._notes, self._secrets = client, notes, secrets

    async def log_in(self, user: str, password: str) -> None:
        """Log in, by the first way that the server offers: one attempt. Raises `OwnLoginFailed`."""
        with self._notes.phase("login"), worded("login", self._secrets):
            await self._client.ehlo()
            offered = self._client.server_auth_methods
            if "plain" in offered:
                await self._client.auth_plain(user, password)
            elif "login" in offered:
                await self._client.auth_login(user, password)
            elif "cram-md5" in offered:
                await self._client.auth_crammd5(user, password)
            else:
                raise ExpectationFailed("tls_required: the server offers no login here")

    async def send(self, sender: str, recipient: str, mail: bytes) -> None:
        """Hand the mail over."""
        with self._notes.phase("send"):
            with worded("sender", self._secrets):
                await self._client.mail(sender)
            with worded("recipient", self._secrets):
                await self._client.rcpt(recipient)
            with worded("send", self._secrets):
                await self._client.data(mail)


@asynccontextmanager
async def smtp(server: Server, notes: Notes, secrets: tuple[str, ...]) -> AsyncIterator[Smtp]:
    """Connect, and speak TLS where that is asked for; the connection is closed at the end of the block.

    The socket is aiosmtplib's from the start, which closes it where it can't be used.
    """
    sock, took_ms = await dial(server.address, server.port, notes.context)
    notes.add("connect", took_ms)
    client = aiosmtplib.SMTP(
        hostname=server.name,
        port=None,
        sock=sock,
        local_hostname=socket.gethostname(),
        timeout=notes.context.timeout,
        use_tls=server.implicit,
        start_tls=False,
        tls_context=server.tls,
    )
    try:
        await _greeted(client, server, notes, secrets)
        yield Smtp(client, notes, secrets)
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=GOODBYE_S)
    finally:
        transport = client.transport
        client.close()
        if transport is not None:
            break_off(cast("asyncio.WriteTransport", transport))


async def _greeted(client: aiosmtplib.SMTP, server: Server, notes: Notes, secrets: tuple[str, ...]) -> None:
    if server.implicit:
        with notes.phase("tls"), worded("tls", secrets):
            await client.connect()
        return
    notes.context.phase = "login"
    with worded("greeting", secrets):
        await client.connect()
    if server.tls is not None:
        with notes.phase("tls"), worded("tls", secrets):
            await client.starttls()


@contextmanager
def worded(what: str, secrets: tuple[str, ...]) -> Iterator[None]:
    """Make an ending of what aiosmtplib ends a block with."""
    try:
        yield
    except aiosmtplib.SMTPResponseException as error:
        raise refusal(what, error.code, cleaned(error.message, secrets)) from None
    except aiosmtplib.SMTPTimeoutError:
        raise TimedOut(f"{what}: no answer in time") from None
    except aiosmtplib.SMTPException as error:
        cause = error.__cause__
        if isinstance(cause, OSError):
            raise from_oserror(cause, what) from None
        if what == "tls" and "not supported" in str(error):
            raise ExpectationFailed("TLS is not offered: no STARTTLS") from None
        kind = TlsFailed if what == "tls" else ProtocolViolated
        raise kind(f"{what}: {cleaned(str(error), secrets)}") from None


def refusal(what: str, code: int, said: str) -> Ending:
    """Return what a reply stands for that is not the one hoped for (RFC 5321, 4.2; RFC 3463)."""
    detail, words = f"{what}: {code} {said}", said.lower()
    if not 200 <= code < 600:
        return ProtocolViolated(f"{what}: no valid answer: {said[:100]!r}")
    if code in (523, 538) or (code == 530 and "starttls" in words):
        return ExpectationFailed(f"tls_required: {detail}")
    if code == 421:
        return ExpectationFailed(f"too_many_connections: {detail}")
    if what == "login":
        return OwnLoginFailed(f"wrong_password: {detail}") if code == 535 else ExpectationFailed(detail)
    if code in (452, 552) or is_full(words) or "5.2.2" in said:
        return ExpectationFailed(f"disk_full: {detail}")
    if code == 530 or "5.7." in said or "relay" in words:
        return PermissionMissing(f"missing_right: {detail}")
    return ExpectationFailed(detail)
