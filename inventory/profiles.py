"""Profiles: what to measure on a kind of unit. Files say it in pieces; here they become one list of checks.

A profile that extends others has all of their checks; a check with an id of theirs changes it key by key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.dataclasses import dataclass

from inventory import _cross
from inventory._fields import Settings, Slug, Version
from inventory.layers import Layer, Recipe, keys_of, merge
from inventory.load import files
from inventory.models import CHECK_KEYS, Asset, CheckSpec, Kind, split_parameters
from inventory.problems import ConfigError, Place, Problem, did_you_mean
from inventory.source import Locator, read, validate


def _many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _one_or_many(item: dict[str, object]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item}]})


Texts = Annotated[tuple[str, ...], BeforeValidator(_many), _one_or_many({"type": "string"})]
Kinds = Annotated[tuple[Kind, ...], BeforeValidator(_many), _one_or_many({"enum": list(get_args(Kind))})]
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Selector:
    """Which assets: every key that is given must hold; of several values one, but of tags all."""

    kind: Kinds = ()
    role: Texts = ()
    tags: Texts = ()
    id: Texts = ()

    def matches(self, asset: Asset) -> bool:
        """Say whether the asset is selected."""
        return (
            (not self.kind or asset.kind in self.kind)
            and (not self.role or asset.role in self.role)
            and (not self.id or asset.id in self.id)
            and all(tag in asset.tags for tag in self.tags)
        )


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class ProfileCheck(CheckSpec):
    """A check for all assets of a unit that `for` selects; without it, for all."""

    for_: Annotated[Selector | None, Field(alias="for")] = None

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_parameters(value, (*CHECK_KEYS, "for"))


class ProfileFile(BaseModel):
    """One profile as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    id: Slug
    name: str = ""
    name_zh: str = ""
    extends: tuple[Slug, ...] = ()
    defaults: dict[str, Settings] = {}
    """Keys of checks by probe, for this profile's checks and units' own checks under it."""
    checks: tuple[ProfileCheck, ...] = ()


@plain_dataclass(frozen=True, slots=True)
class Profile:
    """A profile with everything it extends put in."""

    id: str
    defaults: Mapping[str, tuple[Layer, ...]] = field(default_factory=dict)
    """By probe, most general first."""
    checks: Mapping[str, tuple[Selector, tuple[Layer, ...]]] = field(default_factory=dict)
    """By check id, in order: which assets, and what each file says of it, most general first."""


@plain_dataclass(frozen=True, slots=True)
class _Written:
    profile: ProfileFile
    place: Place


def load(directories: Sequence[Path]) -> Mapping[str, Profile]:
    """Return all profiles in `directories` by id. A later directory's profile replaces an earlier one's.

    Raises ConfigError with everything that is wrong.
    """
    written: dict[str, _Written] = {}
    problems: list[Problem] = []
    for directory in directories:
        found, wrong = _read(directory)
        problems += wrong
        written.update(found)
    locator = Locator()
    problems += [locator.problem(*each) for each in _check(written)]
    if problems:
        raise ConfigError(problems)
    return {key: _resolve(key, written) for key in written}


def _read(directory: Path) -> tuple[dict[str, _Written], list[Problem]]:
    found: dict[str, _Written] = {}
    problems: list[Problem] = []
    for file in files(directory):
        try:
            for index, document in enumerate(read(file)):
                profile = validate(document, ProfileFile)
                if profile.id in found:
                    first = Locator().position(found[profile.id].place / "id")
                    text = f'profile "{profile.id}" is already defined in {first}'
                    problems.append(document.problem(("id",), text, "give one of the two another id"))
                found.setdefault(profile.id, _Written(profile, Place(str(file), index)))
        except ConfigError as error:
            problems += error.problems
    return found, problems


def _check(written: Mapping[str, _Written]) -> Iterator[_cross.Wrong]:
    for each in written.values():
        for index, base in enumerate(each.profile.extends):
            if base not in written:
                place = each.place / "extends" / index
                yield place, f'unknown profile "{base}"', did_you_mean(base, written)
        for index, spec in enumerate(each.profile.checks):
            yield from _cross.check_form(spec, each.place / "checks" / index)
        yield from _cross.same_ids(each.profile.checks, each.place)
        for probe, keys in each.profile.defaults.items():
            yield from _cross.default_form(keys, each.place / "defaults" / probe)
    yield from _rings(written)
    yield from _probeless(written)


def _rings(written: Mapping[str, _Written]) -> Iterator[_cross.Wrong]:
    for key, each in written.items():
        if key in _bases(key, written):
            yield each.place / "extends", f'"{key}" extends itself', "break the ring"


def _bases(key: str, written: Mapping[str, _Written]) -> set[str]:
    """Return all that a profile extends, directly or not."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        for base in written[waiting.pop()].profile.extends:
            if base in written and base not in found:
                found.add(base)
                waiting.append(base)
    return found


def _probeless(written: Mapping[str, _Written]) -> Iterator[_cross.Wrong]:
    for key, each in written.items():
        inherited = {spec.key for base in _bases(key, written) for spec in written[base].profile.checks}
        for index, spec in enumerate(each.profile.checks):
            if spec.probe is None and spec.id is not None and spec.id not in inherited:
                text = f'no profile that this one extends has a check "{spec.id}" to change'
                yield (
                    each.place / "checks" / index,
                    text,
                    did_you_mean(spec.id, inherited) or "write its probe",
                )


def _order(key: str, written: Mapping[str, _Written]) -> list[str]:
    """Return the profile and all it extends, each once, bases before what extends them."""
    order: dict[str, None] = {}
    for base in written[key].profile.extends:
        order.update(dict.fromkeys(_order(base, written)))
    order[key] = None
    return list(order)


def _resolve(key: str, written: Mapping[str, _Written]) -> Profile:
    defaults: dict[str, tuple[Layer, ...]] = {}
    checks: dict[str, tuple[Selector, tuple[Layer, ...]]] = {}
    for each in (written[name] for name in _order(key, written)):
        label = f"profile {each.profile.id}"
        for probe, keys in each.profile.defaults.items():
            layer = Layer(f"{label}, defaults", each.place / "defaults" / probe, keys)
            defaults[probe] = (*defaults.get(probe, ()), layer)
        for index, spec in enumerate(each.profile.checks):
            layer = Layer(label, each.place / "checks" / index, keys_of(spec))
            before, layers = checks.get(spec.key, (Selector(), ()))
            if spec.probe is not None and layers and spec.probe != merge(layers).get("probe"):
                layers = ()
            checks[spec.key] = (spec.for_ or before, (*layers, layer))
    return Profile(key, defaults, checks)


def recipes(profile: Profile, shared: Mapping[str, tuple[Layer, ...]]) -> Iterable[tuple[Selector, Recipe]]:
    """Yield the profile's checks with the defaults put under them; `shared` are the inventory's defaults."""
    for key, (selector, layers) in profile.checks.items():
        probe = str(merge(layers)["probe"])
        yield (
            selector,
            Recipe(key, probe, (*profile.defaults.get(probe, ()), *shared.get(probe, ()), *layers)),
        )
