"""What an engine answers in place of doing what it was asked, in the same words for all engines."""

from __future__ import annotations

from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProberFault,
    TimedOut,
    TlsFailed,
)

WORDS: dict[str, type[Ending]] = {
    "wrong_password": OwnLoginFailed,
    "account_locked": OwnLoginFailed,
    "password_expired": OwnLoginFailed,
    "login_refused": OwnLoginFailed,
    "missing_right": PermissionMissing,
    "bad_query": ProberFault,
    "unknown_login": ProberFault,
    "unsafe_login": ProberFault,
    "tls_required": TlsFailed,
    "tls_refused": TlsFailed,
    "slow_query": TimedOut,
    "too_many_connections": ExpectationFailed,
    "not_ready": ExpectationFailed,
    "no_such_database": ExpectationFailed,
    "no_such_table": ExpectationFailed,
    "read_only": ExpectationFailed,
    "disk_full": ExpectationFailed,
    "version_too_old": ExpectationFailed,
    "query_refused": ExpectationFailed,
}
"""The first word of a detail, and how a run ends that can't go on after it.

`login_refused` is any other reason why the account may not come in (the server's rules of who may come from
where), `unknown_login` a way to log in that the driver does not know,
`unsafe_login` one that would tell the password to whoever listens; `not_ready` a server that starts, stops
or recovers; `bad_query` a query that is none to the engine; `query_refused` whatever has no word of its own.
"""
OLD_OR_FORBIDDEN = ("missing_right", "version_too_old")


class Refusal(Exception):  # noqa: N818 - the engine's answer, which is not always an error of the run
    """The engine said no: `word` is one of `WORDS`, `said` its own text, cleaned already."""

    def __init__(self, word: str, said: str = "") -> None:
        if word not in WORDS:
            msg = f"{word} is not one of the words for a refusal"
            raise ValueError(msg)
        super().__init__(f"{word}: {said}" if said else word)
        self.word, self.said = word, said

    def ending(self) -> Ending:
        """Return the ending of a run that can't go on."""
        return WORDS[self.word](str(self))

    def of_query(self) -> Refusal | Ending:
        """Return what to raise for a query of the check's own: that it would write is the check's fault."""
        return ProberFault(str(self)) if self.word == "read_only" else self
