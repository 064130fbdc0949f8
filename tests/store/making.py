"""Readings and stores for the tests of the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from monitor.store.engine import Store
from monitor.store.paths import Bounds, Keep
from probes.api import MetricDef, Outcome, Reading

DAY = 86_400
NOON = 20_701 * DAY + DAY // 2
"""Noon of 2026-09-05, UTC."""
METRICS = (
    MetricDef("rtt_ms", "ms", "lower", 0.001),
    MetricDef("loss_pct", "%", "lower", 0.01),
    MetricDef("load", "count"),
)


def ok(check: str, at: float, facts: dict[str, str] | None = None, **metrics: float) -> Reading:
    """Return an ok reading."""
    return Reading(
        Outcome.OK, metrics=metrics, facts=facts or {}, check=check, at=at,
        lag_ms=1.0, duration_ms=20.0, vantage="hub",
    )  # fmt: skip


def bad(check: str, at: float, outcome: Outcome, kind: str, detail: str = "") -> Reading:
    """Return a reading that is not ok."""
    return Reading(outcome, kind, detail, check=check, at=at, vantage="hub")


@asynccontextmanager
async def opened(
    directory: Path, bounds: Bounds | None = None, keep: Keep | None = None
) -> AsyncIterator[Store]:
    """Open a store in threads, and close it."""
    store = await asyncio.to_thread(Store.open, directory, keep, bounds)
    try:
        yield store
    finally:
        await store.aclose()
