"""A page as PDF by weasyprint (the extra `pdf`), which needs Pango and, for Chinese, a font that has it.

Nothing is fetched: a page that names an address anywhere gets nothing from there.
"""

from __future__ import annotations

import importlib
import logging
import shutil
import subprocess
from functools import cache
from typing import Any

from inventory.problems import ConfigError, Problem

PANGO = "apt install libpango-1.0-0 libpangoft2-1.0-0"
FONT = "apt install fonts-noto-cjk"
"""Debian's packages; other systems call theirs alike."""
NAME = "--format pdf"


def pdf(html: str, *, chinese: bool) -> bytes:
    """Return the page as PDF. Blocking: seconds. Raises ConfigError that says what to install."""
    weasyprint, urls = _weasyprint()
    if chinese and not _has_chinese():
        raise _missing("there is no font with Chinese characters", f"install one: {FONT}")
    nothing = urls.URLFetcher(allowed_protocols=())
    found: bytes = weasyprint.HTML(string=html, url_fetcher=nothing).write_pdf()
    return found


def _weasyprint() -> tuple[Any, Any]:
    try:
        found = importlib.import_module("weasyprint"), importlib.import_module("weasyprint.urls")
    except ImportError:
        raise _missing("weasyprint is not installed", "install muster-monitor[pdf]") from None
    except OSError:
        raise _missing("weasyprint does not find Pango", f"install it: {PANGO}") from None
    for name in ("weasyprint", "fontTools"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return found


def _missing(message: str, hint: str) -> ConfigError:
    return ConfigError([Problem(NAME, 1, 1, "", message, hint)])


@cache
def _has_chinese() -> bool:
    """Whether fontconfig knows a font for Chinese; where it can't be asked, there is taken to be one."""
    command = shutil.which("fc-list")
    if command is None:
        return True
    try:
        done = subprocess.run([command, ":lang=zh-cn"], capture_output=True, timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != 0 or bool(done.stdout.strip())
