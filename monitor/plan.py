"""From what is watched to what is run: every effective check validated and bound to its probe and target.

Jobs of equal checks share their parameters and conditions: 100,000 jobs fit in 100 MB.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from inventory import load, profiles, units
from inventory._explain import explain
from inventory._fields import Bool, Seconds
from inventory.effective import Bound, Effective
from inventory.layers import Layer, Recipe
from inventory.models import BLOCKS, CHECK_KEYS, Inventory, Unit
from inventory.problems import ConfigError, Path_, Place, Problem, did_you_mean
from inventory.profiles import Profile
from inventory.source import Locator
from monitor._expect import NOTHING, Conditions, Expectation, Expected
from monitor.calendars.calendar import BUILT_IN, Calendar
from monitor.calendars.windows import Window
from monitor.discipline.links import Lines
from monitor.job import Job
from monitor.readiness.conditions import Condition
from probes import registry as built_in
from probes.api import Params, ProbeSpec, Target, clip

__all__ = ["Expectation", "Plan", "Registry", "build", "read", "with_blocks"]

MAX_PROBLEMS = 1000
_DEFAULT_SHARE = 0.8
"""Of `every`, what a timeout that nobody wrote may take at most."""
M = TypeVar("M", bound=BaseModel)


class Registry(Protocol):
    """Where probes are found by name; `probes.registry` is one."""

    def names(self) -> tuple[str, ...]:
        """Return all names."""

    def get(self, name: str) -> ProbeSpec:
        """Return the probe's declaration. Raises LookupError."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All jobs, in the order of the inventory, and what else follows from it."""

    jobs: Mapping[str, Job]
    """By `unit/asset/check`; checks that are not enabled are left out."""
    expectations: Mapping[str, Expected] = field(default_factory=dict)
    """By job, by metric or fact: what the inventory itself expects, also over windows."""
    uncovered: tuple[tuple[str, str], ...] = ()
    """(unit, asset) of each asset that no check measures: each is an unknown blocker item."""
    secrets: frozenset[str] = frozenset()
    """The names of all secrets that jobs use."""


def build(
    inventory: Inventory,
    known: Mapping[str, Profile],
    *,
    registry: Registry = built_in,
    problems: Iterable[Problem] = (),
    calendars: Mapping[str, Calendar] = BUILT_IN,
) -> Plan:
    """Return the plan of an inventory; `known` are all profiles, `calendars` what its conditions may name.

    Raises ConfigError with everything that is wrong, `problems` (what was found before) included.
    """
    problems = tuple(problems)
    lines = None if problems else Lines(inventory)
    builder = _Builder(inventory, known, registry, lines, calendars)
    plan = builder.plan()
    locator = Locator()
    wrong = [*builder.effective.wrong, *builder.wrong]
    found = [*problems, *(locator.problem(*each) for each in wrong[:MAX_PROBLEMS])]
    if found:
        raise ConfigError(found)
    return plan


def read(
    path: Path,
    profile_dirs: Sequence[Path],
    *,
    registry: Registry = built_in,
    calendars: Mapping[str, Calendar] = BUILT_IN,
) -> tuple[Inventory, Mapping[str, Profile], Plan]:
    """Return the inventory at `path`, all profiles, and the plan they make.

    Raises ConfigError with everything that is wrong in any of them.
    """
    problems: list[Problem] = []
    found: Mapping[str, Profile] = {}
    try:
        found = profiles.load(profile_dirs)
    except ConfigError as error:
        problems += error.problems
    try:
        inventory, wrong = load.examine(path)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if problems:
        raise ConfigError([*problems, *wrong])
    return inventory, found, build(inventory, found, registry=registry, problems=wrong, calendars=calendars)


