"""Who is told of what and when: pure, the clock passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.people import Card, Recipient
from monitor.incidents import Event, Incident, Notice


@dataclass(frozen=True, slots=True)
class Step:
    """What is due: the notice, and the highest tier that is told by it."""

    notice: Notice
    tier: int


def never(root: str, now: float) -> bool:  # noqa: ARG001
    """Mute nothing."""
    return False


@dataclass(frozen=True, slots=True)
class Policy:
    """Decides who is told, and when somebody has to be told again. `muted` is asked by (root, now)."""

    mail: MailSettings = field(default_factory=MailSettings)
    muted: Callable[[str, float], bool] = never

    def recipients(self, event: Event, card: Card | None) -> tuple[Recipient, ...]:
        """Return who is told of an event; of the end, those who were told of the beginning."""
        people = event.told
        if event.notice is not Notice.CLOSED or not event.told:
            people += (card.contacts.get("tier1") if card else ()) or self.mail.to
        return tuple(self._recipient(address) for address in dict.fromkeys(people))

    def _recipient(self, address: str) -> Recipient:
        return Recipient(address, language=self.mail.languages.get(address, self.mail.language))

    def due(self, incident: Incident, now: float, card: Card | None) -> Step | None:  # noqa: ARG002
        """Return what is due now, None for nothing."""
        return None

    def next_at(self, incident: Incident, now: float, card: Card | None) -> float | None:  # noqa: ARG002
        """Return when to look again, None for never."""
        return None
