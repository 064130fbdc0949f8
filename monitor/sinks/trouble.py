"""What a server's refusal means: whether the lines, the request or the server is at fault. Pure.

https://docs.influxdata.com/influxdb/v2/api/ (POST /api/v2/write), and for InfluxDB 3 the same with
`{"error": ..., "data": [{"line_number": 2, "error_message": ...}]}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from probes._clean import cleaned

LONGEST_WAIT_S = 300.0
"""The most that a server's Retry-After is obeyed."""
LINES_TOLD = 1000


class Cause(StrEnum):
    """Why a request was not taken; closed, and a label of /metrics."""

    LINES = "lines"
    """Some of its lines: they are looked for."""
    TOO_LARGE = "too_large"
    AUTH = "auth"
    MISSING = "missing"
    """There is no such bucket, database or organisation, or the address is none of a server of ours."""
    THROTTLED = "throttled"
    DISK_FULL = "disk_full"
    SERVER = "server"
    REFUSED = "refused"
    """Any other answer that is none of success."""
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    SECRET = "secret"  # noqa: S105 - a cause
    """The token can't be read."""


BROKEN = frozenset({Cause.UNREACHABLE, Cause.TIMEOUT})
"""What may mean that the server was restarted."""


class Trouble(Exception):  # noqa: N818 - reads better where it is raised
    """A request was not taken. `text` is clean and short.

    `wait_s` is what the server asks to wait; `lines` the numbers, from 1, of those it says are bad.
    """

    def __init__(
        self, cause: Cause, text: str, wait_s: float | None = None, lines: tuple[int, ...] = ()
    ) -> None:
        super().__init__(f"{cause}: {text}")
        self.cause, self.text, self.wait_s, self.lines = cause, text, wait_s, lines


_STATUS = {
    401: Cause.AUTH, 403: Cause.AUTH, 404: Cause.MISSING, 408: Cause.TIMEOUT, 413: Cause.TOO_LARGE,
    429: Cause.THROTTLED, 503: Cause.THROTTLED, 507: Cause.DISK_FULL,
}  # fmt: skip
_LINES = re.compile(
    r"partial write|unable to parse|parsing error|could ?n.t parse|type conflict|invalid (number|field|bool)"
    r"|retention|missing (fields|tag|field)|duplicate (tags|field)|bad timestamp|time outside range|max key"
    r"|line protocol|schema|dropped=",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left|disk (is )?full|read.?only|not enough (disk )?space|quota", re.IGNORECASE)


def trouble(status: int, headers: Mapping[str, str], body: bytes | str, secrets: Iterable[str]) -> Trouble:
    """Return what an answer that is no success means."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    said, lines = _said(text)
    cause = _STATUS.get(status, Cause.SERVER if status >= 500 else Cause.REFUSED)
    if status >= 500 and _FULL.search(said):
        cause = Cause.DISK_FULL
    elif status in (400, 422) and (lines or _LINES.search(said)):
        cause = Cause.LINES
    shown = cleaned(f"HTTP {status}: {said}" if said else f"HTTP {status}", secrets)
    return Trouble(cause, shown, wait(headers.get("Retry-After")), lines)


def _said(text: str) -> tuple[str, tuple[int, ...]]:
    """Return what an answer says, and the numbers of the lines it calls bad."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text, ()
    if not isinstance(found, dict):
        return text, ()
    said = str(found.get("message") or found.get("error") or text)
    data = found.get("data")
    rows = [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
    numbers = {n for row in rows[:LINES_TOLD] if type(n := row.get("line_number")) is int and n > 0}
    first = next((str(row["error_message"]) for row in rows if row.get("error_message")), "")
    return f"{said}: {first}" if first else said, tuple(sorted(numbers))


def wait(value: str | None, now: datetime | None = None) -> float | None:
    """Return how long a Retry-After asks to wait, in seconds: at most `LONGEST_WAIT_S`; None for nonsense.

    It is a number of seconds, or a date (RFC 9110, 10.2.3).
    """
    if value is None or len(value) > 64:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return min(float(value), LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
