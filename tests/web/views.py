"""A view over a real store and real verdicts, with units that are ready, not ready and unknown."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.child.wire import UnitCard
from monitor.job import Job
from monitor.people.maintenance import Maintenances
from monitor.people.requests import People
from monitor.store.engine import Store
from monitor.store.verdicts import Verdicts, pack
from monitor.units import Known, Units
from monitor.web.view import OwnMetric, Series
from probes import registry
from probes.api import Reading, Target
from probes.errors import Refused

GATE = "go-live"
CHECK = "gz-tianhe/uplink/tcp"
TCP = registry.get("tcp")
"""Loaded before any loop runs."""
DIGEST = "sha256:0"
STATUSES = ("pass", "fail", "unknown", "waived", "not_applicable")
EVIL = "<script>alert(1)</script>"


@dataclass
class Sample:
    """`monitor.web.view.View` over data that a test makes."""

    evidence: Store
    verdicts: Verdicts
    cards: list[UnitCard] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    latest: list[Series] = field(default_factory=list)
    well: tuple[bool, str] = (True, "")
    own: list[OwnMetric] = field(default_factory=list)
    believed: dict[str, str] = field(default_factory=dict)
    near: list[OwnMetric | None] = field(default_factory=list)
    people: People = field(init=False)

    def __post_init__(self) -> None:
        self.people = People(self.evidence.state, Units(), Maintenances())

    def units(self) -> Sequence[UnitCard]:
        return self.cards

    def job(self, check: str) -> Job | None:
        return self.jobs.get(check)

    def state(self, check: str) -> str:
        return self.believed.get(check, "UNKNOWN")

    def states(self) -> Iterator[tuple[str, str]]:
        return iter(self.believed.items())

    def checks(self) -> int:
        return max(len(self.jobs), len(self.believed))

    def ready(self) -> tuple[bool, str]:
        return self.well

    def healthy(self) -> tuple[bool, str]:
        return self.well

    def own_metrics(self) -> Iterable[OwnMetric]:
        return self.own

    def around(self) -> Iterator[OwnMetric | None]:
        yield from self.near

    def runs(self) -> Iterator[tuple[float, Job]]:
        return ((1.5, job) for job in self.jobs.values())

    def series(self) -> Iterator[Series]:
        return iter(self.latest)


def card(key: str, name: str, name_zh: str = "", parent: str | None = None, **other: Any) -> UnitCard:
    level = "hall" if parent else "municipal"
    values: dict[str, Any] = {"timezone": "Asia/Shanghai", "profile": "demo", "wave": "w1"}
    values |= {"gates": {GATE: "2031-01-15"}, "contacts": {"tier1": ("it@gz.example",)}, **other}
    return UnitCard(key, name, name_zh, parent, level, **values)


def item(key: str, status: str = "pass", **other: Any) -> dict[str, Any]:
    at = time.time()
    found = {
        "id": key, "asset": "uplink", "category": "network", "severity": "blocker", "status": status,
        "title": f"Item {key}", "title_zh": f"检查项 {key}", "reason": "", "detail": "", "blocked_by": None,
        "expected": "connect_ms <= 40", "actual": "12 ms", "value": 12.0, "unit": "ms",
        "collected_at": iso(at - 5), "expires_at": iso(at + 900), "attempted_at": iso(at - 5),
        "check": CHECK, "vantage": "hub", "waiver": None,
        "remediation": "Ask the carrier.", "remediation_zh": "联系运营商。",
    }  # fmt: skip
    return found | other


def iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def judged(key: str, verdict: str, *items: dict[str, Any]) -> dict[str, Any]:
    statuses = [each["status"] for each in items]
    return {
        "id": key, "name": key, "name_zh": "", "verdict": verdict, "reasons": ["as judged"],
        "unit_digest": DIGEST, "checklists": [{"id": "service-hall", "digest": DIGEST}],
        "counts": {status: statuses.count(status) for status in STATUSES},
        "coverage": 1.0, "rollup": {"worst": verdict, "counts": {}}, "items": list(items),
    }  # fmt: skip


@asynccontextmanager
async def sample(directory: Path) -> AsyncIterator[Sample]:
    """Make a view with a bureau, two halls and some readings of one check."""
    store = await asyncio.to_thread(Store.open, directory)
    view = Sample(store, Verdicts(store.state))
    view.cards = [
        card("gz", "Guangzhou bureau", "广州供电局"),
        card("gz-tianhe", "Tianhe service hall", "天河营业厅", "gz", gates={GATE: "2031-02-01"}),
        card("gz-yuexiu", "Yuexiu service hall", "越秀营业厅", "gz", gates={}),
    ]
    view.people.units = Units({each.id: Known(each, "", {}, {}) for each in view.cards})
    view.people.adopt()
    try:
        _readings(view)
        await store.flush()
        await save(view, *_verdicts())
        yield view
    finally:
        await store.aclose()


def _readings(view: Sample) -> None:
    spec = TCP
    unit, asset, check = CHECK.split("/")
    job = Job(
        CHECK,
        unit,
        asset,
        check,
        spec,
        Target("127.0.0.1"),
        spec.params.model_validate({"port": 9}),
        10.0,
        5.0,
    )
    view.jobs[CHECK] = job
    view.evidence.declare(CHECK, spec.metrics)
    now = time.time()
    for number in range(180):
        value = 12 + 6 * math.sin(number / 9)
        reading = Reading.ok({"connect_ms": value, "total_ms": value + 1}, {"banner": f"220 {EVIL}"})
        if number == 100:
            reading = Refused("connection refused").reading()
        reading.check, reading.at, reading.vantage = CHECK, now - 1800 + 10 * number, "hub"
        view.evidence.append(reading)
    view.believed[CHECK] = "DOWN"


Judgement = tuple[str, float, dict[str, Any]]
"""A unit, when it was judged, and how."""


async def save(view: Sample, *judgements: Judgement, gate: str = GATE) -> None:
    """Keep judgements as the daemon does: packed elsewhere, then written."""
    packed = await asyncio.to_thread(lambda: [pack(gate, *each) for each in judgements])
    await view.verdicts.save(packed)


def _verdicts() -> list[Judgement]:
    now = time.time()
    certificate = item(
        "security.certificate", "fail", category="security", asset="portal", reason="expectation",
        title="The portal's certificate is valid for at least 30 days", title_zh="门户证书有效期不少于 30 天",
        expected="cert_days_left >= 30", actual="4.9 d", value=4.9, unit="d",
        check="gz-tianhe/portal/tls",
    )  # fmt: skip
    blocked = item(
        "app.login", "unknown", category="application", reason="blocked", blocked_by="security.certificate"
    )
    minor = item("network.jitter", "fail", severity="minor", reason="expectation", actual="55 ms")
    bureau = judged("gz", "READY", item("network.rtt"), item("db.select", category="database"))
    hall = judged("gz-tianhe", "NOT_READY", item("network.rtt"), certificate, blocked, minor)
    return [("gz", now, bureau), ("gz-tianhe", now, hall)]
