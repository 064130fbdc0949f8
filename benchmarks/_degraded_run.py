"""One run of `benchmarks.degraded`: a core and halls behind an emulated link, a daemon, and its mails."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.degradation import Detector, LossDetector
from monitor.store.database import Database
from monitor.store.detectors import DetectorStore
from probes.api import Context, Reading, Target
from probes.measure import measure_within
from probes.registry import get
from tests.probing import shared_here
from tests.servers.link import DEVICE, Link, link, mac
from tests.servers.smtp import Mailbox, SmtpServer

PORT, BASE_MS, PACKETS = 8787, 20.0, 10
WEB = f"http://127.0.0.1:{PORT}"
CORE, NEAR_CORE = "hub/core/icmp", "10.88.1.1"
DAY_S, MINUTE_S = 86_400.0, 60.0
LOOK_S, START_S = 0.25, 60.0
_STATE = re.compile(r"^muster_check_state\{(.*)\} 1$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Case:
    """What is done to the link: RTT added in ms, and the share of packets lost, there and back together."""

    name: str
    added_ms: float = 0.0
    loss: float = 0.0
    past_core: bool = False
    """The core is before the link, and answers as ever."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the daemon is set up, and how long things may take; times in seconds."""

    every: float
    interval: float
    wait: float
    hold: float
    close_after: float
    halls: int = 3
    bursts: int = 60
    """From which the healthy link is learned."""
    healthy: int = 3
    """Samples before anything is done to the link."""
    longest: int = 45
    """Samples until a check is given up, for getting worse and for getting well."""


@dataclass(frozen=True, slots=True)
class Change:
    """When a check got into a state, and how many readings began between the change of the link and that."""

    seconds: float
    samples: int


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail: seconds since the link got worse, and whether it answers another one."""

    seconds: float
    subject: str
    answers: bool

    @property
    def ends(self) -> bool:
        """Whether it tells of an end."""
        return tells_end(self.subject)


def tells_end(subject: str) -> bool:
    """Tell whether a mail with this subject tells of the end of an incident."""
    return "OK again" in subject


@dataclass(slots=True)
class Seen:
    """What was seen of one case; times in seconds since the link got worse, or well again for `served`."""

    case: Case
    healed: float = 0.0
    degraded: dict[str, Change] = field(default_factory=dict)
    served: dict[str, Change] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    incidents: list[dict[str, Any]] = field(default_factory=list)

    @property
    def first_mails(self) -> list[Mail]:
        """Those that tell of something new."""
        return [each for each in self.mails if not each.answers]

    @property
    def end_mails(self) -> list[Mail]:
        """Those that tell of an end."""
        return [each for each in self.mails if each.ends]

    @property
    def told_end(self) -> float | None:
        """Seconds from the healthy link to the last mail, once every incident was closed."""
        ends = self.end_mails
        return ends[-1].seconds - self.healed if self._all_closed() and ends else None

    def _all_closed(self) -> bool:
        return bool(self.incidents) and not any(each["open"] for each in self.incidents)

    def of_core(self) -> int:
        """Return how many checks were in the incident whose root is the core."""
        return max(
            (each["members_total"] for each in self.incidents if each["root"] == "hub/core"), default=0
        )


def addresses(case: Case, pace: Pace) -> dict[str, str]:
    """Return all checks with their addresses, the core's first."""
    found = {CORE: NEAR_CORE if case.past_core else _address(0)}
    return found | {f"h{number}/uplink/icmp": _address(number) for number in range(1, pace.halls + 1)}


def affected(case: Case, pace: Pace) -> set[str]:
    """Return the checks whose way is over the link."""
    return set(addresses(case, pace)) - ({CORE} if case.past_core else set())


def inventory(case: Case, pace: Pace) -> str:
    """Return the inventory: a core, and halls that depend on it."""
    check = (
        f"{{probe: icmp, count: {PACKETS}, interval: {pace.interval:g} s, wait: {pace.wait:g} s,"
        f" every: {pace.every:g} s, timeout: {_timeout(pace):g} s}}"
    )
    lines = ["version: 1", "units:"]
    for name, address in addresses(case, pace).items():
        unit, asset, _ = name.split("/")
        hub = unit == "hub"
        level, parent = ("municipal", "") if hub else ("hall", ", parent: hub")
        role, needs = ("core", "") if hub else ("primary", ", depends_on: [hub/core]")
        lines += [
            f"  - {{id: {unit}, name: {unit}, level: {level}, timezone: Etc/UTC{parent}, assets: [",
            f"      {{id: {asset}, kind: channel, role: {role}, address: {address}{needs},",
            f"       checks: [{check}]}}]}}",
        ]
    return "\n".join(lines) + "\n"


