"""Judging a province from the store: 1,000 units with 66 items each.

    python -m benchmarks.judging [--quick] [--json FILE]

Each hall has 16 checks and 66 rows: 55 judge the last reading, 4 are about its uplink (two quantiles over
24 h, a soak of 24 h), 7 are attested and stand in the ledger. All readings are in a real store, which a
process of its own opens for reading, as the daemon's child and `muster check --stored` do. The time counts
from the store being opened until the last verdict, the files having been read before (they are read once, and
then left alone by the garbage collector, as the child does);
`first` is the process's first round, `again` the median of three more. Memory is the most the process ever
held, the inventory and all results included. Then a fresh run on the loopback, as `muster check` makes it:
files read, 16,000 checks (icmp, and HTTP by one nginx), stored, judged; and what its progress told. No peer:
none judges from what it has measured before.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.marks import Mark, arguments, judge, table
from benchmarks.running import nginx
from monitor.checking import check_now
from monitor.gates.attested import asked
from monitor.gates.ledger import STATED, Draft
from monitor.place import Place, place
from monitor.process.garbage import settle
from monitor.readiness.selection import Selection
from monitor.readiness.verdict import Status
from monitor.store import ledger
from monitor.store.database import Database
from monitor.store.engine import Store
from monitor.store.ledger import catch_up
from monitor.workspace import Workspace, open_workspace
from probes.api import Outcome, Reading
from tests.servers.ports import free_port

UNITS, QUICK_UNITS = 1000, 200
HOSTS, PORTALS, STATED_ITEMS = 10, 5, 7
ITEMS = HOSTS * 4 + PORTALS * 3 + 4 + STATED_ITEMS
DAY = 86_400
EVERY = 300
AT_ONCE = 20_000
GATE = "go-live"
HEAD = "version: 1\nid: scale\n"
PROFILE = f"""{HEAD}checks:
  - {{id: icmp, for: {{kind: [channel, host]}}, probe: icmp, every: {EVERY} s}}
  - {{id: http, for: {{kind: application}}, probe: http, every: {EVERY} sHTTP}}
"""
SETTINGS = """[daemon]
state_dir = "state"
inventory = "inventory.yaml"
profiles = "profiles"
checklists = "checklists"
"""
HOST = {"received": ">= 1", "rtt_ms": "<= 100", "loss_pct": "<= 20", "jitter_ms": "<= 50"}
PORTAL = {"status": "200", "total_ms": "<= 3 s", "first_byte_ms": "<= 1 s"}


def items() -> Iterator[str]:
    """Yield the lines of the checklist's items."""
    for number in range(HOSTS):
        yield from (_item(f"pc{number}.{name}", "icmp", name, what) for name, what in HOST.items())
    for number in range(PORTALS):
        yield from (_item(f"app{number}.{name}", "http", name, what) for name, what in PORTAL.items())
    for name, most in (("rtt_ms", 60), ("jitter_ms", 30)):
        yield _item(f"uplink.{name}", "icmp", name, f'{{p95: "<= {most}", over: 24h}}')
    yield _item("uplink.received", "icmp", "received", ">= 1", ", soak: {window: 24h, min_coverage: 0.8}")
    yield _item("uplink.loss_pct", "icmp", "loss_pct", "<= 20")
    for number in range(STATED_ITEMS):
        yield (
            f"  - {{id: stated.{number}, category: operations, title: {{en: Stated, zh: 声明}},"
            " attest: {role: operator, every: 90 d}}"
        )


def _item(key: str, check: str, name: str, expected: str, more: str = "") -> str:
    asset = key.partition(".")[0]
    what = expected if expected.startswith("{") else f'"{expected}"'
    return (
        f"  - {{id: {key}, category: network, severity: major, title: {{en: {key}, zh: {key}}},"
        f" select: {{id: {asset}}}, check: {check}, expect: {{{name}: {what}}}, max_age: 1 h{more}}}"
    )


