"""A mail sent by SMTP and read back by IMAP: does mail arrive, and how soon?

The mailbox is logged in to first, so that nothing is sent that can't be read back. The subject holds a token
that only this run knows. The mail is deleted when it has come; what comes after its run was over, the next
run deletes once it is over an hour older than its own, by the mailbox's clock, and nothing else.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import formatdate
from typing import Annotated, Literal

from pydantic import Field, model_validator

from probes._certificates import TlsParams
from probes._leftovers import LONGEST_S, Leftovers
from probes._resolve import Address, resolve
from probes._service import (
    CONNECT_MS,
    KINDS,
    LOGIN_MS,
    NOT_TOLD,
    TLS_MS,
    Notes,
    Port,
    ServiceParams,
    bare,
    talking,
)
from probes.api import Context, MetricDef, Params, ProbeSpec, Reading, Seconds, Secret, Target
from probes.errors import Ending, ExpectationFailed, OwnLoginFailed, PermissionMissing, from_oserror
from probes.interface._imap import Found, Imap, named, ours
from probes.interface._smtp import Server, smtp

SUBJECT = "Muster mail test muster-"
OWN = re.compile(rf"{SUBJECT}[0-9a-f]{{32}}")
STALE_S = 3600.0
"""A mail of ours that came so long before this run's has no run any more."""
REFUSED = (ExpectationFailed, OwnLoginFailed, PermissionMissing)
"""What a server says no with, so that no mail is under way."""
UNDER_WAY = ("send", "delivery", "delete")
"""Phases that, broken off, leave a mail somewhere."""
SWEPT = 20
"""Such mails deleted in a run."""
Line = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\r\n\x00]+$")]
Mailbox = Annotated[str, Field(max_length=254, pattern=r"^[!-;=?-~]+@[!-;=?-~]+$")]


class MailServer(TlsParams):
    """How a mail server is reached, and by which account."""

    address: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """By default the asset's."""
    port: Port | None = None
    """By default 25, 587 (starttls) or 465 (on) for SMTP, 143 or 993 (on) for IMAP."""
    tls: Literal["off", "starttls", "on"] = "starttls"
    """Whether to speak TLS after STARTTLS, from the start, or not at all; it is verified."""
    user: Line | None = None
    """The account."""
    password: Secret | None = None
    """Its password."""

    @model_validator(mode="after")
    def _account_is_whole(self) -> MailServer:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        return self


class MailRoundtripParams(Params):
    """Parameters of `mail_roundtrip`."""

    smtp: MailServer = MailServer()
    """The server that takes the mail."""
    imap: MailServer
    """The server whose mailbox it comes to."""
    sender: Mailbox
    """Address that the mail is from."""
    recipient: Mailbox
    """Address that it goes to."""
    folder: Line = "INBOX"
    """Folder that it comes to."""
    within: Annotated[Seconds, Field(gt=0, le=3600)] = 120.0
    """How long to wait for it; the check's timeout must be longer."""
    pace: Annotated[Seconds, Field(ge=0.1, le=60)] = 1.0
    """Wait between two looks at the mailbox, by so much `delivery_s` may be too long."""

    @model_validator(mode="after")
    def _mailbox_has_an_account(self) -> MailRoundtripParams:
        if self.imap.user is None:
            raise ValueError("imap needs a user and its password")
        return self

    @property
    def smtp_port(self) -> int:
        """The port that takes the mail."""
        return self.smtp.port or {"off": 25, "starttls": 587, "on": 465}[self.smtp.tls]

    @property
    def imap_port(self) -> int:
        """The port of the mailbox."""
        return self.imap.port or (993 if self.imap.tls == "on" else 143)


async def probe_mail_roundtrip(target: Target, params: MailRoundtripParams, context: Context) -> Reading:
    """Send a mail and wait until it has come.

    Raises `ExpectationFailed` (not_delivered, tls_required, disk_full, no_such_folder, and what a server
    refuses), `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right), and what a connection
    comes to.
    """
    notes = Notes(context)
    with notes.kept():
        async with _mailbox(target, params, notes) as mailbox:
            await _there_and_back(target, params, notes, mailbox)
    return notes.reading()


async def _there_and_back(target: Target, params: MailRoundtripParams, notes: Notes, mailbox: Imap) -> None:
    subject = f"{SUBJECT}{secrets.token_hex(16)}"
    gone = False
    try:
        try:
            sent = await _sent(target, params, notes, subject)
        except REFUSED:
            gone = True
            raise
        mail = await _arrived(params, notes, mailbox, subject, sent)
        with notes.phase("delete"), _of("imap"):
            await mailbox.delete([mail.uid])
        gone = True
    finally:
        if not gone and notes.context.phase in UNDER_WAY:
            notes.context.shared.get(Leftovers).remove(_delete_later(target, params, notes.context, subject))
    await _sweep(notes, mailbox, mail)


async def _sent(target: Target, params: MailRoundtripParams, notes: Notes, subject: str) -> float:
    """Hand the mail over, and return when that began (`time.perf_counter`)."""
    server, secret = params.smtp, notes.context.shared.secret
    password = secret(server.password) if server.password is not None else ""
    where, name = await _address(target, server, notes)
    tls = await server.context() if server.tls != "off" else None
    mail = _mail(params, subject)
    with _of("smtp"):
        place = Server(where, params.smtp_port, name, tls, server.tls == "on")
        async with smtp(place, notes, (password,)) as client:
            if server.user is not None:
                await client.log_in(server.user, password)
            began = time.perf_counter()
            await client.send(params.sender, params.recipient, mail)
    return began


