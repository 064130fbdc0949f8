"""When a unit can be ready, against when it has to be: on_track, at_risk or late, and why. Pure.

earliest_ready = max(remaining soak, remediation due dates, pending approvals, next attestation), each a day
in the unit's own time: a row that fails is mended by the end of its due date, and then has to soak; a row
that soaks needs nobody. slack = workdays after earliest_ready, up to and with the go-live date. An open
blocker or major without an owner and a date is never on_track, nor is a unit of which nothing is measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from monitor.calendars.calendar import ALWAYS_OPEN, Calendar
from monitor.roadmap.workdays import after, between

Outlook = Literal["on_track", "at_risk", "late"]
STATUSES: tuple[Outlook, ...] = ("late", "at_risk", "on_track")
"""From the worst to the best."""
Code = Literal[
    "date_passed", "dates_after", "unowned", "overdue", "waiver_ends", "thin", "verdict", "regressed",
    "undated", "signed", "ready", "dates_hold", "stale",
]  # fmt: skip
DAY_S = 86_400.0
GOOD = ("READY", "CONDITIONAL")


@dataclass(frozen=True, slots=True)
class Open:
    """A blocker or major that keeps the unit from being ready; `soak_s` is wall time."""

    owner: str = ""
    due: date | None = None
    soaking: bool = False
    """It holds, and only has to go on for `soak_s`."""
    soak_s: float = 0.0
    """For how long it must hold after it is mended."""

    @property
    def settled(self) -> bool:
        """Whether somebody mends it by a date, or nobody has to."""
        return self.soaking or (bool(self.owner) and self.due is not None)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a unit; all days are its own."""

    today: date
    go_live: date | None
    verdict: str
    left_today_s: float = DAY_S
    """Until midnight."""
    open: Sequence[Open] = ()
    approvals: int = 0
    """Waivers and exemptions that wait for an approver."""
    attestations: Sequence[date] = ()
    """When statements that hold now run out."""
    waivers: Sequence[date] = ()
    """When waivers in force end."""
    signed: bool = False
    """Signed at this gate, and neither regressed nor drifted since."""
    regressed: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """How days are counted."""

    calendar: Calendar = ALWAYS_OPEN
    buffer: int = 3
    approval: int = 2


@dataclass(frozen=True, slots=True)
class Reason:
    """Why; `n` rows, workdays or units, and `day` where there is one."""

    code: Code
    n: int = 0
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected; the first reason decides. `status` is None for a unit without a date."""

    status: Outlook | None
    reasons: tuple[Reason, ...]
    go_live: date | None
    earliest_ready: date | None
    """None where a row has no date, or where nothing is measured: nobody can say."""
    slack: int | None
    """In workdays; negative where it comes too late. None where either day is not known."""
    decided_by: str = ""
    """What earliest_ready waits for: soak, remediation, approval or attestation; "" for nothing."""
    holidays_unknown: bool = field(default=False)
    """Whether it counts days whose holidays have not been announced."""


def forecast(now: Situation, terms: Terms) -> Forecast:
    """Return what is to be expected of a unit."""
    known, why = max(_candidates(now, terms), default=(now.today, ""))
    nothing_known = not now.open and now.verdict not in GOOD
    earliest = None if nothing_known or any(_nameless(each) for each in now.open) else known
    if now.signed:
        earliest, known, why = now.today, now.today, ""
    slack = None
    if earliest is not None and now.go_live is not None:
        slack = between(terms.calendar, earliest, now.go_live)
    status, reasons = _judged(now, terms, known, slack)
    last = max(filter(None, (now.go_live, known)))
    until = terms.calendar.known_until
    unknown = until is not None and last > until
    return Forecast(status, reasons, now.go_live, earliest, slack, why if earliest else "", unknown)


def _nameless(row: Open) -> bool:
    return row.due is None and not row.soaking


def _candidates(now: Situation, terms: Terms) -> Iterator[tuple[date, str]]:
    """Yield each day that readiness waits for, and for what."""
    for row in now.open:
        if row.soaking:
            yield now.today + timedelta(days=_nights(row.soak_s - now.left_today_s)), "soak"
        elif row.due is not None:
            mended = max(row.due, now.today)
            days = math.ceil(row.soak_s / DAY_S) if row.soak_s > 0 else 0
            yield mended + timedelta(days=days), "remediation"
    if now.approvals:
        yield after(terms.calendar, now.today, terms.approval), "approval"
    for day in now.attestations:
        if now.go_live is not None and now.today <= day <= now.go_live:
            yield day, "attestation"


def _nights(beyond_midnight_s: float) -> int:
    """Return on how many days after today something ends that goes on so long past midnight."""
    return max(0, math.ceil(beyond_midnight_s / DAY_S))


def _judged(
    now: Situation, terms: Terms, known: date, slack: int | None
) -> tuple[Outlook | None, tuple[Reason, ...]]:
    if now.go_live is None:
        return None, (Reason("undated"), *_risks(now, None, terms))
    if now.signed:
        return "on_track", (Reason("signed"),)
    late = [*_late(now, known, terms)]
    risks = [*_risks(now, slack, terms)]
    if late:
        return "late", (*late, *risks)
    if risks:
        return "at_risk", tuple(risks)
    return "on_track", (Reason("dates_hold", n=slack or 0, day=known) if now.open else Reason("ready"),)


def _late(now: Situation, known: date, terms: Terms) -> Iterator[Reason]:
    assert now.go_live is not None
    if now.go_live < now.today:
        yield Reason("date_passed", between(terms.calendar, now.go_live, now.today), now.go_live)
    elif known > now.go_live:
        yield Reason("dates_after", between(terms.calendar, now.go_live, known), known)


def _risks(now: Situation, slack: int | None, terms: Terms) -> Iterator[Reason]:
    """Yield what keeps a unit from being on track, the gravest first."""
    if unowned := sum(not row.settled for row in now.open):
        yield Reason("unowned", unowned)
    if overdue := sum(row.due is not None and row.due < now.today and not row.soaking for row in now.open):
        yield Reason("overdue", overdue)
    if now.verdict not in GOOD and not now.open:
        yield Reason("verdict")
    if now.regressed:
        yield Reason("regressed")
    ends = [day for day in now.waivers if now.go_live is not None and day <= now.go_live]
    if ends:
        yield Reason("waiver_ends", len(ends), min(ends))
    if slack is not None and 0 <= slack < terms.buffer and _waits(now):
        yield Reason("thin", slack)


def _waits(now: Situation) -> bool:
    """Whether anything has still to happen until it is ready; what is ready needs no slack."""
    return bool(now.open or now.approvals) or now.verdict not in GOOD
