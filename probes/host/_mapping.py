"""From an exporter's series to metrics and facts: expressions, rates, ratios, reductions.

Whatever can't be computed truly (a series that is absent, stale, not a number, reset since the last scrape,
or several where one was meant) is not reported at all; it never becomes zero.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from probes._exposition import Labels, Sample, Selector, selector
from probes.api import Params, Shared

LONGEST_SPAN_S = 900.0
SHORTEST_SPAN_S = 0.8
MAX_KEPT = 100_000
"""Most selectors whose last values are kept for rates, over all exporters."""

_TERM = re.compile(r'(^|[-+])((?:[^-+"]|"(?:[^"\\]|\\.)*")*)')

Reduce = Literal["sum", "max", "min", "avg", "count"]
Values = dict[Labels, float]


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: the first of `selectors` that has samples, added or taken away."""

    sign: int
    selectors: tuple[Selector, ...]


@lru_cache(maxsize=4096)
def terms(text: str) -> tuple[Term, ...]:
    """Parse `a{x="1"} or b - c + d`; `or` binds closest. Raises ValueError with what to write instead."""
    found, parts = [], _TERM.findall(text.strip())
    if sum(len(sign) + len(part) for sign, part in parts) != len(text.strip()):
        msg = f'{text!r} is no expression; write series joined by +, - or "or", with labels in double quotes'
        raise ValueError(msg)
    for sign, part in parts:
        choices = re.split(r'\bor\b(?=(?:[^"]*"[^"]*")*[^"]*$)', part)
        found.append(Term(-1 if sign == "-" else 1, tuple(selector(choice) for choice in choices)))
    return tuple(found)