def _timeout(pace: Pace) -> float:
    return (PACKETS - 1) * pace.interval / 0.8 + pace.wait


def _address(number: int) -> str:
    return f"10.88.0.{2 + number}"


def _settings(pace: Pace, smtp_port: int) -> str:
    return (
        '[daemon]\nstate_dir = "state"\ninventory = "inventory.yaml"\nlog = "json"\n'
        f'[incidents]\nhold = "{pace.hold:g} s"\nclose_after = "{pace.close_after:g} s"\n'
        f'[web]\nlisten = "127.0.0.1:{PORT}"\n'
        f'[mail]\nhost = "127.0.0.1"\nport = {smtp_port}\nsecurity = "none"\nto = ["ops@a.example"]\n'
    )


def learned(bursts: Sequence[Reading], end: float, seed: int) -> tuple[bytes, bytes]:
    """Return a latency and a loss detector that saw a reading a minute, drawn from these, for a day."""
    latency, loss, draw = Detector(), LossDetector(), random.Random(seed)
    at = end - DAY_S
    while at < end:
        metrics = draw.choice(bursts).metrics
        latency.update(metrics["rtt_ms"], at)
        loss.update(metrics["loss_pct"] / 100, at, int(metrics["sent"]))
        at += MINUTE_S
    return latency.to_bytes(), loss.to_bytes()


async def healthy_bursts(line: Link, address: str, pace: Pace) -> list[Reading]:
    """Measure the way to an address as it is."""
    params = get("icmp").params.model_validate(
        {"count": PACKETS, "interval": min(pace.interval, 0.02), "wait": 0.3}
    )

    async def work() -> list[Reading]:
        async with shared_here() as shared:
            target = Target(address)
            return [
                await measure_within(get("icmp"), target, params, Context(shared, 2.0))
                for _ in range(pace.bursts)
            ]

    return await line.near.loop(work)


async def save_day(line: Link, state: Path, case: Case, pace: Pace) -> None:
    """Write into the daemon's state what its detectors would have learned the day before."""
    state.mkdir(parents=True)
    known = addresses(case, pace)
    bursts = {each: await healthy_bursts(line, each, pace) for each in {known[CORE], _address(0)}}

    def rows() -> list[tuple[str, str, bytes]]:
        found, now = [], time.time()
        for seed, (check, address) in enumerate(known.items()):
            latency, loss = learned(bursts.get(address, bursts[_address(0)]), now, seed)
            found += [(check, "rtt_ms", latency), (check, "loss_pct", loss)]
        return found

    database = await asyncio.to_thread(Database, state / "state.db")
    try:
        await DetectorStore(database).save(await asyncio.to_thread(rows))
    finally:
        await asyncio.to_thread(database.close)


