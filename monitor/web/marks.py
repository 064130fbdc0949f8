"""What the board says of units besides their verdicts: open incidents, and maintenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.people.maintenance import Planned
from monitor.store import incident_views
from monitor.web.view import View

DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Marks:
    """What the board says besides verdicts: open incidents by unit, and maintenance now or within a day."""

    incidents: Mapping[str, int]
    total: int
    work: Mapping[str, Planned]


def marks(view: View, shown: Sequence[str], roots: Sequence[str], now: float) -> Marks:
    """Return the marks of some units."""
    counts: dict[str, int] = {}
    for root in roots:
        unit = root.partition("/")[0]
        counts[unit] = counts.get(unit, 0) + 1
    return Marks(counts, len(roots), view.people.maintenances.at_units(shown, now, DAY_S))


async def open_roots(view: View) -> list[str]:
    """Return the roots of all open incidents."""
    return await view.people.database.read(incident_views.open_roots)
