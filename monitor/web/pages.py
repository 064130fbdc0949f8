"""The pages: the board, a unit, a check. Rendered in a thread; every value is escaped by Jinja."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import resources
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from monitor.store.verdicts import aged, moment
from monitor.web import board, grafana, marks, present, sheets
from monitor.web.api import DEFAULT_GATE, card_of, check_of, gate_of, whole
from monitor.web.serving import SETTINGS, VIEW, Refusal, threaded
from monitor.web.texts import Texts, negotiate
from monitor.web.view import View

REFRESH_S = 10
MEDIA = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@cache
def environment() -> Environment:
    """Return the templates, with everything escaped that is put into them."""
    made = Environment(
        loader=PackageLoader("monitor.web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters["seconds"] = moment
    made.globals |= {
        "signs": present.SIGNS,
        "tokens": present.TOKENS,
        "moment": present.moment,
        "quantity": present.quantity,
        "assets": {name: digest for name, (_, digest) in files().items()},
        "refresh_s": REFRESH_S,
    }
    return made


@cache
def files() -> Mapping[str, tuple[bytes, str]]:
    """Return the static files by name: content and a short digest."""
    found = {}
    for file in (resources.files("monitor.web") / "static").iterdir():
        content = file.read_bytes()
        found[file.name] = (content, hashlib.sha256(content).hexdigest()[:12])
    return found


def language_of(request: web.Request) -> str:
    """Return the language that the address or the browser asks for."""
    return negotiate(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))


def linker(request: web.Request) -> Callable[..., str]:
    """Return what makes addresses within the site; they keep the language and gate asked for."""
    kept = {}
    if request.query.get("lang") == language_of(request):
        kept["lang"] = language_of(request)
    gate = request.query.get("gate", DEFAULT_GATE)
    if gate != DEFAULT_GATE:
        kept["gate"] = gate[:64]

    def link(*path: object, to: str = "", **query: object) -> str:
        pairs = {name: str(value) for name, value in {**kept, **query}.items() if value not in ("", None)}
        address = "/" + "/".join(quote(str(part), safe="") for part in path)
        return address + (f"?{urlencode(pairs)}" if pairs else "") + (f"#{quote(to)}" if to else "")

    return link


async def respond(
    request: web.Request, template: str, values: Callable[[], dict[str, Any]], status: int = 200
) -> web.Response:
    """Render a template in a thread, where its values are made too."""
    language = language_of(request)
    texts, link = Texts(language), linker(request)
    other = "zh" if language == "en" else "en"
    elsewhere = partial(link, *[part for part in request.path[1:201].split("/") if part])

    def render() -> str:
        common = {"t": texts, "link": link, "now": time.time(), "language": language}
        common["readable"] = partial(_readable, request.app[VIEW])
        common["grafana"] = grafana.linker(request.app[SETTINGS])
        common["other_language"] = elsewhere(**{**_query(request), "lang": other})
        return environment().get_template(template).render(common | values())

    return web.Response(text=await threaded(request, render), content_type="text/html", status=status)


def _readable(view: View, text: str, check: str | None) -> str:
    return present.readable(text, view.job(check) if check else None)


def _query(request: web.Request) -> dict[str, str]:
    names = ("verdict", "under", "q", "page", "metric", "minutes", "unit", "wave", "status")
    return {name: request.query[name][:100] for name in names if name in request.query}


async def overview(request: web.Request) -> web.Response:
    """Show the board."""
    view, gate = request.app[VIEW], gate_of(request)
    filters = _filters(request)
    rows, cards = await view.verdicts.board(gate), view.units()
    roots = await marks.open_roots(view)
    if filters.under:
        card_of(view, filters.under)

    def values() -> dict[str, Any]:
        made = board.build(cards, rows, gate, time.time(), filters)
        marked = marks.marks(view, [line.card.id for line in made.lines], roots, time.time())
        gates = sorted({gate, DEFAULT_GATE}.union(*(card.gates for card in cards)))
        return {
            "board": made, "filters": filters, "gates": gates, "pages": -(-made.matching // board.PAGE),
            "marks": marked,
        }  # fmt: skip

    return await respond(request, "board.html", values)


def _filters(request: web.Request) -> board.Filters:
    verdict = request.query.get("verdict", "")
    if verdict and verdict not in board.VERDICTS:
        raise Refusal(400, f"verdict: must be one of {', '.join(board.VERDICTS)}")
    text, under = request.query.get("q", "").strip(), request.query.get("under", "")
    if len(text) > 100 or len(under) > 100:
        raise Refusal(400, "q and under: at most 100 characters")
    return board.Filters(verdict, under, text, whole(request, "page", 1, 1_000_000))


async def unit(request: web.Request) -> web.Response:
    """Show a unit: what stands in its way, and all items with their evidence."""
    view, gate = request.app[VIEW], gate_of(request)
    card = card_of(view, request.match_info["unit"])
    judged = await view.verdicts.detail(card.id, gate)
    rows, cards = await view.verdicts.board(gate), view.units()
    roots = await marks.open_roots(view)

    def values() -> dict[str, Any]:
        now = time.time()
        below = board.build(cards, rows, gate, now, board.Filters(under=card.id))
        sheet = sheets.unit_sheet(aged(judged, now) if judged else None)
        parent = next((each for each in cards if each.id == card.parent), None)
        return {
            "card": card,
            "sheet": sheet,
            "line": below.lines[0],
            "children": below.lines[1:],
            "parent": parent,
            "sparks": sheets.sparks(view.evidence, sheet, now),
            "marks": marks.marks(view, [card.id], roots, now),
        }

    return await respond(request, "unit.html", values)


async def check(request: web.Request) -> web.Response:
    """Show a check: its state, last readings, facts, and its series as charts with tables."""
    view, key = request.app[VIEW], check_of(request)
    card = card_of(view, request.match_info["unit"])
    job, state = view.job(key), view.state(key)
    span = _span(request, sheets.usual_minutes(job))

    def values() -> dict[str, Any]:
        sheet = sheets.check_sheet(view.evidence, job, key, span)
        if job is None and sheet.latest is None:
            raise Refusal(404, f'there is no check "{key[:200]}"')
        looked = {"minutes": span.minutes, "metric": span.metric, "spans": sheets.SPANS}
        return {"card": card, "sheet": sheet, "job": job, "state": state, **looked}

    return await respond(request, "check.html", values)


def _span(request: web.Request, usual: int) -> sheets.Span:
    minutes, metric = whole(request, "minutes", usual, 1_000_000), request.query.get("metric", "")
    if minutes not in sheets.SPANS:
        raise Refusal(400, f"minutes: must be one of {', '.join(map(str, sheets.SPANS))}")
    if len(metric) > 200:
        raise Refusal(400, "metric: at most 200 characters")
    return sheets.Span(time.time(), minutes, metric)


async def error_page(request: web.Request, status: int, explanation: str) -> web.Response:
    """Show an error to a person."""
    return await respond(
        request, "error.html", lambda: {"status": status, "explanation": explanation}, status
    )


async def static(request: web.Request) -> web.Response:
    """Answer with one of our own files."""
    name = request.match_info["name"]
    if name not in files() or not re.fullmatch(r"[\w.-]{1,40}", name):
        raise Refusal(404, "there is no such file")
    content, digest = files()[name]
    headers = {"Cache-Control": "public, max-age=3600", "ETag": f'"{digest}"'}
    return web.Response(body=content, content_type=MEDIA[name.rpartition(".")[2]], headers=headers)
