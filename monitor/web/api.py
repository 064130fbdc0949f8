"""The API, version 1: reads only. Shapes are in docs/api.md; errors say what to ask instead."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from aiohttp import web

from monitor.child.wire import UnitCard
from monitor.store.api import Point
from monitor.store.verdicts import BoardRow, aged, as_of
from monitor.web.serving import VIEW, Refusal, json_response, json_text, threaded
from monitor.web.view import View

Step = Literal["raw", "5m", "1h"]
DEFAULT_GATE = "go-live"
MAX_UNITS, MAX_POINTS = 1000, 2000
INNER = frozenset({"needs", "kinds", "channels", "location", "roles"})
"""What of a card is the daemon's own, and no part of the contract."""
LONGEST: Mapping[Step, float] = {"raw": 86_400.0, "5m": 90 * 86_400.0, "1h": 1100 * 86_400.0}
"""Longest span of each step, in seconds: what is read in one request is bounded."""


def stamp(at: float | None) -> str | None:
    """Return a time as the contract writes it: ISO 8601, UTC, to the millisecond, with a Z."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def gate_of(request: web.Request) -> str:
    """Return the gate that is asked about."""
    gate = request.query.get("gate", DEFAULT_GATE)
    if not re.fullmatch(r"[\w.-]{1,64}", gate):
        raise Refusal(400, "gate: must be the id of a gate, such as go-live")
    return gate


def whole(request: web.Request, name: str, default: int, most: int) -> int:
    """Return a parameter that is a whole number from 1 to `most`."""
    text = request.query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise Refusal(400, f"{name}: must be a whole number from 1 to {most}")
    return int(text)


def card_of(view: View, unit: str) -> UnitCard:
    """Return the card of a unit. Raises Refusal where there is none."""
    card = next((each for each in view.units() if each.id == unit), None)
    if card is None:
        raise Refusal(404, f'there is no unit "{unit[:64]}"; /api/v1/units lists them')
    return card


async def units(request: web.Request) -> web.Response:
    """Answer with the units in the order of the inventory, a page at a time."""
    view, gate, now = request.app[VIEW], gate_of(request), time.time()
    limit = whole(request, "limit", MAX_UNITS, MAX_UNITS)
    start = whole(request, "page", 1, 1_000_000) - 1
    rows = {row.unit: as_of(row, now) for row in await view.verdicts.board(gate)}
    cards = view.units()
    part = cards[start * limit : (start + 1) * limit]
    more = len(cards) > (start + 1) * limit
    head = {"schema": "muster.units/1", "gate": gate, "at": stamp(now), "total": len(cards)}
    head["next"] = f"/api/v1/units?gate={gate}&limit={limit}&page={start + 2}" if more else None

    def text() -> str:
        each = (json.dumps(_unit(card, rows.get(card.id)), ensure_ascii=False) for card in part)
        return f'{json.dumps(head)[:-1]}, "units": [{", ".join(each)}]}}'

    return json_text(await threaded(request, text))


def _unit(card: UnitCard, row: BoardRow | None) -> dict[str, Any]:
    judged: dict[str, Any] = {"verdict": "UNKNOWN", "reasons": ["not judged yet"], "judged_at": None}
    if row is not None:
        judged = asdict(row) | {"judged_at": stamp(row.judged_at), "good_until": stamp(row.good_until)}
        del judged["unit"]
    return _card(card) | judged


def _card(card: UnitCard) -> dict[str, Any]:
    return {name: value for name, value in asdict(card).items() if name not in INNER}


async def unit(request: web.Request) -> web.Response:
    """Answer with a unit's card and its last judgement as it is worth now."""
    view, gate, now = request.app[VIEW], gate_of(request), time.time()
    card = card_of(view, request.match_info["unit"])
    judged = await view.verdicts.detail(card.id, gate)
    answer: dict[str, Any] = {"schema": "muster.unit/1", "gate": gate, "at": stamp(now), "card": _card(card)}

    def text() -> str:
        element = aged(judged, now) if judged else None
        judged_at = stamp(element.pop("judged_at")) if element else None
        if element:
            element.pop("versions", None)
        return json.dumps(answer | {"judged_at": judged_at, "unit": element}, ensure_ascii=False)

    return json_text(await threaded(request, text))


