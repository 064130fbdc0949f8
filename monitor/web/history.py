"""Runs and changes of items on the API."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from monitor.history.telling import document, runs_document
from monitor.store import runs
from monitor.web.api import card_of, gate_of, instant, whole
from monitor.web.serving import VIEW, Refusal, json_text, threaded

MOST_RUNS, MOST_CHANGES = 200, 500


async def api_runs(request: web.Request) -> web.Response:
    """Answer with the runs at a gate, newest first, a page at a time."""
    gate, limit = gate_of(request), whole(request, "limit", 50, MOST_RUNS)
    before = whole(request, "before", 10**9 - 1, 10**9 - 1)
    verdicts = request.app[VIEW].verdicts

    def text() -> str:
        heads = verdicts.kept_now(lambda c: runs.heads(c, gate, limit, before))
        counts = verdicts.kept_now(lambda c: {head.id: runs.verdicts(c, head.id) for head in heads})
        more = (
            f"/api/v1/runs?gate={gate}&limit={limit}&before={heads[-1].id}" if len(heads) == limit else None
        )
        return json.dumps({**runs_document(heads, counts), "next": more}, ensure_ascii=False)

    return json_text(await threaded(request, text))


async def api_history(request: web.Request) -> web.Response:
    """Answer with the changes of a unit, or of one item of it, newest first."""
    view, gate = request.app[VIEW], gate_of(request)
    unit, item, asset = (request.query.get(name, "") for name in ("unit", "item", "asset"))
    if not unit:
        raise Refusal(400, "unit: write the id of a unit, such as unit=gz-tianhe")
    card_of(view, unit)
    if not all(re.fullmatch(r"[^\x00-\x1f]{0,200}", each) for each in (item, asset)):
        raise Refusal(400, "item and asset: at most 200 characters")
    since, limit = (
        instant("from", request.query.get("from", ""), 0.0),
        whole(request, "limit", 100, MOST_CHANGES),
    )

    def text() -> str:
        kept = view.verdicts.kept_now
        changes = kept(lambda c: runs.changes(c, gate, unit, since))

        def subject(key: str) -> Any:
            return kept(lambda c: runs.subject(c, key))

        found = document(gate, unit, changes, subject, item, asset, limit)
        return json.dumps(found, ensure_ascii=False)

    return json_text(await threaded(request, text))
