"""What the monitor believes of a check: pure decisions, the clock passed in.

How a belief moves, with the defaults of `Policy`:

    reading                            evidence     what it does
    ok, every instant condition PASS   OK           2 in a row end DOWN, DEGRADED, UNKNOWN or SHADOWED
                                                    (the first one of a check that never had a state: 1)
    ok, a condition FAIL               DEGRADED     3 in a row that are not OK; out of DOWN: 2 that served
    ok, a condition UNKNOWN            UNKNOWN      as an error: it does not make OK
    failed                             DOWN         suspect at once, DOWN after 2 in a row
    error, not_run                     UNKNOWN      3 in a row; no part of a run of measurements, nor its end
    none for 2 x every + timeout       UNKNOWN      at once, by `fall_silent`

A reading that measured nothing never makes DOWN, and what a check never measured is UNKNOWN from the start.
A check whose readings change sides 6 times in 16 is DEGRADED (`flapping`) instead of OK, until 2 or fewer.
SHADOWED is given and taken by the topology; here only served readings end it.

The phase says what is under way within the state: `steady`; `suspect`, the latest measurement is worse than
the state; `pending`, evidence of something better, or none at all, is gathering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from operator import attrgetter
from typing import Any

from monitor.readiness.expectation import Truth
from probes.api import Outcome, Reading, clip

SILENT = "silent"
FLAPPING = "flapping"
DEGRADATION = "degradation"
"""Kind of DEGRADED that a detector noticed."""
DRIFTS = ("drift_blocker", "drift", "drift_minor", "drift_info")
"""Kinds of DEGRADED where what was as released no longer is: by severity, the worst first."""
SHADED = "shadowed"
"""Kind of the transitions that the topology makes."""
NOT_MEASURED = "not_measured"
WINDOW = 16
"""Measurements over which changes of side are counted; bits of `CheckState.history`."""


class State(StrEnum):
    """The belief."""

    OK = "OK"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    UNKNOWN = "UNKNOWN"
    SHADOWED = "SHADOWED"


class Phase(StrEnum):
    """What is under way within a state."""

    STEADY = "steady"
    SUSPECT = "suspect"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Policy:
    """How much evidence moves a state: readings in a row, and changes of side among the last 16."""

    down_after: int = 2
    up_after: int = 2
    degraded_after: int = 3
    unknown_after: int = 3
    flap_enter: int = 6
    flap_leave: int = 2

    def __post_init__(self) -> None:
        if min(self.down_after, self.up_after, self.degraded_after, self.unknown_after) < 1:
            raise ValueError("a state needs at least one reading to change; write 1 or more")
        if not 0 <= self.flap_leave < self.flap_enter:
            raise ValueError("flap_leave must be below flap_enter, else flapping never ends")


@dataclass(slots=True)
class CheckState:
    """The belief of one check, changed in place. Times are seconds since the epoch, 0 for never.

    A run is a count of readings in a row with a sign, and the start of its first one: `reach` counts
    readings that served (+) or failed (-), `fit` those that were as expected (+) or not (-).
    """

    check: str
    state: State = State.UNKNOWN
    phase: Phase = Phase.PENDING
    since: float = 0.0
    """Start of the first reading of the run that made the state: when it began, as far as is known."""
    decided_at: float = 0.0
    """Start of the reading that decided the state; 0 while none ever did."""
    changed_at: float = 0.0
    """When state or phase last changed, by the monitor's clock."""
    kind: str = ""
    detail: str = ""
    reach: int = 0
    reach_at: float = 0.0
    fit: int = 0
    fit_at: float = 0.0
    unknown: int = 0
    unknown_at: float = 0.0
    history: int = 0
    """The last 16 measurements, newest lowest, 1 where it was not as expected."""
    attempted_at: float = 0.0
    measured_at: float = 0.0
    calm: bool = False
    """OK, steady and nothing remembered against it: one more OK changes nothing but the times."""


@dataclass(slots=True)
class Transition:
    """A change of state, of its cause, or of phase alone (`hard` is False), with the evidence behind it."""

    check: str
    before: State
    after: State
    phase: Phase
    at: float
    """When it was decided, by the monitor's clock."""
    since: float
    """Start of the first reading that spoke for it."""
    decided_at: float
    """Start of the reading that decided it."""
    outcome: Outcome | None
    """Of that reading; None for silence."""
    kind: str
    detail: str
    graver: bool = False
    """Whether the state is the same, but for a graver cause than was known."""

    @property
    def hard(self) -> bool:
        """Whether the state or its cause changed, not only the phase."""
        return self.before is not self.after or self.graver


_RUN_OK, _RUN_FAILED, _NOT_RUN = Outcome.OK, Outcome.FAILED, Outcome.NOT_RUN
_PASS, _FAIL = Truth.PASS, Truth.FAIL
_OK, _DEGRADED, _DOWN = State.OK, State.DEGRADED, State.DOWN
_UNKNOWN, _SHADOWED = State.UNKNOWN, State.SHADOWED
_CONSEQUENCES = frozenset({"circuit_open", "blocked", "isolated", "maintenance"})
"""Reasons not to run (or not to count) that leave a known failure known: no evidence against DOWN."""


