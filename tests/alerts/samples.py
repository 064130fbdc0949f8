"""One event of each form and root, with all that is known of it: for the tests and for the screens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.alerts.account import Known, Step
from monitor.alerts.affected import Sketch
from monitor.alerts.notices import Context
from monitor.child.wire import UnitCard
from monitor.incidents.incident import BY_HAND, ISOLATED, REMOVED, Event, Incident, Member, Notice, Severity
from monitor.state import Phase, State, Transition
from monitor.store.api import OUTCOME_CODES, Window
from probes.api import Outcome

AT = 1_800_000_120.0
HOUR = 3600.0
HALL = UnitCard(
    "gz-tianhe", "Tianhe service hall", "天河营业厅", "gz", "hall", "Asia/Shanghai", "service-hall", "w3", {},
    {"tier1": ("it@gz.example",), "tier2": ("ops@gd.example",)},
)  # fmt: skip
BUREAU = replace(HALL, id="gz", name="Guangzhou bureau", name_zh="广州供电局", parent="gd", level="municipal")
CARDS = {card.id: card for card in (HALL, BUREAU)}
ANSWER = Step(
    "The channel answers", "通道连通",
    "Look at the router's lights and the cable at both ends, then report the fault to the carrier with the"
    " circuit number.",
    "检查两端路由器指示灯和网线，然后携带电路编号向运营商报障。",
)  # fmt: skip
ROUND_TRIP = Step(
    "Round trip time is within what the functions require", "往返时延满足业务需求",
    "Ask the carrier for the route of the circuit; look for a busy line (utilisation) before buying a faster"
    " one.",
    "请运营商提供电路路由；在扩容之前先检查线路是否拥塞（利用率）。",
)  # fmt: skip
DOWN = Incident(
    17, 1, "gz-tianhe/uplink", "unreachable", "no echo came back", State.DOWN, State.DOWN, AT - 105, AT, None,
    True, severity=Severity.CRITICAL, tier=1,
)  # fmt: skip
MEMBERS = tuple(
    Member(f"gz-tianhe/{name}", state, kind, AT - 105 + age, AT)
    for name, state, kind, age in (
        ("uplink/icmp", State.DOWN, "unreachable", 0.0),
        ("uplink/throughput", State.DOWN, "timeout", 20.0),
        ("pc1/icmp-host", State.SHADOWED, "unreachable", 5.0),
        ("pc2/icmp-host", State.SHADOWED, "unreachable", 8.0),
        ("counter/http", State.SHADOWED, "timeout", 31.0),
    )
)
SLOW = replace(
    DOWN, id=23, root="gz-tianhe/uplink/icmp", kind="degradation", state=State.DEGRADED, worst=State.DEGRADED,
    detail="rtt_ms 96.3 ms, usually 38.1 (jump)", began_at=AT - 420,
    severity=Severity.WARNING,
)  # fmt: skip
DEAD = replace(
    SLOW, kind="timeout", detail="no echo came back", state=State.DOWN, worst=State.DOWN,
    severity=Severity.CRITICAL,
)  # fmt: skip
BELOW = replace(DOWN, id=31, root="gz", kind="inferred", detail="")
HALLS = ("conghua", "haizhu", "huadu", "liwan", "nansha", "panyu", "tianhe", "yuexiu", "zengcheng")
BEHIND = tuple(
    Member(f"gz-{hall}/uplink/icmp", State.SHADOWED, "unreachable", AT - 100 + 4 * number, AT)
    for number, hall in enumerate(HALLS)
)
CUT_OFF = replace(DOWN, id=40, root=ISOLATED, kind=ISOLATED, detail="gateway and ntp.gd.example are silent")
SKETCH = Sketch(
    "gz-tianhe/uplink/icmp", "rtt_ms", "ms", AT - 6 * HOUR, AT, DOWN.began_at, None, "Asia/Shanghai",
    "<=", 58.3,
)  # fmt: skip
URL = "https://muster.gd.example"
OUTAGE = Context(Known("10.1.2.1", "rtt_ms <= 58.3 ms", (ANSWER,), URL), SKETCH)


def moved(incident: Incident, at: float, since: float, kind: str = "") -> Transition:
    return Transition(
        incident.root, incident.worst, incident.state, Phase.STEADY, at, since, since, Outcome.FAILED,
        kind or incident.kind, incident.detail,
    )  # fmt: skip


def event(
    notice: Notice,
    incident: Incident,
    *,
    at: float = AT,
    members: tuple[Member, ...] = (),
    kind: str = "",
    left: tuple[str, ...] = (),
    more: int = 0,
) -> Event:
    since = incident.recovered_at or incident.closed_at or incident.began_at
    total = len(members) + more
    units = len({each.check.partition("/")[0] for each in members} - {incident.unit})
    moved_ = moved(incident, at, since, kind)
    return Event(notice, incident, moved_, (), members, total, at, left, units=units)


def closed(incident: Incident, after: float) -> Incident:
    """It serves again so many seconds after it was opened, and is closed 300 s later."""
    back = incident.opened_at + after
    return replace(incident, state=State.OK, recovered_at=back, closed_at=back + 300)


ACKED = replace(
    DOWN, acked_by="li", acked_at=AT + 600, ack_until=AT + HOUR, ack_comment="carrier called, ticket 5531"
)
EVENTS: dict[str, tuple[Event, Context]] = {
    "outage": (event(Notice.OPENED, DOWN, members=MEMBERS, more=9), OUTAGE),
    "degradation": (
        event(Notice.OPENED, SLOW, members=(Member(SLOW.root, SLOW.state, SLOW.kind, SLOW.began_at, AT),)),
        Context(
            Known("10.1.2.1", "rtt_ms <= 58.3 ms", (ROUND_TRIP,), URL), replace(SKETCH, began=SLOW.began_at)
        ),
    ),
    "worse": (event(Notice.WORSE, DEAD, at=AT + 300), OUTAGE),
    "residue": (
        event(
            Notice.RESIDUAL, DOWN, at=AT + 1200, members=MEMBERS[2:3],
            left=("gz-tianhe/pc1/icmp-host", "gz-tianhe/counter"),
        ),
        OUTAGE,
    ),
    "escalation": (
        event(Notice.ESCALATED, replace(DOWN, tier=2), at=AT + 1800, members=MEMBERS),
        replace(OUTAGE, sketch=replace(SKETCH, start=AT + 1800 - 6 * HOUR, until=AT + 1800)),
    ),
    "reminder": (event(Notice.REMINDER, ACKED, at=AT + HOUR, members=MEMBERS[:2]), OUTAGE),
    "recovery": (
        event(Notice.CLOSED, closed(DOWN, 735), at=AT + 1035),
        replace(
            OUTAGE, sketch=replace(SKETCH, start=AT + 1035 - 6 * HOUR, until=AT + 1035, over=AT + 735)
        ),
    ),
    "removed": (
        event(Notice.CLOSED, replace(DOWN, closed_at=AT + 900), at=AT + 900, kind=REMOVED), OUTAGE,
    ),
    "by hand": (
        event(Notice.CLOSED, replace(DOWN, closed_at=AT + 900), at=AT + 900, kind=BY_HAND), OUTAGE,
    ),
    "below": (event(Notice.OPENED, BELOW, members=BEHIND, more=22), Context(Known(url=URL))),
    "isolated": (event(Notice.OPENED, CUT_OFF), Context(Known(url=URL))),
    "rejoined": (event(Notice.CLOSED, closed(CUT_OFF, 735), at=AT + 1035), Context()),
}  # fmt: skip


def window(
    check: str, metric: str, start: float, end: float, *, slow: float | None = None, back: float = AT + 735
) -> Window:
    """Readings once a minute, 38 ms with the day's hum: dead from AT - 105 until `back`, or slow since."""
    times = np.arange(start - start % 60 + 7, end, 60.0)
    noise = np.random.default_rng(7).gamma(2.0, 1.2, len(times))
    values = 36 + 2.5 * np.sin(times / 4000) + noise
    outcomes = np.zeros(len(times), np.uint8)
    if slow is not None:
        values = np.where(times >= slow, values + 58, values)
    else:
        dead = (times >= AT - 105) & (times < back)
        values, outcomes[dead] = np.where(dead, np.nan, values), OUTCOME_CODES["failed"]
    return Window(times, values, outcomes)
