"""A backup taken under load restores to the same answers; what is not whole is refused."""

from __future__ import annotations

import asyncio
import io
import json
import math
import tarfile
from pathlib import Path

import pytest
import zstandard

from monitor.process.lock import Locked
from monitor.store.api import NoStore
from monitor.store.backup import BadBackup, NotEmpty, backup, restore
from monitor.store.engine import Store
from monitor.store.evidence import StoreReader
from monitor.store.paths import Bounds
from tests.store.making import DAY, METRICS, NOON, ok, opened

CHECKS = [f"u/a/c{n}" for n in range(130)]


async def test_under_load(tmp_path: Path) -> None:
    """The copy holds what was committed when it began; of what came meanwhile it may hold some."""
    directory, archive = tmp_path / "state", tmp_path / "backup.tar.zst"
    written = 0
    async with opened(directory, Bounds(log_kept=0)) as store:
        for check in CHECKS:
            store.declare(check, METRICS)

        async def load() -> None:
            nonlocal written
            while True:
                store.append(
                    ok(CHECKS[written % 130], NOON - DAY + written // 130, {"v": "1"}, rtt_ms=float(written))
                )
                written += 1
                if written % 500 == 0:
                    await store.flush()
                if written % 4000 == 0:
                    await store.compact(today=0)

        task = asyncio.create_task(load())
        while written < 10_000:
            await asyncio.sleep(0.01)
        before = store.committed
        size = await asyncio.to_thread(backup, directory, archive)
        after = written
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert size == archive.stat().st_size
    assert archive.stat().st_mode & 0o077 == 0, "it holds what the state holds"
    names = await asyncio.to_thread(restore, archive, tmp_path / "again")
    assert {"state.db", "heads.db"} < set(names)
    copy = await asyncio.to_thread(Store.open, tmp_path / "again")
    numbers = sorted(int(v) for c in CHECKS for v in copy.window(c, "rtt_ms", 0, math.inf).values)
    assert numbers[:before] == list(range(before)), "all that was committed before, nothing twice"
    assert len(numbers) == len(set(numbers))
    assert numbers[-1] < after
    assert copy.facts(CHECKS[0])["v"].value == "1"
    await copy.aclose()


async def test_restores_to_the_same_answers(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    async with opened(directory) as store:
        for minute in range(100):
            store.append(ok("u/a/c", NOON - DAY + 60 * minute, {"v": str(minute // 40)}, rtt_ms=minute / 3))
            if minute == 60:
                await store.compact(today=NOON // DAY)
        await store.pin("x", [ok("u/a/c", NOON)])
        await store.flush()
        await asyncio.to_thread(backup, directory, tmp_path / "b.tar.zst")
        await asyncio.to_thread(restore, tmp_path / "b.tar.zst", tmp_path / "again")
        copy = Store.read_only(tmp_path / "again")
        for one, other in zip(answers(store), answers(copy), strict=True):
            assert one == other
        copy.close()


def answers(store: StoreReader) -> list[object]:
    window = store.window("u/a/c", "rtt_ms", 0, math.inf)
    return [
        window.times.tolist(), window.values.tolist(), window.outcomes.tolist(), store.latest("u/a/c"),
        store.facts("u/a/c"), store.fact_history("u/a/c", "v"), store.pinned("x"),
        store.series("u/a/c", "rtt_ms", 0, math.inf, "1h"), list(store.checks()), store.info().samples,
    ]  # fmt: skip


async def made(tmp_path: Path) -> Path:
    async with opened(tmp_path / "state") as store:
        store.append(ok("u/a/c", NOON, rtt_ms=1.0))
    archive = tmp_path / "b.tar.zst"
    await asyncio.to_thread(backup, tmp_path / "state", archive)
    return archive


async def test_only_into_an_empty_directory(tmp_path: Path) -> None:
    archive = await made(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious").touch()
    for used in ("state", "other"):
        with pytest.raises(NotEmpty, match="restore into a new directory"):
            restore(archive, tmp_path / used)
    async with opened(tmp_path / "live"):
        with pytest.raises(Locked, match="in use by process"):
            restore(archive, tmp_path / "live")
    assert [p.name for p in (tmp_path / "other").iterdir() if p.name not in ("lock", "store.lock")] == [
        "precious"
    ]


async def test_what_is_not_whole_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    data = (await made(tmp_path)).read_bytes()
    damaged = {
        "cut": data[: len(data) // 2], "changed": data[:100] + b"\x00\x01" + data[102:], "empty": b"",
        "text": b"not a backup at all" * 50,
    }  # fmt: skip
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadBackup, match=name):
            restore(tmp_path / name, tmp_path / "again")
        assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("member", "kind"),
    [("../outside", tarfile.REGTYPE), ("/outside", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)],
)
async def test_nothing_is_written_outside(tmp_path: Path, member: str, kind: bytes) -> None:
    info = tarfile.TarInfo(member)
    info.type, info.linkname = kind, "/etc/passwd"
    (tmp_path / "evil").write_bytes(archive_of([(info, b"")]))
    with pytest.raises(BadBackup, match="does not belong in a backup"):
        restore(tmp_path / "evil", tmp_path / "again")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil"]


async def test_a_file_that_was_swapped_is_noticed(tmp_path: Path) -> None:
    manifest = {"schema": "muster.backup/1", "files": [{"name": "state.db", "bytes": 3, "sha256": "0" * 64}]}
    members = [
        (tarfile.TarInfo("manifest.json"), json.dumps(manifest).encode()),
        (tarfile.TarInfo("state.db"), b"abc"),
    ]
    (tmp_path / "b").write_bytes(archive_of(members))
    with pytest.raises(BadBackup, match=r"state\.db is not what was backed up"):
        restore(tmp_path / "b", tmp_path / "again")
    manifest["schema"] = "muster.backup/9"
    members[0] = (tarfile.TarInfo("manifest.json"), json.dumps(manifest).encode())
    (tmp_path / "b").write_bytes(archive_of(members))
    with pytest.raises(BadBackup, match=r"schema muster\.backup/9"):
        restore(tmp_path / "b", tmp_path / "again")


def archive_of(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return zstandard.ZstdCompressor().compress(raw.getvalue())


async def test_no_store_and_no_overwriting(tmp_path: Path) -> None:
    with pytest.raises(NoStore):
        backup(tmp_path, tmp_path / "b")
    archive = await made(tmp_path)
    with pytest.raises(FileExistsError, match="name another file"):
        backup(tmp_path / "state", archive)
