"""A server's parameters against those that it should have: pure, and the same for all engines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from probes.api import clip

Setting = str | int | float | bool
SWITCHES = {"on": "1", "true": "1", "yes": "1", "off": "0", "false": "0", "no": "0"}
UNITS: dict[str, tuple[str, int | Decimal]] = {
    "b": ("size", 1), "k": ("size", 2**10), "m": ("size", 2**20), "g": ("size", 2**30), "t": ("size", 2**40),
    "us": ("time", Decimal("0.001")), "ms": ("time", 1), "s": ("time", 1000), "min": ("time", 60_000),
    "h": ("time", 3_600_000), "d": ("time", 86_400_000),
}  # fmt: skip
AMOUNT = re.compile(r"(-?\d{1,30}(?:\.\d{1,30})?) ?(us|ms|s|min|h|d|[kmgt]i?b?|b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the comparison of a manifest with a server gave."""

    differing: tuple[str, ...]
    """Each difference, readable."""
    unread: tuple[str, ...]
    """Names that the server did not show, so that nothing is known of them."""

    def metrics(self) -> dict[str, float]:
        """Return `parameters_differing`; without it where nothing differs, but not all could be read."""
        known = bool(self.differing) or not self.unread
        return {"parameters_differing": float(len(self.differing))} if known else {}

    def facts(self) -> dict[str, str]:
        """Return the fact `parameters`: the differences, or "none"."""
        unread = [f"{name} is not shown" for name in self.unread]
        return {"parameters": "; ".join([*self.differing, *unread]) or "none"}


def compare(wanted: Mapping[str, Setting], found: Mapping[str, str | Iterable[str]]) -> Comparison:
    """Compare by meaning: on is true, 1 GB is 1024MB, 10 is 10.0; names by their letters, not their case.

    A parameter may be found in several spellings (`("16384", "128MB")`), of which one must be meant.
    """
    spelt = {name.lower(): _spellings(value) for name, value in found.items()}
    differing, unread = [], []
    for name, value in wanted.items():
        has = spelt.get(name.lower())
        if has is None:
            unread.append(name)
        elif meaning(value) not in {meaning(spelling) for spelling in has}:
            differing.append(f"{name} is {clip(has[-1], 100)}, wanted {clip(_text(value), 100)}")
    return Comparison(tuple(differing), tuple(unread))


def meaning(value: Setting) -> str:
    """Return one spelling for all that mean the same."""
    text = _text(value).strip()
    text = SWITCHES.get(text.lower(), text)
    amount = AMOUNT.fullmatch(text)
    if amount:
        kind, factor = UNITS[_unit(amount[2].lower())]
        return f"{kind} {_number(Decimal(amount[1]) * factor)}"
    try:
        return _number(Decimal(text)) if len(text) <= 40 else text.lower()
    except InvalidOperation:
        return text.lower()


def _unit(text: str) -> str:
    return text if text in UNITS else text[0]


def _number(value: Decimal) -> str:
    return format(value.normalize(), "f") if value.is_finite() and abs(value.adjusted()) < 60 else str(value)


def _spellings(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _text(value: Setting) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