def write(directory: Path, units: int, network: int = 10, http: str = "") -> None:
    """Write the files of so many halls: bureaus of 50; `http` are further parameters of the pages' checks."""
    for name, text in (
        ("inventory.yaml", "version: 1\nunits:\n" + "".join(_unit(each, network) for each in range(units))),
        ("profiles/scale.yaml", PROFILE.replace("HTTP", http)),
        ("checklists/scale.yaml", f"{HEAD}applies_to: {{profile: scale}}\nitems:\n" + "\n".join(items())),
        ("muster.toml", SETTINGS),
    ):  # fmt: skip
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")


def _unit(number: int, network: int) -> str:
    above = number - number % 50
    parent = f"    parent: u{above}\n" if above != number else ""
    level = "hall" if parent else "county"
    net = f"{network}.{1 + (number >> 8)}.{number & 255}"
    kinds = [("uplink", "channel"), *((f"pc{n}", "host") for n in range(HOSTS))]
    kinds += [(f"app{n}", "application") for n in range(PORTALS)]
    assets = "".join(
        f"      - {{id: {key}, kind: {kind}, address: {net}.{index + 1}}}\n"
        for index, (key, kind) in enumerate(kinds)
    )
    head = f"  - id: u{number}\n    name: Unit {number}\n    level: {level}\n    profile: scale\n{parent}"
    return f"{head}    assets:\n{assets}"


