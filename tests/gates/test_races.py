"""What comes of it when things happen at the same moment, or in the middle of one another.

| what | result |
| --- | --- |
| two sign at once | one signature is written, who decided beside it is told to look again |
| two sign through the daemon | they stand in line: the second signs after the first, or is told the same |
| the clock jumps forward between look and sign | what has expired meanwhile counts no more: refused |
| the clock jumps back | signed at the clock's time; with readings over a minute "ahead": refused |
| the checklist changes between look and sign | another digest: refused |
| the checklist changes while units are judged | all of a round are judged by the files it began with |
| a waiver ends during a run | all is judged at one moment: before the end it is covered, after it not |
| killed between sign and store | nothing, or the whole signature with its evidence; the chain holds |
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import sys
from contextlib import closing
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import pytest

from monitor.control.socket import ask
from monitor.gates.counter import written
from monitor.gates.deciding import decide
from monitor.gates.ledger import SIGNED, broken
from monitor.gates.signing import document, wrong_with
from monitor.people.refused import Refused
from monitor.place import place
from monitor.readiness.layered import Layered
from monitor.readiness.verdict import Status, Verdict
from monitor.store.ledger import Overtaken, catch_up
from monitor.workspace import open_workspace
from tests.gates.home import CHECKLIST, Home
from tests.servers.daemon import running

SPAWN = multiprocessing.get_context("spawn")
RIGHTS = """checklists = "checklists"
[[rights]]
user = "boss"
role = "approver"
[[rights]]
user = "chief"
role = "approver"
"""


@pytest.fixture
def ready(home: Home) -> Home:
    home.drilled()
    home.reported()
    return home.measured()


def look(home: Home) -> str:
    return str(home.ask("sign.look")["shown"]["subject"])


def decided(home: Home, actor: str, subject: str) -> Any:
    where = place(home.directory / "muster.toml")
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    request = {"do": "sign", "actor": f"{actor} (unauthenticated)", "unit": "hall", "subject": subject}
    return decide(workspace, Layered(None, home.readings), request, where.settings.rights, home.now)


def sign_at_once(home: Home, actor: str, subject: str, together: Barrier, told: Any) -> None:
    """Decide, wait for the other, then write: the body of a process."""
    found = decided(home, actor, subject)
    together.wait(30)
    with closing(home.database()) as database:
        try:
            database.write_now(lambda connection: written(connection, found))
            told.put((actor, "signed"))
        except Overtaken as error:
            told.put((actor, str(error)))


def test_of_two_processes_that_sign_at_once_one_has_to_look_again(ready: Home) -> None:
    subject, together, told = look(ready), SPAWN.Barrier(2), SPAWN.Queue()
    several = [
        SPAWN.Process(target=sign_at_once, args=(ready, actor, subject, together, told))
        for actor in ("boss", "chief")
    ]
    for process in several:
        process.start()
    found = dict(told.get(timeout=40) for _ in several)
    for process in several:
        process.join(20)
    assert sorted(text == "signed" for text in found.values()) == [False, True]
    assert any("look again" in text for text in found.values())
    assert [each.kind for each in ready.entries()].count(SIGNED) == 1
    assert broken(ready.entries()) == ""


async def told_by(home: Path, actor: str, subject: str) -> tuple[int, str]:
    command = ("-m", "monitor.cli", "sign", "hall", "--subject", subject, "-c", str(home / "muster.toml"))
    process = await asyncio.create_subprocess_exec(
        "env", f"SUDO_USER={actor}", "COLUMNS=200", "NO_COLOR=1", sys.executable, *command,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


STILL = """
version: 1
units:
  - {id: gz, name: Guangzhou bureau, level: municipal, assets: []}
  - id: hall
    name: Tianhe hall
    parent: gz
    level: hall
    assets:
      - id: pc1
        kind: host
        address: 127.0.0.1
        depends_on: []
        checks: [{probe: icmp, every: 1h, count: 1}]
