"""A parameter that is a time zone."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError("no time zone; write one as Asia/Shanghai") from None
    return name


Zone = Annotated[str, AfterValidator(_zone)]
"""A name of the tz database."""
