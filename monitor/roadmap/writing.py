"""The plan's file as text, read back before it is put in place; and how two plans differ."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from inventory.importers.writing import flow, scalar
from inventory.models import Inventory
from monitor.roadmap import loading
from monitor.roadmap.plan import PlanFile, Roadmap

HEAD = "# The plan (docs/plan.md). `muster plan import` writes this file anew, without comments.\n"
PARTS = ("waves", "units")


def text(plan: Mapping[str, Any]) -> str:
    """Return the file of a plan."""
    lines = [f"{key}: {flow(value, variables=False)}" for key, value in plan.items() if key not in PARTS]
    for part in PARTS:
        if plan.get(part):
            lines.append(f"{part}:")
            lines += [
                f"  {scalar(key, variables=False)}: {flow(value, variables=False)}"
                for key, value in plan[part].items()
            ]
    return HEAD + "\n".join(lines) + "\n"


def put(path: Path, plan: Mapping[str, Any]) -> PlanFile:
    """Write the file whole or not at all, and return it as it is read. Raises OSError, ConfigError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".yaml")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text(plan))
            file.flush()
            os.fsync(file.fileno())
        found = loading.written(Path(name)).file
        Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return found


def differences(inventory: Inventory, before: Roadmap, after: Roadmap) -> Iterator[str]:
    """Yield what changes for each unit, in words: dates and owners of milestones."""
    for unit in inventory:
        old = {due.milestone.id: due for due in before.of(inventory, unit.id)}
        for new in after.of(inventory, unit.id):
            was, what = old.get(new.milestone.id, new), f"{unit.id} {new.milestone.id}"
            if was.due != new.due:
                yield f"{what}: due {was.due or 'never'} -> {new.due or 'never'} ({new.source})"
            if was.owner != new.owner:
                yield f"{what}: owner {was.owner or 'nobody'} -> {new.owner or 'nobody'}"
