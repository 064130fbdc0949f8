"""The words of readings: by hash in `heads.db`, with a bounded cache in memory."""

from __future__ import annotations

import threading
from pathlib import Path

from monitor.store.database import Pool

_CACHED = 20_000


class Texts:
    """Looks up texts by their hash."""

    def __init__(self, path: Path, pool: Pool) -> None:
        self._path, self._pool = path, pool
        self._known: dict[int, str] = {}
        self._lock = threading.Lock()

    def get(self, hashed: int) -> str:
        """Return a text, "" where it is no longer known."""
        found = self._known.get(hashed)
        if found is None:
            with self._pool.use(self._path) as db:
                row = db.execute("SELECT text FROM texts WHERE hash = ?", (hashed,)).fetchone()
            if row is None:
                return ""
            found = row[0]
            self.put(hashed, found)
        return found

    def put(self, hashed: int, text: str) -> None:
        """Know a text from now on (it may not be committed yet)."""
        with self._lock:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[hashed] = text
