"""Approved exceptions: from a file, with an expiry, and never by the person who asked for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from inventory._fields import Slug, Version
from inventory.problems import ConfigError, Problem, did_you_mean
from inventory.source import read, validate
from monitor.readiness.checklist import Checklist, Item, Strict

WARN_DAYS = (1, 7, 14)
DAY_S = 86400.0


def _written_out(value: object) -> object:
    """Refuse numbers: a waiver's times are written with date, time and offset."""
    if isinstance(value, int | float):
        raise ValueError("must be a date with time and offset; write it as 2027-01-15T18:00:00+08:00")  # noqa: TRY004
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]
Line = Annotated[str, Field(min_length=1, max_length=1000)]


class Waiver(Strict):
    """One exception; valid from `effective_at` until, and not at, `expires_at`."""

    id: Slug
    gate: Slug = "go-live"
    unit: Slug
    asset: Slug | None = None
    """None: the row of the item that is about no asset."""
    item: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Line
    risk: Line
    compensating_action: Line
    requested_by: Line
    approved_by: Line
    effective_at: Instant
    expires_at: Instant
    covers_unknown: bool = False

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.approved_by.strip().casefold() == self.requested_by.strip().casefold():
            raise ValueError("nobody approves what they asked for; write another approved_by")
        if self.expires_at <= self.effective_at:
            raise ValueError("expires_at must be after effective_at; write a later one")
        return self

    def valid(self, now: float) -> bool:
        """Return whether it is in force."""
        return self.effective_at.timestamp() <= now < self.expires_at.timestamp()

    def warning(self, now: float) -> int | None:
        """Return 14, 7 or 1 where at most so many days are left, None before and after."""
        left = self.expires_at.timestamp() - now
        return next((days for days in WARN_DAYS if 0 < left <= days * DAY_S), None)


class WaiverFile(Strict):
    """All waivers of one file."""

    version: Version
    waivers: tuple[Waiver, ...] = ()


Key = tuple[str, str, str | None, str]
"""Gate, unit, asset, item."""


class Waivers:
    """All waivers, found by what they are about."""

    def __init__(self, waivers: Iterable[Waiver] = ()) -> None:
        self.all = tuple(waivers)
        self._by_key: dict[Key, list[Waiver]] = {}
        for each in self.all:
            self._by_key.setdefault((each.gate, each.unit, each.asset, each.item), []).append(each)

    def find(self, key: Key, now: float) -> Waiver | None:
        """Return the waiver in force for a row: of several the one that lasts longest."""
        valid = [each for each in self._by_key.get(key, ()) if each.valid(now)]
        return max(valid, key=lambda each: each.expires_at, default=None)

    def expired(self, key: Key, now: float) -> Waiver | None:
        """Return the waiver for a row that ran out last."""
        over = [each for each in self._by_key.get(key, ()) if each.expires_at.timestamp() <= now]
        return max(over, key=lambda each: each.expires_at, default=None)

    def warnings(self, now: float) -> Iterator[tuple[Waiver, int]]:
        """Yield each waiver in force that runs out within 14 days, with 14, 7 or 1."""
        for each in self.all:
            if each.valid(now) and (days := each.warning(now)):
                yield each, days


Row = tuple[str | None, Item]
"""What a unit is asked: the asset (None for an item about none) and the item."""
RowsOf = Callable[[str, str], Iterable[Row]]
"""The rows of a gate and a unit."""


def load(
    path: Path | None,
    *,
    units: Mapping[str, object],
    checklists: Mapping[str, Checklist],
    rows: RowsOf | None = None,
) -> Waivers:
    """Return the waivers of a file; none where there is no path.

    With `rows` a waiver of something that its unit is not asked is refused, too.
    Raises ConfigError with everything that is wrong: an unreadable waiver is never passed over.
    """
    if path is None:
        return Waivers()
    problems: list[Problem] = []
    found: dict[str, Waiver] = {}
    items = {item.id: item for checklist in checklists.values() for item in checklist.items.values()}
    for document in read(path):
        file = validate(document, WaiverFile)
        for index, waiver in enumerate(file.waivers):
            at = ("waivers", index)
            wrong = _unknown(waiver, units, items) or (_unfit(waiver, rows) if rows else None)
            if waiver.id in found:
                wrong = wrong or ("id", f'waiver "{waiver.id}" is written twice', "keep one")
            if wrong:
                key, message, suggestion = wrong
                problems.append(document.problem((*at, key), message, suggestion))
            found[waiver.id] = waiver
    if problems:
        raise ConfigError(problems)
    return Waivers(found.values())


Complaint = tuple[str, str, str]
"""Key, message, suggestion."""


def _unknown(waiver: Waiver, units: Mapping[str, object], items: Mapping[str, Item]) -> Complaint | None:
    if waiver.unit not in units:
        return "unit", f'unknown unit "{waiver.unit}"', did_you_mean(waiver.unit, units)
    item = items.get(waiver.item)
    if item is None and not waiver.item.startswith(("expect.", "answers.")):
        return "item", f'unknown item "{waiver.item}"', did_you_mean(waiver.item, items)
    return _refused(item) if item else None


def _unfit(waiver: Waiver, rows: RowsOf) -> Complaint | None:
    """Return what is wrong with a waiver whose row there is not: it would be without effect, and unseen."""
    asked = list(rows(waiver.gate, waiver.unit))
    same = {asset: item for asset, item in asked if item.id == waiver.item}
    if not same:
        text = f'"{waiver.unit}" is not asked "{waiver.item}" at the gate "{waiver.gate}"'
        return "item", text, did_you_mean(waiver.item, {item.id for _, item in asked})
    if waiver.asset not in same:
        known = [asset for asset in same if asset]
        hint = f"write asset: {', or '.join(known)}" if known else "leave asset out"
        return "asset" if waiver.asset else "item", f'"{waiver.item}" is not asked of that asset', hint
    return _refused(same[waiver.asset])


def _refused(item: Item) -> Complaint | None:
    if item.may_be_waived:
        return None
    text = f'"{item.id}" is a blocker, and its item does not say waivable: true'
    if item.id.startswith("expect."):
        return "item", text, "mend what fails, or give the expectation another severity in the inventory"
    return "item", text, "mend what fails, or change the checklist"
