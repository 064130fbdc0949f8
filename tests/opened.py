"""A store with incidents in it, opened through the engine's own step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from monitor.incidents.incident import Adopted, Decision, Event, Join, Member, Open, Recover, Shut
from monitor.incidents.topology import Belief, Finding, How, Needs
from monitor.incidents.topology_record import Recorder
from monitor.messages.message import Message
from monitor.state import CheckState, State
from monitor.store.database import Database
from monitor.store.engine import Store
from monitor.store.incidents import IncidentStore
from probes.api import Reading
from probes.errors import TimedOut

CHECK = "gz-tianhe/uplink/icmp"
OTHER = "gz-tianhe/uplink/tcp"
ROOT = "gz-tianhe/uplink"


class Nothing:
    """A view in which nothing else is known."""

    def beliefs(self, asset: str) -> Sequence[Belief]:
        return ()

    def needs(self, node: str) -> Needs:
        return Needs()

    def behind(self, node: str) -> Sequence[str]:
        return ()


def told(event: Event) -> list[Message]:
    """Write one mail an event, to tier 1."""
    incident = event.incident
    key = f"{incident.id}:{event.notice}:{event.at}"
    return [
        Message(
            key, incident.thread, "it@gz.example", str(event.notice), event.transition.kind, f"<{key}@x>",
            event.at, event.at + 1e6, notice=str(event.notice),
        )
    ]  # fmt: skip


def opening(at: float, root: str = CHECK, kind: str = "timeout", state: State = State.DOWN) -> Open:
    """Return what opens the incident of a check that fails since a minute."""
    check = root if root.count("/") == 2 else CHECK
    since = at - 60
    belief = CheckState(check, state, since=since, decided_at=since, kind=kind)
    rule = Recorder(Nothing()).record(belief, Finding(check, How.SELF), 45.0)
    return Open(
        root, state, kind, "no answer within 5 s", since, rule, Member(check, state, kind, since, at), at
    )


async def apply(database: Database, *decisions: Decision, now: float | None = None) -> IncidentStore:
    """Apply decisions as the daemon does."""
    incidents = IncidentStore(database, told)
    await incidents.apply(decisions, time.time() if now is None else now)
    return incidents


async def adopted(store: Store, now: float) -> None:
    """Leave a closed incident of a latency that became the usual one."""
    slow = opening(now - 90000, OTHER, "degradation", State.DEGRADED)
    usual = Adopted(OTHER, "rtt_ms", "ms", 85.0, 25.0, now - 90060, now - 400)
    await apply(store.state, slow, Recover(OTHER, now - 360, (usual,)), now=now - 360)
    await apply(store.state, Shut(OTHER, now - 60, usual=(usual,)), now=now - 60)


async def two(store: Store, now: float) -> None:
    """Leave an open incident 1 with two members and its readings, and a closed one 2."""
    first = opening(now - 600)
    second = Member(OTHER, State.DOWN, "refused", now - 630, now - 590)
    await apply(store.state, first, Join(CHECK, (second,), now - 590), now=now - 590)
    other = replace(opening(now - 500, "gz/core/icmp"))
    await apply(store.state, other, Shut("gz/core/icmp", now - 100), now=now - 100)
    reading = TimedOut("no answer within 5 s").reading()
    reading.check, reading.at = CHECK, now - 660
    fine = Reading.ok({"rtt_ms": 12.5})
    fine.check, fine.at = CHECK, now - 720
    await store.pin("incident:1", [fine, reading])
