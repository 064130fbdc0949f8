"""What the correlator keeps: troubles of single checks, and open incidents as far as it needs them."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.incidents.incident import Member
from monitor.incidents.topology import FAILING, Finding, How, View
from monitor.state import CheckState, State
from probes.errors import NOT_RUN_REASONS


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things are waited for, in seconds, and how often a root may open in an hour."""

    hold: float = 45.0
    stable: float = 300.0
    openings: int = 3


@dataclass(slots=True)
class Trouble:
    """A check that is not OK."""

    belief: CheckState
    noted: float
    """When it was first suspected, by the monitor's clock."""
    firm: float
    """When it became certain."""
    root: str = ""
    """Of the incident it is in."""
    after: float = 0.0
    """When what lies above it served again; it has to show two results since."""
    reach: int = 0
    """Its run of failures at that time, and of what was not as expected."""
    fit: int = 0
    told: State | None = None
    """The state in which its incident has it."""

    @property
    def asset(self) -> str:
        """Return `unit/asset`."""
        return self.belief.check.rpartition("/")[0]


@dataclass(slots=True)
class Group:
    """An open incident, as far as it is needed here."""

    root: str
    how: How
    members: set[str] = field(default_factory=set)
    most: int = 0
    """Members it had at most."""
    recovering: float = 0.0
    """Since when its root serves again, while some members don't; 0 otherwise."""
    recovered: float = 0.0
    """Since when it has no members."""
    residue: list[str] = field(default_factory=list)
    damped: bool = False
    usual: bool = False
    """Whether a member left since its worse level became the usual one: the root serves no better for it."""


def member_of(trouble: Trouble, now: float) -> Member:
    """Return a trouble as the member of an incident that it is from now on."""
    state = trouble.belief
    return Member(state.check, state.state, state.kind, state.since, now)


def ours(state: CheckState) -> bool:
    """Whether nothing is known of a check since the monitor did not run it: that is no trouble."""
    return state.state is State.UNKNOWN and state.kind in NOT_RUN_REASONS


def plain(state: State) -> State:
    """Return what a member's state means for the incident: SHADOWED is DOWN."""
    return State.DOWN if state is State.SHADOWED else state


def since_of(trouble: Trouble) -> float:
    """Return since when what lies above has to have answered to be no cause of it."""
    return max(trouble.belief.since, trouble.after)


def is_hidden(trouble: Trouble, finding: Finding, view: View) -> bool:
    """Tell whether something else than the check itself is the cause, so that it is SHADOWED."""
    check = trouble.belief.check
    if finding.how is How.UNDECIDED:
        return True
    if finding.root != trouble.asset:
        return finding.root != check
    reach = [each for each in view.beliefs(trouble.asset) if each.reach and each.state in FAILING]
    return bool(reach) and not any(each.check == check for each in reach)
