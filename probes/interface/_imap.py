"""A mailbox read by IMAP4rev1 (RFC 3501, RFC 9051), as far as it takes to find a mail and delete it.

Lines and literals are bounded. Login names and passwords go as literals, so that none of their characters
means anything.
"""

from __future__ import annotations

import imaplib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from probes._clean import cleaned
from probes._service import Notes, Talk
from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
)

MAX_LINE = 65_536
MAX_LITERAL = 65_536
MAX_LINES = 5_000
"""Untagged answers to one command."""
MAX_FOUND = 100
"""Mails that a search may find before it is taken to ask for something else."""
FULL = re.compile(r"overquota|quota exceeded", re.IGNORECASE)
_LITERAL = re.compile(rb"\{(\d{1,9})\}$")
_NUMBERS = re.compile(rb"\* SEARCH((?: \d{1,10})*) *$", re.IGNORECASE)
_UID = re.compile(rb"\bUID (\d{1,10})\b", re.IGNORECASE)
_SUBJECT = re.compile(rb"^subject:[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.IGNORECASE | re.MULTILINE)


class Refused(Exception):  # noqa: N818 - an answer, not always an error
    """The server answered NO or BAD."""

    def __init__(self, status: str, said: str) -> None:
        super().__init__(said)
        self.status, self.said = status, said


@dataclass(frozen=True, slots=True)
class Found:
    """A mail in the mailbox: its number, its subject, and when it came, in seconds since the epoch."""

    uid: int
    subject: str
    at: float | None


class Imap:
    """A talk with one server; every command waits for its answer."""

    def __init__(self, talk: Talk, notes: Notes, secrets: tuple[str, ...]) -> None:
        self._talk, self._notes, self._secrets = talk, notes, secrets
        self._tag = 0
        self._capabilities: set[str] = set()

    async def greeting(self) -> None:
        """Take the server's first words. Raises `ProtocolViolated` where they are none of IMAP."""
        line = await self._talk.line(MAX_LINE)
        if line.upper().startswith(b"* BYE"):
            raise ExpectationFailed(f"too_many_connections: {self._shown(line)}")
        if not line.upper().startswith((b"* OK", b"* PREAUTH")):
            raise ProtocolViolated(f"it is no IMAP server: it says {self._shown(line)[:100]!r}")

    async def log_in(self, user: str, password: str) -> None:
        """Log in. Raises `OwnLoginFailed`, and `ExpectationFailed` where that needs TLS."""
        try:
            await self.command("LOGIN", literals=(user.encode(), password.encode()))
        except Refused as refused:
            said = refused.said
            if "PRIVACYREQUIRED" in said or "disallowed on non-secure" in said or "LOGINDISABLED" in said:
                raise ExpectationFailed(f"tls_required: {said}") from None
            if "UNAVAILABLE" in said or "LIMIT" in said:
                raise ExpectationFailed(f"too_many_connections: {said}") from None
            raise OwnLoginFailed(f"wrong_password: {said}") from None
        for line in await self._asked("CAPABILITY"):
            if line.upper().startswith(b"* CAPABILITY "):
                self._capabilities = set(line[13:].decode("ascii", "replace").upper().split())

    async def select(self, folder: str) -> None:
        """Open a folder to read and write. Raises `ExpectationFailed`, `PermissionMissing`."""
        try:
            await self.command("SELECT", literals=(folder.encode(),))
        except Refused as refused:
            if "NOPERM" in refused.said or "permission" in refused.said.lower():
                raise PermissionMissing(f"missing_right: folder {folder}: {refused.said}") from None
            raise ExpectationFailed(f"no_such_folder: {folder}: {refused.said}") from None

    async def find(self, subject: str) -> list[Found]:
        """Return the mails whose subject holds `subject`, 100 at most."""
        await self._asked("NOOP")
        numbers: list[int] = []
        for line in await self._asked("UID SEARCH SUBJECT", subject):
            if matched := _NUMBERS.match(line):
                numbers += [int(number) for number in matched[1].split()]
        if not numbers:
            return []
        uids = ",".join(map(str, numbers[-MAX_FOUND:]))
        asked = f"UID FETCH {uids} (INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
        found = [fetched(line) for line in await self._asked(asked)]
        return [mail for mail in found if mail is not None]

    async def delete(self, uids: list[int]) -> None:
        """Delete mails, and no others. Raises `PermissionMissing` where they stay."""
        numbers = ",".join(map(str, uids))
        await self._asked(f"UID STORE {numbers} +FLAGS.SILENT (\\Deleted)")
        if "UIDPLUS" in self._capabilities:
            await self._asked(f"UID EXPUNGE {numbers}")
        else:
            marked = [line for line in await self._asked("UID SEARCH DELETED") if _NUMBERS.match(line)]
            if {int(number) for line in marked for number in line.split()[2:]} - {*uids}:
                raise PermissionMissing(
                    "missing_right: others' mails are marked as deleted in this folder, and the server can't "
                    "delete just ours (UIDPLUS); give the monitor a mailbox of its own"
                )
            await self._asked("EXPUNGE")
        left = [fetched(line) for line in await self._asked(f"UID FETCH {numbers} (UID INTERNALDATE)")]
        if any(mail is not None and mail.uid in uids for mail in left):
            raise PermissionMissing("missing_right: the account may not delete mails (ACL t and e)")

    async def log_out(self) -> None:
        """Say goodbye; what comes back is not waited for."""
        await self._talk.say(b"m0 LOGOUT\r\n")

    async def _asked(self, words: str, *literals: str) -> list[bytes]:
        """Give a command that only a broken server, or one that lets nobody in any more, refuses."""
        try:
            return await self.command(words, literals=tuple(text.encode() for text in literals))
        except Refused as refused:
            if "NOPERM" in refused.said or "ermission" in refused.said:
                raise PermissionMissing(f"missing_right: {words.split(' ', 2)[0]}: {refused.said}") from None
            raise ExpectationFailed(f"{words.split(' (', 1)[0][:40]}: {refused.said}") from None

    async def command(self, words: str, *, literals: tuple[bytes, ...] = ()) -> list[bytes]:
        """Give a command and return the untagged answers to it, literals joined in. Raises `Refused`."""
        self._tag += 1
        tag, line = f"m{self._tag}".encode(), f"m{self._tag} {words}".encode()
        untagged: list[bytes] = []
        for literal in literals:
            await self._talk.say(line + b" {%d}\r\n" % len(literal))
            await self._until(tag, untagged, goes_on=True)
            line = literal
        await self._talk.say(line + b"\r\n")
        await self._until(tag, untagged)
        return untagged

    async def _until(self, tag: bytes, untagged: list[bytes], *, goes_on: bool = False) -> None:
        """Read until the answer to `tag`, or, with `goes_on`, until more of the command is wanted."""
        while True:
            line = await self._line()
            if goes_on and line.startswith(b"+"):
                return
            if line.startswith(b"* "):
                untagged.append(line)
                if len(untagged) > MAX_LINES:
                    raise ProtocolViolated(f"more than {MAX_LINES} answers to one command")
                continue
            found, _, rest = line.partition(b" ")
            status, _, said = rest.partition(b" ")
            if found != tag or status.upper() not in (b"OK", b"NO", b"BAD"):
                raise ProtocolViolated(f"no valid answer: {self._shown(line)[:100]!r}")
            if status.upper() != b"OK" or goes_on:
                raise Refused(status.decode().upper(), self._shown(said))
            return

    async def _line(self) -> bytes:
        """Return the next line with the literals in it."""
        line = await self._talk.line(MAX_LINE)
        while matched := _LITERAL.search(line):
            size = int(matched[1])
            if size > MAX_LITERAL or len(line) > MAX_LITERAL:
                raise ProtocolViolated(f"a literal of {size} bytes")
            line += b"\r\n" + await self._talk.exactly(size) + b" " + await self._talk.line(MAX_LINE)
        return line

    def _shown(self, line: bytes) -> str:
        return cleaned(line.decode("utf-8", "replace"), self._secrets)


def fetched(line: bytes) -> Found | None:
    """Return the mail of an answer to FETCH, or None for another answer."""
    if not re.match(rb"\* \d{1,10} FETCH ", line, re.IGNORECASE):
        return None
    uid, subject = _UID.search(line), _SUBJECT.search(line)
    if uid is None:
        return None
    words = " ".join(subject[1].decode("utf-8", "replace").split()) if subject else ""
    return Found(int(uid[1]), words, _moment(line))


def _moment(line: bytes) -> float | None:
    try:
        parsed = imaplib.Internaldate2tuple(line)
        return None if parsed is None else time.mktime(parsed)
    except (ValueError, OverflowError, KeyError):
        return None


def ours(mails: Iterable[Found], subject: re.Pattern[str]) -> list[Found]:
    """Return the mails whose whole subject is one of ours."""
    return [mail for mail in mails if subject.fullmatch(mail.subject)]


def named(ending: Ending, server: str) -> Ending:
    """Say which server an ending came from, after the first word where that has a meaning."""
    word, colon, rest = ending.detail.partition(": ")
    told = colon and "_" in word and " " not in word
    ending.detail = f"{word}: {server}: {rest}" if told else f"{server}: {ending.detail}"
    return ending
