"""Who is told of what and when: pure, the clock passed in.

An incident's life, as far as people hear of it:

    opened      the first tier, at once; held by a mute, quiet hours or a digest, and then told when that ends
    escalated   the next tier, when nobody has acknowledged for as long as the settings say
    reminder    whoever was told, every few hours without an acknowledgement, and when one (or a snooze) ends;
                those that fall into quiet hours become one when these end
    closed      whoever was told; nothing holds it back for good

Nothing is remembered but the incident itself. Un-acknowledged time counts from `told_at`, or from the end of
the last acknowledgement or snooze. What falls due lies on a grid from there, so that it can be worked out at
any time; `next_at` is the moment up to which it was dealt with. A daemon that was stopped for long reminds
once, and tells the highest tier that is due, not each in turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta

from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.notify_settings import NotifySettings
from monitor.alerts.people import Card, Recipient
from monitor.alerts.routing import Above, Kinds, Routing, itself, local, no_kind
from monitor.calendars.windows import DAY_MIN, Window
from monitor.incidents.incident import Event, Incident, Notice, worth

LOOK_AGAIN_S = 60.0
"""How soon a mute is asked about again, or a telling that came to nothing tried again."""
NOBODY_AGAIN_S = 600.0
"""How soon it is tried again where nobody is named: a route's window opens, a contact is written."""
_OVERDUE_S = 1.0
_QUIET_STEPS = 32


@dataclass(frozen=True, slots=True)
class Step:
    """What is due: the notice, and the highest tier that is told by it."""

    notice: Notice
    tier: int


def never(root: str, now: float) -> bool:  # noqa: ARG001
    """Mute nothing."""
    return False


