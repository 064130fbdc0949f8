"""The JSON Schemas of what people write about readiness: `python -m monitor.readiness.schema DIRECTORY`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from monitor.calendars.calendar import CalendarFile
from monitor.readiness.checklist import ChecklistFile
from monitor.readiness.document import CheckDocument
from monitor.readiness.waivers import WaiverFile

MODELS: Mapping[str, type[BaseModel]] = {
    "calendar.json": CalendarFile,
    "check.json": CheckDocument,
    "checklist.json": ChecklistFile,
    "waivers.json": WaiverFile,
}


def render(model: type[BaseModel]) -> str:
    """Return a file's schema (draft 2020-12) as the text that is checked in."""
    found = model.model_json_schema(mode="validation")
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def main(directory: Path) -> None:
    """Write all schemas."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, model in MODELS.items():
        (directory / name).write_text(render(model), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schema"))
