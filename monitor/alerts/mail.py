"""Mail by SMTP: one message over one connection, with TLS where it is asked for, and never without it then.

What an answer means for the message:

    4xx, a lost connection, a time-out, no TLS, our login refused     tried again
    5xx to the recipient, 5xx to the message itself                   permanent, for this recipient
    5xx to the sender or at connecting                                tried again: settings can be mended

552 to a recipient counts as 452 (RFC 5321, 4.5.3.1.10). To the end of the message the answer is waited for
longer than for anything else (RFC 5321, 4.5.3.2.6 and 6.1): giving up before the server does doubles mail.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.mime import render
from monitor.messages.message import Message, TransportError
from monitor.tls import client_context
from probes.api import SecretRef, clip
from probes.errors import Ending

Paint = Callable[[str, str], Awaitable[bytes | None]]
"""Draws what a message's `picture` and `language` ask for."""
_STEPS = 8
"""Answers that a delivery waits for besides the last, at most: the whole is bounded, not only each."""


@dataclass(slots=True)
class Mailer:
    """Delivers messages; `secret` resolves the password at each login, and nothing keeps it.

    `paint` draws a message's picture within bounded time, or gives None: the mail goes without it then.
    """

    settings: MailSettings
    secret: Callable[[SecretRef], str]
    paint: Paint | None = None
    _tls: ssl.SSLContext | None = field(default=None)

    async def deliver(self, message: Message) -> None:
        """Hand one message over to the server. Raises `TransportError`."""
        picture = await self.paint(message.picture, message.language) if self.paint else None
        mail = await asyncio.to_thread(render, message, self.settings.sender, picture)
        whole = self.settings.timeout * _STEPS + self.settings.answer_timeout
        try:
            async with asyncio.timeout(whole):
                await self._session(message.recipient, mail)
        except TimeoutError as error:
            raise TransportError(f"no answer in time: {self._safe(error)}") from None
        except (SMTPException, OSError, ssl.SSLError) as error:
            raise self._judged(error) from None

    async def _session(self, recipient: str, mail: bytes) -> None:
        client = await self._client()
        try:
            await client.connect()
            if self.settings.username:
                await client.login(self.settings.username, self._password())
            await client.mail(self.settings.sender)
            await client.rcpt(recipient)
            await client.data(mail, timeout=self.settings.answer_timeout)
        except BaseException:
            client.close()
            raise
        await _part(client)

    async def _client(self) -> SMTP:
        host, port = self.settings.endpoint
        security = self.settings.security
        if security != "none" and self._tls is None:
            self._tls = await asyncio.to_thread(client_context, self.settings.ca_file)
        return SMTP(
            hostname=host,
            port=port,
            timeout=self.settings.timeout,
            use_tls=security == "tls",
            start_tls=security == "starttls",
            tls_context=self._tls,
        )

    def _password(self) -> str:
        try:
            return self.secret(self.settings.password)
        except Ending as error:
            raise SMTPException(f"the secret {self.settings.password!s} can't be read: {error}") from None

    def _judged(self, error: Exception) -> TransportError:
        """Return whether the error is one of this message for ever, or one that may pass."""
        permanent = False
        if isinstance(error, SMTPRecipientRefused):
            permanent = error.code >= 500 and error.code != 552
        elif isinstance(error, SMTPDataError):
            permanent = error.code >= 500
        return TransportError(self._safe(error), permanent=permanent)

    def _safe(self, error: Exception) -> str:
        """Return the error's text, bounded, without anything that a server could have echoed."""
        code = f"{error.code} " if isinstance(error, SMTPResponseException) else ""
        said = getattr(error, "message", "") or str(error)
        text = clip(f"{type(error).__name__}: {code}{said}", 400)
        if self.settings.password is None:
            return text
        return _without(text, self.settings.username, self._password_or_none())

    def _password_or_none(self) -> str:
        try:
            return self.secret(self.settings.password)
        except Ending:
            return ""


async def _part(client: SMTP) -> None:
    """Say goodbye; the message is the server's already, whatever becomes of this."""
    try:
        await client.quit(timeout=2)
    except (SMTPException, OSError):
        client.close()


def _without(text: str, username: str, password: str) -> str:
    """Return the text without the password, plain or as it goes over the wire."""
    if not password:
        return text
    plain = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
    for form in (plain, base64.b64encode(password.encode()).decode(), password):
        text = text.replace(form, "***")
    return text
