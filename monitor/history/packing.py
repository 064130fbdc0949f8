"""Judged units as they are kept: results without remedies, statuses alone, and what a digest is of. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import zstandard

from monitor.readiness.digest import canonical, digest
from monitor.readiness.results import UnitResult

LEVEL = 6
MOST_BYTES = 64 * 1024 * 1024
"""A packed text unpacks to no more."""
LEFT_OUT = frozenset({"remediation", "remediation_zh"})
"""What of an item is not kept: the checklist of that time has it."""
MOST_ACTUAL = 200
Row = tuple[str, str, str, str, str]
"""Item, asset ("" for none), status, reason, actual."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A unit's result in a run; `body` packed."""

    unit: str
    verdict: str
    unit_digest: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """The statuses of a unit at a moment (seconds since the epoch); `checklists` JSON, `rows` packed."""

    gate: str
    unit: str
    at: float
    unit_digest: str
    checklists: str
    rows: bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """What a digest is of: a unit (then `items` is the digest of what it is asked), or items."""

    digest: str
    items: str
    body: bytes


def packed(value: object) -> bytes:
    """Return plain data as compressed JSON."""
    return squeezed(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def squeezed(text: str) -> bytes:
    """Return a text compressed."""
    return zstandard.ZstdCompressor(level=LEVEL).compress(text.encode("utf-8", "replace"))


def unpacked(body: bytes) -> Any:
    """Return the data of `packed`. Raises ValueError where they are damaged or too large."""
    try:
        raw = zstandard.ZstdDecompressor().decompress(body, max_output_size=MOST_BYTES)
    except zstandard.ZstdError as error:
        raise ValueError(f"kept data are damaged: {error}") from None
    return json.loads(raw)


def kept(result: UnitResult) -> Kept:
    """Return a unit's result as a run keeps it."""
    document = result.plain()
    items = [{k: v for k, v in item.items() if k not in LEFT_OUT} for item in document["items"]]
    return Kept(result.id, result.verdict.value, result.unit_digest, packed({**document, "items": items}))


def seen(gate: str, result: UnitResult, at: float) -> Seen:
    """Return a unit's statuses."""
    rows = [
        (row.id, row.asset or "", row.status.value, row.reason, row.actual[:MOST_ACTUAL])
        for row in result.items
    ]
    lists = json.dumps([list(each) for each in result.checklists])
    return Seen(gate, result.id, at, result.unit_digest, lists, packed(rows))


def statuses(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    """Return rows by item and asset."""
    return {(row[0], row[1]): row for row in (tuple(each) for each in rows)}  # type: ignore[misc]


def changed(before: Iterable[Row], after: Iterable[Row]) -> list[tuple[str, str, str, str, str, str]]:
    """Return what has another status: item, asset, before, status, reason, actual.

    "" stands for the status of a row that was not there, or is not there any more.
    """
    old, new = statuses(before), statuses(after)
    found = [
        (*key, old[key][2] if key in old else "", *row[2:])
        for key, row in new.items() if key not in old or old[key][2] != row[2]
    ]  # fmt: skip
    return [*found, *((*key, row[2], "", "", "") for key, row in old.items() if key not in new)]


def subjects(whole: Mapping[str, Any], items: Iterable[object]) -> tuple[Subject, Subject]:
    """Return what a unit's digest is of, and the items whose digest is part of it."""
    asked = tuple(items)
    return (
        Subject(digest(whole), str(whole["items"]), squeezed(canonical(whole))),
        Subject(str(whole["items"]), "", squeezed(canonical(asked))),
    )
