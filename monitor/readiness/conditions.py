"""Conditions on one value, as immutable, comparable objects; `monitor.readiness.expectation` parses them.

Every judgement has three values (Kleene): what was not measured is UNKNOWN, and so is what can't be told.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from monitor.calendars.calendar import ALWAYS_OPEN, WEEK_S, Calendar
from monitor.readiness import regexes, versions
from monitor.readiness.figures import Figure, exact

Value = float | str | None


class Truth(Enum):
    """What a condition says of a value."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        msg = "a three-valued truth has no boolean; compare with Truth.PASS"
        raise TypeError(msg)


PASS, FAIL, UNKNOWN = Truth.PASS, Truth.FAIL, Truth.UNKNOWN
Judge = Callable[["Condition"], Truth]
"""Judges what one value can't: statistics over a window, and what the capacity model requires."""


_NEGATED = {PASS: FAIL, FAIL: PASS, UNKNOWN: UNKNOWN}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def conjunction(truths: Iterable[Truth]) -> Truth:
    """Return the Kleene "and": one FAIL decides, then one UNKNOWN; of nothing it is UNKNOWN."""
    found = set(truths)
    return FAIL if FAIL in found else PASS if found == {PASS} else UNKNOWN


def disjunction(truths: Iterable[Truth]) -> Truth:
    """Return the Kleene "or": one PASS decides, then one UNKNOWN; of nothing it is UNKNOWN."""
    found = set(truths)
    return PASS if PASS in found else FAIL if found == {FAIL} else UNKNOWN


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of a value. Hashable and comparable; `str()` is its text in `expected`."""

    @property
    def instant(self) -> bool:
        """Whether one reading decides it; False where a window or the capacity model is needed."""
        return True

    @property
    def reach(self) -> float:
        """How far back the longest window of its parts looks, seconds; 0 without one."""
        return max((part.span for part in self.parts() if isinstance(part, Statistic)), default=0.0)

    def judge(self, value: Value) -> Truth:
        """Judge one reading's value; None is UNKNOWN."""
        raise NotImplementedError

    def decide(self, value: Value, judge: Judge) -> Truth:
        """Judge `value`, asking `judge` about each part that one value can't decide."""
        return self.judge(value) if self.instant else judge(self)

    def parts(self) -> tuple[Condition, ...]:
        """Return the leaves of the tree, from left to right."""
        return (self,)

    def text(self, figure: Figure) -> str:
        """Return it for people, its numbers written by `figure`."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.text(exact)


def number(value: Value) -> float | None:
    """Return the value as a finite number, or None."""
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if found - found == 0.0 else None


@dataclass(frozen=True, slots=True)
class Compare(Condition):
    """A number against a bound, both in the metric's declared unit."""

    op: str
    bound: float

    def judge(self, value: Value) -> Truth:
        """Compare; what is no finite number is UNKNOWN."""
        if type(value) is not float or value - value != 0.0:
            value = number(value)
            if value is None:
                return UNKNOWN
        return PASS if _OPERATORS[self.op](value, self.bound) else FAIL

    def holds(self, value: float) -> bool:
        """Return whether a number, infinite ones included, is on the right side."""
        return bool(_OPERATORS[self.op](value, self.bound))

    def text(self, figure: Figure) -> str:
        """Return it for people."""
        return f"{self.op} {figure(self.bound)}"


@dataclass(frozen=True, slots=True)
class Between(Condition):
    """A number from `low` to `high`, both inclusive."""

    low: float
    high: float

    def judge(self, value: Value) -> Truth:
        """Compare; what is no finite number is UNKNOWN."""
        found = number(value)
        return UNKNOWN if found is None else PASS if self.low <= found <= self.high else FAIL

    def sides(self) -> tuple[Compare, Compare]:
        """Return the two one-sided conditions it stands for."""
        return Compare(">=", self.low), Compare("<=", self.high)

    def text(self, figure: Figure) -> str:
        """Return it for people."""
        return f"between {figure(self.low)} and {figure(self.high)}"


