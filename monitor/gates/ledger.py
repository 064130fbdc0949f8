"""The ledger: what people did at gates, each entry bound to the one before by its digest. Pure.

A digest is sha256 over canonical JSON (`monitor.readiness.digest`) of all of an entry, the previous digest
included; so nobody can change, leave out or move an entry without every later digest being wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.readiness.digest import digest

FIRST = "sha256:" + "0" * 64
"""What stands for the entry before the first."""
STATED, RETRACTED, CONFIRMED = "attest", "attest.withdraw", "attest.confirm"
ASKED, APPROVED, REJECTED, ENDED = "waive.request", "waive.approve", "waive.reject", "waive.end"
SIGNED = "sign"
ASSIGNED, REACHED = "plan.assign", "plan.reach"
IMPORTED = "bundle.import"
REGRESSED, DRIFTED = "after.regressed", "after.drifted"
"""What the daemon found of a signed unit."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody is about to do; `at` in seconds since the epoch, `body` plain JSON data."""

    kind: str
    at: float
    actor: str
    role: str
    gate: str
    unit: str
    asset: str = ""
    item: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry(Draft):
    """What somebody did."""

    seq: int = 0
    previous: str = FIRST
    digest: str = ""

    def plain(self) -> dict[str, Any]:
        """Return all that its digest covers."""
        return {
            "seq": self.seq, "at": self.at, "kind": self.kind, "actor": self.actor, "role": self.role,
            "gate": self.gate, "unit": self.unit, "asset": self.asset, "item": self.item,
            "body": dict(self.body), "previous": self.previous,
        }  # fmt: skip


def chained(draft: Draft, last: Entry | None) -> Entry:
    """Return the entry that a draft becomes after the last one."""
    bare = Entry(
        draft.kind, draft.at, draft.actor, draft.role, draft.gate, draft.unit, draft.asset, draft.item,
        draft.body, last.seq + 1 if last else 1, last.digest if last else FIRST,
    )  # fmt: skip
    return sealed(bare)


def sealed(bare: Entry) -> Entry:
    """Return the entry with its digest."""
    values = bare.plain() | {"digest": digest(bare.plain())}
    return Entry(**values)


def broken(entries: Iterable[Entry]) -> str:
    """Return what is wrong with a ledger, whole and in order; nothing where it holds together."""
    before: Entry | None = None
    for entry in entries:
        if entry.seq != (before.seq + 1 if before else 1):
            return f"entry {entry.seq} does not follow {before.seq if before else 'the beginning'}"
        if entry.previous != (before.digest if before else FIRST):
            return f"entry {entry.seq} does not continue the one before it"
        if digest(entry.plain()) != entry.digest:
            return f"entry {entry.seq} was changed after it was written"
        before = entry
    return ""
