"""The language of `expect`: one parser, here. What a condition is and how it judges: `conditions`.

    "<= 40"  "< 40 ms"  ">= 15.3"  "> 2"  "!= 0"  "== 5"      comparison; a suffix is converted
    "between 18 and 27"                                        inclusive
    200   "UTF8"                                               exactly that number or text
    "/^8\\./"                                                  a regular expression, found anywhere
    "in [a, b]"   "contains x"
    "<= requirement"                                           what the capacity model requires
    {p95: "<= 40", over: 24h}                                  p50..p99, q05, min or max over a window
    {p95: "<= 40", over: 24h, calendar: counter-hours}         a window of that calendar's open hours
    {all: [...]}   {any: [...]}   {not: ...}                   three-valued logic

A number is in the metric's declared unit. On a version fact comparisons compare versions, on a datetime
fact times (ISO 8601).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from inventory import units
from inventory.problems import did_you_mean
from monitor.calendars.calendar import ALWAYS, BUILT_IN, Calendar
from monitor.readiness import requirement, versions
from monitor.readiness.conditions import (
    All,
    AnyOf,
    Between,
    Compare,
    CompareTime,
    CompareVersion,
    Condition,
    Contains,
    Matches,
    Not,
    OneOf,
    Requirement,
    Statistic,
    Truth,
    instant_of,
)
from monitor.readiness.regexes import ExpectationError
from probes.api import FactDef, MetricDef

__all__ = ["Condition", "Definition", "ExpectationError", "Truth", "parse"]

Definition = MetricDef | FactDef | None
MAX_DEPTH = 8
MAX_NUMBER = 1e300
MAX_LENGTH = 1000

_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)\s*(.*)", re.DOTALL)
_BETWEEN = re.compile(r"between\s+(.+?)\s+and\s+(.+)", re.DOTALL)
_IN = re.compile(r"in\s*\[(.*)\]", re.DOTALL)
_REGEX = re.compile(r"/(.*)/", re.DOTALL)
_STATISTIC = re.compile(r"[pq](\d\d(?:\.\d{1,2})?)|min|max")
_MEANS = {"mean", "avg", "average"}
_WINDOW = MetricDef("over", unit="s")
_FORMS = 'such as "<= 40", "between 18 and 27", "in [a, b]", "/regex/", or {p95: "<= 40", over: 24h}'


Calendars = Mapping[str, Calendar]


def parse(raw: object, *, metric: Definition, calendars: Calendars = BUILT_IN) -> Condition:
    """Return the condition that `raw` (text, number or mapping) states about `metric`.

    `metric` is None for a name that only a run can tell (exec, exporter); `calendars` are those that a
    window may name. Raises `ExpectationError` (a ValueError) with a message that says what to write instead.
    """
    return _parse(raw, metric, calendars, 0)


def _parse(raw: object, metric: Definition, calendars: Calendars, depth: int) -> Condition:
    if depth > MAX_DEPTH:
        raise ExpectationError(f"conditions are nested more than {MAX_DEPTH} deep; flatten them")
    if isinstance(raw, Mapping):
        return _mapping(raw, metric, calendars, depth)
    if isinstance(raw, str):
        return _text(raw.strip(), metric)
    if isinstance(raw, bool):
        return _boolean(raw, metric)
    if isinstance(raw, int | float) and abs(raw) < MAX_NUMBER:
        return _number(raw, metric)
    if isinstance(raw, int | float):
        raise ExpectationError("the number is out of range")
    if isinstance(raw, list):
        raise ExpectationError('a list is no condition; write "in [a, b]" or {all: [...]}')
    raise ExpectationError(f"an empty expectation asserts nothing; write a condition {_FORMS}")


def _boolean(raw: bool, metric: Definition) -> Condition:
    if isinstance(metric, FactDef):
        return OneOf((str(raw).lower(),))
    raise ExpectationError(f"{str(raw).lower()} is no number; write {int(raw)}")


def _number(raw: int | float, metric: Definition) -> Condition:
    if not isinstance(metric, FactDef):
        return Compare("==", float(raw))
    if isinstance(raw, float):
        raise ExpectationError(
            f'a text is compared here, and 1.10 would become 1.1; put it in quotes: "{raw}"'
        )
    return OneOf((str(raw),))


def _text(text: str, metric: Definition) -> Condition:
    if not text:
        raise ExpectationError(f"an empty expectation asserts nothing; write a condition {_FORMS}")
    if len(text) > MAX_LENGTH:
        raise ExpectationError(f"the condition is longer than {MAX_LENGTH} characters; shorten it")
    for pattern, build in _BUILDERS:
        if found := pattern.fullmatch(text):
            return build(found, metric)
    if text.startswith("contains "):
        return _contains(text, metric)
    return _exact(text, metric)


def _exact(text: str, metric: Definition) -> Condition:
    if isinstance(metric, FactDef):
        return OneOf((text,))
    if isinstance(metric, MetricDef):
        return Compare("==", _quantity(text, metric))
    return OneOf((_loose(text),))


def _loose(text: str) -> str | float:
    """Return a number where the text is one: what a dynamic name reports is not known before."""
    try:
        return _finite(float(text), text)
    except ValueError:
        return text


def _comparison(found: re.Match[str], metric: Definition) -> Condition:
    op, operand = found[1], found[2].strip()
    if not operand:
        raise ExpectationError(f'nothing is compared with; write "{op} 40"')
    if operand == "requirement":
        return _requirement(op, metric)
    if isinstance(metric, FactDef):
        return _fact_comparison(op, operand, metric)
    if metric is None and op in ("==", "!="):
        return _equality(op, OneOf((_loose(operand),)))
    return Compare(op, _quantity(operand, metric))


def _requirement(op: str, metric: Definition) -> Condition:
    if op not in ("<=", ">=", "<", ">") or not isinstance(metric, MetricDef):
        raise ExpectationError('a requirement bounds a metric; write "<= requirement" or ">= requirement"')
    if complaint := requirement.wrong(metric, op):
        raise ExpectationError(complaint)
    return Requirement(op)


def _fact_comparison(op: str, operand: str, fact: FactDef) -> Condition:
    if fact.type == "version":
        if versions.parse(operand) is None:
            raise ExpectationError(f'"{operand}" is no version; write numbers with dots, such as "{op} 15.3"')
        return CompareVersion(op, operand)
    if fact.type == "datetime":
        if instant_of(operand) is None:
            raise ExpectationError(
                f'"{operand}" is no date; write one such as "{op} 2027-01-31" or with a time and offset'
            )
        return CompareTime(op, operand)
    if op in ("==", "!="):
        return _equality(op, OneOf((operand,)))
    return Compare(op, _bare(operand))


def _equality(op: str, condition: OneOf) -> Condition:
    return condition if op == "==" else Not(condition)


def _between(found: re.Match[str], metric: Definition) -> Condition:
    low, high = _quantity(found[1], metric), _quantity(found[2], metric)
    if low > high:
        swapped = f"between {found[2]} and {found[1]}"
        raise ExpectationError(f'nothing is "{found[0]}"; write the smaller first: "{swapped}"')
    return Between(low, high)


def _in(found: re.Match[str], metric: Definition) -> Condition:
    values = [each.strip().strip("\"'") for each in found[1].split(",")]
    if not all(values):
        raise ExpectationError('an empty list or element matches nothing; write "in [a, b]"')
    if isinstance(metric, MetricDef):
        return OneOf(tuple(_quantity(value, metric) for value in values))
    return OneOf(tuple(values if metric else map(_loose, values)))


def _regex(found: re.Match[str], metric: Definition) -> Condition:
    _refuse_metric(metric, "a regular expression matches texts")
    if not found[1]:
        raise ExpectationError("an empty pattern matches everything; write /pattern/")
    return Matches(found[1])


def _contains(text: str, metric: Definition) -> Condition:
    _refuse_metric(metric, '"contains" searches texts')
    return Contains(text.removeprefix("contains ").strip())


def _refuse_metric(metric: Definition, why: str) -> None:
    if isinstance(metric, MetricDef):
        raise ExpectationError(f'{why}, and {metric.name} is a number; write a comparison such as "<= 40"')


_BUILDERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Definition], Condition]], ...] = (
    (_COMPARISON, _comparison),
    (_BETWEEN, _between),
    (_IN, _in),
    (_REGEX, _regex),
)


def _quantity(text: str, metric: Definition) -> float:
    """Return the number in the metric's unit; a suffix needs a declared unit."""
    if not isinstance(metric, MetricDef):
        return _bare(text)
    try:
        return units.parse(text, metric.unit)
    except ValueError as error:
        raise ExpectationError(str(error)) from None


