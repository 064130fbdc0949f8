"""The pages and the API of incidents, and what people do about them there: only a POST acts.

There are no accounts: what is done here is recorded under the name that the person writes, with the remark
that nobody has checked it, and it is refused while the server listens beyond loopback.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from inventory import units
from monitor.incidents.document import Names, acknowledgement, announced, document, listing, replayed, rule_of
from monitor.incidents.incident import Incident
from monitor.job import Job
from monitor.people.maintenance import Maintenance
from monitor.people.requests import ACTS, MOST_NAME
from monitor.store import incident_views
from monitor.store.incident_views import RECENT_S, Listed, Whole
from monitor.web.api import whole
from monitor.web.chart import Chart
from monitor.web.pages import linker, respond
from monitor.web.serving import SETTINGS, VIEW, Refusal, is_loopback, json_text, threaded
from monitor.web.sheets import Span, check_sheet
from monitor.web.view import View

BEFORE_S, AFTER_S = 2 * 3600.0, 1800.0
"""How much is drawn before an incident began and after it was closed, in seconds."""
MOST_CHARTS = 2
MOST_SHOWN = 100
DAY_S = 86400.0
SPANS = ("1 h", "4 h", "12 h", "1 d", "3 d")
STATES = ("open", "recent", "all")


def names_of(view: View) -> Names:
    """Return the names of all units."""
    return {card.id: (card.name, card.name_zh) for card in view.units()}


async def overview(request: web.Request) -> web.Response:
    """Show what is open, and what was closed within a week."""
    view, unit, now = request.app[VIEW], _unit(request), time.time()
    found = await _listed(view, now - RECENT_S, unit, incident_views.MOST_LISTED)
    planned = view.people.maintenances.planned(now)

    def values() -> dict[str, Any]:
        cards = {card.id: card for card in view.units()}
        return {
            "open": [each for each in found if each.incident.closed_at is None],
            "recent": [each for each in found if each.incident.closed_at is not None][:MOST_SHOWN],
            "cards": cards, "unit": unit, "planned": planned, "taken": _taken(found, now),
        }  # fmt: skip

    return await respond(request, "incidents.html", values)


def _taken(found: Sequence[Listed], now: float) -> Mapping[int, Mapping[str, Any]]:
    pairs = ((each.incident.id, acknowledgement(each.incident, now)) for each in found)
    return {number: taken for number, taken in pairs if taken is not None}


async def _listed(view: View, since: float | None, unit: str, limit: int) -> list[Listed]:
    return await view.people.database.read(
        lambda c: incident_views.listed(c, since=since, unit=unit, limit=limit)
    )


def _unit(request: web.Request) -> str:
    unit = request.query.get("unit", "")
    if len(unit) > 100:
        raise Refusal(400, "unit: at most 100 characters")
    return unit


async def _whole(request: web.Request) -> Whole:
    number = int(request.match_info["id"])
    try:
        return await request.app[VIEW].people.database.read(lambda c: incident_views.whole(c, number))
    except KeyError:
        raise Refusal(404, f"there is no incident {number}; /incidents lists them") from None


@dataclass(frozen=True, slots=True)
class Picture:
    """A series around an incident; `mark` is where in the drawing the incident lies: x and width."""

    check: str
    metric: str
    unit: str
    chart: Chart
    mark: tuple[float, float]
    end: float
    """Until when it is drawn."""


async def one(request: web.Request) -> web.Response:
    """Show an incident: what, since when, members, history, the series, and the forms."""
    view, found, now = request.app[VIEW], await _whole(request), time.time()
    incident = found.incident

    def values() -> dict[str, Any]:
        cards = {card.id: card for card in view.units()}
        card = cards.get(incident.unit)
        return {
            "incident": incident, "whole": found, "card": card, "cards": cards,
            "zone": card.timezone if card else "UTC", "taken": acknowledgement(incident, now),
            "pictures": _pictures(view, found, now), "work": _work(view, incident, now),
            "rule": rule_of(incident), "replayed": replayed(incident),
            "may_act": _may_act(request), "spans": SPANS, "shown": MOST_SHOWN,
        }  # fmt: skip

    return await respond(request, "incident.html", values)


def _work(view: View, incident: Incident, now: float) -> Sequence[Maintenance]:
    return view.people.maintenances.covering(incident.root, now) if incident.closed_at is None else ()


def _pictures(view: View, found: Whole, now: float) -> list[Picture]:
    """Draw the series of the first member that has any."""
    checks = [found.incident.root, *(member.check for member in found.members[:5])]
    for check in dict.fromkeys(each for each in checks if each.count("/") == 2):
        if pictures := _drawn(view, view.job(check), check, found.incident, now):
            return pictures
    return []


def _drawn(view: View, job: Job | None, check: str, incident: Incident, now: float) -> list[Picture]:
    end = now if incident.closed_at is None else min(now, incident.closed_at + AFTER_S)
    start = max(incident.began_at - BEFORE_S, end - 7 * DAY_S)
    sheet = check_sheet(view.evidence, job, check, Span(end, max(1, round((end - start) / 60))))
    charts = [(name, unit, chart) for name, unit, chart in sheet.charts if chart is not None]
    return [
        Picture(check, name, unit, chart, _mark(chart, incident, end), end)
        for name, unit, chart in charts[:MOST_CHARTS]
    ]


def _mark(chart: Chart, incident: Incident, end: float) -> tuple[float, float]:
    seconds = max(1.0, end - chart.first_at)
    last = end if incident.closed_at is None else incident.closed_at
    edges = (min(1.0, max(0.0, (at - chart.first_at) / seconds)) for at in (incident.began_at, last))
    left, right = (round(3 + (chart.width - 6) * edge, 1) for edge in edges)
    return left, round(max(1.0, right - left), 1)


def _may_act(request: web.Request) -> bool:
    """Whether people may act here: nobody can be asked who they are, so only on this machine."""
    return is_loopback(request.app[SETTINGS].listen.rpartition(":")[0])


def check_origin(headers: Mapping[str, str]) -> None:
    """Refuse what another site makes a browser send (CSRF). Raises Refusal.

    Sec-Fetch-Site decides (W3C Fetch Metadata), else Origin against Host; what sends neither is no browser.
    """
    site = headers.get("Sec-Fetch-Site")
    if site in ("same-origin", "none"):
        return
    origin = headers.get("Origin")
    if site is None and (origin is None or origin.partition("://")[2] == headers.get("Host", "").strip()):
        return
    raise Refusal(403, "another site sent this; open the incident's page here and use its buttons")


async def act(request: web.Request) -> web.Response:
    """Do what a form asks, and show the incident again."""
    check_origin(request.headers)
    if not _may_act(request):
        raise Refusal(
            403, "without accounts nobody acts over the network; use muster incident on the machine"
        )
    number, what = int(request.match_info["id"]), f"incident.{request.match_info['act']}"
    if what not in ACTS:
        raise Refusal(404, f"no such act; there are {', '.join(ACTS)}")
    form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    answer = await request.app[VIEW].people.answer(_asked(what, number, form))
    if "refused" in answer:
        raise Refusal(409, str(answer["refused"]))
    raise web.HTTPSeeOther(linker(request)("incidents", number))


def _asked(what: str, number: int, form: Mapping[str, str]) -> dict[str, Any]:
    who = form.get("who", "").strip()[: MOST_NAME - 30] or "somebody"
    texts = {name: form.get(name, "") for name in ("comment", "reason", "text")}
    asked = {"do": what, "incident": number, "actor": f"{who} (web, unauthenticated)", **texts}
    return asked | {"until": _until(form.get("for", ""))}


def _until(text: str) -> float | None:
    if not text:
        return None
    try:
        seconds = units.parse(text[:40], "s")
    except ValueError as error:
        raise Refusal(400, f"for: {error}") from None
    return time.time() + seconds


async def api_list(request: web.Request) -> web.Response:
    """Answer with incidents, the newest first."""
    view, unit, now = request.app[VIEW], _unit(request), time.time()
    state = request.query.get("state", STATES[0])
    if state not in STATES:
        raise Refusal(400, f"state: must be one of {', '.join(STATES)}")
    since = {"open": None, "recent": now - RECENT_S, "all": 0.0}[state]
    limit = whole(request, "limit", incident_views.MOST_LISTED, incident_views.MOST_LISTED)
    found = await _listed(view, since, unit, limit)
    return json_text(
        await threaded(request, lambda: json.dumps(listing(found, names_of(view), now), ensure_ascii=False))
    )


async def api_one(request: web.Request) -> web.Response:
    """Answer with one incident."""
    view, found, now = request.app[VIEW], await _whole(request), time.time()
    return json_text(
        await threaded(request, lambda: json.dumps(document(found, names_of(view), now), ensure_ascii=False))
    )


async def api_maintenance(request: web.Request) -> web.Response:
    """Answer with announced work that is not over."""
    work, now = request.app[VIEW].people.maintenances, time.time()
    going_on = [each for each in work.all if not each.over(now)]
    text = await threaded(request, lambda: json.dumps(announced(going_on, work.planned(now), now)))
    return json_text(text)