@dataclass(frozen=True, slots=True)
class CompareVersion(Condition):
    """A version against another (`monitor.readiness.versions`)."""

    op: str
    bound: str

    def judge(self, value: Value) -> Truth:
        """Compare; a value that is no version is UNKNOWN."""
        found = versions.parse(value) if isinstance(value, str) else None
        against = versions.parse(self.bound)
        if found is None or against is None:
            return UNKNOWN
        return PASS if _OPERATORS[self.op](found, against) else FAIL

    def text(self, figure: Figure) -> str:  # noqa: ARG002 - no number in it
        """Return it for people."""
        return f"{self.op} {self.bound}"


def instant_of(text: str) -> datetime | None:
    """Return an ISO 8601 date or time (UTC where it has no offset), or None."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CompareTime(Condition):
    """A date or time against another, ISO 8601."""

    op: str
    bound: str

    def judge(self, value: Value) -> Truth:
        """Compare; a value that is no date is UNKNOWN."""
        found = instant_of(value) if isinstance(value, str) else None
        against = instant_of(self.bound)
        if found is None or against is None:
            return UNKNOWN
        return PASS if _OPERATORS[self.op](found, against) else FAIL

    def text(self, figure: Figure) -> str:  # noqa: ARG002 - no number in it
        """Return it for people."""
        return f"{self.op} {self.bound}"


@dataclass(frozen=True, slots=True)
class OneOf(Condition):
    """Exactly one of some texts, or of some numbers (where a metric is judged)."""

    values: tuple[str | float, ...]

    def judge(self, value: Value) -> Truth:
        """Match whole values: `Vlan5` is not `Vlan5554`."""
        if value is None:
            return UNKNOWN
        if not isinstance(value, str):
            return self._judge_number(value)
        return PASS if value in self.values else FAIL

    def _judge_number(self, value: float) -> Truth:
        if (found := number(value)) is None:
            return UNKNOWN
        return PASS if any(number(each) == found for each in self.values) else FAIL

    def text(self, figure: Figure) -> str:
        """Return it for people."""
        texts = [each if isinstance(each, str) else figure(each) for each in self.values]
        return f"= {texts[0]}" if len(texts) == 1 else f"in [{', '.join(texts)}]"


@dataclass(frozen=True, slots=True)
class Matches(Condition):
    """A regular expression found somewhere in the text."""

    pattern: str

    def __post_init__(self) -> None:
        """Raise ValueError where the pattern is wrong or could run away."""
        regexes.compiled(self.pattern)

    def judge(self, value: Value) -> Truth:
        """Search; a text too long for the pattern is UNKNOWN."""
        expression, longest = regexes.compiled(self.pattern)
        text = value if isinstance(value, str) else None if value is None else f"{value:.10g}"
        if text is None or len(text) > longest:
            return UNKNOWN
        return PASS if expression.search(text) else FAIL

    def text(self, figure: Figure) -> str:  # noqa: ARG002 - no number in it
        """Return it for people."""
        return f"matches /{self.pattern}/"


@dataclass(frozen=True, slots=True)
class Contains(Condition):
    """A text within the text, letter case included."""

    part: str

    def judge(self, value: Value) -> Truth:
        """Search for the text as it stands."""
        if value is None:
            return UNKNOWN
        return PASS if self.part in str(value) else FAIL

    def text(self, figure: Figure) -> str:  # noqa: ARG002 - no number in it
        """Return it for people."""
        return f"contains {self.part}"


@dataclass(frozen=True, slots=True)
class Deferred(Condition):
    """What takes more than one reading's value: a window, or the capacity model."""

    @property
    def instant(self) -> bool:
        """False."""
        return False

    def judge(self, value: Value) -> Truth:  # noqa: ARG002 - no value decides it alone
        """Return UNKNOWN: one reading is no window, and without the model nothing is required."""
        return UNKNOWN


