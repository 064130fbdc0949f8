"""What the ledger comes to now: attestations, waivers and signatures that stand. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from monitor.gates import ledger
from monitor.gates.ledger import Entry
from monitor.readiness.waivers import Waiver

Question = tuple[str, str, str, str]
"""Gate, unit, asset ("" for all that the unit is asked), item."""
PREFIX = "w"


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a person stated of one item. Times in seconds since the epoch."""

    entry: Entry
    holds: bool
    """Whether they state that it holds, or that it does not."""
    statement: str
    files: tuple[Mapping[str, Any], ...]
    """`name`, `sha256` and `size` of each file."""
    asked: str
    """Digest of what the item asked for."""
    not_applicable: bool = False
    confirmed_by: str = ""
    """Who approved that it does not apply."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A waiver that somebody asked for, and what became of it."""

    entry: Entry
    decided: Entry | None = None
    ended: Entry | None = None

    @property
    def id(self) -> str:
        """Return its name, such as `w17`."""
        return f"{PREFIX}{self.entry.seq}"

    @property
    def state(self) -> str:
        """Return `requested`, `approved`, `rejected` or `ended`."""
        if self.ended is not None:
            return "ended"
        if self.decided is None:
            return "requested"
        return "approved" if self.decided.kind == ledger.APPROVED else "rejected"

    def waiver(self) -> Waiver | None:
        """Return the exception that it is, None where it was never approved."""
        if self.decided is None or self.decided.kind != ledger.APPROVED:
            return None
        entry = self.entry
        terms = {key: entry.body[key] for key in ("reason", "risk", "compensating_action", "covers_unknown")}
        until = self.ended.at if self.ended else None
        found = Waiver(
            id=self.id, gate=entry.gate, unit=entry.unit, asset=entry.asset or None, item=entry.item,
            requested_by=entry.actor, approved_by=self.decided.actor,
            effective_at=entry.body["effective_at"], expires_at=entry.body["expires_at"], **terms,
        )  # fmt: skip
        return found if until is None else _ended(found, until)


def _ended(waiver: Waiver, at: float) -> Waiver | None:
    """Return a waiver that ends at a moment; None where it had not begun."""
    moment = datetime.fromtimestamp(at, UTC)
    if moment <= waiver.effective_at:
        return None
    return waiver.model_copy(update={"expires_at": min(moment, waiver.expires_at)})


@dataclass(slots=True)
class Aftermath:
    """What was found of a unit since it was signed."""

    regressed: dict[tuple[str, str], Entry] = field(default_factory=dict)
    """By item and asset."""
    drifted: Entry | None = None


