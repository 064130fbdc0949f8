"""A small world for judging: an inventory, checklists and readings, with probes that are never run."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inventory.load import load
from inventory.profiles import load as load_profiles
from monitor.plan import Plan, build
from monitor.readiness import checklists, waivers
from monitor.readiness.checklist import Checklist
from monitor.readiness.judging import Judge
from monitor.readiness.layered import Layered
from monitor.readiness.measuring import Requirements
from monitor.readiness.results import ItemResult, UnitResult
from probes.api import Context, FactDef, MetricDef, Outcome, Params, ProbeSpec, Reading, Target

NOW = 1_795_500_000.0


class AnyParams(Params):
    """Takes a port."""

    port: int | None = None


async def never(target: Target, params: Params, context: Context) -> Reading:
    raise AssertionError("these probes are only declared")


def spec(
    name: str, metrics: Sequence[MetricDef] = (), facts: Sequence[FactDef] = (), **more: Any
) -> ProbeSpec:
    return ProbeSpec(name, "test", name, AnyParams, never, tuple(metrics), tuple(facts), **more)


SPECS = {
    each.name: each
    for each in (
        spec("icmp", [MetricDef("rtt_ms", "ms", "lower"), MetricDef("loss_pct", "%", "lower"),
                      MetricDef("jitter_ms", "ms"), MetricDef("sent"), MetricDef("received")]),
        spec("echo", [*(MetricDef(f"loss{way}_pct", "%") for way in ("", "_up", "_down")), MetricDef("sent"),
                      MetricDef("received"), MetricDef("loss_events")]),
        spec("throughput", [MetricDef(f"{kind}_{way}{bound}_bps", "bit/s", "higher") for way in ("up", "down")
                            for kind in ("tcp", "capacity", "transfer") for bound in ("", "_at_least")],
             loads_link=True),
        spec("tcp", [MetricDef("connect_ms", "ms", "lower")], [FactDef("banner")]),
        spec("http", [MetricDef("status"), MetricDef("total_ms", "ms")], [FactDef("server", "version")]),
        spec("exec", [MetricDef("exit_code")], [FactDef("output")], dynamic=True),
    )
}  # fmt: skip


class Registry:
    """The declared probes above."""

    def names(self) -> tuple[str, ...]:
        return tuple(SPECS)

    def get(self, name: str) -> ProbeSpec:
        return SPECS[name]


INVENTORY = """
version: 1
units:
  - id: gz
    name: Guangzhou bureau
    level: municipal
    assets:
      - {id: core, kind: channel, role: core, address: 10.1.0.1, checks: [{probe: icmp}]}
  - id: hall
    name: Tianhe hall
    name_zh: 天河营业厅
    parent: gz
    level: hall
    profile: hall
    timezone: Asia/Shanghai
    assets:
      - {id: uplink, kind: channel, role: primary, address: 10.1.2.1, depends_on: [gz/core]}
      - {id: pc1, kind: host, address: 10.1.2.11, tags: [counter]}
"""
PROFILE = """
version: 1
id: hall
checks:
  - {id: icmp, for: {kind: [channel, host]}, probe: icmp, every: 60s, timeout: 10s}
  - {id: http, for: {kind: host}, probe: http, every: 60s, timeout: 10s}
"""
CHECKLIST = """
version: 1
id: hall
applies_to: {profile: hall}
items:
  - {id: rtt, category: network, severity: blocker, title: {en: RTT, zh: 往返时延}, select: {kind: channel},
     check: icmp, expect: {rtt_ms: "<= 40"}, remediation: {en: Call the carrier, zh: 联系运营商}}
  - {id: page, category: application, severity: major, title: {en: Page, zh: 页面}, select: {kind: host},
     check: http, expect: {status: 200}}
"""
UNUSED_CALENDAR = """
version: 1
id: unused
open: {mon: ["08:00-17:00"]}
"""


@dataclass
class World:
    """Files in a directory, and readings; `judge` puts them together."""

    directory: Path
    inventory: str = INVENTORY
    profile: str = PROFILE
    checklist: str = CHECKLIST
    waivers: str = ""
    readings: list[Reading] = field(default_factory=list)
    requirements: Requirements | None = None
    calendars: str = ""

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    def lists(self) -> dict[str, Checklist]:
        self.write("checklists/hall.yaml", self.checklist)
        self.write("calendars/own.yaml", self.calendars or UNUSED_CALENDAR)
        calendars = checklists.load_calendars([self.directory / "calendars"])
        return checklists.load([self.directory / "checklists"], calendars=calendars, registry=Registry())

    def plan(self) -> Plan:
        inventory = load(self.write("inventory.yaml", self.inventory))
        self.write("profiles/hall.yaml", self.profile)
        return build(inventory, load_profiles([self.directory / "profiles"]), registry=Registry())

    def judge(self, unit: str = "hall", *, now: float = NOW, gate: str = "go-live") -> UnitResult:
        inventory, lists = load(self.write("inventory.yaml", self.inventory)), self.lists()
        path = self.write("waivers.yaml", self.waivers) if self.waivers else None
        found = waivers.load(path, units=inventory.units, checklists=lists)
        judge = Judge(
            inventory, self.plan(), lists, Layered(None, self.readings),
            now=now, gate=gate, waivers=found, requirements=self.requirements,
        )  # fmt: skip
        return judge.unit(unit)

    def item(self, key: str, asset: str | None = "", **more: Any) -> ItemResult:
        """Return the one row of an item (of an asset, where several have it)."""
        found = [each for each in self.judge(**more).items if each.id == key and asset in ("", each.asset)]
        assert len(found) == 1, found
        return found[0]

    def ok(self, check: str, age: float = 30, /, **values: float | str) -> World:
        """Add a good reading `age` seconds old; texts are facts."""
        numbers = {k: float(v) for k, v in values.items() if not isinstance(v, str)}
        facts = {k: v for k, v in values.items() if isinstance(v, str)}
        return self.add(Reading(Outcome.OK, metrics=numbers, facts=facts), check, age)

    def failed(self, check: str, kind: str = "timeout", age: float = 30) -> World:
        return self.add(Reading(Outcome.FAILED, kind, "no answer"), check, age)

    def error(self, check: str, kind: str = "prober_error", age: float = 30) -> World:
        return self.add(Reading(Outcome.ERROR, kind, "our fault"), check, age)

    def not_run(self, check: str, reason: str = "overload", age: float = 30) -> World:
        return self.add(Reading(Outcome.NOT_RUN, reason), check, age)

    def add(self, reading: Reading, check: str, age: float) -> World:
        reading.check, reading.at, reading.vantage = (
            f"hall/{check}" if check.count("/") == 1 else check,
            NOW - age,
            "hub",
        )
        self.readings.append(reading)
        return self

    def good(self) -> World:
        """Add readings that make the hall READY."""
        self.ok("gz/core/icmp", rtt_ms=1, loss_pct=0).ok("uplink/icmp", rtt_ms=12, loss_pct=0)
        return self.ok("pc1/icmp", rtt_ms=2, loss_pct=0).ok("pc1/http", status=200, total_ms=50)

    def every(
        self, check: str, values: Iterable[float | None], metric: str = "rtt_ms", every: float = 60
    ) -> World:
        """Add one reading every `every` seconds, the last 30 s old; None is a failed one."""
        several = list(values)
        for index, value in enumerate(several):
            age = 30 + every * (len(several) - 1 - index)
            if value is None:
                self.failed(check, age=age)
            else:
                self.ok(check, age, **{metric: value})
        return self
