"""The probes on a real host: by an ordinary account over SSH, with the sudoers lines of the documentation."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from probes.api import Outcome, ProbeSettings, Reading
from probes.software._gather import Gatherer
from tests.probes.software.asking import commands, here, host, probe, same
from tests.probing import run_once, shared_here
from tests.servers.accounts import ACCOUNT, HASH, UID, needs_root
from tests.servers.chronyd import chronyd
from tests.servers.process import program

ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "package": ("package", {"packages": ["openssh-server", "no-such-package"]}),
    "passwd": ("file", {"path": "/etc/passwd", "sha256": True, "pattern": f"^{ACCOUNT}:"}),
    "absent": ("file", {"path": "/no/such/file"}),
    "shadow": ("file", {"path": "/etc/shadow", "sha256": True, "pattern": "x"}),
    "hidden": ("file", {"path": "/root/x"}),
    "service": ("service", {"service": "ssh"}),
    "by process": ("service", {"service": "no-such-service", "process": "sshd"}),
    "port": ("port", {"port": 1, "allowed": []}),
    "process": ("process", {"name": "sshd"}),
    "nobody": ("process", {"pattern": "no such [p]rocess"}),
    "sysctl": ("sysctl", {"values": {"kernel.ostype": "Linux", "no.such": 1}}),
    "limits": ("limits", {"user": ACCOUNT, "at_least": {"nofile": 16}}),
    "mount": ("mount", {"path": "/proc"}),
    "own": ("user", {"user": ACCOUNT}),
    "root": ("user", {"user": "root"}),
    "certificate": ("certificate", {"path": "/no/such/file"}),
    "cron": ("cron", {"pattern": "no such entry"}),
    "clock": ("time_sync", {}),
    "group": ("group", {"group": ACCOUNT}),
    "loopback": ("interface", {"interface": "lo"}),
    "system": ("os_release", {}),
    "log": ("log", {"path": "/var/log/dpkg.log", "pattern": "x"}),
}


@needs_root
async def test_all_checks_of_a_host_are_one_command_and_all_hold() -> None:
    async with host() as (shared, server):
        readings = await asyncio.gather(
            *(probe(shared, server, name, **params) for name, params in ASKED.values())
        )
        assert commands(server) == 1
    assert all("login" in reading.phases for reading in readings)
    told = repr([(r.detail, r.facts, r.metrics) for r in readings])
    assert server.private_key.splitlines()[1] not in told
    assert HASH not in told
    found = dict(zip(ASKED, readings, strict=True))
    files_hold(found)
    what_runs_holds(found)
    accounts_hold(found)
    the_system_holds(found)


def files_hold(found: dict[str, Reading]) -> None:
    same(found["package"], installed=1, missing=1)
    same(found["passwd"], exists=1, matches=1)
    assert found["passwd"].facts["mode"] == "0644"
    same(found["absent"], exists=0)
    same(found["shadow"], exists=1)
    assert found["shadow"].facts["not_read"] == "sha256: missing_right, content: missing_right"
    hidden = found["hidden"]
    assert (hidden.kind, hidden.detail) == (
        "permission",
        "missing_right: the account may not look at /root/x",
    )
    same(found["certificate"], exists=0)
    same(found["cron"], entries=0)


def what_runs_holds(found: dict[str, Reading]) -> None:
    same(found["by process"], active=1)
    assert found["by process"].facts["manager"] == "process"
    port = found["port"]
    same(port, listening=0)
    assert port.metrics["unexpected_ports"] == port.metrics["open_ports"]
    assert found["process"].metrics["count"] >= 2
    same(found["nobody"], count=0)
    same(found["limits"], differing=0)
    assert found["limits"].metrics["processes"] >= 1


def accounts_hold(found: dict[str, Reading]) -> None:
    left = pytest.approx(20090 - time.time() / 86400, abs=0.01)
    same(found["own"], exists=1, locked=0, password_left_days=left)
    same(found["root"], exists=1, uid=0)
    assert "password: missing_right" in found["root"].facts["not_read"]
    same(found["group"], exists=1, gid=UID, members=0)


def the_system_holds(found: dict[str, Reading]) -> None:
    same(found["sysctl"], differing=1)
    same(found["mount"], mounted=1)
    same(found["loopback"], exists=1, up=1)
    assert found["loopback"].facts["addresses"].startswith("127.0.0.1/8")
    assert found["clock"].kind in ("", "inconclusive")
    assert found["system"].facts["kernel"] == os.uname().release


@needs_root
async def test_crontabs_that_the_account_may_not_list_are_not_without_entries(tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("1 2 * * * root /usr/local/bin/marker-backup\n")
    async with host(over={"/etc/cron.d": tmp_path}) as (shared, server):
        tmp_path.chmod(0o755)
        same(await probe(shared, server, "cron", pattern="marker-backup"), entries=1)
        for mode in (0o700, 0o711, 0o744):
            tmp_path.chmod(mode)
            hidden = await probe(shared, server, "cron", pattern="marker-backup")
            assert (hidden.kind, hidden.metrics) == ("permission", {})
            assert hidden.detail == "missing_right: the account may not list /etc/cron.d"


@needs_root
async def test_sockets_that_cannot_be_listed_are_not_none(tmp_path: Path) -> None:
    program("unshare")
    (tmp_path / "grep").touch(mode=0o644)
    async with host(over={program("grep"): tmp_path / "grep"}) as (shared, server):
        reading = await probe(shared, server, "port", allowed=[])
    assert (reading.kind, reading.metrics) == ("inconclusive", {})


SUDOERS = (
    f"ALL=(root) NOPASSWD: /usr/bin/passwd -S {ACCOUNT}, /usr/bin/chage -l {ACCOUNT}",
    "ALL=(root) NOPASSWD: /usr/bin/passwd -S root, /usr/bin/chage -l root",
    "ALL=(root) NOPASSWD: /usr/bin/ss -Hlntup",
    "ALL=(root) NOPASSWD: /usr/bin/sha256sum /etc/shadow, /usr/bin/head -c 65537 /etc/shadow",
    "ALL=(root) NOPASSWD: /usr/bin/crontab -u root -l",
)


@needs_root
async def test_sudo_shows_what_the_account_may_not_see_and_no_more() -> None:
    program("sudo")
    async with host(sudoers=SUDOERS) as (shared, server):

        async def root(name: str, /, **params: Any) -> Reading:
            return await probe(shared, server, name, sudo=True, **params)

        user, port, shadow, cron, own, other, crontab, hidden = await asyncio.gather(
            root("user", user="root"),
            root("port", port=server.port),
            root("file", path="/etc/shadow", sha256=True, pattern=f"^{ACCOUNT}:"),
            root("cron", user="root", pattern="x"),
            root("user", user=ACCOUNT),
            root("user", user="nobody"),
            root("cron", user="nobody", pattern="x"),
            root("file", path="/root/x"),
        )
        same(user, locked=1)
        assert "not_read" not in user.facts
        same(port, listening=1)
        assert port.facts["process"] == "sshd"
        same(shadow, matches=1)
        assert len(shadow.facts["sha256"]) == 64
        same(cron, entries=0)
        same(own, locked=0)
        for reading in (other, hidden):
            assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
            assert reading.detail.startswith("missing_right: sudo does not let it run: "), reading.detail
        assert crontab.kind == "permission"
        told = repr([user, port, shadow, cron, own, other, hidden])
        assert HASH not in told


@needs_root
async def test_without_sudo_on_the_host_a_right_is_missing_and_nothing_failed() -> None:
    async with host() as (shared, server):
        reading = await probe(shared, server, "user", user="root", sudo=True)
        assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")


async def test_process_counts_what_runs_and_not_the_monitor() -> None:
    marker = f"muster-marker-{os.getpid()}"
    script = f"while :; do sleep 1; done # {marker}"
    runs = [await asyncio.create_subprocess_exec("sh", "-c", script) for _ in range(3)]
    try:
        readings = await asyncio.gather(
            here("process", pattern=marker), here("file", path=f"/{marker}"), here("process", pattern=marker)
        )
    finally:
        for run in runs:
            run.kill()
            await run.wait()
    same(readings[0], count=3)
    assert readings[0].metrics["rss_bytes"] > 0
    same(await here("process", pattern=marker), count=0)


async def test_port_that_is_open_and_one_that_is_not() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        reading = await here("port", port=port, allowed=[])
        counted = await here("port", allowed=["1-65535"], loopback=True)
        same(counted, unexpected_ports=0)
        refused = await here("port", allowed=[], loopback=True)
        assert str(port) in refused.facts["unexpected"]
    finally:
        server.close()
        await server.wait_closed()
    same(reading, listening=1)
    assert reading.facts["addresses"] == "127.0.0.1"
    same(await here("port", port=port), listening=0)


async def test_limits_are_those_that_a_process_has(tmp_path: Path) -> None:
    own = tmp_path / "mustersleep"
    shutil.copy(program("sleep"), own)
    run = await asyncio.create_subprocess_exec("sh", "-c", f"ulimit -n 99; exec {own} 30")
    try:
        async with asyncio.timeout(5):
            while (reading := await here("limits", process="mustersleep", at_least={"nofile": 100})).kind:
                await asyncio.sleep(0.1)
    finally:
        run.kill()
        await run.wait()
    same(reading, nofile=99, differing=1, processes=1)
    gone = await here("limits", process="mustersleep")
    assert (gone.outcome, gone.kind) == (Outcome.FAILED, "expectation")


async def test_more_than_64_processes_are_not_all_looked_at(tmp_path: Path) -> None:
    own = tmp_path / "mustermany"
    shutil.copy(program("sleep"), own)
    runs = [await asyncio.create_subprocess_exec(own, "30") for _ in range(66)]
    try:
        reading = await here("limits", process="mustermany", at_least={"nofile": 1})
    finally:
        for run in runs:
            run.kill()
            await run.wait()
    same(reading, processes=66, differing=None, nofile=None)
    assert reading.facts["not_read"] == "2 more processes"


async def run_command(tmp_path: Path, body: str, /, **params: Any) -> Reading:
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    async with shared_here() as shared:
        shared.settings = ProbeSettings(exec_allow=(f"{tmp_path}/*",))
        command = [str(script), *params.pop("arguments", ())]
        return await run_once(
            "command", "local", shared=shared, timeout=params.pop("timeout", 10), command=command, **params
        )


async def test_command(tmp_path: Path) -> None:
    reading = await run_command(
        tmp_path, 'echo "queue: 42 jobs"; echo "$1" >&2; exit 3', arguments=["a;b"], pattern=r"queue: (\d+)"
    )
    same(reading, exit_status=3, value=42, matches=1)
    assert "queue" not in repr(reading), "no output is kept"
    reading = await run_command(tmp_path, 'echo "$1" >&2', arguments=["a;$(id)"], keep=True)
    assert reading.facts["output"] == "a;$(id)"
    same(await run_command(tmp_path, "cat", pattern="x"), exit_status=0, matches=0)
    assert (await run_command(tmp_path, "yes")).kind == "prober_error"
    hung = await run_command(tmp_path, "sleep 60", timeout=3)
    assert hung.kind == "inconclusive"
    for status in (93, 94, 124):
        same(await run_command(tmp_path, f"exit {status}"), exit_status=status)


async def test_only_what_the_settings_allow_is_run(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "x").chmod(0o755)
    reading = await here("command", command=[str(tmp_path / "x")])
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
    assert not (tmp_path / "ran").exists()


@needs_root
async def test_command_by_sudo() -> None:
    program("sudo")
    sudoers = ["ALL=(root) NOPASSWD: /usr/bin/id -u"]
    async with host(sudoers=sudoers, allow=("/usr/bin/id",)) as (shared, server):
        own = await probe(shared, server, "command", command=["/usr/bin/id", "-u"], pattern=r"(\d+)")
        root = await probe(
            shared, server, "command", command=["/usr/bin/id", "-u"], pattern=r"(\d+)", sudo=True
        )
        more = await probe(shared, server, "command", command=["/usr/bin/id"], sudo=True)
        absent = await probe(shared, server, "command", command=["/usr/bin/id", "x"])
    same(own, value=64_201)
    same(root, value=0)
    assert more.kind == "permission"
    assert absent.metrics["exit_status"] == 1


@needs_root
async def test_time_sync_by_a_real_chronyd(tmp_path: Path) -> None:
    program("chronyc")
    run = tmp_path / "run"
    (run / "sshd").mkdir(parents=True)
    (run / "chrony").mkdir(mode=0o770)
    async with chronyd(tmp_path, run=run), host(over={"/run": run}) as (shared, server):
        server.user = "root"
        reading = await probe(shared, server, "time_sync")
    same(reading, synchronised=1, stratum=8)
    assert reading.facts["method"] == "chronyc"


@needs_root
async def test_rpm_by_a_real_database(tmp_path: Path) -> None:
    program("rpmbuild")
    (tmp_path / "spec").write_text(
        "Name: muster-test\nEpoch: 2\nVersion: 1.2\nRelease: 3\nSummary: x\nLicense: x\nBuildArch: noarch\n"
        "%description\nx\n%files\n"
    )
    wanted: dict[str, Any] = {"packages": ["muster-test", "bash"], "versions": {"muster-test": "1.2"}}
    async with host() as (shared, server):
        home = server.directory / ".rpmdb"
        build = f"""rpmbuild -bb --define '_topdir {tmp_path}' {tmp_path}/spec
            rpm --dbpath {home} -i --nodeps {tmp_path}/RPMS/noarch/*.rpm; chown -R {UID} {home}"""
        process = await asyncio.create_subprocess_shell(build, stdout=-3, stderr=-3)
        assert await process.wait() == 0
        reading = await probe(shared, server, "package", manager="rpm", **wanted)
        (home / "rpmdb.sqlite").write_bytes(b"garbage" * 1000)
        broken = await probe(shared, server, "package", manager="rpm", **wanted)
    same(reading, installed=1, missing=1, differing=0)
    assert reading.facts["versions"] == "muster-test 2:1.2-3"
    assert (broken.kind, broken.metrics) == ("inconclusive", {}), "a broken database makes nothing missing"


async def test_a_run_that_is_given_up_leaves_nothing_behind() -> None:
    async with shared_here() as shared:
        shared.settings = ProbeSettings(exec_allow=("/bin/sleep",))
        command = ["/bin/sleep", "3", "0.00001"]
        task = asyncio.create_task(run_once("command", "local", shared=shared, timeout=4, command=command))
        await asyncio.sleep(0.4)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(1)
        assert shared.get(Gatherer)._hosts == {}
    await asyncio.sleep(1.5)
    same(await here("process", pattern=r"^/bin/sleep 3 0\.00001"), count=0)