def advance(
    state: CheckState,
    reading: Reading,
    judged: Truth,
    policy: Policy,
    now: float,
    noticed: str = "",
    kind: str = DEGRADATION,
) -> Transition | None:
    """Take one reading into account; return what changed, or None.

    `judged` is the truth of the check's own instant expectations, PASS where it has none; it is read only
    where the outcome is ok. `noticed` says what a detector has noticed in the series up to this reading: it
    needs no more evidence; `kind` is its cause. A reading that started before the one last taken is too late
    to count.
    """
    if noticed and reading.outcome is _RUN_OK and judged is not _FAIL:
        judged = _FAIL
        state.fit_at = state.fit_at if state.fit < 0 else reading.at
        state.fit, state.calm = min(state.fit, 1 - policy.degraded_after), False
        reading = replace(reading, kind=kind, detail=noticed)
    if state.calm and reading.outcome is _RUN_OK and judged is _PASS and reading.at >= state.attempted_at:
        state.attempted_at = state.measured_at = reading.at
        return None
    if reading.at < state.attempted_at <= now or _ignored(state, reading):
        return None
    return _weigh(state, reading, judged, policy, now)


def _ignored(state: CheckState, reading: Reading) -> bool:
    """Whether a run that was not made says nothing: stopping is ours, and a known failure stays known."""
    if reading.outcome is not _NOT_RUN:
        return False
    if reading.kind in _CONSEQUENCES and state.state in (_DOWN, _SHADOWED):
        state.attempted_at = reading.at
        return True
    return reading.kind == "shutdown"


def _weigh(
    state: CheckState, reading: Reading, judged: Truth, policy: Policy, now: float
) -> Transition | None:
    evidence = _evidence(reading, judged)
    state.attempted_at = reading.at
    if reading.outcome.measured:
        state.measured_at = reading.at
    if evidence is _UNKNOWN:
        state.unknown += 1
        if state.unknown == 1:
            state.unknown_at = reading.at
        after = _when_blind(state, policy)
    else:
        _count(state, evidence, reading.at)
        after = _when_seen(state, evidence, policy)
    return _settle(state, after, evidence, reading, now)


def _evidence(reading: Reading, judged: Truth) -> State:
    """Return the state this one reading speaks for."""
    if reading.outcome is _RUN_FAILED:
        return _DOWN
    if reading.outcome is not _RUN_OK:
        return _UNKNOWN
    return _OK if judged is _PASS else _DEGRADED if judged is _FAIL else _UNKNOWN


def _count(state: CheckState, evidence: State, at: float) -> None:
    """Lengthen the two runs of measurements, or start them anew."""
    state.unknown = 0
    state.reach = _run(state.reach, evidence is not _DOWN)
    if abs(state.reach) == 1:
        state.reach_at = at
    state.fit = _run(state.fit, evidence is _OK)
    if abs(state.fit) == 1:
        state.fit_at = at
    state.history = (state.history << 1 | (evidence is not _OK)) & ((1 << WINDOW) - 1)


def _run(count: int, good: bool) -> int:
    return max(count, 0) + 1 if good else min(count, 0) - 1


def _when_blind(state: CheckState, policy: Policy) -> State:
    """Return the state after one more attempt that told nothing."""
    if state.state is _SHADOWED or state.unknown < policy.unknown_after:
        return state.state
    return _UNKNOWN


def _when_seen(state: CheckState, evidence: State, policy: Policy) -> State:
    """Return the state after one more measurement, worst first."""
    current = state.state
    if -state.reach >= policy.down_after:
        return current if current is _SHADOWED else _DOWN
    if current in (_DOWN, _SHADOWED) and state.reach < policy.up_after:
        return current
    unsteady = _flaps(state, policy)
    if state.fit >= (policy.up_after if state.decided_at else 1):
        return _DEGRADED if unsteady else _OK
    if unsteady:
        return _DEGRADED
    enough = current in (_DOWN, _SHADOWED) or -state.fit >= policy.degraded_after
    return _DEGRADED if evidence is _DEGRADED and enough else current


def _flaps(state: CheckState, policy: Policy) -> bool:
    """Whether the last measurements change sides too often to be called OK."""
    changes = ((state.history ^ state.history >> 1) & ((1 << (WINDOW - 1)) - 1)).bit_count()
    return changes > policy.flap_leave if state.kind == FLAPPING else changes >= policy.flap_enter


