"""Makes the dashboards anew: `python -m monitor.dashboards`."""

from __future__ import annotations

from pathlib import Path

from monitor.dashboards import build
from monitor.dashboards.boards import BOARDS
from monitor.dashboards.model import Source
from monitor.paths import shipped


def files() -> dict[Path, str]:
    """Return every file with its text, below the directory of the dashboards."""
    return {
        Path(source.value) / f"{board.key}.json": build.text(board, source)
        for source in Source
        for board in BOARDS
    }


def main() -> None:
    """Write them."""
    for path, text in files().items():
        there = shipped("dashboards") / path
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
