"""Where a store keeps what, and what the settings allow it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


def free_bytes(path: Path) -> int:
    """Return how many bytes an ordinary user can still write there."""
    return shutil.disk_usage(path).free


class Retention(Protocol):
    """How many days are kept, counted from the end of what a file holds."""

    @property
    def raw_days(self) -> int:
        """Of raw samples."""

    @property
    def rollup_5m_days(self) -> int:
        """Of 5-minute rollups."""

    @property
    def rollup_1h_days(self) -> int:
        """Of hourly rollups."""


@dataclass(frozen=True, slots=True)
class Keep:
    """The retention unless told otherwise."""

    raw_days: int = 14
    rollup_5m_days: int = 90
    rollup_1h_days: int = 1096


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a store may take."""

    commit_s: float = 0.25
    queue_limit: int = 200_000
    """Readings that may wait for a commit; more are dropped and counted."""
    log_kept: int = 2400
    """Commits (of 250 ms) that stay in order for the sinks after they are settled: ten minutes."""
    text_limit: int = 200_000
    """Different details kept a day; more are cut to their kind."""
    min_free_bytes: int = 512 * 1024 * 1024
    """With less, samples stop; state goes on."""
    free: Callable[[Path], int] = free_bytes


@dataclass(frozen=True, slots=True)
class Paths:
    """The files of a state directory."""

    root: Path

    @property
    def state(self) -> Path:
        """Checks, facts, evidence, and what other parts of the monitor keep."""
        return self.root / "state.db"

    @property
    def heads(self) -> Path:
        """Readings that are not rolled yet."""
        return self.root / "heads.db"

    @property
    def samples(self) -> Path:
        """A file a day."""
        return self.root / "samples"

    @property
    def rollups(self) -> Path:
        """A file a month of 5-minute buckets, a file a year of hourly ones."""
        return self.root / "rollups"

    def make(self) -> None:
        """Make the directories."""
        for folder in (self.root, self.samples, self.rollups):
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)

    def files(self) -> list[Path]:
        """Return the databases there are, in the order in which a copy of them is consistent.

        A reading moves from the heads to its day, and names what is in the state: so the heads come first.
        """
        found = [
            self.heads,
            *sorted(self.samples.glob("*.db")),
            *sorted(self.rollups.glob("*.db")),
            self.state,
        ]
        return [path for path in found if path.exists()]
