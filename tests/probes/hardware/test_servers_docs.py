"""What docs/servers.md says is true: its examples are planned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor import plan

PAGE = (Path(__file__).parents[3] / "docs" / "servers.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", blocks("yaml"))
def test_examples_make_jobs_and_expectations(tmp_path: Path, example: str) -> None:
    (tmp_path / "inventory.yaml").write_text(example, "utf-8")
    _, _, made = plan.read(tmp_path / "inventory.yaml", [])
    assert made.jobs
    assert made.expectations
