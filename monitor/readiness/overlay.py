"""What an overlay may do to an inherited item: tighten it. Relaxing needs a waiver."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.readiness import versions
from monitor.readiness.checklist import SEVERITIES, Attest, ItemFile, SoakFile
from monitor.readiness.conditions import (
    All,
    Between,
    Compare,
    CompareVersion,
    Condition,
    Contains,
    OneOf,
    Statistic,
)

FIXED = ("category", "select", "check", "probe", "applies_when", "awaits")
"""What says what the item is about: another item needs another id."""
Complaint = tuple[str, str, str]
"""Key, message, suggestion."""


def tightens(parent: Condition, child: Condition) -> bool | None:
    """Return True where `child` asks at least as much, False where less, None where that can't be told."""
    if parent == child:
        return True
    if isinstance(parent, Statistic) and isinstance(child, Statistic):
        if (parent.name, parent.over, parent.calendar) != (child.name, child.over, child.calendar):
            return None
        return tightens(parent.inner, child.inner)
    if isinstance(parent, OneOf) and isinstance(child, OneOf):
        return set(child.values) <= set(parent.values)
    if isinstance(parent, Contains) and isinstance(child, Contains):
        return parent.part in child.part
    if isinstance(parent, Between) and isinstance(child, Between):
        return parent.low <= child.low and child.high <= parent.high
    return _bounds(parent, child)


def _bounds(parent: Condition, child: Condition) -> bool | None:
    if isinstance(parent, Compare) and isinstance(child, Compare):
        old: object = parent.bound
        new: object = child.bound
    elif isinstance(parent, CompareVersion) and isinstance(child, CompareVersion):
        old, new = versions.parse(parent.bound), versions.parse(child.bound)
    else:
        return None
    if parent.op[0] != child.op[0] or parent.op[0] not in "<>":
        return None
    if old == new:
        return len(child.op) <= len(parent.op)
    return (new < old) is (parent.op[0] == "<")  # type: ignore[operator]


def combined(parent: Condition, child: Condition) -> Condition:
    """Return what holds where both are asked."""
    return child if tightens(parent, child) else All((parent, child))


def relaxed(parent: ItemFile, child: ItemFile) -> Iterator[Complaint]:
    """Yield what of an overlay relaxes or changes the item it overlays (conditions are compared apart)."""
    for key in FIXED:
        if getattr(child, key) not in (None, getattr(parent, key)):
            yield (
                key,
                f'an overlay can\'t change what "{child.id}" is about',
                "give the new item an id of its own",
            )
    yield from _severity(parent, child)
    if child.max_age is not None and parent.max_age is not None and child.max_age > parent.max_age:
        yield _relaxes("max_age", f"at most {parent.max_age:g} s")
    for key in ("waivable", "optional"):
        if getattr(child, key) and not getattr(parent, key):
            yield _relaxes(key, f"{key}: false")
    if child.soak and parent.soak:
        yield from _soak(parent.soak, child.soak)
    if child.attest:
        yield from _attest(parent.attest, child.attest)
    if child.parent == "CONDITIONAL" and parent.parent == "READY":
        yield _relaxes("parent", "parent: READY")


def _relaxes(key: str, allowed: str) -> Complaint:
    return key, "an overlay may tighten; relaxing needs a waiver", f"write {allowed}, or leave it out"


def _severity(parent: ItemFile, child: ItemFile) -> Iterator[Complaint]:
    old, new = parent.severity or "major", child.severity or "blocker"
    if SEVERITIES.index(new) > SEVERITIES.index(old):
        yield _relaxes("severity", f"{old} or higher")


def _soak(parent: SoakFile, child: SoakFile) -> Iterator[Complaint]:
    for key in ("window", "min_coverage", "min_pass"):
        if getattr(child, key) < getattr(parent, key):
            yield _relaxes(f"soak.{key}", f"at least {getattr(parent, key):g}")
    if child.calendar != parent.calendar:
        yield _relaxes("soak.calendar", parent.calendar)
    if parent.max_gap is not None and (child.max_gap is None or child.max_gap > parent.max_gap):
        yield _relaxes("soak.max_gap", f"at most {parent.max_gap:g} s")


def _attest(parent: Attest | None, child: Attest) -> Iterator[Complaint]:
    if parent is None:
        yield "attest", "an overlay can't make a measured item an attested one", "give it an id of its own"
    elif child.every > parent.every or child.files < parent.files:
        yield _relaxes("attest", f"every {parent.every:g} s or more often, and at least {parent.files} files")
