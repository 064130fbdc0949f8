"""What to do about a check: the remediations of the items that judge it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from monitor.alerts.account import Step
from monitor.state import State

_STATUS = ("fail", "unknown")


def steps(
    items: Sequence[Mapping[str, Any]], checks: Collection[str], metric: str, state: State
) -> tuple[Step, ...]:
    """Return what the items say that judge one of `checks`, each once, the most fitting first.

    `items` are rows of `check --format json`. Of something that is DOWN those that ask for an answer come
    first, else those that ask for the metric that is shown; then those that fail.
    """
    about = [item for item in items if item.get("check") in checks and item.get("remediation")]
    down = state in (State.DOWN, State.SHADOWED)

    def unfit(item: Mapping[str, Any]) -> tuple[bool, bool]:
        expected = str(item.get("expected") or "")
        fits = _answering(item, expected) if down else f"{metric} " in f"{expected} "
        return not fits, item.get("status") not in _STATUS

    found = {str(item["remediation"]): _step(item) for item in sorted(about, key=unfit)}
    return tuple(found.values())


def _answering(item: Mapping[str, Any], expected: str) -> bool:
    return "answers" in str(item.get("id")) or expected in ("answers", "received >= 1")


def _step(item: Mapping[str, Any]) -> Step:
    return Step(*(str(item.get(key) or "") for key in ("title", "title_zh", "remediation", "remediation_zh")))
