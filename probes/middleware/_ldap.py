"""One LDAP connection (RFC 4511), over `sansldap`; and what result codes stand for.

Bounded: entries by number, answers by bytes. Needs the extra `ldap`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import sansldap

from probes._clean import cleaned
from probes._service import Talk
from probes.api import clip
from probes.errors import (
    Ending,
    ExpectationFailed,
    LoginFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProberFault,
    ProtocolViolated,
)

MAX_BYTES = 8 * 1_048_576
"""Bytes read in one search."""
SCOPES = {
    "base": sansldap.SearchScope.BASE,
    "one": sansldap.SearchScope.ONE_LEVEL,
    "sub": sansldap.SearchScope.SUBTREE,
}
Code = sansldap.LDAPResultCode
_ENDINGS: dict[Code, tuple[type[Ending], str]] = {
    Code.INVALID_CREDENTIALS: (OwnLoginFailed, "wrong_password"),
    Code.INAPPROPRIATE_AUTHENTICATION: (OwnLoginFailed, "refused"),
    Code.UNWILLING_TO_PERFORM: (OwnLoginFailed, "refused"),
    Code.CONFIDENTIALITY_REQUIRED: (ExpectationFailed, "tls_required"),
    Code.STRONG_AUTH_REQUIRED: (ExpectationFailed, "tls_required"),
    Code.INSUFFICIENT_ACCESS_RIGHTS: (PermissionMissing, "missing_right"),
    Code.NO_SUCH_OBJECT: (ExpectationFailed, "no_such_object"),
    Code.REFERRAL: (ExpectationFailed, "referral"),
    Code.TIME_LIMIT_EXCEEDED: (ExpectationFailed, "slow_query"),
    Code.BUSY: (ExpectationFailed, "unavailable"),
    Code.UNAVAILABLE: (ExpectationFailed, "unavailable"),
}


@dataclass(slots=True)
class Found:
    """What a search gave."""

    entries: int = 0
    attributes: dict[str, list[str]] = field(default_factory=dict)
    """Of the first entry, by lower-case name."""
    referrals: int = 0
    cut: bool = False
    """Whether there is more than the limit allowed."""

    def value(self, name: str) -> str:
        """Return an attribute's values, joined, or an empty text."""
        return clip("; ".join(self.attributes.get(name.lower(), ())))


class Directory:
    """One connection: bind and search, one after the other."""

    def __init__(self, talk: Talk, secrets: tuple[str, ...]) -> None:
        self._talk, self._secrets = talk, secrets
        self._session = sansldap.LDAPClient()

    async def bind(self, name: str, password: str, *, purpose: bool) -> None:
        """Log in (simple bind). Raises `OwnLoginFailed`, or `LoginFailed` where that is the purpose.

        An empty password would be taken for anonymous (RFC 4513, section 5.1.2): that proves nothing, and
        raises `ProberFault`.
        """
        if not password:
            raise ProberFault("the password is empty: the server would let that pass as anonymous")
        self._session.bind_simple(name, password)
        for message in await self._answer():
            if isinstance(message, sansldap.BindResponse):
                if message.result.result_code is not Code.SUCCESS:
                    ending = self._refusal(message.result)
                    is_login = purpose and isinstance(ending, OwnLoginFailed)
                    raise LoginFailed(ending.detail) if is_login else ending
                return
        raise ProtocolViolated("another answer than to bind")

    async def search(
        self, base: str, scope: str, text: str, attributes: Iterable[str], limit: int, seconds: int
    ) -> Found:
        """Search, for at most `limit` entries. Raises the refusal, and `ProberFault` for a bad filter."""
        try:
            chosen = sansldap.LDAPFilter.from_string(text)
        except ValueError as error:
            raise ProberFault(clip(f"filter: {error}", 300)) from None
        self._session.search_request(
            base, SCOPES[scope], size_limit=limit, time_limit=seconds, filter=chosen, attributes=[*attributes]
        )
        found, done = Found(), False
        while not done and not found.cut:
            for message in await self._answer():
                done = self._take(message, found, limit) or done
        return found

    def _take(self, message: sansldap.LDAPMessage, found: Found, limit: int) -> bool:
        if isinstance(message, sansldap.SearchResultEntry):
            if not found.entries:
                found.attributes = _attributes(message)
            found.entries += 1
            found.cut = found.entries > limit
        elif isinstance(message, sansldap.SearchResultReference):
            found.referrals += 1
        elif isinstance(message, sansldap.SearchResultDone):
            code = message.result.result_code
            found.cut = code is Code.SIZE_LIMIT_EXCEEDED
            if code not in (Code.SUCCESS, Code.SIZE_LIMIT_EXCEEDED):
                raise self._refusal(message.result)
            return True
        return False

    async def goodbye(self) -> None:
        """Say that the connection ends."""
        self._session.unbind()
        await self._talk.say(self._session.data_to_send())

    async def _answer(self) -> list[sansldap.LDAPMessage]:
        """Send what is to be sent, and return the next messages, at least one."""
        if data := self._session.data_to_send():
            self._left = MAX_BYTES
            await self._talk.say(data)
        messages: list[sansldap.LDAPMessage] = []
        while not messages:
            if not await self._talk.more():
                raise ProtocolViolated("closed without an answer")
            data, self._talk.left = self._talk.left, b""
            self._left -= len(data)
            if self._left < 0:
                raise ProtocolViolated(f"an answer of more than {MAX_BYTES} bytes")
            messages = self._parsed(data)
        return messages

    def _parsed(self, data: bytes) -> list[sansldap.LDAPMessage]:
        try:
            return self._session.receive(data)
        except sansldap.ProtocolError as error:
            raise ProtocolViolated(f"no LDAP: {cleaned(str(error), self._secrets)}") from None
        except (UnicodeDecodeError, IndexError, RecursionError, OverflowError) as error:
            raise ProtocolViolated(f"no LDAP: {type(error).__name__}") from None

    def _refusal(self, result: sansldap.LDAPResult) -> Ending:
        kind, word = _ENDINGS.get(result.result_code, (ExpectationFailed, "refused"))
        name = result.result_code.name.lower().replace("_", " ")
        said = cleaned(" ".join((result.diagnostics_message, *(result.referrals or ()))), self._secrets)
        return kind(f"{word}: {name}" + (f": {said}" if said else ""))


def _attributes(entry: sansldap.SearchResultEntry) -> dict[str, list[str]]:
    return {
        clip(attribute.name.lower(), 100): [
            clip(value.decode("utf-8", "replace")) for value in attribute.values[:100]
        ]
        for attribute in entry.attributes[:200]
    }
