"""The form of `muster report --format json` (`muster.report/1`), for its JSON Schema; keys may be added."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.readiness.document import Count, Counts, Digest, Share, SignOff, Utc, VerdictCounts, VerdictWord
from monitor.roadmap.schema import (
    BlockersDocument,
    OpenCounts,
    PlannedDocument,
    PointDocument,
    StatusCounts,
    WaveDocument,
)

Local = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class PeriodPart(_Part):
    """What is covered, by the clock of a zone."""

    from_: Local = Field(alias="from")
    to: Local
    timezone: str


class ChecklistPart(_Part):
    """A checklist that units were judged by."""

    id: str
    digest: Digest
    units: Count


class ChangePart(_Part):
    """A verdict that changed."""

    unit: str
    at: Utc
    before: VerdictWord | Literal[""] = Field(description='"" where it was judged for the first time.')
    verdict: VerdictWord


class UnitPart(_Part):
    """How a unit stands."""

    id: str
    name: str
    name_zh: str
    level: str
    parent: str | None
    wave: str
    verdict: VerdictWord
    before: VerdictWord | None = Field(description="At the period's beginning; null where nobody knows.")
    coverage: Share
    counts: Counts
    readings: Count = Field(description="How many readings decide its items.")
    unit_digest: Digest
    cause: str
    cause_zh: str
    remediation: str
    remediation_zh: str
    categories: dict[str, VerdictWord]
    failing: Count = Field(description="Blockers and majors.")
    unknown: Count = Field(description="Blockers and majors.")


class VerdictsPart(_Part):
    """Verdicts, and what changed since last time."""

    counts: VerdictCounts
    before: VerdictCounts | None
    before_units: Count = Field(description="Of how many units it is known what they were.")
    readings: Count
    changes: list[ChangePart]
    units: list[UnitPart]


class LeaguePart(_Part):
    """A unit's place."""

    unit: str
    name: str
    name_zh: str
    wave: str
    verdict: VerdictWord
    time_rank: int | None = Field(description="null for a unit without a date.")
    quality_rank: int
    status: Literal["late", "at_risk", "on_track"] | None
    go_live: Day | None
    earliest_ready: Day | None
    slack: int | None
    milestones_due: Count
    milestones_met: Count
    fails: Count
    unknown: Count
    waivers: Count
    regressed: bool
    incidents: Count
    repeats: Count


class PlanPart(_Part):
    """The forecast, as `muster.plan/1` has it."""

    counts: StatusCounts
    open: OpenCounts
    waves: list[WaveDocument]
    burndown: list[PointDocument]
    planned: list[PlannedDocument]


class MilestonePart(_Part):
    """A milestone's units until today."""

    id: str
    title: str
    title_zh: str
    units: Count
    undated: Count
    planned: Count
    reached: Count
    in_time: Count
    overdue: Count


class AgainstPart(_Part):
    """A unit's milestone that was due or reached in the period, or is overdue."""

    unit: str
    name: str
    name_zh: str
    wave: str
    milestone: str
    title: str
    title_zh: str
    owner: str
    due: Day | None
    reached_on: Day | None
    state: Literal["reached", "overdue", "due", "undated"]
    workdays: int | None


class AgainstPlanPart(_Part):
    """Plan against actual."""

    milestones: list[MilestonePart]
    rows: list[AgainstPart]


class LinkPart(_Part):
    """What a check of a channel gave."""

    unit: str
    name: str
    name_zh: str
    asset: str
    check: str | None = Field(description="null for a channel that nothing measures.")
    metric: str
    measure: Literal["rtt", "loss", "up", "down"] | None
    statistic: Literal["p95", "q05", "mean", ""]
    value: float | None = Field(description="In `metric_unit`; null where there is no data.")
    metric_unit: str
    n: Count = Field(description="Readings behind the value.")
    due: Count
    measured: Count
    failed: Count
    missing: Count
    coverage: Share
    state: Literal["", "thin", "NO_DATA"]
    since: Utc | None
    requirement: float | None
    contract: float | None
    status: Literal["", "pass", "fail", "unknown", "waived", "not_applicable"]


class QuantilesPart(_Part):
    """Seconds."""

    p50: float
    p90: float
    max: float


class TierPart(_Part):
    """Incidents of which this tier was the highest that was told; 0: nobody."""

    tier: int
    incidents: Count
    acknowledged: Count
    acknowledge_s: QuantilesPart | None
    recovered: Count
    recover_s: QuantilesPart | None


class IncidentPart(_Part):
    """An incident of the period."""

    id: int
    unit: str
    name: str
    name_zh: str
    root: str
    severity: Literal["critical", "warning", "info"]
    worst: str
    kind: str
    detail: str
    opened_at: Utc | None
    closed_at: Utc | None
    tier: int
    acknowledged_by: str
    acknowledge_s: float | None
    recover_s: float | None


class IncidentsPart(_Part):
    """Incidents and response times."""

    opened: Count
    closed: Count
    open: Count
    absorbed: Count
    repeats: Count
    severities: dict[str, int]
    tiers: list[TierPart]
    rows: list[IncidentPart]


class WaiverPart(_Part):
    """A waiver."""

    id: str
    unit: str
    asset: str | None
    item: str
    state: Literal["in_force", "expired", "requested", "later"]
    reason: str
    risk: str
    compensating_action: str
    requested_by: str
    approved_by: str
    expires_at: Utc | None
    days_left: Count


class WaiversPart(_Part):
    """Waivers, those that end first."""

    expired: Count
    in_force: Count
    requested: Count
    later: Count
    expiring: Count
    within_days: int
    rows: list[WaiverPart]


class SignedPart(SignOff):
    """A unit that is signed."""

    unit: str
    name: str
    name_zh: str


class SignOffsPart(_Part):
    """Signatures and what became of them."""

    total: Count
    in_period: Count
    states: dict[str, int]
    rows: list[SignedPart]


class VersionsPart(_Part):
    """Units against their releases; rows as cells of `muster.versions/1`."""

    units: dict[str, int]
    components: dict[str, int]
    rows: list[dict[str, Any]]


class ReportDocument(_Part):
    """A report."""

    schema_: Literal["muster.report/1"] = Field(alias="schema")
    kind: Literal["daily", "weekly", "monthly"]
    gate: str
    at: Utc
    period: PeriodPart
    scope: str
    units: Count
    authenticated: bool = Field(description="Whether names of people were proved.")
    inventory_digest: Digest
    checklists: list[ChecklistPart]
    raw_since: Utc = Field(description="Since when readings were counted for links.")
    verdicts: VerdictsPart
    league: list[LeaguePart]
    plan: PlanPart
    against_plan: AgainstPlanPart
    blockers: BlockersDocument
    links: list[LinkPart]
    incidents: IncidentsPart
    waivers: WaiversPart
    signoffs: SignOffsPart
    versions: VersionsPart
