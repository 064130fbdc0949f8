"""The composition root's part for telling people: policy, mails, outbox, incidents, digests."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from monitor.alerts import digest_texts
from monitor.alerts.delivery import Delivery, limits
from monitor.alerts.digest import Digest
from monitor.alerts.digester import Digester
from monitor.alerts.mail import Mailer
from monitor.alerts.notices import Notices
from monitor.alerts.outbox import Outbox
from monitor.alerts.picture import Painter, available
from monitor.alerts.policy import Policy
from monitor.alerts.surroundings import Surroundings
from monitor.assessor import GATE
from monitor.incidents.incident import Incident, Notice
from monitor.people.maintenance import Maintenances
from monitor.place import Place
from monitor.shared import SharedClients
from monitor.store.engine import Store
from monitor.store.incidents import IncidentStore
from monitor.store.outbox import OutboxTable
from monitor.store.verdicts import Verdicts
from monitor.units import Units


class Alerting:
    """Everything between an incident and those who are told of it."""

    def __init__(
        self, place: Place, store: Store, verdicts: Verdicts, units: Units, maintenances: Maintenances
    ) -> None:
        settings = place.settings
        self._place, self._store, self._verdicts, self._units = place, store, verdicts, units
        self.policy = Policy(settings.mail, maintenances.muted, settings.notify, units.kind, units.above)
        around = Surroundings(units, self._judged_items, settings.web.public_url, self._other_items)
        notices = Notices(settings.mail, units.card, self._address, self.policy, around)
        valves = limits(settings.notify)
        letters = OutboxTable(store.state, limits=valves, summarise=digest_texts.summary)
        self.outbox = Outbox(letters)
        self.incidents = IncidentStore(
            store.state, notices, settings.mail.notify, self._due, self._next_at, limits=valves
        )
        digest = Digest(self.policy, units.card)
        self.digester = Digester(digest, self.incidents, letters, self.outbox.noticed)

    def works(self, shared: SharedClients) -> list[Coroutine[Any, Any, None]]:
        """Return what delivers messages, where there is any way to."""
        settings = self._place.settings
        if not (settings.mail.host or settings.notify.channels):
            return []
        painter = Painter(self._store.window, self._place.state_dir / "cache" / "matplotlib")
        mailer = Mailer(settings.mail, shared.secret, painter.paint if available() else None)
        mail = mailer if settings.mail.host else None
        return [self.outbox.run(Delivery.of(mail, settings.notify, shared.secret).deliver)]

    def _due(self, incident: Incident, now: float) -> tuple[Notice, int] | None:
        step = self.policy.due(incident, now, self._units.card(incident.unit))
        return (step.notice, step.tier) if step else None

    def _next_at(self, incident: Incident, now: float) -> float | None:
        return self.policy.next_at(incident, now, self._units.card(incident.unit))

    def _judged_items(self, unit: str) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a unit's last judgement."""
        judged = self._verdicts.detail_now(unit, GATE)
        return judged["items"] if judged else ()

    def _other_items(self, unit: str) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a unit's last judgements at the other gates."""
        gates = [gate for gate in self._verdicts.gates_now(unit) if gate != GATE]
        judged = [found for gate in gates if (found := self._verdicts.detail_now(unit, gate))]
        return [item for each in judged for item in each["items"]]

    def _address(self, check: str) -> str:
        job = self._units.job(check)
        return job.target.address if job else ""
