"""The life of one incident as the store leads it: what the policy says is told, and time goes on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.notify_settings import NotifySettings
from monitor.alerts.people import Gone
from monitor.alerts.policy import Policy
from monitor.incidents.incident import Event, Incident, Notice, Severity
from monitor.state import Phase, State, Transition
from probes.api import Outcome

BEGIN = 1_800_000_000.0
"""A Friday, 08:00 UTC."""
HOUR = 3600.0
MAIL = MailSettings(host="localhost", to=("ops@example.org",))
CONTACTS = {"tier1": ("it@example.org",), "tier2": ("ops@example.org",), "tier3": ("vendor@example.org",)}
CARD = Gone("gz", "Guangzhou", contacts=CONTACTS)


def incident(state: State = State.DOWN, at: float = BEGIN, root: str = "gz/core/icmp") -> Incident:
    severity = {State.DOWN: Severity.CRITICAL, State.DEGRADED: Severity.WARNING}.get(state, Severity.INFO)
    return Incident(1, 1, root, "timeout", "", state, state, at, at, severity=severity)


def event(notice: Notice, about: Incident, at: float = BEGIN, told: tuple[str, ...] = ()) -> Event:
    moved = Transition(
        about.root, State.OK, about.state, Phase.STEADY, at, at, at, Outcome.FAILED, about.kind, ""
    )
    return Event(notice, about, moved, told, at=at)


@dataclass(frozen=True)
class Told:
    """One message that went out."""

    at: float
    notice: Notice
    recipient: str
    tier: int
    not_before: float


@dataclass
class Life:
    """Leads an incident; `log` is what was told."""

    policy: Policy
    incident: Incident = field(default_factory=incident)
    card: Gone | None = CARD
    now: float = BEGIN
    log: list[Told] = field(default_factory=list)
    looks: int = 0

    @classmethod
    def of(cls, text: NotifySettings | None = None, state: State = State.DOWN, at: float = BEGIN) -> Life:
        life = cls(Policy(MAIL, settings=text or NotifySettings()), incident(state, at), now=at)
        life.tell(Notice.OPENED)
        life.plan()
        return life

    @property
    def told(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.recipient for each in self.log))

    def tell(self, notice: Notice) -> None:
        happened = event(notice, self.incident, self.now, self.told)
        people = self.policy.recipients(happened, self.card)
        assert len({each.address for each in people}) == len(people)
        tier = self.incident.tier
        self.log += [Told(self.now, notice, each.address, tier, each.not_before) for each in people]
        if people and self.incident.closed_at is None:
            news = notice in (Notice.OPENED, Notice.WORSE)
            told_at = self.now if news else self.incident.told_at
            self.incident = replace(self.incident, notified=True, tier=max(1, tier), told_at=told_at)

    def plan(self) -> None:
        at = self.policy.next_at(self.incident, self.now, self.card)
        assert at is None or at > self.now
        self.incident = replace(self.incident, next_at=at)

    def look(self) -> None:
        self.looks += 1
        step = self.policy.due(self.incident, self.now, self.card)
        if step is not None:
            self.incident = replace(self.incident, tier=max(step.tier, self.incident.tier))
            before = len(self.log)
            self.tell(step.notice)
            assert len(self.log) > before, "what is due reaches somebody"
        self.plan()

    def until(self, end: float) -> None:
        """Let time go on; look whenever it is planned."""
        while self.incident.next_at is not None and self.incident.next_at <= end:
            self.now = max(self.now, self.incident.next_at)
            self.look()
        self.now = end

    def change(self, **changes: object) -> None:
        self.incident = replace(self.incident, **changes)  # type: ignore[arg-type]
        self.plan()

    def worse(self) -> None:
        changes = {"state": State.DOWN, "worst": State.DOWN, "severity": Severity.CRITICAL}
        self.incident = replace(self.incident, **changes)  # type: ignore[arg-type]
        self.tell(Notice.WORSE if self.incident.notified else Notice.OPENED)
        self.plan()

    def ack(self, until: float | None) -> None:
        self.change(acked_by="li", acked_at=self.now, ack_until=until)

    def close(self) -> None:
        self.incident = replace(self.incident, closed_at=self.now, state=State.OK)
        if self.incident.notified or self.told:
            self.tell(Notice.CLOSED)
        self.plan()

    def heard(self, *notices: Notice) -> list[tuple[float, str]]:
        """Return when, in hours from the start, who heard of these."""
        return [((each.at - BEGIN) / HOUR, each.recipient) for each in self.log if each.notice in notices]

    def count(self, notice: Notice) -> Counter[str]:
        return Counter(each.recipient for each in self.log if each.notice is notice)
