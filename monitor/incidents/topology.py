"""What is the cause of a trouble: the highest thing that fails on the way to it (pure).

    the asset's own reachability check fails     the asset
    an asset that it needs fails                 the highest such asset
    what it needs is not measured itself, or     that asset or unit, inferred: where at least 3 of those
    answers while those behind it don't          behind it, 60 % of the freshly probed ones, fail
    what it needs was not probed since           undecided: ask, and wait
    of a link that got worse: what it needs      undecided, for a bounded time: loss is found by chance, and
    leans towards the same                       below the cause maybe sooner than at it
    nothing of that                              the check itself

Freshness rule: what lies above is cleared only by a run that started after the first failed one of the check
in question. An answer from before says nothing of now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from monitor.state import Phase, State

DEAD = frozenset({"unreachable", "timeout"})
"""Kinds of failure that say that nothing at the address answers."""
LEAST_BEHIND, SHARE_BEHIND = 3, 0.6
MOST_ASKED = 5
"""Of those behind something that isn't measured."""
FAILING = frozenset({State.DOWN, State.SHADOWED})
DEGRADED = FAILING | {State.DEGRADED}
_SERVING = frozenset({State.OK, State.DEGRADED})


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of one check. Times are seconds since the epoch."""

    check: str
    state: State
    phase: Phase
    kind: str
    since: float
    measured_at: float
    """Start of its last measurement."""
    reach: bool
    """Whether it is a check by which the asset is seen to answer at all."""
    leaning: bool = False
    """Whether it may be about to be found worse."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What an asset depends on: every one of these assets (`unit/asset`) or any; else its unit's parent."""

    assets: tuple[str, ...] = ()
    every: bool = False
    parent: str = ""
    """The unit above, for a channel that names nothing."""


class View(Protocol):
    """What has to be known."""

    def beliefs(self, asset: str) -> Sequence[Belief]:
        """Return what is believed of an asset's checks; of a unit's channels where it is a unit."""

    def needs(self, node: str) -> Needs:
        """Return what an asset or unit depends on."""

    def behind(self, node: str) -> Sequence[str]:
        """Return the assets that depend on an asset or unit directly."""


class How(StrEnum):
    """How a root was found."""

    SELF = "self"
    ANCESTOR = "ancestor"
    INFERRED = "inferred"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Finding:
    """The root of a trouble: a check, `unit/asset` or `unit`; `asks` are the checks that would decide.

    `leaning`: undecided since something leans towards the same; that is worth a longer wait.
    """

    root: str
    how: How
    asks: tuple[str, ...] = ()
    leaning: bool = False


CLEAR = Finding("", How.SELF)
"""Nothing on the way is in the way."""


