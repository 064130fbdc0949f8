"""A bureau and a hall: real files and a real ledger; the clock and the readings are ours."""

from __future__ import annotations

import textwrap
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.gates.counter import answer, written
from monitor.gates.deciding import decide
from monitor.gates.ledger import Entry
from monitor.place import place
from monitor.readiness.layered import Layered
from monitor.readiness.results import ItemResult, UnitResult
from monitor.store import ledger
from monitor.store.database import Database
from monitor.store.ledger import catch_up
from monitor.workspace import open_workspace
from probes.api import Outcome, Reading

NOW = 1_795_500_000.0
DAY = 86_400.0
INVENTORY = """
version: 1
units:
  - {id: gz, name: Guangzhou bureau, level: municipal, assets: []}
  - id: hall
    name: Tianhe hall
    parent: gz
    level: hall
    assets:
      - {id: pc1, kind: host, address: 127.0.0.1, depends_on: [], checks: [{probe: icmp, every: 60s}]}
"""
CHECKLIST = """
version: 1
id: hall
gate: go-live
applies_to: {level: hall}
items:
  - {id: drill, category: operations, severity: blocker, title: {en: Drill, zh: 演练},
     remediation: {en: Hold it., zh: 举行。}, attest: {role: operator, every: 30 d, files: 1}}
  - {id: report, category: security, severity: major, title: {en: Report, zh: 报告},
     remediation: {en: Order it., zh: 申请。}, attest: {role: approver, every: 90 d}}
  - {id: answers, category: hardware, severity: blocker, title: {en: Answers, zh: 在线},
     remediation: {en: Switch it on., zh: 开机。},
     select: {kind: host}, check: icmp, expect: {received: ">= 1"}}
  - {id: fast, category: hardware, severity: major, title: {en: Fast, zh: 快},
     remediation: {en: Look at it., zh: 检查。}, select: {kind: host}, check: icmp, expect: {rtt_ms: "<= 40"}}
"""
SETTINGS = """
[daemon]
state_dir = "state"
inventory = "inventory.yaml"
checklists = "checklists"

[[rights]]
user = "boss"
role = "approver"

[[rights]]
user = "chief"
role = "approver"
unit = "gz"

[[rights]]
user = "elsewhere"
role = "admin"
unit = "hall2"
"""
SHA = "ab" * 32


@dataclass
class Home:
    """Files, a state database, readings, and the time."""

    directory: Path
    now: float = NOW
    readings: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, text in (
            ("inventory.yaml", INVENTORY), ("checklists/hall.yaml", CHECKLIST), ("muster.toml", SETTINGS)
        ):  # fmt: skip
            self.write(name, text)
        (self.directory / "state").mkdir()
        self.database().close()

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")

    def database(self) -> Database:
        return Database(self.directory / "state" / "state.db")

    def measured(self, rtt_ms: float = 12, age: float = 30) -> Home:
        reading = Reading(Outcome.OK, metrics={"received": 5.0, "rtt_ms": rtt_ms})
        reading.check, reading.at, reading.vantage = "hall/pc1/icmp", self.now - age, "hub"
        self.readings.append(reading)
        return self

    def ask(self, do: str, actor: str = "li", **request: Any) -> dict[str, Any]:
        """Have a request decided and written. Raises Refused, Overtaken."""
        where = place(self.directory / "muster.toml")
        workspace = open_workspace(where)
        catch_up(where.state_dir, workspace.standing)
        whole = {"do": do, "actor": f"{actor} (unauthenticated)", "unit": "hall", **request}
        decided = decide(workspace, Layered(None, self.readings), whole, where.settings.rights, self.now)
        with closing(self.database()) as database:
            return answer(decided, database.write_now(lambda connection: written(connection, decided)))

    def entries(self) -> list[Entry]:
        with closing(self.database()) as database:
            return database.read_now(ledger.read)

    def judge(self) -> UnitResult:
        where = place(self.directory / "muster.toml")
        workspace = open_workspace(where)
        catch_up(where.state_dir, workspace.standing)
        [result] = workspace.results(["hall"], Layered(None, self.readings), "go-live", self.now)
        return result

    def row(self, key: str) -> ItemResult:
        [found] = [each for each in self.judge().items if each.id == key]
        return found

    def drilled(self, **more: Any) -> dict[str, Any]:
        """State that the drill was held, with a file."""
        files = [{"name": "minutes.pdf", "sha256": SHA, "size": 10}]
        return self.ask("attest", item="drill", **{"statement": "held on Monday", "files": files} | more)

    def reported(self) -> dict[str, Any]:
        return self.ask("attest", "boss", item="report", statement="level 3, of May")

    def waive(self, **more: Any) -> dict[str, Any]:
        """Ask for a waiver of the row `fast`."""
        terms = {"reason": "old switch", "risk": "slow counter", "compensating_action": "second counter"}
        until = {"expires_at": self.now + 20 * DAY}
        return self.ask("waive.request", **{"item": "fast", "asset": "pc1"} | terms | until | more)
