"""A province that rolls out: its files, and what happens at its halls, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

DAY_S = 86_400.0
START = date(2026, 8, 31)
"""A Monday; the National Day holidays fall into the second month."""
ZONE_S = 8 * 3600
WAVES = 6
BUREAUS = ("guangzhou", "foshan", "dongguan", "huizhou", "jiangmen", "zhuhai")
OWNERS = ("carrier", "it-support", "vendor", "civil-works")

SETTINGS = """
[daemon]
state_dir = "state"
inventory = "inventory.yaml"
checklists = "checklists"
plan = "plan.yaml"

[[rights]]
user = "boss"
role = "approver"

[[rights]]
user = "chief"
role = "approver"
"""
CHECKLIST = """
version: 1
id: rollout
gate: go-live
applies_to: {level: hall}
max_waivers: 2
items:
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that can be wrong at a hall: its item, how often it is at first, and days of work."""

    item: str
    severity: str
    asset: str
    check: str
    metric: str
    expect: str
    good: float
    bad: float
    owner: str
    at_first: float
    """The share of halls where it is wrong on the first day."""
    work: tuple[int, int]
    """Workdays it is estimated at, from and to."""
    title: tuple[str, str] = ("", "")


PARTS = (
    Part("network.rtt", "blocker", "uplink", "icmp", "rtt_ms", "<= 60", 21.0, 94.0, "carrier", 0.35, (4, 12),
         ("Round trip time", "往返时延")),
    Part("network.loss", "blocker", "uplink", "icmp", "loss_pct", "<= 5", 0.0, 20.0, "carrier", 0.15, (3, 8),
         ("Loss", "丢包率")),
    Part("application.login", "blocker", "portal", "http", "status", "200", 200.0, 503.0, "vendor", 0.30,
         (2, 9), ("Login page", "登录页面")),
    Part("application.query", "major", "portal", "http", "total_ms", "<= 3 s", 420.0, 5200.0, "vendor", 0.25,
         (3, 10), ("Customer query", "客户查询")),
    Part("hardware.counter", "blocker", "pc1", "icmp", "received", ">= 1", 3.0, 0.0, "it-support", 0.20,
         (1, 4), ("Counter computer", "柜台计算机")),
    Part("peripheral.printer", "major", "printer", "icmp", "received", ">= 1", 3.0, 0.0, "civil-works", 0.30,
         (2, 15), ("Receipt printer", "票据打印机")),
    Part("network.jitter", "minor", "uplink", "icmp", "jitter_ms", "<= 30", 2.0, 45.0, "carrier", 0.20,
         (5, 20), ("Jitter", "抖动")),
)  # fmt: skip
STATED = (("operations.drill", "blocker", "operator", 1), ("security.report", "major", "approver", 0))


@dataclass(slots=True)
class Hall:
    """What is true of a hall, whether anybody knows it or not."""

    id: str
    wave: int
    go_live: date
    wrong: dict[str, int | None] = field(default_factory=dict)
    """Item to the day on which it will be mended, None while nobody mends it."""
    stated_on: dict[str, int] = field(default_factory=dict)
    promised: set[str] = field(default_factory=set)
    """What somebody has named a day for."""
    silent: tuple[int, int] = (0, 0)
    """Days from and before which its uplink is not measured at all."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large it is."""

    halls: int = 120
    days: int = 60
    report_day: int = 30
    readings_a_day: int = 8


def moment(day: int, hour: float = 18.0) -> float:
    """Return an instant of a simulated day, by the clock of Guangzhou."""
    first = datetime(START.year, START.month, START.day, tzinfo=UTC).timestamp()
    return first - ZONE_S + day * DAY_S + hour * 3600


def on(day: int) -> date:
    """Return a simulated day's date."""
    return START + timedelta(days=day)


def halls(scale: Scale, chance: random.Random) -> list[Hall]:
    """Return the halls as they are on the first day."""
    found = []
    for number in range(scale.halls):
        wave = number * WAVES // scale.halls
        go_live = on(round(scale.days * (0.35 + 0.12 * wave)))
        while go_live.weekday() >= 5:
            go_live += timedelta(days=1)
        hall = Hall(f"h{number:03d}", wave + 1, go_live)
        hall.wrong = {part.item: None for part in PARTS if chance.random() < part.at_first}
        due = (go_live - START).days
        hall.stated_on = {item: max(1, due - chance.randint(3, 20)) for item, *_ in STATED}
        if chance.random() < 0.1:
            begins = chance.randrange(scale.days)
            hall.silent = (begins, begins + chance.randint(1, 4))
        found.append(hall)
    return found


def write(directory: Path, several: Sequence[Hall]) -> Path:
    """Write all files; return the settings."""
    for name, text in (
        ("inventory.yaml", "".join(_inventory(several))), ("checklists/rollout.yaml", CHECKLIST + _items()),
        ("plan.yaml", _plan()), ("muster.toml", SETTINGS),
    ):  # fmt: skip
        path = directory / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, "utf-8")
    return directory / "muster.toml"


def _inventory(several: Sequence[Hall]) -> Iterator[str]:
    yield "version: 1\ntimezone: Asia/Shanghai\nunits:\n"
    for name in BUREAUS:
        yield f"  - {{id: {name}, name: {name.title()} bureau, level: municipal, assets: []}}\n"
    for number, hall in enumerate(several):
        yield (
            f"  - id: {hall.id}\n    name: Hall {hall.id[1:]}\n    name_zh: 第{hall.id[1:]}营业厅\n"
            f"    parent: {BUREAUS[number % len(BUREAUS)]}\n    level: hall\n    wave: w{hall.wave}\n"
            f"    go_live: {hall.go_live}\n    assets:\n"
        )
        net = f"10.{20 + number // 200}.{number % 200}"
        contract = "contracted: {down: 20 Mbit/s, up: 10 Mbit/s, provider: carrier}"
        for last, (key, kind, probe, more) in enumerate(
            (("uplink", "channel", "icmp", f"role: primary, {contract}, "), ("pc1", "host", "icmp", ""),
             ("portal", "application", "http", ""), ("printer", "peripheral", "icmp", "")), 1,
        ):  # fmt: skip
            yield (
                f"      - {{id: {key}, kind: {kind}, address: {net}.{last}, {more}depends_on: [],"
                f" checks: [{{probe: {probe}, every: 3h}}]}}\n"
            )


def _items() -> str:
    found = [
        f"  - {{id: {part.item}, category: {part.item.partition('.')[0]}, severity: {part.severity},"
        f" title: {{en: {part.title[0]}, zh: {part.title[1]}}}, remediation: {{en: Mend it., zh: 修复。}},"
        f' select: {{id: {part.asset}}}, check: {part.check}, expect: {{{part.metric}: "{part.expect}"}},'
        " max_age: 26 h}\n"
        for part in PARTS
    ]
    for item, severity, role, files in STATED:
        found.append(
            f"  - {{id: {item}, category: {item.partition('.')[0]}, severity: {severity},"
            f" title: {{en: {item}, zh: {item}}}, remediation: {{en: State it., zh: 声明。}},"
            f" attest: {{role: {role}, every: 90 d, files: {files}}}}}\n"
        )
    return "".join(found)


def _plan() -> str:
    waves = "".join(
        f"  w{n}: {{owner: lead-{n}, title: {{en: Wave {n}, zh: 第{n}批}}}}\n" for n in range(1, WAVES + 1)
    )
    return f"version: 1\nwaves:\n{waves}"
