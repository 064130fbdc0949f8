"""Incidents in the store: the decisions of the correlator and of the policy, each in one transaction."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.incidents.incident import (
    NOTIFY,
    Change,
    Committed,
    Decision,
    Incident,
)
from monitor.messages.storm import Limits
from monitor.state import CheckState, State
from monitor.store import incident_rows as rows
from monitor.store import outbox, states
from monitor.store.database import Database
from monitor.store.incident_rows import HistoryRow
from monitor.store.incident_steps import Compose, Due, NextAt, Step, nothing_due
from probes.api import clip

log = logging.getLogger(__name__)


@dataclass(slots=True)
class IncidentStore:
    """What `watch` and `duty` keep: states, incidents, and the messages they cause."""

    database: Database
    compose: Compose
    notify: frozenset[State] = NOTIFY
    due: Due = nothing_due
    next_at: NextAt = nothing_due
    outbox_limit: int = outbox.LIMIT
    limits: Limits | None = None
    """When messages give way to a summary; never where None."""

    async def load(self) -> list[CheckState]:
        """Return the states as last saved."""
        return await self.database.read(states.load)

    async def commit(self, changes: Sequence[Change]) -> None:
        """Save states, all of them or none."""

        def save(connection: sqlite3.Connection) -> None:
            states.save(connection, (change.row for change in changes if change.row is not None))
            states.remove(connection, (change.check for change in changes if change.row is None))

        await self.database.write(save)

    async def apply(self, decisions: Sequence[Decision], now: float) -> Committed:
        """Apply decisions in order, all of them or none.

        Where it is not the disk but one of them that is at fault, each is applied by itself, and what can't
        be recorded is logged and left out: it must not keep all later ones back.
        """
        try:
            return await self.database.write(lambda connection: self.applied(connection, decisions, now))
        except (sqlite3.OperationalError, OSError):
            raise
        except Exception:
            if len(decisions) == 1:
                log.exception("left out, as it can't be recorded: %s", clip(ascii(decisions[0]), 300))
                return Committed(left_out=1)
        done = Committed()
        for decision in decisions:
            done.add(await self.apply([decision], now))
        return done

    def applied(self, connection: sqlite3.Connection, decisions: Sequence[Decision], now: float) -> Committed:
        """Apply decisions within the caller's transaction."""
        done = Committed()
        step = Step(self, connection, now, done)
        for decision in decisions:
            step.take(decision)
        for incident in step.begun:
            step.begin(incident)
        return done

    async def tell_what_is_due(self, now: float, most: int = 100) -> Committed:
        """Tell of incidents what the policy says is due now: escalations, reminders, ends of silence."""

        def tell(connection: sqlite3.Connection) -> Committed:
            done = Committed()
            step = Step(self, connection, now, done)
            due = rows.select(connection, "next_at <= ? ORDER BY next_at LIMIT ?", now, most)
            for incident in due:
                step.look(incident)
            return done

        return await self.database.write(tell)

    async def concerned(self, roots: Sequence[str]) -> dict[str, tuple[float, list[str]]]:
        """Return when the open incidents of roots were opened, and all checks that are or were in them."""

        def read(connection: sqlite3.Connection) -> dict[str, tuple[float, list[str]]]:
            found = [each for root in roots if (each := rows.open_incident(connection, root))]
            return {each.root: (each.opened_at, rows.checks_within(connection, each.id)) for each in found}

        return await self.database.read(read)

    async def open(self) -> list[Incident]:
        """Return all open incidents, oldest first."""
        return await self.database.read(lambda c: rows.select(c, "closed_at IS NULL ORDER BY id"))

    async def recent(self, since: float, limit: int = 1000) -> list[Incident]:
        """Return incidents that are open or were closed after `since`, newest first."""
        where = "closed_at IS NULL OR closed_at >= ? ORDER BY id DESC LIMIT ?"
        return await self.database.read(lambda c: rows.select(c, where, since, limit))

    async def prune(self, before: float) -> int:
        """Forget incidents that were closed before a time; return how many."""
        return await self.database.write(lambda c: rows.prune(c, before))

    async def history(self, incident: int) -> list[HistoryRow]:
        """Return what happened to an incident, oldest first."""
        return await self.database.read(lambda c: rows.history(c, incident))

    async def note(self, incident: int, actor: str, text: str, now: float) -> None:
        """Append a person's note to an incident's history. Raises KeyError where there is none."""
        await self.database.write(lambda c: _note(c, incident, actor, text, now))


def _note(connection: sqlite3.Connection, incident: int, actor: str, text: str, now: float) -> None:
    found = rows.select(connection, "id = ?", incident)
    if not found:
        raise KeyError(f"no incident {incident}")
    row = HistoryRow(now, actor, "note", found[0].state, "", clip(text), None)
    rows.add_history(connection, incident, row)
