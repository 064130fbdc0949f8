"""The daily digest: what was not urgent, what opened and closed, in one message to each who would be told.

One digest covers the time from the last one to its own hour. Its key names that hour and the recipient, so
that a daemon that was stopped and started sends it once, and late rather than never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.alerts.digest_texts import lines, text
from monitor.alerts.people import Card, Recipient
from monitor.alerts.policy import Policy
from monitor.alerts.texts import SIGNS, cause
from monitor.incidents.incident import ADOPTED, Incident
from monitor.messages.message import Message, message_id
from monitor.messages.storm import DIGEST
from probes.api import clip

THREAD = "digest"
DAY_S = 86400.0
LONGEST_S = 7 * DAY_S
"""How far back a digest looks at most, after a long stop."""
_SECTIONS = ("opened", "still", "over", "closed")


@dataclass(frozen=True, slots=True)
class Telling:
    """A digest, and the threads of the open incidents that its reader knows of by it."""

    message: Message
    threads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """What a digest covers, seconds since the epoch: from `since` until `until`."""

    since: float
    until: float


def last_hour(at: str, zone: str, now: float) -> float:
    """Return when the latest digest was due, by its time of day ("08:00") in a zone."""
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    hours, minutes = (int(part) for part in at.split(":"))
    due = local.replace(hour=hours, minute=minutes, second=0, microsecond=0, fold=0)
    return (due if due <= local else due - timedelta(days=1)).timestamp()


def section(incident: Incident, span: Span) -> str:
    """Return where in a digest an incident belongs; empty for nowhere.

    Whatever was told of singly is left out: its end is told singly, too.
    """
    if incident.notified or incident.absorbed_by is not None or incident.opened_at >= span.until:
        return ""
    new = incident.opened_at >= span.since
    if incident.closed_at is None or incident.closed_at >= span.until:
        return "opened" if new else "still"
    if incident.closed_at < span.since:
        return ""
    return "over" if new else "closed"


@dataclass(frozen=True, slots=True)
class Digest:
    """Writes digests. `card` gives a unit by its id."""

    policy: Policy
    card: Callable[[str], Card | None]

    @property
    def wanted(self) -> bool:
        """Tell whether there is anything that waits for a digest."""
        return bool(self.policy.settings.digest.severities)

    def due(self, now: float) -> float:
        """Return when the latest digest was due."""
        rules = self.policy.settings.digest
        return last_hour(rules.at, rules.zone, now)

    def messages(self, incidents: Iterable[Incident], span: Span, now: float) -> list[Telling]:
        """Return one message for each who is to know of any of these; none where there is nothing new."""
        letters: dict[str, _Letter] = {}
        for incident in incidents:
            where = section(incident, span)
            if where and incident.severity in self.policy.settings.digest.severities:
                card = self.card(incident.unit)
                for person in self.policy.first(incident, span.until, card):
                    letter = letters.setdefault(person.address, _Letter(person))
                    letter.entries[where].append(_entry(incident, card, person.language))
                    letter.threads += [incident.thread] if where in ("opened", "still") else []
        news = (each for each in letters.values() if each.counts["still"] < each.total)
        return [Telling(self._message(each, span, now), tuple(each.threads)) for each in news]

    def _message(self, letter: _Letter, span: Span, now: float) -> Message:
        to, language = letter.to, letter.to.language
        zone = ZoneInfo(self.policy.settings.digest.zone)
        times = {
            name: datetime.fromtimestamp(at, zone).isoformat(" ", "minutes")
            for name, at in (("since", span.since), ("until", span.until))
        }
        body = [text(language, "digest.lead", **times)]
        for name in _SECTIONS:
            if entries := letter.entries[name]:
                body += ["", f"{text(language, f'digest.{name}')} ({len(entries)})"]
                body += lines(language, entries, len(entries))
        counts = letter.counts
        subject = text(
            language, "digest.subject", opened=counts["opened"] + counts["over"],
            closed=counts["closed"] + counts["over"], still=counts["opened"] + counts["still"],
        )  # fmt: skip
        name = f"{THREAD}:{span.until:.0f}"
        domain = self.policy.mail.sender.rpartition("@")[2]
        return Message(
            f"{name}:{to.address}", THREAD, to.address, subject, "\n".join([*body, ""]),
            message_id(f"{name}:{language}:{to.address}", domain), span.until,
            now + self.policy.mail.lifetime, language=language, channel=to.channel, notice=DIGEST,
        )  # fmt: skip


@dataclass(slots=True)
class _Letter:
    """What one recipient reads."""

    to: Recipient
    threads: list[str] = field(default_factory=list)
    entries: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in _SECTIONS})

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(entries) for name, entries in self.entries.items()}

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def _entry(incident: Incident, card: Card | None, language: str) -> str:
    name = (card.name_zh if language == "zh" else card.name) or card.name if card else ""
    where = f"{clip(name, 60)}, {clip(incident.root, 120)}" if name else clip(incident.root, 120)
    said = cause(language, ADOPTED if incident.ending == ADOPTED else incident.kind)
    return f"{SIGNS[incident.worst]} #{incident.id} {where}: {said}"


def begin(last: float | None, until: float) -> Span:
    """Return what the digest of an hour covers, the one before it having ended at `last`."""
    since = until - DAY_S if last is None else max(last, until - LONGEST_S)
    return Span(min(since, until), until)


def hour_of(key: str) -> float | None:
    """Return the hour of the digest that a message's key names, None for other keys."""
    name, _, rest = key.partition(":")
    hour = rest.partition(":")[0]
    return float(hour) if name == THREAD and hour.isdigit() else None
