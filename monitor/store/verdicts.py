"""The last judgement of every unit at every gate, kept for the board, the API and the next start.

A judged unit is one element of `units` of `muster check --format json`. A judgement ages: `as_of` and
`aged` say what it is worth now, since evidence that has expired never counts as success.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from monitor.roadmap.burndown import Tally
from monitor.store import plans
from monitor.store.database import Database
from monitor.store.sinks import prune

T = TypeVar("T")
GRAVE = ("blocker", "major")
WORST_FIRST = ("fail", "unknown", "waived", "pass", "not_applicable")
KEPT_BLOCKING = 20
Packed = tuple[Any, ...]
"""A row of the table."""
EXPIRED = "the evidence has expired since the last judgement"


@dataclass(frozen=True, slots=True)
class CategorySummary:
    """One category of a unit: its items by status, the worst of them, and what they mean as a verdict.

    `verdict` follows the rules of a unit's verdict; "" where nothing applies.
    """

    verdict: str
    worst: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Blocking:
    """A blocker or major item that fails, or of which nothing is known."""

    id: str
    asset: str | None
    category: str
    severity: str
    status: str
    reason: str
    title: str
    title_zh: str
    expected: str
    actual: str
    detail: str
    blocked_by: str
    check: str = ""
    """`unit/asset/check`; empty where no check is behind it."""


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A unit on the board. Times are seconds since the epoch; `blocking` holds the first, gravest ones."""

    unit: str
    judged_at: float
    good_until: float | None
    verdict: str
    coverage: float
    reasons: tuple[str, ...]
    counts: Mapping[str, int]
    categories: Mapping[str, CategorySummary]
    blocking_total: int
    blocking: tuple[Blocking, ...]


def summary(unit: str, judged_at: float, judged: Mapping[str, Any]) -> BoardRow:
    """Return the summary of a judged unit."""
    items = judged.get("items", [])
    by_category: dict[str, list[Mapping[str, Any]]] = {}
    for item in items:
        by_category.setdefault(item["category"], []).append(item)
    blocking = sorted((item for item in items if blocks(item)), key=gravity)
    return BoardRow(
        unit,
        judged_at,
        _good_until(items),
        judged["verdict"],
        float(judged.get("coverage") or 0.0),
        tuple(judged.get("reasons", ())),
        dict(judged.get("counts", {})),
        {name: _category(group) for name, group in by_category.items()},
        len(blocking),
        tuple(_blocking(item) for item in blocking[:KEPT_BLOCKING]),
    )


def blocks(item: Mapping[str, Any]) -> bool:
    """Whether the item alone keeps its unit from being READY or CONDITIONAL."""
    return item["severity"] in GRAVE and item["status"] in ("fail", "unknown")


def gravity(item: Mapping[str, Any]) -> tuple[int, bool, int, str]:
    """Sort key: causes before what they block, failed before unknown, blockers before majors."""
    severities = ("blocker", "major", "minor", "info")
    severity = severities.index(item["severity"]) if item["severity"] in severities else len(severities)
    return (WORST_FIRST.index(item["status"]), bool(item.get("blocked_by")), severity, item["id"])


def as_of(row: BoardRow, now: float) -> BoardRow:
    """Return the row as it is worth at `now`: a good verdict whose evidence has expired is UNKNOWN."""
    good = row.verdict in ("READY", "CONDITIONAL")
    if not good or row.good_until is None or now < row.good_until:
        return row
    return replace(row, verdict="UNKNOWN", reasons=(EXPIRED, *row.reasons))


