"""An event as JSON for machines, `muster.event/1`: what a webhook posts. Extended, never broken."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.alerts.people import Card
from monitor.incidents.incident import ADOPTED, REMOVED, Event, Incident, Member
from monitor.messages.message import Message

SCHEMA: Literal["muster.event/1"] = "muster.event/1"


class Part(BaseModel):
    """Base of every part; keys may be added to any."""

    model_config = ConfigDict(frozen=True)


class UnitPart(Part):
    """The unit that an incident is in; the names are empty for one that is no longer in the inventory."""

    id: str
    name: str = ""
    name_zh: str = ""
    timezone: str = "UTC"


class MemberPart(Part):
    """A check in an incident. Times are RFC 3339, UTC."""

    check: str
    state: str
    kind: str
    since: str


class IncidentPart(Part):
    """The incident as it is after the event. Times are RFC 3339, UTC."""

    id: int
    thread: str
    """Names it for ever, also after a restored backup."""
    root: str
    kind: str
    detail: str
    state: str
    worst: str
    severity: str
    began_at: str
    opened_at: str
    closed_at: str | None
    tier: int
    acknowledged_by: str
    ended: str = ""
    """recovered, adopted, removed, by_hand or absorbed; empty while it is open."""
    members: tuple[MemberPart, ...]
    members_total: int


class EventDocument(Part):
    """One message. `incident` is null where no incident causes it (a summary, a digest, a test)."""

    schema_: Literal["muster.event/1"] = Field(alias="schema")
    id: str
    """The same in every attempt: drop what was seen before."""
    event: str
    """opened, worse, residual, escalated, reminder, closed, removed, adopted; summary, digest, message."""
    at: str
    language: str
    subject: str
    text: str
    unit: UnitPart | None = None
    incident: IncidentPart | None = None


def describe(event: Event, card: Card | None) -> str:
    """Return what of an event goes into `Message.data`: JSON of `event`, `unit` and `incident`."""
    incident = event.incident
    unit = _unit(incident.unit, card) if incident.unit else None
    kind = event.transition.kind
    return json.dumps(
        {
            "event": kind if kind in (REMOVED, ADOPTED) else event.notice.value,
            "unit": unit.model_dump() if unit else None,
            "incident": _incident(incident, event.members, event.total).model_dump(),
        },
        ensure_ascii=False,
    )


def _unit(unit: str, card: Card | None) -> UnitPart:
    if card is None:
        return UnitPart(id=unit)
    return UnitPart(id=unit, name=card.name, name_zh=card.name_zh, timezone=card.timezone)


def _incident(incident: Incident, members: tuple[Member, ...], total: int) -> IncidentPart:
    return IncidentPart(
        id=incident.id,
        thread=incident.thread,
        root=incident.root,
        kind=incident.kind,
        detail=incident.detail,
        state=incident.state.value,
        worst=incident.worst.value,
        severity=incident.severity.value,
        began_at=moment(incident.began_at),
        opened_at=moment(incident.opened_at),
        closed_at=None if incident.closed_at is None else moment(incident.closed_at),
        tier=incident.tier,
        acknowledged_by=incident.acked_by,
        ended=incident.ending,
        members=tuple(
            MemberPart(check=m.check, state=m.state.value, kind=m.kind, since=moment(m.since))
            for m in members
        ),
        members_total=max(total, len(members)),
    )


def moment(at: float) -> str:
    """Return a time in RFC 3339, UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def document(message: Message) -> bytes:
    """Return the body that is posted: UTF-8 JSON, the same in every attempt."""
    body = {
        "schema": SCHEMA,
        "id": message.message_id.strip("<>"),
        "event": message.notice or "message",
        "at": moment(message.date),
        "language": message.language,
        "subject": message.subject,
        "text": message.body,
        "unit": None,
        "incident": None,
    }
    body |= json.loads(message.data) if message.data else {}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
