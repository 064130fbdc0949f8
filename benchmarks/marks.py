"""What every benchmark prints: figures side by side with their peer, and which marks hold."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Mark:
    """A figure against its limit; `figure` is None where this run did not measure it."""

    name: str
    figure: float | None
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether the mark holds, or None when it was not measured."""
        if self.figure is None:
            return None
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="end within 50 s; judge fewer marks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table of figures; the first column is text, the others are numbers."""
    shown = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        shown.add_column(column, justify="right" if index else "left")
    for row in rows:
        shown.add_row(*(f"{cell:,.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(width=120).print(shown)


def judge(marks: Sequence[Mark], json_file: Path | None = None) -> int:
    """Print the marks and the command; return 0 only where every measured mark holds, and some was."""
    words = {True: "holds", False: "MISSED", None: "not measured"}
    rows = [
        (
            mark.name,
            "-" if mark.figure is None else f"{mark.figure:.4g}",
            f"{'>=' if mark.at_least else '<='} {mark.limit:g} {mark.unit}".strip(),
            words[mark.holds],
        )
        for mark in marks
    ]
    table("marks", ("mark", "measured", "limit", "verdict"), rows)
    print("command:", shlex.join(["python", "-m", _module(), *sys.argv[1:]]))
    if json_file is not None:
        data = [{**asdict(mark), "holds": mark.holds} for mark in marks]
        json_file.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    judged = [mark.holds for mark in marks if mark.holds is not None]
    return 0 if judged and all(judged) else 1


def _module() -> str:
    return f"benchmarks.{Path(sys.argv[0]).stem}"
