"""What a planted fault is: how it is planted and undone, the item that flags it, and what the item says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from monitor.readiness.results import ItemResult
from monitor.readiness.verdict import Status
from tests.show.show import Show

S = TypeVar("S", bound=Show)
Row = tuple[str, str | None]
"""An item and its asset."""
Planted = Callable[[S], AsyncIterator[None]]


@dataclass(frozen=True, slots=True)
class Fault(Generic[S]):
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
    planted: Callable[[S], AbstractAsyncContextManager[None]]

    @property
    def row(self) -> Row:
        """The row that it changes."""
        return self.item, self.asset


def said(item: ItemResult) -> str:
    """Return what a row says: what was measured, or why it was not."""
    return "; ".join(part for part in (item.detail, item.actual) if part)


class Faults(list[Fault[S]]):
    """The faults of a Show, in the order in which they are planted."""

    def fault(
        self,
        item: str,
        asset: str,
        says: str,
        *,
        reason: str = "expectation",
        status: Status = Status.FAIL,
        behind: frozenset[str] = frozenset(),
    ) -> Callable[[Planted[S]], Planted[S]]:
        """Make a fault of a function that plants it, yields, and undoes it; its docstring says what it is."""

        def added(planted: Planted[S]) -> Planted[S]:
            what = (planted.__doc__ or "").partition("\n")[0].rstrip(".")
            enter = asynccontextmanager(planted)
            self.append(Fault(planted.__name__, what, item, asset, says, reason, status, behind, enter))
            return planted

        return added
