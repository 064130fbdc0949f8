"""From what happened to an incident to the messages about it: pure, bounded, in the recipient's language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from monitor.alerts.account import Known, account, moment, moment_of, plain
from monitor.alerts.affected import Sketch
from monitor.alerts.event_document import describe
from monitor.alerts.mail_settings import Language, MailSettings
from monitor.alerts.page import page
from monitor.alerts.people import MAIL, Card, Gone, Recipient
from monitor.alerts.policy import Policy
from monitor.alerts.texts import text
from monitor.incidents.incident import Event, Notice
from monitor.messages.message import Message, content_id, message_id
from probes.api import clip

MAX_RECIPIENTS = 50
MOST_REFERENCES = 10


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of an event besides the event, and what is drawn of it."""

    known: Known = field(default_factory=Known)
    sketch: Sketch | None = None


@dataclass(frozen=True, slots=True)
class Notices:
    """Writes the messages of an event. `card` gives a unit by its id, `target` a root's address.

    `context` tells the rest: what to do, what is drawn. Without `policy` the settings alone say who is told.
    """

    settings: MailSettings
    card: Callable[[str], Card | None]
    target: Callable[[str], str]
    policy: Policy | None = None
    context: Callable[[Event], Context] | None = None

    def __call__(self, event: Event) -> list[Message]:
        """Return one message for each recipient; no mail where mail is not set up."""
        unit = event.incident.unit
        card = self.card(unit)
        people = (self.policy or Policy(self.settings)).recipients(event, card)
        told = [each for each in people if each.channel != MAIL or self.settings.host]
        if not told:
            return []
        context = self.context(event) if self.context else self._bare(event)
        writer = _Writer(self.settings, event, card or Gone(unit, unit), context)
        return [writer.message(person) for person in told[:MAX_RECIPIENTS]]

    def _bare(self, event: Event) -> Context:
        return Context(Known(self.target(event.incident.root)))


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes what is the same for all recipients of a language once."""

    settings: MailSettings
    event: Event
    card: Card
    context: Context
    _written: dict[tuple[Language, bool], Message] = field(default_factory=dict)

    def message(self, to: Recipient) -> Message:
        """Return the message to one recipient."""
        form = (to.language, to.channel == MAIL)
        if form not in self._written:
            self._written[form] = self._write(*form)
        thread, name = self.event.incident.thread, event_name(self.event)
        return replace(
            self._written[form],
            key=f"{thread}:{name}:{to.address}",
            recipient=to.address,
            channel=to.channel,
            not_before=to.not_before,
        )

    def _write(self, language: Language, mail: bool) -> Message:
        told = account(self.event, self.card, language, self.context.known)
        thread = self.event.incident.thread
        own, opened = (self._id(thread, each, language) for each in (event_name(self.event), Notice.OPENED))
        before = [self._id(each, Notice.OPENED, language) for each in self.event.threads[-MOST_REFERENCES:]]
        at = moment_of(self.event)
        sketch = self.context.sketch if mail else None
        alt = alternative(sketch, self.context.known.required, language) if sketch else ""
        return Message(
            key="",
            thread=thread,
            recipient="",
            subject=told.subject,
            body=plain(told),
            message_id=own,
            date=at,
            expires_at=at + self.settings.lifetime,
            in_reply_to="" if own == opened else opened,
            references=" ".join(before),
            language=language,
            html=page(told, content_id(own), alt) if mail else "",
            picture=sketch.text() if sketch else "",
            notice=self.event.notice.value,
            data="" if mail else describe(self.event, self.card),
        )

    def _id(self, thread: str, name: str, language: Language) -> str:
        return message_id(f"{thread}:{name}:{language}", self.settings.sender.rpartition("@")[2])


def event_name(event: Event) -> str:
    """Return what tells an event from the others of its incident: it can get worse more than once."""
    if event.notice is Notice.WORSE:
        return f"{event.notice}-{event.incident.worst}"
    if event.notice in (Notice.OPENED, Notice.CLOSED):
        return event.notice.value
    return f"{event.notice}-{moment_of(event):.3f}"


def alternative(sketch: Sketch, required: str, language: Language) -> str:
    """Return what the picture shows, in words."""
    start, end = (moment(at, sketch.zone) for at in (sketch.start, sketch.until))
    metric, check = (clip(each, 200) for each in (sketch.metric, sketch.check))
    alt = text(language, "picture.alt", metric=metric, check=check, start=start, end=end)
    return text(language, "picture.required", alt=alt, required=required) if sketch.op else alt
