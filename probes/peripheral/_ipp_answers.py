"""What a printer's attributes say (RFC 8011, PWG 5100.13), as metrics and facts. Pure.

A printer may leave most of them out, or say "unknown": such a figure is left out and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from probes.api import clip
from probes.errors import Ending, ExpectationFailed, OwnLoginFailed, PermissionMissing
from probes.peripheral._ipp_message import Attributes

WANTED = (
    "printer-state", "printer-state-reasons", "printer-state-message", "printer-is-accepting-jobs",
    "queued-job-count", "printer-up-time", "printer-name", "printer-make-and-model", "printer-device-id",
    "printer-serial-number", "printer-firmware-string-version", "printer-uuid", "printer-supply",
    "printer-supply-description", "printer-input-tray", "media-ready", "marker-names", "marker-levels",
    "marker-types", "document-format-supported", "pwg-raster-document-type-supported",
    "pwg-raster-document-resolution-supported",
)  # fmt: skip
STATES = {3: "idle", 4: "processing", 5: "stopped"}
JOB_STATES = {
    3: "pending", 4: "pending-held", 5: "processing", 6: "processing-stopped", 7: "canceled", 8: "aborted",
    9: "completed",
}  # fmt: skip
JOB_ENDED = (7, 8, 9)
STATUSES = {
    0x0400: "client-error-bad-request", 0x0401: "client-error-forbidden",
    0x0402: "client-error-not-authenticated", 0x0403: "client-error-not-authorized",
    0x0404: "client-error-not-possible", 0x0405: "client-error-timeout", 0x0406: "client-error-not-found",
    0x0407: "client-error-gone", 0x040A: "client-error-document-format-not-supported",
    0x0500: "server-error-internal-error", 0x0501: "server-error-operation-not-supported",
    0x0502: "server-error-service-unavailable", 0x0503: "server-error-version-not-supported",
    0x0504: "server-error-device-error", 0x0505: "server-error-temporary-error",
    0x0506: "server-error-not-accepting-jobs", 0x0507: "server-error-busy",
    0x0508: "server-error-job-canceled", 0x0509: "server-error-multiple-document-jobs-not-supported",
    0x050A: "server-error-printer-is-deactivated",
}  # fmt: skip
WORDS = {
    0x0406: "no_such_queue", 0x0407: "no_such_queue", 0x0503: "version_not_supported",
    0x0506: "not_accepting", 0x0507: "printer_busy", 0x050A: "not_accepting",
}  # fmt: skip
_LOW = re.compile(r"-(?:low|almost-full|almost-empty|near-full|near-empty|near-eol)$")
_NEUTRAL = re.compile(
    r"^(?:cups-.*|moving-to-paused|connecting-to-device|identify-printer-requested|testing)$"
)
OBSTACLES = frozenset((
    "media-needed", "media-jam", "media-empty", "toner-empty", "marker-supply-empty", "marker-supply-missing",
    "marker-waste-full", "marker-waste-missing", "developer-empty", "opc-life-over", "cover-open",
    "door-open", "interlock-open", "input-tray-missing", "output-tray-missing", "output-area-full",
    "fuser-over-temp",
    "fuser-under-temp", "spool-area-full", "hold-new-jobs", "paused", "shutdown", "offline", "deactivated",
    "timed-out", "input-cannot-feed-size-selected",
))  # fmt: skip
"""Reasons (RFC 8011, 5.4.12, and PWG 5100.9) with which nothing is printed, however grave they are called."""
SERIAL_KEYS = ("sn", "sern", "serialnumber")
"""Of an IEEE 1284 device id."""
LONGEST_UPTIME_S = 20 * 365 * 86_400
"""CUPS gives the seconds since 1970, that is, its clock, as printer-up-time."""
MOST_SHOWN = 20

Severity = Literal["error", "warning", "report"]


@dataclass(slots=True)
class Told:
    """What an answer says, and what it does not."""

    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def refusal(status: int, what: str, message: str) -> Ending:
    """Return the ending that a status of RFC 8011, appendix B, stands for."""
    name = STATUSES.get(status, f"status {status:#06x}")
    detail = f"{name} for {what}" + (f": {message}" if message else "")
    if status == 0x0402:
        return OwnLoginFailed(f"wrong_password: {detail}")
    if status in (0x0401, 0x0403):
        return PermissionMissing(f"missing_right: {detail}")
    word = WORDS.get(status)
    return ExpectationFailed(f"{word}: {detail}" if word else detail)


def texts(found: Attributes, name: str) -> list[str]:
    """Return the values of an attribute that are texts; octet strings are read as such."""
    values = (v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in found.get(name, ()))
    return [clip(value, 500) for value in values if isinstance(value, str)]


def number(found: Attributes, name: str) -> int | None:
    """Return the number of an attribute, or None."""
    value = next(iter(found.get(name, ())), None)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def severity(reason: str) -> Severity:
    """Return how grave a reason is.

    Without a suffix it is an error (RFC 8011, 5.4.12), but for what by its own meaning can't be one: a
    supply that runs low, and a printer that begins or ends something.
    """
    for level in ("error", "warning", "report"):
        if reason.endswith(f"-{level}"):
            return level
    if _LOW.search(reason):
        return "warning"
    return "report" if _NEUTRAL.match(reason) else "error"


def told(found: Attributes) -> Told:
    """Return all that is reported of a printer."""
    result = Told()
    _state(found, result)
    _reasons(found, result)
    accepting = next(iter(found.get("printer-is-accepting-jobs", ())), None)
    if isinstance(accepting, bool):
        result.metrics["accepting"] = float(accepting)
    else:
        result.missing.append("accepting: the printer does not tell it")
    for name, attribute in (("queued", "queued-job-count"), ("uptime_s", "printer-up-time")):
        value = number(found, attribute)
        if value is None or value < 0:
            result.missing.append(f"{name}: the printer does not tell it")
        elif name == "uptime_s" and value > LONGEST_UPTIME_S:
            result.missing.append("uptime_s: it gives its clock")
        else:
            result.metrics[name] = float(value)
    _identity(found, result)
    _supplies(supplies(found), result)
    _trays(found, result)
    return result


def _state(found: Attributes, result: Told) -> None:
    state = number(found, "printer-state")
    if state in STATES:
        result.facts["state"] = STATES[state]
    else:
        result.missing.append("state: the printer does not tell it")
    if message := ", ".join(texts(found, "printer-state-message")):
        result.facts["state_message"] = message


def _reasons(found: Attributes, result: Told) -> None:
    given = texts(found, "printer-state-reasons")
    if not given:
        result.missing.append("errors, warnings, reports, obstacles: the printer does not tell its reasons")
        return
    reasons = [reason for reason in given if reason != "none"]
    for level in ("error", "warning", "report"):
        of_level = [reason for reason in reasons if severity(reason) == level]
        result.metrics[f"{level}s"] = float(len(of_level))
        if of_level or level == "error":
            result.facts[f"{level}_reasons"] = ", ".join(of_level[:MOST_SHOWN]) or "none"
    obstacles = [reason for reason in reasons if _bare(reason) in OBSTACLES]
    result.metrics["obstacles"] = float(len(obstacles))
    result.facts["obstacle_reasons"] = ", ".join(obstacles[:MOST_SHOWN]) or "none"


def _bare(reason: str) -> str:
    return next(
        (reason.removesuffix(end) for end in ("-error", "-warning", "-report") if reason.endswith(end)),
        reason,
    )


def _identity(found: Attributes, result: Told) -> None:
    device = _pairs(next(iter(texts(found, "printer-device-id")), ""), ":")
    serials = [*texts(found, "printer-serial-number"), *(device.get(key, "") for key in SERIAL_KEYS)]
    given = {
        "model": next(iter(texts(found, "printer-make-and-model")), ""),
        "serial": next((text for text in serials if text), ""),
        "firmware": ", ".join(texts(found, "printer-firmware-string-version")[:MOST_SHOWN]),
        "name": next(iter(texts(found, "printer-name")), ""),
        "uuid": next(iter(texts(found, "printer-uuid")), "").removeprefix("urn:uuid:"),
        "media_ready": ", ".join(texts(found, "media-ready")[:MOST_SHOWN]),
    }
    result.facts |= {name: text for name, text in given.items() if text}


@dataclass(frozen=True, slots=True)
class Supply:
    """A supply; `pct` is what is left of it, None where the printer tells no amount."""

    name: str
    pct: float | None
    waste: bool = False

    def __str__(self) -> str:
        level = "level unknown" if self.pct is None else f"{self.pct:.0f} %"
        return f"{self.name} {level}" + (" (waste)" if self.waste else "")


def supplies(found: Attributes) -> list[Supply]:
    """Return the supplies by `printer-supply`, else by CUPS' `marker-...` attributes."""
    given, names = texts(found, "printer-supply"), texts(found, "printer-supply-description")
    if given:
        return [_supply(_pairs(text, "="), _at(names, at)) for at, text in enumerate(given)]
    names, kinds = texts(found, "marker-names"), texts(found, "marker-types")
    return [
        Supply(_at(names, at) or f"supply {at + 1}", _percent(level, 100), "waste" in _at(kinds, at).lower())
        for at, level in enumerate(found.get("marker-levels", ()))
    ]