def _mail(params: MailRoundtripParams, subject: str) -> bytes:
    mail = EmailMessage(policy=WIRE)
    mail["From"], mail["To"], mail["Subject"] = params.sender, params.recipient, subject
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{subject.rpartition(' ')[2]}@{params.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("A test of Muster. It is deleted when it has arrived.\n")
    return mail.as_bytes()


async def _arrived(
    params: MailRoundtripParams, notes: Notes, mailbox: Imap, subject: str, sent: float
) -> Found:
    """Look for the mail until it is there. Raises `ExpectationFailed`, not_delivered."""
    notes.context.phase = "delivery"
    while True:
        with _of("imap"):
            found = ours(await mailbox.find(subject), re.compile(subject))
        passed = time.perf_counter() - sent
        if found:
            notes.metrics["delivery_s"] = passed
            notes.phases["delivery"] = passed * 1000
            return found[0]
        if passed + params.pace > params.within:
            raise ExpectationFailed(f"not_delivered: the mail is not in {params.folder} after {passed:.0f} s")
        await asyncio.sleep(params.pace)


async def _sweep(notes: Notes, mailbox: Imap, own: Found) -> None:
    """Delete what came after its run was over."""
    notes.context.phase = "sweep"
    try:
        with _of("imap"):
            left = stale(own, ours(await mailbox.find(SUBJECT), OWN))[:SWEPT]
            if left:
                await mailbox.delete(left)
    except Ending as ending:
        notes.missing(f"mails of runs that were broken off: {ending.detail[:200]}")


def stale(own: Found, mails: list[Found]) -> list[int]:
    """Return the mails that came over an hour before `own`, both by the mailbox's clock."""
    if own.at is None:
        return []
    return [mail.uid for mail in mails if mail.at is not None and own.at - mail.at > STALE_S]


async def _delete_later(target: Target, params: MailRoundtripParams, context: Context, subject: str) -> None:
    notes = Notes(Context(context.shared, LONGEST_S))
    async with _mailbox(target, params, notes) as mailbox:
        while True:
            found = ours(await mailbox.find(subject), re.compile(subject))
            if found:
                await mailbox.delete([mail.uid for mail in found])
                return
            await asyncio.sleep(params.pace)


@asynccontextmanager
async def _mailbox(target: Target, params: MailRoundtripParams, notes: Notes) -> AsyncIterator[Imap]:
    """Log in to the mailbox and open its folder."""
    server, secret = params.imap, notes.context.shared.secret
    assert server.user is not None
    assert server.password is not None
    password = secret(server.password)
    where, name = await _address(target, server, notes)
    given = server.model_dump(include={*TlsParams.model_fields}) | {"server_name": name}
    service = ServiceParams(tls="on" if server.tls == "on" else "off", **given)
    starttls: Literal["none", "imap"] = "imap" if server.tls == "starttls" else "none"
    async with AsyncExitStack() as stack:
        with _of("imap"):
            opened = talking(
                target, where, params.imap_port, service, notes, starttls=starttls, prefix="imap_"
            )
            mailbox = Imap(await stack.enter_async_context(opened), notes, (password,))
            with notes.phase("imap_login"):
                if starttls == "none":
                    await mailbox.greeting()
                await mailbox.log_in(server.user, password)
                await mailbox.select(params.folder)
        yield mailbox


async def _address(target: Target, server: MailServer, notes: Notes) -> tuple[Address, str]:
    """Return where a server is, and the name that its certificate must have."""
    asked = target if server.address is None else Target(server.address, target.family)
    address, took_ms = await resolve(asked, notes.context)
    notes.add("resolve", took_ms)
    return address, server.server_name or bare(asked.address)


@contextmanager
def _of(server: str) -> Iterator[None]:
    """Say which server an ending of the block came from."""
    try:
        yield
    except OSError as error:
        raise named(from_oserror(error), server) from None
    except Ending as ending:
        raise named(ending, server) from None


PROBE = ProbeSpec(
    name="mail_roundtrip",
    family="interface",
    summary="A mail sent by SMTP and read back by IMAP: whether it arrives, and how soon.",
    params=MailRoundtripParams,
    run=probe_mail_roundtrip,
    metrics=(
        MetricDef("delivery_s", "s", "lower", 0.001, "From the beginning of its handing over until it was "
                  "found in its folder."),
        CONNECT_MS, TLS_MS, LOGIN_MS,
        MetricDef("send_ms", "ms", "lower", 0.001, "Handing the mail over, until the server has taken it."),
        MetricDef("imap_connect_ms", "ms", "lower", 0.001, "TCP handshake with the mailbox, by the kernel."),
        MetricDef("imap_tls_ms", "ms", "lower", 0.001, "TLS handshake with the mailbox."),
        MetricDef("imap_login_ms", "ms", "lower", 0.001, "Logging in to the mailbox and opening the folder."),
        MetricDef("delete_ms", "ms", "lower", 0.001, "Deleting the mail."),
    ),
    facts=(NOT_TOLD,),
    phases=(
        "resolve", "imap_connect", "imap_tls", "imap_login", "connect", "tls", "login", "send", "delivery",
        "delete", "sweep",
    ),
    kinds=KINDS,
    default_every=3600.0,
    default_timeout=150.0,
)  # fmt: skip
