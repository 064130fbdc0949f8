"""One unit's part of `muster.plan/1`: its milestones, what is open and whose, and its forecast. Pure.

It reads a judged unit as `check --format json` writes it, so that it tells the same of stored and of fresh
judgements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from inventory.models import Inventory
from monitor.calendars.calendar import ALWAYS_OPEN
from monitor.gates.ledger import Entry
from monitor.gates.standing import Standing
from monitor.readiness.applied import Asked
from monitor.readiness.checklist import Checklist, Item
from monitor.readiness.results import UnitResult
from monitor.roadmap.forecast import Forecast, Open, Reason, Situation, Terms, forecast
from monitor.roadmap.plan import Due, Roadmap
from monitor.roadmap.words import said
from monitor.roadmap.workdays import between

SCHEMA = "muster.plan/1"
GRAVE = ("blocker", "major")
Judged = Mapping[str, Any]
Row = Mapping[str, Any]


@dataclass(slots=True)
class Planner:
    """Makes the documents of units at one gate; `checklists` tell for how long a row has to soak."""

    inventory: Inventory
    roadmap: Roadmap
    standing: Standing
    checklists: Mapping[str, Checklist]
    gate: str
    _asked: Asked | None = None
    _waiting: Counter[str] | None = None
    _mending: dict[tuple[str, str], list[Entry]] | None = None

    def result(self, result: UnitResult, now: float) -> dict[str, Any]:
        """Return the document of a unit that was just judged."""
        return self.unit(result.id, result.plain(), now)

    def unit(self, key: str, judged: Judged | None, now: float) -> dict[str, Any]:
        """Return the document of a unit; `judged` is None where it never was."""
        known, today = self.inventory.units[key], self._today(key, now)
        rows = [self._row(key, row, judged) for row in _open(judged)] if judged else []
        found = forecast(self._situation(key, judged, rows, now), self._terms())
        dues = self.roadmap.of(self.inventory, key)
        return {
            "id": key, "name": known.name, "name_zh": known.name_zh, "level": known.level,
            "parent": known.parent, "wave": known.wave, "owner": self.roadmap.owner(self.inventory, key),
            "verdict": judged["verdict"] if judged else "UNKNOWN",
            "milestones": [self._milestone(key, each, today) for each in dues],
            "forecast": _forecast(found),
            "open": rows,
            "counts": _counts(rows),
            **self._wave(known.wave),
        }  # fmt: skip

    def _wave(self, name: str) -> dict[str, str]:
        wave = self.roadmap.waves.get(name)
        title = wave.title if wave else None
        return {
            "wave_title": title.en if title else name,
            "wave_title_zh": (title.zh or title.en) if title else name,
            "wave_owner": (wave.owner if wave else None) or "",
        }

    def day(self, key: str, now: float) -> str:
        """Return the unit's own date."""
        return self._today(key, now).isoformat()

    def _today(self, key: str, now: float) -> date:
        return datetime.fromtimestamp(now, self._zone(key)).date()

    def _zone(self, key: str) -> ZoneInfo:
        return ZoneInfo(self.inventory.timezone(key))

    def _terms(self) -> Terms:
        return Terms(self.roadmap.calendar, self.roadmap.buffer, self.roadmap.approval)

    def _milestone(self, key: str, due: Due, today: date) -> dict[str, Any]:
        reached = self._reached(key, due.milestone.id)
        state = "undated" if due.due is None else "overdue" if due.due < today else "due"
        return {
            "id": due.milestone.id, "title": due.milestone.title.en,
            "title_zh": due.milestone.title.zh or due.milestone.title.en,
            "due": due.due.isoformat() if due.due else None, "source": due.source, "owner": due.owner,
            "state": "reached" if reached else state, "reached_on": reached,
            "workdays": between(self.roadmap.calendar, today, due.due) if due.due else None,
        }  # fmt: skip

    def _reached(self, key: str, milestone: str) -> str | None:
        """Return the day on which a milestone was reached: that of its signature, or what was written."""
        signed = self.standing.signature(milestone, key)
        if signed is not None:
            return self.day(key, signed.at)
        entry = self.standing.reached.get((milestone, key))
        return str(entry.body["on"]) if entry else None

    def _row(self, key: str, row: Row, judged: Judged) -> dict[str, Any]:
        """Return an open row with who mends it; a consequence belongs to whoever mends its cause."""
        own = self.standing.assigned(self.gate, key, row["asset"] or "", row["id"])
        entry = own or self._of_cause(key, row, judged)
        names = ("asset", "category", "title", "title_zh", "severity", "status", "reason", "detail",
                 "blocked_by", "check")  # fmt: skip
        return {"item": row["id"]} | {name: row[name] for name in names} | _assigned(entry)

    def _of_cause(self, key: str, row: Row, judged: Judged) -> Entry | None:
        """Return who mends what a row is blocked by: a row of the unit, or an asset elsewhere."""
        root = row["blocked_by"]
        if not root:
            return None
        found = [
            self.standing.assigned(self.gate, key, each["asset"] or "", each["id"])
            for each in judged["items"]
            if root in (each["check"], each["id"]) and each is not row
        ]
        unit, _, rest = str(root).partition("/")
        asset = rest.partition("/")[0]
        if rest and unit != key:
            found += self._mended_at(unit, asset)
        return max(
            (each for each in found if each), key=lambda each: str(each.body["due"] or ""), default=None
        )

    def _situation(self, key: str, judged: Judged | None, rows: Sequence[Row], now: float) -> Situation:
        zone, today = self._zone(key), self._today(key, now)
        midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), zone)
        items = {(item["id"], item["asset"]): item for item in (judged["items"] if judged else ())}
        states = tuple((judged.get("signoff") or {}).get("states", ())) if judged else ()
        broken = "regressed" in states or "drifted" in states
        asked = self._items(key) if rows else {}
        opened = [
            self._opened(key, row, items[row["item"], row["asset"]], asked.get(row["item"]), now)
            for row in rows
        ]
        return Situation(
            today, self.roadmap.due(self.inventory, key, self.gate)[0],
            judged["verdict"] if judged else "UNKNOWN", midnight.timestamp() - now, opened,
            self._approvals(key), [*_ends(judged, "attest", zone)], [*_ends(judged, "waiver", zone)],
            bool(states) and not broken, broken,
        )  # fmt: skip

    def _opened(self, key: str, row: Row, item: Row, asked: Item | None, now: float) -> Open:
        due = date.fromisoformat(row["due"]) if row["due"] else None
        soaking = row["reason"] == "soaking"
        soak = asked.soak if asked else None
        left = (item.get("soak_left_s") if soaking else None) or (
            soak.window * soak.min_coverage if soak else 0.0
        )
        calendar = soak.calendar if soak else ALWAYS_OPEN
        wall = calendar.ahead(now, left, self.inventory.timezone(key)) - now if left else 0.0
        return Open(row["owner"], due, soaking, wall)

    def _items(self, key: str) -> Mapping[str, Item]:
        if self._asked is None:
            self._asked = Asked(self.checklists, self.gate)
        return {item.id: item for item in self._asked.of(self.inventory.units[key]).items if item.soak}

    def _mended_at(self, unit: str, asset: str) -> list[Entry]:
        """Return who mends what at an asset of any unit."""
        if self._mending is None:
            self._mending = {}
            for (gate, where, what, _), entries in self.standing.assignments.items():
                if gate == self.gate:
                    self._mending.setdefault((where, what), []).append(entries[-1])
        return self._mending.get((unit, asset), [])

    def _approvals(self, key: str) -> int:
        """Return how many decisions of an approver a unit waits for."""
        if self._waiting is None:
            asked = [each.entry for each in self.standing.asked.values() if each.state == "requested"]
            stated = [
                each.entry
                for each in self.standing.attestations.values()
                if each.not_applicable and not each.confirmed_by
            ]
            self._waiting = Counter(each.unit for each in asked + stated if each.gate == self.gate)
        return self._waiting[key]