def _bare(text: str) -> float:
    try:
        return _finite(float(text), text)
    except ValueError:
        raise ExpectationError(
            f'"{text}" is no number; write one without a suffix, or for a text "== {text}" or "/{text}/"'
        ) from None


def _finite(value: float, text: str) -> float:
    if not math.isfinite(value):
        raise ExpectationError(f'"{text}" is no finite number')
    return value


def _mapping(raw: Mapping[Any, Any], metric: Definition, calendars: Calendars, depth: int) -> Condition:
    if "over" in raw:
        return _window(raw, metric, calendars)
    if len(raw) == 1:
        (key, value), *_ = raw.items()
        if key == "not":
            return Not(_parse(value, metric, calendars, depth + 1))
        if key in ("all", "any"):
            return _junction(key, value, metric, calendars, depth)
    if any(_STATISTIC.fullmatch(str(key)) or key in _MEANS for key in raw):
        raise ExpectationError('a statistic needs its window; write {p95: "<= 40", over: 24h}')
    raise ExpectationError(
        f"{', '.join(map(str, raw)) or 'an empty mapping'} is no condition; write one {_FORMS}"
    )


def _junction(key: str, value: object, metric: Definition, calendars: Calendars, depth: int) -> Condition:
    if not isinstance(value, list) or not value:
        raise ExpectationError(f'"{key}" of nothing asserts nothing; write {{{key}: [">= 1", "<= 5"]}}')
    conditions = tuple(_parse(each, metric, calendars, depth + 1) for each in value)
    return All(conditions) if key == "all" else AnyOf(conditions)


