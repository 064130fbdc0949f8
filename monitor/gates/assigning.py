"""Who mends what by when, and milestones that were reached: what may be written down. Pure.

An assignment is kept whole with each change; what is not given stays as it was. It stands until it is
changed, also while the row holds: should it fail again, the same people are asked.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from monitor.gates import ledger
from monitor.gates.asking import Asking, near
from monitor.gates.ledger import Draft
from monitor.people.refused import Refused
from monitor.readiness.results import ItemResult
from monitor.readiness.verdict import Status
from probes.api import clip

_ESTIMATE = re.compile(r"(\d{1,4}(?:\.\d{1,2})?)\s*(h|d|w)", re.ASCII)
_DAYS = {"h": 1 / 8, "d": 1.0, "w": 5.0}
MOST_DAYS = 400
OPEN = (Status.FAIL, Status.UNKNOWN, Status.WAIVED)


def assign(ask: Asking) -> Draft:
    """Return who mends a row, by when and at what effort. Raises Refused."""
    ask.need("operator", "assigning what is to be mended")
    row = _row(ask)
    if row.status not in OPEN:
        raise Refused(f'"{row.id}" is {row.status.value}: there is nothing to mend')
    before = ask.standing.assigned(ask.gate, ask.unit, row.asset or "", row.id)
    body: dict[str, Any] = dict(before.body) if before else {"owner": "", "due": None, "estimate_days": None}
    given = {"owner": clip(ask.text("owner"), 100), "due": _day(ask), "estimate_days": _estimate(ask)}
    given = {name: value for name, value in given.items() if value not in ("", None)}
    if not given and not ask.text("note"):
        raise Refused("assign what? write --owner, --due, --estimate or --note")
    body |= {**given, "note": ask.text("note"), "reason": row.reason}
    return ask.draft(ledger.ASSIGNED, body, item=row.id, asset=row.asset or "")


def reach(ask: Asking) -> Draft:
    """Return that a unit has reached a milestone. One with a checklist is reached by a signature.

    Raises Refused.
    """
    ask.need("operator", "saying that a milestone is reached")
    if ask.items:
        raise Refused(f'"{ask.gate}" is a gate with a checklist: it is reached by muster sign {ask.unit}')
    day = _past_day(ask)
    return ask.draft(ledger.REACHED, {"on": day, "note": ask.text("note")})


def estimate_days(text: str) -> float | None:
    """Return working days of a text such as 3d, 4h (of 8 a day) or 2w (of 5 days); None for no estimate."""
    found = _ESTIMATE.fullmatch(text.strip())
    days = float(found[1]) * _DAYS[found[2]] if found else 0.0
    return round(days, 3) if 0 < days <= MOST_DAYS else None


def _estimate(ask: Asking) -> float | None:
    text = ask.text("estimate")
    if not text:
        return None
    days = estimate_days(text)
    if days is None:
        raise Refused(f'--estimate {clip(text, 20)}: write working time such as "3d", "4h" or "2w"')
    return days


def _day(ask: Asking) -> str | None:
    """Return the due date; today at the earliest (by the day that has begun everywhere on earth)."""
    text = ask.text("due")
    if not text:
        return None
    day = _iso(text, "--due")
    today = date(1970, 1, 1) + timedelta(seconds=ask.now - 12 * 3600)
    if day < today:
        raise Refused(f"--due {day.isoformat()} is past; write when it will be mended")
    if day > today + timedelta(days=3660):
        raise Refused(f"--due {day.isoformat()} is over ten years away; is the year right?")
    return day.isoformat()


def _past_day(ask: Asking) -> str:
    today = date(1970, 1, 1) + timedelta(seconds=ask.now + 14 * 3600)
    day = _iso(ask.text("on", required=True), "--on")
    if day > today:
        raise Refused(f"--on {day.isoformat()} is still to come; write when it was reached")
    return day.isoformat()


def _iso(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(f"{option} {clip(text, 20)}: write a date such as 2027-01-15") from None


def _row(ask: Asking) -> ItemResult:
    key, asset = ask.text("item", required=True), ask.text("asset") or None
    rows = [each for each in ask.result.items if each.id == key]
    if not rows:
        raise Refused(
            f'{ask.unit} is not asked "{clip(key, 100)}"; {near(key, {each.id for each in ask.result.items})}'
        )
    if asset is None and len(rows) == 1:
        return rows[0]
    found = next((each for each in rows if each.asset == asset), None)
    if found is None:
        assets = [each.asset for each in rows if each.asset]
        hint = f"write --asset {' or '.join(assets)}" if assets else "leave --asset out"
        raise Refused(f'"{key}" is asked of {len(rows)} rows; {hint}')
    return found
