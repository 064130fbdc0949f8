"""One transaction's work on incidents: decisions applied, and whoever is concerned told."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.incidents.incident import (
    ABSORBED,
    ADOPTED,
    BY_HAND,
    INFERRED,
    MOST_MEMBERS,
    RECOVERED,
    UNDECIDED,
    Adopted,
    Committed,
    Decision,
    Event,
    Incident,
    Join,
    Leave,
    Notice,
    Open,
    Recover,
    Residue,
    Severity,
    Shut,
    severity,
    usual_now,
    worse,
    worth,
)
from monitor.incidents.troubles import plain
from monitor.messages.message import Message
from monitor.messages.storm import Limits
from monitor.state import Phase, State, Transition
from monitor.store import incident_rows as rows
from monitor.store import outbox
from monitor.store.incident_rows import HistoryRow
from probes.api import clip

log = logging.getLogger(__name__)

REOPENED = 3600.0
"""An incident refers to the one before it where that was closed no longer ago than this, in seconds."""
RESIDUE_S = 120.0
"""What is left of another incident and was not told as its residue by then is told by itself."""
_TRIES = 3
_LOOK_AGAIN = 5.0
"""Seconds in which an incident is not looked at twice, whatever the policy says."""

Compose = Callable[[Event], Sequence[Message]]
"""Writes the messages an event causes. Runs in the store's writer thread, so it must not wait."""
Due = Callable[[Incident, float], tuple[Notice, int] | None]
NextAt = Callable[[Incident, float], float | None]


def nothing_due(_incident: Incident, _now: float) -> None:
    """Tell nobody again."""


