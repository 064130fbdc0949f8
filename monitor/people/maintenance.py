"""Work that was announced: when it is, and what it covers. Pure, the clock passed in.

A maintenance covers a unit with everything below it, an asset, or a check. With `mute` probes go on and
nobody is told; with `skip` nothing is probed either: every run is `not_run(maintenance)`. It lies between
two instants, or recurs by windows ("sat 22:00-06:00") of local time. With a calendar, it recurs only while
that is closed: work in the night from Saturday on is not done on a Saturday that is a workday.

Windows are spans between two instants: one from 22:00 to 06:00 lasts an hour more in the night in which the
clock is set back. A beginning that the clock passes twice is the first one, an end the second; one that it
skips is the moment of the change.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from monitor.calendars.calendar import BUILT_IN, Calendar
from monitor.calendars.windows import DAY_MIN, Window
from monitor.incidents.incident import ISOLATED

DAY_S = 86400.0
MINUTE_S = 60.0
AHEAD_S = 8 * DAY_S
"""How far ahead the next span is looked for."""
Span = tuple[float, float]
"""From an instant until another (not included), seconds since the epoch; infinite where it has no bound."""


class Mode(StrEnum):
    """What a maintenance does."""

    MUTE = "mute"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Announced work. Times are seconds since the epoch."""

    id: int
    scope: str
    """A unit (with all below it), `unit/asset` or `unit/asset/check`."""
    mode: Mode
    reason: str
    actor: str
    made_at: float
    starts_at: float | None = None
    """One-off: when it begins; else since when it recurs."""
    ends_at: float | None = None
    windows: tuple[str, ...] = ()
    """When it recurs, as `monitor.calendars.windows` writes it; none: it is one-off."""
    calendar: str = ""
    zone: str = ""
    """Time zone of the windows."""
    ended_at: float | None = None
    """When a person ended it."""
    ended_by: str = ""

    @property
    def bounds(self) -> Span:
        """Return what it lies within, whatever its windows."""
        end = math.inf if self.ends_at is None else self.ends_at
        start = -math.inf if self.starts_at is None else self.starts_at
        return start, end if self.ended_at is None else min(end, self.ended_at)

    def over(self, now: float) -> bool:
        """Tell whether it never comes (again)."""
        return self.bounds[1] <= now


@dataclass(frozen=True, slots=True)
class Tree:
    """The units: the parent of each, None for the top."""

    parents: Mapping[str, str | None] = field(default_factory=dict)

    def upward(self, unit: str) -> list[str]:
        """Return a unit and those above it, itself first."""
        way: list[str] = []
        at: str | None = unit
        while at is not None and at not in way:
            way.append(at)
            at = self.parents.get(at)
        return way

    def within(self, tops: Iterable[str]) -> frozenset[str]:
        """Return the units that are, or are below, some units."""
        known = dict.fromkeys(tops, True)
        for unit in self.parents:
            way: list[str] = []
            at: str | None = unit
            while at is not None and at not in known and at not in way:
                way.append(at)
                at = self.parents.get(at)
            known |= dict.fromkeys(way, at is not None and known.get(at, False))
        return frozenset(unit for unit, inside in known.items() if inside)


def spans(work: Maintenance, start: float, end: float, calendar: Calendar | None = None) -> list[Span]:
    """Return when a maintenance is between two instants, in order and apart.

    A calendar that is named but not known (None) lets it recur never.
    """
    low, high = work.bounds
    if not work.windows:
        return [(low, high)] if low < high and low < end and high > start else []
    if work.calendar and calendar is None:
        return []
    where = ZoneInfo(work.zone or "UTC")
    found = _united(_window_spans([Window.parse(text) for text in work.windows], start, end, where))
    if calendar is not None and found:
        open_ = calendar.spans(found[0][0], found[-1][1], work.zone or "UTC")
        found = _without(found, open_)
    cut = [(max(a, low), min(b, high)) for a, b in found]
    return [(a, b) for a, b in cut if a < b and a < end and b > start]


def _window_spans(windows: Sequence[Window], start: float, end: float, zone: ZoneInfo) -> Iterable[Span]:
    day = datetime.fromtimestamp(start, zone).date() - timedelta(days=1)
    last = datetime.fromtimestamp(end, zone).date()
    while day <= last:
        for window in windows:
            if day.weekday() in window.days:
                ends = window.end + (DAY_MIN if window.end <= window.start else 0)
                yield instant(day, window.start, zone), instant(day, ends, zone, last=True)
        day += timedelta(days=1)


def instant(day: date, minute: int, zone: ZoneInfo, *, last: bool = False) -> float:
    """Return when the clock on the wall shows a minute of a day (1440 and more: of the next one).

    Of two such moments the first, or the `last`; of none, the moment at which the clock is set forward.
    """
    wall = datetime.combine(day, time(), zone) + timedelta(minutes=minute)
    first, second = (wall.replace(fold=fold).timestamp() for fold in (0, 1))
    if second >= first:
        return second if last else first
    before, after = second, first
    offset = datetime.fromtimestamp(before, zone).utcoffset()
    while after - before > 0.5:
        middle = (before + after) / 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return float(round(after))


def _united(found: Iterable[Span]) -> list[Span]:
    whole: list[Span] = []
    for start, end in sorted(found):
        if start >= end:
            continue
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        else:
            whole.append((start, end))
    return whole


