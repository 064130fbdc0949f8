"""What is different between a unit as it was and as it is: paths with both values. Pure.

A unit's digest covers the unit, its effective checks, what it is asked, and what its functions require.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from monitor.readiness.digest import canonical
from probes.api import clip

CHECK = ("probe", "params", "every", "timeout", "retries", "expect")
"""How a check stands in what a digest is of."""
TEXTS = frozenset({"title", "title_zh", "remediation", "remediation_zh"})
MOST_SHOWN = 200
MISSING = object()


class Difference(NamedTuple):
    """One place; None where there was, or is, nothing."""

    path: str
    before: str | None
    after: str | None


def differences(
    before: Mapping[str, Any],
    items_before: Sequence[Any],
    after: Mapping[str, Any],
    items_after: Sequence[Any],
) -> list[Difference]:
    """Return the places in which two units, with what they are asked, differ, in order."""
    return list(_walk("", _named(before, items_before), _named(after, items_after)))


def _named(unit: Mapping[str, Any], items: Sequence[Any]) -> dict[str, Any]:
    checks = {
        key: dict(zip(CHECK, values, strict=False)) for key, values in dict(unit.get("checks", {})).items()
    }
    return {**unit, "checks": checks, "items": list(items)}


def _walk(path: str, before: Any, after: Any) -> Iterator[Difference]:
    before, after = _keyed(before), _keyed(after)
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            below = f"{path}.{key}" if path else key
            yield from _walk(below, before.get(key, MISSING), after.get(key, MISSING))
    elif before is MISSING or after is MISSING or before != after:
        yield Difference(path, _text(before), _text(after))


def _keyed(value: Any) -> Any:
    """Return a list of what has ids as a mapping by id: moving one is no difference of its own."""
    if isinstance(value, list) and value and all(isinstance(each, dict) and "id" in each for each in value):
        found = {str(each["id"]): each for each in value}
        return found if len(found) == len(value) else value
    return value


def _text(value: Any) -> str | None:
    if value is MISSING:
        return None
    if isinstance(value, dict):
        value = {key: each for key, each in value.items() if key not in TEXTS}
    return clip(value if isinstance(value, str) else canonical(value), MOST_SHOWN)
