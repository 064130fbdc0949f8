"""The daemon's side of people's part: each request is decided by the child process, then written down."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from inventory.problems import ConfigError
from monitor.bundles.intake import Intake
from monitor.control.socket import Handler
from monitor.gates.deciding import REQUESTS, Decided
from monitor.gates.ledger import SIGNED, Entry
from monitor.people.refused import Refused
from monitor.store import ledger
from monitor.store.database import Database


class Decider(Protocol):
    """Who decides; `monitor.child.clerk.Clerk`."""

    async def consider(self, request: Mapping[str, Any]) -> Decided:
        """Return what comes of a request. Raises Refused, ConfigError, ClerkFault."""


@dataclass(slots=True)
class Counter:
    """Takes requests over the control socket."""

    decider: Decider
    database: Database
    signed: Callable[[str, float], None] = lambda _unit, _at: None
    """Hears that a unit was signed."""
    intake: Intake | None = None
    """Takes readings in that a decision brings with it."""

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers of the control socket by name."""
        return dict.fromkeys(REQUESTS, self._handle)

    async def _handle(self, request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        try:
            decided = await self.decider.consider(request)
            entry = await self.database.write(lambda connection: written(connection, decided))
        except (Refused, ledger.Overtaken, ConfigError) as error:
            yield {"refused": str(error)}
            return
        if decided.readings and self.intake is not None:
            await self.intake.take(decided.readings)
        if entry is not None and entry.kind == SIGNED:
            self.signed(entry.unit, entry.at)
        yield answer(decided, entry)


def written(connection: sqlite3.Connection, decided: Decided) -> Entry | None:
    """Write what was decided, within the caller's transaction. Raises Overtaken."""
    if decided.draft is None:
        return None
    return ledger.append(connection, decided.draft, decided.seen, decided.evidence)


def answer(decided: Decided, entry: Entry | None) -> dict[str, Any]:
    """Return what the one who asks is told."""
    if entry is None:
        return {"shown": dict(decided.shown)}
    return {"entry": {**entry.plain(), "digest": entry.digest}}
