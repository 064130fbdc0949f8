"""The JSON Schema of what webhooks post: `python -m monitor.alerts.schema DIRECTORY`."""

from __future__ import annotations

import sys
from pathlib import Path

from monitor.alerts.event_document import EventDocument
from monitor.readiness.schema import render

NAME = "event.json"


def main(directory: Path) -> None:
    """Write it."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / NAME).write_text(render(EventDocument), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schema"))
