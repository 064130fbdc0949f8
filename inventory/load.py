"""From a file, or a directory whose files are merged, to an `Inventory`; or all that is wrong with it.

Errors come in two rounds: what is wrong with the form of any file, and then, once all files can be read,
what doesn't fit together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inventory import _cross
from inventory.models import Inventory, InventoryFile, Unit
from inventory.problems import ConfigError, Place, Problem
from inventory.source import Document, Locator, read, validate
from inventory.variables import Value, substitute

SUFFIXES = (".yaml", ".yml")


def load(path: Path) -> Inventory:
    """Return the inventory at `path`. Raises ConfigError with everything that is wrong."""
    inventory, problems = examine(path)
    if problems:
        raise ConfigError(problems)
    return inventory


def examine(path: Path) -> tuple[Inventory, list[Problem]]:
    """Return the inventory, and what does not fit together in it.

    Raises ConfigError where the form of a file is wrong, so that there is nothing to return.
    """
    documents, unread = _read_all(path)
    parts = _parse_all(documents, unread)
    locator = Locator()
    merged = _Merged(locator)
    for place, part in parts:
        merged.add(place, part)
    inventory = merged.inventory()
    problems = [locator.problem(*each) for each in (*merged.wrong, *_cross.check(inventory, locator))]
    if not inventory.units and not problems:
        problems.append(
            Problem(str(path), 1, 1, "units", "no unit is listed", "write at least one under units:")
        )
    return inventory, problems


def files(path: Path) -> list[Path]:
    """Return the YAML files of an inventory: itself, or those below a directory, sorted, none hidden."""
    if not path.is_dir():
        return [path]
    found = (file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    return sorted(file for file in found if not any(p.startswith(".") for p in file.relative_to(path).parts))


def _read_all(path: Path) -> tuple[list[tuple[Place, Document]], list[Problem]]:
    found: list[tuple[Place, Document]] = []
    problems: list[Problem] = []
    for file in files(path):
        try:
            found += [(Place(str(file), i), document) for i, document in enumerate(read(file))]
        except ConfigError as error:
            problems += error.problems
    if not found and not problems:
        problems.append(
            Problem(str(path), 1, 1, "", "no .yaml file in this directory", "write inventory.yaml")
        )
    return found, problems


def _parse_all(
    documents: list[tuple[Place, Document]], unread: list[Problem]
) -> list[tuple[Place, InventoryFile]]:
    """Return the model of each document, taking the raw data off the list as it goes (memory).

    Raises ConfigError with what is wrong, `unread` included.
    """
    values, problems = _variables(documents)
    problems += unread
    parts: list[tuple[Place, InventoryFile]] = []
    documents.reverse()
    while documents:
        place, document = documents.pop()
        wrong = list(_substituted(document, values))
        problems += wrong
        try:
            parts.append((place, validate(document, InventoryFile)))
        except ConfigError as error:
            at = {(each.line, each.column) for each in wrong}
            problems += [each for each in error.problems if (each.line, each.column) not in at]
    if problems:
        raise ConfigError(problems)
    return parts


def _substituted(document: Document, values: dict[str, Value]) -> Iterable[Problem]:
    data = document.data
    for key in data if isinstance(data, dict) else ():
        if key != "vars" and isinstance(data[key], dict | list):
            yield from substitute(data[key], values, document.problem, (key,))


def _variables(documents: Iterable[tuple[Place, Document]]) -> tuple[dict[str, Value], list[Problem]]:
    values: dict[str, Value] = {}
    first: dict[str, str] = {}
    problems: list[Problem] = []
    for place, document in documents:
        given = document.data.get("vars") if isinstance(document.data, dict) else None
        for name, value in given.items() if isinstance(given, dict) else ():
            path = ("vars", name)
            if name in values and values[name] != value:
                message = f"defined with another value in {first[name]}"
                problems.append(document.problem(path, message, "give one of the two another name"))
            if isinstance(value, str) and "${" in value:
                problems.append(document.problem(path, "a variable can't hold another", "write its value"))
            first.setdefault(name, place.file)
            values.setdefault(name, value)
    return values, problems


@dataclass
class _Merged:
    """The parts of all documents put together; `wrong` holds what two of them say differently."""

    locator: Locator
    units: dict[str, Unit] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    default_places: dict[str, Place] = field(default_factory=dict)
    timezone: str | None = None
    wrong: list[tuple[Place, str, str]] = field(default_factory=list)

    def add(self, place: Place, part: InventoryFile) -> None:
        for index, unit in enumerate(part.units):
            at = place / "units" / index
            if unit.id in self.units:
                first = self.locator.position(self.places[unit.id] / "id")
                message = f'unit "{unit.id}" is already defined in {first}'
                self.wrong.append((at / "id", message, "ids are unique over all files"))
                continue
            self.units[unit.id], self.places[unit.id] = unit, at
        for probe, keys in part.defaults.items():
            at = place / "defaults" / probe
            if probe in self.defaults:
                message = f"already given in {self.default_places[probe].file}"
                self.wrong.append((at, message, "write the defaults of one probe in one place"))
            self.defaults[probe], self.default_places[probe] = keys, at
        if part.timezone and self.timezone and part.timezone != self.timezone:
            self.wrong.append((place / "timezone", f"another file says {self.timezone}", "write it once"))
        self.timezone = self.timezone or part.timezone

    def inventory(self) -> Inventory:
        zone = self.timezone or "UTC"
        return Inventory(self.units, self.places, zone, self.defaults, self.default_places)
