"""What is known while somebody asks to do something at a gate, and what they are told when they may not."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.gates.ledger import Draft
from monitor.gates.rights import Right, Role, at_least, person, role_of
from monitor.gates.standing import Standing
from monitor.people.refused import Refused
from monitor.readiness.checklist import Item
from monitor.readiness.results import UnitResult
from probes.api import clip

MOST_TEXT = 1000
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Asking:
    """A request, who asks, and what is known. `result` is the unit's, judged now."""

    request: Mapping[str, Any]
    actor: str
    now: float
    gate: str
    result: UnitResult
    line: Sequence[str]
    """The unit and those above it."""
    items: Mapping[str, Item]
    """What the unit is asked at the gate, by id."""
    standing: Standing
    rights: Sequence[Right] = ()

    @property
    def unit(self) -> str:
        """Return the unit's id."""
        return self.result.id

    @property
    def role(self) -> Role:
        """Return the role of the one who asks."""
        return role_of(self.actor, self.line, self.rights)

    def need(self, role: Role, what: str) -> None:
        """Raise Refused where who asks has a lesser role here."""
        if not at_least(self.role, role):
            who, where = person(self.actor), self.unit
            raise Refused(
                f"{who} is {self.role} at {where}, and {what} takes an {role}; muster.toml gives that by "
                f'[[rights]] with user = "{who}", role = "{role}", unit = "{where}"'
            )

    def item(self) -> Item:
        """Return the item that is meant. Raises Refused."""
        key = self.text("item", required=True)
        if key not in self.items:
            raise Refused(f'{self.unit} is not asked "{clip(key, 100)}"; {near(key, self.items)}')
        return self.items[key]

    def text(self, name: str, *, required: bool = False) -> str:
        """Return a text of the request, bounded. Raises Refused where it is required and empty."""
        found = clip(str(self.request.get(name) or "").strip(), MOST_TEXT)
        if required and not found:
            raise Refused(f"--{name.replace('_', '-')}: write it; it is kept with the record")
        return found

    def instant(self, name: str) -> float | None:
        """Return a moment of the request. Raises Refused."""
        value = self.request.get(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or not (math.isfinite(value) and 0 <= value < 1e11):
            raise Refused(f'"{name}" must be seconds since the epoch')
        return float(value)

    def draft(self, kind: str, body: Mapping[str, Any], *, item: str = "", asset: str = "") -> Draft:
        """Return what is to be written."""
        return Draft(kind, self.now, self.actor, self.role, self.gate, self.unit, asset, item, body)


def near(wrong: str, known: Iterable[str]) -> str:
    """Return what may be meant instead."""
    there = sorted(known)
    close = difflib.get_close_matches(wrong, there, 3, 0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(there[:SHOWN])}"
