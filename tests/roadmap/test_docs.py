"""The documentation's example, run as it stands; its tables say what there is."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from asyncio import subprocess
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "plan.md").read_text("utf-8")


def write(home: Path) -> None:
    [settings] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (home / "muster.toml").write_text(settings, "utf-8")
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", TEXT, re.DOTALL):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(text, "utf-8")


async def said(home: Path, person: str, words: list[str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "env", f"SUDO_USER={person}", "COLUMNS=200", "NO_COLOR=1", sys.executable, "-m", "monitor.cli",
        *words, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    out = (await process.communicate())[0].decode()
    return process.returncode or 0, out


@pytest.mark.timeout(120)
async def test_the_example_runs(tmp_path: Path) -> None:
    write(tmp_path)
    [session] = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    told = []
    for person, command in re.findall(r"^(\w+)\$ (.*)$", session, re.MULTILINE):
        status, out = await said(tmp_path, person, shlex.split(command)[1:])
        assert status == (3 if command.startswith("muster check") else 0), out
        told.append(out)
    assert "1 at risk" in told[1]
    assert "2 open blockers or majors without an owner and a date" in told[1]
    assert "network.fast of hall: wang, by 2030-01-09, 3 working days" in told[2]
    assert "0.5 working days" in told[3]
    assert "1 on track" in told[4]
    assert "2030-01-09" in told[4] and "4 d" in told[4]  # noqa: PT018
    assert "wang (1)" in told[5]
    assert "0 dates and owners changed in plan.yaml" in told[8]
    assert "whole: 3 entries" in told[9]
