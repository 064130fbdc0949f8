"""What SNMP agents answer with, and how a question to one may end; shared by both engines (RFC 3416)."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol

from probes.errors import Ending, Inconclusive, OwnLoginFailed, ProtocolViolated, TimedOut


class Missing(Enum):
    """The one value that is none: the agent has no such object, or does not show it to this account."""

    NO_SUCH = "no such object"


NO_SUCH = Missing.NO_SUCH
Value = int | float | str | bytes | Missing
"""INTEGER, Counter32/64, Gauge32 and TimeTicks are int, OBJECT IDENTIFIER and IpAddress dotted str, OCTET
STRING and other Opaque bytes, an Opaque float a float."""
Pairs = list[tuple[str, Value]]
Next = Callable[[int], Awaitable[Pairs | None]]
"""Ask for the next so many varbinds of a walk; None when there are no more in its subtree."""

STATUS = (
    "noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType",
    "wrongLength", "wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable",
    "commitFailed", "undoFailed", "authorizationError", "notWritable", "inconsistentName",
)  # fmt: skip
TOO_BIG, NO_SUCH_NAME = 1, 2
_NO_RIGHT = (6, 16)

REPORTS = {
    "1.3.6.1.6.3.15.1.1.1": "wrong_level: the agent does not take this user at this security level",
    "1.3.6.1.6.3.15.1.1.2": "not_in_time_window: the agent's boots and time are not what it said before",
    "1.3.6.1.6.3.15.1.1.3": "unknown_user: the agent does not know this user",
    "1.3.6.1.6.3.15.1.1.4": "unknown_engine: the agent says that its engine id is another",
    "1.3.6.1.6.3.15.1.1.5": "wrong_key: wrong authentication key or protocol",
    "1.3.6.1.6.3.15.1.1.6": "wrong_privacy_key: the agent could not decrypt the question",
    "1.3.6.1.6.3.12.1.5.0": "unknown_context: the agent does not have this context",
}
"""What a Report of an agent's security model stands for (RFC 3414 section 3.2, RFC 3413 section 3.2)."""


class StatusError(Exception):
    """An answer with an error-status other than noError; `index` counts the asked from 1, 0 means none."""

    def __init__(self, status: int, index: int) -> None:
        super().__init__(status, index)
        self.status, self.index = status, index

    def ending(self, oid: str) -> Ending:
        """Return the ending it stands for, where there is no way around it."""
        name = STATUS[self.status] if 0 <= self.status < len(STATUS) else str(self.status)
        if self.status in _NO_RIGHT:
            return OwnLoginFailed(f"missing_right: {name} for {oid}")
        return ProtocolViolated(f"agent_error: {name} for {oid}")


class Engine(Protocol):
    """One way to ask one agent."""

    facts: dict[str, str]
    """What was learnt of the agent besides its answers (`engine_id`)."""

    async def get(self, oids: list[str]) -> dict[str, Value]:
        """Ask once for these; what is not there is left out. Raises `StatusError` and endings."""

    def walk(self, base: str) -> Next:
        """Return what asks for the objects below `base`. It raises `StatusError` and endings."""

    async def aclose(self) -> None:
        """Close what is open."""


def reported(oid: str) -> Ending:
    """Return the ending that a Report with this varbind stands for."""
    for counter, detail in REPORTS.items():
        if oid == counter or oid.startswith(f"{counter}."):
            return OwnLoginFailed(detail)
    return ProtocolViolated(f"report: {oid}")


def silence(
    seconds: float, *, community: bool, encrypted: bool, spoke: bool, context: bool = False
) -> Ending:
    """Return the ending of a question that nobody answered within `seconds`."""
    if context and spoke:
        return Inconclusive(
            "unknown_context: it told its engine id, and nothing of this context within "
            f"{seconds:.3g} s: it has no such context, or a packet was lost"
        )
    if encrypted and spoke:
        return Inconclusive(
            "wrong_privacy_key: what is not encrypted was answered, what is was not within "
            f"{seconds:.3g} s: wrong privacy key or protocol, or a lost packet"
        )
    if spoke:
        return TimedOut(f"query: answers stopped, none within {seconds:.3g} s")
    why = " (a wrong community, or an address that may not ask, is met with silence, too)"
    return TimedOut(f"query: no answer within {seconds:.3g} s{why if community else ''}")


def opaque(data: bytes) -> float | bytes:
    """Return the number in an Opaque that holds one as net-snmp writes it (tags 9f78 and 9f79)."""
    if len(data) == 7 and data[:3] == b"\x9fx\x04":
        return float(struct.unpack(">f", data[3:])[0])
    if len(data) == 11 and data[:3] == b"\x9fy\x08":
        return float(struct.unpack(">d", data[3:])[0])
    return data


def key(oid: str) -> tuple[int, ...]:
    """Return what orders object identifiers."""
    return tuple(map(int, oid.split(".")))