@dataclass(slots=True)
class Standing:
    """All that stands, by what it is about."""

    seen: int = 0
    """The newest entry taken in."""
    last: str = ledger.FIRST
    """Its digest."""
    attestations: dict[Question, Attestation] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    signatures: dict[tuple[str, str], list[Entry]] = field(default_factory=dict)
    """By gate and unit, oldest first."""
    assignments: dict[Question, list[Entry]] = field(default_factory=dict)
    """Who mends a row by when, oldest first: each entry is the whole of it."""
    reached: dict[tuple[str, str], Entry] = field(default_factory=dict)
    """Milestones that were reached, by milestone and unit; those with a checklist are signed instead."""
    bundles: dict[str, Entry] = field(default_factory=dict)
    """Bundles of readings that were taken in, by their nonce."""
    _after: dict[tuple[str, str], Aftermath] = field(default_factory=dict)

    def take(self, entries: Iterable[Entry]) -> None:
        """Take further entries in, in order."""
        for entry in entries:
            self.seen, self.last = entry.seq, entry.digest
            _TAKES[entry.kind](self, entry)

    def stated(self, gate: str, unit: str, asset: str, item: str) -> Attestation | None:
        """Return what was stated of a row: of its asset, else of the unit as a whole."""
        of_asset = self.attestations.get((gate, unit, asset, item)) if asset else None
        return of_asset or self.attestations.get((gate, unit, "", item))

    def waivers(self) -> Iterator[Waiver]:
        """Yield the waivers that were approved, also those that are over."""
        for each in self.asked.values():
            found = each.waiver()
            if found is not None:
                yield found

    def signature(self, gate: str, unit: str) -> Entry | None:
        """Return the last signature of a unit at a gate."""
        found = self.signatures.get((gate, unit))
        return found[-1] if found else None

    def assigned(self, gate: str, unit: str, asset: str, item: str) -> Entry | None:
        """Return who mends a row by when, None where nobody was named."""
        found = self.assignments.get((gate, unit, asset, item))
        return found[-1] if found else None

    def aftermath(self, gate: str, unit: str) -> Aftermath:
        """Return what was found of a unit since it was signed last."""
        return self._after.get((gate, unit)) or Aftermath()

    def _state(self, entry: Entry) -> None:
        body = entry.body
        self.attestations[_question(entry)] = Attestation(
            entry, bool(body["holds"]), str(body["statement"]), tuple(body["files"]), str(body["asked"]),
            bool(body.get("not_applicable")),
        )  # fmt: skip

    def _retract(self, entry: Entry) -> None:
        self.attestations.pop(_question(entry), None)

    def _confirm(self, entry: Entry) -> None:
        key = _question(entry)
        stated = self.attestations.get(key)
        if stated is not None and stated.entry.seq == entry.body["of"]:
            self.attestations[key] = replace(stated, confirmed_by=entry.actor)

    def _ask(self, entry: Entry) -> None:
        found = Asked(entry)
        self.asked[found.id] = found

    def _decide(self, entry: Entry) -> None:
        key = str(entry.body["waiver"])
        self.asked[key] = replace(self.asked[key], decided=entry)

    def _end(self, entry: Entry) -> None:
        key = str(entry.body["waiver"])
        self.asked[key] = replace(self.asked[key], ended=entry)

    def _sign(self, entry: Entry) -> None:
        self.signatures.setdefault((entry.gate, entry.unit), []).append(entry)
        self._after.pop((entry.gate, entry.unit), None)

    def _assign(self, entry: Entry) -> None:
        self.assignments.setdefault(_question(entry), []).append(entry)

    def _reach(self, entry: Entry) -> None:
        self.reached[entry.gate, entry.unit] = entry

    def _import(self, entry: Entry) -> None:
        self.bundles[str(entry.body["nonce"])] = entry

    def _regress(self, entry: Entry) -> None:
        found = self._after.setdefault((entry.gate, entry.unit), Aftermath())
        found.regressed[entry.item, entry.asset] = entry

    def _drift(self, entry: Entry) -> None:
        self._after.setdefault((entry.gate, entry.unit), Aftermath()).drifted = entry


def _question(entry: Entry) -> Question:
    return entry.gate, entry.unit, entry.asset, entry.item


_TAKES = {
    ledger.STATED: Standing._state,  # noqa: SLF001 - its own table
    ledger.RETRACTED: Standing._retract,  # noqa: SLF001
    ledger.CONFIRMED: Standing._confirm,  # noqa: SLF001
    ledger.ASKED: Standing._ask,  # noqa: SLF001
    ledger.APPROVED: Standing._decide,  # noqa: SLF001
    ledger.REJECTED: Standing._decide,  # noqa: SLF001
    ledger.ENDED: Standing._end,  # noqa: SLF001
    ledger.SIGNED: Standing._sign,  # noqa: SLF001
    ledger.ASSIGNED: Standing._assign,  # noqa: SLF001
    ledger.REACHED: Standing._reach,  # noqa: SLF001
    ledger.IMPORTED: Standing._import,  # noqa: SLF001
    ledger.REGRESSED: Standing._regress,  # noqa: SLF001
    ledger.DRIFTED: Standing._drift,  # noqa: SLF001
}
