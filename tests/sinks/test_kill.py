"""Whoever is killed, and whenever: the server has what the store has."""

from __future__ import annotations

from pathlib import Path

from tests.sinks.killing import CHECKS, killed


async def test_nothing_is_lost_or_doubled_when_either_side_is_killed(tmp_path: Path) -> None:
    """Six times here; `python -m benchmarks.influx` does it twenty times."""
    kept, written = await killed(tmp_path, 6, seed=6)
    assert len(kept) > CHECKS
    assert written == kept
