"""Quantities with units: one table, for what operators write and for what people are shown.

Prefixes are those of the SI (k, M, G: powers of 1000) and of IEC 80000-13 (Ki, Mi, Gi: powers of 1024).
`min` is minutes and `m` is metres.
"""

from __future__ import annotations

import math
import re
from difflib import get_close_matches

_DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}

DIMENSIONS: dict[str, dict[str, float]] = {
    "duration": {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "size": {"bytes": 1.0, **{p + "B": f for p, f in (_DECIMAL | _BINARY).items()}},
    "rate": {
        **{p + "bit/s": f for p, f in _DECIMAL.items()},
        "bytes/s": 8.0,
        **{p + "B/s": 8 * f for p, f in (_DECIMAL | _BINARY).items()},
    },
    "percentage": {"%": 1.0},
    "count": {"count": 1.0},
    "temperature": {"C": 1.0, "°C": 1.0},
    "frequency": {p + "Hz": f for p, f in _DECIMAL.items()},
    "length": {"mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3},
    "voltage": {"mV": 1e-3, "V": 1.0, "kV": 1e3},
    "power": {"W": 1.0, "kW": 1e3},
    "energy": {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6},
}
"""Each dimension's units, and what one of them is in the dimension's base."""

EXAMPLES = {"duration": "5 min", "size": "8 GiB", "rate": "20 Mbit/s", "percentage": "70 %", "count": "12"}

MISTAKES = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms", "m": "min", "mins": "min",
    "minute": "min", "minutes": "min", "hr": "h", "hour": "h", "hours": "h", "day": "d", "days": "d",
    "b": "bytes", "byte": "bytes", "k": "kB", "kb": "kB", "m ": "MB", "mb": "MB", "g": "GB", "gb": "GB",
    "t": "TB", "tb": "TB", "bps": "bit/s", "kbps": "kbit/s", "mbps": "Mbit/s", "gbps": "Gbit/s",
    "m/s": "Mbit/s", "mbit": "Mbit/s", "percent": "%", "pct": "%", "meters": "m", "metres": "m",
}  # fmt: skip
"""What people write, in lower case, and what is meant (where the dimension has it)."""

PEOPLE = {
    "duration": ("us", "ms", "s", "min", "h", "d"),
    "size": ("bytes", "KiB", "MiB", "GiB", "TiB"),
    "rate": ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"),
    "frequency": ("Hz", "kHz", "MHz", "GHz"),
    "length": ("mm", "m", "km"),
}
"""The units people are shown, smallest first; other dimensions are shown in the unit they are kept in."""

_OF = {unit: dimension for dimension, units in DIMENSIONS.items() for unit in units}
_QUANTITY = re.compile(
    r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*([a-zA-Z%°/]\S*)?\s*", re.ASCII
)


def dimension(unit: str) -> str | None:
    """Return the dimension of a unit, or None for one that the table does not know."""
    return _OF.get(unit)


def parse(text: str, unit: str) -> float:
    """Return a written quantity in `unit`: `parse("5 min", "s")` is 300.0; a bare number is in `unit`.

    Raises ValueError, saying what to write instead. A unit outside the table takes only itself.
    """
    found = _QUANTITY.fullmatch(text) if len(text) <= 64 else None
    if found is None:
        msg = f'not a {_called(unit)}: "{text[:40]}"; write for example "{_example(unit)}"'
        raise ValueError(msg)
    suffix = found[2] or unit
    if suffix != unit and (_OF.get(suffix) is None or _OF[suffix] != _OF.get(unit)):
        msg = f'"{suffix[:20]}" is no unit of a {_called(unit)}; {_instead(found[1], suffix, unit)}'
        raise ValueError(msg)
    value = convert(float(found[1]), suffix, unit)
    if not math.isfinite(value):
        msg = f'"{text[:40]}" is out of range'
        raise ValueError(msg)
    return value


def convert(value: float, unit: str, to: str) -> float:
    """Return `value` of `unit` in `to`. Raises ValueError when they are of different dimensions."""
    if unit == to:
        return value
    of = _OF.get(unit)
    if of is None or of != _OF.get(to):
        msg = f'"{unit}" can\'t be converted to "{to}"'
        raise ValueError(msg)
    factor, divisor = DIMENSIONS[of][unit], DIMENSIONS[of][to]
    return value * (factor / divisor) if factor >= divisor else value / (divisor / factor)


def render(value: float, unit: str) -> str:
    """Return a quantity for people, in the largest unit that leaves at least 1, to 4 significant digits."""
    if not math.isfinite(value):
        return f"{value} {unit}"
    scale = PEOPLE.get(_OF.get(unit, ""), ())
    steps = [(abs(convert(value, unit, step)), step) for step in scale]
    fits = [step for size, step in steps if size >= 1.0]
    shown = fits[-1] if fits else scale[0] if scale and value else unit
    number = _digits(convert(value, unit, shown))
    return number if shown == "count" else f"{number} {shown}"


def _digits(value: float) -> str:
    return f"{value:.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def _called(unit: str) -> str:
    return _OF.get(unit) or f"quantity in {unit}"


def _example(unit: str) -> str:
    return EXAMPLES.get(_OF.get(unit, ""), f"5 {unit}")


def _instead(number: str, suffix: str, unit: str) -> str:
    units = DIMENSIONS.get(_OF.get(unit, ""), {unit: 1.0})
    meant = MISTAKES.get(suffix.casefold(), "")
    if meant not in units:
        same = [name for name in units if name.casefold() == suffix.casefold()]
        close = same or get_close_matches(suffix[:20], list(units), n=1, cutoff=0.7)
        meant = close[0] if close else ""
    if meant:
        return f'did you mean "{number} {meant}"?'
    return f'write for example "{_example(unit)}"'
