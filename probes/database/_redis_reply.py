"""What an error of a Redis server stands for: the codes of redis.io (RESP, simple errors); pure."""

from __future__ import annotations

from probes._clean import cleaned
from probes.api import clip
from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
    TlsFailed,
)

CODES: dict[str, tuple[str, type[Ending]]] = {
    "WRONGPASS": ("wrong_password", OwnLoginFailed),
    "NOAUTH": ("wrong_password", OwnLoginFailed),
    "DENIED": ("login_refused", OwnLoginFailed),
    "NOPERM": ("missing_right", PermissionMissing),
    "READONLY": ("read_only", ExpectationFailed),
    "OOM": ("out_of_memory", ExpectationFailed),
    "LOADING": ("loading", ExpectationFailed),
    "MISCONF": ("save_failed", ExpectationFailed),
    "NOREPLICAS": ("too_few_replicas", ExpectationFailed),
    "MASTERDOWN": ("primary_down", ExpectationFailed),
    "CLUSTERDOWN": ("cluster_down", ExpectationFailed),
    "MOVED": ("wrong_node", ExpectationFailed),
    "BUSY": ("busy_script", ExpectationFailed),
    "NOQUORUM": ("no_quorum", ExpectationFailed),
}
"""An answer's code, the first word of the detail, and how a run ends that can't go on after it."""
TEXTS: dict[str, tuple[str, type[Ending]]] = {
    "max number of clients": ("too_many_connections", ExpectationFailed),
    "invalid password": ("wrong_password", OwnLoginFailed),
    "without any password": ("wrong_password", OwnLoginFailed),
    "no password is set": ("wrong_password", OwnLoginFailed),
    "no such master": ("no_such_service", ExpectationFailed),
    "unknown command": ("version_too_old", ExpectationFailed),
    "unknown subcommand": ("version_too_old", ExpectationFailed),
    "cluster support disabled": ("no_cluster", ExpectationFailed),
    "db index is out of range": ("no_such_database", ExpectationFailed),
}
"""The same for answers whose code is only ERR, by a part of their text."""


def refusal(code: str, text: str, secrets: tuple[str, ...]) -> Ending:
    """Return the ending that an error reply stands for; its text is cleaned."""
    low = text.lower()
    word, ending = CODES.get(code) or next(
        (meaning for part, meaning in TEXTS.items() if part in low), ("command_refused", ExpectationFailed)
    )
    said = text if code in ("", "ERR") else f"{code} {text}"
    return ending(f"{word}: {cleaned(said, secrets)}")


def unreadable(first: bytes, said: str, secrets: tuple[str, ...]) -> Ending:
    """Return the ending of an answer that is no RESP; `first` is what came first on the connection."""
    if first[:1] == b"\x15":
        return TlsFailed("tls_required: the port speaks TLS; write tls: on")
    return ProtocolViolated(f"the answer is no Redis: {clip(cleaned(said, secrets), 100)}")
