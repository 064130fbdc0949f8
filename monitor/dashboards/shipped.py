"""The shipped dashboards, with the address of Muster's pages that their links lead to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monitor.dashboards.model import Source
from monitor.paths import shipped

RULES = "*.yml"


def dashboards(source: Source, muster: str = "") -> dict[str, dict[str, Any]]:
    """Return the dashboards of a kind of data source by file name; `muster` is the address of its pages."""
    found = {}
    for path in sorted((shipped("dashboards") / source.value).glob("*.json")):
        board = json.loads(path.read_text("utf-8"))
        if muster:
            _lead_to(board, muster.rstrip("/"))
        found[path.name] = board
    return found


def _lead_to(board: dict[str, Any], muster: str) -> None:
    for variable in board["templating"]["list"]:
        if variable["name"] == "muster":
            variable |= {"query": muster, "current": {"text": muster, "value": muster}}


def rules(source: Source) -> dict[str, str]:
    """Return recording and alerting rules by file name; they are in PromQL."""
    if source is Source.INFLUX:
        return {}
    there = shipped("dashboards") / Source.PROMETHEUS.value
    return {path.name: path.read_text("utf-8") for path in sorted(there.glob(RULES))}


def export(directory: Path, source: Source, muster: str = "") -> list[Path]:
    """Write dashboards and rules into a directory; return the files. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    texts = {
        name: json.dumps(board, ensure_ascii=False, indent=1) + "\n"
        for name, board in dashboards(source, muster).items()
    }
    written = []
    for name, text in (texts | rules(source)).items():
        (directory / name).write_text(text, "utf-8")
        written.append(directory / name)
    return written