def readings(workspace: Workspace, now: float) -> Iterator[Reading]:
    """Yield a day of each uplink, and one reading of all else, in order of time."""
    uplinks = [job.id for job in workspace.plan.jobs.values() if job.asset == "uplink"]
    for back in range(DAY - EVERY // 2, 0, -EVERY):
        for place_, check in enumerate(uplinks):
            yield _reading(check, now - back, 10.0 + (place_ * 7 + back // EVERY) % 13)
    for job in workspace.plan.jobs.values():
        if job.asset != "uplink":
            yield _reading(job.id, now - 30, 12.0)


def _reading(check: str, at: float, ms: float) -> Reading:
    icmp = {"received": 10.0, "sent": 10.0, "rtt_ms": ms, "loss_pct": 0.0, "jitter_ms": 1.0}
    http = {"status": 200.0, "total_ms": 5 * ms, "first_byte_ms": 3 * ms}
    found = icmp if check.endswith("icmp") else http
    return Reading(Outcome.OK, metrics=found, check=check, at=at, duration_ms=ms, vantage="hub")


async def fill(where: Place, workspace: Workspace, now: float) -> None:
    """Write the readings and the statements."""
    store = await asyncio.to_thread(Store.open, where.state_dir)
    try:
        for job in workspace.plan.jobs.values():
            store.declare(job.id, job.spec.metrics)
        for number, reading in enumerate(readings(workspace, now), 1):
            store.append(reading)
            if number % AT_ONCE == 0:
                await store.flush()
        await store.flush()
        await store.compact()
    finally:
        await store.aclose()
    stated = [item for item in workspace.checklists["scale"].items.values() if item.attest]
    body = {"holds": True, "statement": "held", "files": (), "not_applicable": False}
    drafts = [
        Draft(STATED, now, "li (unauthenticated)", "operator", GATE, unit.id, "", item.id,
              {**body, "asked": asked(item)})
        for unit in workspace.inventory for item in stated
    ]  # fmt: skip
    with closing(Database(where.state_dir / "state.db")) as database:
        database.write_now(lambda c: [ledger.append(c, draft, 2**62) for draft in drafts])


@dataclass(slots=True)
class Figures:
    """Seconds of each round by the clock and of CPU, MiB at most, rows a unit, rows that are no pass."""

    rounds: list[float]
    cpu: list[float]
    most_mib: float
    items: float
    other: int


def rounds(settings: Path, count: int) -> Figures:
    """Judge all units so many times in this process."""
    where = place(settings)
    workspace, taken, rows, other = open_workspace(where), list[tuple[float, float]](), 0, 0
    settle()
    for _ in range(count):
        started, cpu = time.perf_counter(), time.process_time()
        catch_up(where.state_dir, workspace.standing)
        with closing(Store.read_only(where.state_dir)) as store:
            found = list(workspace.results(workspace.inventory.units, store, GATE, time.time()))
        taken.append((time.perf_counter() - started, time.process_time() - cpu))
        rows = sum(len(each.items) for each in found)
        other = sum(row.status is not Status.PASS for each in found for row in each.items)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    clock, spent = (list(each) for each in zip(*taken, strict=True))
    return Figures(clock, spent, most, rows / len(workspace.inventory.units), other)


def measure(directory: Path, units: int, count: int = 4) -> Figures:
    """Make the files and the store, and judge them in a process of its own."""
    write(directory, units)
    where = place(directory / "muster.toml")
    asyncio.run(fill(where, open_workspace(where), time.time()))
    again = ("--rounds", str(count), str(directory / "muster.toml"))
    command = (sys.executable, "-m", "benchmarks.judging", *again)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Figures(**json.loads(done.stdout))


@dataclass(slots=True)
class Fresh:
    """A fresh run: seconds, units, and what its progress told (checks done, of how many, at which second)."""

    seconds: float
    units: int
    told: list[tuple[int, int, float]]

    @property
    def honest(self) -> bool:
        """Whether it never went back, never promised another number, and ended at all of them."""
        done = [each[0] for each in self.told]
        whole = {each[1] for each in self.told}
        return bool(done) and done == sorted(done) and whole == {done[-1]}

    @property
    def worst(self) -> float:
        """Return how far it was at most from the share of the time that had passed while checks ran."""
        first, last = self.told[0][2], self.told[-1][2]
        spans = [(done / whole, (at - first) / max(last - first, 1e-9)) for done, whole, at in self.told]
        return max(abs(share - passed) for share, passed in spans)


def fresh(directory: Path, units: int) -> Fresh:
    """Probe so many units on the loopback from nothing, as `muster check` does, and judge them."""
    port, told = free_port(), list[tuple[int, int, float]]()
    write(directory, units, 127, f", scheme: http, port: {port}")
    where, started = place(directory / "muster.toml"), time.perf_counter()

    def progress(done: int, whole: int) -> None:
        told.append((done, whole, time.perf_counter() - started))

    with nginx(directory, port):
        started = time.perf_counter()
        found = check_now(where, Selection(()), "fresh", progress)
        seconds = time.perf_counter() - started
    return Fresh(seconds, len(found.units), told)


def main() -> int:
    """Measure and judge."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, help="only judge what is there, and print it")
    parser.add_argument("settings", type=Path, nargs="?")
    options = parser.parse_args()
    if options.rounds:
        found = rounds(options.settings, options.rounds)
        print(json.dumps({name: getattr(found, name) for name in Figures.__slots__}))
        return 0
    units = QUICK_UNITS if options.quick else UNITS
    with tempfile.TemporaryDirectory() as directory:
        found = measure(Path(directory), units)
    with tempfile.TemporaryDirectory() as directory:
        run = fresh(Path(directory), units)
    again = statistics.median(found.rounds[1:])
    rows = [
        ("first round, s", found.rounds[0]),
        ("again, s", again),
        ("again, s of CPU", min(found.cpu)),
        ("most memory, MiB", found.most_mib),
    ]
    table(f"{units} units, {found.items:g} rows each, {found.other} rows are no pass", ("", "muster"), rows)
    ran = [("seconds", run.seconds), ("checks", run.told[-1][1]), ("progress off by at most", run.worst)]
    table(f"a fresh run of {run.units} units", ("", "muster"), ran)
    whole = not options.quick
    marks = (
        Mark("judging 1,000 units x 66 items, first", found.rounds[0] if whole else None, 2, "s"),
        Mark("judging 1,000 units x 66 items, again", again if whole else None, 2, "s"),
        Mark("memory", found.most_mib if whole else None, 500, "MiB"),
        Mark("rows that are no pass", float(found.other), 0),
        Mark("a fresh run of 1,000 units", run.seconds if whole else None, 60, "s"),
        Mark("progress that went back or ended short", float(not run.honest), 0),
        Mark("a unit, first", 1000 * found.rounds[0] / units, 2, "ms"),
    )
    return judge(marks, options.json)


if __name__ == "__main__":
    sys.exit(main())