class Telling(Protocol):
    """How people are told; `monitor.store.incidents.IncidentStore` is one."""

    notify: frozenset[State]
    outbox_limit: int
    limits: Limits | None

    @property
    def compose(self) -> Compose:
        """Writes messages."""

    @property
    def due(self) -> Due:
        """Says what is due now."""

    @property
    def next_at(self) -> NextAt:
        """Says when to look again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction's work."""

    store: Telling
    connection: sqlite3.Connection
    now: float
    done: Committed
    begun: list[Incident] = field(default_factory=list)
    """Opened, and told of when all is applied: with all that is in them by then."""

    def take(self, decision: Decision) -> None:
        """Apply one decision."""
        if isinstance(decision, Open):
            self._open(decision)
            return
        for _ in range(_TRIES):
            incident = rows.open_incident(self.connection, decision.root)
            if incident is None:
                self.done.lost.append(decision.root)
                return
            if self._change(incident, decision):
                return
        raise RuntimeError(f"the incident of {decision.root} keeps changing under the writer")

    def _open(self, decision: Open) -> None:
        incident = rows.insert(self.connection, _opened(self.connection, decision))
        if incident is None:
            if decision.member is not None:
                self.take(Join(decision.root, (decision.member,), decision.at))
            return
        if decision.member is not None:
            rows.join(self.connection, incident.id, [decision.member])
        self._history(incident, "open", decision.at, decision.detail, decision.since)
        self.done.opened += 1
        self.done.made.append(incident)
        if decision.follows:
            rows.update(self.connection, incident, next_at=self.now + RESIDUE_S)
        else:
            self.begun.append(incident)

    def begin(self, incident: Incident) -> None:
        """Tell of an incident, as it is by now, and plan when to look again."""
        incident = rows.with_rule(self.connection, rows.select(self.connection, "id = ?", incident.id)[0])
        if incident.closed_at is not None or incident.notified:
            return
        if worth(incident, self.store.notify):
            incident = self._tell(Notice.OPENED, incident, evidence=incident.began_at)
        self._plan(incident)

    def _residue(self, incident: Incident, left: Sequence[str]) -> None:
        """Tell what is left when a root serves again.

        Those who are told by this one message are told of the end of each, and not again of its beginning.
        """
        still = [found for root in left if (found := rows.open_incident(self.connection, root))]
        self._history(incident, "residue", self.now, ", ".join(each.root for each in still))
        told = _told(self.connection, incident) if incident.notified and still else ()
        if told:
            self._tell(Notice.RESIDUAL, incident, left=tuple(each.root for each in still))
        for each in still:
            self.connection.executemany(
                "INSERT OR IGNORE INTO incident_told VALUES (?, ?, ?)",
                [(each.id, recipient, self.now) for recipient in told],
            )
            self.begin(each)

    def _change(self, incident: Incident, decision: Join | Leave | Recover | Residue | Shut) -> bool:
        match decision:
            case Join():
                return self._join(incident, decision)
            case Leave():
                rows.leave(self.connection, incident.id, decision.check, decision.at)
                return self._lighten(incident)
            case Recover():
                what = ADOPTED if decision.usual else RECOVERED
                self._history(incident, what, decision.at, usual_now(decision.usual))
                return rows.update(self.connection, incident, recovered_at=decision.at) is not None
            case Residue():
                self._residue(incident, decision.left)
                return True
            case Shut():
                return self._shut(incident, decision)

    def _join(self, incident: Incident, decision: Join) -> bool:
        rows.join(self.connection, incident.id, decision.members)
        state = incident.state
        for member in decision.members:
            state = worse(state, plain(member.state))
        worst = worse(incident.worst, state)
        kind, detail = _cause(incident, decision, worst)
        news = state is not incident.state or kind != incident.kind
        if incident.kind == UNDECIDED or not (news or incident.recovered_at is not None):
            return True
        changed = rows.update(
            self.connection, incident, state=state, worst=worst, recovered_at=None, kind=kind,
            detail=detail, severity=severity(worst, kind),
        )  # fmt: skip
        if changed is None:
            return False
        if news:
            self._history(changed, "update", decision.at, "", decision.members[0].since)
            graver = changed.severity is not incident.severity
            if worth(changed, self.store.notify) and (worst is not incident.worst or graver):
                self._tell(Notice.WORSE if incident.notified else Notice.OPENED, changed)
        return True

    def _lighten(self, incident: Incident) -> bool:
        """Let the incident be as bad as the worst that is still in it."""
        if incident.kind == UNDECIDED:
            return True
        state = State.UNKNOWN
        left = rows.states_within(self.connection, incident.id)
        for each in left:
            state = worse(state, plain(each))
        if not left or state is incident.state:
            return True
        self._history(incident, "update", self.now)
        return rows.update(self.connection, incident, state=state) is not None

    def _shut(self, incident: Incident, decision: Shut) -> bool:
        if decision.into:
            return self._absorb(incident, decision)
        ending = decision.kind or (ADOPTED if decision.usual else RECOVERED)
        final = State.OK if ending == RECOVERED else incident.state
        closed = rows.update(
            self.connection, incident, state=final, closed_at=decision.at, next_at=None, snoozed_until=None,
            ending=ending, detail=clip(usual_now(decision.usual), 500) or incident.detail,
        )  # fmt: skip
        if closed is None:
            return False
        rows.leave(self.connection, incident.id, None, decision.at)
        self._history(closed, decision.kind or "close", decision.at)
        self.done.closed += 1
        if incident.notified or _told(self.connection, incident):
            self._tell(
                Notice.CLOSED, closed, kind="" if ending == RECOVERED else ending, usual=decision.usual
            )
        return True

    def _absorb(self, incident: Incident, decision: Shut) -> bool:
        """Close it without a word: who was told of it is told of the end of what took it in."""
        into = rows.open_incident(self.connection, decision.into)
        closed = rows.update(
            self.connection, incident, closed_at=decision.at, next_at=None, ending=ABSORBED,
            absorbed_by=into.id if into else None,
        )  # fmt: skip
        if closed is None:
            return False
        rows.leave(self.connection, incident.id, None, decision.at)
        self._history(closed, "absorbed", decision.at, f"its cause is {decision.into}")
        self.done.closed += 1
        return True

    def look(self, incident: Incident) -> None:
        """Tell of one incident what is due, and plan when to look again."""
        if incident.closed_at is not None:
            self._closed_by_hand(incident)
            return
        due = self.store.due(incident, self.now)
        if due is not None:
            notice, tier = due
            moved = rows.update(self.connection, incident, tier=max(tier, incident.tier))
            incident = self._tell(notice, moved, tier=tier) if moved else incident
        self._plan(incident)

    def _closed_by_hand(self, incident: Incident) -> None:
        ended = rows.update(self.connection, incident, next_at=None)
        if ended is not None and (incident.notified or _told(self.connection, incident)):
            self._tell(Notice.CLOSED, ended, kind=BY_HAND)

    def _plan(self, incident: Incident) -> None:
        at = self.store.next_at(incident, self.now)
        if at is not None:
            at = max(at, self.now + _LOOK_AGAIN)
        rows.update(self.connection, incident, next_at=at)

    def _tell(
        self,
        notice: Notice,
        incident: Incident,
        *,
        kind: str = "",
        tier: int = 1,
        left: tuple[str, ...] = (),
        evidence: float | None = None,
        usual: tuple[Adopted, ...] = (),
    ) -> Incident:
        """Queue the messages of an event; return the incident, which is told of now if anybody is."""
        members, total = rows.members(self.connection, incident.id, MOST_MEMBERS)
        handed = _handed(self.connection, incident) if notice is Notice.OPENED else set()
        told = tuple(each for each in _told(self.connection, incident) if each not in handed)
        moved = _moved(incident, kind, self.now, evidence)
        threads = tuple(each.thread for each in _absorbed(self.connection, incident))
        units = rows.units_within(self.connection, incident)
        event = Event(notice, incident, moved, told, members, total, self.now, left, threads, units, usual)
        composed = self._compose(event)
        messages = [each for each in composed if each.recipient not in handed]
        queued = self._queue(incident, notice, messages)
        knows = queued or (composed and not messages)
        if not knows or incident.closed_at is not None:
            return incident
        news = notice in (Notice.OPENED, Notice.WORSE)
        changed = rows.update(
            self.connection, incident, notified=True, tier=max(tier, incident.tier),
            told_at=self.now if news else incident.told_at,
        )  # fmt: skip
        return changed or incident

    def _queue(self, incident: Incident, notice: Notice, messages: Sequence[Message]) -> int:
        """Queue messages, and note that in the history; return how many were taken."""
        if not messages:
            return 0
        queued = outbox.enqueue(
            self.connection, messages, self.now, self.store.outbox_limit, self.store.limits
        )
        self.done.queued += queued.queued
        self.done.dropped += queued.dropped
        dropped = f", {queued.dropped} dropped" if queued.dropped else ""
        self._history(incident, f"told:{notice}", self.now, f"{queued.queued} queued{dropped}")
        return queued.queued

    def _compose(self, event: Event) -> Sequence[Message]:
        """Write the messages; a fault there must not keep the incident from being recorded."""
        try:
            return self.store.compose(event)
        except Exception:
            log.exception("messages of incident %d could not be written", event.incident.id)
            return ()

    def _history(
        self, incident: Incident, what: str, at: float, detail: str = "", evidence: float | None = None
    ) -> None:
        row = HistoryRow(
            at, "muster", what, incident.state, incident.kind, clip(detail or incident.detail, 500), evidence
        )
        rows.add_history(self.connection, incident.id, row)