"""
ONE_ITEM = CHECKLIST[: CHECKLIST.index("  - {id: drill")] + CHECKLIST[CHECKLIST.index("  - {id: answers") :]


@pytest.mark.timeout(120)
async def test_of_two_who_sign_through_the_daemon_one_has_to_look_again(tmp_path: Path) -> None:
    """Two processes at its socket; a check an hour, so that no reading comes in between."""
    await asyncio.to_thread((tmp_path / "checklists").mkdir)
    await asyncio.to_thread((tmp_path / "checklists" / "hall.yaml").write_text, ONE_ITEM, "utf-8")
    async with running(tmp_path, STILL, RIGHTS) as daemon:
        subject = ""
        for _ in range(60):
            seen = [answer async for answer in ask(daemon.socket, {"do": "sign.look", "unit": "hall"})]
            if seen and seen[0].get("shown", {}).get("verdict") == "READY":
                subject = seen[0]["shown"]["subject"]
                break
            [_ async for _ in ask(daemon.socket, {"do": "probe", "checks": ["hall/pc1/icmp"]})]
            await asyncio.sleep(0.5)
        assert subject, seen
        found = await asyncio.gather(*(told_by(tmp_path, actor, subject) for actor in ("boss", "chief")))
        texts = [text for _, text in found]
        signed = [text for status, text in found if status == 0]
        assert len(signed) in (1, 2), texts
        if len(signed) == 1:
            assert any("look again" in text for text in texts)
    where = await asyncio.to_thread(place, tmp_path / "muster.toml")
    workspace = await asyncio.to_thread(open_workspace, where)
    await asyncio.to_thread(catch_up, where.state_dir, workspace.standing)
    assert len(workspace.standing.signatures["go-live", "hall"]) == len(signed)


def test_a_clock_that_jumps_forward_takes_what_was_looked_at_away(ready: Home) -> None:
    subject = look(ready)
    ready.now += 3 * 3600
    with pytest.raises(Refused, match="only READY and CONDITIONAL are signed"):
        ready.ask("sign", "boss", subject=subject)
    ready.measured()
    with pytest.raises(Refused, match="no longer what you looked at"):
        ready.ask("sign", "boss", subject=subject)
    ready.ask("sign", "boss", subject=look(ready))


@pytest.mark.parametrize(("back", "signs"), [(20, True), (3600, False)])
def test_a_clock_that_jumps_back_believes_no_reading_of_the_future(
    ready: Home, back: float, signs: bool
) -> None:
    subject = look(ready)
    ready.now -= back
    if signs:
        assert ready.ask("sign", "boss", subject=subject)["entry"]["at"] == ready.now
        assert broken(ready.entries()) == "", "the order is that of the ledger, whatever the clock said"
        return
    with pytest.raises(Refused, match="only READY and CONDITIONAL are signed"):
        ready.ask("sign", "boss", subject=subject)
    assert {row.reason for row in ready.judge().items} == {"inconclusive"}


def test_a_checklist_that_changes_between_look_and_sign_is_looked_at_again(ready: Home) -> None:
    subject = look(ready)
    ready.write("checklists/hall.yaml", CHECKLIST.replace('"<= 40"', '"<= 41"'))
    with pytest.raises(Refused, match="no longer what you looked at"):
        ready.ask("sign", "boss", subject=subject)
    ready.ask("sign", "boss", subject=look(ready))


def test_a_checklist_that_changes_in_mid_run_counts_from_the_next_run_on(ready: Home) -> None:
    where = place(ready.directory / "muster.toml")
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    results = workspace.results(["hall", "gz"], Layered(None, ready.readings), "go-live", ready.now)
    first = next(results)
    ready.write("checklists/hall.yaml", CHECKLIST.replace('"<= 40"', '"<= 4"'))
    list(results)
    [again] = workspace.results(["hall"], Layered(None, ready.readings), "go-live", ready.now)
    assert (again.verdict, again.unit_digest) == (first.verdict, first.unit_digest)
    assert (again.verdict, again.checklists) == (Verdict.READY, first.checklists)
    changed = ready.judge()
    assert changed.verdict is Verdict.NOT_READY
    assert changed.checklists != first.checklists
    assert changed.unit_digest != first.unit_digest


@pytest.mark.parametrize(("left", "status"), [(1, Status.WAIVED), (0, Status.FAIL), (-1, Status.FAIL)])
def test_a_waiver_that_ends_during_a_run_covers_what_is_judged_before_its_end_only(
    ready: Home, left: float, status: Status
) -> None:
    """The run's moment is that of judging, after the probes; all of its units are judged at that one."""
    ready.measured(rtt_ms=90, age=5)
    ready.waive(expires_at=ready.now + 60)
    ready.ask("waive.approve", "boss", waiver="w3")
    where = place(ready.directory / "muster.toml")
    workspace = open_workspace(where)
    catch_up(where.state_dir, workspace.standing)
    moment = ready.now + 60 - left
    judge = workspace.judge(Layered(None, ready.readings), "go-live", moment)
    for _ in range(2):
        [row] = [each for each in judge.unit("hall").items if each.id == "fast"]
        assert row.status is status
        assert (row.waiver is None) is (status is Status.FAIL)
    subject = look(ready)
    ready.now = moment
    if status is Status.WAIVED:
        entry = ready.ask("sign", "boss", subject=subject)["entry"]
        assert [each["id"] for each in entry["body"]["waivers"]] == ["w3"]
    else:
        with pytest.raises(Refused, match="only READY and CONDITIONAL"):
            ready.ask("sign", "boss", subject=subject)


def sign_and_stop(home: Home, subject: str, stage: str, reached: Event) -> None:
    """Sign, and stop at a stage for good: the body of a process that is killed."""
    found = decided(home, "boss", subject)
    if stage == "decided":
        _stop(reached)
    with closing(home.database()) as database:

        def work(connection: Any) -> None:
            written(connection, found)
            if stage == "written":
                _stop(reached)

        database.write_now(work)
        _stop(reached)


def _stop(reached: Event) -> None:
    reached.set()
    signal.pause()


@pytest.mark.parametrize(("stage", "kept"), [("decided", 0), ("written", 0), ("committed", 1)])
def test_killed_between_sign_and_store_it_is_signed_wholly_or_not_at_all(
    ready: Home, stage: str, kept: int
) -> None:
    subject, reached = look(ready), SPAWN.Event()
    process = SPAWN.Process(target=sign_and_stop, args=(ready, subject, stage, reached))
    process.start()
    assert reached.wait(40)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(20)
    entries = ready.entries()
    signed = [each for each in entries if each.kind == SIGNED]
    assert (len(signed), broken(entries)) == (kept, "")
    with closing(ready.database()) as database:
        pinned = database.read_now(lambda c: c.execute("SELECT reference FROM evidence").fetchall())
    assert [row[0] for row in pinned] == [each.digest for each in signed]
    for each in signed:
        assert wrong_with(json.loads(json.dumps(document(each)))) == ""
    ready.ask("sign", "boss", subject=look(ready))
    assert broken(ready.entries()) == "", "and one can go on"
    assert (ready.judge().signoff or {})["states"] == ["signed"]
