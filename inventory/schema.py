"""The JSON Schemas of what operators write, for editors: `python -m inventory.schema DIRECTORY`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from inventory.models import InventoryFile
from inventory.profiles import ProfileFile

MODELS: Mapping[str, type[BaseModel]] = {"inventory.json": InventoryFile, "profile.json": ProfileFile}
CHECKS = ("CheckSpec", "ProfileCheck")


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a file."""
    found = model.model_json_schema(mode="validation")
    for name in CHECKS:
        if check := found["$defs"].get(name):
            del check["properties"]["parameters"]
            check["additionalProperties"] = True
            check["description"] = (
                "A probe on an asset; other keys are the probe's parameters (docs/probes.md)."
            )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def render(model: type[BaseModel]) -> str:
    """Return the schema as the text that is checked in."""
    return json.dumps(schema(model), indent=2, ensure_ascii=False) + "\n"


def main(directory: Path) -> None:
    """Write all schemas."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, model in MODELS.items():
        (directory / name).write_text(render(model), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schema"))
