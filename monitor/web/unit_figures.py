"""Units on /metrics: names, places, dates, verdicts, what their channels must deliver, and open incidents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, tzinfo
from functools import lru_cache

from monitor.child.wire import UnitCard
from monitor.store.standing import DAYS, Alerting, Stands
from monitor.web.present import zone
from monitor.web.view import OwnMetric

CODES = {"READY": 0, "CONDITIONAL": 1, "NOT_READY": 2, "UNKNOWN": 3}
"""What a verdict is as a number, here and in InfluxDB."""
STATUSES = ("pass", "fail", "unknown", "waived", "not_applicable")
LEVELS = ("province", "municipal", "county")
TAKEN = (0.5, 0.9, 1.0)
VERDICT = "The verdict: 0 READY, 1 CONDITIONAL, 2 NOT_READY, 3 UNKNOWN."


def described(cards: Sequence[UnitCard]) -> Iterator[OwnMetric]:
    """Yield what the inventory says of units: names, those above them, places, due dates, assets."""
    known = {card.id: card for card in cards}
    for card in cards:
        yield _gauge("muster_unit_info", "A unit: its names, and the units above it.", 1, _info(card, known))
        here = {"unit": card.id}
        if card.location is not None:
            latitude, longitude = card.location
            yield _gauge("muster_unit_latitude_degrees", "Where a unit is.", latitude, here)
            yield _gauge("muster_unit_longitude_degrees", "Where a unit is.", longitude, here)
        for gate, day in card.gates.items():
            text = "When the day begins on which a gate is due."
            yield _gauge("muster_unit_due_timestamp_seconds", text, _due(day, card.timezone), _at(card, gate))
        for asset, kind in card.kinds.items():
            labels = here | {"asset": asset, "kind": kind, "role": card.roles.get(asset, "")}
            yield _gauge("muster_asset_info", "An asset: its kind and its role.", 1, labels)


def _at(card: UnitCard, gate: str) -> dict[str, str]:
    return {"unit": card.id, "gate": gate}


def _info(card: UnitCard, known: Mapping[str, UnitCard]) -> dict[str, str]:
    labels = {"unit": card.id, "name": card.name, "name_zh": card.name_zh, "level": card.level}
    labels |= {"parent": card.parent or "", "profile": card.profile or "", "wave": card.wave}
    labels |= dict.fromkeys(LEVELS, "")
    above, seen = card, set[str]()
    while above.id not in seen:
        seen.add(above.id)
        if above.level in LEVELS and not labels[above.level]:
            labels[above.level] = above.id
        above = known.get(above.parent or "", above)
    return labels


@lru_cache(maxsize=4096)
def _due(day: str, zone_name: str) -> float:
    there: tzinfo = zone(zone_name)
    return datetime.combine(date.fromisoformat(day), time(), there).timestamp()


def judged(stands: Iterable[Stands], known: frozenset[str], now: float) -> Iterator[OwnMetric]:
    """Yield how units stand at their gates: verdicts, coverage, items, what blocks them."""
    for each in stands:
        if each.unit not in known:
            continue
        here = {"unit": each.unit, "gate": each.gate}
        yield _gauge("muster_unit_verdict", VERDICT, CODES[each.verdict_at(now)], here)
        text = "The share of a unit's items that are measured."
        yield _gauge("muster_unit_coverage_ratio", text, each.coverage, here)
        for status in STATUSES:
            count = each.counts.get(status, 0)
            yield _gauge("muster_unit_items", "Items by status.", count, here | {"status": status})
        for category, verdict in each.categories.items():
            text = "The verdict of one category alone: 0 READY, 1 CONDITIONAL, 2 NOT_READY, 3 UNKNOWN."
            yield _gauge("muster_unit_category_verdict", text, CODES[verdict], here | {"category": category})
        for (category, status, reason), count in each.blocking.items():
            labels = here | {"category": category, "status": status, "reason": reason}
            text = "Blocker and major items that fail or are unknown, by cause; the gravest 20 of a unit."
            yield _gauge("muster_unit_blocking_items", text, count, labels)


def alerted(alerting: Alerting) -> Iterator[OwnMetric]:
    """Yield open incidents, and what became of those of the last days."""
    for severity, count in alerting.severities.items():
        yield _gauge("muster_incidents_open", "Open incidents.", count, {"severity": severity})
    for unit, count in alerting.open_at.items():
        text = "Open incidents whose root is in a unit."
        yield _gauge("muster_unit_incidents_open", text, count, {"unit": unit})
    for what, count in alerting.recent.items():
        text = f"What became of the incidents opened in the last {DAYS} days."
        yield _gauge("muster_incidents_recent", text, count, {"what": what})
    took = alerting.taken_s
    for q in TAKEN if took else ():
        value, text = took[min(len(took) - 1, int(q * len(took)))], "From opened to acknowledged."
        yield _gauge("muster_incident_acknowledge_seconds", text, value, {"quantile": f"{q:g}"})


def _gauge(name: str, text: str, value: float, labels: Mapping[str, str]) -> OwnMetric:
    return OwnMetric(name, text, "gauge", labels, value)
