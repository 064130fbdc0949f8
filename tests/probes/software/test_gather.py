"""One command per host and moment at a real sshd: shared, isolated, never older than the run."""

from __future__ import annotations

import asyncio
import time

import pytest

from probes._ssh import SshPool
from probes.api import Context, Target
from probes.errors import Ending, OwnLoginFailed, ProtocolViolated
from probes.measure import deadline_passed
from probes.software import _gather
from probes.software._gather import Gatherer
from probes.software._script import Ask
from tests.probes.software.asking import commands, put, put_here, shared_of
from tests.probing import shared_here
from tests.servers.sshd import sshd


async def test_runs_that_begin_together_share_one_command() -> None:
    async with sshd() as server, shared_of(server) as shared:
        asks = [Ask(f"echo {n}; exit {n}") for n in range(20)]
        answers = await asyncio.gather(*(put(shared, server, ask) for ask in asks))
        assert [a.part.data for a in answers] == [b"%d\n" % n for n in range(20)]
        assert [a.part.status for a in answers] == list(range(20))
        assert commands(server) == shared.get(Gatherer).commands == 1
        assert {"login", "command"} <= answers[0].phases.keys()
        assert shared.get(Gatherer)._hosts == {}


async def test_equal_asks_are_asked_once() -> None:
    async with sshd() as server, shared_of(server) as shared:
        ask = Ask('echo x >>"$1"; cat "$1"', (f"{server.directory}/count",))
        answers = await asyncio.gather(*(put(shared, server, ask) for _ in range(5)))
        assert {a.part.data for a in answers} == {b"x\n"}
        assert len({id(a.phases) for a in answers}) == 5, "nobody changes another's reading"


async def test_a_value_is_never_older_than_its_run() -> None:
    async with sshd() as server, shared_of(server) as shared:
        await put(shared, server, Ask("true"))
        path = server.directory / "value"
        path.write_text("old")
        ask = Ask('cat "$1"; sleep 0.5', (str(path),))
        first = asyncio.create_task(put(shared, server, ask))
        await asyncio.sleep(0.35)
        path.write_text("new")
        second = await put(shared, server, ask)
        assert ((await first).part.data, second.part.data) == (b"old", b"new")


async def test_one_given_up_alone_ends_nobody_elses_gather() -> None:
    async with sshd() as server, shared_of(server) as shared:
        stays = asyncio.create_task(put(shared, server, Ask("sleep 1; echo done")))
        goes = asyncio.create_task(put(shared, server, Ask("sleep 1; echo gone")))
        await asyncio.sleep(0.5)
        goes.cancel()
        assert (await stays).part.data == b"done\n"
        assert commands(server) == 1
        assert shared.get(SshPool).open_connections == 1


async def test_given_up_by_all_the_command_is_given_up() -> None:
    async with sshd() as server, shared_of(server) as shared:
        await put(shared, server, Ask("true"))
        runs = [asyncio.create_task(put(shared, server, Ask(f"sleep 8; echo {n}"))) for n in range(3)]
        await asyncio.sleep(0.4)
        for run in runs:
            run.cancel()
        await asyncio.wait(runs)
        await asyncio.sleep(0.2)
        assert shared.get(Gatherer)._hosts == {}
        assert shared.get(SshPool).open_connections == 0, (
            "a connection whose command was given up is not kept"
        )


@pytest.mark.alone
async def test_one_that_hangs_costs_its_neighbours_no_outcome_and_later_runs_little_time() -> None:
    async with sshd() as server, shared_of(server) as shared:
        await put(shared, server, Ask("true"))
        hangs = asyncio.create_task(put(shared, server, Ask("sleep 60"), timeout=8))
        beside = asyncio.create_task(put(shared, server, Ask("echo beside"), timeout=8))
        await asyncio.sleep(0.5)
        started = time.monotonic()
        later = await put(shared, server, Ask("echo later"), timeout=3)
        assert time.monotonic() - started < _gather.PATIENCE_S + 0.7
        assert later.part.data == b"later\n"
        assert (await beside).part.data == b"beside\n"
        assert (await hangs).part.status == 124


