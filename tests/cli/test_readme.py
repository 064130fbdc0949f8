"""What the README says is so: its commands work, and its recording is what the demonstration prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.cli.running import muster

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def block(after: str, language: str) -> str:
    """Return the first code block of a language behind a heading."""
    found = re.search(rf"{re.escape(after)}.*?```{language}\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no {language} block after {after}"
    return found[1]


def rows(text: str) -> list[str]:
    """Return the first words of every row with a sign: cells wrap as this machine's figures are long."""
    return [" ".join(line.split()[:4]) for line in text.splitlines() if line.strip()[:1] in tuple("✔✖?◐⋯")]


async def test_the_commands_for_ones_own_units(tmp_path: Path) -> None:
    statuses = {}
    for line in block("## Your own units in five minutes", "sh").splitlines():
        words = shlex.split(line, comments=True)
        if words[0] != "muster" or words[1] == "run":  # the daemon has tests of its own
            continue
        words = [each.replace("here", str(tmp_path / "here"), 1) for each in words]
        extra = [] if words[1] in ("init", "inventory") else ["--state-dir", str(tmp_path / "state")]
        status, out, err = await muster(*words[1:], *extra)
        assert "bug in Muster" not in err, err
        assert out
        statuses[words[1]] = status
    assert statuses["init"] == statuses["inventory"] == 0
    assert statuses["check"] in (0, 3, 4, 5)


async def test_the_recording() -> None:
    recorded = rows(block("## See it on this machine", "text"))
    status, out, _ = await muster("demo", "--once")
    assert status == 3
    assert len(recorded) > 10
    printed = rows(out)
    assert [row for row in recorded if row not in printed] == []
