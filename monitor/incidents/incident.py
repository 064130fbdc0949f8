"""What an incident is, and what can be decided about one: plain data.

A reading moves the state of its check (`monitor.state`); troubles are gathered under their roots by
`correlator`, whose decisions are these. `monitor.store.incidents` applies each in one transaction:

1. Read the root's open incident, or that there is none.
2. Open: insert. A unique index allows one open incident a root; opening it again only adds the member.
3. Update or close: write only where the version is still the one read in 1, and raise it by one. If it is not
   (a person acknowledged, another process acted), nothing was written: go to 1.
4. Append what happened to the incident's history, and keep its members.
5. Queue the messages it causes, each under a key that names incident, event and recipient, so that queueing
   it again does nothing.
6. Commit. Before this nothing of it exists; after it nothing of it can be lost. A process killed in between
   starts again from the states it saved, and the same troubles lead here anew.

UNKNOWN opens an incident where measuring failed (an error, a value not reported, silence), not where the
monitor itself did not run the check; nobody is mailed for it unless `notify` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from inventory.units import render
from monitor.state import DRIFTS, State, Transition

REMOVED = "removed"
"""Kind of the transition that ends the incident of a check which is no longer in the inventory."""

ADOPTED = "adopted"
"""Kind of the transition that ends an incident though nothing came back: what is worse has become usual."""

RECOVERED, ABSORBED = "recovered", "absorbed"
"""The other ways in which an incident ends (`Incident.ending`)."""

BY_HAND = "by_hand"
"""Kind of the transition that ends an incident which a person closed; its state is what it was."""


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
SIGNED_OFF = "/~sign-off"
"""Ends the root of the incident in which a signed unit is no longer what was signed."""
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
class Adopted:
    """A series whose worse level lasted until it was the usual one; values in its metric's unit."""

    check: str
    metric: str
    unit: str
    now: float
    was: float
    since: float
    """When it was noticed to be worse, epoch seconds."""
    at: float
    """When it became the usual level."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A span in which something was not OK. Times are seconds since the epoch, UTC.

    `root` is what it is about: a check (`unit/asset/check`), an asset that does not answer (`unit/asset`), a
    unit whose channels fail together (`unit`), a unit's sign-off (`unit/~sign-off`), or `ISOLATED`.
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
    """Opened again and again within an hour: it stays open for longer, and its end is told once."""
    acked_by: str = ""
    acked_at: float | None = None
    ack_until: float | None = None
    ack_comment: str = ""
    snoozed_until: float | None = None
    tier: int = 0
    """The highest tier that was told, 0 for none."""
    next_at: float | None = None
    """When it is next looked at whether somebody has to be told."""
    told_at: float | None = None
    """When somebody was last told that it opened or got worse: un-acknowledged time counts from then."""
    ending: str = ""
    """How it ended: RECOVERED, ADOPTED, REMOVED, BY_HAND or ABSORBED; empty while it is open."""

    @property
    def thread(self) -> str:
        """Names the incident to its messages; unlike the id, never used again after a restored backup."""
        return f"incident:{self.id}:{self.opened_at:.3f}"

    @property
    def unit(self) -> str:
        """The unit it is in; empty for `ISOLATED`."""
        return "" if self.root == ISOLATED else self.root.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Open:
    """Open the incident of a root, or find it open."""

    root: str
    state: State
    kind: str
    detail: str
    since: float
    """Start of the first reading that speaks for it."""
    rule: str
    member: Member | None
    at: float
    damped: bool = False
    follows: str = ""
    """The root behind which it was until now: who was told of that is told of this as its residue."""


@dataclass(frozen=True, slots=True)
class Join:
    """Take checks into the incident of a root, or note their new states; `detail` is of the first."""

    root: str
    members: tuple[Member, ...]
    at: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Leave:
    """Take a check out: it is OK, gone, or has another cause."""

    root: str
    check: str
    at: float


@dataclass(frozen=True, slots=True)
class Recover:
    """Note that all of its members are OK; `usual` are series that are only called so by now."""

    root: str
    at: float
    usual: tuple[Adopted, ...] = ()


@dataclass(frozen=True, slots=True)
class Residue:
    """Tell that the root serves again and these roots still do not."""

    root: str
    left: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Shut:
    """Close it; `kind` is `REMOVED` where nothing of it is in the inventory any more.

    With `into`, its cause turned out to be that root: it is absorbed by the incident of that. With `usual`,
    it did not recover: these levels have become the usual ones.
    """

    root: str
    at: float
    kind: str = ""
    into: str = ""
    usual: tuple[Adopted, ...] = ()


Decision = Open | Join | Leave | Recover | Residue | Shut


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
    left: tuple[str, ...] = ()
    """Of a residue: the roots that still fail."""
    threads: tuple[str, ...] = ()
    """`Incident.thread` of those it took in: their conversations go on in its own."""
    units: int = 0
    """How many units besides the root's are in it; of one that is over: were."""
    usual: tuple[Adopted, ...] = ()
    """Of one that ended as ADOPTED: what is usual now."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is new of one check: its state's row (None: the check is gone)."""

    check: str
    row: Sequence[Any] | None