def _open(judged: Judged) -> Iterator[Row]:
    """Yield the rows that alone keep a unit from being ready."""
    return (
        row for row in judged["items"] if row["severity"] in GRAVE and row["status"] in ("fail", "unknown")
    )


def _assigned(entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {
            "owner": "",
            "due": None,
            "estimate_days": None,
            "note": "",
            "assigned_by": "",
            "assigned_at": None,
        }
    body = entry.body
    return {
        "owner": body["owner"], "due": body["due"], "estimate_days": body["estimate_days"],
        "note": body["note"], "assigned_by": entry.actor, "assigned_at": entry.at,
    }  # fmt: skip


def _ends(judged: Judged | None, kind: str, zone: ZoneInfo) -> Iterator[date]:
    """Yield the days on which statements that hold, or waivers in force, end."""
    for row in judged["items"] if judged else ():
        if row["severity"] not in GRAVE:
            continue
        stated = row["check"] is None and row["status"] == "pass" and row["value"] == "holds"
        text = row["expires_at"] if kind == "attest" and stated else None
        if kind == "waiver" and row["status"] == "waived" and row["waiver"]:
            text = row["waiver"]["expires_at"]
        if text:
            yield datetime.fromisoformat(text).astimezone(zone).date()


def _forecast(found: Forecast) -> dict[str, Any]:
    return {
        "status": found.status, "go_live": _iso(found.go_live), "earliest_ready": _iso(found.earliest_ready),
        "slack": found.slack, "decided_by": found.decided_by, "holidays_unknown": found.holidays_unknown,
        "reasons": [_reason(each) for each in found.reasons],
    }  # fmt: skip


def _reason(each: Reason) -> dict[str, Any]:
    texts = {"text": said(each), "text_zh": said(each, "zh")}
    return {"code": each.code, "n": each.n, "day": _iso(each.day), **texts}


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _counts(rows: Iterable[Row]) -> dict[str, int]:
    found = {"open": 0, "failing": 0, "unknown": 0, "unassigned": 0}
    for row in rows:
        found["open"] += 1
        found["failing" if row["status"] == "fail" else "unknown"] += 1
        found["unassigned"] += row["reason"] != "soaking" and not (row["owner"] and row["due"])
    return found
