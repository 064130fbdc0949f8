"""What a planted fault is: how it is planted and undone, the item that flags it, and what the item says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from monitor.readiness.results import ItemResult
from monitor.readiness.verdict import Status
from tests.show.data_centre import DataCentre

Row = tuple[str, str | None]
"""An item and its asset."""
Planted = Callable[[DataCentre], AsyncIterator[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and the one row that it changes."""

    name: str
    what: str
    item: str
    asset: str
    says: str
    """Part of the row's `actual` or `detail`."""
    reason: str
    status: Status
    behind: frozenset[str]
    """Assets with rows that can't be judged while it lasts: blocked by the row's check, and no others are."""
    planted: Callable[[DataCentre], AbstractAsyncContextManager[None]]

    @property
    def row(self) -> Row:
        """The row that it changes."""
        return self.item, self.asset


def said(item: ItemResult) -> str:
    """Return what a row says: what was measured, or why it was not."""
    return "; ".join(part for part in (item.detail, item.actual) if part)


FAULTS: list[Fault] = []


def fault(
    item: str,
    asset: str,
    says: str,
    *,
    reason: str = "expectation",
    status: Status = Status.FAIL,
    behind: frozenset[str] = frozenset(),
) -> Callable[[Planted], Planted]:
    """Make a fault of a function that plants it, yields, and undoes it; its docstring says what it is."""

    def added(planted: Planted) -> Planted:
        what = (planted.__doc__ or "").partition("\n")[0].rstrip(".")
        enter = asynccontextmanager(planted)
        FAULTS.append(Fault(planted.__name__, what, item, asset, says, reason, status, behind, enter))
        return planted

    return added
