"""What the error codes of MongoDB stand for (mongo, src/mongo/base/error_codes.yml); pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probes._clean import cleaned
from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
    TimedOut,
)

CODES: dict[int, tuple[str, type[Ending]]] = {
    18: ("wrong_password", OwnLoginFailed),
    13: ("missing_right", PermissionMissing),
    50: ("slow_query", TimedOut),
    59: ("version_too_old", ExpectationFailed),
    64: ("too_few_replicas", ExpectationFailed),
    91: ("not_ready", ExpectationFailed),
    94: ("not_replicated", ExpectationFailed),
    189: ("not_ready", ExpectationFailed),
    76: ("not_replicated", ExpectationFailed),
    10107: ("read_only", ExpectationFailed),
    11600: ("not_ready", ExpectationFailed),
    13435: ("read_only", ExpectationFailed),
    13436: ("not_ready", ExpectationFailed),
    14031: ("disk_full", ExpectationFailed),
}
"""An error's code, the first word of the detail, and how a run ends that can't go on after it."""


class Unheard(ProtocolViolated):
    """The server closed the connection without a word, which it does for several reasons."""

    def __init__(self, *, secure: bool) -> None:
        why = "a client certificate" if secure else "TLS"
        super().__init__(f"closed without an answer: it wants {why}, or has no connection left")


def refusal(answer: Mapping[str, Any], secrets: tuple[str, ...]) -> Ending:
    """Return the ending that an answer with an error stands for; its text is cleaned."""
    code, text = answer.get("code"), str(answer.get("errmsg", ""))
    if code == 13 and "requires authentication" in text:
        return OwnLoginFailed(f"wrong_password: {cleaned(text, secrets)}: no user is given")
    word, ending = CODES.get(code if isinstance(code, int) else 0, ("command_refused", ExpectationFailed))
    return ending(f"{word}: {cleaned(text, secrets)} ({code})")


def of_writing(answer: Mapping[str, Any], secrets: tuple[str, ...]) -> Ending | None:
    """Return the ending of a write that was answered, but not done as asked; None where it was done."""
    concern, errors = answer.get("writeConcernError"), answer.get("writeErrors")
    first = errors[0] if isinstance(errors, list) and errors else concern
    if not isinstance(first, Mapping):
        return None
    return refusal(first, secrets)
