"""A message to one recipient, complete and ready to be sent any number of times with the same identity."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One mail to one recipient. Times are seconds since the epoch, UTC."""

    key: str
    """Names incident, event and recipient; queueing a key a second time does nothing."""
    thread: str
    """Messages of one thread reach a recipient in the order in which they were queued."""
    recipient: str
    subject: str
    body: str
    message_id: str
    """`<...@...>`, derived from the event, so that every attempt and every restart gives the same."""
    date: float
    expires_at: float
    """When it is too old to be worth sending."""
    in_reply_to: str = ""
    language: str = "en"
    channel: str = "mail"
    """`mail`, or the name of a `[notify.channels.NAME]`, which is then the recipient, too."""
    html: str = ""
    """The same as `body` as a page; empty where only text is sent."""
    picture: str = ""
    """JSON of what is drawn when it is delivered (`monitor.alerts.affected.Sketch`); empty for nothing."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send until the lease ends; `attempts` includes this one."""

    id: int
    attempts: int
    message: Message


@dataclass(frozen=True, slots=True)
class Queued:
    """How many messages were taken, and how many were not because the outbox is full."""

    queued: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as shown to people."""

    id: int
    recipient: str
    subject: str
    attempts: int
    queued_at: float
    finished_at: float
    error: str


class TransportError(Exception):
    """A message was not handed over. `permanent`: it never will be, so trying again is pointless."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.message, self.permanent = message, permanent


def message_id(event: str, domain: str) -> str:
    """Return the Message-ID of an event (RFC 5322, 3.6.4): the same for the same event, for ever."""
    return f"<{hashlib.sha256(event.encode()).hexdigest()[:40]}@{domain}>"
