"""The commands and settings in docs/store.md do what it says; its figures are those of the code."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli.main import app
from monitor.settings import load
from monitor.store import catalogue
from monitor.store.engine import Store
from monitor.store.paths import Bounds, Keep
from probes.api import Outcome
from tests.store.making import METRICS, NOON, bad, ok, opened

DOC = (Path(__file__).parents[2] / "docs" / "store.md").read_text("utf-8")
CHECK = "gz-tianhe/uplink/icmp"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """Return each command and what the text shows of its output, in order."""
    found = []
    for block in blocks("console"):
        for part in block.removeprefix("$ ").split("\n$ "):
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def run(command: str, shown: str) -> None:
    words = shlex.split(command)
    assert words[0] == "muster"
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, (command, result.output)
    assert not shown or result.stdout == shown


async def test_the_commands_do_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path / "state") as store:
        store.declare(CHECK, METRICS)
        store.append(ok(CHECK, NOON, rtt_ms=21.5))
        store.append(bad(CHECK, NOON + 60, Outcome.FAILED, "timeout"))
        store.append(ok(CHECK, NOON + 120, rtt_ms=22.5))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    commands = examples()
    assert len(commands) == 8
    for command, shown in commands:
        await asyncio.to_thread(run, command, shown)
    assert (tmp_path / "rtt.csv").read_text("utf-8") == "time,outcome,rtt_ms\n"
    reader = Store.read_only(tmp_path / "restored")
    assert reader.info().samples == 3
    reader.close()


def test_the_settings_shown_are_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "muster.toml"
    file.write_text("\n".join(blocks("toml")), "utf-8")
    assert load(file).retention == load(None).retention


def test_the_figures_are_those_of_the_code() -> None:
    keep, bounds = Keep(), Bounds()
    for words in (
        f"`raw_days`, {keep.raw_days} ", f"`rollup_5m_days`, {keep.rollup_5m_days} ",
        f"`rollup_1h_days`, {keep.rollup_1h_days} ", f"last {bounds.commit_s * 1000:.0f} ms",
        f"more than {bounds.queue_limit:,} readings wait", f"{bounds.text_limit:,} different details",
        f"the last {catalogue.FACT_HISTORY}\n  values", f"{bounds.min_free_bytes >> 20} MiB",
    ):  # fmt: skip
        assert words in DOC, words
