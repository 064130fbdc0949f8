"""A release: which components it has, and of each the version, checksum and parameters; as it is written.

A manifest says what must hold, as a checklist does, and shares its parts; the inventory only says which unit
should run which release (`release:`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from inventory._fields import Seconds, Slug, Version
from inventory.models import DEFAULT_GATE
from inventory.problems import Problem
from inventory.profiles import Selector
from monitor.readiness.checklist import AppliesTo, Category, Checklist, Item, Severity, Strict, Text
from monitor.readiness.conditions import Condition

PREFIX = "release."
"""Items that come of manifests are `release.<component>`, their checklists `release.<release>`."""
Line = Annotated[str, Field(min_length=1, max_length=200)]


def _in_quotes(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("must be a text; write it in quotes, else 2.10 is read as 2.1")  # noqa: TRY004
    return value


def _some(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if not value:
        raise ValueError("a release without components asserts nothing; write at least one")
    return value


class ChecksumFile(Strict):
    """What tells one build of a version from another."""

    fact: Line
    """The fact that holds it."""
    value: Annotated[Line, BeforeValidator(_in_quotes)]


class ComponentFile(Strict):
    """One component of a release, on every asset that is selected."""

    id: Slug
    title: Text
    select: Selector
    applies_to: AppliesTo | None = None
    """Which units it concerns; left out: all that should run the release."""
    check: Line | None = None
    """The id of the check that reports on it."""
    probe: Line | None = None
    """The probe that makes the check; defaults to the check's id."""
    fact: Line = "version"
    """The fact that holds the version."""
    version: Annotated[Line | None, BeforeValidator(_in_quotes)] = None
    """Exactly this one; or a condition, such as ">= 15.3"."""
    checksum: ChecksumFile | None = None
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    """Conditions on further facts and metrics of the same check."""
    severity: Severity = "major"
    category: Category | None = None
    """Left out: by the one kind that is selected, else application."""
    max_age: Seconds | None = None
    waivable: bool = False
    optional: bool = False
    """Whether a unit may have no such asset."""
    remediation: Text | None = None


class ReleaseFile(Strict):
    """One release as written."""

    version: Version
    id: Slug
    released: date
    """From the beginning of this day, in the unit's time zone, it is due."""
    follows: Slug | None = None
    """The release before it: this gives the order."""
    gate: Slug = DEFAULT_GATE
    note: Annotated[str, Field(max_length=1000)] = ""
    components: Annotated[tuple[ComponentFile, ...], AfterValidator(_some)]


@dataclass(frozen=True, slots=True)
class Component:
    """A component with its conditions parsed."""

    item: Item
    """What is asked of each selected asset; `expect` holds the version, the checksum, then the parameters."""
    fact: str
    version: str | None
    identity: tuple[tuple[str, Condition], ...]
    """The conditions on version and checksum: what tells one release from another."""
    applies_to: AppliesTo | None = None

    @property
    def id(self) -> str:
        """The component's id."""
        return self.item.id.removeprefix(PREFIX)


@dataclass(frozen=True, slots=True)
class Release:
    """A release, complete."""

    id: str
    released: date
    follows: str | None
    gate: str
    components: Mapping[str, Component]
    where: Problem | None = field(default=None, compare=False, repr=False)
    """Where it was written, as a problem without a message."""


@dataclass(frozen=True, slots=True)
class ReleaseChecklist(Checklist):
    """A release as the checklist of those units that should run it."""

    units: frozenset[str] = frozenset()

    def fits(self, unit: Any) -> bool:
        """Return whether the unit should run it."""
        return unit.id in self.units
