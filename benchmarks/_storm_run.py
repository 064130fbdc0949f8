"""Runs a storm: the real daemon in a namespace where everything answers, a script of faults, a mailbox."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import sys
import time
import urllib.request
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from benchmarks._storm_scoring import Mail, Runs
from benchmarks._storm_script import WITNESSES, Fault, Restart, Script
from monitor.schedule import SLOT_S
from monitor.store.api import OUTCOME_CODES
from monitor.store.engine import Store
from tests.servers.country import Country, country, end
from tests.servers.smtp import Mailbox, Received

PORT = 8787
TEAM = "duty@muster.example"
READY_S = 60.0
_STATES = re.compile(r'^muster_checks_in_state\{state="(\w+)"\} (\d+)', re.MULTILINE)
_AFFECTED = re.compile(r"^(?:Affected|Still failing) \((\d+)\)", re.MULTILINE)
SETTINGS = """
[daemon]
state_dir = "state"
inventory = "inventory.yaml"
log = "json"
[web]
listen = "127.0.0.1:{port}"
[mail]
host = "127.0.0.1"
port = {smtp}
security = "none"
to = ["{team}"]
[incidents]
hold = "{hold:g} s"
close_after = "{close_after:g} s"
[witnesses]
addresses = ["{one}", "{two}"]
"""


@dataclass
class DatedMailbox(Mailbox):
    """A mailbox that knows when each mail came, seconds since the epoch."""

    times: list[float] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail and note the time."""
        answer = await super().handle_DATA(server, session, envelope)
        self.times += [time.time()] * (len(self.received) - len(self.times))
        return answer


@dataclass(slots=True)
class Record:
    """What came of a storm. `runs` are the regular runs of each check, in seconds of the script."""

    mails: list[Mail]
    runs: dict[str, Runs]
    settled: bool
    """Whether at the end all checks were OK and no incident was open."""
    log: str


@dataclass(slots=True)
class Storm:
    """One storm under way."""

    script: Script
    home: Path
    country: Country
    settings: Path
    say: Callable[[str], None]
    process: asyncio.subprocess.Process | None = None
    began: float = 0.0
    """The script's time 0, seconds since the epoch."""

    async def start(self) -> None:
        """Start the daemon and wait until it is ready. Raises TimeoutError."""
        self.process = await self.country.daemon(self.settings, self.home / "log")
        async with asyncio.timeout(READY_S):
            while await self._get("/readyz") is None:
                if self.process.returncode is not None:
                    raise RuntimeError(f"the daemon ended: {self.log()[-2000:]}")
                await asyncio.sleep(0.1)

    async def _get(self, path: str) -> str | None:
        def get() -> str | None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=20) as answer:
                    return str(answer.read().decode())
            except OSError:
                return None

        return await self.country.namespace.call(get)

    async def states(self) -> dict[str, int]:
        """Return how many checks are in each state."""
        text = await self._get("/metrics") or ""
        return {state: int(count) for state, count in _STATES.findall(text)}

    async def warm(self) -> None:
        """Wait until everything is OK. Raises TimeoutError."""
        async with asyncio.timeout(self.script.warm + READY_S):
            while True:
                states = {state: count for state, count in (await self.states()).items() if count}
                if set(states) == {"OK"}:
                    return
                await asyncio.sleep(0.5)

    async def play(self) -> bool:
        """Let the faults happen at their times; return whether all was over within the script's time.

        One round of checks is waited for after that, for what still comes.
        """
        self.began = time.time()
        for at, what, of in self.script.steps():
            await asyncio.sleep(max(0.0, self.began + at - time.time()))
            self.say(f"{at:6.0f} s  {what}: {of.name if isinstance(of, Fault) else of.number.name}")
            await self._step(what, of)
        while not (settled := await self.settled()) and time.time() < self.began + self.script.end:
            await asyncio.sleep(1.0)
        await asyncio.sleep(self.script.pace.every)
        return settled and await self.settled()

    async def settled(self) -> bool:
        """Tell whether everything is OK, every incident is closed, and no mail waits."""
        states = await self.states()
        fine = bool(states) and all(state == "OK" for state, count in states.items() if count)
        return fine and not await asyncio.to_thread(_unfinished, self.home / "state" / "state.db")

    async def _step(self, what: str, of: Fault | Restart) -> None:
        if isinstance(of, Restart):
            assert self.process is not None
            await end(self.process, of.number)
            await asyncio.sleep(of.down)
            await self.start()
        elif what == "silence":
            await asyncio.to_thread(self.country.silence, of.network)
        else:
            await asyncio.to_thread(self.country.restore, of.network)

    def log(self) -> str:
        """Return what the daemon printed."""
        return (self.home / "log").read_text("utf-8")


