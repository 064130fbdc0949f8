"""exec: real plugins, allow-listing, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop
from pydantic import ValidationError

from probes._allowed import allowed
from probes.api import Context, Outcome, ProbeSettings, Reading
from probes.host.exec import ExecParams
from tests.probing import run_once, shared_here
from tests.servers.process import program
from tests.servers.sshd import sshd

SETTINGS = ProbeSettings(exec_allow=("/bin/sh", "/bin/nope", "/usr/lib/nagios/plugins/*"))

pytestmark = pytest.mark.alone


async def _gone(mark: str) -> bool:
    """Wait a moment for killed processes to be gone."""
    for _ in range(150):
        if not _alive(mark):
            return True
        await asyncio.sleep(0.02)
    return False


async def _sh(script: str, timeout: float = 5.0, **params: Any) -> Reading:
    async with shared_here(SETTINGS, {"pw": "hush-hush"}) as shared:
        return await run_once(
            "exec", "127.0.0.1", shared=shared, timeout=timeout, command=["/bin/sh", "-c", script], **params
        )


def _alive(mark: str) -> list[str]:
    """Return the command lines of processes that carry `mark` in their environment or arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark in line and state != "Z":
                found.append(line)
    return found


@pytest.mark.parametrize(
    ("status", "params", "outcome", "kind", "state"),
    [
        (0, {}, Outcome.OK, "", "ok"),
        (1, {}, Outcome.FAILED, "expectation", "warning"),
        (1, {"warning_is": "ok"}, Outcome.OK, "", "warning"),
        (2, {}, Outcome.FAILED, "expectation", "critical"),
        (2, {"warning_is": "ok"}, Outcome.FAILED, "expectation", "critical"),
        (3, {}, Outcome.ERROR, "inconclusive", "unknown"),
        (4, {}, Outcome.ERROR, "prober_error", None),
        (127, {}, Outcome.ERROR, "prober_error", None),
    ],
)
async def test_exit_statuses(
    status: int, params: dict[str, Any], outcome: Outcome, kind: str, state: str | None
) -> None:
    reading = await _sh(f"echo 'TEXT | load=1;2;3'; exit {status}", **params)
    assert (reading.outcome, reading.kind) == (outcome, kind)
    assert reading.facts.get("state") == state
    if state is not None:
        assert reading.metrics == {"load": 1.0, "exit_status": status}
        assert reading.facts["output"] == "TEXT"


async def test_killed_by_a_signal_is_ours() -> None:
    reading = await _sh("kill -9 $$")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert "signal (9)" in reading.detail


async def test_a_program_that_is_not_there_is_ours() -> None:
    async with shared_here(SETTINGS) as shared:
        reading = await run_once("exec", "127.0.0.1", shared=shared, command=["/bin/nope"])
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert "No such file" in reading.detail


