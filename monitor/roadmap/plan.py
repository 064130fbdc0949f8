"""The plan: milestones, waves, due dates and owners, as written and as they come to for each unit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inventory._fields import Slug, Version
from inventory.models import DEFAULT_GATE, Inventory
from monitor.calendars.calendar import ALWAYS_OPEN, Calendar
from monitor.roadmap.workdays import after

Owner = Annotated[str, Field(min_length=1, max_length=100)]
Source = Literal["plan", "inventory", "wave", "offset", ""]
"""Where a date comes from: the unit's line of the plan, the inventory, its wave, its go-live date."""


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Title(_Written):
    """A name in two languages."""

    en: Annotated[str, Field(min_length=1, max_length=100)]
    zh: Annotated[str, Field(max_length=100)] = ""


class Milestone(_Written):
    """Something that a unit reaches by a date; one with a checklist is a gate."""

    id: Slug
    title: Title
    offset: Annotated[int, Field(ge=-400, le=400, strict=True)] | None = None
    """Workdays from the go-live date; dates it where nothing else does."""


class Wave(_Written):
    """Units that go live together."""

    title: Title | None = None
    owner: Owner | None = None
    gates: Mapping[Slug, date] = {}
    """Due date by milestone."""


class UnitPlan(_Written):
    """What the plan says of one unit."""

    owner: Owner | None = None
    gates: Mapping[Slug, date] = {}
    """Due date by milestone; wins over the inventory's."""
    owners: Mapping[Slug, Owner] = {}
    """Owner by milestone, where that is not the unit's."""


class PlanFile(_Written):
    """One plan as written. What is left out is as shipped (`config/gates/roll-out.yaml`)."""

    version: Version
    calendar: Slug | None = None
    """Whose workdays count."""
    buffer: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None
    """Workdays of slack below which a unit is at risk."""
    approval: Annotated[int, Field(ge=0, le=100, strict=True)] | None = None
    """Workdays in which an approver decides."""
    milestones: tuple[Milestone, ...] | None = None
    waves: Mapping[Annotated[str, Field(min_length=1, max_length=64)], Wave] = {}
    units: Mapping[Slug, UnitPlan] = {}

    @model_validator(mode="after")
    def _sound(self) -> Self:
        ids = [each.id for each in self.milestones or ()]
        twice = next((key for index, key in enumerate(ids) if key in ids[:index]), None)
        if twice is not None:
            raise ValueError(f'milestone "{twice}" is given twice; leave one out')
        if self.milestones is not None and DEFAULT_GATE not in ids:
            raise ValueError(f'there is no milestone "{DEFAULT_GATE}"; every plan leads to it')
        return self


@dataclass(frozen=True, slots=True)
class Due:
    """A milestone of a unit: by when, why then, and whose it is."""

    milestone: Milestone
    due: date | None
    source: Source
    owner: str


@dataclass(frozen=True)
class Roadmap:
    """The plan with what is shipped put below it."""

    milestones: tuple[Milestone, ...] = (Milestone(id=DEFAULT_GATE, title=Title(en="Go-live", zh="上线")),)
    waves: Mapping[str, Wave] = field(default_factory=dict)
    units: Mapping[str, UnitPlan] = field(default_factory=dict)
    calendar: Calendar = ALWAYS_OPEN
    buffer: int = 3
    approval: int = 2

    def milestone(self, key: str) -> Milestone | None:
        """Return the milestone of that id, or None."""
        return next((each for each in self.milestones if each.id == key), None)

    def due(self, inventory: Inventory, unit: str, milestone: str) -> tuple[date | None, Source]:
        """Return a unit's date for a milestone that somebody wrote down, and where."""
        known = inventory.units[unit]
        own, wave = self.units.get(unit), self.waves.get(known.wave)
        if own is not None and milestone in own.gates:
            return own.gates[milestone], "plan"
        if (written := known.due(milestone)) is not None:
            return written, "inventory"
        if wave is not None and milestone in wave.gates:
            return wave.gates[milestone], "wave"
        return None, ""

    def owner(self, inventory: Inventory, unit: str, milestone: str = "") -> str:
        """Return who answers for a unit, or for one of its milestones; "" where nobody is named."""
        own, wave = self.units.get(unit), self.waves.get(inventory.units[unit].wave)
        if own is not None and (found := own.owners.get(milestone) or own.owner):
            return found
        return (wave.owner if wave is not None else None) or ""

    def of(self, inventory: Inventory, unit: str) -> Iterator[Due]:
        """Yield a unit's milestones in order."""
        go_live, _ = self.due(inventory, unit, DEFAULT_GATE)
        for each in self.milestones:
            found, source = self.due(inventory, unit, each.id)
            if found is None and go_live is not None and each.offset is not None:
                found, source = after(self.calendar, go_live, each.offset), "offset"
            yield Due(each, found, source, self.owner(inventory, unit, each.id))

    def dates(self, inventory: Inventory) -> dict[str, dict[str, date]]:
        """Return the dates that the plan adds to the inventory's or changes, by unit and milestone."""
        found = {
            unit.id: {
                each.id: day
                for each in self.milestones
                if (day := (found := self.due(inventory, unit.id, each.id))[0]) is not None
                if found[1] != "inventory"
            }
            for unit in inventory
        }
        return {unit: dates for unit, dates in found.items() if dates}