class Finder:
    """Finds roots at one moment, and remembers what it found out."""

    def __init__(
        self, view: View, since: float, bad: frozenset[State] = FAILING, *, patient: bool = False
    ) -> None:
        """`since` is the start of the first failed run in question; `bad` are the states of a failure.

        `patient`: what leans towards being worse is not clear.
        """
        self._view, self._since, self._bad = view, since, bad
        self._patient = patient and bad is not FAILING
        self._above: dict[str, Finding] = {}
        self._nodes: dict[str, Finding] = {}

    def root(self, check: str, *, final: bool = False) -> Finding:
        """Return the root of the trouble of `check`.

        `final`: there is no more time to ask. What answers is then not cut off; anything else that could not
        be decided stays `UNDECIDED`, with the check itself as its root. What leans is waited for even so.
        """
        asset = check.rpartition("/")[0]
        above, own = self.above(asset), self._own(asset, check)
        if above.how in (How.ANCESTOR, How.INFERRED):
            return above
        open_ = [each for each in (above, own) if each.how is How.UNDECIDED]
        if open_ and (not final or any(each.leaning for each in open_)):
            return _merged(open_)
        if open_ and not any(self._clears(each) for each in self._view.beliefs(asset)):
            return Finding(check, How.UNDECIDED)
        return Finding(check, How.SELF) if own is CLEAR or own.how is How.UNDECIDED else own

    def above(self, node: str) -> Finding:
        """Return what cuts a node off from above, or CLEAR."""
        if node not in self._above:
            self._above[node] = CLEAR  # a ring ends here
            self._above[node] = self._cut_off(self._view.needs(node))
        return self._above[node]

    def _cut_off(self, needs: Needs) -> Finding:
        if not needs.assets:
            return self.node(needs.parent) if needs.parent else CLEAR
        found = [self.node(each) for each in needs.assets]
        failed = [each for each in found if each.how in (How.ANCESTOR, How.INFERRED)]
        open_ = [each for each in found if each.how is How.UNDECIDED]
        if failed and (needs.every or len(failed) == len(found)):
            return failed[0]
        if open_ and (needs.every or len(open_) + len(failed) == len(found)):
            return _merged(open_)
        return CLEAR

    def node(self, node: str) -> Finding:
        """Return why nothing gets through an asset or unit, or CLEAR."""
        if node not in self._nodes:
            self._nodes[node] = CLEAR
            self._nodes[node] = self._judged(node)
        return self._nodes[node]

    def _judged(self, node: str) -> Finding:
        above = self.above(node)
        if above.how in (How.ANCESTOR, How.INFERRED):
            return above
        beliefs = self._view.beliefs(node)
        own = self._status(node, beliefs)
        if own.how is How.ANCESTOR:
            return own
        inferred = self._inferred(node)
        if inferred is not CLEAR:
            return inferred
        if not beliefs:
            return self._leant_upon(node) if above is CLEAR else above
        return own

    def _status(self, node: str, beliefs: Sequence[Belief]) -> Finding:
        """Return whether an asset fails by its own checks."""
        if failing(beliefs, self._bad):
            return Finding(node, How.ANCESTOR)
        first = [each for each in beliefs if each.reach] or list(beliefs)
        leaning = self._patient and any(each.leaning for each in beliefs)
        if not first or (not leaning and any(self._clears(each) for each in beliefs)):
            return CLEAR
        return Finding(node, How.UNDECIDED, tuple(each.check for each in first), leaning)

    def _clears(self, belief: Belief) -> bool:
        if self._patient and belief.leaning:
            return False
        steady = belief.state in _SERVING and belief.state not in self._bad
        return steady and belief.phase is not Phase.SUSPECT and belief.measured_at > self._since

    def _own(self, asset: str, check: str) -> Finding:
        """Return whether the asset itself is the cause, rather than this one check of it."""
        beliefs = self._view.beliefs(asset)
        if failing(beliefs, self._bad):
            return Finding(asset, How.SELF)
        reach = [each for each in beliefs if each.reach and each.check != check]
        if self._bad is not FAILING or any(each.check == check and each.reach for each in beliefs):
            return CLEAR
        if not reach or any(self._clears(each) for each in beliefs):
            return CLEAR
        return Finding(asset, How.UNDECIDED, tuple(each.check for each in reach))

    def _inferred(self, node: str) -> Finding:
        fresh = failed = 0
        for asset in self._view.behind(node):
            beliefs = self._view.beliefs(asset)
            if failing(beliefs, self._bad):
                failed += 1
                fresh += 1
            else:
                fresh += any(self._clears(each) for each in beliefs)
        if failed >= LEAST_BEHIND and failed >= SHARE_BEHIND * fresh:
            return Finding(node, How.INFERRED)
        return CLEAR

    def _leant_upon(self, node: str) -> Finding:
        """Return whether those behind something that isn't measured may turn out to be worse together."""
        if not self._patient:
            return CLEAR
        behind = [self._view.beliefs(asset) for asset in self._view.behind(node)]
        failed = sum(failing(beliefs, self._bad) for beliefs in behind)
        leaning = [each.check for beliefs in behind for each in beliefs if each.leaning]
        clear = sum(any(self._clears(each) for each in beliefs) for beliefs in behind)
        together = failed + len(leaning)
        if leaning and together >= LEAST_BEHIND and together >= SHARE_BEHIND * (together + clear):
            return Finding(node, How.UNDECIDED, tuple(leaning[:MOST_ASKED]), leaning=True)
        return CLEAR


class Moment:
    """A view as it is at one moment: what is believed of an asset is asked for once."""

    def __init__(self, view: View) -> None:
        self._beliefs: dict[str, Sequence[Belief]] = {}
        self._view, self.needs, self.behind = view, view.needs, view.behind

    def beliefs(self, asset: str) -> Sequence[Belief]:
        """Return what is believed of an asset's checks."""
        found = self._beliefs.get(asset)
        if found is None:
            found = self._beliefs[asset] = self._view.beliefs(asset)
        return found


class Finders:
    """The finders of one moment, shared by troubles that began about the same time.

    Those of one span of `width` seconds share the latest of their beginnings: it is as strict for each.
    Each of these is to be among `begun`, else it has a finder of its own.
    """

    def __init__(self, view: View, width: float, begun: Iterable[float]) -> None:
        self._view, self._width = Moment(view), width
        self._latest: dict[float, float] = {}
        self._made: dict[tuple[float, frozenset[State], bool], Finder] = {}
        for since in begun:
            span = self._span(since)
            self._latest[span] = max(since, self._latest.get(span, since))

    def _span(self, since: float) -> float:
        return since // self._width if self._width else since

    def get(self, since: float, bad: frozenset[State], *, patient: bool = False) -> Finder:
        """Return the finder for a trouble that began at a time."""
        latest = max(since, self._latest.get(self._span(since), since))
        key = (latest, bad, patient)
        if key not in self._made:
            self._made[key] = Finder(self._view, latest, bad, patient=patient)
        return self._made[key]


def failing(beliefs: Sequence[Belief], bad: frozenset[State] = FAILING) -> bool:
    """Tell whether an asset does not serve: nothing answers at it, or all that was measured of it fails."""
    known = [each for each in beliefs if each.state is not State.UNKNOWN]
    first = [each for each in known if each.reach]
    if bad is not FAILING:
        return any(each.state in bad for each in first)
    answered = max((each.measured_at for each in known if each.state in _SERVING), default=float("-inf"))
    for each in first:
        silent = each.kind in DEAD or each.state is State.SHADOWED
        if each.state in bad and silent and each.measured_at >= answered:
            return True
    return bool(known) and all(each.state in bad for each in known)


def _merged(findings: Iterable[Finding]) -> Finding:
    found = list(findings)
    asks = tuple(check for each in found for check in each.asks)
    return Finding(found[0].root, How.UNDECIDED, asks, any(each.leaning for each in found))
