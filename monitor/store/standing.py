"""What the state database knows for /metrics: how units stand at their gates, and how alerting goes.

Both are read again and again, so that little is read: no judgement is unpacked, and texts that are the same
as before are not read anew.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

DAYS = 30
IN_TIME_S = 900.0
"""An incident is taken over in time where somebody acknowledges it within so many seconds."""
BRIEF_S = 300.0
"""One that is over within so many seconds, and that nobody took over, was brief: perhaps no incident."""
AGAIN_S = 86_400.0
"""One whose cause had another within so many seconds before is a repetition."""
DAY_S = 86_400.0

Blocked = tuple[str, str, str]
"""Category, status and reason of a blocking item."""


@dataclass(frozen=True, slots=True)
class Stands:
    """A unit at a gate, as it was judged last. `blocking` counts the first, gravest items that block."""

    unit: str
    gate: str
    good_until: float | None
    verdict: str
    coverage: float
    counts: Mapping[str, int]
    categories: Mapping[str, str]
    """The verdict of each category that has any."""
    blocking: Mapping[Blocked, int]

    def verdict_at(self, now: float) -> str:
        """Return the verdict as it is worth at `now`: evidence that has expired is none."""
        good = self.verdict in ("READY", "CONDITIONAL")
        expired = good and self.good_until is not None and now >= self.good_until
        return "UNKNOWN" if expired else self.verdict


@dataclass(frozen=True, slots=True)
class Alerting:
    """Incidents: those open by unit and severity, and what became of those of the last `DAYS` days."""

    open_at: Mapping[str, int]
    severities: Mapping[str, int]
    recent: Mapping[str, int]
    """opened, acknowledged, in_time, brief, repeated, absorbed."""
    taken_s: tuple[float, ...]
    """How long each took to be acknowledged, in seconds, in rising order."""


def stands(connection: sqlite3.Connection) -> list[Stands]:
    """Return how all units stand at all gates at which they were judged."""
    blocking = _blocking(connection)
    found = connection.execute(
        "SELECT unit, gate, good_until, verdict, coverage, counts, categories FROM verdicts"
    )
    return [
        Stands(
            unit, gate, until, verdict, coverage, _counts(counts), _categories(parts),
            blocking.get((unit, gate), {}),
        )
        for unit, gate, until, verdict, coverage, counts, parts in found
    ]  # fmt: skip


def _blocking(connection: sqlite3.Connection) -> Mapping[tuple[str, str], Mapping[Blocked, int]]:
    """Count what blocks; the columns are those of `monitor.store.verdicts.Blocking`.

    SQLite reads the texts, which are long, and lets others run meanwhile.
    """
    found: dict[tuple[str, str], dict[Blocked, int]] = {}
    rows = connection.execute(
        "SELECT unit, gate, json_extract(value, '$[2]'), json_extract(value, '$[4]'),"
        " json_extract(value, '$[5]'), count(*)"
        " FROM verdicts, json_each(verdicts.blocking, '$[1]') GROUP BY 1, 2, 3, 4, 5"
    )
    for unit, gate, category, status, reason, count in rows:
        found.setdefault((unit, gate), {})[category, status, reason] = count
    return found


@lru_cache(maxsize=4096)
def _counts(text: str) -> Mapping[str, int]:
    found: Mapping[str, int] = json.loads(text)
    return found


@lru_cache(maxsize=4096)
def _categories(text: str) -> Mapping[str, str]:
    return {name: each[0] for name, each in json.loads(text).items() if each[0]}


def alerting(connection: sqlite3.Connection, now: float) -> Alerting:
    """Return how alerting goes."""
    rows = connection.execute(
        "SELECT root, severity, opened_at, closed_at, acked_at, absorbed_by FROM incident"
        " WHERE closed_at IS NULL OR opened_at >= ? ORDER BY opened_at",
        (now - DAYS * DAY_S,),
    ).fetchall()
    still = [row for row in rows if row[3] is None]
    recent, taken, before = Counter[str](), list[float](), dict[str, float]()
    for root, _, opened, closed, acked, absorbed in rows:
        if opened >= now - DAYS * DAY_S:
            recent.update(_what(opened, closed, acked, absorbed))
            recent["repeated"] += before.get(root, -AGAIN_S) >= opened - AGAIN_S
            taken += [max(0.0, acked - opened)] if acked is not None else []
        before[root] = opened
    return Alerting(
        Counter(row[0].partition("/")[0] for row in still),
        Counter(row[1] for row in still),
        {what: recent[what] for what in WHAT},
        tuple(sorted(taken)),
    )


WHAT = ("opened", "acknowledged", "in_time", "brief", "repeated", "absorbed")


def _what(opened: float, closed: float | None, acked: float | None, absorbed: int | None) -> list[str]:
    found = {
        "acknowledged": acked is not None,
        "in_time": acked is not None and acked - opened <= IN_TIME_S,
        "brief": acked is None and closed is not None and closed - opened <= BRIEF_S,
        "absorbed": absorbed is not None,
    }
    return ["opened", *(what for what, so in found.items() if so)]