class MetricMap(Params):
    """How one metric comes from series. A text alone means `{of: text}`."""

    of: str = Field(description="Series, e.g. node_load1; several are joined by +, - (by equal labels), or.")
    per: str | None = Field(None, description="What it is divided by.")
    by: Literal["total", "each"] = Field("total", description="Divide the totals, or series by series.")
    reduce: Reduce | None = Field(None, description="How several series become one; else only one may be.")
    per_reduce: Reduce = Field("sum", description="The same for the divisor of totals.")
    rate: bool = Field(False, description="Take the increase a second since the last scrape.")
    complement: bool = Field(False, description="Take 1 minus the ratio.")
    age: bool = Field(False, description="The value is a time; take the seconds since.")
    scale: float = Field(1.0, description="Multiply by this.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"of": value} if isinstance(value, str) else value

    @field_validator("of", "per")
    @classmethod
    def _parses(cls, text: str | None) -> str | None:
        if text is not None:
            terms(text)
        return text

    @property
    def expressions(self) -> tuple[str, ...]:
        """The expressions it needs."""
        return (self.of,) if self.per is None else (self.of, self.per)


class FactMap(Params):
    """How one fact comes from a label of one series."""

    of: str = Field(description="Series, e.g. node_uname_info.")
    label: str = Field(min_length=1, description="The label whose value is the fact.")

    @field_validator("of")
    @classmethod
    def _parses(cls, text: str) -> str:
        terms(text)
        return text


def selectors_of(expressions: tuple[str, ...]) -> frozenset[Selector]:
    """Return all selectors of some expressions."""
    return frozenset(s for text in expressions for term in terms(text) for s in term.selectors)


@dataclass(frozen=True, slots=True)
class Kept:
    """The last values of a selector's series, in the exporter's order."""

    at: float
    labels: int
    values: array[float]


class LastSamples:
    """The last values behind rates; a client for `Shared.get`."""

    def __init__(self, _: Shared) -> None:
        self.kept: OrderedDict[tuple[str, Selector], Kept] = OrderedDict()

    def swap(self, url: str, wanted: Selector, samples: list[Sample], at: float) -> Kept | None:
        """Keep the values and return those before, if of the same series, neither too old nor too new."""
        now = Kept(at, hash(tuple(s.labels for s in samples)), array("d", (s.value for s in samples)))
        before = self.kept.get((url, wanted))
        if before is not None and before.labels == now.labels and at - before.at < SHORTEST_SPAN_S:
            return None
        self.kept[url, wanted] = now
        self.kept.move_to_end((url, wanted))
        if len(self.kept) > MAX_KEPT:
            self.kept.popitem(last=False)
        if before is None or before.labels != now.labels or at - before.at > LONGEST_SPAN_S:
            return None
        return before


@dataclass(slots=True)
class Scrape:
    """One scrape's samples, with the rates of those that need them; `now` is the exporter's clock."""

    samples: Mapping[Selector, list[Sample]]
    now: float
    rates: dict[Selector, Values] = field(default_factory=dict)
    first: bool = False
    """Whether a rate had nothing before it to start from."""

    def add_rates(self, last: LastSamples, url: str, wanted: frozenset[Selector], at: float) -> None:
        """Compute the rates of the selectors in `wanted`; a series that was reset spoils its selector."""
        for one in wanted:
            samples = self.samples.get(one)
            if not samples:
                continue
            before = last.swap(url, one, samples, at)
            if before is None:
                self.first = True
                continue
            changes = [s.value - old for s, old in zip(samples, before.values, strict=True)]
            if min(changes) >= 0:
                span = at - before.at
                self.rates[one] = {s.labels: c / span for s, c in zip(samples, changes, strict=True)}


def metric(how: MetricMap, scrape: Scrape) -> float | None:
    """Return a metric's value, or None where it can't be told truly."""
    values = _values(how.of, how.rate, scrape)
    if values is None:
        return None
    if how.per is None:
        result = _reduced(values, how.reduce)
    else:
        divisors = _values(how.per, how.rate, scrape)
        if divisors is None:
            return None
        result = _ratio(how, values, divisors)
    if result is None:
        return None
    result = (scrape.now - result if how.age else result) * how.scale
    return result if math.isfinite(result) else None


def fact(how: FactMap, scrape: Scrape) -> str | None:
    """Return a fact's value, or None where no series, or more than one value, is there."""
    found = {
        dict(sample.labels).get(how.label, "")
        for term in terms(how.of)
        for one in term.selectors
        for sample in scrape.samples.get(one, ())
    } - {""}
    return found.pop() if len(found) == 1 else None


def _ratio(how: MetricMap, values: Values, divisors: Values) -> float | None:
    if how.by == "each":
        ratios = {
            labels: _share(value / divisors[labels], how.complement)
            for labels, value in values.items()
            if divisors.get(labels, 0.0) != 0
        }
        return _reduced(ratios, how.reduce)
    above, below = _reduced(values, how.reduce or "sum"), _reduced(divisors, how.per_reduce)
    return _share(above / below, how.complement) if above is not None and below else None


def _share(ratio: float, complement: bool) -> float:
    return 1 - ratio if complement else ratio


def _values(text: str, rate: bool, scrape: Scrape) -> Values | None:
    """Return an expression's values by labels: of those labels that all of its terms have."""
    total: Values | None = None
    for term in terms(text):
        one = _term(term, rate, scrape)
        if one is None:
            return None
        if total is None:
            total = {labels: term.sign * value for labels, value in one.items()}
        else:
            total = {
                labels: value + term.sign * one[labels] for labels, value in total.items() if labels in one
            }
    return total or None


def _term(term: Term, rate: bool, scrape: Scrape) -> Values | None:
    for one in term.selectors:
        samples = scrape.samples.get(one)
        if samples:
            values = scrape.rates.get(one, {}) if rate else {s.labels: s.value for s in samples}
            finite = {labels: value for labels, value in values.items() if math.isfinite(value)}
            return finite or None
    return None


def _reduced(values: Values, how: Reduce | None) -> float | None:
    numbers = list(values.values())
    if not numbers or (how is None and len(numbers) != 1):
        return None
    if how == "count":
        return float(len(numbers))
    if how == "avg":
        return math.fsum(numbers) / len(numbers)
    return {"max": max, "min": min}.get(how or "", math.fsum)(numbers)


def fresh(
    samples: Mapping[Selector, list[Sample]], now: float, max_age: float, per_second: float
) -> dict[Selector, list[Sample]]:
    """Return the samples without those that state a time of their own over `max_age` seconds ago."""
    return {
        one: [s for s in found if s.at is None or now - s.at / per_second <= max_age]
        for one, found in samples.items()
    }
