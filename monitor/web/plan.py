"""The plan on the web: forecast, waves, burn-down and blockers by cause, as page and as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from markupsafe import Markup

from monitor.child.wire import UnitCard
from monitor.roadmap import blockers as causes
from monitor.roadmap import picture
from monitor.roadmap.burndown import since
from monitor.roadmap.document import document, expired, waves_at_risk
from monitor.roadmap.forecast import GOOD, STATUSES
from monitor.store.verdicts import BoardRow, as_of
from monitor.web import pages
from monitor.web.api import card_of, gate_of, stamp, whole
from monitor.web.present import zone
from monitor.web.serving import VIEW, Refusal, json_text, threaded
from monitor.web.versions import scope
from monitor.web.view import View

PAGE = 200
MOST = 1000
SHOWN_CAUSES = 50
TOKENS = {"on_track": "READY", "at_risk": "CONDITIONAL", "late": "NOT_READY", "undated": "UNKNOWN"}
"""The verdict whose sign and colour a forecast has."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; empty texts leave everything in."""

    gate: str
    under: str
    wave: str
    status: str
    owner: str
    limit: int
    page: int


def _asked(request: web.Request, limit: int = MOST) -> Asked:
    query = request.query
    under, status = query.get("under", ""), query.get("status", "")
    if under:
        card_of(request.app[VIEW], under)
    if status and status not in TOKENS:
        raise Refusal(400, f"status: must be one of {', '.join(TOKENS)}")
    wave, owner = query.get("wave", ""), query.get("owner", "")
    if len(wave) > 100 or len(owner) > 100:
        raise Refusal(400, "wave and owner: at most 100 characters")
    size, page = whole(request, "limit", limit, MOST), whole(request, "page", 1, 1_000_000)
    return Asked(gate_of(request), under, wave, status, owner, size, page)


@dataclass(frozen=True, slots=True)
class Read:
    """What is kept of the units in scope."""

    cards: Sequence[UnitCard]
    units: Sequence[dict[str, Any]]


def read(view: View, asked: Asked, rows: Sequence[BoardRow], now: float) -> Read:
    """Return the units in scope as they are worth now; blocking."""
    cards = [card for card in scope(view.units(), asked.under) if asked.wave in ("", card.wave)]
    found = view.verdicts.plans_now(asked.gate, [card.id for card in cards])
    lost = {row.unit for row in rows if as_of(row, now) is not row}
    units = [found[card.id] for card in cards if card.id in found]
    return Read(cards, [expired(u) if u["id"] in lost and u["verdict"] in GOOD else u for u in units])


def whole_plan(view: View, asked: Asked, known: Read, now: float) -> dict[str, Any]:
    """Return the plan of all units in scope; blocking."""
    cards = known.cards
    today = datetime.fromtimestamp(now, zone(cards[0].timezone if cards else "UTC")).date()
    tallies = view.verdicts.tallies_now(asked.gate, [card.id for card in cards], since(today))
    missing = len(cards) - len(known.units)
    return document(asked.gate, stamp(now) or "", known.units, tallies, today, missing)


def _part(plan: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """Return the plan with a page of its units; all figures stay those of the whole scope."""
    units = [u for u in plan["units"] if asked.status in ("", u["forecast"]["status"] or "undated")]
    start = (asked.page - 1) * asked.limit
    more = len(units) > start + asked.limit
    return {**plan, "units": units[start : start + asked.limit], "next": _next(asked) if more else None}


def _next(asked: Asked) -> str:
    names = ("gate", "under", "wave", "status", "limit")
    query = {name: getattr(asked, name) for name in names} | {"page": asked.page + 1}
    return "/api/v1/plan?" + urlencode({key: value for key, value in query.items() if value})


async def api_plan(request: web.Request) -> web.Response:
    """Answer with the plan, a page of units at a time."""
    view, asked, now = request.app[VIEW], _asked(request), time.time()
    rows = await view.verdicts.board(asked.gate)

    def text() -> str:
        known = read(view, asked, rows, now)
        return json.dumps(_part(whole_plan(view, asked, known, now), asked), ensure_ascii=False)

    return json_text(await threaded(request, text))


async def api_blockers(request: web.Request) -> web.Response:
    """Answer with what keeps units from going live, by cause."""
    view, asked, now = request.app[VIEW], _asked(request), time.time()
    rows = await view.verdicts.board(asked.gate)

    def text() -> str:
        units = read(view, asked, rows, now).units
        return json.dumps(
            causes.document(asked.gate, stamp(now) or "", units, asked.owner), ensure_ascii=False
        )

    return json_text(await threaded(request, text))


def _order(unit: dict[str, Any]) -> tuple[int, int, str]:
    found = unit["forecast"]
    status = STATUSES.index(found["status"]) if found["status"] else len(STATUSES)
    return status, found["slack"] if found["slack"] is not None else -1000, unit["id"]


async def page(request: web.Request) -> web.Response:
    """Show which units and waves will be late, and what has to be mended first."""
    view, asked, now = request.app[VIEW], _asked(request, PAGE), time.time()
    rows, language = await view.verdicts.board(asked.gate), pages.language_of(request)

    def values() -> dict[str, Any]:
        known = read(view, asked, rows, now)
        plan = whole_plan(view, asked, known, now)
        plan["units"].sort(key=_order)
        matching = [u for u in plan["units"] if asked.status in ("", u["forecast"]["status"] or "undated")]
        groups = causes.document(asked.gate, plan["at"], known.units, asked.owner)
        drawn = picture.burndown(plan["burndown"], plan["planned"], "zh" if language == "zh" else "en")
        return {
            "plan": _part(plan, asked), "asked": asked, "causes": groups, "risky": waves_at_risk(plan),
            "picture": Markup(drawn),  # noqa: S704 - escaped where it is drawn
            "token_of": TOKENS, "most": SHOWN_CAUSES, "last_page": -(-len(matching) // asked.limit),
            "under": next((card for card in view.units() if card.id == asked.under), None),
        }  # fmt: skip

    return await pages.respond(request, "plan.html", values)
