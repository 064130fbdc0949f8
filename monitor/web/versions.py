"""Units x components on the web: what the last judgements say of releases, as page and as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from monitor.child.wire import UnitCard
from monitor.releases.document import SCHEMA
from monitor.releases.drift import Standing
from monitor.releases.manifest import PREFIX
from monitor.releases.matrix import State
from monitor.releases.words import short
from monitor.store.verdicts import aged
from monitor.web import pages
from monitor.web.api import card_of, gate_of, stamp, whole
from monitor.web.serving import VIEW, json_text, threaded
from monitor.web.view import View

PAGE = 100
"""Units of one page: each is a judgement that is read and unpacked."""
ORDER = tuple(state.value for state in State)
STATUS = {"drift": "fail", "unknown": "unknown", "waived": "waived", "released": "pass"}
"""The status whose sign and colour a state has."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for."""

    gate: str
    under: str
    limit: int
    page: int
    drifted: bool


def _asked(request: web.Request) -> Asked:
    under = request.query.get("under", "")
    if under:
        card_of(request.app[VIEW], under)
    return Asked(
        gate_of(request), under, whole(request, "limit", PAGE, PAGE), whole(request, "page", 1, 1_000_000),
        request.query.get("drifted", "") not in ("", "0"),
    )  # fmt: skip


def scope(cards: Sequence[UnitCard], under: str) -> list[UnitCard]:
    """Return the units, or one and all below it, in the order of the inventory."""
    if not under:
        return list(cards)
    parents = {card.id: card.parent for card in cards}

    def below(key: str | None) -> bool:
        seen = set[str]()
        while key is not None and key != under and key not in seen:
            seen.add(key)
            key = parents.get(key)
        return key == under

    return [card for card in cards if below(card.id)]


def read(view: View, asked: Asked, now: float) -> dict[str, Any]:
    """Return a page of the matrix as the contract writes it; blocking."""
    cards = scope(view.units(), asked.under)
    part = cards[(asked.page - 1) * asked.limit : asked.page * asked.limit]
    titles: dict[str, dict[str, str]] = {}
    units = []
    for card in part:
        judged = view.verdicts.detail_now(card.id, asked.gate)
        judged = aged(judged, now) if judged else None
        units.append(_line(card, judged))
        titles.update(_titles(judged))
    if asked.drifted:
        units = [each for each in units if each["state"] == State.DRIFT]
    used = {cell["component"] for unit in units for cell in unit["cells"]}
    more = len(cards) > asked.page * asked.limit
    return {
        "schema": SCHEMA, "gate": asked.gate, "at": stamp(now), "total": len(cards),
        "next": _next(asked) if more else None,
        "components": [title for key, title in titles.items() if key in used], "units": units,
    }  # fmt: skip


def _next(asked: Asked) -> str:
    query = {"gate": asked.gate, "under": asked.under, "limit": asked.limit, "page": asked.page + 1}
    query["drifted"] = "1" if asked.drifted else ""
    return "/api/v1/versions?" + urlencode({key: value for key, value in query.items() if value})


def _line(card: UnitCard, judged: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a unit's line; what was never judged, or has no release, is unknown."""
    line = judged.get("versions") if judged else None
    if judged is None or line is None:
        names = {"id": card.id, "name": card.name, "name_zh": card.name_zh}
        return {**names, "release": None, "state": "unknown", "cells": []}
    stale = {(item["id"], item["asset"]) for item in judged["items"] if item["reason"] == "stale"}
    cells = [_aged(cell, stale) for cell in line["cells"]]
    return {**line, "state": worst(cells), "cells": cells}


def _aged(cell: dict[str, Any], stale: set[tuple[str, str | None]]) -> dict[str, Any]:
    if (PREFIX + cell["component"], cell["asset"]) not in stale:
        return cell
    return {**cell, "state": "unknown", "reason": "stale", "detail": "", "drift": None}


def worst(cells: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the worst state of some cells, None of none."""
    return min((str(cell["state"]) for cell in cells), key=ORDER.index, default=None)


def _titles(judged: Mapping[str, Any] | None) -> Mapping[str, dict[str, str]]:
    items = [item for item in judged["items"] if item["id"].startswith(PREFIX)] if judged else []
    keys = [item["id"].removeprefix(PREFIX) for item in items]
    return {
        key: {"id": key, "title": item["title"], "title_zh": item["title_zh"]}
        for key, item in zip(keys, items, strict=True)
    }


async def api(request: web.Request) -> web.Response:
    """Answer with units x components, a page at a time."""
    view, asked, now = request.app[VIEW], _asked(request), time.time()
    found = await threaded(request, lambda: json.dumps(read(view, asked, now), ensure_ascii=False))
    return json_text(found)


@dataclass(frozen=True, slots=True)
class Shown:
    """One cell of the page: the worst of its assets, and what is said of all of them."""

    status: str
    text: str
    count: str
    reason: str
    detail: str


def shown(cells: Sequence[Mapping[str, Any]]) -> Shown | None:
    """Return what stands in a cell, None where the component does not concern the unit."""
    state = worst(cells)
    if state is None:
        return None
    same = [cell for cell in cells if cell["state"] == state]
    first, count = same[0], f"{len(same)}/{len(cells)}" if len(cells) > 1 else ""
    detail = "; ".join(f"{cell['asset'] or ''}: {cell['detail'] or cell['reason']}" for cell in same)
    return Shown(
        STATUS[state], f"{first['found']} {_arrow(first['drift'])}".strip(), count, first["reason"], detail
    )


def _arrow(drift: Mapping[str, Any] | None) -> str:
    return short(Standing(drift["direction"], drift["steps"])) if drift else ""


async def page(request: web.Request) -> web.Response:
    """Show units x components."""
    view, asked = request.app[VIEW], _asked(request)

    def values() -> dict[str, Any]:
        matrix = read(view, asked, time.time())
        rows = [
            (unit, STATUS.get(unit["state"] or "", ""), [
                shown([cell for cell in unit["cells"] if cell["component"] == each["id"]])
                for each in matrix["components"]
            ])
            for unit in matrix["units"]
        ]  # fmt: skip
        under = next((card for card in view.units() if card.id == asked.under), None)
        states = [unit["state"] for unit in matrix["units"]]
        return {
            "matrix": matrix, "rows": rows, "asked": asked, "under": under,
            "counts": {state: states.count(state) for state in ORDER},
            "last_page": -(-matrix["total"] // asked.limit),
        }  # fmt: skip

    return await pages.respond(request, "versions.html", values)
