"""An inventory in the making: plain data, and of each part where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from inventory import _cross, units
from inventory._explain import explain
from inventory._fields import SLUG
from inventory.models import LEVELS, Inventory, InventoryFile, Unit
from inventory.problems import ConfigError, Path_, Place, Problem
from inventory.source import Locator

INNER = ("assets", "checks")
"""What the parts of a unit are called, and those of an asset."""
_UNIT: TypeAdapter[Unit] = TypeAdapter(Unit)
_CONTEXT: dict[str, Any] = {"quantity": units.parse}


class Origin(Protocol):
    """Where something was read."""

    @property
    def text(self) -> str:
        """For a comment: `units.xlsx, sheet assets, row 7`."""

    def problem(self, path: Path_, message: str, suggestion: str = "") -> Problem:
        """Return a problem with the key at `path` of what was read here."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file."""

    file: str
    line: int
    what: str = ""

    @property
    def text(self) -> str:
        """For a comment."""
        return f"{self.file}, line {self.line}" if self.line else f"{self.file}, {self.what}"

    def problem(self, path: Path_, message: str, suggestion: str = "") -> Problem:
        """Return a problem in this line; the key says of what."""
        key = ".".join(filter(None, (self.what, *map(str, path))))
        return Problem(self.file, max(1, self.line), 1, key, message, suggestion)


@dataclass(slots=True)
class Item:
    """A unit, an asset or a check as it would stand in the file, without its parts."""

    data: dict[str, Any]
    origin: Origin
    inner: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Comments besides the origin."""

    def whole(self, depth: int = 0) -> dict[str, Any]:
        """Return it with its parts, as the file would have it."""
        if not self.inner:
            return self.data
        return {**self.data, INNER[depth]: [each.whole(depth + 1) for each in self.inner]}

    def problem(self, path: Path_, message: str, suggestion: str = "") -> Problem:
        """Return a problem with the key at `path`, told by whoever it came from."""
        if len(path) > 1 and path[0] in INNER and isinstance(path[1], int) and path[1] < len(self.inner):
            return self.inner[path[1]].problem(path[2:], message, suggestion)
        return self.origin.problem(path, message, suggestion)


@dataclass(slots=True)
class Draft:
    """Units with their origins, what could not be read, and what a person should know."""

    units: list[Item] = field(default_factory=list)
    head: Mapping[str, Any] = field(default_factory=dict)
    """`timezone` and `defaults` of the file."""
    head_origin: Origin | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Told when it is imported: what was assumed, what was left out."""

    def problem(self, path: Path_, message: str, suggestion: str = "") -> Problem:
        """Return a problem at a path of the whole file."""
        if len(path) > 1 and path[0] == "units" and isinstance(path[1], int):
            return self.units[path[1]].problem(path[2:], message, suggestion)
        origin = self.head_origin or Line("import", 0)
        return origin.problem(path, message, suggestion)

    def finish(self) -> Inventory:
        """Return it as an inventory. Raises ConfigError with all that is wrong, each once and where it is."""
        found = _Checked(self)
        problems = _once([*self.problems, *found.problems, *found.crossed()])
        if not problems and not self.units:
            problems = [self.problem((), "no unit was found", "give a sheet or a file with units")]
        if problems:
            raise ConfigError(problems)
        return found.inventory()


class _Checked:
    """The draft's units by the model; one that is not right hides no fault of another.

    What is wrong is told, and then left out or stood in for, so that what does not fit together shows, too.
    """

    def __init__(self, draft: Draft) -> None:
        self.problems: list[Problem] = []
        self._draft = draft
        self._units: dict[str, tuple[int, Unit]] = {}
        self._head = self._read_head()
        first: dict[str, Item] = {}
        for index, item in enumerate(draft.units):
            unit = self._read(index, item)
            name = str(item.data.get("id", ""))
            if name and name in first:
                message = f'unit "{name}" is already in {first[name].origin.text}'
                self.problems.append(draft.problem(("units", index, "id"), message, "ids are unique"))
            elif unit is not None:
                self._units[unit.id] = index, unit
            first.setdefault(name, item)

    def _read_head(self) -> InventoryFile:
        data = {"version": 1, **self._draft.head}
        try:
            return InventoryFile.model_validate(data, context=_CONTEXT)
        except ValidationError as error:
            self.problems += explain(error, InventoryFile, data, self._draft.problem)
            return InventoryFile(version=1)

    def _read(self, index: int, item: Item) -> Unit | None:
        data = item.whole()
        try:
            return _UNIT.validate_python(data, context=_CONTEXT)
        except ValidationError as error:
            self.problems += explain(error, Unit, data, self._draft.problem, prefix=("units", index))
            repaired = _repaired(data, error, f"wrong-{index}")
        try:
            return _UNIT.validate_python(repaired, context=_CONTEXT)
        except ValidationError:
            return None

    def crossed(self) -> Iterator[Problem]:
        """Yield what does not fit together; of what refers to a unit whose id is wrong nothing is said."""
        wrong = {item.data.get("id") for item in self._draft.units} - set(self._units)
        known = {name: unit for name, (_, unit) in self._units.items()}
        for place, message, suggestion in _cross.check(self._made(known), _Rows(self._draft)):
            if not wrong or self._refers_to(place.path) not in wrong:
                yield self._draft.problem(place.path, message, suggestion)

    def _refers_to(self, path: Path_) -> str | None:
        """Return the unit that the reference at a path names."""
        found: Any = {"units": [each.whole() for each in self._draft.units]}
        for step in path:
            found = found[int(step)] if isinstance(found, list) else found.get(step, "")
        return found.partition("/")[0] if isinstance(found, str) else None

    def inventory(self) -> Inventory:
        """Return the whole, once nothing is wrong."""
        return self._made({name: unit for name, (_, unit) in self._units.items()})

    def _made(self, known: dict[str, Unit]) -> Inventory:
        places = {name: Place("", 0, ("units", self._units[name][0])) for name in known}
        defaults = {probe: Place("", 0, ("defaults", probe)) for probe in self._head.defaults}
        return Inventory(known, places, self._head.timezone or "UTC", self._head.defaults, defaults)


def _repaired(data: dict[str, Any], error: ValidationError, name: str) -> dict[str, Any]:
    """Return a unit without the keys that are wrong; an asset that is wrong becomes a channel of its id."""
    found, bad = dict(data), set()
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        first, *rest = each["loc"]
        if first == "assets" and rest:
            bad.add(rest[0])
        else:
            found.pop(str(first), None)
    found["assets"] = [
        _stand_in(asset, f"{name}-{index}") if index in bad else asset
        for index, asset in enumerate(found.get("assets", ()))
    ]
    if "level" not in found:
        found |= {"level": LEVELS[0], "parent": None}
    return {"name": name, **found}


def _stand_in(asset: dict[str, Any], name: str) -> dict[str, Any]:
    key = asset.get("id")
    return {"id": key if isinstance(key, str) and SLUG.fullmatch(key) else name, "kind": "channel"}


class _Rows(Locator):
    """Finds places in the draft rather than in files."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft

    def problem(self, place: Place, message: str, suggestion: str = "") -> Problem:
        """Return a problem at `place`."""
        return self._draft.problem(place.path, message, suggestion)


def _once(problems: list[Problem]) -> list[Problem]:
    """Return the first problem of each place: what follows from it says nothing new."""
    found: dict[tuple[str, int, int, str], Problem] = {}
    for each in problems:
        found.setdefault((each.file, each.line, each.column, each.key), each)
    return list(found.values())
