"""ZooKeeper against real servers: one, an ensemble of three, without a quorum, and with words closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Context, Outcome
from probes.errors import Ending
from probes.middleware import _zookeeper as words
from probes.middleware._zookeeper_jute import ALL_RIGHTS, CREATE, Session, buffer, take, text
from probes.middleware.zookeeper import PROBE, ZooKeeperParams
from tests.probing import run_once, shared_here
from tests.servers.hostile import closes, endless, garbage, resets, says, silent, tcp_server
from tests.servers.zookeeper import ZooKeeper, ensemble, zookeeper

MARKER = "marker-Pa55w0rd"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ZooKeeper]:
    async with zookeeper(tmp_path_factory.mktemp("zk") / "one", admin=True) as one:
        await one.until_serving()
        yield one


async def _nodes(server: ZooKeeper) -> int:
    said = await server.ask("mntr")
    return int(words.of_mntr(said)["znode_count"])


async def test_a_server_by_its_words(server: ZooKeeper) -> None:
    before = await _nodes(server)
    reading = await run_once("zookeeper", "127.0.0.1", port=server.port, round_trip="/zookeeper")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts["mode"] == "standalone"
    assert reading.facts["version"].startswith("3.")
    assert "not_told" not in reading.facts
    assert reading.metrics["znodes"] == before
    assert 0 < reading.metrics["files_used_pct"] < 100
    assert reading.metrics["round_trip_ms"] > 0
    assert set(reading.phases) == {"resolve", "connect", "query", "login", "round_trip"}
    assert await _nodes(server) == before
    assert {*reading.metrics} <= {metric.name for metric in PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in PROBE.facts}


async def test_its_admin_server_says_the_same(server: ZooKeeper) -> None:
    by_words = await run_once("zookeeper", "127.0.0.1", port=server.port)
    by_admin = await run_once("zookeeper", "127.0.0.1", admin_port=server.admin_port)
    assert by_admin.outcome is Outcome.OK
    assert by_admin.facts == by_words.facts
    assert {*by_admin.metrics} == {*by_words.metrics}
    wrong = await run_once("zookeeper", "127.0.0.1", admin_port=server.admin_port, admin_path="/none")
    assert (wrong.outcome, wrong.kind) == (Outcome.FAILED, "expectation")


@pytest.mark.parametrize("body", [b"{}", b'{"command": "monitor", "error": null}'])
async def test_an_admin_server_that_says_nothing(body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with tcp_server(says(answer)) as port:
        reading = await run_once("zookeeper", "127.0.0.1", admin_port=port)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert reading.detail == "no answer to monitor: it has no server_state"


async def test_a_parent_that_is_missing(server: ZooKeeper) -> None:
    reading = await run_once("zookeeper", "127.0.0.1", port=server.port, round_trip="/none")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("no_such_node: /none/muster-")
    assert "round_trip_ms" not in reading.metrics, "what broke off took no time that counts"
    assert reading.phases["round_trip"] > 0
    assert reading.facts["mode"] == "standalone"


async def _session(server: ZooKeeper) -> tuple[Session, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    class Direct:
        async def say(self, data: bytes) -> None:
            writer.write(data)

        async def exactly(self, size: int) -> bytes:
            return await reader.readexactly(size)

    session = Session(Direct())  # type: ignore[arg-type]
    await session.open()
    return session, writer


async def test_an_account_and_its_rights(server: ZooKeeper, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    owner, writer = await _session(server)
    await owner.login("monitor", MARKER)
    rights = struct.pack(">ii", 1, ALL_RIGHTS) + text("auth") + text("")
    await owner._ask(CREATE, text("/owned") + buffer(b"") + rights + struct.pack(">i", 0), "create", "/owned")
    async with shared_here(secrets={"right": MARKER, "wrong": f"{MARKER}-not"}) as shared:
        context = Context(shared, 5.0, trace=[])
        ask: dict[str, Any] = {"shared": shared, "context": context, "port": server.port}
        wrong = await run_once(
            "zookeeper", "127.0.0.1", **ask, round_trip="/owned", user="monitor", password="secret:wrong"
        )
        right = await run_once(
            "zookeeper", "127.0.0.1", **ask, round_trip="/owned", user="monitor", password="secret:right"
        )
    await owner.delete("/owned")
    await owner.close()
    writer.close()
    assert (wrong.outcome, wrong.kind) == (Outcome.ERROR, "permission")
    assert wrong.detail.startswith("missing_right: the account may not create /owned/muster-")
    assert wrong.metrics["znodes"] > 0
    assert right.outcome is Outcome.OK, right.detail
    assert MARKER not in f"{wrong}{right}{context.trace}{caplog.text}"


async def test_a_run_that_is_cancelled_leaves_no_node(
    server: ZooKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, create, before = asyncio.Event(), Session.create, await _nodes(server)

    async def slow(self: Session, path: str, data: bytes, *, owned: bool) -> None:
        await create(self, path, data, owned=owned)
        made.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(Session, "create", slow)
    run = asyncio.create_task(
        run_once("zookeeper", "127.0.0.1", port=server.port, round_trip="/zookeeper", timeout=30)
    )
    await made.wait()
    assert await _nodes(server) == before + 1
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run
    async with asyncio.timeout(15):
        while await _nodes(server) > before:
            await asyncio.sleep(0.1)


async def test_words_that_are_closed(tmp_path: Path) -> None:
    async with zookeeper(tmp_path, words="conf") as some:
        await some.until_serving()
        reading = await run_once("zookeeper", "127.0.0.1", port=some.port)
    assert reading.outcome is Outcome.OK
    assert reading.facts["not_told"] == (
        "ruok: 4lw.commands.whitelist lacks it; mntr: 4lw.commands.whitelist lacks it"
    )
    assert reading.metrics["outstanding"] == 0
    assert "files_used" not in reading.metrics


async def test_all_words_are_closed() -> None:
    """As recorded; 3.8 always allows srvr, since its own scripts need it."""
    closed = says(b"it is not executed because it is not in the whitelist.\n")
    async with tcp_server(closed) as port:
        reading = await run_once("zookeeper", "127.0.0.1", port=port)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
    assert reading.detail == "missing_right: 4lw.commands.whitelist lacks ruok, srvr, mntr"


async def test_an_ensemble_and_its_end(tmp_path: Path) -> None:
    async with ensemble(tmp_path) as servers:
        readings = [await run_once("zookeeper", "127.0.0.1", port=server.port) for server in servers]
        modes = [reading.facts["mode"] for reading in readings]
        assert sorted(modes) == ["follower", "follower", "leader"]
        leader = readings[modes.index("leader")]
        assert leader.metrics["followers"] == 2
        assert leader.metrics["followers_behind"] == 0
        assert "followers" not in readings[modes.index("follower")].metrics
        left = servers.pop(modes.index("follower"))
        for server in servers:
            server.process.kill()
            await server.process.wait()
        async with asyncio.timeout(30):
            reading = await run_once("zookeeper", "127.0.0.1", port=left.port)
            while not reading.detail.startswith("not_serving: "):
                await asyncio.sleep(0.1)
                reading = await run_once("zookeeper", "127.0.0.1", port=left.port)
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
        dead = await run_once("zookeeper", "127.0.0.1", port=servers[0].port)
    assert (dead.outcome, dead.kind) == (Outcome.FAILED, "refused")


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (silent, "timeout"),
        (garbage, "protocol"),
        (closes, "protocol"),
        (resets, "protocol"),
        (endless, "protocol"),
        (says(b"imok"), "protocol"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol"),
    ],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("zookeeper", "127.0.0.1", port=port, timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


def test_a_user_is_for_the_round_trip() -> None:
    with pytest.raises(ValidationError, match="user is only for the round trip"):
        ZooKeeperParams.model_validate({"user": "a", "password": "secret:b"})


@given(st.binary(max_size=40))
def test_a_buffer_is_read_as_it_was_written(data: bytes) -> None:
    assert take(buffer(data) + b"more", 0) == (data, 4 + len(data))


@given(st.binary(max_size=60), st.integers(0, 10))
def test_packets_of_anybody_end_well(data: bytes, at: int) -> None:
    with contextlib.suppress(Ending):
        found, end = take(data, at)
        assert len(found) <= end - at <= len(data)


@given(st.text(max_size=200))
def test_texts_of_anybody_end_well(said: str) -> None:
    for read in (words.of_mntr, words.of_srvr):
        with contextlib.suppress(Ending):
            figures = read(f"zk_server_state\t{said}\nMode: {said}\n{said}")
            assert all(value >= 0 for value in words.metrics(figures).values())
            assert "mode" in words.facts(figures)
