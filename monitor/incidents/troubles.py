"""What the correlator keeps: troubles of single checks, and open incidents as far as it needs them."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.incidents.incident import Member
from monitor.incidents.topology import FAILING, SHARE_BEHIND, Finding, How, View
from monitor.state import SILENT, CheckState, Phase, State
from probes.errors import NOT_RUN_REASONS

HOUR_S = 3600.0
_LATE_S, _FIRM_S = 5.0, 3.0
PATIENCE_S = 180.0
"""How much longer a link that got worse is held back while what lies above it leans towards the same."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things are waited for, in seconds, and how often a root may open in an hour."""

    hold: float = 45.0
    stable: float = 300.0
    openings: int = 3

    def ready(self, trouble: Trouble) -> float:
        """Return from when on a trouble goes into an incident."""
        if trouble.after:
            return max(trouble.after, trouble.firm)
        return max(trouble.noted + self.hold, trouble.firm + min(_FIRM_S, self.hold))

    def late(self, trouble: Trouble, now: float) -> bool:
        """Tell whether there is no more time to ask what its cause is."""
        return now >= self.ready(trouble) + min(_LATE_S, self.hold)

    def patient(self, trouble: Trouble, now: float) -> bool:
        """Tell whether what leans may still be waited for."""
        return now < trouble.noted + self.hold + PATIENCE_S


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

    def shift(self, seconds: float) -> None:
        """Move its times with a clock that was set back."""
        self.noted, self.firm = self.noted + seconds, self.firm + seconds
        self.after += seconds if self.after else 0.0


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
    opened: float = 0.0
    residue: list[str] = field(default_factory=list)
    damped: bool = False
    usual: bool = False
    """Whether a member left since its worse level became the usual one: the root serves no better for it."""

    def serves(self) -> bool:
        """Tell whether its root serves again, while some of its members don't."""
        if self.usual:
            return False
        if self.how is How.INFERRED:
            return len(self.members) < SHARE_BEHIND * self.most
        root = self.root
        return root.count("/") == 1 and not any(each.rpartition("/")[0] == root for each in self.members)

    def shift(self, seconds: float) -> None:
        """Move its times with a clock that was set back."""
        self.recovered += seconds if self.recovered else 0.0
        self.recovering += seconds if self.recovering else 0.0


def spoke(trouble: Trouble, now: float, *, askable: bool) -> bool:
    """Tell whether the check has shown enough to be judged; after a recovery it is firm by that."""
    state = trouble.belief
    if not trouble.after:
        recent = not askable or state.attempted_at >= trouble.noted or trouble.firm > trouble.noted
        return (recent or state.kind == SILENT) and not (state.phase is Phase.PENDING and state.reach > 0)
    enough = state.reach <= trouble.reach - 2 or state.fit <= trouble.fit - 2
    if not enough and askable and state.state is not State.UNKNOWN:
        return False
    if trouble.firm < trouble.after:
        trouble.firm = now
    return True


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
