"""A copy of a store in one file, taken while the daemon runs, and a store made of it again.

The archive is a zstd-compressed tar: `manifest.json` first (schema `muster.backup/1`, the version of the
program, the time, each file's size and SHA-256), then the databases, each copied by SQLite's backup API in
one read transaction, in the order in which the copies together are consistent (see `Paths.files`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import zstandard

from monitor.process.lock import StateLock
from monitor.store.api import NoStore
from monitor.store.database import connect
from monitor.store.paths import Paths

SCHEMA = "muster.backup/1"
MANIFEST = "manifest.json"
_BLOCK = 1 << 20


class BadBackup(RuntimeError):  # noqa: N818 - reads better where it is raised
    """The file is no backup, or not whole."""


class NotEmpty(RuntimeError):  # noqa: N818 - reads better where it is raised
    """The directory to restore into holds something."""


def backup(state_dir: Path, file: Path) -> int:
    """Write a backup of a store; return the archive's bytes. The file appears only when it is whole.

    Raises `NoStore`, and FileExistsError rather than replace a file.
    """
    paths = Paths(state_dir)
    if not paths.state.exists():
        msg = f"there is no store in {state_dir}"
        raise NoStore(msg)
    if file.exists():
        msg = f"{file} exists: name another file"
        raise FileExistsError(msg)
    with tempfile.TemporaryDirectory(prefix=".muster-backup-", dir=file.resolve().parent) as folder:
        copies = _copy_all(paths, Path(folder) / "copy")
        archive = Path(folder) / "archive"
        _pack(archive, Path(folder) / "copy", copies)
        archive.replace(file)
    return file.stat().st_size


def restore(file: Path, state_dir: Path) -> list[str]:
    """Make a store of a backup in an empty or new directory; return the files' names.

    Raises `BadBackup`, `NotEmpty`, and `monitor.process.lock.Locked` where a daemon runs there.
    """
    made = not state_dir.exists()
    lock = StateLock(state_dir, "store.lock")
    lock.take()
    try:
        _refuse_if_used(state_dir)
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=state_dir) as folder:
            names = _unpack(file, Path(folder))
            _put_in_place(Path(folder), state_dir, names)
    finally:
        lock.release()
        if made and not _held(state_dir):
            shutil.rmtree(state_dir, ignore_errors=True)
    return names


def _refuse_if_used(state_dir: Path) -> None:
    daemon = StateLock(state_dir)
    daemon.take()
    daemon.release()
    if held := _held(state_dir):
        msg = f"{state_dir} is not empty (it holds {held[0]}): restore into a new directory"
        raise NotEmpty(msg)


def _held(state_dir: Path) -> list[str]:
    return sorted(p.name for p in state_dir.iterdir() if p.name not in ("lock", "store.lock"))


def _copy_all(paths: Paths, folder: Path) -> list[str]:
    names = []
    for path in paths.files():
        name = path.relative_to(paths.root).as_posix()
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            _copy(path, target)
            names.append(name)
    return names


def _copy(path: Path, target: Path) -> None:
    """Copy one database as of one moment. Raises FileNotFoundError where retention has just deleted it."""
    try:
        source = connect(path, read_only=True)
    except sqlite3.OperationalError:
        if path.exists():
            raise
        raise FileNotFoundError(path) from None
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()
        source.close()


def _pack(archive: Path, folder: Path, names: list[str]) -> None:
    files = [{"name": n, "bytes": (folder / n).stat().st_size, "sha256": _sha256(folder / n)} for n in names]
    manifest = {
        "schema": SCHEMA, "version": version("muster-monitor"), "made_at": datetime.now(UTC).isoformat(),
        "files": files,
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    archive.touch(mode=0o600)
    with _writing(archive) as tar:
        for name in (MANIFEST, *names):
            tar.add(folder / name, name)


@contextmanager
def _writing(archive: Path) -> Iterator[tarfile.TarFile]:
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    with (
        archive.open("wb") as raw,
        compressor.stream_writer(raw) as out,
        tarfile.open(fileobj=out, mode="w|") as tar,
    ):
        yield tar


def _unpack(file: Path, folder: Path) -> list[str]:
    """Unpack an archive and check every file; return their names. Raises `BadBackup`."""
    try:
        with _reading(file) as tar:
            for member in tar:
                _take(tar, member, folder)
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        listed = {str(f["name"]): str(f["sha256"]) for f in manifest["files"]}
        schema = manifest["schema"]
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError, zstandard.ZstdError) as error:
        msg = f"{file} is not a whole backup: {error}"
        raise BadBackup(msg) from error
    if schema != SCHEMA:
        msg = f"{file} has schema {schema}, this Muster knows {SCHEMA}"
        raise BadBackup(msg)
    for name, digest in listed.items():
        _verify(file, folder / name, digest)
    return sorted(listed)


@contextmanager
def _reading(file: Path) -> Iterator[tarfile.TarFile]:
    with (
        file.open("rb") as raw,
        zstandard.ZstdDecompressor().stream_reader(raw) as source,
        tarfile.open(fileobj=source, mode="r|") as tar,
    ):
        yield tar


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Unpack one file; only what a backup holds: plain files, at most one directory deep."""
    path = PurePosixPath(member.name)
    if not member.isfile() or len(path.parts) > 2 or path.is_absolute() or ".." in path.parts:
        msg = f"{member.name} does not belong in a backup"
        raise ValueError(msg)
    source = tar.extractfile(member)
    target = folder / path
    target.parent.mkdir(exist_ok=True)
    with target.open("wb") as out:
        if source is not None:
            shutil.copyfileobj(source, out, _BLOCK)


def _verify(file: Path, path: Path, digest: str) -> None:
    if not path.is_file() or _sha256(path) != digest:
        msg = f"{file} is damaged: {path.name} is not what was backed up"
        raise BadBackup(msg)
    db = sqlite3.connect(path)
    try:
        found = db.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    finally:
        db.close()
    if found != "ok":
        msg = f"{file} is damaged: {path.name}: {found}"
        raise BadBackup(msg)


def _put_in_place(folder: Path, state_dir: Path, names: list[str]) -> None:
    """Move the files; the state, without which nothing opens, last."""
    Paths(state_dir).make()
    for name in sorted(names, key=lambda n: n == "state.db"):
        (folder / name).replace(state_dir / name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
