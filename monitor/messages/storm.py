"""When single messages give way to a summary: too many to one recipient, or too many problems at all. Pure.

What is folded into a summary counts as told: whoever got the summary gets the end of each incident in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HOUR_S = 3600.0
MOST_LISTED = 200
"""Subjects that a summary lists."""
PROBLEMS = ("opened", "worse", "escalated", "reminder", "residual")
"""Notices that a storm consists of; the end of an incident is none of them."""
_EVENTS = frozenset({*PROBLEMS, "closed"})
SUMMARY = "summary"
"""The notice of a summary itself."""
DIGEST = "digest"
"""The notice of a daily digest, and of what it tells of."""


@dataclass(frozen=True, slots=True)
class Limits:
    """See `[notify.limits]`. Times are seconds."""

    per_recipient: int = 60
    storm: int = 100
    storm_window: float = 600.0
    summary_after: float = 60.0
    summary_every: float = 600.0
    by_channel: Mapping[str, int] = field(default_factory=dict)
    """Messages an hour of channels that have a limit of their own."""

    def hourly(self, channel: str) -> int:
        """Return how many messages an hour a recipient of a channel gets."""
        return self.by_channel.get(channel, self.per_recipient)

    def summary_due(self, now: float, last_due: float | None) -> float:
        """Return when a summary that is begun now is sent; `last_due` is the time of the one before it."""
        return max(now + self.summary_after, 0.0 if last_due is None else last_due + self.summary_every)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has been queued before a message."""

    problems: int
    """Of problems to all recipients within the storm's window, told singly or not."""
    to_recipient: int
    """To its recipient within the hour, told singly."""
    gathering: bool
    """Whether an earlier message of its thread is in a summary that is not sent yet."""


def folds(limits: Limits, notice: str, channel: str, traffic: Traffic) -> bool:
    """Tell whether a message goes into a summary. Messages that no incident causes never do."""
    if notice not in _EVENTS:
        return False
    if traffic.gathering or traffic.to_recipient >= limits.hourly(channel):
        return True
    return notice in PROBLEMS and traffic.problems >= limits.storm
