"""Muster's own figures as points: what /metrics tells of units, assets, releases, incidents and of itself.

    muster,unit=gz,gate=go-live unit_verdict=2.0 1795000000000

The measurement is always `muster`, the field the figure's name on /metrics less `muster_`, the tags are its
labels. PromQL on VictoriaMetrics calls that `muster_unit_verdict`: the very name on /metrics. All figures of
one turn bear one time. What cannot be written when it holds is not made up for later.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from monitor.sinks.lines import PREFIX, line
from monitor.web.view import OwnMetric

MEASUREMENT = PREFIX.rstrip("_")
MOST = 200_000
"""Figures of one turn that are written; what is beyond is counted."""
FREE = "found"
"""The label whose values targets choose."""
MOST_FOUND, KEPT_PLACES = 10, 100_000
"""Values of that label which one place may have, and for how many places that is kept; since the start."""
OTHERS = "(others)"
Tell = Callable[[], AsyncIterator[Sequence[OwnMetric]]]


async def nothing() -> AsyncIterator[Sequence[OwnMetric]]:
    """Tell nothing."""
    parts: tuple[Sequence[OwnMetric], ...] = ()
    for part in parts:
        yield part


@dataclass(slots=True)
class Figures:
    """Makes lines of figures, within bounds."""

    tell: Tell = nothing
    left_out: int = 0
    """Figures not written since the start, as there were too many."""
    _found: dict[tuple[str, ...], set[str]] = field(default_factory=dict)

    async def parts(self) -> AsyncIterator[list[OwnMetric]]:
        """Yield what is told now, as much of it as is written."""
        left = MOST
        async for told in self.tell():
            part = list(islice(told, left))
            left -= len(part)
            self.left_out += len(told) - len(part)
            yield part

    def lines(self, told: Iterable[OwnMetric], at_ms: int) -> list[str]:
        """Return a line for each figure that is a number."""
        made = (
            line(MEASUREMENT, self._tags(labels), {name.removeprefix(PREFIX): float(value)}, at_ms)
            for name, _, _, labels, value in told
        )
        return [each for each in made if each]

    def _tags(self, labels: Mapping[str, str]) -> Mapping[str, str]:
        """Return labels as tags: what targets say takes few values in each place."""
        value = labels.get(FREE)
        if value is None:
            return labels
        place = tuple(text for name, text in labels.items() if name != FREE)
        if len(self._found) >= KEPT_PLACES:
            self._found.clear()
        seen = self._found.setdefault(place, set())
        if value not in seen and len(seen) >= MOST_FOUND:
            return {**labels, FREE: OTHERS}
        seen.add(value)
        return labels
