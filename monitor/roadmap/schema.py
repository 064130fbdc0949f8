"""The JSON Schemas of the plan: its file, and what the API and the commands tell of it.

`python -m monitor.roadmap.schema DIRECTORY` writes them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.readiness.checklist import Category
from monitor.readiness.schema import render
from monitor.roadmap.forecast import Code
from monitor.roadmap.plan import PlanFile, Source

Day = str
Status = Literal["late", "at_risk", "on_track"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class MilestoneDocument(_Part):
    """A milestone of a unit."""

    id: str
    title: str
    title_zh: str
    due: Day | None
    source: Source = Field(description="The plan, the inventory, the wave, or an offset from go-live.")
    owner: str
    state: Literal["reached", "overdue", "due", "undated"]
    reached_on: Day | None
    workdays: int | None = Field(description="From today; negative where the date has passed.")


class ReasonDocument(_Part):
    """Why a forecast is what it is."""

    code: Code
    n: int
    day: Day | None
    text: str
    text_zh: str


class ForecastDocument(_Part):
    """When a unit can be ready, against when it has to be."""

    status: Status | None = Field(description="null for a unit without a go-live date.")
    go_live: Day | None
    earliest_ready: Day | None = Field(description="null where nobody can say.")
    slack: int | None = Field(description="Workdays; negative where it comes too late.")
    decided_by: Literal["", "soak", "remediation", "approval", "attestation"]
    holidays_unknown: bool = Field(description="It counts days whose holidays are not announced.")
    reasons: list[ReasonDocument] = Field(description="The first one decides.")


class OpenDocument(_Part):
    """A blocker or major that keeps the unit from being ready, and whose it is."""

    item: str
    asset: str | None
    category: Category
    title: str
    title_zh: str
    severity: Literal["blocker", "major"]
    status: Literal["fail", "unknown"]
    reason: str
    detail: str
    blocked_by: str | None
    check: str | None
    owner: str = Field(description='"" for nobody.')
    due: Day | None
    estimate_days: float | None = Field(description="Working days.")
    note: str
    assigned_by: str
    assigned_at: float | None = Field(description="Seconds since the epoch.")


class OpenCounts(_Part):
    """How many rows are open."""

    open: int
    failing: int
    unknown: int
    unassigned: int = Field(description="Without an owner and a date; what soaks needs none.")


class UnitDocument(_Part):
    """One unit."""

    id: str
    name: str
    name_zh: str
    level: str
    parent: str | None
    wave: str
    owner: str
    verdict: Literal["READY", "CONDITIONAL", "NOT_READY", "UNKNOWN"]
    milestones: list[MilestoneDocument]
    forecast: ForecastDocument
    open: list[OpenDocument]
    counts: OpenCounts
    wave_title: str
    wave_title_zh: str
    wave_owner: str


class StatusCounts(_Part):
    """Units by forecast."""

    late: int
    at_risk: int
    on_track: int
    undated: int


class WaveDocument(_Part):
    """Units that go live together; `status` is the worst of them."""

    id: str
    title: str
    title_zh: str
    owner: str
    units: int
    status: Status | None
    counts: StatusCounts
    go_live_first: Day | None
    go_live_last: Day | None
    open: int
    unassigned: int


class PointDocument(_Part):
    """All units in scope at the end of a day."""

    day: Day
    open: int
    failing: int
    unknown: int
    units: int
    units_open: int
    judged: int = Field(description="How many were judged on the day itself.")


class PlannedDocument(_Part):
    """What is left at the start of a day, were all due dates kept."""

    day: Day
    open: int


class PlanDocument(_Part):
    """`muster.plan/1`; all figures but `units` are of the whole scope."""

    schema_: Literal["muster.plan/1"] = Field(alias="schema")
    gate: str
    at: str
    total: int
    unjudged: int = Field(description="Units in scope that nobody has judged; none of the others.")
    next: str | None
    counts: StatusCounts
    open: OpenCounts
    waves: list[WaveDocument]
    burndown: list[PointDocument]
    planned: list[PlannedDocument]
    units: list[UnitDocument]


class OwnerDocument(_Part):
    """How many rows somebody has."""

    owner: str
    rows: int


class WaveCount(_Part):
    """How many units of a wave are affected."""

    wave: str
    units: int


class CauseDocument(_Part):
    """One cause."""

    item: str = Field(description='"" where the rows are blocked from elsewhere.')
    behind: str | None = Field(description="The check elsewhere that blocks the rows.")
    title: str
    title_zh: str
    text: str
    text_zh: str
    category: Category
    severity: Literal["blocker", "major"]
    reason: str
    detail: str = Field(description="Of the first row.")
    failing: int
    units: int
    rows: int
    level: str | None = Field(description="null where the units are of several levels.")
    unit_ids: list[str] = Field(description="At most 200.")
    waves: list[WaveCount]
    owners: list[OwnerDocument]
    unowned: int
    undated: int
    due_first: Day | None
    due_last: Day | None
    estimate_days: float | None
    unestimated: int


class BlockersDocument(_Part):
    """`muster.blockers/1`."""

    schema_: Literal["muster.blockers/1"] = Field(alias="schema")
    gate: str
    at: str
    units: int
    units_open: int
    rows: int
    causes: list[CauseDocument]


MODELS: Mapping[str, type[BaseModel]] = {
    "plan-file.json": PlanFile,
    "plan.json": PlanDocument,
    "blockers.json": BlockersDocument,
}


def main(directory: Path) -> None:
    """Write all schemas."""
    for name, model in MODELS.items():
        (directory / name).write_text(render(model), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schema"))
