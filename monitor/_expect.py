"""Conditions that the inventory itself writes: which check each is for, and what item it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from inventory import units
from inventory.effective import OWN, Bound
from inventory.layers import Recipe
from inventory.problems import Path_, Place, did_you_mean
from monitor.calendars.calendar import BUILT_IN, Calendar
from monitor.readiness.expectation import Condition, parse
from probes.api import FactDef, MetricDef, ProbeSpec

Severity = Literal["blocker", "major", "minor", "info"]
OPTIONS = ("is", "severity", "max_age")
Report = Callable[[Place, str, str], None]


class Wrong(Exception):  # noqa: N818 - carries a fault to where its position is known
    """A condition that can't be used."""

    def __init__(self, path: Path_, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.path, self.message, self.suggestion = path, message, suggestion


@dataclass(frozen=True, slots=True)
class Expectation:
    """A condition of the inventory's own: the item `expect.<check>.<metric>`."""

    condition: Condition
    severity: Severity = "blocker"
    max_age: float | None = None
    """Seconds; None: by the check."""


def read(name: str, raw: Any, spec: ProbeSpec, calendars: Mapping[str, Calendar] = BUILT_IN) -> Expectation:
    """Return what is written under `name`. Raises Wrong."""
    definition = definition_of(spec, name)
    if definition is None and not spec.dynamic:
        hint = did_you_mean(name, names_of(spec))
        raise Wrong((name,), f'probe "{spec.name}" reports no "{name}"', hint)
    try:
        if not (isinstance(raw, Mapping) and "is" in raw):
            return Expectation(parse(raw, metric=definition, calendars=calendars))
        for key in raw:
            if key not in OPTIONS:
                raise Wrong((name, key), "unknown key", did_you_mean(str(key), OPTIONS))
        condition = parse(raw["is"], metric=definition, calendars=calendars)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        raise Wrong((name,), message, hint) from None
    return Expectation(condition, _severity(name, raw), _max_age(name, raw))


def _severity(name: str, raw: Mapping[str, Any]) -> Severity:
    given = raw.get("severity", "blocker")
    for known in get_args(Severity):
        if given == known:
            severity: Severity = known
            return severity
    message = f'unknown severity "{str(given)[:40]}"'
    raise Wrong((name, "severity"), message, did_you_mean(str(given), get_args(Severity)))


def _max_age(name: str, raw: Mapping[str, Any]) -> float | None:
    if "max_age" not in raw:
        return None
    given = raw["max_age"]
    try:
        age = units.parse(given, "s") if isinstance(given, str) else float(given)
    except (TypeError, ValueError) as error:
        message, _, hint = str(error).partition("; ")
        raise Wrong((name, "max_age"), message, hint) from None
    if not 0 < age < float("inf"):
        raise Wrong((name, "max_age"), "must be more than nothing", 'write for example "5 min"')
    return age


def definition_of(spec: ProbeSpec, name: str) -> MetricDef | FactDef | None:
    """Return the metric or fact of that name, or None."""
    return spec.metric(name) or spec.fact(name)


def names_of(spec: ProbeSpec) -> Iterator[str]:
    """Yield the names of all metrics and facts that are known beforehand."""
    yield from (metric.name for metric in spec.metrics)
    yield from (fact.name for fact in spec.facts)


def reporter(name: str, specs: Mapping[str, ProbeSpec]) -> tuple[str, str]:
    """Return (check id, metric or fact) for a name written on an asset. Raises Wrong.

    `specs` are the asset's checks. A name that a probe declares goes before one that only a run can tell.
    """
    check, dot, rest = name.partition(".")
    if dot and check in specs:
        if not specs[check].dynamic and definition_of(specs[check], rest) is None:
            hint = did_you_mean(rest, names_of(specs[check]))
            raise Wrong((name,), f'check "{check}" reports no "{rest}"', hint)
        return check, rest
    found = [key for key, spec in specs.items() if definition_of(spec, name)]
    found = found or [key for key, spec in specs.items() if spec.dynamic]
    if len(found) == 1:
        return found[0], name
    if found:
        both = " and ".join(f'"{key}"' for key in found)
        raise Wrong((name,), f"checks {both} may both report it", f'write "{found[0]}.{name}"')
    known = {each for spec in specs.values() for each in names_of(spec)}
    raise Wrong((name,), f'no check of this asset reports "{name}"', did_you_mean(name, known))


Expected = Mapping[str, Expectation]
NOTHING: Expected = {}


class Conditions:
    """The conditions of each asset's checks; equal ones are parsed once and shared."""

    def __init__(self, report: Report, calendars: Mapping[str, Calendar] = BUILT_IN) -> None:
        self._report, self._calendars = report, calendars
        self._known: dict[str, Expected] = {}

    def of(self, bound: Bound, checks: Sequence[tuple[Recipe, ProbeSpec]]) -> dict[str, Expected]:
        """Return what is expected of each check, by metric or fact; checks without any are left out."""
        own = bound.asset.expect or {}
        given = self._given(bound, own, {recipe.id: spec for recipe, spec in checks})
        return {
            recipe.id: self._check(recipe, spec, given.get(recipe.id, {}), bound)
            for recipe, spec in checks
            if recipe.expect or recipe.id in given
        }

    def _given(
        self, bound: Bound, own: Mapping[str, Any], specs: Mapping[str, ProbeSpec]
    ) -> dict[str, dict[str, str]]:
        """Return what the asset itself says of each check: by metric, the key it is written under."""
        given: dict[str, dict[str, str]] = {}
        for written in own:
            try:
                check, metric = reporter(written, specs)
            except Wrong as wrong:
                self._wrong(bound.place, wrong)
            else:
                given.setdefault(check, {})[metric] = written
        return given

    def _check(self, recipe: Recipe, spec: ProbeSpec, given: Mapping[str, str], bound: Bound) -> Expected:
        own = bound.asset.expect or {}
        said = [(metric, own[written]) for metric, written in given.items()]
        key = f"{spec.name} {spec.dynamic} {recipe.expect!r} {said!r}"
        if key not in self._known:
            places = {name: (recipe.layer("expect", name).place, name) for name in recipe.expect}
            self._twice(recipe, given, bound)
            raws = {**recipe.expect, **dict(said)}
            places |= {metric: (bound.place, written) for metric, written in given.items()}
            found = {name: self._read(name, raw, spec, *places[name]) for name, raw in raws.items()}
            good = {name: each for name, each in found.items() if each is not None}
            if len(good) < len(raws):
                return NOTHING
            self._known[key] = good
        return self._known[key]

    def _twice(self, recipe: Recipe, given: Mapping[str, str], bound: Bound) -> None:
        for metric, written in given.items():
            if metric in recipe.expect and recipe.layer("expect", metric).label == OWN:
                text = "the asset and its own check both expect something of it"
                self._report(bound.place / "expect" / written, text, "write it in one of the two")

    def _read(self, name: str, raw: Any, spec: ProbeSpec, place: Place, written: str) -> Expectation | None:
        try:
            return read(name, raw, spec, self._calendars)
        except Wrong as wrong:
            wrong.path = (written, *wrong.path[1:])
            self._wrong(place, wrong)
            return None

    def _wrong(self, place: Place, wrong: Wrong) -> None:
        at = Place(place.file, place.document, (*place.path, "expect", *wrong.path))
        self._report(at, wrong.message, wrong.suggestion)
