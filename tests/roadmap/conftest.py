"""A home of one's own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gates.home import INVENTORY, Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a bureau, and a hall of wave w1 with a go-live date; the clock stands at 24 November 2026."""
    made = Home(tmp_path)
    made.write(
        "inventory.yaml",
        INVENTORY.replace("level: hall\n", "level: hall\n    wave: w1\n    go_live: 2026-12-18\n"),
    )
    made.write("plan.yaml", PLAN)
    settings = (tmp_path / "muster.toml").read_text("utf-8")
    made.write("muster.toml", settings.replace("[daemon]", '[daemon]\nplan = "plan.yaml"'))
    return made


PLAN = """
version: 1
waves:
  w1: {owner: zhao, title: {en: First wave, zh: 第一批}, gates: {rehearsal: 2026-12-10}}
units:
  hall: {owner: li, owners: {install: wang}, gates: {install: 2026-12-01}}
"""
