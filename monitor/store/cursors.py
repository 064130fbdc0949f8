"""Readings for the sinks in the order of commits, and by day and group where a sink has fallen behind.

The log of commits holds the last ten minutes or more, in order. A sink that was away for longer catches up:
commits after its cursor, up to the last one there is, day by day and group by group, out of chunks and heads
alike. A day and a group of a reading never change, so nothing is missed while rolling and merging go on.
Readings are found as long as raw samples are kept; none comes twice unless the sink asks twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from monitor.store.api import Batch, Cursor
from monitor.store.catalogue import Catalogue
from monitor.store.days import DayReader
from monitor.store.heads import HeadsReader
from monitor.store.records import DAY_MS, GROUP, Frame, check_and_code, reading_of, unpack
from monitor.store.tables import Part
from probes.api import Reading


class CursorReader:
    """Serves one store's sinks."""

    def __init__(
        self, catalogue: Catalogue, heads: HeadsReader, days: DayReader, text: Callable[[int], str]
    ) -> None:
        self._catalogue, self._heads, self._days, self._text = catalogue, heads, days, text

    def read(self, cursor: Cursor, limit: int) -> Batch:
        """Return whole commits, or whole groups of a day, of about `limit` readings; none at the end."""
        if not cursor.until:
            found = self._heads.commits(cursor.after, limit)
            if found is not None:
                return Batch(self._readings(found[0]), Cursor(found[1]))
            cursor = self._behind(cursor)
        return self._catch_up(cursor, limit)

    def _behind(self, cursor: Cursor) -> Cursor:
        days = [*self._days.days(), *self._heads.days()]
        until = self._heads.committed()
        if not days:
            return Cursor(until)
        return Cursor(cursor.after, until, min(days), 0, max(days))

    def _catch_up(self, cursor: Cursor, limit: int) -> Batch:
        readings: list[Reading] = []
        groups = -(-len(self._catalogue.names) // GROUP)
        while cursor.until and len(readings) < limit:
            if cursor.day > cursor.last_day:
                cursor = Cursor(cursor.until)
            elif cursor.group >= groups:
                cursor = replace(cursor, day=self._next(cursor), group=0)
            else:
                readings += self._group(cursor)
                cursor = replace(cursor, group=cursor.group + 1)
        return Batch(readings, cursor, ordered=False)

    def _next(self, cursor: Cursor) -> int:
        """Return the next day that can hold something; heads may hold any."""
        later = [day for day in {*self._days.days(), *self._heads.days()} if day > cursor.day]
        return min(later, default=cursor.last_day + 1)

    def _group(self, cursor: Cursor) -> list[Reading]:
        heads, _ = self._heads.group(cursor.group)
        mark, found = 0, []
        if self._days.path(cursor.day).exists():
            mark, parts, texts = self._days.parts(cursor.day, cursor.group, cursor.after)
            found = [r for part in parts for r in self._of_part(part, texts, cursor)]
        frame = Frame.sized(heads, self._catalogue.layouts)
        seq = frame.ints(1)
        wanted = (
            (frame.ints(0) // DAY_MS == cursor.day) & (seq > max(mark, cursor.after)) & (seq <= cursor.until)
        )
        return found + self._readings(frame.take(np.flatnonzero(wanted)))

    def _of_part(self, part: Part, texts: Mapping[int, str], cursor: Cursor) -> list[Reading]:
        seq = part.fixed["seq"]
        rows = np.flatnonzero((seq > cursor.after) & (seq <= cursor.until)).tolist()
        return [_reading(part, row, self._catalogue.names[part.number], texts) for row in rows]

    def _readings(self, frame: Frame) -> list[Reading]:
        found = []
        for index in range(len(frame.starts)):
            record = frame.record(index)
            number, code = check_and_code(record)
            name, layout = self._catalogue.names[number], self._catalogue.layouts[code >> 2]
            found.append(unpack(record, name, layout, self._text))
        return found


def _reading(part: Part, row: int, check: str, texts: Mapping[int, str]) -> Reading:
    fixed = {name: int(values[row]) for name, values in part.fixed.items()}
    metrics = {name: float(values[row]) for (name, _), values in part.metrics.items()}
    metrics = {name: value for name, value in metrics.items() if value == value}  # noqa: PLR0124 - NaN
    note, facts = (texts.get(fixed[name], "") for name in ("note", "facts"))
    reading = reading_of(fixed["outcome"], note, facts, metrics)
    reading.check, reading.at = check, fixed["at"] / 1000
    reading.lag_ms, reading.duration_ms = float(fixed["lag"]), float(fixed["duration"])
    return reading
