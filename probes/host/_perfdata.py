"""What a Nagios plugin prints, by the Monitoring Plugins Development Guidelines. Pure.

    TEXT | 'label'=value[UOM];[warn];[crit];[min];[max] ...
    LONG TEXT | more performance data
    more performance data

Labels with blanks stand in single quotes, a quote inside is doubled; a value "U" is not known and so is not
reported. Values come out in base units: ms and us as seconds, KB to PB as bytes.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from probes.api import clip

MAX_METRICS = 200
"""Most performance data taken of one run; what comes after is counted, not kept."""
MAX_NAME = 64

_ITEM = re.compile(
    r"""\s*(?:'((?:[^']|'')*)'|([^\s=']+))=(?P<value>[^\s;]*)(?P<limits>(?:;[^\s;]*)*)(?=\s|$)"""
)
_VALUE = re.compile(r"(U|[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d{1,3})?)(\S{0,16})")
_UNITS = {
    "": ("", 1.0), "%": ("pct", 1.0), "c": ("total", 1.0),
    "s": ("s", 1.0), "ms": ("s", 1e-3), "us": ("s", 1e-6), "µs": ("s", 1e-6), "ns": ("s", 1e-9),
    "b": ("bytes", 1.0), "kb": ("bytes", 1024.0), "mb": ("bytes", 1024.0**2), "gb": ("bytes", 1024.0**3),
    "tb": ("bytes", 1024.0**4), "pb": ("bytes", 1024.0**5), "kib": ("bytes", 1024.0),
    "mib": ("bytes", 1024.0**2), "gib": ("bytes", 1024.0**3), "tib": ("bytes", 1024.0**4),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Range:
    """A threshold: alert outside `start`..`end` (inclusive), or inside them where `inside`."""

    start: float
    end: float
    inside: bool = False

    def alerts(self, value: float) -> bool:
        """Tell whether a value raises an alert."""
        return (self.start <= value <= self.end) == self.inside


@dataclass(frozen=True, slots=True)
class Datum:
    """One performance datum: its label as printed, and its value in `unit` ("s", "bytes", "pct", "total")."""

    label: str
    value: float
    unit: str
    warn: Range | None = None
    crit: Range | None = None


@dataclass(frozen=True, slots=True)
class PluginOutput:
    """A plugin's first line, its long text, its data; `dropped` counts data over the limit or garbled."""

    text: str
    long_text: str
    data: tuple[Datum, ...]
    dropped: int = 0


def parse(stdout: str) -> PluginOutput:
    """Parse what a plugin printed; garbled data are counted as dropped, never guessed."""
    first, _, rest = stdout.strip("\r\n").partition("\n")
    text, _, perf = first.partition("|")
    long_text, _, more = rest.partition("|")
    data, dropped = parse_data(f"{perf} {more}".replace("\n", " "))
    return PluginOutput(clip(text.strip()), clip(long_text.strip()), tuple(data), dropped)


def parse_data(text: str) -> tuple[list[Datum], int]:
    """Return the data of a performance string, and how many were dropped."""
    found: list[Datum] = []
    dropped = position = 0
    while position < len(text) and not text[position:].isspace():
        match = _ITEM.match(text, position)
        if match is None:
            position = _next_blank(text, position)
            dropped += 1
            continue
        position = match.end()
        datum = _datum(match)
        if datum is not None and len(found) < MAX_METRICS:
            found.append(datum)
        elif datum is not None or match["value"] != "U":
            dropped += 1
    return found, dropped


def parse_range(text: str) -> Range | None:
    """Parse a threshold range: `10`, `10:`, `~:10`, `10:20`, `@10:20`; None where empty or garbled."""
    inside, body = text.startswith("@"), text.removeprefix("@")
    start, colon, end = body.partition(":")
    if not colon:
        start, end = "0", body
    try:
        low = -math.inf if start == "~" else float(start or 0)
        high = float(end) if end else math.inf
    except ValueError:
        return None
    return Range(low, high, inside) if body and low <= high else None


def metric_names(data: tuple[Datum, ...]) -> dict[str, float]:
    """Return the data as metrics: lower case, words joined by `_`, the unit last, doubles numbered."""
    found: dict[str, float] = {}
    for datum in data:
        name = base = _name(datum)
        number = 1
        while name in found:
            number += 1
            name = f"{base}_{number}"
        found[name] = datum.value
    return found


def _name(datum: Datum) -> str:
    if datum.label.strip() == "/":
        words = "root"
    else:
        words = re.sub(r"[^a-z0-9]+", "_", datum.label.lower()).strip("_") or "value"
    name = f"_{words}" if words[0].isdigit() else words
    suffix = f"_{datum.unit}" if datum.unit and not name.endswith(f"_{datum.unit}") else ""
    return name[: MAX_NAME - len(suffix)] + suffix


def _datum(match: re.Match[str]) -> Datum | None:
    label = match[1].replace("''", "'") if match[1] is not None else match[2]
    value = _VALUE.fullmatch(match["value"])
    if value is None or value[1] == "U" or not label:
        return None
    unit, factor = _UNITS.get(value[2].lower(), (_unit_name(value[2]), 1.0))
    number = float(value[1].replace(",", ".")) * factor
    if not math.isfinite(number):
        return None
    limits = [*match["limits"].split(";")[1:], "", ""]
    return Datum(clip(label, 200), number, unit, parse_range(limits[0]), parse_range(limits[1]))


def _unit_name(unit: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", unit.lower())


def _next_blank(text: str, position: int) -> int:
    start = position + len(text[position:]) - len(text[position:].lstrip())
    match = re.compile(r"\s").search(text, start)
    return match.start() if match else len(text)
