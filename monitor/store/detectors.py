"""The detectors of degradation, kept over restarts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.store.database import Database


@dataclass(frozen=True, slots=True)
class DetectorStore:
    """The table behind `monitor.noticing.Noticing`."""

    database: Database

    async def load(self) -> Mapping[tuple[str, str], bytes]:
        """Return what was saved, by check and metric."""
        rows = await self.database.read(
            lambda c: c.execute('SELECT "check", metric, data FROM detector').fetchall()
        )
        return {(row[0], row[1]): row[2] for row in rows}

    async def save(self, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """Save detectors."""
        await self.database.write(
            lambda c: c.executemany("INSERT OR REPLACE INTO detector VALUES (?, ?, ?)", rows)
        )

    async def keep_only(self, checks: frozenset[str]) -> None:
        """Forget those of other checks."""
        known = await self.database.read(lambda c: c.execute('SELECT "check" FROM detector').fetchall())
        gone = {(row[0],) for row in known} - {(check,) for check in checks}
        if gone:
            await self.database.write(
                lambda c: c.executemany('DELETE FROM detector WHERE "check" = ?', sorted(gone))
            )
