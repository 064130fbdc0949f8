"""The JSON Schemas of the capacity model: `python -m monitor.capacity.schema DIRECTORY`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from monitor.capacity.document import CapacityDocument
from monitor.capacity.functions import FunctionsFile
from monitor.readiness.schema import render

MODELS: Mapping[str, type[BaseModel]] = {"capacity.json": CapacityDocument, "functions.json": FunctionsFile}


def main(directory: Path) -> None:
    """Write all schemas."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, model in MODELS.items():
        (directory / name).write_text(render(model), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schema"))
