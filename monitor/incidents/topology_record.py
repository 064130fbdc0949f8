"""What a root was found from, written down so that anybody can find it again (pure)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any

from monitor.incidents.topology import DEGRADED, FAILING, Belief, Finder, Finding, Needs, View
from monitor.state import CheckState, Phase, State

MOST_BYTES = 400_000


_FIELDS = tuple(each.name for each in fields(Belief))
_values = attrgetter(*_FIELDS)


def _belief(belief: Belief) -> dict[str, Any]:
    """Do what `dataclasses.asdict` does at a tenth of its cost: there may be thousands."""
    return dict(zip(_FIELDS, _values(belief), strict=True))


class Recorder:
    """A view that remembers what was asked."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._beliefs: dict[str, Sequence[Belief]] = {}
        self._needs: dict[str, Needs] = {}
        self._behind: dict[str, Sequence[str]] = {}

    def beliefs(self, asset: str) -> Sequence[Belief]:
        """Return, and keep, what is believed."""
        return self._beliefs.setdefault(asset, tuple(self._view.beliefs(asset)))

    def needs(self, node: str) -> Needs:
        """Return, and keep, what a node depends on."""
        return self._needs.setdefault(node, self._view.needs(node))

    def behind(self, node: str) -> Sequence[str]:
        """Return, and keep, what depends on a node."""
        return self._behind.setdefault(node, tuple(self._view.behind(node)))

    def record(self, state: CheckState, finding: Finding, hold: float, patient: bool = False) -> str:
        """Return as JSON what `finding` follows from; what is too large to keep says so."""
        bad = DEGRADED if state.state is State.DEGRADED else FAILING
        Finder(self, state.since, bad, patient=patient).root(state.check, final=True)
        whole = {
            "check": state.check, "state": state.state, "kind": state.kind, "since": state.since,
            "root": finding.root, "how": finding.how, "hold_s": hold, "patient": patient,
            "needs": {node: asdict(needs) for node, needs in self._needs.items()},
            "behind": {node: list(below) for node, below in self._behind.items()},
            "beliefs": {node: [_belief(each) for each in found] for node, found in self._beliefs.items()},
        }  # fmt: skip
        text = json.dumps(whole, ensure_ascii=False)
        if len(text) > MOST_BYTES:
            kept = {name: whole[name] for name in ("check", "state", "kind", "since", "root", "how")}
            return json.dumps({**kept, "too_large": len(text)}, ensure_ascii=False)
        return text


class Recorded:
    """A view of what was recorded."""

    def __init__(self, rule: dict[str, Any]) -> None:
        self._rule = rule

    def beliefs(self, asset: str) -> Sequence[Belief]:
        """Return what was believed."""
        return [
            Belief(**{**each, "state": State(each["state"]), "phase": Phase(each["phase"])})
            for each in self._rule["beliefs"].get(asset, ())
        ]

    def needs(self, node: str) -> Needs:
        """Return what a node depended on."""
        found = self._rule["needs"].get(node)
        return Needs(tuple(found["assets"]), found["every"], found["parent"]) if found else Needs()

    def behind(self, node: str) -> Sequence[str]:
        """Return what depended on a node."""
        found: list[str] = self._rule["behind"].get(node, [])
        return found


def replay(rule: str) -> Finding:
    """Decide again from what was recorded. Raises KeyError where it was too large to be kept."""
    found = json.loads(rule)
    bad = DEGRADED if found["state"] == State.DEGRADED else FAILING
    patient = found.get("patient", False)
    return Finder(Recorded(found), found["since"], bad, patient=patient).root(found["check"], final=True)
