"""Units x components: what each should run, what it runs, and how far that is apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from inventory.models import Inventory, Unit
from monitor.readiness.checklist import Severity
from monitor.readiness.judging import Judge
from monitor.readiness.results import ItemResult, UnitResult
from monitor.readiness.verdict import Status
from monitor.releases.asked import Releases, components
from monitor.releases.comparing import Comparing
from monitor.releases.drift import Drift
from monitor.releases.manifest import PREFIX, Release


class State(StrEnum):
    """How a component stands, the worst first."""

    DRIFT = "drift"
    UNKNOWN = "unknown"
    WAIVED = "waived"
    RELEASED = "released"


_WORST = tuple(State)


@dataclass(frozen=True, slots=True)
class Cell:
    """One component on one asset of a unit (on none, where the unit has no such asset)."""

    unit: str
    component: str
    asset: str | None
    state: State
    severity: Severity
    found: str
    """The version that was found (the checksum, of a component without), also where it has expired."""
    reason: str
    """Why it is unknown or not as released: of the item."""
    detail: str
    expected: str
    actual: str
    check: str | None
    collected_at: float | None
    drift: Drift | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One unit; `cells` by component, those that do not concern it left out."""

    unit: str
    name: str
    name_zh: str
    timezone: str
    release: str | None
    cells: Mapping[str, tuple[Cell, ...]]

    @property
    def state(self) -> State | None:
        """The worst of its cells; unknown without a release, None where nothing of it concerns the unit."""
        if self.release is None:
            return State.UNKNOWN
        return worst(cell for cells in self.cells.values() for cell in cells)


@dataclass(frozen=True, slots=True)
class Title:
    """A column."""

    component: str
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """All that was compared."""

    titles: tuple[Title, ...]
    lines: tuple[Line, ...]
    at: float

    def cells(self) -> Iterator[Cell]:
        """Yield all cells, unit by unit."""
        for line in self.lines:
            for cells in line.cells.values():
                yield from cells

    def exit_status(self) -> int:
        """Return 3 where anything drifted, 5 where anything is unknown or nothing is asked, else 4 or 0.

        4: every drift there is, is waived.
        """
        states = {line.state for line in self.lines}
        if State.DRIFT in states:
            return 3
        if State.UNKNOWN in states or not states - {None}:
            return 5
        return 4 if State.WAIVED in states else 0

    def drifted(self) -> Matrix:
        """Return the lines and columns in which something drifted."""
        lines = tuple(line for line in self.lines if line.state is State.DRIFT)
        used = {cell.component for line in lines for cell in _flat(line) if cell.state is State.DRIFT}
        kept = tuple(
            Line(
                each.unit, each.name, each.name_zh, each.timezone, each.release,
                {name: cells for name, cells in each.cells.items() if name in used},
            )
            for each in lines
        )  # fmt: skip
        return Matrix(tuple(each for each in self.titles if each.component in used), kept, self.at)


def worst(cells: Iterable[Cell]) -> State | None:
    """Return the worst state of some cells, None of none."""
    return min((cell.state for cell in cells), key=_WORST.index, default=None)


def _flat(line: Line) -> Iterator[Cell]:
    for cells in line.cells.values():
        yield from cells


def compare(
    units: Sequence[str],
    inventory: Inventory,
    assigned: Mapping[str, Release],
    judge: Callable[[str], Judge],
    comparing: Comparing,
    at: float,
) -> Matrix:
    """Return the matrix of some units; `assigned` says what each should run, `judge` judges at a gate."""
    judges: dict[str, Judge] = {}
    lines, titles = [], dict[str, Title]()
    for key in units:
        unit, release = inventory.units[key], assigned.get(key)
        cells: dict[str, tuple[Cell, ...]] = {}
        if release is not None:
            asked = tuple(components(release, unit))
            for each in asked:
                titles.setdefault(each.id, Title(each.id, each.item.title, each.item.title_zh))
            if release.gate not in judges:
                judges[release.gate] = judge(release.gate)
            results = judges[release.gate].asked(key, (each.item for each in asked))
            cells = _cells(key, release, results, comparing)
        zone, known = inventory.timezone(key), release.id if release else None
        lines.append(Line(key, unit.name, unit.name_zh, zone, known, cells))
    return Matrix(tuple(titles.values()), tuple(lines), at)


def line_of(unit: Unit, result: UnitResult, release: Release, comparing: Comparing) -> Line:
    """Return the line of a unit that was judged as a whole."""
    asked = {each.item.id for each in release.components.values()}
    cells = _cells(unit.id, release, (item for item in result.items if item.id in asked), comparing)
    return Line(unit.id, unit.name, unit.name_zh, result.timezone, release.id, cells)


def _cells(
    unit: str, release: Release, results: Iterable[ItemResult], comparing: Comparing
) -> dict[str, tuple[Cell, ...]]:
    found: dict[str, list[Cell]] = {}
    for result in results:
        cell = _cell(unit, release, result, comparing)
        found.setdefault(cell.component, []).append(cell)
    return {name: tuple(cells) for name, cells in found.items()}


def _cell(unit: str, release: Release, result: ItemResult, comparing: Comparing) -> Cell:
    drift = comparing.drift(unit, release, result)
    return Cell(
        unit, result.id.removeprefix(PREFIX), result.asset, _state(result, drift), result.severity,
        comparing.found(release, result), result.reason, result.detail, result.expected, result.actual,
        result.check, result.collected_at, drift,
    )  # fmt: skip


def _state(result: ItemResult, drift: Drift | None) -> State:
    """Return the state: what failed to answer is not known to have drifted."""
    if result.status is Status.WAIVED:
        return State.WAIVED
    if result.status is Status.PASS:
        return State.RELEASED
    return State.DRIFT if drift is not None else State.UNKNOWN


def assign(releases: Releases, inventory: Inventory, wanted: str | None) -> Mapping[str, Release]:
    """Return what each unit should run; `wanted`, if given, instead of what the inventory says.

    Raises KeyError where there is no such release.
    """
    return releases.assigned(inventory, None if wanted is None else releases.known[wanted])
