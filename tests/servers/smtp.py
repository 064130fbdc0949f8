"""A real SMTP server (aiosmtpd) in a thread of its own: down, slow, refusing, or losing the line if asked."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "muster", "s3cr3t-Zauberwort"


@dataclass(frozen=True)
class Received:
    """A message the server took."""

    recipients: tuple[str, ...]
    content: bytes
    encrypted: bool
    user: str

    @property
    def mail(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def id(self) -> str:
        return str(self.mail["Message-ID"])


@dataclass
class Mailbox:
    """What came in, and how the server is to behave; may be changed while it runs."""

    received: list[Received] = field(default_factory=list)
    recipients: dict[str, str] = field(default_factory=dict)
    """Answers to RCPT by address, such as "550 no such user"."""
    answers: deque[str] = field(default_factory=deque)
    """Answers to the next messages, instead of taking them."""
    slow: float = 0.0
    """Seconds before a message is taken and answered."""
    drop: Literal["", "before", "after"] = ""
    """Lose the line without an answer, before or after taking the message."""
    attempts: int = 0

    def distinct(self) -> set[str]:
        return {each.id for each in self.received}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.recipients.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.attempts += 1
        transport = cast("asyncio.Transport", server.transport)
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.answers:
            return self.answers.popleft()
        if self.drop != "before":
            content = cast("bytes", envelope.content)
            user = str(session.auth_data or "")
            encrypted = transport.get_extra_info("sslcontext") is not None
            self.received.append(Received(tuple(envelope.rcpt_tos), content, encrypted, user))
        if self.drop:
            transport.abort()
        return "250 OK"


def _login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    given = cast("LoginPassword", data)
    good = given.login == USER.encode() and given.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False, auth_data=given.login.decode() if good else None)


@dataclass
class SmtpServer:
    """The server. `port` stays the same when it is stopped and started again."""

    mailbox: Mailbox
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    login: bool = False
    port: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _stop: asyncio.Event | None = None

    def _protocol(self) -> SMTP:
        smtp = SMTP(
            self.mailbox,
            hostname="localhost",
            tls_context=None if self.implicit else self.tls,
            require_starttls=self.tls is not None and not self.implicit,
            auth_required=self.login,
            authenticator=_login if self.login else None,
            loop=asyncio.get_running_loop(),
        )
        smtp._auth_require_tls = not self.implicit  # it only knows TLS that it started itself
        return smtp

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        implicit = self.tls if self.implicit else None
        server = await self._loop.create_server(self._protocol, "127.0.0.1", self.port, ssl=implicit)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stop.wait()
        server.close()

    async def start(self) -> None:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        assert await asyncio.to_thread(started.wait, 10), "the SMTP server did not start"

    async def stop(self) -> None:
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join, 10)
        self._thread = None


@asynccontextmanager
async def smtp_server(
    tls: ssl.SSLContext | None = None, *, implicit: bool = False, login: bool = False
) -> AsyncIterator[SmtpServer]:
    """Run a server on a private port; STARTTLS is demanded where `tls` is given."""
    server = SmtpServer(Mailbox(), tls, implicit, login)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