def _without(found: Sequence[Span], gaps: Sequence[Span]) -> list[Span]:
    """Return spans less others; both in order and apart."""
    left = list(found)
    for low, high in gaps:
        cut = [piece for a, b in left for piece in ((a, min(b, low)), (max(a, high), b))]
        left = [(a, b) for a, b in cut if a < b]
    return left


@dataclass(frozen=True, slots=True)
class Planned:
    """A maintenance with its present or next span."""

    work: Maintenance
    start: float
    end: float

    def active(self, now: float) -> bool:
        """Tell whether it is going on."""
        return self.start <= now < self.end


@dataclass(frozen=True, slots=True)
class _Now:
    """What is covered from one instant until another; of units, those below are among them."""

    start: float = math.inf
    end: float = -math.inf
    muted: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()
    going_on: tuple[Maintenance, ...] = ()


class Maintenances:
    """All announced work; says for a moment what is covered. What holds is worked out once a minute.

    It may be asked from several threads: each answer is worked out from one unchanged picture.
    """

    def __init__(self, calendars: Mapping[str, Calendar] = BUILT_IN) -> None:
        self._all: tuple[Maintenance, ...] = ()
        self._tree, self._calendars, self._now = Tree(), calendars, _Now()
        self._turn = threading.Lock()

    @property
    def all(self) -> tuple[Maintenance, ...]:
        """All that is not over, as it was last put."""
        return self._all

    @property
    def calendars(self) -> Mapping[str, Calendar]:
        """The calendars that may be named."""
        return self._calendars

    def put(self, all_: Iterable[Maintenance]) -> None:
        """Let this be all the work that is announced."""
        with self._turn:
            self._all, self._now = tuple(all_), _Now()

    def adopt(self, tree: Tree, calendars: Mapping[str, Calendar] | None = None) -> None:
        """Take up what changed in the inventory and the calendars."""
        with self._turn:
            self._tree, self._calendars, self._now = tree, calendars or self._calendars, _Now()

    def muted(self, root: str, now: float) -> bool:
        """Tell whether nobody is told of a root: a check, an asset, a unit."""
        held = self._held(now).muted
        return bool(held) and root != ISOLATED and _covered(root, held)

    def skipped(self, check: str, now: float) -> bool:
        """Tell whether a check is not to be run. A fraction of a microsecond where nothing is skipped."""
        held = self._held(now).skipped
        return bool(held) and _covered(check, held)

    def excuse(self, check: str, now: float) -> str:
        """Return why a check is not to be run now, or nothing where it is."""
        if not self.skipped(check, now):
            return ""
        covering = (each for each in self.covering(check, now) if each.mode is Mode.SKIP)
        return "; ".join(f"maintenance {each.id}: {each.reason}" for each in covering)

    def covering(self, node: str, now: float) -> list[Maintenance]:
        """Return the work that goes on at a check, an asset or a unit."""
        return [each for each in self._held(now).going_on if self._covers(each, node)]

    def planned(self, now: float, ahead: float = AHEAD_S) -> list[Planned]:
        """Return what goes on, and what begins within some seconds: the next span of each, soonest first."""
        found = []
        for work in self._all:
            until = now + ahead
            following = next((each for each in self._spans(work, now, until) if each[1] > now), None)
            if following is not None:
                found.append(Planned(work, *following))
        return sorted(found, key=lambda each: (each.start, each.work.id))

    def at_units(self, units: Iterable[str], now: float, ahead: float) -> dict[str, Planned]:
        """Return for each unit the first maintenance of it, or of something in it, now or soon."""
        first: dict[str, Planned] = {}
        within: dict[str, Planned] = {}
        for planned in self.planned(now, ahead):
            unit, _, rest = planned.work.scope.partition("/")
            (within if rest else first).setdefault(unit, planned)
        found = {}
        for unit in units:
            over = [first[each] for each in self._tree.upward(unit) if each in first]
            several = [*over, *([within[unit]] if unit in within else [])]
            if several:
                found[unit] = min(several, key=lambda each: (each.start, each.work.id))
        return found

    def _covers(self, work: Maintenance, node: str) -> bool:
        if "/" in work.scope:
            return _covered(node, (work.scope,))
        return work.scope in self._tree.upward(node.partition("/")[0])

    def _spans(self, work: Maintenance, start: float, end: float) -> list[Span]:
        return spans(work, start, end, self._calendars.get(work.calendar) if work.calendar else None)

    def _held(self, now: float) -> _Now:
        held = self._now
        if not held.start <= now < held.end:
            with self._turn:
                held = self._now = self._work_out(now)
        return held

    def _work_out(self, now: float) -> _Now:
        going_on, end = [], now + MINUTE_S
        for work in self._all:
            for a, b in self._spans(work, now, now + MINUTE_S):
                if a <= now < b:
                    going_on.append(work)
                end = min(end, *(edge for edge in (a, b) if edge > now))
        muted = self._scopes(each.scope for each in going_on)
        skipped = self._scopes(each.scope for each in going_on if each.mode is Mode.SKIP)
        return _Now(now, end, muted, skipped, tuple(going_on))

    def _scopes(self, scopes: Iterable[str]) -> frozenset[str]:
        found = set(scopes)
        units = {scope for scope in found if "/" not in scope}
        return frozenset(found | self._tree.within(units) if units else found)


def _covered(node: str, inside: Iterable[str] | frozenset[str]) -> bool:
    """Tell whether a node, its asset or its unit is among some."""
    unit, _, rest = node.partition("/")
    return unit in inside or node in inside or (bool(rest) and node.rpartition("/")[0] in inside)
