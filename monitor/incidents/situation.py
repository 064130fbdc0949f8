"""What depends on what among the units that run, and what is believed of it: the correlator's view."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from monitor.incidents.silence import Watched, silent_units
from monitor.incidents.topology import Belief, Needs
from monitor.job import Job
from monitor.process.turns import Turn
from monitor.state import CheckState
from monitor.units import Units

LINK_PROBES = frozenset({"icmp", "echo"})
NOTHING = Needs()


@dataclass(slots=True)
class Situation:
    """Answers from the running units and states; `state` gives the belief of a check.

    `leaning(check)` tells a check of a link that may be about to be found worse.
    """

    units: Units
    state: Callable[[str], CheckState | None]
    clock: Callable[[], float] = time.time
    leaning: Callable[[str], bool] = lambda _: False
    _behind: dict[str, list[str]] = field(default_factory=dict)

    async def refresh(self) -> None:
        """Take up what changed in the units: who is behind whom."""
        behind: dict[str, list[str]] = {}
        turn = Turn()
        for unit, known in list(self.units.known.items()):
            await turn.end()
            for asset, needs in known.card.needs.items():
                for above in needs.assets or ((needs.parent,) if needs.parent else ()):
                    behind.setdefault(above, []).append(f"{unit}/{asset}")
        self._behind = behind

    def beliefs(self, asset: str) -> Sequence[Belief]:
        """Return what is believed of an asset's checks, those that load a link left out."""
        known = self.units.known.get(asset.partition("/")[0])
        found = []
        for job in known.by_asset.get(asset, ()) if known else ():
            state = self.state(job.id)
            if state is not None and not job.spec.loads_link:
                found.append(self._belief(job, state))
        return found

    def _belief(self, job: Job, state: CheckState) -> Belief:
        reach = job.spec.name in LINK_PROBES
        return Belief(
            job.id, state.state, state.phase, state.kind, state.since, state.measured_at, reach,
            reach and self.leaning(job.id),
        )  # fmt: skip

    def needs(self, node: str) -> Needs:
        """Return what an asset depends on; of a unit, any of its channels, or the unit above."""
        unit, slash, asset = node.partition("/")
        known = self.units.known.get(unit)
        if known is None:
            return NOTHING
        if slash:
            return known.card.needs.get(asset, NOTHING)
        if known.card.channels:
            return Needs(tuple(f"{unit}/{each}" for each in known.card.channels))
        return Needs(parent=known.card.parent or "")

    def behind(self, node: str) -> Sequence[str]:
        """Return the assets that depend on an asset or unit directly."""
        return self._behind.get(node, ())

    def silent(self, unit: str) -> bool:
        """Tell whether no check of a unit is attempted any more."""
        known = self.units.known.get(unit)
        jobs = known.jobs.values() if known else ()
        watched = [
            Watched(state, job.every, job.timeout)
            for job in jobs
            if (state := self.state(job.id)) is not None
        ]
        return bool(silent_units({unit: watched}, self.clock()))

    def askable(self, check: str) -> bool:
        """Tell whether a check may be run out of turn: not one that loads a link."""
        job = self.units.job(check)
        return job is not None and not job.spec.loads_link

    def measures_link(self, check: str) -> bool:
        """Tell whether a check measures a channel, so that a worse channel above explains it."""
        job = self.units.job(check)
        return job is not None and job.route is not None and job.spec.name in LINK_PROBES
