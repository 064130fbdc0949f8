"""Kept SSH connections against real sshds: shared, verified, opened again, bounded, given up cleanly."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from probes import _ssh
from probes._ssh import Result, SshParams, SshPool
from probes.api import Context, Outcome, ProbeSettings, Reading, Target
from probes.errors import Ending, NotRun, OwnLoginFailed, PermissionMissing, ProtocolViolated
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.ports import closed_port
from tests.servers.sshd import Sshd, make_key, sshd

pytestmark = pytest.mark.alone


@asynccontextmanager
async def _shared(server: Sshd, **settings: Any) -> AsyncIterator[SharedHere]:
    wanted: dict[str, Any] = {"known_hosts": server.known_hosts, "control_name": "localhost"} | settings
    async with shared_here(ProbeSettings(**wanted), {"key": server.private_key}) as shared:
        yield shared


def _params(server: Sshd, **more: Any) -> SshParams:
    data = {"user": server.user, "port": server.port, "key": "secret:key"} | more
    return SshParams.model_validate(data)


async def _run(
    shared: SharedHere, server: Sshd, command: str, timeout: float = 10.0, stdin: bytes = b"", **more: Any
) -> Result:
    context, params = Context(shared, timeout), _params(server, **more)
    async with asyncio.timeout(timeout):
        return await shared.get(SshPool).run(Target(server.host), params, command, context, stdin)


async def test_one_login_serves_all_checks_of_a_host() -> None:
    async with sshd() as server, _shared(server) as shared:
        results = await asyncio.gather(*(_run(shared, server, f"echo {n}; exit {n}") for n in range(6)))
        assert [r.output.stdout for r in results] == [b"%d\n" % n for n in range(6)]
        assert [r.output.status for r in results] == list(range(6))
        assert server.log().count("Accepted publickey") == 1
        assert {"resolve", "connect", "handshake", "login", "command"} == results[0].phases.keys()
        later = await _run(shared, server, "true")
        assert list(later.phases) == ["command"]


async def test_nagle_is_off() -> None:
    async with sshd() as server, _shared(server) as shared:
        await _run(shared, server, "true")
        took = sorted([(await _run(shared, server, "true")).phases["command"] for _ in range(15)])
        assert took[7] < 30, "40 ms and more tell of Nagle's algorithm against delayed acknowledgements"


async def test_a_broken_connection_is_opened_again_once() -> None:
    async with sshd() as server, _shared(server) as shared:
        await _run(shared, server, "true")
        await server.forget_connections()
        again = await _run(shared, server, "echo back")
        assert again.output.stdout == b"back\n"
        assert "login" in again.phases
        assert shared.get(SshPool).logins == 2


async def test_ipv6() -> None:
    async with sshd(host="::1") as server, _shared(server) as shared:
        assert (await _run(shared, server, "echo 6")).output.stdout == b"6\n"


async def test_an_unknown_host_is_not_trusted_and_the_message_says_what_to_add(tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    async with sshd() as server, _shared(server, known_hosts=known) as shared:
        with pytest.raises(PermissionMissing, match="is not known; verify it") as caught:
            await _run(shared, server, "true")
        assert not known.exists(), "a key is never added"
        assert "Accepted" not in server.log()
        assert "secret" not in caught.value.detail
        known.write_text(caught.value.detail.partition(f"add to {known}: ")[2] + "\n")
        await asyncio.sleep(0)
        assert (await _run(shared, server, "echo in")).output.stdout == b"in\n"


async def test_a_changed_host_key_gets_no_login() -> None:
    async with sshd() as server, _shared(server) as shared:
        await asyncio.to_thread(make_key, server.directory / "other")
        key = (server.directory / "other.pub").read_text()
        server.known_hosts.write_text(f"[{server.host}]:{server.port} {key}")
        with pytest.raises(ProtocolViolated, match="the host key is not the known one: expected SHA256:"):
            await _run(shared, server, "true")
        assert "Accepted" not in server.log()


async def test_the_known_key_is_asked_for_where_the_host_has_several(tmp_path: Path) -> None:
    await asyncio.to_thread(make_key, tmp_path / "rsa", "-t", "rsa", "-b", "2048", "-N", "")
    async with sshd(f"HostKey {tmp_path / 'rsa'}") as server, _shared(server) as shared:
        rsa = (tmp_path / "rsa.pub").read_text()
        server.known_hosts.write_text(f"[{server.host}]:{server.port} {rsa}")
        assert (await _run(shared, server, "echo rsa")).output.stdout == b"rsa\n"


async def test_a_refused_login_is_ours() -> None:
    async with sshd() as server, _shared(server) as shared:
        (server.directory / "authorized_keys").write_text("")
        with pytest.raises(OwnLoginFailed):
            await _run(shared, server, "true")


async def test_a_key_with_a_passphrase() -> None:
    async with sshd() as server, _shared(server) as shared:
        path = server.directory / "locked"
        await asyncio.to_thread(make_key, path, "-t", "ed25519", "-N", "open sesame")
        (server.directory / "authorized_keys").write_text((server.directory / "locked.pub").read_text())
        shared._secrets |= {"locked": path.read_text(), "phrase": "open sesame"}
        more: dict[str, Any] = {"key": "secret:locked", "passphrase": "secret:phrase"}
        assert (await _run(shared, server, "echo in", **more)).output.stdout == b"in\n"
        with pytest.raises(Ending, match="encrypted; give its passphrase"):
            await _run(shared, server, "true", key="secret:locked")


async def test_runs_that_wait_for_one_login_share_its_failure() -> None:
    async with sshd() as server, _shared(server) as shared:
        (server.directory / "authorized_keys").write_text("")
        runs = (_run(shared, server, "true") for _ in range(8))
        endings = await asyncio.gather(*runs, return_exceptions=True)
        assert all(isinstance(ending, OwnLoginFailed) for ending in endings)
        assert server.log().count("Failed publickey") <= 1, "one attempt, not eight: no account is locked out"


async def test_a_command_given_up_takes_no_thread_and_no_neighbour_down() -> None:
    async with sshd() as server, _shared(server, ssh_threads=3) as shared:
        pool = shared.get(SshPool)
        await _run(shared, server, "true")
        neighbour = asyncio.create_task(_run(shared, server, "sleep 1; echo alive"))
        await asyncio.sleep(0.2)
        with pytest.raises(TimeoutError):
            await _run(shared, server, "sleep 60", timeout=0.3)
        assert (await neighbour).output.stdout == b"alive\n"
        for _ in range(50):
            if not pool.abandoned:
                break
            await asyncio.sleep(0.02)
        assert pool.abandoned == 0
        assert (await _run(shared, server, "echo next")).output.stdout == b"next\n"
        assert pool.logins == 2, "the next run logs in afresh"


async def test_when_all_threads_are_busy_it_is_our_overload() -> None:
    async with sshd() as server, _shared(server, ssh_threads=1) as shared:
        await _run(shared, server, "true")
        busy = asyncio.create_task(_run(shared, server, "sleep 2"))
        await asyncio.sleep(0.2)
        with pytest.raises(NotRun) as caught:
            await _run(shared, server, "true", timeout=0.5)
        assert caught.value.kind == "overload"
        await busy


async def test_sessions_that_the_host_refuses_for_a_moment_are_no_failure() -> None:
    async with sshd("MaxSessions 2") as server, _shared(server) as shared:
        results = await asyncio.gather(*(_run(shared, server, "sleep 0.05") for _ in range(20)))
        assert {result.output.status for result in results} == {0}
    async with sshd("MaxSessions 0") as server, _shared(server) as shared:
        with pytest.raises(ProtocolViolated, match="it opens no channel"):
            await _run(shared, server, "true", timeout=1.0)


async def test_many_short_commands_do_not_break_the_connection() -> None:
    async with sshd() as server, _shared(server) as shared:

        async def some() -> None:
            for _ in range(100):
                result = await _run(shared, server, "sh -s", stdin=b"echo in; exit 7\n")
                assert (result.output.stdout, result.output.status) == (b"in\n", 7)

        await asyncio.gather(*(some() for _ in range(8)))
        assert shared.get(SshPool).logins == 1


async def test_endless_output_is_bounded() -> None:
    async with sshd() as server, _shared(server) as shared:
        result = await _run(shared, server, "yes")
        assert result.output.truncated
        assert len(result.output.stdout) <= 2 * 2**20


async def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ssh, "IDLE_S", 0.05)
    monkeypatch.setattr(_ssh, "SWEEP_S", 0.1)
    async with sshd() as server, _shared(server) as shared:
        await _run(shared, server, "true")
        pool = shared.get(SshPool)
        assert pool.open_connections == 1
        for _ in range(100):
            if pool.open_connections == 0:
                break
            await asyncio.sleep(0.02)
        assert pool.open_connections == 0


async def test_logins_at_one_host_keep_their_distance() -> None:
    async with sshd() as server, _shared(server) as shared:
        await _run(shared, server, "true")
        await server.forget_connections()
        start = time.monotonic()
        await _run(shared, server, "true")
        assert time.monotonic() - start > 0.5


async def test_nothing_is_left_running() -> None:
    async with sshd() as server:
        async with _shared(server) as shared:
            await _run(shared, server, "true")
            assert any(thread.name.startswith("ssh") for thread in threading.enumerate())
        assert not any(thread.name.startswith("ssh") for thread in threading.enumerate())


async def _host(shared: SharedHere, port: int, timeout: float = 2.0, address: str = "127.0.0.1") -> Reading:
    block = {"user": "nobody", "port": port, "key": "secret:key"}
    return await run_once("host", address, shared=shared, timeout=timeout, ssh=block)


async def test_a_closed_port_is_refused() -> None:
    async with shared_here(secrets={"key": ""}) as shared:
        with closed_port() as port:
            reading = await _host(shared, port)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "refused")


async def test_a_missing_secret_is_ours() -> None:
    async with shared_here() as shared:
        reading = await _host(shared, 22)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
