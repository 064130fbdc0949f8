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
    data: str = ""
    """JSON of the event (`muster.event/1`) for channels that machines read; empty where there is none."""
    notice: str = ""
    """Which event of an incident it tells; such messages give way to a summary when they are many."""
    not_before: float = 0.0
    """Not sent before this time."""
    references: str = ""
    """Message-IDs of further conversations that this one goes on from, with spaces between."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send until the lease ends; `attempts` includes this one."""

    id: int
    attempts: int
    message: Message


@dataclass(frozen=True, slots=True)
class Queued:
    """How many messages were taken, and how many were not because the outbox is full.

    Of those taken, `folded` are told by a summary instead.
    """

    queued: int = 0
    dropped: int = 0
    folded: int = 0


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
    channel: str = "mail"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A channel or recipient that messages wait for after a failed attempt, and why."""

    channel: str
    recipient: str
    waiting: int
    since: float
    """When the oldest of them was queued."""
    error: str
    """That of the latest attempt."""


class TransportError(Exception):
    """A message was not handed over. `permanent`: it never will be, so trying again is pointless."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.message, self.permanent = message, permanent


def message_id(event: str, domain: str) -> str:
    """Return the Message-ID of an event (RFC 5322, 3.6.4): the same for the same event, for ever."""
    return f"<{hashlib.sha256(event.encode()).hexdigest()[:40]}@{domain}>"


def content_id(message: str) -> str:
    """Return the Content-ID (RFC 2392) of the picture of a message, by its Message-ID, without brackets."""
    return f"picture.{message.strip('<>')}"
