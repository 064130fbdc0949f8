"""What must hold at a gate: the checklist as written, and the items it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from inventory._fields import Seconds, Slug, Version
from inventory.models import Kind, Level, Unit
from inventory.problems import Problem
from inventory.profiles import Selector
from monitor.readiness.conditions import Condition
from monitor.readiness.soak import Soak

Category = Literal[
    "network", "hardware", "system-software", "application", "database", "middleware", "peripheral",
    "interface", "security", "operations",
]  # fmt: skip
Severity = Literal["blocker", "major", "minor", "info"]
SEVERITIES: tuple[Severity, ...] = ("blocker", "major", "minor", "info")
CATEGORY_OF: Mapping[Kind, Category] = {
    "channel": "network", "host": "hardware", "application": "application", "database": "database",
    "middleware": "middleware", "peripheral": "peripheral", "interface": "interface",
}  # fmt: skip


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _some(value: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if value is not None and not value:
        raise ValueError("an empty list selects nothing; leave it out, or write at least one")
    return value


class Strict(BaseModel):
    """Frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _one_or_many(one: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [one, {"items": one, "type": "array"}]})


Names = Annotated[
    tuple[str, ...] | None, BeforeValidator(_listed), AfterValidator(_some), _one_or_many({"type": "string"})
]
Levels = Annotated[
    tuple[Level, ...] | None,
    BeforeValidator(_listed),
    AfterValidator(_some),
    _one_or_many({"enum": list(get_args(Level))}),
]
Share = Annotated[float, Field(gt=0, le=1)]


class Text(Strict):
    """A text for people, in English and Simplified Chinese."""

    en: Annotated[str, Field(min_length=1, max_length=500)]
    zh: Annotated[str, Field(min_length=1, max_length=500)]


class AppliesTo(Strict):
    """Which units a checklist is about; every key given must fit."""

    profile: Names = None
    level: Levels = None
    unit: Names = None
    tags: Names = None

    def fits(self, unit: Unit) -> bool:
        """Return whether the unit is meant."""
        return (
            (self.profile is None or unit.profile in self.profile)
            and (self.level is None or unit.level in self.level)
            and (self.unit is None or unit.id in self.unit)
            and (self.tags is None or set(self.tags) <= set(unit.tags))
        )


class SoakFile(Strict):
    """For how long an item must have held."""

    window: Seconds
    calendar: str = "24x7"
    min_coverage: Share = 0.9
    min_pass: Share = 0.995
    max_gap: Seconds | None = None


class Attest(Strict):
    """An item that a person states, with evidence."""

    role: Literal["operator", "approver", "admin"] = "operator"
    every: Seconds = 30 * 86400.0
    files: Annotated[int, Field(ge=0, le=20)] = 0


class ItemFile(Strict):
    """One line of a checklist as written; in an overlay of an inherited item all but `id` may be left out."""

    id: Slug
    category: Category | None = None
    severity: Severity | None = None
    title: Text | None = None
    remediation: Text | None = None
    select: Selector | None = None
    check: str | None = None
    """The id of the check on each selected asset."""
    probe: Names = None
    """The probe that makes the check, or several of which any may; defaults to the check's id."""
    expect: dict[str, Any] | None = None
    max_age: Seconds | None = None
    soak: SoakFile | None = None
    applies_when: dict[str, Any] | None = None
    """Conditions on the inventory: `unit.KEY` or `asset.KEY`."""
    waivable: bool | None = None
    optional: bool | None = None
    depends_on: tuple[Slug, ...] | None = None
    attest: Attest | None = None
    awaits: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    """What this version cannot measure yet: the item stays unknown until it can."""
    parent: Literal["READY", "CONDITIONAL"] | None = None
    """The least verdict of the unit's parent at the same gate."""


class ChecklistFile(Strict):
    """One checklist as written."""

    version: Version
    id: Slug
    gate: Slug | None = None
    extends: Annotated[tuple[str, ...], BeforeValidator(_listed), _one_or_many({"type": "string"})] = ()
    applies_to: AppliesTo | None = None
    """Left out: every unit."""
    max_waivers: Annotated[int, Field(ge=0)] | None = None
    items: tuple[ItemFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One item, complete. Times in seconds; `expect` in the order written."""

    id: str
    category: Category
    severity: Severity
    title: str
    title_zh: str
    remediation: str = ""
    remediation_zh: str = ""
    select: Selector | None = None
    check: str | None = None
    probes: tuple[str, ...] = ()
    """The probes of which any may make the check."""
    expect: tuple[tuple[str, Condition], ...] = ()
    max_age: float | None = None
    soak: Soak | None = None
    applies_when: tuple[tuple[str, Condition], ...] = ()
    waivable: bool = False
    optional: bool = False
    depends_on: tuple[str, ...] = ()
    attest: Attest | None = None
    awaits: str | None = None
    parent: Literal["READY", "CONDITIONAL"] | None = None
    sources: tuple[str, ...] = ()
    """The checklists that wrote on it, the oldest first."""
    where: Problem | None = field(default=None, compare=False, repr=False)
    """Where it was written last, as a problem without a message."""

    @property
    def may_be_waived(self) -> bool:
        """Whether an approver may waive it: a blocker only where the item says so."""
        return self.severity != "blocker" or self.waivable


@dataclass(frozen=True, slots=True)
class Checklist:
    """A checklist with all it inherits."""

    id: str
    gate: str
    applies_to: AppliesTo | None
    max_waivers: int | None
    items: Mapping[str, Item]
    digest: str
    lineage: frozenset[str] = field(default_factory=frozenset)

    def fits(self, unit: Unit) -> bool:
        """Return whether the unit is meant."""
        return self.applies_to is None or self.applies_to.fits(unit)
