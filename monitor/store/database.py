"""One SQLite file: a writer thread, pooled read connections, and numbered migrations."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

T = TypeVar("T")

WAL_LIMIT = 64 * 1024 * 1024
"""To how many bytes a write-ahead log is cut back after a checkpoint."""


class SchemaTooNew(RuntimeError):  # noqa: N818 - reads better where it is raised
    """The file was written by a newer Muster."""


def connect(path: Path, *, read_only: bool = False, page_size: int = 4096) -> sqlite3.Connection:
    """Open a database in WAL mode with our settings; transactions are explicit.

    The size of pages counts for a new file only; large ones suit large blobs.
    """
    target = f"file:{quote(str(path))}?mode=ro" if read_only else str(path)
    connection = sqlite3.connect(
        target, uri=read_only, isolation_level=None, check_same_thread=False, timeout=5
    )
    connection.row_factory = sqlite3.Row
    try:
        if not read_only:
            connection.execute(f"PRAGMA page_size={page_size}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def close(connection: sqlite3.Connection) -> None:
    """Close a connection; what closing would write while it holds up all threads is written before."""
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def open_migrated(path: Path, package: str, *, page_size: int = 4096) -> tuple[sqlite3.Connection, int]:
    """Open a database for writing at its newest schema; return that version, too.

    A new one is made under another name and then renamed: readers never meet a file without its tables.
    Raises `SchemaTooNew`.
    """
    if not path.exists():
        unfinished = path.with_name(path.name + ".new")
        for old in (unfinished, *(unfinished.with_name(unfinished.name + s) for s in ("-wal", "-shm"))):
            old.unlink(missing_ok=True)
        made = connect(unfinished, page_size=page_size)
        try:
            migrate(made, package)
        finally:
            made.close()
        unfinished.replace(path)
    connection = connect(path)
    try:
        return connection, migrate(connection, package)
    except BaseException:
        connection.close()
        raise


def _open_read_only(path: Path, package: str) -> tuple[sqlite3.Connection, int]:
    connection = connect(path, read_only=True)
    try:
        return connection, check_version(connection, package)
    except BaseException:
        connection.close()
        raise


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
    """Run the block in one transaction; "DEFERRED" makes a consistent read of several statements."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def migrations(package: str) -> list[tuple[int, str]]:
    """Return the numbered scripts (`0001_name.sql`) of a package, in order."""
    files = [f for f in resources.files(package).iterdir() if f.name.endswith(".sql")]
    return sorted((int(f.name.split("_")[0]), f.read_text("utf-8")) for f in files)


def check_version(connection: sqlite3.Connection, package: str) -> int:
    """Return the file's schema version. Raises `SchemaTooNew` where it is ahead of this program."""
    newest = max((number for number, _ in migrations(package)), default=0)
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        name = Path(connection.execute("PRAGMA database_list").fetchone()[2]).name
        msg = f"{name} has schema version {version}, this Muster knows {newest}: use the newer Muster"
        raise SchemaTooNew(msg)
    return version


def migrate(connection: sqlite3.Connection, package: str) -> int:
    """Bring the schema to the newest version, each step in its own transaction; return that version.

    Raises `SchemaTooNew` where the file is ahead of this program.
    """
    version = check_version(connection, package)
    for number, script in migrations(package):
        if number > version:
            with transaction(connection):
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={number:d}")
            version = number
    return version


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


class Pool:
    """Read-only connections to any number of files, at most `keep` idle ones in all."""

    def __init__(self, keep: int = 16) -> None:
        self._keep = keep
        self._idle: list[tuple[str, sqlite3.Connection]] = []
        self._lock = threading.Lock()
        self.epoch = 0

    def use(self, path: Path) -> Lease:
        """Lend a connection to `path`. Raises `sqlite3.OperationalError` where there is no such file."""
        return Lease(self, path)

    def take(self, name: str) -> sqlite3.Connection | None:
        """Return an idle connection to a file, None where there is none."""
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index][0] == name:
                    return self._idle.pop(index)[1]
        return None

    def give(self, name: str, connection: sqlite3.Connection, epoch: int) -> None:
        """Take back what was lent at an epoch; after a `clear` it is closed."""
        surplus = connection
        with self._lock:
            if epoch == self.epoch:
                self._idle.append((name, connection))
                if len(self._idle) <= self._keep:
                    return
                surplus = self._idle.pop(0)[1]
        surplus.close()

    def clear(self) -> None:
        """Close what is idle now and, when it is given back, what is lent (a file is to be deleted)."""
        with self._lock:
            idle, self._idle = self._idle, []
            self.epoch += 1
        for _, connection in idle:
            connection.close()


class Lease:
    """A connection lent for a `with` block; one that an exception passed through is closed."""

    __slots__ = ("_connection", "_epoch", "_name", "_path", "_pool")

    def __init__(self, pool: Pool, path: Path) -> None:
        self._pool, self._path, self._name = pool, path, str(path)

    def __enter__(self) -> sqlite3.Connection:
        self._epoch = self._pool.epoch
        self._connection = self._pool.take(self._name) or connect(self._path, read_only=True)
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self._pool.give(self._name, self._connection, self._epoch)
        else:
            self._connection.close()


class Database:
    """A database whose writes run one after the other, and whose reads run beside them.

    With `read_only` nothing is created or migrated, and `write` raises `sqlite3.OperationalError`.
    """

    def __init__(
        self,
        path: Path,
        package: str = "monitor.store.migrations.state",
        *,
        read_only: bool = False,
    ):
        self.path = path
        if read_only:
            self._connection, self.version = _open_read_only(path, package)
        else:
            self._connection, self.version = open_migrated(path, package)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"write-{path.stem}")
        self._writing = threading.Lock()
        self._pool = Pool(4)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the writer thread within one transaction, and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self.write_now, work)

    def write_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do the same in the calling thread: for other writers, and for commands without a loop."""
        with self._writing, transaction(self._connection) as connection:
            return work(connection)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on a read-only connection in a thread."""
        return await asyncio.to_thread(self.read_now, work)

    def read_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on a read-only connection in the calling thread."""
        with self._pool.use(self.path) as connection:
            return work(connection)

    def close(self) -> None:
        """Finish what is being written, and close."""
        self._writer.shutdown(wait=True)
        self._pool.clear()
        close(self._connection)
