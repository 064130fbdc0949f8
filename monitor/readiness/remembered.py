"""Evidence at one moment: each thing is asked of the store once, however many rows and units it is behind.

What is stored while units are judged counts in the next round; so all rows of a check tell of one reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from monitor.store.api import Evidence, FactValue, Latest, Point, StoreInfo, Window

MOST = 20_000
"""Checks that are remembered; with more, all are forgotten, and asked for again."""


@runtime_checkable
class Several(Protocol):
    """Evidence that tells of a check and of those stored beside it as cheaply as of the check alone."""

    def latest_beside(self, check: str) -> Mapping[str, Latest]:
        """Return the last attempt and measurement of a check, and of those beside it, as far as they ran."""


class Remembered:
    """The evidence of `base`, asked for once; for one round of judging."""

    def __init__(self, base: Evidence) -> None:
        self._base = base
        self._several = base if isinstance(base, Several) else None
        self._latest: dict[str, Latest | None] = {}

    def latest(self, check: str) -> Latest | None:
        """Return the last attempt and last measurement of a check."""
        if check not in self._latest:
            self._ask(check)
        return self._latest[check]

    def _ask(self, check: str) -> None:
        if len(self._latest) > MOST:
            self._latest.clear()
        if self._several is None:
            self._latest[check] = self._base.latest(check)
            return
        for key, latest in self._several.latest_beside(check).items():
            self._latest.setdefault(key, latest)
        self._latest.setdefault(check, None)

    def window(self, check: str, metric: str, start: float, end: float) -> Window:
        """Return all readings of the check in the window."""
        return self._base.window(check, metric, start, end)

    def outcomes(self, check: str, start: float, end: float) -> Window:
        """Return all readings of the check in the window, values all NaN."""
        return self._base.outcomes(check, start, end)

    def facts(self, check: str) -> Mapping[str, FactValue]:
        """Return the current facts."""
        return self._base.facts(check)

    def fact_history(self, check: str, name: str) -> Sequence[FactValue]:
        """Return the values a fact has had, oldest first."""
        return self._base.fact_history(check, name)

    def series(
        self, check: str, metric: str, start: float, end: float, step: Literal["raw", "5m", "1h"]
    ) -> Sequence[Point]:
        """Return a series for display."""
        return self._base.series(check, metric, start, end, step)

    def checks(self) -> Iterable[str]:
        """Return the ids of all checks."""
        return self._base.checks()

    def metrics(self, check: str) -> Sequence[str]:
        """Return the names of the metrics a check has reported."""
        return self._base.metrics(check)

    def info(self) -> StoreInfo:
        """Return the store's sizes and spans."""
        return self._base.info()
