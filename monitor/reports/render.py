"""A readiness run in the format that was asked for."""

from __future__ import annotations

import io
import json
from typing import Literal

from rich.console import Console

from monitor.readiness.results import Run
from monitor.reports.junit import junit
from monitor.reports.look import Language
from monitor.reports.table import show

Format = Literal["table", "json", "junit"]
FILE_WIDTH = 180


def render(run: Run, form: Format, language: Language = "en", *, summary: bool = False) -> str:
    """Return the run as text that UTF-8 can hold, for a file or a pipe: without colours, and wide."""
    return _render(run, form, language, summary=summary).encode("utf-8", "replace").decode("utf-8")


def _render(run: Run, form: Format, language: Language, *, summary: bool) -> str:
    if form == "json":
        return json.dumps(run.plain(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    if form == "junit":
        return junit(run, language)
    buffer = io.StringIO()
    show(run, Console(file=buffer, width=FILE_WIDTH, no_color=True), language=language, summary=summary)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"
