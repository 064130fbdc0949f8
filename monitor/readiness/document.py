"""The form of `muster check --format json` (`muster.check/1`), for its JSON Schema; keys may be added."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.readiness.checklist import Category, Severity

VerdictWord = Literal["READY", "CONDITIONAL", "NOT_READY", "UNKNOWN"]
StatusWord = Literal["pass", "fail", "unknown", "waived", "not_applicable"]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Digest = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]
Utc = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class ChecklistUsed(_Part):
    """A checklist that applies to the unit."""

    id: str
    digest: Digest


class Counts(_Part):
    """How many items have each status."""

    passed: Count = Field(alias="pass")
    fail: Count
    unknown: Count
    waived: Count
    not_applicable: Count


class VerdictCounts(_Part):
    """How many units have each verdict."""

    READY: Count
    CONDITIONAL: Count
    NOT_READY: Count
    UNKNOWN: Count


class RollUp(_Part):
    """The unit and all below it."""

    worst: VerdictWord
    counts: VerdictCounts
    coverage: Share


class WaiverUsed(_Part):
    """The waiver that covers the item."""

    id: str
    reason: str
    risk: str
    compensating_action: str
    requested_by: str
    approved_by: str
    effective_at: str
    expires_at: str
    covers_unknown: bool


class ItemDocument(_Part):
    """One row: an item on an asset, or on none."""

    id: str
    asset: str | None
    category: Category
    title: str
    title_zh: str
    severity: Severity = Field(description="What it weighs in the verdict.")
    status: StatusWord
    reason: str = Field(description="The outcome's kind, or why it is unknown; kept raw beside a waiver.")
    detail: str
    blocked_by: str | None = Field(description="The check that is the cause.")
    expected: str
    actual: str
    value: float | str | None = Field(description="What decided the item, in `unit`.")
    unit: str | None
    collected_at: Utc | None
    expires_at: Utc | None
    attempted_at: Utc | None
    check: str | None = Field(description="unit/asset/check")
    vantage: str | None
    remediation: str
    remediation_zh: str
    waiver: WaiverUsed | None
    declared_severity: Severity = Field(
        description="What the item says: more than `severity` where a channel works without headroom."
    )
    soak_left_s: float | None = Field(
        None, description="While it is soaking: for how long it must still hold, in open time."
    )


class SignOff(_Part):
    """Who signed the unit, and what became of it since."""

    by: str
    role: str
    at: Utc
    digest: Digest
    verdict: VerdictWord
    states: list[Literal["signed", "regressed", "drifted", "unverified"]]
    regressed: list[str] = Field(description="Items that failed since, with their asset.")


class UnitDocument(_Part):
    """One unit at the gate."""

    id: str
    name: str
    name_zh: str
    verdict: VerdictWord
    reasons: list[str]
    unit_digest: Digest
    checklists: list[ChecklistUsed]
    counts: Counts
    coverage: Share = Field(description="measured / (all - not_applicable)")
    rollup: RollUp
    items: list[ItemDocument]
    signoff: SignOff | None = Field(None, description="Only once the unit was signed.")


class Side(_Part):
    """A row at one of the two moments."""

    status: StatusWord
    reason: str
    actual: str


class ChangedItem(_Part):
    """A row whose status is not what it was."""

    id: str
    asset: str | None
    category: Category
    severity: Severity
    title: str
    title_zh: str
    change: Literal["worse", "better", "appeared", "went", "other"]
    before: Side | None
    after: Side | None


class ChangedUnit(_Part):
    """A unit beside its earlier result; `before` is null where there is none."""

    id: str
    name: str
    name_zh: str
    verdict: VerdictWord
    before: VerdictWord | None
    unit_changed: bool
    checklists_changed: bool
    items: list[ChangedItem]


class Compared(_Part):
    """With what a run was compared."""

    what: str
    runs: list[int]
    at: Utc | None


class ChangeCounts(_Part):
    """How many rows changed how."""

    worse: int
    better: int
    appeared: int
    went: int
    other: int


class Diff(_Part):
    """A run beside an earlier one."""

    previous: Compared
    counts: ChangeCounts
    units: list[ChangedUnit]
    gone: list[str] = Field(description="Units of the earlier run that the inventory no longer has.")


class CheckDocument(_Part):
    """One readiness run."""

    schema_: Literal["muster.check/1"] = Field(alias="schema")
    gate: str
    mode: Literal["fresh", "stored"]
    started_at: Utc
    finished_at: Utc
    units: list[UnitDocument]
    diff: Diff | None = Field(None, description="Only with --diff.")
