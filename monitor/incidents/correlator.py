"""From troubles of single checks to one incident for each root: pure decisions, the clock passed in.

A check that turns suspect has what lies above it asked at once (`asks`). A trouble that is firm waits until
`hold` seconds after the first suspicion, and then goes to the incident of its root (`topology`),
which opens if there is none. When a root serves again, what was behind it is asked anew and has two results
of its own to show; what still fails then is told once, as the residue. An incident without troubles closes
after `stable` seconds; one that opened `openings` times within the hour is damped: it stays open six times as
long, so that what flaps on is no more news, and its end is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from monitor.incidents.asks import Asks
from monitor.incidents.incident import (
    REMOVED,
    Decision,
    Incident,
    Join,
    Leave,
    Member,
    Recover,
    Residue,
    Shut,
)
from monitor.incidents.openings import Openings, opening
from monitor.incidents.topology import DEGRADED, FAILING, Finders, Finding, How, View
from monitor.incidents.troubles import (
    HOUR_S,
    Group,
    Timing,
    Trouble,
    is_hidden,
    member_of,
    ours,
    since_of,
    spoke,
)
from monitor.state import SILENT, CheckState, Phase, State, Transition
from probes.api import Outcome

_EARLY_S = 8.0
_LEAN_ASK_S = 10.0
"""How long after one is asked again that leans."""
_RESIDUE_S = 90.0
_SET_BACK_S = 5.0
"""A clock that goes back by more was set: what is waited for goes back with it."""
ROUND_S = 60.0
"""A round of checks, after a restart."""
_OPENED_AT_ONCE = 10
_GATHERED = 2000
_AT_ONCE = 500
_DAMPED = 6
TROUBLES = frozenset({State.DOWN, State.DEGRADED, State.UNKNOWN, State.SHADOWED})


class Correlator:
    """Keeps the troubles and decides.

    `link(check)` tells a check that measures a link, `silent(unit)` a unit of which no check is attempted,
    `askable(check)` a check that may be run out of turn, `usual(check)` when the worse level of
    one became the usual one, 0 for never.
    """

    def __init__(
        self,
        view: View,
        link: Callable[[str], bool],
        timing: Timing | None = None,
        silent: Callable[[str], bool] = lambda _: False,
        askable: Callable[[str], bool] = lambda _: True,
        usual: Callable[[str], float] = lambda _: 0.0,
    ) -> None:
        self._view, self._link, self.timing, self._silent = view, link, timing or Timing(), silent
        self._askable, self._usual = askable, usual
        self._suspects: dict[str, float] = {}
        self._troubles: dict[str, Trouble] = {}
        self._waiting: dict[str, Trouble] = {}
        self.groups: dict[str, Group] = {}
        self._openings = Openings()
        self.asks = Asks(view)
        self._now: list[Decision] = []
        self._last, self._opened = 0.0, 0
        self._finders = Finders(view, 0.0, ())
        self.shadows: dict[str, str] = {}
        """Checks to be called SHADOWED, with what is in the way; an empty text ends it."""

    def load(
        self,
        states: Iterable[CheckState],
        incidents: Iterable[Incident],
        now: float,
        known: Callable[[str], bool],
    ) -> None:
        """Take up what was believed before a restart: nothing is sent before a fresh result and the hold.

        `incidents` are those of the last hour, oldest first; `known` tells a root that there is still.
        """
        for incident in incidents:
            self._opened_before(incident, now, known)
        for state in states:
            if state.state in TROUBLES and state.decided_at and not ours(state):
                trouble = Trouble(state, now, now)
                self._troubles[state.check] = self._waiting[state.check] = trouble

    def _opened_before(self, incident: Incident, now: float, known: Callable[[str], bool]) -> None:
        root = incident.root
        if incident.opened_at > now - HOUR_S:
            self._openings.note(root, incident.opened_at)
        if incident.closed_at is not None:
            return
        if known(root):
            calm = now + self.timing.hold + ROUND_S
            if incident.recovered_at is not None:
                calm = max(incident.recovered_at, calm - self.timing.stable)
            self.groups[root] = Group(
                root, How.ANCESTOR, recovered=calm, damped=incident.damped, opened=incident.opened_at
            )
        else:
            self._now.append(Shut(root, now, REMOVED))

    def heard(self, state: CheckState, transition: Transition, now: float) -> None:
        """Take a change of state or phase into account."""
        check = state.check
        if transition.kind == REMOVED:
            self._suspects.pop(check, None)
            self._drop(check, now, removed=True)
        elif state.state is State.OK:
            self._served(state, now)
        elif state.state is State.SHADOWED:
            return
        elif transition.hard or (transition.outcome is Outcome.ERROR and check not in self._troubles):
            self._failed(state, transition, now)

    def _served(self, state: CheckState, now: float) -> None:
        if state.phase is Phase.SUSPECT:
            if state.check not in self._suspects:
                self._suspects[state.check] = now
                self.asks.about(state.check, now)
            return
        self._suspects.pop(state.check, None)
        self._drop(state.check, now)

    def _failed(self, state: CheckState, transition: Transition, now: float) -> None:
        noted = self._suspects.pop(state.check, now)
        trouble = self._troubles.get(state.check)
        if trouble is not None:
            self._changed(trouble, state, transition, now)
            return
        if state.state is State.UNKNOWN and (transition.outcome is Outcome.NOT_RUN or not state.decided_at):
            return
        trouble = Trouble(state, noted, now)
        self._troubles[state.check] = self._waiting[state.check] = trouble

    def _changed(self, trouble: Trouble, state: CheckState, transition: Transition, now: float) -> None:
        """Tell the incident of a member whose state moved; what failed only now may have another cause."""
        if state.state is State.DOWN and trouble.root and transition.before not in FAILING:
            trouble.noted = trouble.firm = now
            self._waiting[state.check] = trouble
            self.asks.about(state.check, now)
        elif trouble.root:
            self._now.append(Join(trouble.root, (self._member(trouble, now),), now, state.detail))
        else:
            trouble.firm = now

    def _drop(self, check: str, now: float, *, removed: bool = False) -> None:
        trouble = self._troubles.pop(check, None)
        self._waiting.pop(check, None)
        self.shadows.pop(check, None)
        group = self.groups.get(trouble.root) if trouble else None
        if group is None or check not in group.members:
            return
        group.members.discard(check)
        group.usual = group.usual or self._usual(check) >= group.opened > 0
        self._now.append(Leave(group.root, check, now))
        if removed and not group.members:
            self._shut(group, now, REMOVED)
        else:
            self._watch_recovery(group, now)

    def _watch_recovery(self, group: Group, now: float) -> None:
        """Note that an incident has no troubles any more, or that its root serves while members don't."""
        if not group.members:
            group.recovered, group.recovering, group.usual = now, 0.0, False
            self._now.append(Recover(group.root, now))
        elif not group.recovering and group.serves():
            group.recovering = now
            for number, check in enumerate(sorted(group.members)):
                trouble = self._troubles[check]
                trouble.after, trouble.reach, trouble.fit = now, trouble.belief.reach, trouble.belief.fit
                self.asks.ask(check, now + number % 10)
                self._waiting[check] = trouble

    def decide(self, now: float) -> list[Decision]:
        """Return what is to be done now, in order."""
        for _ in self.steps(now):
            pass
        return self.decided()

    def decided(self) -> list[Decision]:
        """Return what is to be done since this was last asked, in order."""
        decisions, self._now = self._now, []
        return decisions

    def steps(self, now: float) -> Iterator[None]:
        """Decide in steps of a few milliseconds at most; `heard` may be told of changes in between."""
        if now < self._last - _SET_BACK_S:
            self._shift(now - self._last)
        self._last, self._opened = now, 0
        self._finders = self._finders_of(due := self._due(now))
        for trouble in due:
            if self._waiting.get(trouble.belief.check) is trouble:
                self._place(trouble, now)
                yield
        if self._opened:
            yield from self._gather(now)
            self._look_again()
        for group in list(self.groups.values()):
            if self.groups.get(group.root) is group:
                self._conclude(group, now)
                yield

    def _finders_of(self, troubles: Sequence[Trouble]) -> Finders:
        return Finders(self._view, self.timing.hold / 9, map(since_of, troubles))

    def _due(self, now: float) -> list[Trouble]:
        found = []
        for trouble in self._waiting.values():
            if self.timing.ready(trouble) - _EARLY_S <= now:
                found.append(trouble)
                if len(found) >= _AT_ONCE:
                    break
        return found

    def _gather(self, now: float) -> Iterator[None]:
        """Take into incidents that have just opened what is firm already, so that they name it at once."""
        firm = [each for each in self._waiting.values() if not each.after and not each.root][:_GATHERED]
        self._finders = self._finders_of(firm)
        for trouble in firm:
            check = trouble.belief.check
            if self._waiting.get(check) is trouble:
                finding = self._find(trouble, now, final=False)
                group = self.groups.get(finding.root)
                if group is not None and finding.how in (How.ANCESTOR, How.INFERRED):
                    del self._waiting[check]
                    self._assign(trouble, finding, now)
                yield

    def _place(self, trouble: Trouble, now: float) -> None:
        """Find the root of a trouble and put it into that incident, when it is time."""
        check = trouble.belief.check
        if not spoke(trouble, now, askable=self._askable(check)):
            self.asks.ask(check, now)
            self._wait(check)
            return
        ready, late = self.timing.ready(trouble), self.timing.late(trouble, now)
        finding = self._find(trouble, now, final=late)
        kept = self.groups.get(trouble.root) if late and not trouble.after else None
        if finding.how is How.UNDECIDED and kept is not None:
            finding = Finding(kept.root, kept.how)
        if finding.how is How.UNDECIDED and (finding.leaning or not late):
            for each in finding.asks:
                self.asks.ask(each, now + (_LEAN_ASK_S if finding.leaning else 0.0))
            self._wait(check)
        elif now >= ready and (finding.root in self.groups or self._opened < _OPENED_AT_ONCE):
            self._waiting.pop(check, None)
            self._assign(trouble, finding, now)

    def _wait(self, check: str) -> None:
        """Put a trouble behind those that can be judged."""
        self._waiting[check] = self._waiting.pop(check)

    def _find(self, trouble: Trouble, now: float, *, final: bool) -> Finding:
        state, bad = trouble.belief, self._bad(trouble.belief)
        if not bad:
            unit = state.check.partition("/")[0]
            gone = state.kind == SILENT and self._silent(unit)
            return Finding(unit if gone else state.check, How.SELF)
        finder = self._finders.get(since_of(trouble), bad, patient=self.timing.patient(trouble, now))
        return finder.root(state.check, final=final)

    def _bad(self, state: CheckState) -> frozenset[State]:
        """Return in which states what lies above would explain this one; none where nothing can."""
        if state.state in FAILING:
            return FAILING
        return DEGRADED if state.state is State.DEGRADED and self._link(state.check) else frozenset()

    def _assign(self, trouble: Trouble, finding: Finding, now: float) -> None:
        before, after = trouble.root, trouble.after
        trouble.after = 0.0
        if before and finding.root != before and (group := self.groups.get(before)):
            group.members.discard(trouble.belief.check)
            if after:
                group.residue.append(finding.root)
            if group.members or after:
                self._now.append(Leave(before, trouble.belief.check, now))
        self._shade(trouble, finding)
        trouble.root = finding.root
        group = self.groups.get(finding.root)
        if group is None:
            self._open(trouble, finding, now, before if after else "")
        else:
            self._join(group, trouble, finding, now)
        if before and before != finding.root and not after:
            self._absorbed(before, finding.root, now)

    def _absorbed(self, before: str, into: str, now: float) -> None:
        """End an incident whose last member has moved to the incident of its cause."""
        group = self.groups.get(before)
        if group is not None and not group.members:
            del self.groups[before]
            self._now.append(Shut(before, now, into=into))

    def _join(self, group: Group, trouble: Trouble, finding: Finding, now: float) -> None:
        check, member = trouble.belief.check, self._member(trouble, now)
        group.how, group.recovered = finding.how, 0.0
        if check not in group.members or trouble.told is not member.state:
            group.members.add(check)
            group.most = max(group.most, len(group.members))
            self._now.append(Join(finding.root, (member,), now, trouble.belief.detail))
        if not group.serves():
            group.recovering = 0.0

    def _member(self, trouble: Trouble, now: float) -> Member:
        member = member_of(trouble, now)
        if self.shadows.get(member.check):
            member = replace(member, state=State.SHADOWED)
        trouble.told = member.state
        return member

    def _shade(self, trouble: Trouble, finding: Finding) -> None:
        """Call a check SHADOWED where something else is the cause, and no longer where it is not."""
        state, hidden = trouble.belief, is_hidden(trouble, finding, self._view)
        if state.state is State.DOWN and hidden:
            self.shadows[state.check] = finding.how if finding.how is How.UNDECIDED else finding.root
        elif state.state is State.SHADOWED and not hidden:
            self.shadows[state.check] = ""

    def _open(self, trouble: Trouble, finding: Finding, now: float, follows: str) -> None:
        member = self._member(trouble, now)
        damped = self._openings.note(finding.root, now) >= self.timing.openings
        self.groups[finding.root] = Group(
            finding.root, finding.how, {member.check}, 1, damped=damped, opened=now
        )
        self._now.append(opening(self._view, trouble, finding, member, now, self.timing, damped, follows))
        self._opened += 1

    def _look_again(self) -> None:
        """Look again at the members of incidents that may turn out to be behind a new root."""
        for group in self.groups.values():
            if group.recovered:
                continue
            for check in group.members:
                trouble = self._troubles.get(check)
                if trouble is not None and self._bad(trouble.belief):
                    self._waiting[check] = trouble

    def _conclude(self, group: Group, now: float) -> None:
        if group.residue and (not self._settling(group) or now >= group.recovering + _RESIDUE_S):
            self._now.append(Residue(group.root, tuple(dict.fromkeys(group.residue)), now))
            group.residue.clear()
        if not group.members and not group.recovered:
            self._watch_recovery(group, now)
        stable = self.timing.stable * (_DAMPED if group.damped else 1)
        over = 0 < group.recovered <= now - stable and not group.members
        if over and not self._comes_back(group.root):
            self._shut(group, now, "")

    def _comes_back(self, root: str) -> bool:
        """Whether a trouble of the root itself waits to be judged."""
        below = f"{root}/"
        return any(check == root or check.startswith(below) for check in self._waiting)

    def _settling(self, group: Group) -> bool:
        return any(trouble.after for check in group.members if (trouble := self._troubles.get(check)))

    def _shut(self, group: Group, now: float, kind: str) -> None:
        del self.groups[group.root]
        if group.residue:
            self._now.append(Residue(group.root, tuple(dict.fromkeys(group.residue)), now))
        self._now.append(Shut(group.root, now, kind))

    def _shift(self, seconds: float) -> None:
        """Move what is waited for with the clock that was set back."""
        moved: tuple[Trouble | Group, ...] = (*self._troubles.values(), *self.groups.values())
        for each in moved:
            each.shift(seconds)
        self._suspects = {check: at + seconds for check, at in self._suspects.items()}
        self.asks.shift(seconds)

    def lost(self, root: str, now: float) -> None:
        """Be told that somebody closed an incident: its troubles are looked at anew."""
        group = self.groups.pop(root, None)
        for check in group.members if group else ():
            if trouble := self._troubles.get(check):
                trouble.root, trouble.noted, trouble.firm = "", now, now
                self._waiting[check] = trouble
