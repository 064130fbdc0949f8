"""docs/databases.md as its tests read it: a section, its examples, and the checks that they hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from inventory.source import parse

PAGE = (Path(__file__).parents[3] / "docs" / "databases.md").read_text("utf-8")


def section(name: str) -> str:
    """Return the text below a heading."""
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def blocks(language: str, name: str) -> list[str]:
    """Return the blocks of a section that are in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", section(name), re.MULTILINE | re.DOTALL)


def example(name: str) -> dict[str, Any]:
    """Return what the one example in YAML of a section says."""
    [text] = blocks("yaml", name)
    data: dict[str, Any] = parse(text.encode(), "example")[0].data
    return data


def checks(name: str) -> list[dict[str, Any]]:
    """Return the checks of that example."""
    return [dict(check) for check in example(name)["checks"]]


def params(check: dict[str, Any]) -> dict[str, Any]:
    """Return what of a check are its probe's parameters."""
    return {key: value for key, value in check.items() if key not in ("probe", "id", "every", "timeout")}
