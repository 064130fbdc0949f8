"""What people do about an incident, each a step within the caller's transaction.

1. Read the incident; KeyError where there is none.
2. Refuse with `Moved` where it is closed, or no longer the version that the person looked at.
3. Write only where the version is still the one read, and raise it by one.
4. Append who did what, and when, to its history.
5. Set `next_at` to now, so that the policy looks at it again: whom to tell, and when next.

The last one to act is right; what others did before stays in the history.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from monitor.incidents.incident import BY_HAND, Incident
from monitor.store import incident_rows as rows
from monitor.store.incident_rows import HistoryRow
from probes.api import clip

MOST_TEXT = 500


class Moved(RuntimeError):  # noqa: N818 - reads better where it is raised
    """The incident is closed, or is no longer the one that the person looked at."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who acts on which incident and when (seconds since the epoch).

    With a `version`, only on the incident as it was then.
    """

    incident: int
    actor: str
    at: float
    version: int | None = None


def acknowledge(
    connection: sqlite3.Connection, act: Act, comment: str = "", until: float | None = None
) -> Incident:
    """Take an incident over, until a time or (None) its end: nobody is reminded, nothing escalates.

    Raises KeyError, Moved, and ValueError where `until` is past.
    """
    _ahead(act, until)
    comment = clip(comment, MOST_TEXT)
    said = f"{comment} ({_until(until)})".strip() if until is not None else comment
    return _step(
        connection, act, "ack", said,
        acked_by=act.actor, acked_at=act.at, ack_until=until, ack_comment=comment,
    )  # fmt: skip


def unacknowledge(connection: sqlite3.Connection, act: Act, comment: str = "") -> Incident:
    """Give an incident back: its un-acknowledged time counts anew from now. Raises KeyError, Moved."""
    incident = _open(connection, act)
    if not incident.acked_by:
        raise Moved(f"incident {act.incident} is not acknowledged")
    return _step(connection, act, "unack", comment, acked_by="", ack_comment="", ack_until=act.at)


def snooze(connection: sqlite3.Connection, act: Act, until: float, comment: str = "") -> Incident:
    """Keep quiet about an incident until a time, without taking it over.

    Raises KeyError, Moved, and ValueError where `until` is past.
    """
    _ahead(act, until)
    return _step(connection, act, "snooze", f"{comment} ({_until(until)})".strip(), snoozed_until=until)


def close(connection: sqlite3.Connection, act: Act, reason: str) -> Incident:
    """Close an incident by hand; its state stays what it was, since nobody measured anything better.

    Its end is told to those who were told of it, when it is next looked at. Raises KeyError, Moved, and
    ValueError without a reason.
    """
    if not reason.strip():
        raise ValueError("write why it is closed")
    changes = {"closed_at": act.at, "snoozed_until": None, "ending": BY_HAND}
    closed = _step(connection, act, f"close:{BY_HAND}", reason, **changes)
    rows.leave(connection, closed.id, None, act.at)
    return closed


def note(connection: sqlite3.Connection, act: Act, text: str) -> Incident:
    """Append a note to an incident's history, also of a closed one. Raises KeyError, ValueError if empty."""
    if not text.strip():
        raise ValueError("write what is to be noted")
    incident = _known(connection, act)
    if incident.closed_at is None:
        return _step(connection, act, "note", text)
    _history(connection, incident, act, "note", text)
    return incident


def _ahead(act: Act, until: float | None) -> None:
    if until is not None and until <= act.at:
        raise ValueError(f"{_moment(until)} is past; write a later time")


def _known(connection: sqlite3.Connection, act: Act) -> Incident:
    found = rows.select(connection, "id = ?", act.incident)
    if not found:
        raise KeyError(act.incident)
    return found[0]


def _open(connection: sqlite3.Connection, act: Act) -> Incident:
    incident = _known(connection, act)
    if incident.closed_at is not None:
        raise Moved(f"incident {incident.id} was closed at {_moment(incident.closed_at)}")
    if act.version is not None and act.version != incident.version:
        raise Moved(f"incident {incident.id} has changed since you looked at it; look again")
    return incident


def _step(connection: sqlite3.Connection, act: Act, what: str, detail: str, **changes: object) -> Incident:
    incident = _open(connection, act)
    changed = rows.update(connection, incident, next_at=act.at, **changes)
    if changed is None:
        raise Moved(f"incident {incident.id} is being changed; try again")
    _history(connection, changed, act, what, detail)
    return changed


def _history(connection: sqlite3.Connection, incident: Incident, act: Act, what: str, detail: str) -> None:
    row = HistoryRow(act.at, act.actor, what, incident.state, incident.kind, clip(detail, MOST_TEXT), None)
    rows.add_history(connection, incident.id, row)


def _until(until: float) -> str:
    return f"until {_moment(until)}"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