@dataclass(frozen=True, slots=True)
class Asked:
    """A series that is asked for: times in seconds since the epoch."""

    check: str
    metric: str
    start: float
    end: float
    step: Step


def asked(check: str, query: Mapping[str, str], now: float) -> Asked:
    """Return what a query asks for. Raises Refusal with what to write instead."""
    end = instant("to", query.get("to", ""), now)
    start = instant("from", query.get("from", ""), end - 3600)
    if start >= end:
        raise Refusal(400, "from: must be before to")
    step = cast("Step", query.get("step") or suitable(end - start))
    if step not in get_args(Step):
        raise Refusal(400, "step: must be raw, 5m or 1h")
    if end - start > LONGEST[step]:
        days = LONGEST[step] / 86_400
        raise Refusal(400, f"step={step} serves at most {days:g} days at once; ask for less, or for 1h")
    metric = query.get("metric", "")
    if not 1 <= len(metric) <= 200:
        raise Refusal(400, "metric: must be the name of a metric of the check, such as metric=rtt_ms")
    return Asked(check, metric, start, end, step)


def suitable(seconds: float) -> Step:
    """Return the step that shows a span well."""
    return "raw" if seconds <= 6 * 3600 else "5m" if seconds <= 7 * 86_400 else "1h"


def instant(name: str, text: str, default: float) -> float:
    """Return a time given as seconds since the epoch, ISO 8601 with an offset, or nothing."""
    if not text:
        return default
    try:
        at = float(text) if re.fullmatch(r"[0-9.]{1,20}", text) else _iso(text[:40])
    except ValueError:
        at = math.nan
    if not 0 <= at < 1e11:
        text = f"{name}: must be seconds since 1970 or a time with its offset, such as 2027-01-15T08:00:00Z"
        raise Refusal(400, text)
    return at


def _iso(text: str) -> float:
    at = datetime.fromisoformat(text.replace(" ", "+"))
    if at.tzinfo is None:
        raise ValueError("without an offset nobody knows which time it is")
    return at.timestamp()


def check_of(request: web.Request) -> str:
    """Return the id of the check in the path."""
    return "/".join(request.match_info[part] for part in ("unit", "asset", "check"))


async def series(request: web.Request) -> web.Response:
    """Answer with a series, at most MAX_POINTS points, and where to go on."""
    view, wanted = request.app[VIEW], asked(check_of(request), request.query, time.time())

    def read() -> tuple[Sequence[str], Sequence[Point]]:
        metrics = view.evidence.metrics(wanted.check)
        if wanted.metric not in metrics:
            return metrics, ()
        return metrics, view.evidence.series(
            wanted.check, wanted.metric, wanted.start, wanted.end, wanted.step
        )

    metrics, points = await threaded(request, read)
    if wanted.metric not in metrics:
        raise Refusal(404, _no_metric(view, wanted, metrics))
    job = view.job(wanted.check)
    definition = job.spec.metric(wanted.metric) if job else None
    return json_response(_series(wanted, definition.unit if definition else None, points))


def _no_metric(view: View, wanted: Asked, metrics: Sequence[str]) -> str:
    check = wanted.check[:200]
    if metrics:
        return f"{check} reports no {wanted.metric}; it reports {', '.join(sorted(metrics)[:50])}"
    return (
        f"{check} has not reported anything yet" if view.job(wanted.check) else f"there is no check {check}"
    )


def _series(wanted: Asked, unit: str | None, points: Sequence[Point]) -> dict[str, Any]:
    more = stamp(points[MAX_POINTS].at) if len(points) > MAX_POINTS else None
    names = {"count": "count", "min": "minimum", "max": "maximum", "mean": "mean", "p50": "p50", "p95": "p95"}
    return {
        "schema": "muster.series/1",
        "check": wanted.check,
        "metric": wanted.metric,
        "unit": unit,
        "step": wanted.step,
        "from": stamp(wanted.start),
        "to": stamp(wanted.end),
        "points": [
            {"at": stamp(point.at)} | {name: _finite(getattr(point, key)) for name, key in names.items()}
            for point in points[:MAX_POINTS]
        ],
        "next_from": more,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
