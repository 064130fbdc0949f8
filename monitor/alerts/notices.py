"""From what happened to an incident to the mails about it: pure, bounded, and in the recipient's language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.alerts.mail_settings import Language, MailSettings
from monitor.alerts.message import Message, message_id
from monitor.alerts.people import Card, Gone
from monitor.alerts.texts import SIGNS, cause, lasted, text
from monitor.incidents import REMOVED, Event, Incident, Notice
from probes.api import clip

_NAME = 60
_DETAIL = 500
MAX_RECIPIENTS = 50


@dataclass(frozen=True, slots=True)
class Notices:
    """Writes the messages of an event. `card` gives a unit by its id, `target` a check's address."""

    settings: MailSettings
    card: Callable[[str], Card | None]
    target: Callable[[str], str]

    def __call__(self, event: Event) -> list[Message]:
        """Return one message for each recipient; none where mail is not set up or nobody is named."""
        if not self.settings.host:
            return []
        unit = event.incident.root.partition("/")[0]
        card = self.card(unit) or Gone(unit, unit)
        people = dict.fromkeys(self._people(event, card))
        return [self._message(event, card, person) for person in list(people)[:MAX_RECIPIENTS]]

    def _people(self, event: Event, card: Card) -> tuple[str, ...]:
        """Return who is told: the unit's contacts; of the end, those who were told of the beginning."""
        if event.notice is Notice.CLOSED and event.told:
            return event.told
        return event.told + (card.contacts.get("tier1") or self.settings.to)

    def _message(self, event: Event, card: Card, recipient: str) -> Message:
        incident, language = event.incident, self.language(recipient)
        thread = incident.thread
        domain = self.settings.sender.rpartition("@")[2]
        opened = message_id(f"{thread}:{Notice.OPENED}:{language}", domain)
        own = message_id(f"{thread}:{event_name(event)}:{language}", domain)
        return Message(
            key=f"{thread}:{event_name(event)}:{recipient}",
            thread=thread,
            recipient=recipient,
            subject=subject(event, card, language),
            body=body(event, card, language, self.target(incident.root)),
            message_id=own,
            date=event.transition.at,
            expires_at=event.transition.at + self.settings.lifetime,
            in_reply_to="" if own == opened else opened,
            language=language,
        )

    def language(self, recipient: str) -> Language:
        """Return the language a recipient reads."""
        return self.settings.languages.get(recipient, self.settings.language)


def event_name(event: Event) -> str:
    """Return what tells an event from the others of its incident: it can get worse more than once."""
    if event.notice is Notice.WORSE:
        return f"{event.notice}-{event.incident.worst}"
    return event.notice.value


def subject(event: Event, card: Card, language: Language) -> str:
    """Return a subject that says state, unit, check and cause, in one bounded line."""
    return clip(text(language, f"subject.{_form(event)}", **_values(event, card, language)), 250)


def body(event: Event, card: Card, language: Language, target: str) -> str:
    """Return the text: one sentence, then a line for each fact, none of them long."""
    lines = [text(language, f"lead.{_form(event)}", **_values(event, card, language)), ""]
    for label, value in _facts(event, card, language, target):
        if value:
            lines.append(text(language, f"label.{label}") + text(language, "colon") + value)
    closed = event.incident.closed_at is not None
    lines += ["", text(language, "foot.closed" if closed else "foot.open", id=event.incident.id), ""]
    return "\n".join(lines)


def _form(event: Event) -> str:
    return REMOVED if event.transition.kind == REMOVED else event.notice.value


def _values(event: Event, card: Card, language: Language) -> dict[str, str]:
    incident = event.incident
    state = incident.state
    return {
        "sign": SIGNS["UNKNOWN" if event.transition.kind == REMOVED else state],
        "state": text(language, f"state.{state}"),
        "worst": text(language, f"state.{incident.worst}"),
        "unit": clip(name(card, language), _NAME),
        "check": clip(incident.root.partition("/")[2] or incident.root, _NAME),
        "cause": clip(cause(language, incident.kind), _NAME),
        "lasted": _span(incident, event, language),
    }


def _span(incident: Incident, event: Event, language: Language) -> str:
    return lasted(language, (_ended(event) or event.transition.at) - incident.began_at)


def _ended(event: Event) -> float | None:
    """Return when it was over: at the first good reading, not when it had been confirmed."""
    if event.incident.closed_at is None:
        return None
    return event.incident.closed_at if event.transition.kind == REMOVED else event.transition.since


def _facts(event: Event, card: Card, language: Language, target: str) -> list[tuple[str, str]]:
    incident = event.incident
    ended = _ended(event)
    before = incident.previous
    return [
        ("unit", f"{clip(name(card, language), _NAME)} ({clip(card.id, _NAME)})"),
        ("check", clip(incident.root, 200)),
        ("target", clip(target, 200)),
        ("state", text(language, f"state.{incident.state}")),
        ("cause", clip(cause(language, incident.kind), _NAME)),
        ("detail", clip(incident.detail, _DETAIL)),
        ("began", moment(incident.began_at, card.timezone)),
        ("decided", moment(event.transition.decided_at, card.timezone) if ended is None else ""),
        ("ended", "" if ended is None else moment(ended, card.timezone)),
        ("lasted", "" if ended is None else _span(incident, event, language)),
        ("incident", str(incident.id)),
        ("previous", "" if before is None else text(language, "previous", id=before)),
    ]


def name(card: Card, language: Language) -> str:
    """Return the unit's name in a language, else the one it has."""
    return (card.name_zh if language == "zh" else card.name) or card.name or card.id


def moment(at: float, timezone: str) -> str:
    """Return a time in a zone with its offset: "2027-01-15 09:03:12 +08:00"; UTC for an unknown zone."""
    try:
        zone: ZoneInfo | None = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = None
    text_ = datetime.fromtimestamp(at, zone or UTC).isoformat(" ", "seconds")
    return f"{text_[:19]} {text_[19:]}"
