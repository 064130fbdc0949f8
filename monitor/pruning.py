"""What is forgotten once a night: closed incidents, changes of verdicts, plans and runs that are too old."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from monitor.settings import Retention
from monitor.store import plans, runs
from monitor.store.database import Database
from monitor.store.verdicts import Verdicts

DAY_S = 86_400.0


class Incidents(Protocol):
    """What keeps incidents; `monitor.store.incidents.IncidentStore`."""

    async def prune(self, before: float) -> int:
        """Forget those that were closed before a time."""


async def prune(
    keep: Retention, incidents: Incidents, verdicts: Verdicts, state: Database, now: float
) -> None:
    """Forget what is older than the settings say; signed evidence is kept apart from all of that."""
    before = now - keep.incident_days * DAY_S
    await incidents.prune(before)
    await verdicts.forget_changes(before)
    old = now - keep.run_days * DAY_S
    await state.write(lambda connection: runs.forget(connection, old))
    day = datetime.fromtimestamp(before, UTC).date().isoformat()
    await state.write(lambda connection: plans.forget(connection, day))
