"""Approved exceptions: from a file, with an expiry, and never by the person who asked for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from inventory._fields import Slug, Version
from inventory.problems import ConfigError, Problem, did_you_mean
from inventory.source import Document, read, validate
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


def load(path: Path | None, *, units: Mapping[str, object], checklists: Mapping[str, Checklist]) -> Waivers:
    """Return the waivers of a file; none where there is no path.

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
            problems += _wrong(document, index, waiver, units, items)
            if waiver.id in found:
                at = ("waivers", index, "id")
                problems.append(document.problem(at, f'waiver "{waiver.id}" is written twice', "keep one"))
            found[waiver.id] = waiver
    if problems:
        raise ConfigError(problems)
    return Waivers(found.values())


def _wrong(
    document: Document, index: int, waiver: Waiver, units: Mapping[str, object], items: Mapping[str, Item]
) -> Iterator[Problem]:
    at = ("waivers", index)
    if waiver.unit not in units:
        hint = did_you_mean(waiver.unit, units)
        yield document.problem((*at, "unit"), f'unknown unit "{waiver.unit}"', hint)
    item = items.get(waiver.item)
    if item is None and not waiver.item.startswith(("expect.", "answers.")):
        yield document.problem(
            (*at, "item"), f'unknown item "{waiver.item}"', did_you_mean(waiver.item, items)
        )
    elif item is not None and not item.may_be_waived:
        text = f'"{waiver.item}" is a blocker, and its item does not say waivable: true'
        yield document.problem((*at, "item"), text, "mend what fails, or change the checklist")
