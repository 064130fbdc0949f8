"""The commands, without a daemon and beside one: `muster attest`, `waive`, `sign`, `ledger`."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import muster
from tests.gates.home import CHECKLIST, INVENTORY
from tests.servers.daemon import Daemon, running

RIGHTS = 'checklists = "checklists"\n[[rights]]\nuser = "boss"\nrole = "approver"\n'
DID = ["attest", "attest", "waive.request", "waive.approve", "sign"]


async def for_(person: str, *arguments: str) -> tuple[int, str, str]:
    """Run a command as root does for somebody (sudo says for whom)."""
    process = await asyncio.create_subprocess_exec(
        "env", f"SUDO_USER={person}", "COLUMNS=200", "NO_COLOR=1", sys.executable, "-m", "monitor.cli",
        *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "checklists").mkdir()
    (tmp_path / "checklists" / "hall.yaml").write_text(CHECKLIST.replace("40", "0.00001"), "utf-8")
    (tmp_path / "minutes.txt").write_text("held")
    return tmp_path


async def walk(home: Path) -> None:
    """State, and except, as two people do."""
    config = ("-c", str(home / "muster.toml"))
    file = ("--file", str(home / "minutes.txt"))
    state = ("attest", "state", "hall")
    status, out, err = await for_("li", *state, "drill", "-s", "held", *file, *config)
    assert status == 0, err
    assert "stated as operator: drill of hall holds (1 files)" in out
    status, _, err = await for_("li", *state, "report", "-s", "x", *config)
    assert status == 2
    assert "takes an approver" in err
    await for_("boss", *state, "report", "-s", "level 3", *config)
    why = ("--reason", "r", "--risk", "s", "--compensating-action", "t", "--until", "10d")
    status, out, err = await for_("li", "waive", "request", "hall", "fast", "--asset", "pc1", *why, *config)
    assert (status, out.split()[:1]) == (0, ["w3"]), err
    status, out, err = await for_("boss", "waive", "approve", "w3", *config)
    assert status == 0, err
    assert "w3 of hall, fast is approved by" in out
    assert "approved" in (await muster("waive", "list", *config))[1]
    assert "held" in (await muster("attest", "list", *config))[1]


async def sign(home: Path) -> None:
    """Sign what was looked at; beside a daemon a reading may come in between, and one looks again."""
    config = ("-c", str(home / "muster.toml"))
    record = home / "record.json"
    status, err = 1, ""
    for _ in range(8):
        _, out, _ = await muster("sign", "hall", *config)
        subject = re.findall(r"--subject (\S+)", out)[0]
        signing = ("sign", "hall", "--subject", subject, "-o", str(record))
        status, _, err = await for_("boss", *signing, *config)
        if "no longer what you looked at" not in err:
            break
    assert status == 0, err
    assert "hall is signed as CONDITIONAL by" in err
    await verify(record)
    status, out, err = await muster("ledger", *config)
    assert (status, "whole: 5 entries" in err) == (0, True)
    assert re.findall(r"(\S+)  +hall", out) == DID


async def sign_again(home: Path) -> None:
    """Sign what the unit is now; the incident is over then."""
    config = ("-c", str(home / "muster.toml"))
    _, out, _ = await muster("sign", "hall", *config)
    subject = re.findall(r"--subject (\S+)", out)[0]
    status, _, err = await for_("boss", "sign", "hall", "--subject", subject, *config)
    assert status == 0, err
    for _ in range(50):
        _, out, _ = await muster("incident", "list", *config)
        if "sign-off" not in out:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(out)


async def verify(record: Path) -> None:
    status, out, err = await muster("sign", "--verify", str(record))
    assert (status, err) == (0, "")
    assert "whole: hall is CONDITIONAL at go-live" in out
    changed = json.loads(record.read_text("utf-8"))
    changed["entry"]["actor"] = "somebody"
    record.write_text(json.dumps(changed), "utf-8")
    assert (await muster("sign", "--verify", str(record)))[0] == 3


@pytest.mark.timeout(120)
async def test_without_a_daemon(home: Path) -> None:
    (home / "inventory.yaml").write_text(INVENTORY, "utf-8")
    (home / "muster.toml").write_text(
        f'[daemon]\nstate_dir = "state"\ninventory = "inventory.yaml"\n{RIGHTS}', "utf-8"
    )
    config = ("-c", str(home / "muster.toml"))
    state = ("attest", "state", "hall", "drill", "-s", "x")
    assert (await muster(*state, *config))[0] == 1, "no store yet"
    assert (await muster("check", "hall", *config))[0] == 3
    await walk(home)
    assert (await muster("check", "hall", *config))[0] == 4
    await sign(home)


@pytest.mark.timeout(120)
async def test_beside_a_daemon(home: Path) -> None:
    inventory = INVENTORY.replace("every: 60s", "every: 30s, count: 1, interval: 1s")
    async with running(home, inventory, RIGHTS) as daemon:
        await walk(home)
        assert await verdict(daemon) == "CONDITIONAL"
        await sign(home)
        changed = inventory.replace("every: 30s", "every: 31s")
        (home / "inventory.yaml").write_text(changed, "utf-8")
        told = await incident(home)
        assert (told["root"], told["state"], told["kind"]) == ("hall/~sign-off", "DEGRADED", "drifted")
        await sign_again(home)


async def incident(home: Path) -> dict[str, Any]:
    """Return the open incident of a sign-off, within 40 s."""
    for _ in range(100):
        _, out, _ = await muster("incident", "list", "--format", "json", "-c", str(home / "muster.toml"))
        found: list[dict[str, Any]] = [
            each for each in json.loads(out)["incidents"] if each["root"].endswith("~sign-off")
        ]
        if found:
            return found[0]
        await asyncio.sleep(0.4)
    raise AssertionError("no incident")


async def verdict(daemon: Daemon) -> str:
    """Return the verdict on the board once it is READY or CONDITIONAL, or after 40 s."""
    found = ""
    for _ in range(200):
        units = (await daemon.json("/api/v1/units"))["units"]
        [found] = [each["verdict"] for each in units if each["id"] == "hall"]
        if found in ("READY", "CONDITIONAL"):
            break
        await asyncio.sleep(0.2)
    return found


async def test_a_bad_right_is_told_with_its_place(home: Path) -> None:
    (home / "inventory.yaml").write_text(INVENTORY, "utf-8")
    (home / "muster.toml").write_text('[[rights]]\nuser = "li"\nrole = "king"\n', "utf-8")
    status, _, err = await muster("ledger", "-c", str(home / "muster.toml"))
    assert status == 2
    assert "muster.toml:3" in err
    assert "viewer" in err