async def test_what_is_not_allow_listed_does_not_run(tmp_path: Path) -> None:
    reading = await run_once("exec", "127.0.0.1", command=["/bin/touch", str(tmp_path / "made")])
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
    assert 'add "/bin/touch" (or "/bin/*") to exec_allow in the settings' in reading.detail
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("path", "allow", "expected"),
    [
        ("/a/b", ("/a/b",), True),
        ("/a/b", ("/a/*",), True),
        ("/a/b/c", ("/a/*",), False),
        ("/a/b", ("/a",), False),
        ("/a/b", (), False),
        ("/a/bc", ("/a/b",), False),
    ],
)
def test_allow_list(path: str, allow: tuple[str, ...], expected: bool) -> None:
    assert allowed(path, allow) is expected


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"command": ["check"]}, "must be an absolute path"),
        ({"command": ["/usr/lib/../bin/x"]}, "must be an absolute path"),
        ({"command": []}, "at least 1"),
        ({"command": "/bin/sh -c x"}, "tuple"),
        ({"command": ["/x", "a\0b"]}, "NUL"),
        ({"command": ["/x"], "env": {"A B": "1"}}, "no name of an environment variable"),
        ({"command": ["/x"], "env": {"A": 1}}, "must be a text"),
        ({"command": ["/x"], "via": "ssh"}, "needs an ssh block"),
    ],
)
def test_bad_parameters(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ExecParams.model_validate(params)


async def test_the_address_is_put_in_and_no_shell_sees_it() -> None:
    async with shared_here(SETTINGS) as shared:
        command = ["/bin/sh", "-c", 'echo "$1"', "x", "<{address}>"]
        reading = await run_once("exec", "$(id);'", shared=shared, command=command)
        assert reading.facts["output"] == "<$(id);'>"
        option = await run_once("exec", "-rf", shared=shared, command=command)
        assert (option.outcome, option.kind) == (Outcome.ERROR, "prober_error")


async def test_the_environment_is_clean_and_holds_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_SECRET_X", "leak")
    reading = await _sh(
        "env | sort | tr '\\n' ' '; tr '\\0' ' ' </proc/$$/cmdline", env={"PASS": "secret:pw"}
    )
    assert "leak" not in reading.facts["output"]
    assert "PASS=hush-hush" in reading.facts["output"]
    assert "hush" not in reading.facts["output"].partition("/bin/sh")[2], "not on the command line"


async def test_a_plugin_that_hangs_accuses_nobody_and_leaves_nothing() -> None:
    start = time.monotonic()
    reading = await _sh("sleep 9871 & sleep 9871", timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert time.monotonic() - start < 1.5
    assert await _gone("9871")


async def test_cancelled_it_leaves_nothing() -> None:
    task = asyncio.create_task(_sh("sleep 9872 & sleep 9872", timeout=60))
    for _ in range(100):
        await asyncio.sleep(0.02)
        if len(_alive("9872")) >= 2:
            break
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _gone("9872")


async def test_children_of_one_that_ended_go_with_it() -> None:
    reading = await _sh("sleep 9873 & echo done")
    assert reading.outcome is Outcome.OK
    assert await _gone("9873")


async def test_output_held_open_by_one_who_left_the_group_is_not_waited_for() -> None:
    start = time.monotonic()
    reading = await _sh("setsid sleep 3 & sleep 0.2; echo done")
    assert reading.facts["output"] == "done"
    assert time.monotonic() - start < 2.5


async def test_endless_output_is_cut_off() -> None:
    reading = await _sh("yes")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert "more than 65536 bytes" in reading.detail


async def test_garbage_is_taken() -> None:
    reading = await _sh("head -c 30000 /dev/urandom")
    assert reading.outcome is Outcome.OK
    assert reading.facts["output"].isprintable()


@pytest.mark.alone
async def test_many_at_once_do_not_block_the_loop() -> None:
    async with shared_here(SETTINGS) as shared:
        command = ["/bin/sh", "-c", "echo $$"]
        runs = (run_once("exec", "x", shared=shared, timeout=20, command=command) for _ in range(100))
        readings = await asyncio.gather(*runs)
    assert all(reading.outcome is Outcome.OK for reading in readings)
    assert len({reading.facts["output"] for reading in readings}) == 100


def test_under_uvloop_and_outside_the_main_thread() -> None:
    async def once() -> Reading:
        return await _sh("echo hi; exit 2")

    assert uvloop.run(once()).kind == "expectation"

    async def in_thread() -> Reading:
        return await asyncio.to_thread(uvloop.run, once())

    assert asyncio.run(in_thread()).kind == "expectation"


async def test_a_real_plugin() -> None:
    if not Path("/usr/lib/nagios/plugins/check_disk").exists():
        pytest.skip("monitoring-plugins is not installed")
    command = ["/usr/lib/nagios/plugins/check_disk", "-w", "0%", "-c", "0%", "-p", "/"]
    async with shared_here(SETTINGS) as shared:
        reading = await run_once("exec", "127.0.0.1", shared=shared, command=command)
    assert reading.outcome is Outcome.OK, reading.detail
    assert reading.metrics["root_bytes"] > 2**20
    assert reading.facts["output"].startswith("DISK OK")


async def test_over_ssh() -> None:
    program("sshd")
    async with sshd() as server:
        settings = ProbeSettings(exec_allow=("/bin/sh",), known_hosts=server.known_hosts)
        block = {"user": server.user, "port": server.port, "key": "secret:key"}
        secrets = {"key": server.private_key, "pw": "it's $hush"}
        async with shared_here(settings, secrets) as shared:

            async def run(script: str, timeout: float = 5.0) -> Reading:
                return await run_once(
                    "exec", server.host, shared=shared, timeout=timeout, via="ssh", ssh=block,
                    command=["/bin/sh", "-c", script], env={"PASS": "secret:pw"},
                )  # fmt: skip

            ok = await run('echo "with $PASS | a=1"')
            assert (ok.outcome, ok.facts["output"]) == (Outcome.OK, "with it's $hush")
            assert ok.metrics == {"a": 1.0, "exit_status": 0.0}
            assert (await run("exit 2")).kind == "expectation"
            assert (await run("exit 3")).kind == "inconclusive"
            assert (await run("kill -9 $$")).outcome is Outcome.ERROR
            assert (await run("yes")).kind == "prober_error"
            hung = await run("sleep 9874", timeout=2.5)
            assert (hung.outcome, hung.kind) == (Outcome.ERROR, "inconclusive")
        assert "hush" not in server.log()
        assert await _gone("9874")


async def test_the_log_shows_thresholds() -> None:
    async with shared_here(SETTINGS) as shared:
        context = Context(shared, 5.0, trace=[])
        await run_once(
            "exec", "x", shared=shared, context=context, command=["/bin/sh", "-c", "echo 'OK|a=1;2;@3:4'"]
        )
    assert any("a = 1" in text and "inside=True" in text for _, text in context.trace or ())
