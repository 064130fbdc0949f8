"""Versions of a report: how units stand against their releases, and what differs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

STATES = ("drift", "unknown", "waived", "released")


def versions(lines: Sequence[Mapping[str, Any]], units: int) -> dict[str, Any]:
    """Return the section, of units of `muster.versions/1`; `units` are all in scope."""
    states, cells = Counter(line["state"] for line in lines), _cells(lines)
    counts = Counter(cell["state"] for cell in cells)
    return {
        "units": {state: states[state] for state in STATES} | {"unassigned": units - len(lines)},
        "components": {state: counts[state] for state in STATES},
        "rows": [cell for cell in cells if cell["state"] in ("drift", "unknown", "waived")],
    }


def _cells(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = ("component", "asset", "state", "severity", "found", "detail", "expected", "actual", "check")
    return [
        {"unit": line["id"], "name": line["name"], "name_zh": line["name_zh"], "release": line["release"]}
        | {name: cell[name] for name in names}
        for line in lines
        for cell in line["cells"]
    ]