@dataclass(slots=True)
class Committed:
    """What a commit did; `lost` are roots whose incident was no longer open, `made` those opened by it."""

    opened: int = 0
    closed: int = 0
    queued: int = 0
    dropped: int = 0
    left_out: int = 0
    """Decisions that could not be recorded whatever was tried."""
    lost: list[str] = field(default_factory=list)
    made: list[Incident] = field(default_factory=list)

    def add(self, other: Committed) -> None:
        """Add what another commit did."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


SEVERITIES = {
    State.DOWN: Severity.CRITICAL, State.SHADOWED: Severity.CRITICAL, State.DEGRADED: Severity.WARNING,
    State.UNKNOWN: Severity.INFO, State.OK: Severity.INFO,
}  # fmt: skip
DRIFT_SEVERITIES = dict(
    zip(DRIFTS, (Severity.CRITICAL, Severity.WARNING, Severity.INFO, Severity.INFO), strict=True)
)
"""Of what runs, but not as released: as grave as the component."""
NOTIFY = frozenset({State.DOWN, State.DEGRADED})
"""The states that are worth a message, unless the settings say otherwise."""
INFERRED = "inferred"
"""Kind of an incident whose root was not seen to fail itself (`topology`)."""
UNDECIDED = "undecided"
"""Kind of an incident whose cause could not be told from that of what lies above it."""
_RANK = {State.OK: 0, State.UNKNOWN: 1, State.DEGRADED: 2, State.SHADOWED: 3, State.DOWN: 3}


def apart(root: str) -> bool:
    """Tell whether a root is no check, asset or unit that could be measured."""
    return root == ISOLATED or root.endswith(SIGNED_OFF)


def level(value: float, unit: str) -> str:
    """Return a level of a series to the three digits that it is known to."""
    return render(float(f"{value:.3g}"), unit)


def usual_now(usual: Sequence[Adopted]) -> str:
    """Say which levels have become usual, and what was before, for histories; empty where none has."""
    return "; ".join(
        f"{each.check}: {each.metric} now usually {level(each.now, each.unit)}, since"
        f" {datetime.fromtimestamp(each.since, UTC):%Y-%m-%dT%H:%M:%SZ}; was {level(each.was, each.unit)}"
        for each in usual
    )


def worth(incident: Incident, notify: frozenset[State]) -> bool:
    """Tell whether people hear of an incident: by its state, and where the cause could not be told."""
    return incident.state in notify or incident.kind == UNDECIDED


def worse(one: State, other: State) -> State:
    """Return the more severe of two states; SHADOWED weighs as DOWN."""
    return max(one, other, key=_RANK.__getitem__)


def severity(state: State, kind: str) -> Severity:
    """Return how urgent an incident of this state and kind is."""
    if state is State.DEGRADED and kind in DRIFT_SEVERITIES:
        return DRIFT_SEVERITIES[kind]
    return Severity.WARNING if kind == UNDECIDED else SEVERITIES[state]
