"""Files of a real host: content, certificates, logs, mounted file systems."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from probes.api import Outcome, Reading
from probes.software._gather import Answer, Gatherer
from probes.software._script import Ask
from tests.probes.software.asking import here, host, probe, same
from tests.probing import run_once, shared_here
from tests.servers.accounts import needs_root
from tests.servers.certificates import Authority
from tests.servers.process import program


async def test_file(tmp_path: Path) -> None:
    path = tmp_path / "a b;$(id)'s"
    path.write_text("one\ntwo error\nthree error\n")
    path.chmod(0o640)
    os.utime(path, (time.time() - 100,) * 2)
    reading = await here("file", path=str(path), sha256=True, pattern="err.r")
    same(reading, exists=1, matches=2, size_bytes=26)
    assert reading.metrics["mtime_age_s"] == pytest.approx(100, abs=3)
    assert reading.facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (reading.facts["mode"], reading.facts["type"]) == ("0640", "regular")
    assert reading.facts["owner"] == pwd.getpwuid(os.getuid()).pw_name
    assert "error" not in repr(reading), "no content is kept"
    assert (await here("file", path=str(path), pattern="err", keep=True)).facts["line"] == "two error"
    reading = await here("file", path=str(path), pattern="err", max_bytes=10)
    assert "matches" not in reading.metrics
    assert reading.facts["not_read"] == "content: larger than 10 bytes"
    (tmp_path / "empty").touch()
    same(await here("file", path=str(tmp_path / "empty"), pattern="x"), matches=0, size_bytes=0)


async def test_links_and_other_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    same(await here("file", path=str(tmp_path / "link")), exists=0)
    reading = await here("file", path=str(tmp_path / "link"), follow=False)
    same(reading, exists=1)
    assert (reading.facts["type"], reading.facts["link"]) == ("symbolic link", "nowhere")
    reading = await here("file", path=str(tmp_path / "fifo"), sha256=True, pattern="x")
    same(reading, exists=1)
    assert "matches" not in reading.metrics
    assert reading.facts["type"] == "fifo"


async def test_a_slow_pattern_is_ours(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a" * 4000 + "!")
    reading = await here("file", path=str(tmp_path / "x"), pattern="(a|a|aa)+$")
    assert reading.kind == "inconclusive"


def pem(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> str:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, how).decode()


async def look(path: Path, key: Path | None = None) -> Reading:
    return await here("certificate", path=str(path), **({"key": str(key)} if key else {}))


async def test_certificate(tmp_path: Path) -> None:
    program("openssl")
    authority = Authority(tmp_path)
    pair, other = authority.issue("hall.example"), authority.issue("other.example")
    certificate = pair.certificate.public_bytes(serialization.Encoding.PEM).decode()
    root = authority.file.read_text()
    chain, wrong, locked = tmp_path / "chain", tmp_path / "wrong", tmp_path / "locked"
    chain.write_text(certificate + root)
    wrong.write_text(root + certificate)
    locked.write_text(pem(pair.key, b"x"))
    both = await look(pair.file, pair.file)
    same(both, exists=1, key_matches=1, certificates=1)
    assert both.metrics["days_left"] == pytest.approx(90, abs=1.1)
    assert "hall.example" in both.facts["names"]
    same(await look(chain, pair.file), chain_ok=1, certificates=2, key_matches=1)
    same(await look(wrong, pair.file), chain_ok=0, key_matches=0)
    same(await look(pair.file, other.file), key_matches=0)
    absent = await look(pair.file, tmp_path / "none")
    same(absent, key_matches=0)
    assert absent.facts["key"] == "absent"
    encrypted = await look(pair.file, locked)
    assert "key_matches" not in encrypted.metrics
    assert "encrypted" in encrypted.facts["not_read"]
    der = tmp_path / "der"
    der.write_bytes(pair.certificate.public_bytes(serialization.Encoding.DER))
    same(await look(der, pair.file), exists=1, certificates=1, key_matches=1)
    none = await look(locked)
    assert (none.outcome, none.kind) == (Outcome.FAILED, "expectation")


async def test_no_key_leaves_the_host(tmp_path: Path) -> None:
    program("openssl")
    pair = Authority(tmp_path).issue("hall.example")
    secret = pem(pair.key).splitlines()[1]
    file = tmp_path / "x.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n" + pem(pair.key) + pair.file.read_text())
    seen: list[bytes] = []

    class Watched(Gatherer):
        async def _answers(self, *args: Any) -> dict[Ask, Answer]:
            answers = await super()._answers(*args)
            seen.extend(answer.part.data for answer in answers.values())
            return answers

    async with shared_here() as shared:
        shared._clients[Gatherer] = Watched(shared)
        await run_once("certificate", "local", shared=shared, path=str(file), key=str(file))
    assert b"-----BEGIN CERTIFICATE-----" in seen[0]
    assert secret.encode() not in seen[0]
    assert b"PRIVATE" not in seen[0]


async def test_log(tmp_path: Path) -> None:
    path, now = tmp_path / "app.log", time.time()

    def line(age: float, text: str) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(now - age)) + text + "\n"

    path.write_text(line(3000, "error old") + line(30, "error new") + line(10, "fine"))
    reading = await here("log", path=str(path), pattern="error")
    same(reading, matches=1, lines=2)
    assert reading.metrics["newest_match_age_s"] == pytest.approx(30, abs=3)
    assert "error" not in repr(reading)
    rotated = tmp_path / "app.log.1"
    shutil.move(path, rotated)
    path.write_text(line(5, "error newest"))
    same(await here("log", path=str(path), pattern="error"), matches=2, lines=3)
    (tmp_path / "app.log.2.gz").touch()
    reading = await here("log", path=str(path), pattern="error")
    assert "matches" not in reading.metrics
    assert "rotated" in reading.facts["not_read"]
    gone = await here("log", path=str(tmp_path / "gone"), pattern="x")
    assert (gone.outcome, gone.kind) == (Outcome.FAILED, "expectation")


@needs_root
async def test_a_log_that_may_have_been_rotated_out_of_sight_counts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text(time.strftime("%Y-%m-%dT%H:%M:%SZ fine\n", time.gmtime()))
    shutil.move(path, tmp_path / "app.log.1")
    path.write_text(time.strftime("%Y-%m-%dT%H:%M:%SZ -- fine\n", time.gmtime()))
    asked = {"path": "/srv/app.log", "pattern": "error"}
    async with host(over={"/srv": tmp_path}) as (shared, server):
        tmp_path.chmod(0o755)
        same(await probe(shared, server, "log", **asked), matches=0, lines=2)
        tmp_path.chmod(0o711)
        hidden = await probe(shared, server, "log", **asked)
    assert hidden.metrics == {}
    assert hidden.facts["not_read"].startswith("matches: ")


async def test_lines_of_a_file_that_begin_like_the_journals_remarks_count(tmp_path: Path) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    (tmp_path / "app.log").write_text(f"{stamp} begins\n-- error\n")
    same(await here("log", path=str(tmp_path / "app.log"), pattern="error"), matches=1, lines=2)


@needs_root
async def test_mount_and_the_space_of_a_small_file_system(tmp_path: Path) -> None:
    small = tmp_path / "small one"
    small.mkdir()
    mounted = await asyncio.create_subprocess_exec(
        "mount", "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs", str(small)
    )
    assert await mounted.wait() == 0
    try:
        reading = await here("mount", path=str(small))
    finally:
        await (await asyncio.create_subprocess_exec("umount", str(small))).wait()
    same(reading, mounted=1, writable=0, size_bytes=2**20)
    assert (reading.facts["source"], reading.facts["fstype"]) == ("tmpfs", "tmpfs")
    same(await here("mount", path=str(small)), mounted=0)
