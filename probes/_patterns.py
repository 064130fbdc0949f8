"""Regular expressions searched in what a target sends: bounded in time, since either may be hostile.

They are matched by `regex`, which has a time limit and lets other threads run; Python's `re` has neither.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import regex
from pydantic import AfterValidator, Field

from probes.errors import Inconclusive

SHORT = 8192
"""Texts up to this many characters are searched in the loop, for `SHORT_SEARCH_S` at most."""
SHORT_SEARCH_S = 0.02
SEARCH_S = 1.0


@lru_cache(maxsize=1024)
def pattern(text: str) -> regex.Pattern[str]:
    """Compile a pattern. Raises ValueError."""
    try:
        compiled: regex.Pattern[str] = regex.compile(text)
    except regex.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    return compiled


def found(wanted: str, text: str) -> bool:
    """Search `text` for a pattern. Raises `Inconclusive` where that takes too long."""
    return match(wanted, text) is not None


def match(wanted: str, text: str) -> regex.Match[str] | None:
    """Return the first match of a pattern in `text`. Raises as `found`."""
    limit = SHORT_SEARCH_S if len(text) <= SHORT else SEARCH_S
    try:
        return pattern(wanted).search(text, concurrent=True, timeout=limit)
    except TimeoutError:
        why = f"the pattern {wanted!r} took too long on this text; write it with fewer repeats"
        raise Inconclusive(why) from None


def _compiles(text: str) -> str:
    pattern(text)
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_compiles)]
"""A parameter that is a regular expression."""