def _settle(
    state: CheckState, after: State, evidence: State, reading: Reading, now: float
) -> Transition | None:
    """Write the decision down; return what changed."""
    before, phase_before, kind_before = state.state, state.phase, state.kind
    if after is not before:
        state.state, state.decided_at = after, reading.at
        state.since = _began(state, evidence)
    graver = after is before is evidence is _DEGRADED and _rank(reading.kind) < _rank(state.kind)
    if after is not before or graver or (after is _UNKNOWN and evidence is _UNKNOWN):
        state.kind, state.detail = _cause(after, evidence, reading)
    if after is _UNKNOWN and before is not _UNKNOWN:
        state.reach = state.fit = state.history = 0
    state.phase = _phase(state)
    state.calm = after is _OK and state.phase is Phase.STEADY and not state.history
    if after is before and state.phase is phase_before and not graver and not _blinded(state, kind_before):
        return None
    state.changed_at = now
    return _transition(state, before, evidence, reading, now, graver)


def _rank(kind: str) -> int:
    """Return how grave a cause of DEGRADED is, the gravest first: what is no drift weighs as a major one."""
    return DRIFTS.index(kind if kind in DRIFTS else DRIFTS[1])


def _blinded(state: CheckState, kind_before: str) -> bool:
    """Whether what could not be measured for one reason now can't be for another."""
    return state.state is _UNKNOWN and bool(kind_before) and state.kind != kind_before


def _transition(
    state: CheckState, before: State, evidence: State, reading: Reading, now: float, graver: bool
) -> Transition:
    kind, detail = (
        (state.kind, state.detail) if state.state is not before else _cause(evidence, evidence, reading)
    )
    return Transition(
        state.check, before, state.state, state.phase, now,
        _began(state, evidence), reading.at, reading.outcome, kind, detail, graver,
    )  # fmt: skip


def _began(state: CheckState, evidence: State) -> float:
    """Return the start of the run of readings that `evidence` belongs to."""
    if evidence is _UNKNOWN:
        return state.unknown_at
    return state.reach_at if evidence is _DOWN else state.fit_at


def _cause(after: State, evidence: State, reading: Reading) -> tuple[str, str]:
    if after is _OK:
        return "", ""
    if after is _DEGRADED and evidence is not _DEGRADED:
        return FLAPPING, f"changes between good and bad; latest: {reading.kind or reading.outcome.value}"
    if after is _DEGRADED:
        return reading.kind or "expectation", clip(reading.detail)
    return reading.kind or NOT_MEASURED, clip(reading.detail)


def _phase(state: CheckState) -> Phase:
    """Return the phase that the runs give within the state."""
    current = state.state
    if current in (_DOWN, _SHADOWED):
        return Phase.PENDING if state.reach > 0 or state.unknown else Phase.STEADY
    if (state.reach if current is _DEGRADED else state.fit) < 0:
        return Phase.SUSPECT
    if current is _UNKNOWN:
        return Phase.PENDING if state.fit > 0 or not state.decided_at else Phase.STEADY
    return Phase.PENDING if state.unknown or (current is _DEGRADED and state.fit > 0) else Phase.STEADY


def silent(state: CheckState, every: float, timeout: float, now: float, floor: float = 0.0) -> bool:
    """Whether no attempt was made for longer than 2 x every + timeout, all in seconds.

    `floor` is since when attempts could be expected at all: the monitor's own start, or the end of a span
    in which it did not run. An attempt that lies in the future (the clock was set back) counts as `floor`.
    """
    last = state.attempted_at if floor < state.attempted_at <= now else floor
    return now - last > 2 * every + timeout


def fall_silent(state: CheckState, now: float) -> Transition | None:
    """Make a check that is no longer attempted UNKNOWN; return what changed, or None."""
    before = state.state
    if before in (_UNKNOWN, _SHADOWED):
        return None
    last = state.attempted_at
    state.state, state.phase, state.kind, state.calm = _UNKNOWN, Phase.STEADY, SILENT, False
    state.detail = "no attempt was made"
    state.since = state.decided_at = last
    state.changed_at = now
    state.reach = state.fit = state.unknown = state.history = 0
    return Transition(
        state.check, before, _UNKNOWN, Phase.STEADY, now, last, last, None, SILENT, state.detail
    )


def shade(state: CheckState, why: str, now: float) -> Transition | None:
    """Make a check that is DOWN SHADOWED by what lies above it (`why` names it), or DOWN again (no `why`).

    Return what changed, or None where the state is neither.
    """
    before = state.state
    after = _SHADOWED if why else _DOWN
    if before not in (_DOWN, _SHADOWED) or after is before:
        return None
    state.state, state.changed_at = after, now
    return Transition(
        state.check, before, after, state.phase, now, state.since, state.decided_at, None, SHADED, clip(why)
    )


COLUMNS = tuple(field.name for field in fields(CheckState))
"""Names of the columns of a stored state, in the order of `to_row`."""
_row = attrgetter(*COLUMNS)


def to_row(state: CheckState) -> tuple[Any, ...]:
    """Return the state as a flat row of text and numbers."""
    row: tuple[Any, ...] = _row(state)
    return row


def from_row(row: Sequence[Any]) -> CheckState:
    """Return the state a row holds. Raises ValueError where the row names no state or phase."""
    state = CheckState(*row)
    state.state, state.phase, state.calm = State(row[1]), Phase(row[2]), bool(state.calm)
    return state
