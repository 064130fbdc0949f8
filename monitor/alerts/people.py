"""Who is told: a recipient of a message, and what is known of the unit it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from monitor.alerts.mail_settings import Language

MAIL = "mail"
"""The channel of plain addresses."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One who is told of an event."""

    address: str
    """Mail address, or the name of a channel of the settings."""
    channel: str = MAIL
    """`mail`, or the name of a `[notify.channels.NAME]`."""
    language: Language = "en"
    tier: int = 1
    not_before: float = 0.0
    """Not sent before this time, seconds since the epoch: quiet hours hold what need not wake anybody."""


class Card(Protocol):
    """What a message needs to know of a unit; `monitor.child.wire.UnitCard` is one."""

    @property
    def id(self) -> str:
        """The unit's id."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def name_zh(self) -> str:
        """Its Chinese name, may be empty."""

    @property
    def timezone(self) -> str:
        """Its zone's name."""

    @property
    def contacts(self) -> Mapping[str, tuple[str, ...]]:
        """Mail addresses by tier: `tier1`, `tier2`, `tier3`."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The card of a unit that is no longer in the inventory, or of none."""

    id: str
    name: str
    name_zh: str = ""
    timezone: str = "UTC"
    contacts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
