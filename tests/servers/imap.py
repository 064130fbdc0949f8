"""Dovecot's IMAP (Debian: dovecot-imapd) with a mailbox, and an SMTP server that delivers to it."""

from __future__ import annotations

import getpass
import grp
import mailbox
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers.certificates import Authority
from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running
from tests.servers.smtp import PASSWORD, USER, Mailbox, SmtpServer

UID = 64_203
CONFIG = """
protocols = imap
listen = {host}
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
default_vsz_limit = 1G
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:{dir}/mail
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = passwd-file
  args = scheme=plain {dir}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {secure}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
{tls}
{options}
"""
TLS = """
ssl = {ssl}
ssl_cert = <{file}
ssl_key = <{file}
disable_plaintext_auth = {wanted}
"""
ACL = """
mail_plugins = acl
protocol imap {{
  mail_plugins = acl imap_acl
}}
plugin {{
  acl = vfile:{file}
}}
"""
"""The rights of the account, by a file of lines `MAILBOX user=NAME RIGHTS`."""


@dataclass
class Delivering(Mailbox):
    """Takes mails by SMTP and puts them into a maildir, after a while if asked; or loses them."""

    maildir: Path = Path()
    uid: int = 0
    lose: bool = False

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = await super().handle_DATA(server, session, envelope)
        if answer.startswith("250") and not self.lose:
            self.deliver(cast("bytes", envelope.content))
        return answer

    def deliver(self, content: bytes, at: float | None = None) -> None:
        """Put a mail into the mailbox, as of a time in seconds since the epoch."""
        box = mailbox.Maildir(str(self.maildir), create=False)
        message = mailbox.MaildirMessage(content)
        message.set_date(at or time.time())
        file = self.maildir / "new" / box.add(message)
        os.chown(file, self.uid, -1)

    def left(self) -> list[str]:
        """Return the subjects of the mails that are there."""
        box = mailbox.Maildir(str(self.maildir), create=False)
        return sorted(str(message["subject"]) for message in box)


@dataclass
class MailSystem:
    """Where both listen; user and password are the same everywhere."""

    smtp: SmtpServer
    box: Delivering
    imap: int
    imaps: int
    host: str = "127.0.0.1"
    """Of IMAP."""
    user: str = field(default=USER)
    password: str = field(default=PASSWORD)


@asynccontextmanager
async def mail_system(
    *,
    authority: Authority | None = None,
    implicit: bool = False,
    login: bool = False,
    plaintext: bool = True,
    rights: str = "",
    options: str = "",
) -> AsyncIterator[MailSystem]:
    """Run both. With an authority SMTP demands STARTTLS (or is `implicit`), and IMAP has it.

    Without `plaintext` IMAP lets nobody log in in the clear; it has another address then, since Dovecot takes
    connections from an address to itself for secure. `rights` are those of its account (RFC 4314).
    """
    host = "127.0.0.1" if plaintext else "127.0.0.2"
    directory = Path(tempfile.mkdtemp(prefix="mail-"))
    try:
        uid = UID if os.geteuid() == 0 else os.getuid()
        pair = authority.issue("127.0.0.1", "127.0.0.2", label="mail") if authority else None
        tls = "ssl = no\ndisable_plaintext_auth = no"
        if pair is not None:
            tls = TLS.format(ssl="yes", file=pair.file, wanted="no" if plaintext else "yes")
        ports = free_port(host=host), free_port(host=host)
        config = _prepared(directory, uid, host, ports, tls, options + _acl(directory, rights))
        box = Delivering(maildir=directory / "mail", uid=uid)
        smtp = SmtpServer(box, pair.server_context() if pair else None, implicit, login)
        await smtp.start()
        try:
            async with running(program("dovecot"), "-F", "-c", str(config), log=directory / "out"):
                await until_listening(ports[0], host)
                yield MailSystem(smtp, box, *ports, host)
        finally:
            await smtp.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _acl(directory: Path, rights: str) -> str:
    if not rights:
        return ""
    (directory / "acl").write_text(f"* user={USER} {rights}\n")
    (directory / "acl").chmod(0o644)
    return ACL.format(file=directory / "acl")


def _prepared(directory: Path, uid: int, host: str, ports: tuple[int, int], tls: str, options: str) -> Path:
    """Write the configuration, the account and an empty mailbox."""
    directory.chmod(0o711)
    for name in ("mail", "mail/new", "mail/cur", "mail/tmp"):
        (directory / name).mkdir(mode=0o700)
        os.chown(directory / name, uid, -1)
    (directory / "users").write_text(f"{USER}:{PASSWORD}\n")
    (directory / "users").chmod(0o644)
    mine, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
    names = ("dovecot", "dovecot", "dovenull") if os.geteuid() == 0 else (mine, group, mine)
    given = dict(zip(("internal", "group", "login"), names, strict=True)) | {"tls": tls, "options": options}
    gid = uid if os.geteuid() == 0 else os.getgid()
    config = directory / "dovecot.conf"
    config.write_text(
        CONFIG.format(dir=directory, host=host, uid=uid, gid=gid, port=ports[0], secure=ports[1], **given)
    )
    return config