@pytest.mark.alone
async def test_a_slow_ask_with_time_of_its_own_takes_none_of_its_neighbours() -> None:
    async with sshd() as server, shared_of(server) as shared:
        slow = asyncio.create_task(put(shared, server, Ask("sleep 9; echo slow"), timeout=40))
        quick = [put(shared, server, Ask(f"echo {n}"), timeout=5 + n) for n in range(4)]
        started = time.monotonic()
        answers = await asyncio.gather(*quick)
        assert time.monotonic() - started < 3
        assert [answer.part.data for answer in answers] == [b"%d\n" % n for n in range(4)]
        assert (await slow).part.data == b"slow\n"
        assert commands(server) == 2


async def test_a_refused_login_is_everybodys_own_ending() -> None:
    async with sshd() as server, shared_of(server) as shared:
        (server.directory / "authorized_keys").write_text("")
        runs = (put(shared, server, Ask(f"echo {n}")) for n in range(4))
        endings = await asyncio.gather(*runs, return_exceptions=True)
        assert [type(ending) for ending in endings] == [OwnLoginFailed] * 4
        assert len({id(ending) for ending in endings}) == 4
        assert server.log().count("Connection from") <= 2, "one attempt, not four"


async def test_a_shell_that_gives_no_frames_is_a_protocol_failure() -> None:
    async with sshd("ForceCommand echo hello") as server, shared_of(server) as shared:
        with pytest.raises(ProtocolViolated, match="frame"):
            await put(shared, server, Ask("true"))


@pytest.mark.parametrize("noise", ["yes", "cat /dev/urandom"])
async def test_a_host_that_floods_is_a_protocol_failure(noise: str) -> None:
    async with sshd(f"ForceCommand {noise}") as server, shared_of(server) as shared:
        with pytest.raises(ProtocolViolated):
            await put(shared, server, Ask("true"))


async def test_noise_of_start_up_files_does_not_matter() -> None:
    command = "ForceCommand echo motd; exec $SSH_ORIGINAL_COMMAND"
    async with sshd(command) as server, shared_of(server) as shared:
        assert (await put(shared, server, Ask("echo x"))).part.data == b"x\n"


async def test_what_is_too_much_for_one_command_goes_into_a_second() -> None:
    async with sshd() as server, shared_of(server) as shared:
        asks = [Ask("echo $1", (str(n),)) for n in range(_gather.MOST_ASKS + 6)]
        answers = await asyncio.gather(*(put(shared, server, ask) for ask in asks))
        assert [int(a.part.data) for a in answers] == list(range(len(asks)))
        assert commands(server) == 2


async def test_a_deadline_before_the_host_was_asked_accuses_nobody() -> None:
    async with shared_here() as shared:
        context = Context(shared, 0.02)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await shared.get(Gatherer).ask(Target("local"), None, Ask("true"), context)
        assert deadline_passed(context).kind == "inconclusive"
        context = Context(shared, 0.5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await shared.get(Gatherer).ask(Target("local"), None, Ask("sleep 3"), context)
        assert deadline_passed(context).kind == "timeout"


async def test_this_machine_answers_the_same_asks() -> None:
    async with shared_here() as shared:
        asks = [Ask('echo "$1"; exit 3', (f"a b {n}",)) for n in range(20)]
        answers = await asyncio.gather(*(put_here(shared, ask) for ask in asks))
        assert [a.part.data for a in answers] == [f"a b {n}\n".encode() for n in range(20)]
        assert shared.get(Gatherer).commands == 1
        big = Ask("head -c 500000 /dev/zero | tr '\\0' x", most=600_000)
        assert len((await put_here(shared, big)).part.data) == 500_000


async def test_the_end_of_the_monitor_ends_all_gathers() -> None:
    async with shared_here() as shared:
        run = asyncio.create_task(put_here(shared, Ask("sleep 5")))
        await asyncio.sleep(0.3)
        await shared.get(Gatherer).aclose()
        with pytest.raises(Ending, match="came to no end"):
            await run
