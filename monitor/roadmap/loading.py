"""The plan from its file, put over the shipped one, and checked against the inventory and the calendars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from inventory.models import Inventory
from inventory.problems import ConfigError, Path_, Problem, did_you_mean
from inventory.source import Document, read, validate
from monitor.calendars.calendar import Calendar
from monitor.roadmap.plan import PlanFile, Roadmap


@dataclass(frozen=True, slots=True)
class Written:
    """A plan as it stands in a file."""

    file: PlanFile
    document: Document


def load(shipped: Path, own: Path | None, calendars: Mapping[str, Calendar], inventory: Inventory) -> Roadmap:
    """Return the plan; without a file of one's own, the shipped milestones.

    Raises ConfigError with everything that is wrong.
    """
    base = written(shipped)
    mine = written(own) if own is not None and own.exists() else None
    problems = [*_problems(base, calendars, inventory)]
    problems += _problems(mine, calendars, inventory, base.file) if mine is not None else ()
    if problems:
        raise ConfigError(problems)
    return over(base.file, mine.file if mine is not None else PlanFile(version=1), calendars)


def written(path: Path) -> Written:
    """Return a file as written. Raises ConfigError."""
    first, *more = read(path)
    if more:
        raise ConfigError([Problem(str(path), 1, 1, "", "a plan is one document", "leave out the others")])
    return Written(validate(first, PlanFile), first)


def over(base: PlanFile, own: PlanFile, calendars: Mapping[str, Calendar]) -> Roadmap:
    """Return what one plan says, and of the rest what the other does."""
    calendar = own.calendar or base.calendar or "24x7"
    buffer, approval = (
        next(value for value in (getattr(own, name), getattr(base, name), 0) if value is not None)
        for name in ("buffer", "approval")
    )
    milestones = own.milestones or base.milestones or ()
    units, waves = {**base.units, **own.units}, {**base.waves, **own.waves}
    return Roadmap(milestones, waves, units, calendars[calendar], buffer, approval)


def _problems(
    made: Written, calendars: Mapping[str, Calendar], inventory: Inventory, base: PlanFile | None = None
) -> Iterator[Problem]:
    file, document = made.file, made.document
    if file.calendar is not None and file.calendar not in calendars:
        hint = did_you_mean(file.calendar, calendars)
        yield document.problem(("calendar",), f'unknown calendar "{file.calendar}"', hint)
    known = [each.id for each in file.milestones or (base.milestones if base else None) or ()]
    waves = {unit.wave for unit in inventory if unit.wave}
    for name in file.waves.keys() - waves:
        yield document.problem(("waves", name), f'no unit is of wave "{name}"', did_you_mean(name, waves))
    for name in file.units.keys() - inventory.units.keys():
        hint = did_you_mean(name, inventory.units)
        yield document.problem(("units", name), f'there is no unit "{name}"', hint)
    for path, name in _named(file):
        if name not in known:
            yield document.problem(path, f'unknown milestone "{name}"', did_you_mean(name, known))


def _named(file: PlanFile) -> Iterator[tuple[Path_, str]]:
    """Yield each milestone that a date or an owner is given for, and where."""
    for wave, written_ in file.waves.items():
        yield from ((("waves", wave, "gates", name), name) for name in written_.gates)
    for unit, plan in file.units.items():
        yield from ((("units", unit, "gates", name), name) for name in plan.gates)
        yield from ((("units", unit, "owners", name), name) for name in plan.owners)
