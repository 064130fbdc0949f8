"""A bureau with halls after a week: a real store, incidents, verdicts that changed, a plan, a ledger.

The clock stands at `NOW`; readings are of a seeded generator. One hall is named by somebody who tries to
break out, one has no readings at all, one fails, one waives, one is signed and regressed.
"""

# ruff: noqa: E501 - YAML reads better unbroken

from __future__ import annotations

import asyncio
import json
import random
import textwrap
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.gates.counter import answer, written
from monitor.gates.deciding import decide
from monitor.incidents.incident import Incident, Severity
from monitor.place import Place, place
from monitor.readiness.results import UnitResult
from monitor.reports.gather import Asked, gather
from monitor.reports.period import Kind
from monitor.state import State
from monitor.store import incident_rows, plans
from monitor.store.database import Database
from monitor.store.engine import Store
from monitor.store.ledger import catch_up
from monitor.store.verdicts import _save, pack
from monitor.workspace import Workspace, open_workspace
from probes.api import MetricDef, Outcome, Reading

NOW = 1_795_500_000.0
"""2026-11-24 06:00 UTC, 14:00 in Guangzhou."""
DAY = 86_400.0
EVERY = 600.0
DAYS = 8
EVIL_NAME = "Evil <script>alert(2)</script>&<img src=http://127.0.0.1:1/x>|[x](javascript:a)"
EVIL = '<script>alert(1)</script>=HYPERLINK("http://x")|[x](javascript:alert(1))\x1b[31m\u202e'
NAMES = ("天河", "越秀", "海珠", "荔湾", "白云", "黄埔", "番禺", "花都", "南沙", "增城")
_HALL = """
  - id: h{n}
    name: {name}
    name_zh: {zh}营业厅
    parent: gz
    level: hall
    wave: w{wave}
    go_live: {day}
    contacts: {{tier1: [it@h{n}.example]}}
    functions: {{counter-query: {{users: 12}}}}
    assets:
      - {{id: uplink, kind: channel, role: primary, address: 10.1.{n}.1, depends_on: [],
         contracted: {{down: 20 Mbit/s, up: 10 Mbit/s, provider: carrier}},
         checks: [{{probe: icmp, every: 600s, timeout: 10s}}, {{probe: iperf3, every: 3600s, timeout: 60s}}]}}
      - {{id: pc1, kind: host, address: 10.1.{n}.11, depends_on: [], checks: [{{probe: icmp, every: 600s, timeout: 10s}}]}}
"""
CHECKLIST = """
version: 1
id: hall
gate: go-live
applies_to: {level: hall}
max_waivers: 2
items:
  - {id: network.rtt, category: network, severity: blocker, title: {en: Round trip time, zh: 往返时延},
     remediation: {en: Call the carrier., zh: 联系运营商。}, select: {kind: channel}, check: icmp,
     expect: {rtt_ms: {p95: "<= 40", over: 24h}}, max_age: 30 min}
  - {id: network.loss, category: network, severity: major, title: {en: Loss, zh: 丢包率},
     remediation: {en: Call the carrier., zh: 联系运营商。}, select: {kind: channel}, check: icmp,
     expect: {loss_pct: "<= 1"}, max_age: 30 min}
  - {id: hardware.answers, category: hardware, severity: blocker, title: {en: The counter's computer answers, zh: 柜台计算机在线},
     remediation: {en: Switch it on., zh: 开机。}, select: {kind: host}, check: icmp,
     expect: {received: ">= 1"}, max_age: 30 min, waivable: true}
  - {id: operations.drill, category: operations, severity: major, title: {en: Emergency drill, zh: 应急演练},
     remediation: {en: Hold it., zh: 举行演练。}, attest: {role: operator, every: 30 d}}
"""
SETTINGS = """
[daemon]
state_dir = "state"
inventory = "inventory.yaml"
checklists = "checklists"
plan = "plan.yaml"

[mail]
host = "127.0.0.1"
languages = {"chen@gz.example" = "zh"}

[reports]
zone = "Asia/Shanghai"

[reports.lists.leaders]
to = ["chen@gz.example", "wang@gz.example"]
role = "leading"
kinds = ["daily", "weekly"]

[reports.lists.hall]
to = ["tier1"]
role = "support"
unit = "h3"

[[rights]]
user = "boss"
role = "admin"
"""
PLAN = """
version: 1
waves:
  w1: {owner: zhao, title: {en: First wave, zh: 第一批}, gates: {survey: 2026-11-10, install: 2026-11-20}}
  w2: {owner: qian, title: {en: Second wave, zh: 第二批}, gates: {survey: 2026-11-23}}
"""


