"""What happened, as points that Grafana annotates with: incidents, verdicts, maintenance; and names of units.

Each point's time and tags follow from what is stored, so that it is the same point when it is sent again.

    muster_incident        unit asset check kind level severity what state
                           number open age_s; cause detail actor
    muster_verdict         unit level gate
                           code coverage pass fail unknown waived not_applicable; verdict
    muster_verdict_change  unit level gate verdict before
                           code
    muster_maintenance     unit asset check kind level mode what
                           number open; reason actor
    muster_signoff         unit asset level gate item role what
                           number; actor
    muster_unit            unit level parent province municipal county name name_zh wave
                           up go_live lat lon
    muster_metric          probe metric metric_unit better
                           resolution

The first line of each names its tags, the second its fields, texts behind the semicolon.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from monitor.calendars.calendar import Calendar
from monitor.child.wire import UnitCard
from monitor.people.maintenance import Maintenance, spans
from monitor.sinks.lines import line
from monitor.sinks.position import Told
from monitor.store import sinks
from monitor.units import Units
from probes.api import MetricDef

AT_ONCE = 2000
"""Events of a kind that are read at once."""
CODES = {"READY": 0, "CONDITIONAL": 1, "NOT_READY": 2, "UNKNOWN": 3}
STATUSES = ("pass", "fail", "unknown", "waived", "not_applicable")
EVERY_S = 60.0
"""How often names of units and metrics are written: within what PromQL looks back."""
LOGS = (
    ("incidents", "id", "incident_history"),
    ("verdicts", "id", "verdict_change"),
    ("signoffs", "seq", "ledger"),
)
LEVELS = ("province", "municipal", "county")


@dataclass(frozen=True, slots=True)
class Found:
    """Lines, how far they reach, and whether there may be more."""

    lines: list[str]
    told: Told
    more: bool


@dataclass(slots=True)
class Events:
    """Reads events of the state database and makes lines of them; what blocks, so in a thread."""

    units: Units
    calendars: Callable[[], Mapping[str, Calendar]]
    texts: bool = True
    _judged: float = 0.0

    def after(self, db: sqlite3.Connection, told: Told, now: float) -> Found:
        """Return what happened since, up to `now`."""
        happened = sinks.history(db, told.incidents, AT_ONCE)
        changed = sinks.changes(db, told.verdicts, AT_ONCE)
        lines = [self._incident(each) for each in happened]
        lines += [made for each in changed for made in self._changed(each)]
        signed = sinks.ledger(db, told.signoffs, AT_ONCE)
        lines += [self._signed(each) for each in signed]
        lines += self._maintenance(sinks.maintenance(db, told.maintenance), told.maintenance, now)
        reached = Told(
            happened[-1].id if happened else told.incidents,
            changed[-1].id if changed else told.verdicts,
            max(now, told.maintenance),
            signed[-1].seq if signed else told.signoffs,
        )
        full = AT_ONCE in (len(happened), len(changed), len(signed))
        return Found(self._made(lines), reached, full)

    def judgements(self, db: sqlite3.Connection) -> list[str]:
        """Return the units' judgements since this was last asked: what they are now, not what they were."""
        found = sinks.judged(db, self._judged)
        self._judged = found[-1].at if found else self._judged
        return self._made(self._verdict(each) for each in found)

    def names(self, now: float) -> list[str]:
        """Return the units and metrics there are, at the last full minute."""
        at = int(now // EVERY_S * EVERY_S) * 1000
        known = list(self.units.known.values())
        specs = {job.spec.name: job.spec.metrics for unit in known for job in list(unit.jobs.values())}
        lines = [self._unit(unit.card, at) for unit in known]
        lines += [_metric(probe, each, at) for probe, metrics in sorted(specs.items()) for each in metrics]
        return self._made(lines)

    @staticmethod
    def _made(lines: Iterable[str]) -> list[str]:
        return [each for each in lines if each]

    def _where(self, node: str) -> dict[str, str]:
        """Return the tags of a unit, `unit/asset` or `unit/asset/check`."""
        unit, asset, check = (*node.split("/"), "", "")[:3]
        card = self.units.card(unit)
        level = card.level if card else ""
        return {"unit": unit, "asset": asset, "check": check, "kind": self.units.kind(node), "level": level}

    def _said(self, **texts: str) -> dict[str, float | str]:
        return {name: text for name, text in texts.items() if text} if self.texts else {}

    def _incident(self, event: sinks.HistoryEvent) -> str:
        over = event.closed_at is not None and event.at >= event.closed_at
        tags = self._where(event.root) | {
            "severity": event.severity, "what": event.what, "state": event.state,
        }  # fmt: skip
        fields: dict[str, float | str] = {"number": event.incident, "open": int(not over)}
        fields["age_s"] = event.at - event.began_at
        texts = self._said(cause=event.kind, detail=event.detail, actor=event.actor)
        return line("muster_incident", tags, fields | texts, round(event.at * 1000))

    def _changed(self, change: sinks.VerdictChange) -> Iterator[str]:
        tags = {"unit": change.unit, "gate": change.gate, "level": self._where(change.unit)["level"]}
        words = {"verdict": change.verdict, "before": change.before or "none"}
        fields: dict[str, float | str] = {"code": CODES.get(change.verdict, CODES["UNKNOWN"])}
        yield line("muster_verdict_change", tags | words, fields, round(change.at * 1000))
        yield self._verdict(
            sinks.Judgement(
                change.unit, change.gate, change.at, change.verdict, change.coverage, change.counts
            )
        )

    def _verdict(self, each: sinks.Judgement) -> str:
        tags = {"unit": each.unit, "gate": each.gate, "level": self._where(each.unit)["level"]}
        counts = json.loads(each.counts)
        fields: dict[str, float | str] = {"code": CODES.get(each.verdict, CODES["UNKNOWN"])}
        fields["coverage"] = float(each.coverage)
        fields |= {status: int(counts.get(status, 0)) for status in STATUSES}
        return line("muster_verdict", tags, fields | self._said(verdict=each.verdict), round(each.at * 1000))

    def _signed(self, entry: sinks.LedgerEvent) -> str:
        where = f"{entry.unit}/{entry.asset}" if entry.asset else entry.unit
        tags = self._where(where) | {"gate": entry.gate, "item": entry.item, "role": entry.role}
        fields: dict[str, float | str] = {"number": entry.seq}
        said = self._said(actor=entry.actor)
        return line("muster_signoff", tags | {"what": entry.kind}, fields | said, round(entry.at * 1000))

    def _maintenance(self, works: Iterable[Maintenance], since: float, now: float) -> Iterator[str]:
        """Yield the beginnings and ends between two instants; what began before it was told, then."""
        calendars = self.calendars()
        for work in works:
            calendar = calendars.get(work.calendar) if work.calendar else None
            for start, end in spans(work, min(since, work.made_at), now + 1, calendar):
                begun = max(start, work.made_at)
                if since < begun <= now and begun < end:
                    yield self._work(work, "begun", begun)
                if since < end <= now and end > work.made_at:
                    yield self._work(work, "ended", end)

    def _work(self, work: Maintenance, what: str, at: float) -> str:
        tags = self._where(work.scope) | {"mode": work.mode.value, "what": what}
        fields: dict[str, float | str] = {"number": work.id, "open": int(what == "begun")}
        texts = self._said(reason=work.reason, actor=work.actor)
        return line("muster_maintenance", tags, fields | texts, round(at * 1000))

    def _unit(self, card: UnitCard, at: int) -> str:
        tags = {"unit": card.id, "level": card.level, "parent": card.parent or "", "wave": card.wave}
        tags |= {"name": card.name, "name_zh": card.name_zh}
        for above in (self.units.card(unit) for unit in reversed(self.units.above(card.id))):
            if above is not None and above.level in LEVELS:
                tags[above.level] = above.id
        fields: dict[str, float | str] = {"up": 1}
        if "go-live" in card.gates:
            fields["go_live"] = (date.fromisoformat(card.gates["go-live"]) - date(1970, 1, 1)).days * 86_400
        if card.location is not None:
            fields |= {"lat": card.location[0], "lon": card.location[1]}
        return line("muster_unit", tags, fields, at)


def _metric(probe: str, metric: MetricDef, at: int) -> str:
    tags = {"probe": probe, "metric": metric.name, "metric_unit": metric.unit, "better": metric.better}
    return line("muster_metric", tags, {"resolution": float(metric.resolution or 0.0)}, at)


def begun(db: sqlite3.Connection, now: float, *, anew: bool) -> Told:
    """Return where events begin for a sink that never wrote: with the first that is kept, or with now."""
    if anew:
        return Told(maintenance=0.0)
    last = Told(maintenance=now)
    for name, column, table in LOGS:
        number = db.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()[0]  # noqa: S608
        last = replace(last, **{name: int(number)})
    return last