@dataclass(slots=True)
class Lab:
    """A link with a running daemon on its near side, and what its board and its mailbox show."""

    line: Link
    affected: set[str]
    checks: int
    mailbox: Mailbox
    process: asyncio.subprocess.Process
    log: Path
    tell: Callable[[str], None]
    arrived: list[float] = field(default_factory=list)
    changed: list[tuple[float, str, str]] = field(default_factory=list)
    """When a check was first seen in a state, by the wall clock."""
    states: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str) -> str:
        """Return a page of the board."""

        def read() -> str:
            with urllib.request.urlopen(WEB + path, timeout=10) as answer:
                text: str = answer.read().decode()
                return text

        return await self.line.near.call(read)

    async def look(self) -> None:
        """Note what changed since the last look."""
        await asyncio.sleep(LOOK_S)
        if self.process.returncode is not None:
            raise RuntimeError(f"the daemon ended:\n{self.log.read_text('utf-8')[-4000:]}")
        for got in self.mailbox.received[len(self.arrived) :]:
            self.arrived.append(time.time())
            self.tell(str(got.mail["Subject"]))
        try:
            text = await self.get("/metrics")
        except OSError:
            return
        now = time.time()
        for found in _STATE.finditer(text):
            labels = dict(_LABEL.findall(found[1]))
            check = f"{labels['unit']}/{labels['asset']}/{labels['check']}"
            if self.states.get(check) != labels["state"]:
                self.states[check] = labels["state"]
                self.changed.append((now, check, labels["state"]))
                self.tell(f"{check} {labels['state']}")

    async def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Look until something holds; return whether it did in time."""
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                return False
            await self.look()
        return True

    def all_in(self, state: str) -> bool:
        """Tell whether all checks are known, and those affected are in a state."""
        return len(self.states) == self.checks and all(self.states[each] == state for each in self.affected)

    async def changes(self, state: str, start: float) -> dict[str, Change]:
        """Return for each check when it first was in a state after `start`."""
        found: dict[str, Change] = {}
        for at, check, into in self.changed:
            if into == state and at >= start and check not in found:
                page = f"/api/v1/checks/{check}/series?metric=sent&step=raw&from={start:.3f}&to={at:.3f}"
                points = json.loads(await self.get(page))["points"]
                found[check] = Change(at - start, len(points))
        return found

    async def incidents(self) -> list[dict[str, Any]]:
        """Return all incidents with their members, the oldest first."""
        heads = json.loads(await self.get("/api/v1/incidents?state=all"))["incidents"]
        return [json.loads(await self.get(f"/api/v1/incidents/{head['id']}")) for head in reversed(heads)]

    def unended(self) -> bool:
        """Tell whether there are fewer mails of an end than of something new."""
        mails = [each.mail for each in self.mailbox.received]
        ends = sum(tells_end(str(each["Subject"])) for each in mails)
        return ends < sum(not each["In-Reply-To"] for each in mails)


@asynccontextmanager
async def lab(case: Case, pace: Pace, home: Path, tell: Callable[[str], None]) -> AsyncIterator[Lab]:
    """Make the link, learn it, and run a daemon and a mail server on its near side."""
    async with link(rtt_ms=BASE_MS) as line:
        await asyncio.to_thread(_prepare, line, pace)
        await save_day(line, home / "state", case, pace)
        smtp = SmtpServer(Mailbox())
        await line.near.loop(smtp.start)
        (home / "inventory.yaml").write_text(inventory(case, pace), "utf-8")
        settings, log = home / "muster.toml", home / "log"
        settings.write_text(_settings(pace, smtp.port), "utf-8")
        command = line.near.command(sys.executable, "-m", "monitor.cli", "run", "-c", str(settings))
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out)
        try:
            yield Lab(
                line, affected(case, pace), len(addresses(case, pace)), smtp.mailbox, process, log, tell
            )
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            await smtp.stop()


def _prepare(line: Link, pace: Pace) -> None:
    more = [_address(number) for number in range(1, pace.halls + 1)]
    line.near.ip(f"addr add {NEAR_CORE}/32 dev lo")
    line.far.ip(*(f"addr add {each}/24 dev {DEVICE}" for each in more))
    line.near.ip(*(f"neigh replace {each} lladdr {mac(1)} dev {DEVICE} nud permanent" for each in more))


async def run(case: Case, pace: Pace, home: Path, tell: Callable[[str], None] = lambda _text: None) -> Seen:
    """Run one case from the healthy link to the mail of the end. Raises RuntimeError where it can't begin.

    `tell` hears of mails and changes of states as they come.
    """
    async with lab(case, pace, home, tell) as here:
        if not await here.until(lambda: here.all_in("OK"), START_S + 2 * pace.every):
            raise RuntimeError(f"not all checks became OK: {here.states}")
        await here.until(lambda: False, pace.healthy * pace.every)
        seen, began = Seen(case), time.time()
        tell("the link gets worse")
        here.line.set(rtt_ms=BASE_MS + case.added_ms)
        here.line.set("up", loss=case.loss)
        await here.until(lambda: here.all_in("DEGRADED"), pace.longest * pace.every)
        await here.until(lambda: False, pace.hold + min(pace.hold, 5) + 2 * pace.every + 2)
        seen.degraded = await here.changes("DEGRADED", began)
        healed = time.time()
        tell("the link is well again")
        here.line.set(rtt_ms=BASE_MS, loss=0.0)
        seen.healed = healed - began
        await here.until(lambda: here.all_in("OK"), pace.longest * pace.every)
        seen.served = await here.changes("OK", healed)
        await here.until(lambda: not here.unended(), pace.close_after + 30)
        seen.incidents = await here.incidents()
        seen.mails = [
            Mail(at - began, str(got.mail["Subject"]), bool(got.mail["In-Reply-To"]))
            for at, got in zip(here.arrived, here.mailbox.received, strict=False)
        ]
        return seen
