"""Readings for the sinks in the order of commits, and by day and group where a sink has fallen behind.

The log of commits holds the last ten minutes or more, in order. A sink that was away for longer catches up:
commits after its cursor, up to the last one there is (or that it wants), day by day, group by group and ten
minutes by ten minutes, out of chunks and heads alike; so each check's readings of a day come in order. A day
and a group of a reading never change, so nothing is missed while rolling and merging go on. Readings are
found as long as raw samples are kept; none comes twice unless the sink asks twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.store.api import Batch, Cursor
from monitor.store.catalogue import Catalogue
from monitor.store.days import DayReader
from monitor.store.heads import LAST_SEQ, HeadsReader
from monitor.store.records import DAY_MS, GROUP, Frame, Ints, check_and_code, reading_of, unpack
from monitor.store.tables import Part
from probes.api import Reading

SPANS, SPAN_MS = 144, DAY_MS // 144
PIECE, REST_S = 200, 0.0005
MOST_GROUPS = 64
"""So many groups of a day are looked into at once, whether there is anything in them or not."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What one group of a day has for a sink that catches up: kept until its last span was taken.

    It is complete from the first look on: all that is wanted was committed before.
    """

    wanted: tuple[int, int, int, int] = (-1, -1, -1, -1)
    """Of which day and group, after and until which commit."""
    parts: tuple[Part, ...] = ()
    texts: Mapping[int, str] = field(default_factory=dict)
    frame: Frame | None = None


class CursorReader:
    """Serves one store's sinks."""

    def __init__(
        self, catalogue: Catalogue, heads: HeadsReader, days: DayReader, text: Callable[[int], str]
    ) -> None:
        self._catalogue, self._heads, self._days, self._text = catalogue, heads, days, text
        self._held = _Held()
        self._one = threading.Lock()

    def read(self, cursor: Cursor, limit: int, upto: int | None = None) -> Batch:
        """Return whole commits, or whole spans of a group's day, of about `limit` readings.

        Only commits up to `upto` where that is given. No readings and an equal cursor at the end; no
        readings and another cursor where there may be more.
        """
        if not cursor.until:
            last = LAST_SEQ if upto is None else upto
            found = self._heads.commits(cursor.after, limit, last)
            if found is not None:
                return Batch(self._readings(found[0]), Cursor(found[1]))
            cursor = self._behind(cursor, last)
        with self._one:
            return self._catch_up(cursor, limit)

    def _behind(self, cursor: Cursor, upto: int) -> Cursor:
        days = [*self._days.days(), *self._heads.days()]
        until = min(self._heads.committed(), upto)
        if not days:
            return Cursor(max(until, cursor.after))
        return Cursor(cursor.after, until, min(days), 0, max(days))

    def _catch_up(self, cursor: Cursor, limit: int) -> Batch:
        readings: list[Reading] = []
        groups, looked = -(-len(self._catalogue.names) // GROUP), 0
        while cursor.until and len(readings) < limit and looked < MOST_GROUPS * SPANS:
            if cursor.day > cursor.last_day:
                cursor = Cursor(cursor.until)
            elif cursor.group >= groups:
                cursor = replace(cursor, day=self._next(cursor), group=0)
            else:
                found, cursor = self._span(cursor)
                readings += found
                looked += 1 if found else SPANS
        return Batch(readings, cursor, ordered=False)

    def _next(self, cursor: Cursor) -> int:
        """Return the next day that can hold something; heads may hold any."""
        later = [day for day in {*self._days.days(), *self._heads.days()} if day > cursor.day]
        return min(later, default=cursor.last_day + 1)

    def _span(self, cursor: Cursor) -> tuple[list[Reading], Cursor]:
        """Return the readings of the next span of ten minutes that has any, and the cursor behind it."""
        held = self._holding(cursor)
        start = cursor.day * DAY_MS + cursor.span * SPAN_MS
        first = min((at for at in self._times(held, cursor) if at >= start), default=None)
        if first is None:
            self._held = _Held()
            return [], replace(cursor, group=cursor.group + 1, span=0)
        span = (first - cursor.day * DAY_MS) // SPAN_MS
        low = cursor.day * DAY_MS + span * SPAN_MS
        found = [r for part in held.parts for r in self._of_part(part, held.texts, cursor, low)]
        if held.frame is not None:
            at = held.frame.ints(0)
            found += self._readings(held.frame.take(np.flatnonzero((at >= low) & (at < low + SPAN_MS))))
        if span + 1 < SPANS:
            return found, replace(cursor, span=span + 1)
        self._held = _Held()
        return found, replace(cursor, group=cursor.group + 1, span=0)

    @staticmethod
    def _times(held: _Held, cursor: Cursor) -> list[int]:
        """Return the first time from the cursor's span on of each part; some may hold none that is wanted."""
        start = cursor.day * DAY_MS + cursor.span * SPAN_MS
        columns = [part.fixed["at"] for part in held.parts]
        if held.frame is not None:
            columns.append(held.frame.ints(0))
        return [int(later.min()) for each in columns if len(later := each[each >= start])]

    def _holding(self, cursor: Cursor) -> _Held:
        wanted = (cursor.day, cursor.group, cursor.after, cursor.until)
        if self._held.wanted != wanted:
            self._held = _Held()
            self._held = self._look(cursor, wanted)
        return self._held

    def _look(self, cursor: Cursor, wanted: tuple[int, int, int, int]) -> _Held:
        heads, _ = self._heads.group(cursor.group)
        mark, parts, texts = 0, list[Part](), dict[int, str]()
        if self._days.path(cursor.day).exists():
            mark, parts, texts = self._days.parts(cursor.day, cursor.group, cursor.after)
        frame = Frame.sized(heads, self._catalogue.layouts)
        seq = frame.ints(1)
        chosen = (
            (frame.ints(0) // DAY_MS == cursor.day) & (seq > max(mark, cursor.after)) & (seq <= cursor.until)
        )
        rows = np.flatnonzero(chosen)
        return _Held(wanted, tuple(parts), texts, frame.take(rows) if len(rows) else None)

    def _of_part(self, part: Part, texts: Mapping[int, str], cursor: Cursor, low: int) -> list[Reading]:
        seq, at = part.fixed["seq"], part.fixed["at"]
        chosen = (seq > cursor.after) & (seq <= cursor.until) & (at >= low) & (at < low + SPAN_MS)
        rows = np.flatnonzero(chosen)
        return _of_rows(part, rows, self._catalogue.names[part.number], texts) if len(rows) else []

    def _readings(self, frame: Frame) -> list[Reading]:
        found = []
        for index in range(len(frame.starts)):
            _rest(index)
            record = frame.record(index)
            number, code = check_and_code(record)
            name, layout = self._catalogue.names[number], self._catalogue.layouts[code >> 2]
            found.append(unpack(record, name, layout, self._text))
        return found


def _rest(index: int) -> None:
    """Let other threads run now and then: taking records apart is long work, and holds the interpreter."""
    if index % PIECE == PIECE - 1:
        time.sleep(REST_S)


def _of_rows(part: Part, rows: Ints, check: str, texts: Mapping[int, str]) -> list[Reading]:
    fixed = {name: values[rows].tolist() for name, values in part.fixed.items()}
    columns = [(name, values[rows].tolist()) for (name, _), values in part.metrics.items()]
    found = []
    for place, at in enumerate(fixed["at"]):
        _rest(place)
        values = ((name, column[place]) for name, column in columns)
        metrics = {name: value for name, value in values if value == value}  # noqa: PLR0124 - NaN
        note, facts = (texts.get(fixed[name][place], "") for name in ("note", "facts"))
        reading = reading_of(fixed["outcome"][place], note, facts, metrics)
        reading.check, reading.at = check, at / 1000
        reading.lag_ms, reading.duration_ms = float(fixed["lag"][place]), float(fixed["duration"][place])
        found.append(reading)
    return found
