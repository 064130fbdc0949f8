"""How far what runs is from what should run: which release it belongs to instead, and since when it differs.

Pure: facts with their history are passed in, times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from monitor.readiness.conditions import Condition, Truth, Value, conjunction
from monitor.readiness.versions import parse
from monitor.releases.manifest import Component, Release
from monitor.store.api import FactValue

Direction = Literal["behind", "ahead", "beside", "none", "same", "unknown"]
"""Where the found release lies; `none`: in no release; `same`: in the right one, but else different;
`unknown`: else different, and version or checksum do not tell."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Which release the found version belongs to."""

    direction: Direction
    steps: int | None = None
    """How many releases behind or ahead, where that is known."""
    release: str | None = None
    rebuilt: bool = False
    """The version is that release's, its checksum is not."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A component that does not run as the release says."""

    standing: Standing
    differs: tuple[str, ...]
    """The facts and metrics that are not as they should be."""
    since: float | None
    """Since when, None where it can't be told (a metric has no history of changes)."""
    found_since: float | None
    """Since when what was found is there: it may have been another wrong version before."""


class Lineage:
    """The order of releases, as `follows` gives it."""

    def __init__(self, releases: Mapping[str, Release]) -> None:
        self._releases = releases
        self._next: dict[str, list[str]] = {}
        for each in releases.values():
            if each.follows is not None:
                self._next.setdefault(each.follows, []).append(each.id)

    def around(self, release: Release) -> Iterator[tuple[Release, Direction, int | None]]:
        """Yield the release, those before it, those after it, and then all others."""
        seen = {release.id}
        yield release, "same", 0
        for steps, each in enumerate(self._before(release), 1):
            seen.add(each.id)
            yield each, "behind", steps
        for each, steps in self._after(release):
            seen.add(each.id)
            yield each, "ahead", steps
        for each in self._releases.values():
            if each.id not in seen:
                yield each, "beside", None

    def _before(self, release: Release) -> Iterator[Release]:
        key = release.follows
        while key is not None and key in self._releases:
            yield self._releases[key]
            key = self._releases[key].follows

    def _after(self, release: Release) -> Iterator[tuple[Release, int]]:
        waiting = [(key, 1) for key in self._next.get(release.id, ())]
        while waiting:
            key, steps = waiting.pop(0)
            yield self._releases[key], steps
            waiting.extend((each, steps + 1) for each in self._next.get(key, ()))

    def standing(self, release: Release, component: str, values: Mapping[str, Value]) -> Standing:
        """Return which release the values of a component's facts belong to, the nearest before first."""
        by_version: Standing | None = None
        for other, direction, steps in self.around(release):
            known = other.components.get(component)
            if known is None or not known.identity:
                continue
            truth = _judged(known.identity, values)
            if truth is Truth.PASS:
                return Standing(direction, steps, other.id)
            if by_version is None and known.version and _judged(known.identity[:1], values) is Truth.PASS:
                by_version = Standing(direction, steps, other.id, rebuilt=truth is Truth.FAIL)
        return by_version or _elsewhere(release.components.get(component), values)


def _judged(identity: Sequence[tuple[str, Condition]], values: Mapping[str, Value]) -> Truth:
    return conjunction(condition.judge(values.get(name)) for name, condition in identity)


def _elsewhere(component: Component | None, values: Mapping[str, Value]) -> Standing:
    """Return the standing of what is in no release: older or newer, where versions tell."""
    if component is None or not component.identity:
        return Standing("same", 0)
    if _judged(component.identity, values) is Truth.UNKNOWN:
        return Standing("unknown")
    if component.version is None:
        return Standing("none")
    found, wanted = parse(str(values.get(component.fact) or "")), parse(component.version)
    if found is None or wanted is None or found == wanted:
        return Standing("none")
    return Standing("behind" if found < wanted else "ahead")


History = Callable[[str], Sequence[FactValue]]
"""The values that a fact has had, oldest first."""


def drifted(
    lineage: Lineage,
    release: Release,
    component: Component,
    values: Mapping[str, Value],
    history: History,
    due: float,
) -> Drift:
    """Return the drift of a component with these facts and metrics; `due`: when the release was to run."""
    standing = lineage.standing(release, component.id, values)
    wrong = [(n, c) for n, c in component.item.expect if c.instant and c.judge(values.get(n)) is Truth.FAIL]
    runs = [_run(history(name), condition) for name, condition in wrong]
    known = [run for run in runs if run is not None]
    since = max(min(began for began, _ in known), due) if known else None
    return Drift(standing, tuple(name for name, _ in wrong), since, known[0][1] if known else None)


def _run(values: Sequence[FactValue], condition: Condition) -> tuple[float, float] | None:
    """Return since when a fact has not been as it should, and since when it is what it is."""
    if not values or condition.judge(values[-1].value) is not Truth.FAIL:
        return None
    began = values[-1].since
    for each in reversed(values):
        if condition.judge(each.value) is not Truth.FAIL:
            break
        began = each.since
    return began, values[-1].since


def was_right(values: Sequence[FactValue], condition: Condition) -> bool:
    """Return whether a fact ever was as it should be."""
    return any(condition.judge(each.value) is Truth.PASS for each in values)


def due_at(release: Release, zone: str) -> float:
    """Return when the release is due in a time zone: at the beginning of the day it is released."""
    return datetime.combine(release.released, time(), ZoneInfo(zone)).timestamp()
