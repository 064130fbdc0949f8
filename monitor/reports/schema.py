"""The JSON Schema of reports: `python -m monitor.reports.schema DIRECTORY`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from monitor.readiness.schema import render
from monitor.reports.document import ReportDocument

MODELS: Mapping[str, type[BaseModel]] = {"report.json": ReportDocument}


def main(directory: Path) -> None:
    """Write it."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, model in MODELS.items():
        (directory / name).write_text(render(model), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schema"))
