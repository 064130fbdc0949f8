"""Puts the sink together for the daemon, and says for /metrics how it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from monitor.people.maintenance import Maintenances
from monitor.sinks.events import Events
from monitor.sinks.feeder import Feeder, Source
from monitor.sinks.influx import Influx
from monitor.sinks.lines import ReadingLines, Series
from monitor.sinks.settings import InfluxSettings
from monitor.sinks.trouble import Cause
from monitor.store.codec import TICK_MS
from monitor.units import Units
from monitor.web.view import OwnMetric
from probes import registry
from probes.api import SecretRef

WHAT = ("live", "backfill", "events", "figures")


def build(
    settings: InfluxSettings,
    source: Source,
    units: Units,
    maintenances: Maintenances,
    secret: Callable[[SecretRef], str],
) -> Feeder | None:
    """Return what feeds the server of the settings, None where they name none."""
    if not settings.url:
        return None
    texts = settings.server != "victoriametrics"
    lines = ReadingLines(lambda check: describe(units, check), texts)
    events = Events(units, lambda: maintenances.calendars, texts)
    return Feeder(settings, source, Influx(settings, secret), lines, events)


def describe(units: Units, check: str) -> Series:
    """Return the tags of a check; of one that is no longer in the inventory, what its id tells."""
    unit, asset, name = (*check.split("/"), "", "")[:3]
    job, card = units.job(check), units.card(unit)
    level = card.level if card else ""
    if job is None:
        probe = name if name in registry.BUILT_IN else "unknown"
        return Series(unit, asset, name, probe, units.kind(check), level)
    return Series(unit, asset, name, job.spec.name, units.kind(check), level, job.spec.metrics)


def figures(feeder: Feeder) -> Iterator[OwnMetric]:
    """Yield what the sink says of itself."""
    sent, link, now = feeder.sender.sent, feeder.link, feeder.track.now
    for what in WHAT:
        text = "Points taken by the server, those written again among them."
        yield _counter("muster_influx_points_total", text, sent.points[what], what=what)
    yield _counter("muster_influx_requests_total", "Requests made.", sent.requests)
    yield _counter("muster_influx_bytes_total", "Line protocol taken, before compression.", sent.bytes)
    yield _counter("muster_influx_rejected_total", "Lines the server would not have: dropped.", sent.rejected)
    text = "Own figures not written, as there were too many."
    yield _counter("muster_influx_left_out_total", text, feeder.figures.left_out)
    for cause in Cause:
        text = "Requests not taken, by cause."
        yield _counter("muster_influx_troubles_total", text, sent.troubles[cause], cause=cause.value)
    text = "Times the last seconds were written again, as the server may have lost them."
    yield _counter("muster_influx_returns_total", text, feeder.track.returns)
    yield _gauge("muster_influx_up", "1 while the server takes what is written.", float(link.trouble is None))
    down = time.time() - link.since if link.since else 0.0
    yield _gauge("muster_influx_down_seconds", "For how long it has taken nothing.", down)
    behind = max(0, feeder.head - now.live.after) * TICK_MS / 1000
    yield _gauge("muster_influx_behind_seconds", "By which the live cursor is behind the store.", behind)
    yield _gauge("muster_influx_gaps", "Gaps that are yet to be filled.", len(now.gaps))
    left = sum(gap.upto - gap.cursor.after for gap in now.gaps) * TICK_MS / 1000
    yield _gauge("muster_influx_gap_seconds", "Time that the gaps span.", left)


def _gauge(name: str, text: str, value: float, **labels: str) -> OwnMetric:
    return OwnMetric(name, text, "gauge", labels, value)


def _counter(name: str, text: str, value: float, **labels: str) -> OwnMetric:
    return OwnMetric(name, text, "counter", labels, value)
