"""The shipped dashboards as the tests read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from monitor.paths import shipped

SOURCES = ("prometheus", "victoriametrics", "influx")
CHOSEN = {
    "unit": ".*",
    "province": ".*",
    "bureau": ".*",
    "channel": ".*",
    "gate": "go-live",
    "muster": "http://m",
}
"""What the variables are in the tests: everything."""


@lru_cache(maxsize=3)
def dashboards(source: str) -> dict[str, dict[str, Any]]:
    """Return the dashboards of a source by file name."""
    return {
        path.stem: json.loads(path.read_text("utf-8"))
        for path in sorted((shipped("dashboards") / source).glob("*.json"))
    }


@dataclass(frozen=True)
class Query:
    """A query and where it stands."""

    where: str
    text: str
    kind: str
    """panel, variable or annotation."""


def queries(source: str) -> Iterator[Query]:
    """Yield every query of a source: of panels, variables and annotations."""
    text = "query" if source == "influx" else "expr"
    for name, board in dashboards(source).items():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield Query(f"{name}: {panel['title']} {target['refId']}", target[text], "panel")
        for note in board["annotations"]["list"]:
            yield Query(f"{name}: annotation {note['name']}", note["target"][text], "annotation")
        for each in board["templating"]["list"]:
            if each["type"] == "query":
                asked = each["query"] if source == "influx" else each["query"]["query"]
                yield Query(f"{name}: variable {each['name']}", asked, "variable")


def filled(text: str, **macros: str) -> str:
    """Return a query with its variables and macros as Grafana writes them; nothing is left over."""
    for name, value in (CHOSEN | macros).items():
        text = re.sub(rf"\$\{{{name}(:\w+)?\}}|\${name}\b", value.replace("\\", r"\\"), text)
    assert not re.search(r"\$[\w{]", text), text
    return text


def instant(promql: str) -> str:
    """Return what Grafana asks for a variable as a query with the same answer."""
    found = re.fullmatch(r"label_values\((.*), (\w+)\)", promql)
    return f"count by ({found[2]}) ({found[1]})" if found else promql
