"""Incidents in the store: the steps of `monitor.incidents`, each change in the transaction that saves it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace

from monitor.alerts.message import Message
from monitor.incidents import (
    NOTIFY,
    REMOVED,
    Action,
    Change,
    Committed,
    Event,
    Incident,
    Severity,
    Step,
    decide,
    worse,
)
from monitor.state import CheckState, State, Transition
from monitor.store import outbox, states
from monitor.store.database import Database
from probes.api import clip

log = logging.getLogger(__name__)

REOPENED = 3600.0
"""An incident refers to the one before it where that was closed no longer ago than this, in seconds."""
_TRIES = 3

Compose = Callable[[Event], Sequence[Message]]
"""Writes the messages an event causes. Runs in the store's writer thread, so it must not wait."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One line of an incident's history."""

    at: float
    actor: str
    what: str
    state: str
    kind: str
    detail: str
    evidence_at: float | None


@dataclass(slots=True)
class IncidentStore:
    """What `monitor.watch` keeps: states, incidents, and the messages they cause."""

    database: Database
    compose: Compose
    notify: frozenset[State] = NOTIFY
    outbox_limit: int = outbox.LIMIT

    async def load(self) -> list[CheckState]:
        """Return the states as last saved."""
        return await self.database.read(states.load)

    async def watched(self) -> set[str]:
        """Return the checks that have an open incident."""
        return {incident.root for incident in await self.open()}

    async def commit(self, changes: Sequence[Change], now: float) -> Committed:
        """Apply changes, all of them or none."""
        return await self.database.write(lambda connection: self.apply(connection, changes, now))

    def apply(self, connection: sqlite3.Connection, changes: Sequence[Change], now: float) -> Committed:
        """Apply changes within the caller's transaction."""
        done = Committed()
        for change in changes:
            for transition in change.transitions:
                self._step(connection, transition, now, done)
        states.save(connection, (change.row for change in changes if change.row is not None))
        states.remove(connection, (change.check for change in changes if change.row is None))
        return done

    def _step(
        self, connection: sqlite3.Connection, transition: Transition, now: float, done: Committed
    ) -> None:
        """Steps 1 to 6 for one transition."""
        for _ in range(_TRIES):
            incident = open_incident(connection, transition.check)
            action = decide(transition, incident, self.notify)
            if action.step is Step.NONE:
                return
            changed = write(connection, incident, action, transition)
            if changed is not None:
                break
        else:
            raise RuntimeError(f"the incident of {transition.check} keeps changing under the writer")
        done.opened += action.step is Step.OPEN
        done.closed += action.step is Step.CLOSE
        if action.notice:
            told = outbox.recipients(connection, changed.thread)
            self._tell(connection, Event(action.notice, changed, transition, told), now, done)

    def _tell(self, connection: sqlite3.Connection, event: Event, now: float, done: Committed) -> None:
        queued = outbox.enqueue(connection, self._compose(event), now, self.outbox_limit)
        done.queued += queued.queued
        done.dropped += queued.dropped
        detail = f"{queued.queued} queued" + (f", {queued.dropped} dropped" if queued.dropped else "")
        row = HistoryRow(now, "muster", f"told:{event.notice}", event.incident.state, "", detail, None)
        _history(connection, event.incident.id, row)

    def _compose(self, event: Event) -> Sequence[Message]:
        """Write the messages; a fault there must not keep the incident from being recorded."""
        try:
            return self.compose(event)
        except Exception:
            log.exception("messages of incident %d could not be written", event.incident.id)
            return ()

    async def open(self) -> list[Incident]:
        """Return all open incidents, oldest first."""
        return await self.database.read(lambda c: _select(c, "closed_at IS NULL ORDER BY id"))

    async def recent(self, since: float, limit: int = 1000) -> list[Incident]:
        """Return incidents that are open or were closed after `since`, newest first."""
        where = "closed_at IS NULL OR closed_at >= ? ORDER BY id DESC LIMIT ?"
        return await self.database.read(lambda c: _select(c, where, since, limit))

    async def history(self, incident: int) -> list[HistoryRow]:
        """Return what happened to an incident, oldest first."""
        return await self.database.read(lambda c: _rows(c, incident))

    async def note(self, incident: int, actor: str, text: str, now: float) -> None:
        """Append a person's note to an incident's history. Raises KeyError where there is none."""
        await self.database.write(lambda c: _note(c, incident, actor, text, now))


_FIELDS = (
    "id", "version", "root", "kind", "detail", "state", "worst",
    "began_at", "opened_at", "closed_at", "notified", "previous", "severity", "rule", "recovered_at",
    "absorbed_by", "damped", "acked_by", "acked_at", "ack_until", "ack_comment", "snoozed_until", "tier",
    "next_at",
)  # fmt: skip
_COLUMNS = ", ".join(f'"{name}"' for name in _FIELDS)


