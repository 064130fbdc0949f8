"""Who gets which reports, and when: the `[reports]` table of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from inventory._fields import Slug, Timezone
from monitor.alerts.mail_settings import Language, address
from monitor.alerts.targets import TIERS, ChannelName
from monitor.reports.period import Kind

Role = Literal["leading", "working", "support", "operations"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TOPICS_OF: Mapping[Role, tuple[str, ...]] = {
    "leading": (
        "verdicts", "changes", "league", "blockers", "burndown", "waves", "milestones", "signoffs",
    ),
    "working": (),
    "support": ("verdicts", "changes", "blockers", "links", "incidents", "tiers", "versions"),
    "operations": ("verdicts", "changes", "incidents", "tiers", "waivers", "signoffs", "versions"),
}  # fmt: skip
"""What each group reads; empty: everything."""


def _reader(value: str) -> str:
    return value if value in TIERS else address(value)


class ReportList(BaseModel):
    """`[reports.lists.NAME]`: some people, what they read, and of which units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: Annotated[tuple[Annotated[str, AfterValidator(_reader)], ...], Field(min_length=1)]
    """Mail addresses, or `tier1` to `tier3`: the contacts of `unit`."""
    role: Role = "working"
    unit: Slug | None = None
    """Of this unit and all below it; of all where left out."""
    wave: str = Field("", max_length=100)
    gate: str = Field("go-live", min_length=1, max_length=64)
    kinds: frozenset[Kind] = frozenset({"weekly"})
    language: Language | None = None
    """That of `[mail]` for each reader where left out."""


class ReportSettings(BaseModel):
    """All of it; without lists no report is mailed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "08:00"
    zone: Timezone = "UTC"
    """The clock of `at`, and that reports are counted by."""
    weekday: Weekday = "mon"
    """When weekly ones are due."""
    day: int = Field(1, ge=1, le=28)
    """On which day of the month monthly ones are due."""
    lists: dict[ChannelName, ReportList] = Field(default_factory=dict)
