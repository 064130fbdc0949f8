"""Evidence of a run that is not stored yet (or never will be): the store's, with new readings on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from monitor.store.api import OUTCOME_CODES, Evidence, FactValue, Latest, Point, StoreInfo, Window
from probes.api import Reading

_EMPTY = Window(np.empty(0), np.empty(0), np.empty(0, dtype=np.uint8))


class Layered:
    """The readings added here over those of `base` (None: nothing below). A reading in both counts once."""

    def __init__(self, base: Evidence | None = None, readings: Iterable[Reading] = ()) -> None:
        self._base = base
        self._new: dict[str, list[Reading]] = {}
        for reading in readings:
            self.add(reading)

    def add(self, reading: Reading) -> None:
        """Put one more reading on top."""
        several = self._new.setdefault(reading.check, [])
        several.append(reading)
        several.sort(key=lambda each: each.at)

    def latest(self, check: str) -> Latest | None:
        """Return the last attempt and last measurement of both layers."""
        below = self._base.latest(check) if self._base else None
        attempts = [*([below.attempt] if below else []), *self._new.get(check, ())]
        if not attempts:
            return None
        measured = [each for each in self._new.get(check, ()) if each.outcome.measured]
        if below and below.measurement:
            measured.append(below.measurement)
        return Latest(max(attempts, key=_at), max(measured, key=_at, default=None))

    def window(self, check: str, metric: str, start: float, end: float) -> Window:
        """Return both layers' readings in the window, in order of time."""
        below = self._base.window(check, metric, start, end) if self._base else _EMPTY
        return self._over(below, check, metric, start, end)

    def _over(self, below: Window, check: str, metric: str, start: float, end: float) -> Window:
        seen = set(below.times.tolist())
        above = [each for each in self._new.get(check, ()) if start <= each.at < end and each.at not in seen]
        if not above:
            return below
        times = np.concatenate([below.times, [each.at for each in above]])
        values = np.concatenate([below.values, [each.metrics.get(metric, np.nan) for each in above]])
        codes = np.array([OUTCOME_CODES[each.outcome.value] for each in above], dtype=np.uint8)
        order = np.argsort(times, kind="stable")
        return Window(times[order], values[order], np.concatenate([below.outcomes, codes])[order])

    def outcomes(self, check: str, start: float, end: float) -> Window:
        """Return both layers' readings in the window, values all NaN."""
        below = self._base.outcomes(check, start, end) if self._base else _EMPTY
        return self._over(below, check, "", start, end)

    def facts(self, check: str) -> Mapping[str, FactValue]:
        """Return the current facts."""
        found = dict(self._base.facts(check)) if self._base else {}
        for reading in self._new.get(check, ()):
            for name, value in reading.facts.items():
                old = found.get(name)
                since = old.since if old and old.value == value else reading.at
                if old is None or reading.at >= old.last_seen:
                    found[name] = FactValue(name, value, since, reading.at)
        return found

    def fact_history(self, check: str, name: str) -> Sequence[FactValue]:
        """Return the values a fact has had, oldest first."""
        history = list(self._base.fact_history(check, name)) if self._base else []
        for reading in self._new.get(check, ()):
            value = reading.facts.get(name)
            if value is None or (history and history[-1].last_seen >= reading.at):
                continue
            if history and history[-1].value == value:
                history[-1] = FactValue(name, value, history[-1].since, reading.at)
            else:
                history.append(FactValue(name, value, reading.at, reading.at))
        return history

    def series(
        self, check: str, metric: str, start: float, end: float, step: Literal["raw", "5m", "1h"]
    ) -> Sequence[Point]:
        """Return the store's series: what is new is not for display yet."""
        return self._base.series(check, metric, start, end, step) if self._base else ()

    def checks(self) -> Iterable[str]:
        """Return the ids of all checks of both layers."""
        return {*(self._base.checks() if self._base else ()), *self._new}

    def metrics(self, check: str) -> Sequence[str]:
        """Return the names of the metrics a check has reported."""
        above = {name for reading in self._new.get(check, ()) for name in reading.metrics}
        return sorted({*(self._base.metrics(check) if self._base else ()), *above})

    def info(self) -> StoreInfo:
        """Return the store's sizes and spans."""
        return self._base.info() if self._base else StoreInfo("", 0, 0, 0, 0, None, None, None, 0)


def _at(reading: Reading) -> float:
    return reading.at
