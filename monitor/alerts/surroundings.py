"""What the daemon knows around an event: addresses, what is required, what to do, which series shows it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.alerts import advice, affected
from monitor.alerts.account import Known, Step
from monitor.alerts.notices import Context
from monitor.incidents.incident import ISOLATED, Event
from monitor.job import Job
from monitor.units import Units

log = logging.getLogger(__name__)

Items = Callable[[str], Sequence[Mapping[str, Any]]]
"""Gives the rows of a unit's last judgement, as in `check --format json`; none where it was never judged."""


def none(unit: str) -> Sequence[Mapping[str, Any]]:  # noqa: ARG001
    """Know of no rows."""
    return ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Gives the context of an event. Runs in the store's writer thread: milliseconds at most.

    `items` are those of the gate that comes first, `others` those of the other gates: what they say is to be
    done counts where the first says nothing.
    """

    units: Units
    items: Items
    url: str = ""
    others: Items = none

    def __call__(self, event: Event) -> Context:
        """Return it; a fault here costs the mail its extras, never the mail."""
        try:
            return self._context(event)
        except Exception:
            log.exception("nothing is known around incident %d", event.incident.id)
            return Context(Known(url=self.url))

    def _context(self, event: Event) -> Context:
        if event.incident.root == ISOLATED:
            return Context(Known(url=self.url))
        jobs = affected.relevant(event, self.units.job, self._of)
        if not jobs:
            return Context(Known(url=self.url))
        first = jobs[0]
        items = self.items(first.unit)
        bounds = affected.bounds_of(first, items)
        drawn = affected.sketch(event, jobs, self._zone(first.unit), bounds)
        metric = drawn.metric if drawn else ""
        known = Known(
            target=_address(event, jobs),
            required=affected.required(drawn) if drawn else "",
            steps=self._steps(event, jobs, items, metric),
            url=self.url,
        )
        return Context(known, drawn)

    def _steps(
        self, event: Event, jobs: Sequence[Job], items: Sequence[Mapping[str, Any]], metric: str
    ) -> tuple[Step, ...]:
        checks, worst = _judged(event, jobs), event.incident.worst
        found = advice.steps(items, checks, metric, worst)
        return found or advice.steps(self.others(jobs[0].unit), checks, metric, worst)

    def _of(self, node: str) -> Sequence[Job]:
        """Return the checks of a unit or an asset."""
        known = self.units.known.get(node.partition("/")[0])
        if known is None:
            return ()
        return known.by_asset.get(node, ()) if "/" in node else tuple(known.jobs.values())

    def _zone(self, unit: str) -> str:
        card = self.units.card(unit)
        return card.timezone if card else "UTC"


def _address(event: Event, jobs: Sequence[Job]) -> str:
    """Return the root's own address; what is behind a root has others."""
    root = event.incident.root
    return next((each.target.address for each in jobs if f"{each.id}/".startswith(f"{root}/")), "")


def _judged(event: Event, jobs: Sequence[Job]) -> set[str]:
    """Return the checks whose items say what to do: those of the first one's asset."""
    first = jobs[0]
    if event.incident.root == first.id:
        return {first.id}
    return {each.id for each in jobs if (each.unit, each.asset) == (first.unit, first.asset)}