def aged(judged: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Return a judged unit as it is worth at `now`: items past `expires_at` are unknown(stale)."""
    before = judged.get("items", [])
    items = [_aged_item(item, now) for item in before]
    turned = [item for item, old in zip(items, before, strict=True) if item is not old]
    if not turned:
        return dict(judged)
    result = {**judged, "items": items, "counts": _recount(judged.get("counts", {}), items)}
    if judged["verdict"] in ("READY", "CONDITIONAL") and any(item["severity"] in GRAVE for item in turned):
        result |= {"verdict": "UNKNOWN", "reasons": [EXPIRED, *judged.get("reasons", ())]}
    return result


def _aged_item(item: dict[str, Any], now: float) -> dict[str, Any]:
    expires = moment(item.get("expires_at"))
    if item["status"] not in ("pass", "fail") or expires is None or now < expires:
        return item
    return {**item, "status": "unknown", "reason": "stale"}


def moment(text: str | None) -> float | None:
    """Return the seconds since the epoch of a time of the contract, or None where there is none."""
    return None if not text else datetime.fromisoformat(text).timestamp()


def _recount(counts: Mapping[str, int], items: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    found = Counter(item["status"] for item in items)
    return {status: found[status] for status in {**dict.fromkeys(counts, 0), **found}}


def _good_until(items: Iterable[Mapping[str, Any]]) -> float | None:
    ends = [
        end
        for item in items
        if item["severity"] in GRAVE and item["status"] == "pass"
        if (end := moment(item.get("expires_at"))) is not None
    ]
    return min(ends, default=None)


def _category(items: Sequence[Mapping[str, Any]]) -> CategorySummary:
    counts = Counter(item["status"] for item in items)
    worst = next((status for status in WORST_FIRST if counts[status]), "")
    grave = {item["status"] for item in items if item["severity"] in GRAVE}
    minor = {item["status"] for item in items if item["severity"] == "minor"}
    return CategorySummary(_category_verdict(grave, minor, counts), worst, dict(counts))


def _category_verdict(grave: set[str], minor: set[str], counts: Mapping[str, int]) -> str:
    if "fail" in grave:
        return "NOT_READY"
    if "unknown" in grave:
        return "UNKNOWN"
    if counts.get("waived") or minor & {"fail", "unknown"}:
        return "CONDITIONAL"
    return "READY" if counts.get("pass") else ""


def _blocking(item: Mapping[str, Any]) -> Blocking:
    texts = (str(item.get(name) or "") for name in Blocking.__slots__[2:])
    return Blocking(item["id"], item.get("asset"), *texts)


class Verdicts:
    """The table of judgements, in the state database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, packed: Sequence[Packed]) -> None:
        """Keep judged units, made by `pack`; an older one changes nothing.

        Judge again before the evidence expires (`max_age`), or the board shows UNKNOWN in between.
        """
        await self._database.write(lambda connection: _save(connection, packed))

    async def board(self, gate: str) -> list[BoardRow]:
        """Return the summaries of all units judged at the gate, as they were judged."""
        return await self._database.read(lambda connection: _board(connection, gate))

    async def detail(self, unit: str, gate: str) -> dict[str, Any] | None:
        """Return the judged unit as it was saved, with `judged_at` (seconds) added; None if never judged."""
        return await self._database.read(lambda connection: _detail(connection, unit, gate))

    def detail_now(self, unit: str, gate: str) -> dict[str, Any] | None:
        """Do the same as `detail` in the calling thread."""
        return self._database.read_now(lambda connection: _detail(connection, unit, gate))

    def plans_now(self, gate: str, units: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return what the plan says of units as they were judged last, by unit, in the calling thread."""
        return self._database.read_now(lambda connection: plans.units(connection, gate, units))

    def tallies_now(self, gate: str, units: Iterable[str], since: str) -> list[Tally]:
        """Return what was open of units, day by day from one on, in the calling thread."""
        return self._database.read_now(lambda connection: plans.tallies(connection, gate, units, since))

    def kept_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` reads of runs and changes (`monitor.store.runs`), in the calling thread."""
        return self._database.read_now(work)

    def gates_now(self, unit: str) -> list[str]:
        """Return the gates at which a unit was judged, in the calling thread."""
        statement = "SELECT gate FROM verdicts WHERE unit = ? ORDER BY gate"
        return [row[0] for row in self._database.read_now(lambda c: c.execute(statement, (unit,)).fetchall())]

    async def keep_only(self, units: Iterable[str]) -> None:
        """Drop the judgements of all other units: they are no longer in the inventory."""
        known = _json(list(units))
        statement = "DELETE FROM verdicts WHERE unit NOT IN (SELECT value FROM json_each(?))"
        await self._database.write(lambda connection: connection.execute(statement, (known,)).rowcount)

    async def forget_changes(self, before: float) -> None:
        """Drop the changes of verdicts before a time."""
        await self._database.write(lambda connection: prune(connection, before))


def pack(gate: str, unit: str, judged_at: float, judged: Mapping[str, Any]) -> Packed:
    """Return the row of a judged unit, encoded and compressed: milliseconds of work, not for the loop."""
    row = summary(unit, judged_at, judged)
    categories = {name: [each.verdict, each.worst, each.counts] for name, each in row.categories.items()}
    first = [[getattr(each, name) for name in Blocking.__slots__] for each in row.blocking]
    body = zlib.compress(_json(judged).encode(), 6)
    texts = (_json(row.reasons), _json(row.counts), _json(categories), _json([row.blocking_total, first]))
    return (unit, gate, judged_at, row.good_until, row.verdict, row.coverage, *texts, body)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _save(connection: sqlite3.Connection, packed: Sequence[Packed]) -> None:
    connection.executemany(
        """INSERT INTO verdicts (unit, gate, judged_at, good_until, verdict, coverage,
                                 reasons, counts, categories, blocking, body)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (gate, unit) DO UPDATE SET
               judged_at = excluded.judged_at, good_until = excluded.good_until, verdict = excluded.verdict,
               coverage = excluded.coverage, reasons = excluded.reasons, counts = excluded.counts,
               categories = excluded.categories, blocking = excluded.blocking, body = excluded.body
           WHERE excluded.judged_at >= verdicts.judged_at""",
        packed,
    )


def _board(connection: sqlite3.Connection, gate: str) -> list[BoardRow]:
    found = connection.execute(
        """SELECT unit, judged_at, good_until, verdict, coverage, reasons, counts, categories, blocking
           FROM verdicts WHERE gate = ? ORDER BY unit""",
        (gate,),
    )
    return [_row(*each) for each in found]


def _row(
    unit: str,
    judged_at: float,
    good_until: float | None,
    verdict: str,
    coverage: float,
    reasons: str,
    counts: str,
    categories: str,
    blocking: str,
) -> BoardRow:
    total, first = json.loads(blocking)
    return BoardRow(
        unit,
        judged_at,
        good_until,
        verdict,
        coverage,
        tuple(json.loads(reasons)),
        json.loads(counts),
        {name: CategorySummary(*each) for name, each in json.loads(categories).items()},
        total,
        tuple(Blocking(*each) for each in first),
    )


def _detail(connection: sqlite3.Connection, unit: str, gate: str) -> dict[str, Any] | None:
    found = connection.execute(
        "SELECT body, judged_at FROM verdicts WHERE gate = ? AND unit = ?", (gate, unit)
    ).fetchone()
    if found is None:
        return None
    return {**json.loads(zlib.decompress(found[0])), "judged_at": found[1]}
