"""Notices what no longer runs as released: of each check, what it pledged and whether it kept that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.job import Job
from monitor.process.turns import Turn
from monitor.readiness.checklist import SEVERITIES
from monitor.readiness.conditions import Truth
from monitor.releases.drift import was_right
from monitor.releases.pledges import Memory, Pledge, kind_of, values_of
from monitor.state import DRIFTS, CheckState
from monitor.store.api import FactValue, Latest
from probes.api import Outcome, Reading, clip


class Evidence(Protocol):
    """The part of the store that is needed here."""

    def latest(self, check: str) -> Latest | None:
        """Return the last attempt and last measurement of a check."""

    def fact_history(self, check: str, name: str) -> Sequence[FactValue]:
        """Return the values a fact has had, oldest first."""


@dataclass(slots=True)
class Drifting:
    """What is remembered of all pledges; used from one loop. `belief` tells what is believed of a check."""

    evidence: Evidence
    belief: Callable[[str], CheckState | None]
    _memory: dict[str, tuple[Memory, ...]] = field(default_factory=dict)

    async def adopt(self, jobs: Iterable[Job]) -> None:
        """Watch exactly the pledges of these checks; what is remembered of those that stay goes on."""
        found, turn = dict[str, tuple[Memory, ...]](), Turn()
        for job in jobs:
            if job.released:
                found[job.id] = await self._of(job)
            await turn.end()
        self._memory = found

    async def _of(self, job: Job) -> tuple[Memory, ...]:
        known = {each.pledge: each for each in self._memory.get(job.id, ())}
        new = [each for each in job.released if each not in known]
        known |= {each: Memory(each, await self._was_right(job.id, each)) for each in new}
        return tuple(known[each] for each in job.released)

    async def _was_right(self, check: str, pledge: Pledge) -> bool:
        """Return whether a check was as released before: by its last reading, or as it was believed."""
        latest = self.evidence.latest(check)
        reading = latest.measurement if latest else None
        if reading is not None and pledge.judge(values_of(reading)) is Truth.PASS:
            return True
        state = self.belief(check)
        if state is None or state.kind not in DRIFTS:
            return False
        return await asyncio.to_thread(self._ever_right, check, pledge)

    def _ever_right(self, check: str, pledge: Pledge) -> bool:
        """Return whether no history is against it; a metric has none, and what is believed of it stands."""
        histories = [(self.evidence.fact_history(check, name), each) for name, each in pledge.conditions]
        return all(was_right(history, each) for history, each in histories if history)

    def __call__(self, job: Job, reading: Reading) -> tuple[str, str]:
        """Take a reading in; return the kind of the worst drift and what is said of all, or empty texts."""
        memories = self._memory.get(job.id)
        if memories is None or reading.outcome is not Outcome.OK:
            return "", ""
        values = values_of(reading)
        found = [each for each in memories if each.take(values, reading.at)]
        if not found:
            return "", ""
        worst = min((each.pledge.severity for each in found), key=SEVERITIES.index)
        return kind_of(worst), clip("; ".join(each.text for each in found), 500)
