"""One SQLite file: a writer thread, read connections, and numbered migrations."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class SchemaTooNew(RuntimeError):  # noqa: N818 - reads better where it is raised
    """The file was written by a newer Muster."""


def connect(path: Path, *, synchronous: str = "FULL", read_only: bool = False) -> sqlite3.Connection:
    """Open a database in WAL mode with our settings; transactions are explicit."""
    target = f"file:{path}?mode=ro" if read_only else str(path)
    connection = sqlite3.connect(
        target, uri=read_only, isolation_level=None, check_same_thread=False, timeout=5
    )
    connection.row_factory = sqlite3.Row
    if not read_only:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Run the block in one immediate transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def migrations(package: str) -> list[tuple[int, str]]:
    """Return the numbered scripts (`0001_name.sql`) of a package, in order."""
    files = [f for f in resources.files(package).iterdir() if f.name.endswith(".sql")]
    return sorted((int(f.name.split("_")[0]), f.read_text("utf-8")) for f in files)


def migrate(connection: sqlite3.Connection, package: str) -> int:
    """Bring the schema to the newest version, each step in its own transaction; return that version.

    Raises `SchemaTooNew` where the file is ahead of this program.
    """
    steps = migrations(package)
    newest = steps[-1][0] if steps else 0
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        msg = f"the store's schema is version {version}, this Muster knows {newest}: use the newer Muster"
        raise SchemaTooNew(msg)
    for number, script in steps:
        if number > version:
            with transaction(connection):
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={number:d}")
    return newest


def _statements(script: str) -> Iterator[str]:
    """Split a script at complete statements (executescript would commit in between)."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending


class Database:
    """A database whose writes run one after the other in one thread, and whose reads run beside them."""

    def __init__(
        self, path: Path, package: str = "monitor.store.migrations.state", *, synchronous: str = "FULL"
    ):
        self.path = path
        self._connection = connect(path, synchronous=synchronous)
        self.version = migrate(self._connection, package)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"write-{path.stem}")
        self._readers = threading.local()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the writer thread within one transaction, and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self.write_now, work)

    def write_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do the same in the calling thread: for the writer itself, and for commands without a loop."""
        with transaction(self._connection) as connection:
            return work(connection)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on a read-only connection in a thread."""
        return await asyncio.to_thread(self.read_now, work)

    def read_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on the calling thread's read-only connection."""
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = self._readers.connection = connect(self.path, read_only=True)
        return work(connection)

    def close(self) -> None:
        """Finish what is being written, and close."""
        self._writer.shutdown(wait=True)
        self._connection.close()
