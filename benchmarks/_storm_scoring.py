"""How the mails of a storm are counted, and what peers' rules would have sent: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks._storm_script import Fault

RECOVERIES = frozenset({"closed", "removed"})
RESIDUAL = "residual"
DOWN_AFTER = 2
"""Failed runs in a row after which a peer calls a check down."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that arrived. `at` is in seconds of the script; `left` are the roots that a residue names.

    `thread`, `notice` and `root` are empty where no incident is known by its Message-ID.
    """

    at: float
    message_id: str
    recipient: str
    subject: str
    thread: str = ""
    notice: str = ""
    root: str = ""
    left: tuple[str, ...] = ()
    named: int = 0
    """How many checks it calls affected."""

    @property
    def recovery(self) -> bool:
        """Whether it tells an end."""
        return self.notice in RECOVERIES


@dataclass(slots=True)
class Score:
    """What one cause gave: mails of its own, and those of what was only behind it."""

    fault: Fault
    problems: list[Mail] = field(default_factory=list)
    recoveries: list[Mail] = field(default_factory=list)
    children: list[Mail] = field(default_factory=list)

    @property
    def first(self) -> float | None:
        """Seconds from the fault, or from when it was no longer hidden, to the first mail."""
        return self.problems[0].at - max(self.fault.begin, self.fault.hidden_until) if self.problems else None


@dataclass(slots=True)
class Tally:
    """All causes, and mails that belong to none."""

    scores: list[Score]
    strays: list[Mail] = field(default_factory=list)
    duplicates: int = 0

    @property
    def problems(self) -> float:
        """Problem mails a cause, those of children and strays with them."""
        found = sum(len(each.problems) for each in self.scores) + sum(not m.recovery for m in self._others())
        return found / len(self.scores)

    @property
    def recoveries(self) -> float:
        """Recovery mails a cause, in the same way."""
        found = sum(len(each.recoveries) for each in self.scores) + sum(m.recovery for m in self._others())
        return found / len(self.scores)

    @property
    def children(self) -> int:
        """Mails of what was not the cause."""
        return len(self._others())

    @property
    def untold(self) -> int:
        """Causes that nobody was told of."""
        return sum(not each.problems for each in self.scores)

    @property
    def endless(self) -> int:
        """Causes whose end nobody was told of."""
        return sum(not each.recoveries for each in self.scores)

    def _others(self) -> list[Mail]:
        return [*(mail for each in self.scores for mail in each.children), *self.strays]


def tally(mails: Iterable[Mail], faults: Sequence[Fault]) -> Tally:
    """Give each mail to the cause it tells of, or behind which its root is."""
    found = sorted(mails, key=lambda mail: mail.at)
    done = Tally([Score(fault) for fault in faults], duplicates=duplicates(found))
    for mail in found:
        told = [each for each in done.scores if _tells(mail, each.fault)]
        if told:
            for each in told:
                (each.recoveries if mail.recovery else each.problems).append(mail)
        else:
            behind = [each for each in done.scores if _behind(mail, each.fault)]
            (max(behind, key=_narrowness).children if behind else done.strays).append(mail)
    return done


def _tells(mail: Mail, fault: Fault) -> bool:
    if mail.at < fault.begin:
        return False
    if mail.notice == RESIDUAL:
        return any(_within(root, fault.root) for root in mail.left)
    return _within(mail.root, fault.root) and mail.at >= fault.hidden_until


def _within(root: str, of: str) -> bool:
    return root == of or root.startswith(of + "/")


def _behind(mail: Mail, fault: Fault) -> bool:
    return bool(mail.root) and mail.root.startswith(fault.scope) and mail.at >= fault.begin


def _narrowness(score: Score) -> tuple[int, float]:
    return len(score.fault.scope), score.fault.begin


def duplicates(mails: Iterable[Mail]) -> int:
    """Return how many mails tell again what was told: the same Message-ID, or the same event."""
    count = 0
    ids: Counter[tuple[str, str]] = Counter()
    events: Counter[tuple[str, str, str]] = Counter()
    for mail in mails:
        same_id, event = (mail.recipient, mail.message_id), (mail.recipient, mail.thread, mail.notice)
        once = mail.notice == "opened" or mail.recovery
        count += bool(ids[same_id] or (once and events[event]))
        ids[same_id] += 1
        events[event] += 1
    return count


Runs = Sequence[tuple[float, bool]]
"""(start, whether it failed) of a check's regular runs, in order."""


def outages(runs: Runs) -> list[tuple[float, float]]:
    """Return the spans in which a peer calls a check down; one that does not end is `inf` long."""
    found: list[tuple[float, float]] = []
    failed, since = 0, None
    for at, bad in runs:
        failed = failed + 1 if bad else 0
        if failed == DOWN_AFTER:
            since = at
        elif not bad and since is not None:
            found.append((since, at))
            since = None
    return [*found, (since, float("inf"))] if since is not None else found


@dataclass(frozen=True, slots=True)
class Naive:
    """Problem mails that peers' rules would have sent for what was recorded."""

    each: int
    """One for each check that goes down."""
    muted: int
    """The same, but none while something above is already down: what outlasts that, or comes first."""


def naive(runs: Mapping[str, Runs], above: Mapping[str, Sequence[str]]) -> Naive:
    """Apply the peers' rules to the recorded runs; `above` names the checks above a check."""
    spans = {check: outages(each) for check, each in runs.items()}
    each = sum(map(len, spans.values()))
    muted = 0
    for check, own in spans.items():
        covers = [span for parent in above.get(check, ()) for span in spans.get(parent, ())]
        muted += sum(_shows(begin, end, covers) for begin, end in own)
    return Naive(each, muted)


def _shows(begin: float, end: float, covers: Sequence[tuple[float, float]]) -> bool:
    """Tell whether an outage is at any time not covered by one above it."""
    at = begin
    while covering := [stop for start, stop in covers if start <= at < stop]:
        at = max(covering)
        if at >= end:
            return False
    return at < end
