"""The words of readings: by hash in `heads.db`, with a bounded cache in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from monitor.store.database import Pool

_CACHED = 10_000


class Texts:
    """Looks up texts by their hash."""

    def __init__(self, path: Path, pool: Pool) -> None:
        self._path, self._pool = path, pool
        self._known: dict[int, str] = {}
        self._fresh: dict[int, str] = {}
        self._lock = threading.Lock()

    def get(self, hashed: int) -> str:
        """Return a text, "" where it is no longer known."""
        found = self._known.get(hashed) or self._fresh.get(hashed)
        if found is None:
            with self._pool.use(self._path) as db:
                row = db.execute("SELECT text FROM texts WHERE hash = ?", (hashed,)).fetchone()
            if row is None:
                return ""
            found = str(row[0])
            self._keep(hashed, found)
        return found

    def put(self, hashed: int, text: str) -> None:
        """Know a text that is not in the file yet."""
        self._fresh[hashed] = text

    def written(self, hashes: Iterable[int]) -> None:
        """Take note that texts can be found in the file from now on."""
        for hashed in hashes:
            self._fresh.pop(hashed, None)

    def _keep(self, hashed: int, text: str) -> None:
        with self._lock:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[hashed] = text