def _window(raw: Mapping[Any, Any], metric: Definition, calendars: Calendars) -> Condition:
    if isinstance(metric, FactDef):
        raise ExpectationError(
            f"{metric.name} is a text, and a statistic needs numbers; leave {{..., over: ...}} out"
        )
    over_text = str(raw["over"])
    over = _quantity(over_text, _WINDOW)
    if not 0 < over < math.inf:
        raise ExpectationError(f'"{over_text}" is no window; write "over: 24h"')
    calendar = _calendar(str(raw.get("calendar", ALWAYS)), calendars)
    stated = [(str(key), raw[key]) for key in raw if key not in ("over", "calendar")]
    parts = [Statistic(*_statistic(*each, metric), over, over_text, calendar) for each in stated]
    if not parts:
        raise ExpectationError(
            'a window without a statistic asserts nothing; write {p95: "<= 40", over: 24h}'
        )
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _calendar(name: str, calendars: Calendars) -> Calendar:
    if name not in calendars:
        hint = did_you_mean(name, calendars) or f"write one of {', '.join(calendars)}"
        raise ExpectationError(f'unknown calendar "{name}"; {hint}')
    return calendars[name]


def _statistic(
    name: str, raw: object, metric: Definition
) -> tuple[str, float | None, Compare | Between | Requirement]:
    """Return its name, its quantile (None for an extreme) and what it is compared with."""
    if name in _MEANS:
        raise ExpectationError(
            f'"{name}" hides the tail, so a mean is never judged; write p50, p95, p99, q05, min or max'
        )
    found = _STATISTIC.fullmatch(name)
    quantile = float(found[1]) / 100 if found and found[1] else None
    if found is None or quantile == 0:
        raise ExpectationError(f'"{name}" is no statistic; write p50, p90, p95, p99, q05, min or max')
    inner = _parse(raw, metric, BUILT_IN, MAX_DEPTH)
    if not isinstance(inner, Compare | Between | Requirement) or (
        isinstance(inner, Compare) and inner.op in ("==", "!=")
    ):
        raise ExpectationError(
            f'{name} is judged by its bounds; write "<= 40", ">= 40" or "between 18 and 27"'
        )
    if isinstance(inner, Requirement) and (complaint := requirement.weak(metric, name, quantile)):
        raise ExpectationError(complaint)
    return name, quantile, inner