async def run(script: Script, home: Path, say: Callable[[str], None] = print) -> Record:
    """Run a storm on files in `home` and return what came of it."""
    mailbox = DatedMailbox()
    async with country() as land, land.smtp(mailbox) as smtp:
        storm = Storm(script, home, land, _write(script, home, smtp.port), say)
        try:
            await storm.start()
            await storm.warm()
            settled = await storm.play()
        finally:
            if storm.process is not None:
                await end(storm.process)
    mails = _mails(home / "state" / "state.db", mailbox, storm.began)
    runs = await asyncio.to_thread(_runs, home / "state", script, storm.began)
    return Record(mails, runs, settled, storm.log())


def _write(script: Script, home: Path, smtp: int) -> Path:
    pace = script.pace
    (home / "inventory.yaml").write_text(script.tree.inventory(pace), "utf-8")
    settings = home / "muster.toml"
    text = SETTINGS.format(
        port=PORT, smtp=smtp, team=TEAM, hold=pace.hold, close_after=pace.close_after,
        one=WITNESSES[0], two=WITNESSES[1],
    )  # fmt: skip
    settings.write_text(text, "utf-8")
    return settings


def _mails(database: Path, mailbox: DatedMailbox, began: float) -> list[Mail]:
    """Return what arrived, with what the daemon's own outbox says of each by its Message-ID."""
    connection = sqlite3.connect(database)
    try:
        known = {
            json.loads(payload)["message_id"]: (thread, notice)
            for thread, notice, payload in connection.execute("SELECT thread, notice, payload FROM outbox")
        }
        roots = dict(connection.execute("SELECT id, root FROM incident"))
        residues = connection.execute(
            "SELECT incident, at, detail FROM incident_history WHERE what = 'residue' ORDER BY at"
        ).fetchall()
    finally:
        connection.close()
    found = []
    for received, at in zip(mailbox.received, mailbox.times, strict=True):
        thread, notice = known.get(received.id, ("", ""))
        incident = int(thread.split(":")[1]) if thread.startswith("incident:") else 0
        named = [detail for of, when, detail in residues if of == incident and when <= at]
        left = tuple(named[-1].split(", ")) if named and notice == "residual" else ()
        found += [
            Mail(at - began, received.id, to, received.mail["Subject"], thread, notice,
                 roots.get(incident, ""), left, _named(received))
            for to in received.recipients
        ]  # fmt: skip
    return found


def _named(received: Received) -> int:
    """Return how many checks a mail in English says are affected, or still failing."""
    body = received.mail.get_body(("plain",))
    found = _AFFECTED.search(body.get_content()) if body else None
    return int(found[1]) if found else 0


def _unfinished(database: Path) -> int:
    """Return how many incidents are open and messages wait."""
    connection = sqlite3.connect(database)
    try:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM incident WHERE closed_at IS NULL)"
            " + (SELECT count(*) FROM outbox WHERE status IN ('queued', 'sending'))"
        )
        count: int = counts.fetchone()[0]
    finally:
        connection.close()
    return count


def _runs(state_dir: Path, script: Script, began: float) -> dict[str, Runs]:
    """Return the measured regular runs of all checks: those at their phase, none that was asked for."""
    reader = Store.read_only(state_dir)
    every, found = script.pace.every, dict[str, Runs]()
    try:
        for check in sorted(reader.checks()):
            phase = zlib.crc32(check.encode()) % round(every / SLOT_S) * SLOT_S
            window = reader.outcomes(check, began - every, began + script.end)
            found[check] = [
                (float(at) - began, bool(outcome == OUTCOME_CODES["failed"]))
                for at, outcome in zip(window.times, window.outcomes, strict=True)
                if outcome <= OUTCOME_CODES["failed"] and _near((at - phase) % every, every)
            ]
    finally:
        reader.close()
    return found


def _near(off: float, every: float) -> bool:
    slack = min(1.0, every / 6)
    return off < slack or off > every - slack


def above(checks: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return the cores' checks above each check."""
    known = set(checks)

    def cores(check: str) -> list[str]:
        unit, _, rest = check.partition("/")
        bureau = [f"{unit[:3]}/core/icmp"] if "h" in unit else []
        host = [f"{unit}/uplink/icmp"] if rest.startswith("pc/") else []
        return [each for each in (*host, *bureau, "p/core/icmp") if each in known and each != check]

    return {check: cores(check) for check in checks}


def tell(text: str) -> None:
    """Say what happens while it does."""
    print(text, file=sys.stderr, flush=True)
