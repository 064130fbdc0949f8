"""Incidents and announced work as JSON documents, for the command line and the API alike. Pure.

`muster.incidents/1` is a list, `muster.incident/1` one incident, `muster.maintenance/1` announced work.
Times are ISO 8601, UTC, with a `Z`; what is not (yet) is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from monitor.incidents.incident import Incident, Member
from monitor.incidents.topology_record import replay
from monitor.people.maintenance import Maintenance, Planned
from monitor.store.incident_views import Listed, Told, Whole
from probes.api import Reading

Names = Mapping[str, tuple[str, str]]
"""Name and Chinese name of units, as far as they are known."""
NOTHING = ("", "")


def stamp(at: float | None) -> str | None:
    """Return a time as documents write it."""
    if at is None or not math.isfinite(at):
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def listing(found: Sequence[Listed], names: Names, now: float) -> dict[str, Any]:
    """Return a list of incidents."""
    rows = [head(each.incident, names, now) | {"members": each.members} for each in found]
    return {"schema": "muster.incidents/1", "at": stamp(now), "incidents": rows}


def head(incident: Incident, names: Names, now: float) -> dict[str, Any]:
    """Return what is said of an incident everywhere."""
    name, name_zh = names.get(incident.unit, NOTHING)
    return {
        "id": incident.id, "version": incident.version, "root": incident.root, "unit": incident.unit,
        "name": name, "name_zh": name_zh,
        "state": incident.state.value, "worst": incident.worst.value, "severity": incident.severity.value,
        "kind": incident.kind, "detail": incident.detail, "open": incident.closed_at is None,
        "ended": incident.ending or None,
        "began_at": stamp(incident.began_at), "opened_at": stamp(incident.opened_at),
        "recovered_at": stamp(incident.recovered_at), "closed_at": stamp(incident.closed_at),
        "acknowledged": acknowledgement(incident, now),
        "snoozed_until": stamp(incident.snoozed_until), "tier": incident.tier,
        "told": incident.notified, "damped": incident.damped,
        "previous": incident.previous, "absorbed_by": incident.absorbed_by,
    }  # fmt: skip


def acknowledgement(incident: Incident, now: float) -> dict[str, Any] | None:
    """Return who has taken it over; None where nobody has, or no longer."""
    if not incident.acked_by or (incident.ack_until is not None and incident.ack_until <= now):
        return None
    return {
        "by": incident.acked_by, "at": stamp(incident.acked_at), "until": stamp(incident.ack_until),
        "comment": incident.ack_comment,
    }  # fmt: skip


def document(found: Whole, names: Names, now: float) -> dict[str, Any]:
    """Return one incident with all that is known of it."""
    rule = rule_of(found.incident)
    return {
        "schema": "muster.incident/1", "at": stamp(now), **head(found.incident, names, now),
        "members_total": found.total, "members": [_member(each) for each in found.members],
        "history": [asdict(each) | {"at": stamp(each.at), "evidence_at": stamp(each.evidence_at)}
                    for each in found.history],
        "told_to": [_told(each) for each in found.told],
        "rule": rule, "replayed": replayed(found.incident),
        "readings": [_reading(each) for each in found.readings],
        "absorbed": list(found.absorbed),
    }  # fmt: skip


def rule_of(incident: Incident) -> Any:
    """Return the rule that opened it, as data; None where nothing was kept."""
    try:
        return json.loads(incident.rule) if incident.rule else None
    except ValueError:
        return {"text": incident.rule}


def replayed(incident: Incident) -> dict[str, str] | None:
    """Return the root that the rule gives again from what it was applied to; None where it can't be told."""
    try:
        finding = replay(incident.rule)
    except (ValueError, KeyError, TypeError):
        return None
    return {"root": finding.root, "how": finding.how.value}


def _member(member: Member) -> dict[str, Any]:
    return {
        "check": member.check, "state": member.state.value, "kind": member.kind,
        "since": stamp(member.since or None), "joined_at": stamp(member.joined_at),
        "left_at": stamp(member.left_at),
    }  # fmt: skip


def _told(told: Told) -> dict[str, Any]:
    return asdict(told) | {"queued_at": stamp(told.queued_at), "finished_at": stamp(told.finished_at)}


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "check": reading.check, "at": stamp(reading.at), "outcome": reading.outcome.value,
        "kind": reading.kind, "detail": reading.detail,
        "metrics": {name: value for name, value in reading.metrics.items() if math.isfinite(value)},
    }  # fmt: skip


def announced(found: Iterable[Maintenance], planned: Iterable[Planned], now: float) -> dict[str, Any]:
    """Return announced work with its present or next span (null: none within a week)."""
    spans = {each.work.id: each for each in planned}
    rows = [_work(each, spans.get(each.id), now) for each in found]
    return {"schema": "muster.maintenance/1", "at": stamp(now), "maintenance": rows}


def _work(work: Maintenance, planned: Planned | None, now: float) -> dict[str, Any]:
    return {
        "id": work.id, "scope": work.scope, "mode": work.mode.value, "reason": work.reason,
        "actor": work.actor, "made_at": stamp(work.made_at),
        "from": stamp(work.starts_at), "to": stamp(work.ends_at),
        "every": list(work.windows), "calendar": work.calendar, "zone": work.zone,
        "active": planned is not None and planned.active(now),
        "next_from": stamp(planned.start) if planned else None,
        "next_to": stamp(planned.end) if planned else None,
        "ended_at": stamp(work.ended_at), "ended_by": work.ended_by,
    }  # fmt: skip