@dataclass(frozen=True, slots=True)
class Requirement(Deferred):
    """A bound that the capacity model gives (`<= requirement`); none is not zero."""

    op: str

    def bounded(self, bound: float) -> Compare:
        """Return the comparison once the bound is known."""
        return Compare(self.op, bound)

    def text(self, figure: Figure) -> str:  # noqa: ARG002 - no number in it
        """Return it for people."""
        return f"{self.op} requirement"


@dataclass(frozen=True, slots=True)
class Statistic(Deferred):
    """A statistic of a metric's readings over a window: a quantile, or an extreme.

    `name` as written (p95, q05, min, max), `quantile` in (0, 1) or None for an extreme,
    `over` the window in seconds of the calendar's open time, `over_text` as written.
    """

    name: str
    quantile: float | None
    inner: Compare | Between | Requirement
    over: float
    over_text: str = field(compare=False)
    calendar: Calendar = ALWAYS_OPEN

    @property
    def span(self) -> float:
        """Seconds from the window's start until now in usual weeks; infinite where it is never open."""
        return self.over * WEEK_S / self.calendar.weekly if self.calendar.weekly else math.inf

    @property
    def window(self) -> str:
        """The window in words."""
        return self.over_text if self.calendar.always else f"{self.over_text} of {self.calendar.id}"

    def text(self, figure: Figure) -> str:
        """Return it for people."""
        return f"{self.name} {self.inner.text(figure)} over {self.window}"


@dataclass(frozen=True, slots=True)
class Junction(Condition):
    """Several conditions as one."""

    conditions: tuple[Condition, ...]

    @property
    def instant(self) -> bool:
        """Whether all parts are."""
        return all(each.instant for each in self.conditions)

    def parts(self) -> tuple[Condition, ...]:
        """Return the leaves of all."""
        return tuple(leaf for each in self.conditions for leaf in each.parts())


@dataclass(frozen=True, slots=True)
class All(Junction):
    """Every one of some conditions."""

    def judge(self, value: Value) -> Truth:
        """Return the Kleene "and"."""
        return conjunction(each.judge(value) for each in self.conditions)

    def decide(self, value: Value, judge: Judge) -> Truth:
        """Return the Kleene "and"."""
        return conjunction([each.decide(value, judge) for each in self.conditions])

    def text(self, figure: Figure) -> str:
        """Return it for people."""
        return f"({' and '.join(each.text(figure) for each in self.conditions)})"


@dataclass(frozen=True, slots=True)
class AnyOf(Junction):
    """At least one of some conditions."""

    def judge(self, value: Value) -> Truth:
        """Return the Kleene "or"."""
        return disjunction(each.judge(value) for each in self.conditions)

    def decide(self, value: Value, judge: Judge) -> Truth:
        """Return the Kleene "or"."""
        return disjunction([each.decide(value, judge) for each in self.conditions])

    def text(self, figure: Figure) -> str:
        """Return it for people."""
        return f"({' or '.join(each.text(figure) for each in self.conditions)})"


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """The opposite of a condition; the opposite of UNKNOWN is UNKNOWN."""

    condition: Condition

    @property
    def instant(self) -> bool:
        """Whether the part is."""
        return self.condition.instant

    def judge(self, value: Value) -> Truth:
        """Return the Kleene "not"."""
        return _NEGATED[self.condition.judge(value)]

    def decide(self, value: Value, judge: Judge) -> Truth:
        """Return the Kleene "not"."""
        return _NEGATED[self.condition.decide(value, judge)]

    def parts(self) -> tuple[Condition, ...]:
        """Return the leaves of the part."""
        return self.condition.parts()

    def text(self, figure: Figure) -> str:
        """Return it for people."""
        text = self.condition.text(figure)
        return f"!{text}" if text.startswith("= ") else f"not {text}"
