"""The documentation's example, run as it stands: its files, its commands, its people."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from asyncio import subprocess
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "gates.md").read_text("utf-8")
STATUSES = {"muster check hall": [3, 4]}
"""Exit statuses other than 0, in order."""


def write(home: Path) -> None:
    [settings] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (home / "muster.toml").write_text(settings, "utf-8")
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", TEXT, re.DOTALL):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(text, "utf-8")
    (home / "minutes.pdf").write_bytes(b"%PDF minutes")


@pytest.mark.timeout(120)
async def test_the_example_runs(tmp_path: Path) -> None:
    write(tmp_path)
    [session] = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    subject, said, left = "", [], {command: list(each) for command, each in STATUSES.items()}
    for person, command in re.findall(r"^(\w+)\$ (.*)$", session, re.MULTILINE):
        words = shlex.split(command.replace("SUBJECT", subject))[1:]
        process = await asyncio.create_subprocess_exec(
            "env", f"SUDO_USER={person}", "COLUMNS=200", "NO_COLOR=1", sys.executable, "-m", "monitor.cli",
            *words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        out = (await process.communicate())[0].decode()
        assert process.returncode == (left[command].pop(0) if command in left else 0), out
        subject = next(iter(re.findall(r"--subject (\S+)", out)), subject)
        said.append(out)
    assert "whole: hall is CONDITIONAL at go-live" in said[-2]
    assert "whole: 4 entries" in said[-1]
