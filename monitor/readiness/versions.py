"""Versions as software reports them, made comparable; what can't be parsed is None, and never guessed.

`15.3 (Debian 15.3-1)` is 15.3: what follows a space, a plus sign or a bracket is about the build.
Trailing zeros do not count (15 = 15.0). Order of what follows the numbers: a pre-release
(`15rc1`, `15~beta2`) is before `15`, anything else (`9.6p1`, `8.0.36-28`) after it.
"""

from __future__ import annotations

import re
from functools import lru_cache

Version = tuple[tuple[int, ...], tuple[tuple[int, str, int], ...]]
"""The numbers, then what follows them, chunk by chunk; ordered as Python orders tuples."""

_LEAD = re.compile(r"[vV]?(\d{1,18}(?:\.\d{1,18}){0,20})([A-Za-z0-9._~-]{0,100})\Z")
_CHUNK = re.compile(r"~?(?:\d{1,18}|[a-z]+)")
_END = (0, "", 0)
_EARLIER = {
    "~",
    "a",
    "alpha",
    "b",
    "beta",
    "c",
    "rc",
    "cr",
    "dev",
    "pre",
    "preview",
    "snapshot",
    "m",
    "nightly",
}


@lru_cache(maxsize=1024)
def parse(text: str) -> Version | None:
    """Return the version `text` begins with, or None where it begins with none."""
    head = re.split(r"[\s+(,;/]", text.strip(), maxsplit=1)[0]
    found = _LEAD.match(head)
    if found is None:
        return None
    numbers = [int(part) for part in found[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    chunks = tuple(_rank(chunk) for chunk in _CHUNK.findall(found[2].lower()))
    return tuple(numbers), (*chunks, _END)


def _rank(chunk: str) -> tuple[int, str, int]:
    text = chunk.lstrip("~")
    earlier = text != chunk or text in _EARLIER
    if text.isdigit():
        return (-1 if earlier else 2, "", int(text))
    return (-1 if earlier else 1, text, 0)