def _select(connection: sqlite3.Connection, where: str, *values: object) -> list[Incident]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM incident WHERE {where}", values)  # noqa: S608
    return [_incident(row) for row in rows]


def _incident(row: sqlite3.Row) -> Incident:
    incident = Incident(*row)
    return replace(
        incident,
        state=State(incident.state),
        worst=State(incident.worst),
        notified=bool(incident.notified),
        severity=Severity(incident.severity),
        damped=bool(incident.damped),
    )


def open_incident(connection: sqlite3.Connection, check: str) -> Incident | None:
    """Return the check's open incident (step 1)."""
    return next(iter(_select(connection, "root = ? AND closed_at IS NULL", check)), None)


def write(
    connection: sqlite3.Connection, incident: Incident | None, action: Action, transition: Transition
) -> Incident | None:
    """Write an action (steps 3 to 5); return the incident as it is then, or None where it had moved."""
    changed = _open(connection, action, transition) if incident is None else None
    if incident is not None:
        changed = _change(connection, incident, action, transition)
    if changed is None:
        return None
    what = REMOVED if transition.kind == REMOVED else action.step.value
    row = HistoryRow(
        transition.at, "muster", what, transition.after, transition.kind, transition.detail,
        transition.decided_at,
    )  # fmt: skip
    _history(connection, changed.id, row)
    return changed


def _open(connection: sqlite3.Connection, action: Action, transition: Transition) -> Incident | None:
    before = connection.execute(
        "SELECT id FROM incident WHERE root = ? AND closed_at >= ? ORDER BY id DESC LIMIT 1",
        (transition.check, transition.at - REOPENED),
    ).fetchone()
    incident = Incident(
        0, 1, transition.check, transition.kind, transition.detail, transition.after, transition.after,
        transition.since, transition.at, None, action.notice is not None, before["id"] if before else None,
    )  # fmt: skip
    values = [getattr(incident, name) for name in _FIELDS[1:]]
    inserted = connection.execute(
        f"INSERT INTO incident ({_COLUMNS}) VALUES (NULL, {', '.join('?' * len(values))})"  # noqa: S608
        " ON CONFLICT (root) WHERE closed_at IS NULL DO NOTHING",
        values,
    )
    if not inserted.rowcount or inserted.lastrowid is None:
        return None
    connection.execute(
        'INSERT INTO incident_member (incident, "check", joined_at) VALUES (?, ?, ?)',
        (inserted.lastrowid, transition.check, transition.at),
    )
    return replace(incident, id=inserted.lastrowid)


def _change(
    connection: sqlite3.Connection, incident: Incident, action: Action, transition: Transition
) -> Incident | None:
    changed = _changed(incident, action, transition)
    written = connection.execute(
        "UPDATE incident SET version = ?, state = ?, worst = ?, kind = ?, detail = ?, closed_at = ?,"
        " notified = ? WHERE id = ? AND version = ?",
        (changed.version, changed.state, changed.worst, changed.kind, changed.detail, changed.closed_at,
         changed.notified, incident.id, incident.version),
    ).rowcount  # fmt: skip
    if not written:
        return None
    if action.step is Step.CLOSE:
        connection.execute(
            "UPDATE incident_member SET left_at = ? WHERE incident = ? AND left_at IS NULL",
            (transition.at, incident.id),
        )
    return changed


def _changed(incident: Incident, action: Action, transition: Transition) -> Incident:
    """Return the incident after the action; its cause is that of the worst state it had."""
    if action.step is Step.CLOSE:
        final = incident.state if transition.kind == REMOVED else transition.after
        return replace(incident, version=incident.version + 1, state=final, closed_at=transition.at)
    worst = worse(incident.worst, transition.after)
    source: Incident | Transition = incident if worst is incident.worst else transition
    return replace(
        incident,
        version=incident.version + 1,
        state=transition.after,
        worst=worst,
        kind=source.kind,
        detail=source.detail,
        notified=incident.notified or action.notice is not None,
    )


def _history(connection: sqlite3.Connection, incident: int, row: HistoryRow) -> None:
    connection.execute(
        "INSERT INTO incident_history (incident, at, actor, what, state, kind, detail, evidence_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (incident, *astuple(row)),
    )


def _rows(connection: sqlite3.Connection, incident: int) -> list[HistoryRow]:
    rows = connection.execute(
        "SELECT at, actor, what, state, kind, detail, evidence_at FROM incident_history"
        " WHERE incident = ? ORDER BY id",
        (incident,),
    )
    return [HistoryRow(*row) for row in rows]


def _note(connection: sqlite3.Connection, incident: int, actor: str, text: str, now: float) -> None:
    found = _select(connection, "id = ?", incident)
    if not found:
        raise KeyError(f"no incident {incident}")
    _history(connection, incident, HistoryRow(now, actor, "note", found[0].state, "", clip(text), None))
