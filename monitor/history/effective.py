"""What units are now, as their digests cover it, for the record: each once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from monitor.history.packing import Seen, Subject, seen, subjects
from monitor.readiness.judging import Judge
from monitor.readiness.layered import Layered
from monitor.readiness.results import UnitResult
from monitor.workspace import Workspace


def new_subjects(
    workspace: Workspace, gate: str, result: UnitResult, known: AbstractSet[str], judge: Judge | None = None
) -> Iterator[Subject]:
    """Yield what a unit's digests are of, where that is not known yet."""
    if result.unit_digest in known:
        return
    judge = judge or workspace.judge(Layered(), gate, time.time())
    unit, items = subjects(*judge.effective(result.id))
    yield unit
    if items.digest not in known:
        yield items


@dataclass(slots=True)
class Observer:
    """Tells statuses where they changed since it looked last; the store decides what is new to it."""

    _last: dict[tuple[str, str], tuple[str, str, int]] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)

    def look(
        self, workspace: Workspace, gate: str, result: UnitResult, at: float
    ) -> tuple[Seen | None, tuple[Subject, ...]]:
        """Return a unit's statuses (None: as before) and what its digests are of (nothing: told before)."""
        key = (gate, result.id)
        rows = hash(tuple((row.id, row.asset, row.status) for row in result.items))
        now = (result.unit_digest, str(result.checklists), rows)
        if self._last.get(key) == now:
            return None, ()
        found = tuple(new_subjects(workspace, gate, result, self._known))
        self._last[key] = now
        self._known.update(each.digest for each in found)
        return seen(gate, result, at), found
