"""Which incidents a route is for, and whom it names: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.notify_settings import Escalation, NotifySettings, Route
from monitor.alerts.people import MAIL, Card, Recipient
from monitor.alerts.targets import ONCALL, TIERS
from monitor.calendars.windows import Window, any_holds
from monitor.incidents.incident import ISOLATED, Incident, Severity
from monitor.readiness.checklist import CATEGORY_OF

RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
Kinds = Callable[[str], str]
Above = Callable[[str], Sequence[str]]
_CATEGORY: Mapping[str, str] = {str(kind): category for kind, category in CATEGORY_OF.items()}


def local(now: float, zone: str | None, card: Card | None) -> datetime:
    """Return a moment on the wall of a zone, else of the unit; UTC where neither is known."""
    try:
        return datetime.fromtimestamp(now, ZoneInfo(zone or (card.timezone if card else "UTC")))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.fromtimestamp(now, ZoneInfo("UTC"))


def no_kind(root: str) -> str:  # noqa: ARG001
    """Return the kind of asset of an incident's root: not known."""
    return ""


def itself(unit: str) -> Sequence[str]:
    """Return a unit and those above it, as far as known."""
    return (unit,)


@dataclass(frozen=True, slots=True)
class Routing:
    """Resolves routes to people.

    `kind` gives the kind of asset of a root, `above` a unit and its ancestors.
    """

    settings: NotifySettings
    mail: MailSettings
    kind: Kinds = no_kind
    above: Above = itself

    def routes(self, incident: Incident, now: float, card: Card | None) -> tuple[Route, ...]:
        """Return the routes that count; a plain one where none matches."""
        found: list[Route] = []
        for route in self.settings.routes:
            if self._matches(route, incident, now, card):
                found.append(route)
                if not route.also:
                    return tuple(found)
        return tuple(found) or (Route(),)

    def _matches(self, route: Route, incident: Incident, now: float, card: Card | None) -> bool:
        if RANK[incident.severity] < RANK[route.severity]:
            return False
        if route.units and not set(route.units) & set(self.above(incident.unit)):
            return False
        if (route.kinds or route.categories) and not self._of_kind(route, incident):
            return False
        windows = [Window.parse(text) for text in route.windows]
        return any_holds(windows, local(now, route.zone, card))

    def _of_kind(self, route: Route, incident: Incident) -> bool:
        if incident.root == ISOLATED:
            return False
        kind = self.kind(incident.root) if "/" in incident.root else "channel"
        return kind in route.kinds or _CATEGORY.get(kind) in route.categories

    def escalation(self, routes: Sequence[Route], severity: Severity) -> Escalation:
        """Return the first escalation that a route brings along, else that of the severity."""
        own = (route.escalate for route in routes if route.escalate is not None)
        return next(own, self.settings.escalate.of(severity))

    def people(
        self, routes: Iterable[Route], tiers: Iterable[int], now: float, card: Card | None
    ) -> tuple[Recipient, ...]:
        """Return whom the routes name for some tiers, each once, by the first tier that names them."""
        found: dict[str, Recipient] = {}
        for tier in tiers:
            for route in routes:
                for target in (route.to, route.tier2, route.tier3)[tier - 1]:
                    for address in self._addresses(target, now, card):
                        found.setdefault(address, self.recipient(address, tier))
        return tuple(found.values())

    def _addresses(self, target: str, now: float, card: Card | None) -> tuple[str, ...]:
        if target in TIERS:
            return (card.contacts.get(target) if card else ()) or self.mail.to
        if target.startswith(ONCALL):
            return (self.settings.oncall[target.removeprefix(ONCALL)].at(now),)
        return (target,)

    def recipient(self, address: str, tier: int = 1) -> Recipient:
        """Return one who is told, with channel and language."""
        if "@" in address:
            return Recipient(address, MAIL, self.mail.languages.get(address, self.mail.language), tier)
        channel = self.settings.channels.get(address)
        return Recipient(address, address, (channel and channel.language) or self.mail.language, tier)
