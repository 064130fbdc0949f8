"""file_exchange against OpenSSH's SFTP, ProFTPD and vsftpd: there and back, rights, what is left behind."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from probes._resolve import Address
from probes.api import Context, Outcome, ProbeSettings, Reading
from probes.interface import file_exchange as module
from probes.interface._ftp import Ftp
from probes.interface._sftp import Sftp
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.ftpd import ACCOUNT, Ftpd, needs_root, proftpd, vsftpd
from tests.servers.hostile import endless, garbage, silent, tcp_server
from tests.servers.ports import closed_port
from tests.servers.sshd import Sshd, make_key, sshd

MARKER = "marker-Pa55/w0rd+9"
ROUND: dict[str, Any] = {"mode": "round_trip", "directory": "in"}
ADDRESS = Address("127.0.0.1", "4")
LIMITED = "ForceCommand internal-sftp"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ftpd() -> AsyncIterator[Ftpd]:
    async with proftpd(MARKER) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ssh() -> AsyncIterator[Sshd]:
    async with sshd("Subsystem sftp internal-sftp", LIMITED) as running:
        (running.directory / "in").mkdir()
        (running.directory / "out").mkdir()
        yield running


async def _ftp(
    caplog: pytest.LogCaptureFixture,
    port: int,
    /,
    *,
    password: str = MARKER,
    timeout: float = 8.0,
    **params: Any,
) -> Reading:
    caplog.set_level(logging.DEBUG)
    given = {"protocol": "ftp", "user": ACCOUNT, "password": "secret:pw", **params}
    async with shared_here(secrets={"pw": password}) as shared:
        context = Context(shared, timeout, trace=[])
        reading = await run_once(
            "file_exchange", "127.0.0.1", context=context, shared=shared, timeout=timeout, port=port, **given
        )
    assert password not in f"{reading}{context.trace}{caplog.text}"
    return reading


async def _sftp(server: Sshd, key: str = "", *, timeout: float = 10.0, **params: Any) -> Reading:
    settings = ProbeSettings(known_hosts=server.known_hosts)
    where: dict[str, Any] = {
        name: str(server.directory / params[name]) for name in ("directory", "file") if name in params
    }
    async with shared_here(settings, {"key": key or server.private_key}) as shared:
        context = Context(shared, timeout, trace=[])
        given = {"user": server.user, "key": "secret:key", "port": server.port, **params, **where}
        reading = await run_once(
            "file_exchange", server.host, context=context, shared=shared, timeout=timeout, **given
        )
    assert "PRIVATE KEY" not in f"{reading}{context.trace}"
    return reading


def _went_round(reading: Reading) -> None:
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    trip = sum(reading.metrics[f"{phase}_ms"] for phase in ("put", "list", "get", "delete"))
    assert reading.metrics["round_trip_ms"] == pytest.approx(trip)
    assert 0 < reading.metrics["round_trip_ms"] < 10_000
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in module.PROBE.facts}
    assert "not_told" not in reading.facts


async def test_round_trip_over_sftp(ssh: Sshd) -> None:
    reading = await _sftp(ssh, **ROUND)
    _went_round(reading)
    assert set(reading.phases) == {
        "resolve", "connect", "handshake", "login", "put", "list", "get", "delete",
    }  # fmt: skip
    assert list((ssh.directory / "in").iterdir()) == []


async def test_round_trip_over_ftp(ftpd: Ftpd, caplog: pytest.LogCaptureFixture) -> None:
    reading = await _ftp(caplog, ftpd.port, **ROUND)
    _went_round(reading)
    assert reading.facts["server"].startswith("ProFTPD")
    assert ftpd.left() == []


@needs_root
async def test_round_trip_with_vsftpd(caplog: pytest.LogCaptureFixture, authority: Authority) -> None:
    async with vsftpd(MARKER) as plain:
        _went_round(await _ftp(caplog, plain.port, **ROUND))
        wrong = await _ftp(caplog, plain.port, **ROUND, password="not-" + MARKER)
        unfit = await _ftp(caplog, plain.port, **ROUND | {"directory": "closed"})
        left = plain.left()
    async with vsftpd(MARKER, authority=authority) as secured:
        _went_round(await _ftp(caplog, secured.port, **ROUND, tls="on", ca=str(authority.file)))
        clear = await _ftp(caplog, secured.port, **ROUND)
    assert left == []
    assert (wrong.kind, wrong.detail) == ("auth", "wrong_password: login: 530 Login incorrect.")
    assert unfit.detail.startswith("missing_right: put closed/muster-")
    assert (clear.kind, clear.detail[:12]) == ("expectation", "tls_required")


async def test_ftps(authority: Authority, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    stranger = Authority(tmp_path)
    ca: dict[str, Any] = {"tls": "on", "ca": str(authority.file)}
    async with proftpd(MARKER, authority=authority) as secured:
        good = await _ftp(caplog, secured.port, **ROUND, **ca)
        named = await _ftp(caplog, secured.port, **ROUND, **ca, server_name="localhost")
        other = await _ftp(caplog, secured.port, **ROUND, **ca, server_name="files.example")
        unknown = await _ftp(caplog, secured.port, **ROUND, tls="on", ca=str(stranger.file))
        clear = await _ftp(caplog, secured.port, **ROUND)
        left = secured.left()
    for reading in (good, named):
        _went_round(reading)
        assert reading.metrics["tls_ms"] > 0
    assert [(r.outcome, r.kind) for r in (other, unknown)] == [(Outcome.FAILED, "tls")] * 2
    assert (clear.outcome, clear.kind) == (Outcome.FAILED, "expectation")
    assert clear.detail.startswith("tls_required: login: 550 SSL/TLS required")
    assert left == []


async def test_ftps_from_the_start(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    options = "TLSOptions UseImplicitSSL\n"
    async with proftpd(MARKER, authority=authority, options=options) as secured:
        given: dict[str, Any] = {"tls": "on", "ca": str(authority.file), "implicit": True}
        _went_round(await _ftp(caplog, secured.port, **ROUND, **given))


def test_ftps_on_uvloop(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> Reading:
        async with proftpd(MARKER, authority=authority) as secured:
            return await _ftp(caplog, secured.port, **ROUND, tls="on", ca=str(authority.file))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        _went_round(runner.run(run()))


async def test_tls_that_is_not_offered(ftpd: Ftpd, caplog: pytest.LogCaptureFixture) -> None:
    reading = await _ftp(caplog, ftpd.port, **ROUND, tls="on")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("TLS is not offered: 500")


async def test_logins_that_are_refused(
    ftpd: Ftpd, ssh: Sshd, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    make_key(tmp_path / "other")
    over_ftp = await _ftp(caplog, ftpd.port, **ROUND, password="not-" + MARKER)
    over_sftp = await _sftp(ssh, (tmp_path / "other").read_text(), **ROUND)
    for reading in (over_ftp, over_sftp):
        assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
        assert reading.detail.startswith("wrong_password: ")


async def test_rights_and_directories_that_are_missing(ftpd: Ftpd, caplog: pytest.LogCaptureFixture) -> None:
    closed = await _ftp(caplog, ftpd.port, **ROUND | {"directory": "closed"})
    absent = await _ftp(caplog, ftpd.port, **ROUND | {"directory": "nowhere"})
    async with sshd(f"{LIMITED} -R", "Subsystem sftp internal-sftp") as reads_only:
        (reads_only.directory / "in").mkdir()
        unfit = await _sftp(reads_only, **ROUND)
        nowhere = await _sftp(reads_only, mode="expected", file="nowhere/x.csv")
    for reading in (closed, unfit):
        assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
        assert reading.detail.startswith("missing_right: put ")
    assert (absent.outcome, absent.kind) == (Outcome.FAILED, "expectation")
    assert "No such file or directory" in absent.detail
    assert nowhere.detail.startswith("not_there: no ")


async def test_an_account_without_sftp() -> None:
    async with sshd() as bare:
        reading = await _sftp(bare, **ROUND)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("no_sftp: ")


@pytest.mark.parametrize(
    ("command", "kind"),
    [("/bin/cat /dev/urandom", "protocol"), ("/bin/echo hello", "protocol"), ("/bin/sleep 60", "timeout")],
)
async def test_sftp_that_is_something_else(command: str, kind: str) -> None:
    async with sshd(f"Subsystem sftp {command}") as odd:
        reading = await _sftp(odd, **ROUND, timeout=3.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind), reading
    assert reading.phase == "login"


@needs_root
async def test_a_full_disk(ftpd: Ftpd, ssh: Sshd, caplog: pytest.LogCaptureFixture) -> None:
    for place in (ftpd.home / "in", ssh.directory / "in"):
        mount = ("mount", "-t", "tmpfs", "-o", "size=128k,mode=777", "tmpfs", str(place))
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("no tmpfs can be mounted here")
    try:
        over_ftp = await _ftp(caplog, ftpd.port, **ROUND)
        over_sftp = await _sftp(ssh, **ROUND)
        left = [*(ftpd.home / "in").iterdir(), *(ssh.directory / "in").iterdir()]
    finally:
        for place in (ftpd.home / "in", ssh.directory / "in"):
            subprocess.run(("umount", str(place)), check=True)
    assert (over_ftp.outcome, over_ftp.kind, over_ftp.phase) == (Outcome.FAILED, "expectation", "put")
    said = over_ftp.detail
    assert said.startswith("disk_full: put ") or said.endswith("451 Transfer aborted. Input/output error")
    assert (over_sftp.outcome, over_sftp.kind, over_sftp.phase) == (Outcome.FAILED, "expectation", "put")
    assert "of 1000000 bytes and does not say why" in over_sftp.detail, "nor does OpenSSH"
    assert left == []


async def test_too_many_connections(caplog: pytest.LogCaptureFixture) -> None:
    async with proftpd(MARKER, options="MaxClients 1\n") as small:
        reader, writer = await asyncio.open_connection("127.0.0.1", small.port)
        await reader.readline()
        writer.write(f"USER {ACCOUNT}\r\nPASS {MARKER}\r\n".encode())
        await reader.readline()
        await reader.readline()
        reading = await _ftp(caplog, small.port, **ROUND)
        writer.close()
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("too_many_connections: ")


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def _stuck(monkeypatch: pytest.MonkeyPatch, kind: type) -> asyncio.Event:
    put = asyncio.Event()

    async def names(*_: object) -> None:
        put.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(kind, "names", names)
    return put


async def _broken_off(run: asyncio.Task[Reading], put: asyncio.Event, left: Callable[[], list[str]]) -> None:
    async with asyncio.timeout(10):
        await put.wait()
    assert len(left()) == 1
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run
    assert left() == []


async def test_a_run_that_is_cancelled_leaves_nothing(
    ftpd: Ftpd, ssh: Sshd, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = _stuck(monkeypatch, Ftp)
    await _broken_off(asyncio.create_task(_ftp(caplog, ftpd.port, **ROUND)), put, ftpd.left)
    put = _stuck(monkeypatch, Sftp)
    await _broken_off(asyncio.create_task(_sftp(ssh, **ROUND)), put, lambda: _names(ssh.directory / "in"))


@pytest.mark.parametrize("kind", ["ftp", "vsftpd", "sftp"])
async def test_what_a_killed_monitor_left_is_deleted(
    kind: str, ftpd: Ftpd, ssh: Sshd, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"muster-{letter * 16}" for letter in "abc"]
    async with contextlib.AsyncExitStack() as stack:
        server = ftpd
        if kind == "vsftpd":
            if os.geteuid():
                pytest.skip("a private mount namespace needs root")
            server = await stack.enter_async_context(vsftpd(MARKER))
        place = ssh.directory / "in" if kind == "sftp" else server.home / "in"
        for name, hours in zip((*names, "muster-report", "other"), (2, 50, 0.5, 9, 9), strict=True):
            (place / name).write_text("")
            os.chown(place / name, place.stat().st_uid, -1)
            os.utime(place / name, (time.time() - hours * 3600,) * 2)
        reading = await (_sftp(ssh, **ROUND) if kind == "sftp" else _ftp(caplog, server.port, **ROUND))
        left = _names(place)
        for name in left:
            (place / name).unlink()
    _went_round(reading)
    assert left == sorted([names[2], "muster-report", "other"])


def _greets(data: bytes, *, hold: bool = False) -> Any:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await reader.read(1000 if hold else 1)

    return handle


@pytest.mark.parametrize(
    "handler",
    [
        garbage,
        endless,
        _greets(b"SSH-2.0-x\r\n", hold=True),
        _greets(b"220 hello\r\n"),
        _greets(b"220-a\r\n" * 3000, hold=True),
        _greets(b"220" + b"a" * 200_000, hold=True),
    ],
)
async def test_servers_that_are_something_else(handler: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with tcp_server(handler) as port:
        reading = await _ftp(caplog, port, **ROUND, timeout=3.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol"), reading


async def test_silent_and_absent_servers(caplog: pytest.LogCaptureFixture) -> None:
    async with tcp_server(silent) as port:
        quiet = await _ftp(caplog, port, **ROUND, timeout=0.5)
    with closed_port() as port:
        refused = await _ftp(caplog, port, **ROUND)
    assert (quiet.kind, quiet.phase) == ("timeout", "login")
    assert refused.kind == "refused"


@pytest.mark.parametrize(
    ("answer", "kind", "word"),
    [
        (b"229 Extended ({port})\r\n", "refused", "data connection"),
        (b"229 what\r\n", "protocol", "no valid answer"),
        (b"229 (|||99999999|)\r\n", "protocol", "no valid answer"),
        (b"425 no\r\n", "expectation", "425 no"),
    ],
)
async def test_data_connections_that_fail(
    answer: bytes, kind: str, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closed_port() as closed:
        replies = [b"230 in\r\n", b"200 ok\r\n", answer.replace(b"{port}", f"|||{closed}|".encode())]

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 hello\r\n")
            for reply in replies:
                await reader.readline()
                writer.write(reply)
            await reader.read()

        async with tcp_server(handle) as port:
            reading = await _ftp(caplog, port, **ROUND, timeout=3.0)
    assert (reading.kind, reading.phase) == (kind, "put"), reading
    assert word in reading.detail


async def test_without_the_driver(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("aioftp"):
            raise ImportError(name=name)
        return imported(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "probes.interface._ftp")
    monkeypatch.setattr(builtins, "__import__", without)
    reading = await _ftp(caplog, 1, **ROUND)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")
    assert reading.detail == "aioftp is missing: install muster-monitor[ftp]"
