"""Units as they are judged, and as the plan tells of them."""

from __future__ import annotations

from typing import Any

from inventory.models import Inventory, Unit
from monitor.gates.ledger import ASSIGNED, Draft, Entry, chained
from monitor.gates.standing import Standing
from monitor.roadmap.outlook import Planner
from monitor.roadmap.plan import Roadmap
from tests.web.views import item, judged

NOW = 1_795_500_000.0
"""2026-11-24 06:40 UTC."""
GATE = "go-live"


def row(key: str, status: str = "fail", **more: Any) -> dict[str, Any]:
    """Return a row of an item that is judged from a check of its own."""
    found = item(key, status, **{"check": None, "reason": "expectation"} | more)
    return found | {"title": more.get("title", key)}


def unit(key: str, *rows: dict[str, Any], verdict: str = "NOT_READY") -> dict[str, Any]:
    """Return a judged unit."""
    return judged(key, verdict, *rows)


def assigned(*given: tuple[str, str, str, str, str | None]) -> Standing:
    """Return a ledger in which (unit, item, asset, owner, due) were written down."""
    entries: list[Entry] = []
    for where, key, asset, owner, due in given:
        body = {"owner": owner, "due": due, "estimate_days": 2.0, "note": "", "reason": ""}
        draft = Draft(ASSIGNED, NOW, "li", "operator", GATE, where, asset, key, body)
        entries.append(chained(draft, entries[-1] if entries else None))
    found = Standing()
    found.take(entries)
    return found


def planner(*units: Unit, standing: Standing | None = None, roadmap: Roadmap | None = None) -> Planner:
    """Return what makes units' documents, without checklists."""
    inventory = Inventory({each.id: each for each in units}, default_timezone="Asia/Shanghai")
    return Planner(inventory, roadmap or Roadmap(), standing or Standing(), {}, GATE)


def hall(key: str, wave: str = "w1", **more: Any) -> Unit:
    """Return a hall."""
    return Unit(id=key, name=f"Hall {key}", level="hall", wave=wave, **more)