class _Timing(BaseModel):
    """The check's own keys, wherever they were written (those of defaults have not been validated yet)."""

    model_config = ConfigDict(extra="ignore")

    every: Seconds | None = None
    timeout: Seconds | None = None
    retries: int = Field(0, ge=0, le=10, strict=True)
    windows: tuple[Annotated[Window, BeforeValidator(Window.parse)], ...] = ()
    enabled: Bool = True
    degradation: dict[str, Literal["off", "low", "normal", "high"]] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What equal checks have in common."""

    spec: ProbeSpec
    params: Params
    every: float
    timeout: float
    retries: int
    windows: tuple[Window, ...]
    degradation: Mapping[str, str]


class _Builder:
    """Builds one plan; `wrong` holds, in order and each once, what it met on the way.

    `lines` is None where the inventory has problems already: references may lead nowhere.
    """

    def __init__(
        self,
        inventory: Inventory,
        known: Mapping[str, Profile],
        registry: Registry,
        lines: Lines | None,
        calendars: Mapping[str, Calendar] = BUILT_IN,
    ) -> None:
        self.effective = Effective(inventory, known)
        self.wrong: dict[tuple[Place, str, str], None] = {}
        self._inventory, self._registry = inventory, registry
        self._names = registry.names()
        self._specs: dict[str, ProbeSpec | None] = {}
        self._shapes: dict[str, _Shape] = {}
        self._conditions = Conditions(self._report, calendars)
        self._expects: dict[int, dict[str, Condition]] = {}
        self._jobs: dict[str, Job] = {}
        self._expectations: dict[str, Expected] = {}
        self._uncovered: list[tuple[str, str]] = []
        self._secrets: set[str] = set()
        self._lines = lines

    def plan(self) -> Plan:
        """Return the plan; useless where something is wrong."""
        for probe, place in self._inventory.default_places.items():
            if probe not in self._names:
                self._report(place, f'unknown probe "{probe}"', did_you_mean(probe, self._names))
        for unit in self._inventory:
            for bound in self.effective.unit(unit):
                self._asset(unit, bound)
        return Plan(self._jobs, self._expectations, tuple(self._uncovered), frozenset(self._secrets))

    def _report(self, place: Place, message: str, suggestion: str = "") -> None:
        self.wrong[(place, message, suggestion)] = None

    def _asset(self, unit: Unit, bound: Bound) -> None:
        asset, enabled = bound.asset, [recipe for recipe in bound.recipes if recipe.enabled]
        if not enabled:
            self._uncovered.append((unit.id, asset.id))
        checks = [(each, spec.given(each.parameters)) for each in enabled if (spec := self._spec(each))]
        complete = len(checks) == len(enabled)
        expected = self._conditions.of(bound, checks) if complete else {}
        zone = self._inventory.timezone(unit.id)
        target = Target(asset.address, asset.family, unit.id, asset.id, zone)
        for recipe, spec in checks:
            if spec.needs_address and not asset.address:
                text = f'probe "{spec.name}" needs the asset\'s address'
                self._report(bound.place / "address", text, "write its host name or IP address")
            if shape := self._shape(with_blocks(recipe, spec, bound), spec):
                self._job(target, recipe.id, shape, expected.get(recipe.id, NOTHING))

    def _job(self, target: Target, check: str, shape: _Shape, expected: Expected) -> None:
        key = f"{target.unit}/{target.asset}/{check}"
        if expected:
            self._expectations[key] = expected
        if id(expected) not in self._expects:
            self._expects[id(expected)] = {name: each.condition for name, each in expected.items()}
        timing = (shape.every, shape.timeout, shape.retries)
        lines = self._lines
        route = lines.of(target.unit, target.asset, shape.spec.loads_link) if lines else None
        self._jobs[key] = Job(
            key, target.unit, target.asset, check, shape.spec, target, shape.params, *timing,
            self._expects[id(expected)], route, shape.windows, shape.degradation,
        )  # fmt: skip

    def _spec(self, recipe: Recipe) -> ProbeSpec | None:
        name = recipe.probe
        if name not in self._names:
            place = recipe.layer("probe").place / "probe"
            self._report(place, f'unknown probe "{name}"', did_you_mean(name, self._names))
            return None
        if name not in self._specs:
            try:
                self._specs[name] = self._registry.get(name)
            except Exception as error:  # noqa: BLE001 - a third party's module may raise anything
                self._specs[name] = None
                text = f'probe "{name}" can\'t be loaded: {type(error).__name__}: {error}'
                self._report(recipe.layer("probe").place / "probe", clip(text, 300))
        return self._specs[name]

    def _shape(self, recipe: Recipe, spec: ProbeSpec) -> _Shape | None:
        values = {key: value for key, value in recipe.values.items() if key != "expect"}
        key = f"{spec.name} {values!r}"
        if key not in self._shapes:
            own = {name: values[name] for name in CHECK_KEYS if name in values}
            timing = self._validated(_Timing, own, recipe)
            params = self._validated(spec.params, recipe.parameters, recipe)
            times = self._times(timing, recipe, spec) if timing else None
            if timing is None or params is None or times is None or not self._may_have(timing, recipe, spec):
                return None
            self._secrets.update(_secrets(recipe.parameters))
            self._shapes[key] = _Shape(
                spec, params, *times, timing.retries, timing.windows, timing.degradation
            )
        return self._shapes[key]

    def _validated(self, model: type[M], data: dict[str, Any], recipe: Recipe) -> M | None:
        """Return `data` as a `model`; what is wrong is reported where the layer that decided it stands."""

        def report(path: Path_, message: str, suggestion: str) -> None:
            place = recipe.layer(str(path[0])).place if path else recipe.layers[-1].place
            at = Place(place.file, place.document, (*place.path, *path))
            self._report(at, message, suggestion)

        try:
            return model.model_validate(data, context={"quantity": units.parse})
        except ValidationError as error:
            deque(explain(error, model, data, report, also=CHECK_KEYS), maxlen=0)
            return None

    def _may_have(self, timing: _Timing, recipe: Recipe, spec: ProbeSpec) -> bool:
        noticed = [metric.name for metric in spec.metrics if metric.notice or metric.unit == "ms"]
        for name in timing.degradation:
            if name not in noticed:
                place = recipe.layer("degradation").place / "degradation" / name
                known = f'"{spec.name}" has {", ".join(noticed) or "none"}'
                self._report(place, f'"{name}" is no latency or loss', did_you_mean(name, noticed) or known)
                return False
        if not timing.windows or spec.loads_link:
            return True
        place = recipe.layer("windows").place / "windows"
        self._report(place, f'"{spec.name}" does not load a link', "leave it out: it may always run")
        return False

    def _times(self, timing: _Timing, recipe: Recipe, spec: ProbeSpec) -> tuple[float, float] | None:
        every = timing.every or spec.default_every
        timeout = timing.timeout or min(spec.default_timeout, _DEFAULT_SHARE * every)
        if timeout < every:
            return every, timeout
        text = f"{units.render(timeout, 's')} is not below every, {units.render(every, 's')}"
        place = recipe.layer("timeout").place / "timeout"
        self._report(place, text, "shorten timeout, or lengthen every")
        return None


def with_blocks(recipe: Recipe, spec: ProbeSpec, bound: Bound) -> Recipe:
    """Return the recipe with the asset's blocks that the probe takes; the asset's own check goes before."""
    for name in spec.inputs:
        block = getattr(bound.asset, name) if name in BLOCKS else None
        if block is not None:
            layer = Layer("the asset", bound.place, {name: block})
            recipe = recipe.with_layer(layer, before_last=recipe.id in bound.own)
    return recipe


def _secrets(value: Any) -> Iterator[str]:
    """Yield the names of all secrets below `value`."""
    if isinstance(value, str) and value.startswith("secret:"):
        yield value.removeprefix("secret:")
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _secrets(each)
