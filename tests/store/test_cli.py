"""The commands on the data."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from monitor.cli import store as commands
from probes.api import Outcome
from tests.store.making import METRICS, NOON, bad, ok, opened

app = typer.Typer()
app.add_typer(commands.app, name="store")
app.command("backup")(commands.backup)
app.command("restore")(commands.restore)
runner = CliRunner()


async def run(*arguments: object) -> Result:
    """Run a command in a thread, beside the loop."""
    words = [str(a) for a in arguments]
    return await asyncio.to_thread(runner.invoke, app, words)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


async def filled(directory: Path) -> None:
    async with opened(directory) as store:
        store.declare("u/a/c", METRICS)
        store.append(ok("u/a/c", NOON, rtt_ms=58.3))
        store.append(bad("u/a/c", NOON + 60, Outcome.FAILED, "timeout"))
        store.append(ok("u/a/c", NOON + 86_400.5, rtt_ms=20.0))
        await store.compact(today=NOON // 86_400 + 1)


async def test_info(tmp_path: Path) -> None:
    await filled(tmp_path / "state")
    shown = await run("store", "info", "--state-dir", tmp_path / "state")
    assert shown.exit_code == 0
    lines = {line[:14].strip(): line[14:].strip() for line in shown.stdout.splitlines()}
    assert lines["checks"] == "1"
    assert lines["readings"] == "3"
    assert lines["oldest"] == "2026-09-05T12:00:00.000Z"
    assert lines["newest"] == "2026-09-06T12:00:00.500Z"
    assert lines["days"] == "2 (2026-09-05 to 2026-09-06)"
    data = json.loads(
        (await run("store", "info", "--state-dir", tmp_path / "state", "--format", "json")).stdout
    )
    assert (data["checks"], data["samples"], data["days"]) == (1, 3, ["2026-09-05", "2026-09-06"])


CSV = """time,outcome,rtt_ms
2026-09-05T12:00:00.000Z,ok,58.3
2026-09-05T12:01:00.000Z,failed,
2026-09-06T12:00:00.500Z,ok,20.0
"""


async def test_export(tmp_path: Path) -> None:
    await filled(tmp_path / "state")
    options = ("--state-dir", tmp_path / "state", "--check", "u/a/c", "--metric", "rtt_ms")
    shown = await run("store", "export", *options, "--from", "2026-09-01")
    assert shown.stdout == CSV
    file = tmp_path / "out.csv"
    shown = await run("store", "export", *options, "--from", "2026-09-05T20:00:00+08:00", "-o", file)
    assert (shown.stdout, file.read_text("utf-8")) == ("", CSV)
    shown = await run("store", "export", *options, "--from", "2026-09-05T12:01", "--to", "2026-09-06")
    assert shown.stdout.splitlines()[1:] == ["2026-09-05T12:01:00.000Z,failed,"]


KNOWN = ("--check", "u/a/c", "--metric", "rtt_ms")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--check", "u/a/d", "--metric", "rtt_ms"), "no check u/a/d is stored"),
        (("--check", "u/a/c", "--metric", "rtt"), "u/a/c reports no rtt"),
        ((*KNOWN, "--from", "yesterday"), "--from yesterday: write 2027-01-15"),
        ((*KNOWN, "--from", "1h", "--to", "2h"), "is not before --to 2h"),
    ],
)
async def test_bad_use(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    await filled(tmp_path / "state")
    shown = await run("store", "export", "--state-dir", tmp_path / "state", *arguments)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert message in shown.stderr


async def test_no_store(tmp_path: Path) -> None:
    for command in (("store", "info"), ("backup", tmp_path / "b.tar.zst")):
        shown = await run(*command, "--state-dir", tmp_path / "none")
        assert shown.exit_code == 1
        assert "there is no store in" in shown.stderr
    assert not (tmp_path / "none").exists()


async def test_backup_and_restore(tmp_path: Path) -> None:
    await filled(tmp_path / "state")
    archive = tmp_path / "b.tar.zst"
    assert (await run("backup", archive, "--state-dir", tmp_path / "state")).exit_code == 0
    assert (await run("backup", archive, "--state-dir", tmp_path / "state")).exit_code == 2
    shown = await run("restore", archive, "--state-dir", tmp_path / "again")
    assert shown.exit_code == 0
    assert "restored and checked" in shown.stdout
    shown = await run("restore", archive, "--state-dir", tmp_path / "again")
    assert shown.exit_code == 2
    assert "not empty" in shown.stderr
    options = ("--check", "u/a/c", "--metric", "rtt_ms", "--from", "2026-09-01")
    assert (await run("store", "export", "--state-dir", tmp_path / "again", *options)).stdout == CSV
    (tmp_path / "bad").write_bytes(b"no archive")
    shown = await run("restore", tmp_path / "bad", "--state-dir", tmp_path / "third")
    assert shown.exit_code == 1
    assert "is not a whole backup" in shown.stderr.replace("\n", " ")
