"""What becomes of a unit after it was signed: regressed, unverified, drifted. Pure.

It has regressed when a row that did not fail when it was signed measurably fails in three consecutive
readings (what a person states counts at once). It has drifted when its own digest changes: the unit, its
checks, what is asked of it. Both are kept in the ledger, and only a new signature clears them. Unverified it
is for as long as a row that was judged then is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.gates import ledger
from monitor.gates.ledger import Draft, Entry
from monitor.gates.standing import Aftermath, Standing
from monitor.readiness.results import ItemResult, UnitResult
from monitor.readiness.verdict import Status
from probes.api import clip

IN_A_ROW = 3
OURSELVES = "daemon"
GATING = ("blocker", "major")
Row = tuple[str, str]
"""Item, and asset ("" where it is about none)."""


def _key(row: ItemResult) -> Row:
    return row.id, row.asset or ""


@dataclass(slots=True)
class Counting:
    """How often each row failed in a row; counted anew after a restart and after each signature."""

    of: int = 0
    """The signature that it is about."""
    fails: dict[Row, tuple[int, float]] = field(default_factory=dict)
    """Failed readings in a row, and when the last of them was made."""

    def take(self, row: ItemResult) -> bool:
        """Take a row in; return whether it has failed often enough. The same reading counts once."""
        if row.status is not Status.FAIL:
            if row.measured:
                self.fails.pop(_key(row), None)
            return False
        if row.check is None:
            return True
        count, at = self.fails.get(_key(row), (0, float("-inf")))
        if row.collected_at is not None and row.collected_at > at:
            count, at = count + 1, row.collected_at
            self.fails[_key(row)] = (count, at)
        return count >= IN_A_ROW


@dataclass(slots=True)
class After:
    """Looks at signed units each time they are judged."""

    _counting: dict[tuple[str, str], Counting] = field(default_factory=dict)

    def look(self, standing: Standing, gate: str, result: UnitResult, now: float) -> Iterator[Draft]:
        """Yield what is new since the unit was signed; nothing for one that was not."""
        signed = standing.signature(gate, result.id)
        if signed is None:
            return
        known = standing.aftermath(gate, result.id)
        if known.drifted is None and result.unit_digest != signed.body["unit_digest"]:
            text = "the unit, its checks or what is asked of it are no longer what was signed"
            yield _draft(ledger.DRIFTED, signed, now, {"digest": result.unit_digest, "text": text})
        counting = self._of(signed)
        before = {(row["id"], row["asset"] or ""): row["status"] for row in signed.body["items"]}
        for row in result.items:
            failed = row.severity in GATING and counting.take(row)
            if failed and before.get(_key(row)) != Status.FAIL.value and _key(row) not in known.regressed:
                text = clip(f"{row.title}: {row.detail or row.actual}", 300)
                yield _draft(ledger.REGRESSED, signed, now, {"text": text}, *_key(row))

    def _of(self, signed: Entry) -> Counting:
        key = (signed.gate, signed.unit)
        found = self._counting.get(key)
        if found is None or found.of != signed.seq:
            found = self._counting[key] = Counting(signed.seq)
        return found


def _draft(
    kind: str, signed: Entry, now: float, body: Mapping[str, Any], item: str = "", asset: str = ""
) -> Draft:
    whole = {"of": signed.seq, **body}
    return Draft(kind, now, OURSELVES, "", signed.gate, signed.unit, asset, item, whole)


def signoff(standing: Standing, gate: str, result: UnitResult) -> dict[str, Any] | None:
    """Return what is shown of a unit's signature: by whom, when, and what became of it; None without one."""
    signed = standing.signature(gate, result.id)
    if signed is None:
        return None
    known = standing.aftermath(gate, result.id)
    states = _states(signed, known, result)
    return {
        "by": signed.actor, "role": signed.role, "at": signed.at, "digest": signed.digest,
        "verdict": signed.body["verdict"], "states": states or ["signed"],
        "regressed": [f"{item} ({asset})" if asset else item for item, asset in known.regressed],
    }  # fmt: skip


def _states(signed: Entry, known: Aftermath, result: UnitResult) -> list[str]:
    judged = {Status.PASS.value, Status.FAIL.value, Status.WAIVED.value}
    then = {(row["id"], row["asset"] or "") for row in signed.body["items"] if row["status"] in judged}
    unknown = any(row.status is Status.UNKNOWN and _key(row) in then for row in result.items)
    found = {"regressed": bool(known.regressed), "drifted": known.drifted is not None, "unverified": unknown}
    return [name for name, so in found.items() if so]
