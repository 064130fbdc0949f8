"""Whether a test may begin now: pure, with what is known of its lines passed in."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from monitor.calendars.windows import Window, any_holds
from monitor.discipline.rules import Rules
from probes.errors import NotRun


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of one line now."""

    line: str
    use_pct: float | None = None
    """How much of the busier direction is in use; None where nobody measures it."""
    down: str = ""
    """The check by which the line is down; empty where it is not, or nobody knows."""
    risen: str = ""
    """How its round trip time is above the usual one; empty where it is not."""


def closed(windows: Collection[Window], local: datetime) -> NotRun | None:
    """Return that no window is open, None where one is. `local` is the unit's own time."""
    if any_holds(windows, local):
        return None
    return NotRun("window", f"{local:%a %H:%M} in the unit lies outside the windows for this test")


def refusal(rules: Rules, sights: Iterable[Sight]) -> NotRun | None:
    """Return why the lines bear no test now, None where they do."""
    several = tuple(sights)
    for sight in several:
        if sight.down:
            return NotRun("unhealthy", f"{sight.line} is down ({sight.down})")
        if sight.risen:
            return NotRun("unhealthy", f"{sight.line} has enough to carry already ({sight.risen})")
    for sight in several:
        if sight.use_pct is not None and sight.use_pct > rules.use_limit:
            said = f"{sight.use_pct:.0f} % of {sight.line} is in use, tests stop at {rules.use_limit:.0f} %"
            return NotRun("in_use", said)
    return None