@dataclass
class Town:
    """Where it all is."""

    directory: Path
    halls: int = 10

    @property
    def place(self) -> Place:
        return place(self.directory / "muster.toml")

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(textwrap.dedent(text), "utf-8", errors="surrogatepass")

    def workspace(self) -> Workspace:
        found = open_workspace(self.place)
        catch_up(self.place.state_dir, found.standing)
        return found

    def report(
        self, kind: Kind = "weekly", *, now: float = NOW, units: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        workspace = self.workspace()
        wanted = units or tuple(workspace.inventory.units)
        return gather(self.place, workspace, Asked(kind, wanted, "gz", "go-live", "Asia/Shanghai"), now)

    def judge(self, unit: str, now: float = NOW) -> UnitResult:
        workspace = self.workspace()
        with closing(Store.read_only(self.place.state_dir)) as evidence:
            [found] = workspace.results([unit], evidence, "go-live", now)
        return found

    def ask(self, do: str, actor: str, now: float, **request: Any) -> dict[str, Any]:
        where, workspace = self.place, self.workspace()
        whole = {"do": do, "actor": f"{actor} (unauthenticated)", "gate": "go-live", **request}
        with closing(Store.read_only(where.state_dir)) as evidence:
            decided = decide(workspace, evidence, whole, where.settings.rights, now)
        with closing(self.database()) as database:
            return answer(decided, database.write_now(lambda connection: written(connection, decided)))

    def database(self) -> Database:
        return Database(self.directory / "state" / "state.db")

    def judged(self, now: float = NOW) -> None:
        """Write down what a daemon that judges at a moment does."""
        workspace, where = self.workspace(), self.place
        planner = workspace.planner("go-live")
        with closing(Store.read_only(where.state_dir)) as evidence:
            results = [*workspace.results(workspace.inventory.units, evidence, "go-live", now)]
        packed, rows = [], []
        for each in results:
            found = each.plain()
            packed.append(pack("go-live", each.id, now, found))
            rows.append(
                plans.pack("go-live", now, planner.day(each.id, now), planner.unit(each.id, found, now))
            )
        with closing(self.database()) as database:
            database.write_now(lambda connection: _keep(connection, packed, rows))


def _keep(connection: Any, packed: list[Any], rows: list[Any]) -> None:
    _save(connection, packed)
    plans.save(connection, rows)


def build(directory: Path, halls: int = 10) -> Town:
    """Make it: files, a week of readings, incidents, and what people did."""
    town = Town(directory, halls)
    inventory = "version: 1\ntimezone: Asia/Shanghai\nunits:\n"
    inventory += "  - {id: gz, name: Guangzhou bureau, name_zh: 广州供电局, level: municipal, assets: []}\n"
    for n in range(1, halls + 1):
        name = json.dumps(EVIL_NAME) if n == 2 else f"Hall {n}"
        wave, day = (1, "2026-12-18") if n % 2 else (2, "2027-01-15")
        inventory += _HALL.format(n=n, name=name, zh=NAMES[(n - 1) % len(NAMES)], wave=wave, day=day).lstrip(
            "\n"
        )
    for name, text in (
        ("inventory.yaml", inventory), ("checklists/hall.yaml", CHECKLIST),
        ("muster.toml", SETTINGS), ("plan.yaml", PLAN),
    ):  # fmt: skip
        town.write(name, text)
    chances = [random.Random(n) for n in range(halls + 1)]
    for past in range(DAYS):
        asyncio.run(_fill(town, past, chances))
        if past == 0:
            _stated(town)
        town.judged(NOW - (DAYS - 1 - past) * DAY)
    _incidents(town)
    _people(town)
    town.judged()
    return town


async def _fill(town: Town, day: int, chances: list[random.Random]) -> None:
    """Store a day's readings: hall 3 is slow since yesterday's eve, hall 4 silent, hall 6 has gaps."""
    store = await asyncio.to_thread(Store.open, town.directory / "state")
    try:
        for n in range(1, town.halls + 1):
            if n != 4:
                _hall(store, n, day, chances[n])
            await store.flush()
    finally:
        await store.aclose()


def _hall(store: Store, n: int, day: int, chance: random.Random) -> None:
    uplink, pc, rate = f"h{n}/uplink/icmp", f"h{n}/pc1/icmp", f"h{n}/uplink/iperf3"
    store.declare(uplink, METRICS)
    store.declare(pc, METRICS)
    store.declare(rate, RATES)
    steps = int(DAY / EVERY)
    for step in range(steps):
        at = NOW - 30 - (DAYS - 1 - day) * DAY - (steps - 1 - step) * EVERY
        if n == 6 and step % 3 == 0 and day < DAYS - 2:
            continue
        slow = (n == 3 and day >= 2) or (n in (1, 7, 9) and day < 3)
        rtt, last = chance.gauss(62 if slow else 18 + n, 2), step == steps - 1
        lost = 5.0 if chance.random() < 0.01 and not last else 0.0
        store.append(_ok(uplink, at, rtt_ms=max(1.0, rtt), loss_pct=lost, received=20))
        down = (n == 5 and day == DAYS - 1 and step > steps - 40) or (n in (2, 8) and day < 2)
        store.append(_failed(pc, at) if down else _ok(pc, at, rtt_ms=2.0, loss_pct=0, received=20))
        if step % 6 == 5:
            up = chance.gauss(9e6 if n != 7 else 6e6, 3e5)
            store.append(_ok(rate, at, transfer_up_bps=up, transfer_down_bps=2 * up))


METRICS = (
    MetricDef("rtt_ms", "ms", "lower", 0.001),
    MetricDef("loss_pct", "%", "lower", 0.01),
    MetricDef("received"),
)
RATES = (
    MetricDef("transfer_up_bps", "bit/s", "higher", 1),
    MetricDef("transfer_down_bps", "bit/s", "higher", 1),
)


def _ok(check: str, at: float, **metrics: float) -> Reading:
    return Reading(
        Outcome.OK, metrics=metrics, check=check, at=at, lag_ms=1.0, duration_ms=20.0, vantage="hub"
    )


def _failed(check: str, at: float) -> Reading:
    return Reading(Outcome.FAILED, "unreachable", EVIL, check=check, at=at, vantage="hub")


def _incidents(town: Town) -> None:
    rows = [
        _incident("h5/pc1/icmp", 0.3, acked=600, tier=2),
        _incident("h3/uplink/icmp", 6, acked=120, tier=1, closed=5.5),
        _incident("h3/uplink/icmp", 4, acked=240, tier=1, closed=3.5),
        _incident("h3/uplink/icmp", 2, acked=360, tier=1, closed=1.5),
        _incident("h6/uplink/icmp", 3, tier=3, closed=2.5),
        _incident("h7/uplink/icmp", 20, acked=60, tier=1, closed=19),
    ]
    with closing(town.database()) as database:
        for row in rows:
            database.write_now(lambda connection, row=row: incident_rows.insert(connection, row))  # type: ignore[misc]


def _incident(
    root: str, days_ago: float, *, acked: float | None = None, tier: int = 1, closed: float | None = None
) -> Incident:
    opened = NOW - days_ago * DAY
    ended = None if closed is None else NOW - closed * DAY
    return Incident(
        0, 1, root, "unreachable", EVIL[:80], State.DOWN, State.DOWN, opened - 60, opened, ended, True,
        severity=Severity.CRITICAL if tier > 1 else Severity.WARNING, recovered_at=ended and ended - 300,
        acked_by="li (unauthenticated)" if acked else "", tier=tier,
        acked_at=opened + acked if acked else None,
    )  # fmt: skip


def _stated(town: Town) -> None:
    for n in range(1, town.halls + 1):
        if n != 9:
            statement = {"statement": "held", "unit": f"h{n}", "item": "operations.drill"}
            town.ask("attest", "li", NOW - 8 * DAY, **statement)


def _people(town: Town) -> None:
    """Except, assign, reach, sign."""
    terms = {
        "reason": "spare part on its way",
        "risk": "one counter closed",
        "compensating_action": "second counter",
    }
    row = {"unit": "h5", "item": "hardware.answers", "asset": "pc1"}
    asked = town.ask("waive.request", "li", NOW - 3000, **row, **terms, expires_at=NOW + 6 * DAY)
    town.ask("waive.approve", "boss", NOW - 2000, unit="h5", waiver=f"w{asked['entry']['seq']}")
    row = {"unit": "h3", "item": "network.rtt", "asset": "uplink"}
    town.ask("plan.assign", "li", NOW - 900, **row, owner="carrier", due="2026-12-04", estimate="3d", note="")
    for unit, milestone, day in REACHED:
        town.ask("plan.reach", "li", NOW - 800, unit=unit, gate=milestone, on=day, note="")
    shown = town.ask("sign.look", "boss", NOW - 10, unit="h10")["shown"]
    town.ask("sign", "boss", NOW - 10, unit="h10", subject=shown["subject"])


REACHED = (("h1", "survey", "2026-11-09"), ("h3", "survey", "2026-11-18"), ("h1", "install", "2026-11-20"))
