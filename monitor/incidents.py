"""When an incident opens, changes and closes: pure decisions.

The recipe, as `monitor.store.incidents` applies it, all of it in one transaction:

1. Read the check's open incident, or that there is none.
2. Decide from the transition and that incident what to do (`decide`); here nothing is written.
3. Open: insert. A unique index allows one open incident a check; if somebody else opened one, go to 1.
4. Update or close: write only where the version is still the one read in 1, and raise it by one.
   If it is not (a person acknowledged, another process acted), nothing was written: go to 1.
5. Append what happened to the incident's history, and keep its members.
6. Queue the messages it causes, each under a key that names incident, event and recipient, so that queueing
   it again does nothing.
7. Save the state that the transition led to.
8. Commit. Before this nothing of it exists; after it nothing of it can be lost. A process killed in between
   starts again from the state it saved last, and the next readings lead here anew.

UNKNOWN opens an incident where measuring failed (an error, a value not reported, silence), not where the
monitor itself did not run the check; nobody is mailed for it unless `notify` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from monitor.state import State, Transition
from probes.api import Outcome

REMOVED = "removed"
"""Kind of the transition that ends the incident of a check which is no longer in the inventory."""


class Step(StrEnum):
    """What is done to the incident."""

    NONE = "none"
    OPEN = "open"
    UPDATE = "update"
    CLOSE = "close"


class Notice(StrEnum):
    """What is told about it."""

    OPENED = "opened"
    WORSE = "worse"
    RESIDUAL = "residual"
    """The root serves again, some members still do not."""
    ESCALATED = "escalated"
    REMINDER = "reminder"
    CLOSED = "closed"


class Severity(StrEnum):
    """How urgent an incident is: of its worst state."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


ISOLATED = "isolated"
"""Root, and kind, of the incident in which the monitor itself is cut off."""
MOST_MEMBERS = 200
"""Members that are listed with an event; `Event.total` counts them all."""


@dataclass(frozen=True, slots=True)
class Member:
    """A check in an incident. Times are seconds since the epoch, UTC."""

    check: str
    state: State
    kind: str
    since: float
    joined_at: float
    left_at: float | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """A span in which something was not OK. Times are seconds since the epoch, UTC.

    `root` is what it is about: a check (`unit/asset/check`), an asset that does not answer (`unit/asset`), a
    unit whose channels fail together (`unit`), or `ISOLATED`.
    """

    id: int
    version: int
    root: str
    kind: str
    detail: str
    state: State
    worst: State
    began_at: float
    """Start of the first reading that spoke for it."""
    opened_at: float
    closed_at: float | None = None
    notified: bool = False
    previous: int | None = None
    """The root's incident before this one, if it was closed shortly before."""
    severity: Severity = Severity.WARNING
    rule: str = ""
    """JSON: the rule that opened it, and the readings it was applied to."""
    recovered_at: float | None = None
    """Since when all of its members are OK."""
    absorbed_by: int | None = None
    """The incident whose root turned out to be the cause of this one."""
    damped: bool = False
    """Opened more often than people want to hear; its end is told."""
    acked_by: str = ""
    acked_at: float | None = None
    ack_until: float | None = None
    ack_comment: str = ""
    snoozed_until: float | None = None
    tier: int = 0
    """The highest tier that was told, 0 for none."""
    next_at: float | None = None
    """When it is next looked at whether somebody has to be told."""

    @property
    def thread(self) -> str:
        """Names the incident to its messages; unlike the id, never used again after a restored backup."""
        return f"incident:{self.id}:{self.opened_at:.3f}"

    @property
    def unit(self) -> str:
        """The unit it is in; empty for `ISOLATED`."""
        return "" if self.root == ISOLATED else self.root.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Action:
    """What follows from a transition; `notice` is None where nobody is told."""

    step: Step = Step.NONE
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to an incident: the incident as it is now, and what did it."""

    notice: Notice
    incident: Incident
    transition: Transition
    told: tuple[str, ...] = ()
    """Who was told of this incident before."""
    members: tuple[Member, ...] = ()
    """What is in it, worst first, at most `MOST_MEMBERS`."""
    total: int = 0
    at: float = 0.0
    """When it happened, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is new of one check: its state's row (None: the check is gone) and its transitions in order."""

    check: str
    row: Sequence[Any] | None
    transitions: Sequence[Transition] = ()


@dataclass(slots=True)
class Committed:
    """What a commit did."""

    opened: int = 0
    closed: int = 0
    queued: int = 0
    dropped: int = 0


SEVERITIES = {
    State.DOWN: Severity.CRITICAL, State.DEGRADED: Severity.WARNING, State.UNKNOWN: Severity.INFO,
}  # fmt: skip
NOTIFY = frozenset({State.DOWN, State.DEGRADED})
"""The states that are worth a message, unless the settings say otherwise."""
NOTHING = Action()
_SEVERITY = {State.OK: 0, State.SHADOWED: 0, State.UNKNOWN: 1, State.DEGRADED: 2, State.DOWN: 3}


def decide(transition: Transition, incident: Incident | None, notify: frozenset[State]) -> Action:
    """Return what `transition` does to the check's open incident (None: there is none)."""
    if incident is None:
        return _without(transition, notify)
    if transition.after is State.OK or transition.kind == REMOVED:
        return Action(Step.CLOSE, Notice.CLOSED if incident.notified else None)
    if transition.after is incident.state:
        return NOTHING
    return Action(Step.UPDATE, _worsening(transition.after, incident, notify))


def _without(transition: Transition, notify: frozenset[State]) -> Action:
    after = transition.after
    if after in (State.OK, State.SHADOWED) or transition.kind == REMOVED:
        return NOTHING
    if after is State.UNKNOWN and transition.outcome is Outcome.NOT_RUN:
        return NOTHING
    return Action(Step.OPEN, Notice.OPENED if after in notify else None)


def _worsening(after: State, incident: Incident, notify: frozenset[State]) -> Notice | None:
    """Tell of each worst state once: an incident nobody was told of is opened for them by it."""
    if after not in notify:
        return None
    if not incident.notified:
        return Notice.OPENED
    return Notice.WORSE if _SEVERITY[after] > _SEVERITY[incident.worst] else None


def worse(one: State, other: State) -> State:
    """Return the more severe of two states."""
    return max(one, other, key=_SEVERITY.__getitem__)
