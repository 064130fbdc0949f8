"""Ids made of what others call things."""

from __future__ import annotations

import re
from collections.abc import Iterable

_OTHER = re.compile(r"[^a-z0-9._-]+")


def slug(name: str, fallback: str = "") -> str:
    """Return a name as an id: lower case, what an id can't hold as `-`; `fallback` where nothing is left."""
    return _OTHER.sub("-", name.casefold()).strip("-._")[:56].rstrip("-._") or fallback


def unique(name: str, taken: Iterable[str]) -> str:
    """Return the id, with a number behind it where it is `taken`."""
    used, found, number = set(taken), name, 2
    while found in used:
        found, number = f"{name}-{number}", number + 1
    return found