def _opened(connection: sqlite3.Connection, decision: Open) -> Incident:
    before = rows.select(
        connection, "root = ? AND closed_at >= ? ORDER BY id DESC LIMIT 1", decision.root,
        decision.at - REOPENED,
    )  # fmt: skip
    return Incident(
        0, 1, decision.root, decision.kind, decision.detail, decision.state, decision.state, decision.since,
        decision.at, previous=before[0].id if before else None, rule=decision.rule, damped=decision.damped,
        severity=severity(decision.state, decision.kind),
    )  # fmt: skip


def _cause(incident: Incident, decision: Join, worst: State) -> tuple[str, str]:
    """Return kind and detail of an incident after a change: those of its root itself where that got worse."""
    member, ranks = decision.members[0], list(Severity)
    own = f"{member.check}/".startswith(f"{incident.root}/") and incident.kind != INFERRED
    graver = ranks.index(severity(worst, member.kind)) < ranks.index(incident.severity)
    if own and (worst is not incident.worst or graver):
        return member.kind, decision.detail
    return incident.kind, incident.detail


def _moved(incident: Incident, kind: str, now: float, evidence: float | None) -> Transition:
    """Return what happened as a change of state of the root."""
    since = incident.began_at
    if incident.closed_at is not None:
        since = incident.recovered_at or incident.closed_at
    return Transition(
        incident.root, incident.worst, incident.state, Phase.STEADY, now, since,
        evidence if evidence is not None else since, None, kind or incident.kind, incident.detail,
    )  # fmt: skip


def _told(connection: sqlite3.Connection, incident: Incident) -> tuple[str, ...]:
    """Return who was told of an incident, or of one that it took in."""
    found = dict.fromkeys(outbox.recipients(connection, incident.thread))
    found.update((recipient, None) for recipient in sorted(_handed(connection, incident)))
    for absorbed in _absorbed(connection, incident):
        found.update((recipient, None) for recipient in _told(connection, absorbed))
    return tuple(found)


def _absorbed(connection: sqlite3.Connection, incident: Incident) -> list[Incident]:
    return rows.select(connection, "absorbed_by = ? ORDER BY id", incident.id)


def _handed(connection: sqlite3.Connection, incident: Incident) -> set[str]:
    """Return who was told of its beginning by the residue of another."""
    found = connection.execute("SELECT recipient FROM incident_told WHERE incident = ?", (incident.id,))
    return {row[0] for row in found}
