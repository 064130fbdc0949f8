"""A message as it goes over the wire (RFC 5322, 2045, 2046, 2387, 2392, 3834): the same every time."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime

from monitor.alerts.mail_settings import address
from monitor.alerts.page import without_picture
from monitor.messages.message import Message, TransportError, content_id
from probes.api import clip


def render(message: Message, sender: str, picture: bytes | None = None) -> bytes:
    """Return the mail: ASCII, CRLF. Where it has a page, text and page are alternatives.

    Raises `TransportError` (permanent) for a recipient that is no plain address.
    """
    try:
        address(message.recipient)
    except ValueError as error:
        raise TransportError(str(error), permanent=True) from None
    mail = EmailMessage(POLICY)
    _head(mail, message, sender)
    cte = "quoted-printable" if message.language == "en" else "base64"
    mail.set_content(message.body, charset="utf-8", cte=cte)
    mail["Content-Language"] = message.language
    if message.html:
        _add_page(mail, message, picture)
    return mail.as_bytes()


def _head(mail: EmailMessage, message: Message, sender: str) -> None:
    mail["From"] = sender
    mail["To"] = message.recipient
    mail["Subject"] = clip(message.subject, 250)
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.date, UTC))
    mail["Message-ID"] = message.message_id
    if message.in_reply_to:
        mail["In-Reply-To"] = message.in_reply_to
    if references := f"{message.references} {message.in_reply_to}".strip():
        mail["References"] = references
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"


def _add_page(mail: EmailMessage, message: Message, picture: bytes | None) -> None:
    """Add the page as the better alternative, and to the page the picture it shows."""
    html = message.html if picture else without_picture(message.html)
    mail.add_alternative(html, subtype="html", charset="utf-8", cte="base64")
    page = mail.get_payload(1)
    if picture and isinstance(page, EmailMessage):
        cid = f"<{content_id(message.message_id)}>"
        page.add_related(picture, "image", "png", cid=cid, disposition="inline", filename="series.png")
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(_boundary(message.message_id, number))


def _boundary(message: str, number: int) -> str:
    """Return a boundary that no quoted-printable or base64 line can hold, and that stays the same."""
    return f"=_{hashlib.sha256(f'{message} {number}'.encode()).hexdigest()[:32]}"
