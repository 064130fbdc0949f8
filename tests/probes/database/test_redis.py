"""redis against the real server: alone, replicated, its refusals, and what is left behind."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from probes.api import Context, Outcome
from probes.database import redis as module
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import closes, endless, garbage, resets, says, silent, tcp_server
from tests.servers.ports import closed_port
from tests.servers.redis import redis_server, say, until

AT_ONCE = ("--repl-diskless-sync-delay", "0")
MARKER = "marker-Pa55w0rd"
HOST = "127.0.0.1"
ACL = f"muster on >{MARKER} ~muster:* resetchannels -@all +ping +info +config|get +set +get +del"
LOOKING = "looking on >other resetkeys resetchannels -@all +ping"


async def _linked(replica: int) -> bool:
    return "master_link_status:up" in await say(replica, "INFO", "replication")


async def _online(primary: int) -> bool:
    return "state=online" in await say(primary, "INFO", "replication")


@asynccontextmanager
async def _pair(directory: Path) -> AsyncIterator[tuple[int, int]]:
    async with (
        redis_server(directory / "primary", *AT_ONCE) as primary,
        redis_server(directory / "replica", "--replicaof", f"{HOST} {primary}") as replica,
    ):
        await until(partial(_linked, replica))
        await until(partial(_online, primary))
        yield primary, replica


async def test_a_good_server(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--maxmemory", "100mb", "--maxclients", "200") as port:
        reading = await run_once("redis", HOST, port=port, round_trip=True)
        left = await say(port, "DBSIZE")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["connections_max"] == 200
    assert reading.metrics["connections_used_pct"] == reading.metrics["connections_used"] / 2
    assert reading.metrics["memory_max_bytes"] == 100 << 20
    assert 0 < reading.metrics["memory_used_pct"] < 10
    assert reading.metrics["ping_ms"] > 0
    assert reading.metrics["round_trip_ms"] > 0
    assert reading.facts["version"].split(".")[0].isdecimal()
    assert reading.facts["role"] == "primary"
    assert "login_ms" not in reading.metrics
    assert set(reading.phases) == {"resolve", "connect", "query"}
    assert left.startswith(":0")
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in module.PROBE.facts}


async def test_snapshots_are_known_once_one_was_made(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as port:
        before = await run_once("redis", HOST, port=port)
        await asyncio.sleep(3)
        await say(port, "SAVE")
        after = await run_once("redis", HOST, port=port)
    assert "last_save_age_s" not in before.metrics
    assert "last_save_age_s: no snapshot" in before.facts["not_told"]
    assert 0 <= after.metrics["last_save_age_s"] < 3
    assert after.metrics["last_save_ok"] == 1


async def test_the_append_only_file(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--appendonly", "yes") as port:
        reading = await run_once("redis", HOST, port=port)
    assert reading.metrics["aof_ok"] == 1
    assert reading.facts["aof"] == "ok"


async def test_parameters_against_a_manifest(tmp_path: Path) -> None:
    wanted = {"maxmemory": "100mb", "appendonly": False, "timeout": 10, "maxmemory-policy": "noeviction"}
    async with redis_server(tmp_path, "--maxmemory", "100mb", "--timeout", "30") as port:
        differing = await run_once("redis", HOST, port=port, parameters=wanted)
        unknown = await run_once("redis", HOST, port=port, parameters={"no-such-thing": 1})
    assert differing.metrics["parameters_differing"] == 1
    assert differing.facts["parameters"] == "timeout is 30, wanted 10"
    assert "parameters_differing" not in unknown.metrics
    assert unknown.facts["parameters"] == "no-such-thing is not shown"


async def test_an_account_with_just_the_rights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        redis_server(
            tmp_path, "--user", *ACL.split(), "--user", *LOOKING.split(), "--requirepass", "secret"
        ) as port,
        shared_here(secrets={"right": MARKER, "wrong": f"{MARKER}-not", "other": "other"}) as shared,
    ):
        context = Context(shared, 5.0, trace=[])
        ask: dict[str, Any] = {"shared": shared, "context": context, "port": port, "round_trip": True}
        good = await run_once(
            "redis", HOST, **ask, user="muster", password="secret:right", parameters={"timeout": 0}
        )
        bad = await run_once("redis", HOST, **ask, user="muster", password="secret:wrong")
        none = await run_once("redis", HOST, **ask)
        few = await run_once("redis", HOST, **ask, user="looking", password="secret:other")
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert "needs" not in good.facts["not_told"]
    assert good.metrics["login_ms"] > 0
    assert good.metrics["parameters_differing"] == 0
    for refused in (bad, none):
        assert (refused.outcome, refused.kind) == (Outcome.ERROR, "auth")
        assert refused.detail.startswith("wrong_password: ")
    assert bad.phase == "login"
    assert (few.outcome, few.kind) == (Outcome.ERROR, "permission")
    assert few.detail.startswith("missing_right: NOPERM")
    assert few.metrics["ping_ms"] > 0
    assert "(needs +info)" in few.facts["not_told"]
    assert MARKER not in f"{good}{bad}{none}{few}{context.trace}{caplog.text}"


async def test_a_password_that_the_server_does_not_ask_for(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as port, shared_here(secrets={"p": MARKER}) as shared:
        reading = await run_once("redis", HOST, shared=shared, port=port, password="secret:p")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
    assert MARKER not in str(reading)


async def test_another_database(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as port:
        good = await run_once("redis", HOST, port=port, db=3, round_trip=True)
        none = await run_once("redis", HOST, port=port, db=99)
    assert good.outcome is Outcome.OK
    assert (none.outcome, none.kind) == (Outcome.FAILED, "expectation")
    assert none.detail.startswith("no_such_database: ")


async def test_a_primary_and_its_replica(tmp_path: Path) -> None:
    async with _pair(tmp_path) as (primary_port, replica_port):
        primary = await run_once("redis", HOST, port=primary_port)
        replica = await run_once("redis", HOST, port=replica_port, round_trip=True)
    assert (primary.metrics["replicas"], primary.metrics["replicas_online"]) == (1, 1)
    assert 0 <= primary.metrics["replica_lag_s"] <= 2
    assert primary.metrics["replica_lag_bytes"] >= 0
    assert f":{replica_port} online" in primary.facts["replicas_seen"]
    assert (replica.outcome, replica.kind) == (Outcome.FAILED, "expectation")
    assert replica.detail.startswith("read_only: READONLY")
    assert replica.facts["role"] == "replica"
    assert replica.facts["primary"] == f"{HOST}:{primary_port}"
    assert replica.metrics["replica_link_up"] == 1
    assert 0 <= replica.metrics["replica_lag_s"] <= 11


async def test_a_replica_without_its_primary(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        primary = await stack.enter_async_context(redis_server(tmp_path / "primary", *AT_ONCE))
        async with redis_server(
            tmp_path / "replica", "--replicaof", f"{HOST} {primary}", "--replica-serve-stale-data", "no"
        ) as replica:
            await until(partial(_linked, replica))
            await stack.aclose()
            await asyncio.sleep(1.2)
            reading = await run_once("redis", HOST, port=replica)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("primary_down: MASTERDOWN")
    assert reading.metrics["replica_link_up"] == 0
    assert reading.metrics["replica_lag_s"] >= 1
    assert "replica_lag_bytes" not in reading.metrics


async def test_memory_is_used_up(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--maxmemory", "100kb") as port:
        reading = await run_once("redis", HOST, port=port, round_trip=True)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("out_of_memory: OOM")
    assert reading.metrics["memory_used_pct"] > 100


@pytest.mark.parametrize("password", [None, "secret:p"])
async def test_connections_are_used_up(tmp_path: Path, password: str | None) -> None:
    streams = []

    async def full() -> bool:
        streams.append(await asyncio.open_connection(HOST, port))
        try:
            return b"max number of clients" in await asyncio.wait_for(streams[-1][0].read(100), 0.2)
        except TimeoutError:
            return False

    async with (
        redis_server(tmp_path, "--maxclients", "2") as port,
        shared_here(secrets={"p": MARKER}) as shared,
    ):
        await until(full)
        reading = await run_once("redis", HOST, shared=shared, port=port, password=password)
        for _, writer in streams:
            writer.close()
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("too_many_connections: ")


async def test_a_server_that_loads(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--enable-debug-command", "yes") as port:
        await say(port, "DEBUG", "POPULATE", "2000")
        await say(port, "SAVE")
    slow = ("--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024")
    async with redis_server(tmp_path, *slow) as port:
        reading = await run_once("redis", HOST, port=port)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("loading: ")
    assert reading.facts["role"] == "primary"


async def test_writes_stop_where_no_snapshot_can_be_saved(tmp_path: Path) -> None:
    async def failed(port: int) -> bool:
        return "rdb_last_bgsave_status:err" in await say(port, "INFO", "persistence")

    data = tmp_path / "data"
    async with redis_server(data, "--save", "900 1", "--logfile", str(tmp_path / "log")) as port:
        shutil.rmtree(data)
        await say(port, "SET", "a", "b")
        await say(port, "BGSAVE")
        await until(partial(failed, port))
        reading = await run_once("redis", HOST, port=port, round_trip=True)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("save_failed: MISCONF")
    assert reading.metrics["last_save_ok"] == 0


async def test_too_few_replicas(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--min-replicas-to-write", "1") as port:
        reading = await run_once("redis", HOST, port=port, round_trip=True)
    assert reading.kind == "expectation"
    assert reading.detail.startswith("too_few_replicas: NOREPLICAS")


async def test_tls(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), tmp_path / "other"
    other.mkdir()
    stranger, files = Authority(other), authority.issue(HOST)
    mine = authority.issue("client", label="client")
    keys = ["--tls-cert-file", str(files.file), "--tls-key-file", str(files.file)]
    keys += ["--tls-ca-cert-file", str(authority.file)]
    async with redis_server(tmp_path / "data", *keys, tls=True) as port:
        ask: dict[str, Any] = {"port": port, "ca": str(authority.file), "certificate": str(mine.file)}
        good = await run_once("redis", HOST, **ask, tls="on")
        named = await run_once("redis", HOST, **ask, tls="on", server_name="other.example")
        unknown = await run_once("redis", HOST, **ask | {"ca": str(stranger.file)}, tls="on")
        nameless = await run_once("redis", HOST, **ask | {"certificate": None}, tls="on")
        plain = await run_once("redis", HOST, port=port)
    async with redis_server(tmp_path / "plain") as port:
        over = await run_once("redis", HOST, **ask | {"port": port}, tls="on", timeout=1.0)
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert good.phases["tls"] > 0
    assert {*good.metrics} <= {metric.name for metric in module.PROBE.metrics}
    for reading in (named, unknown, nameless):
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "tls"), reading
    assert (over.kind, over.phase) == ("timeout", "tls")
    assert "Hostname mismatch" in named.detail
    assert unknown.detail.startswith("certificate: ")
    assert unknown.phase == "tls"
    assert plain.kind in ("tls", "protocol")
    assert "the port speak" in plain.detail


async def test_certificates_that_are_not_there(tmp_path: Path) -> None:
    with closed_port() as port:
        reading = await run_once("redis", HOST, port=port, tls="on", ca=str(tmp_path / "none"))
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")


async def test_nobody_listens() -> None:
    with closed_port() as port:
        reading = await run_once("redis", HOST, port=port)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "refused", "connect")


HOSTILE = {
    "garbage": (garbage, "protocol"),
    "endless": (endless, "protocol"),
    "resets": (resets, "protocol"),
    "closes": (closes, "protocol"),
    "silent": (silent, "timeout"),
    "a length without end": (says(b"$99999999999\r\n", hold=True), "protocol"),
    "a long list": (says(b"*2000000000\r\n", b":1\r\n" * 1_000_000, hold=True), "protocol"),
    "deep lists": (says(b"*1\r\n" * 100_000, hold=True), "protocol"),
    "a line without end": (says(b"+" + b"x" * 100_000, hold=True), "protocol"),
    "no number": (says(b":abc\r\n", hold=True), "protocol"),
    "not UTF-8": (says(b"-ERR \xff\xfe\r\n" * 9, hold=True), "expectation"),
    "a number for a text": (says(b":1\r\n" * 9, hold=True), "protocol"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_servers_that_misbehave(name: str) -> None:
    handler, kind = HOSTILE[name]
    async with tcp_server(handler) as port:
        reading = await run_once("redis", HOST, port=port, timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind), reading.detail
    assert len(reading.detail) < 400


async def test_a_run_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def alone() -> bool:
        return (await say(port, "CLIENT", "LIST")).count("laddr=") == 1

    async with redis_server(tmp_path) as port:
        blocking = asyncio.create_task(run_once("redis", HOST, port=port, round_trip=True, timeout=30))
        await say(port, "CLIENT", "PAUSE", "60000", "WRITE")
        while "cmd=set" not in await say(port, "CLIENT", "LIST"):
            if blocking.done():
                blocking = asyncio.create_task(
                    run_once("redis", HOST, port=port, round_trip=True, timeout=30)
                )
            await asyncio.sleep(0.01)
        blocking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await blocking
        await until(alone)
        await say(port, "CLIENT", "UNPAUSE")
        assert (await say(port, "DBSIZE")).startswith(":0")


async def test_a_key_that_is_left_expires(tmp_path: Path) -> None:
    acl = "muster on nopass ~muster:* -@all +ping +info +set +get"
    async with (
        redis_server(tmp_path, "--user", *acl.split(), "--requirepass", "x") as port,
        shared_here(secrets={"p": "any"}) as shared,
    ):
        reading = await run_once(
            "redis", HOST, shared=shared, port=port, user="muster", password="secret:p", round_trip=True
        )
        [key] = [word for word in (await say(port, "KEYS", "*", password="x")).split() if "muster" in word]
        left = await say(port, "TTL", key, password="x")
    assert reading.kind == "permission"
    assert 50 < int(left.split(":")[-1]) <= 60


async def test_the_driver_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    reading = await run_once("redis", HOST)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")
    assert "install muster-monitor[redis]" in reading.detail


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "sentinel"},
        {"service": "billing"},
        {"nodes": ["10.0.0.1"]},
        {"mode": "sentinel", "service": "billing", "nodes": ["db1.gd.example"]},
        {"mode": "sentinel", "service": "billing", "round_trip": True},
        {"user": "muster"},
        {"password": "inline"},
        {"tls": "prefer"},
    ],
)
def test_parameters_that_do_not_fit(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"validation error"):
        module.RedisParams.model_validate(wrong)
