"""Whom settings can name: `tier1` to `tier3`, `oncall:NAME`, the name of a channel, a plain mail address."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from monitor.alerts.mail_settings import address

TIERS = ("tier1", "tier2", "tier3")
ONCALL = "oncall:"
_CHANNEL = re.compile(r"[a-z][a-z0-9-]{0,39}")
_RESERVED = ("mail", "oncall", *TIERS)


def channel_name(value: str) -> str:
    """Return the name of a channel. Raises ValueError."""
    if not _CHANNEL.fullmatch(value):
        raise ValueError(f'"{value[:40]}" names no channel; write a-z, 0-9 and "-", such as "duty-phone"')
    if value in _RESERVED:
        raise ValueError(f'"{value}" has a meaning of its own; write another name for the channel')
    return value


def person(value: str) -> str:
    """Return a mail address or the name of a channel. Raises ValueError."""
    return address(value) if "@" in value else channel_name(value)


def target(value: str) -> str:
    """Return anything that may be told. Raises ValueError."""
    if value in TIERS:
        return value
    if value.startswith(ONCALL):
        channel_name(value.removeprefix(ONCALL))
        return value
    return person(value)


Person = Annotated[str, AfterValidator(person)]
Target = Annotated[str, AfterValidator(target)]
ChannelName = Annotated[str, AfterValidator(channel_name)]