@dataclass(frozen=True, slots=True)
class Policy:
    """Decides who is told, and when somebody has to be told again.

    `muted` is asked by (root, now); `kind` gives a root's kind of asset, `above` a unit and those above it.
    An event that nobody is told of leaves the incident's `notified` False; `due` gives OPENED later then.
    After a step the incident has the step's tier, and `told_at` is the time of what was told as new.
    """

    mail: MailSettings = field(default_factory=MailSettings)
    muted: Callable[[str, float], bool] = never
    settings: NotifySettings = field(default_factory=NotifySettings)
    kind: Kinds = no_kind
    above: Above = itself

    @property
    def routing(self) -> Routing:
        """Return who is named by the routes."""
        return Routing(self.settings, self.mail, self.kind, self.above)

    def recipients(self, event: Event, card: Card | None) -> tuple[Recipient, ...]:
        """Return who is told of an event, each once; of the end, those who were told of the beginning.

        The event's incident is as it is after the event: of an escalation it has the tier that is told.
        """
        incident, now = event.incident, event.at or event.transition.at
        told = {address: self.routing.recipient(address) for address in event.told}
        if event.notice is Notice.OPENED and self._held(incident, now, card):
            return ()
        if event.notice is Notice.WORSE and self.muted(incident.root, now):
            return ()
        if event.notice is Notice.CLOSED and not told and not incident.notified:
            return ()
        found = {each.address: each for each in self._first(event, now, card)} if self._widens(event) else {}
        everybody = tuple((found | told if event.notice is Notice.CLOSED else told | found).values())
        return self._later(event, now, card, everybody)

    def first(self, incident: Incident, now: float, card: Card | None) -> tuple[Recipient, ...]:
        """Return whom the routes name first."""
        return self._people(incident, (1,), now, card)

    def _widens(self, event: Event) -> bool:
        """Tell whether an event goes to more people than those who were told before."""
        return not event.told or event.notice in (Notice.OPENED, Notice.WORSE, Notice.ESCALATED)

    def _first(self, event: Event, now: float, card: Card | None) -> tuple[Recipient, ...]:
        tier = event.incident.tier if event.notice is Notice.ESCALATED else 1
        return self._people(event.incident, range(1, max(1, tier) + 1), now, card)

    def _later(
        self, event: Event, now: float, card: Card | None, people: tuple[Recipient, ...]
    ) -> tuple[Recipient, ...]:
        """Let news of what was told already wait for the end of quiet hours."""
        until = self._quiet_until(event.incident, now, card)
        if event.notice in (Notice.OPENED, Notice.ESCALATED, Notice.REMINDER) or until <= now:
            return people
        return tuple(replace(each, not_before=until) for each in people)

    def _people(
        self, incident: Incident, tiers: Sequence[int], now: float, card: Card | None
    ) -> tuple[Recipient, ...]:
        routing = self.routing
        people = routing.people(routing.routes(incident, now, card), tiers, now, card)
        return tuple(each for each in people if "@" not in each.address or self.mail.host)

    def _held(self, incident: Incident, now: float, card: Card | None) -> bool:
        """Tell whether an opening is not told now."""
        return (
            self._digested(incident)
            or self.muted(incident.root, now)
            or self._quiet_until(incident, now, card) > now
        )

    def _digested(self, incident: Incident) -> bool:
        return incident.severity in self.settings.digest.severities

    def due(self, incident: Incident, now: float, card: Card | None) -> Step | None:
        """Return what is due now, None for nothing."""
        if incident.closed_at is not None:
            return None
        if not incident.notified:
            return Step(Notice.OPENED, 1) if self._can_open(incident, now, card) else None
        if self._rests_until(incident, now, card) > now:
            return None
        begin = self._begin(incident, now, card)
        overdue = [tier for tier, at in self._escalations(incident, begin, now, card) if at <= now]
        if overdue:
            return Step(Notice.ESCALATED, max(overdue))
        seen = begin if incident.next_at is None else incident.next_at
        last = self._reminder_before(incident, begin, now)
        told = last is None or seen > self._quiet_until(incident, last, card)
        return None if told else Step(Notice.REMINDER, incident.tier)

    def _can_open(self, incident: Incident, now: float, card: Card | None) -> bool:
        return (
            self._worth_telling(incident)
            and not self._held(incident, now, card)
            and bool(self._people(incident, (1,), now, card))
        )

    def _worth_telling(self, incident: Incident) -> bool:
        return worth(incident, self.mail.notify) and incident.absorbed_by is None

    def next_at(self, incident: Incident, now: float, card: Card | None) -> float | None:
        """Return when to look again, always after `now`; None: never, unless something happens to it."""
        if incident.closed_at is not None:
            return None
        if not incident.notified:
            return self._opens_at(incident, now, card)
        rest = self._rests_until(incident, now, card)
        if rest > now:
            return None if math.isinf(rest) else rest
        begin = self._begin(incident, now, card)
        times = [max(at, now + _OVERDUE_S) for _, at in self._escalations(incident, begin, now, card)]
        times += [self._reminder_after(begin, now)] if self.settings.remind_every else []
        return min(times, default=None)

    def _opens_at(self, incident: Incident, now: float, card: Card | None) -> float | None:
        if not self._worth_telling(incident) or self._digested(incident):
            return None
        if self.muted(incident.root, now):
            return now + LOOK_AGAIN_S
        quiet = self._quiet_until(incident, now, card)
        if quiet > now:
            return quiet
        if self._people(incident, (1,), now, card):
            return now + LOOK_AGAIN_S
        return now + NOBODY_AGAIN_S if self.mail.host or self.settings.channels else None

    def _rests_until(self, incident: Incident, now: float, card: Card | None) -> float:
        """Return until when nobody is reminded and nothing escalates; not after `now`: it may happen."""
        acked = incident.acked_at is not None
        ack = (math.inf if incident.ack_until is None else incident.ack_until) if acked else -math.inf
        until = max(ack, incident.snoozed_until or -math.inf)
        if until > now:
            return until
        if self.muted(incident.root, now):
            return now + LOOK_AGAIN_S
        return self._quiet_until(incident, now, card)

    def _begin(self, incident: Incident, now: float, card: Card | None) -> float:
        """Return since when nobody has acknowledged it; what ended within quiet hours ended with them."""
        told = incident.opened_at if incident.told_at is None else incident.told_at
        ends = (incident.ack_until if incident.acked_at is not None else None, incident.snoozed_until)
        ended = max((each for each in ends if each is not None and each <= now), default=told)
        return max(told, ended and self._quiet_until(incident, ended, card))

    def _escalations(
        self, incident: Incident, begin: float, now: float, card: Card | None
    ) -> Iterator[tuple[int, float]]:
        """Yield (tier, time) of the tiers that are still to be told and name somebody new."""
        routes = self.routing.routes(incident, now, card)
        known = {
            each.address for each in self._people(incident, range(1, max(1, incident.tier) + 1), now, card)
        }
        for tier, after in self.routing.escalation(routes, incident.severity).steps():
            people = {each.address for each in self._people(incident, (tier,), now, card)}
            if tier > incident.tier and people - known:
                yield tier, begin + after

    def _reminder_before(self, incident: Incident, begin: float, now: float) -> float | None:
        """Return the last moment up to now at which a reminder is due, None where there was none."""
        every = self.settings.remind_every
        if not every or now < begin:
            return None
        count = math.floor((now - begin) / every)
        told = incident.opened_at if incident.told_at is None else incident.told_at
        return begin + count * every if count or begin > told else None

    def _reminder_after(self, begin: float, now: float) -> float:
        every = self.settings.remind_every
        at = begin + (math.floor((now - begin) / every) + 1) * every
        return at if at > now else now + every

    def _quiet_until(self, incident: Incident, at: float, card: Card | None) -> float:
        """Return the end of the quiet hours that `at` lies in, or `at` itself."""
        quiet = self.settings.quiet
        if not quiet.windows or incident.severity not in quiet.severities:
            return at
        return quiet_end([Window.parse(text) for text in quiet.windows], local(at, quiet.zone, card))


def quiet_end(windows: Sequence[Window], moment: datetime) -> float:
    """Return when the last of windows that follow on each other ends, seconds since the epoch.

    A moment (local time, with its zone) outside of them is its own end. Windows without any gap end after a
    month, so that the question is asked again.
    """
    for _ in range(_QUIET_STEPS):
        window = next((each for each in windows if each.holds(moment)), None)
        if window is None:
            break
        moment = max(moment, _end(window, moment))
    return moment.timestamp()


def _end(window: Window, moment: datetime) -> datetime:
    """Return when the span of a window that holds a moment ends."""
    overnight = window.start >= window.end and moment.hour * 60 + moment.minute >= window.start
    day = moment.date() + timedelta(days=1 if overnight or window.end == DAY_MIN else 0)
    hours, minutes = divmod(window.end % DAY_MIN, 60)
    return datetime.combine(day, time(hours, minutes), moment.tzinfo)
