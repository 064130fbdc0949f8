"""JSON of devices and tools, read defensively: what is not of the kind that is wanted is not there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from probes.api import clip

Resource = Mapping[str, Any]


def objects(value: object) -> list[dict[str, Any]]:
    """Return the members of a list that are objects."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def dig(value: object, *names: str) -> dict[str, Any]:
    """Return the object below `names`, or an empty one."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(resource: Resource, *names: str) -> str:
    """Return the first of these members that is a text and not empty."""
    found = (resource.get(name) for name in names)
    return next(
        (clip(" ".join(each.split()), 200) for each in found if isinstance(each, str) and each.strip()), ""
    )


def number(resource: Resource, *names: str) -> float | None:
    """Return the first of these members that is a number of moderate size."""
    for name in names:
        value = resource.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18:
            return float(value)
    return None


def joined(items: Iterable[str], most: int = 30) -> str:
    """Return items as one bounded text."""
    every = list(items)
    return clip(", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else ""))
