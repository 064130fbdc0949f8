"""The form of `muster versions --format json` and of `/api/v1/versions` (`muster.versions/1`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.readiness.checklist import Severity
from monitor.readiness.results import utc
from monitor.releases.drift import Drift
from monitor.releases.matrix import Cell, Line, Matrix
from monitor.releases.words import told
from probes.api import clip

SCHEMA = "muster.versions/1"
Utc = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class DriftDocument(_Part):
    """How far what runs is from what should."""

    direction: Literal["behind", "ahead", "beside", "none", "same", "unknown"] = Field(
        description="`none`: in no release; `same`: the version is right, something else is not; "
        "`unknown`: something else is not, and the version is not known."
    )
    steps: int | None = Field(description="How many releases behind or ahead, where that is known.")
    release: str | None = Field(description="The release that the found version belongs to.")
    rebuilt: bool = Field(description="The version is that release's, its checksum is not.")
    differs: list[str] = Field(description="Facts and metrics that are not as they should be.")
    since: Utc | None = Field(description="Since when it has not been as it should.")
    found_since: Utc | None = Field(description="Since when it is what it is now.")


class CellDocument(_Part):
    """One component on one asset."""

    component: str
    asset: str | None
    state: Literal["drift", "unknown", "waived", "released"]
    severity: Severity
    found: str
    reason: str
    detail: str
    expected: str
    actual: str
    check: str | None
    collected_at: Utc | None
    drift: DriftDocument | None


class LineDocument(_Part):
    """One unit."""

    id: str
    name: str
    name_zh: str
    release: str | None = Field(description="What it should run; null where nothing says so.")
    state: Literal["drift", "unknown", "waived", "released"] | None
    cells: list[CellDocument]


class TitleDocument(_Part):
    """One component."""

    id: str
    title: str
    title_zh: str


class VersionsDocument(_Part):
    """Units x components."""

    schema_: Literal["muster.versions/1"] = Field(alias="schema")
    at: Utc
    components: list[TitleDocument]
    units: list[LineDocument]


def document(matrix: Matrix) -> dict[str, Any]:
    """Return the matrix as the contract writes it."""
    return {
        "schema": SCHEMA, "at": utc(matrix.at),
        "components": [{"id": t.component, "title": t.en, "title_zh": t.zh} for t in matrix.titles],
        "units": [unit_document(line) for line in matrix.lines],
    }  # fmt: skip


def unit_document(line: Line) -> dict[str, Any]:
    """Return one unit as the contract writes it."""
    return {
        "id": line.unit, "name": line.name, "name_zh": line.name_zh, "release": line.release,
        "state": line.state.value if line.state else None, "cells": list(_cells(line)),
    }  # fmt: skip


def _cells(line: Line) -> Iterator[dict[str, Any]]:
    for cells in line.cells.values():
        yield from (_cell(cell, line.timezone) for cell in cells)


def _cell(cell: Cell, zone: str) -> dict[str, Any]:
    return {
        "component": cell.component, "asset": cell.asset, "state": cell.state.value,
        "severity": cell.severity, "found": cell.found, "reason": cell.reason,
        "detail": clip(told(cell.drift, zone)) if cell.drift else cell.detail,
        "expected": cell.expected, "actual": cell.actual, "check": cell.check,
        "collected_at": utc(cell.collected_at), "drift": _drift(cell.drift) if cell.drift else None,
    }  # fmt: skip


def _drift(drift: Drift) -> dict[str, Any]:
    found = drift.standing
    return {
        "direction": found.direction, "steps": found.steps, "release": found.release,
        "rebuilt": found.rebuilt, "differs": list(drift.differs),
        "since": utc(drift.since), "found_since": utc(drift.found_since),
    }  # fmt: skip
