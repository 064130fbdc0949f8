"""What is told besides the values of checks, in slices with the loop running in between."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from itertools import islice

from monitor.process.turns import Turn
from monitor.store import standing
from monitor.web import asset_figures, unit_figures
from monitor.web.view import OwnMetric, View

SLICE = 500
STATES = ("OK", "DEGRADED", "DOWN", "UNKNOWN", "SHADOWED")
"""What a check's state is as a number: its place."""
STATE_CODES = {state: code for code, state in enumerate(STATES)}
STATE_CODE = "muster_check_state_code"


async def figures(view: View, turn: Turn) -> AsyncIterator[list[OwnMetric]]:
    """Yield the daemon's own, units as described and judged, what is known around them, slow runs."""
    yield list(view.own_metrics())
    now, cards = time.time(), view.units()
    stands, alerting = await view.people.database.read(
        lambda database: (standing.stands(database), standing.alerting(database, now))
    )
    known = frozenset(card.id for card in cards)
    for told in (
        unit_figures.described(cards), unit_figures.judged(stands, known, now),
        unit_figures.alerted(alerting), view.around(), asset_figures.slow(await _slowest(view, turn)),
    ):  # fmt: skip
        while part := list(islice(told, SLICE)):
            yield [each for each in part if each is not None]
            await turn.end()


async def written(view: View) -> AsyncIterator[list[OwnMetric]]:
    """Yield what is written to a time series server: the same, and the state of each check as a number."""
    turn = Turn()
    async for part in figures(view, turn):
        yield part
    states, text = view.states(), "The state of a check, by its place."
    while some := list(islice(states, SLICE)):
        yield [
            OwnMetric(STATE_CODE, text, "gauge", _check(check), STATE_CODES[state]) for check, state in some
        ]
        await turn.end()


def _check(check: str) -> dict[str, str]:
    return dict(zip(("unit", "asset", "check"), check.split("/"), strict=False))


async def _slowest(view: View, turn: Turn) -> list[asset_figures.Run]:
    found, runs = list[asset_figures.Run](), view.runs()
    while part := list(islice(runs, SLICE)):
        found = asset_figures.slowest((*found, *part))
        await turn.end()
    return found