def _at(values: Sequence[str], at: int) -> str:
    return values[at] if at < len(values) else ""


def _supply(pairs: dict[str, str], name: str) -> Supply:
    most = 100 if pairs.get("unit") == "percent" else _integer(pairs.get("maxcapacity", ""))
    words = name or f"{pairs.get('colorantname', '')} {pairs.get('type', 'supply')}".strip()
    waste = pairs.get("class", "") == "receptacleThatIsFilled" or "waste" in pairs.get("type", "").lower()
    return Supply(words, _percent(_integer(pairs.get("level", "")), most), waste)


def _percent(level: object, most: int | None) -> float | None:
    """Return a level as a share; negative ones are codes (RFC 3805, prtMarkerSuppliesLevel)."""
    if not isinstance(level, int) or level < 0 or most is None or most <= 0:
        return None
    return min(100.0, 100 * level / most)


def _supplies(every: Iterable[Supply], result: Told) -> None:
    every = list(every)[:256]
    if not every:
        result.missing.append("supplies: the printer tells none")
        return
    result.facts["supplies_found"] = "; ".join(str(supply) for supply in every[:MOST_SHOWN])
    used = [supply for supply in every if not supply.waste]
    known = [supply.pct for supply in used if supply.pct is not None]
    unknown = [supply.name for supply in used if supply.pct is None]
    result.metrics |= {
        "supplies": float(len(used)),
        "supplies_unknown": float(len(unknown)),
        "supplies_empty": float(sum(pct == 0 for pct in known)),
    }
    if known:
        result.metrics["supply_lowest_known_pct"] = min(known)
    if unknown:
        result.missing.append(f"supply_lowest_pct: no amount is told of {', '.join(unknown[:5])}")
    elif known:
        result.metrics["supply_lowest_pct"] = min(known)


def _trays(found: Attributes, result: Told) -> None:
    levels = [_integer(_pairs(text, "=").get("level", "")) for text in texts(found, "printer-input-tray")]
    if not levels:
        result.missing.append("trays: the printer tells none")
        return
    loaded = sum(level is not None and (level > 0 or level == -3) for level in levels)
    empty = sum(level == 0 for level in levels)
    result.metrics |= {
        "trays_loaded": float(loaded),
        "trays_empty": float(empty),
        "trays_unknown": float(len(levels) - loaded - empty),
    }


def _pairs(text: str, between: str) -> dict[str, str]:
    parts = (part.partition(between) for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, found, value in parts if found}


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d{1,9}", text, re.ASCII) else None
