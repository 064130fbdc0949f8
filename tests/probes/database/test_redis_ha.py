"""redis with sentinels and as a cluster, against real ones; and what their answers mean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from probes.api import Outcome
from probes.database import _redis_cluster as cluster
from probes.database import _redis_info as info
from probes.database import _redis_sentinel as sentinel_said
from probes.database import redis as module
from tests.probing import run_once, shared_here
from tests.servers.redis import redis_cluster, redis_server, say, sentinel, until

HOST, SERVICE, MARKER = "127.0.0.1", "billing", "marker-Pa55w0rd"
ACL = "muster on >right ~muster:* resetchannels -@all +ping +info +set +get +del"
FEW = "muster on >few resetchannels -@all +sentinel|master"
RIGHTS = f"muster on >{MARKER} resetchannels -@all +sentinel|master +sentinel|replicas +sentinel|ckquorum"


async def _sees(port: int, *parts: str) -> bool:
    told = await say(port, "SENTINEL", "MASTER", SERVICE, sentinel=True)
    told += await say(port, "SENTINEL", "REPLICAS", SERVICE, sentinel=True)
    return all(part.replace(" ", "\r\n") in told for part in parts)


@asynccontextmanager
async def _watched(directory: Path) -> AsyncIterator[tuple[int, list[int], AsyncExitStack]]:
    """Run a primary, its replica and three sentinels; give the primary's port and the sentinels'."""
    async with AsyncExitStack() as lasting, AsyncExitStack() as others:
        enter = lasting.enter_async_context
        primary = await enter(redis_server(directory / "primary", "--repl-diskless-sync-delay", "0"))
        await enter(redis_server(directory / "replica", "--replicaof", f"{HOST} {primary}"))
        first = await enter(sentinel(directory / "sentinel0", primary, SERVICE))
        second = await others.enter_async_context(sentinel(directory / "sentinel1", primary, SERVICE))
        third = await others.enter_async_context(sentinel(directory / "sentinel2", primary, SERVICE))
        await until(
            partial(_sees, first, "num-other-sentinels $1 2", "num-slaves $1 1", "master-link-status $2 ok"),
            30,
        )
        yield primary, [first, second, third], others


async def test_sentinels(tmp_path: Path) -> None:
    ask: dict[str, Any] = {"mode": "sentinel", "service": SERVICE}
    async with _watched(tmp_path) as (primary, ports, others):
        alone = await run_once("redis", HOST, **ask, port=ports[0])
        both = await run_once("redis", HOST, **ask, port=ports[1], nodes=[HOST], round_trip=True)
        moved = await run_once("redis", HOST, **ask, port=ports[1], nodes=["10.9.9.9"])
        unknown = await run_once("redis", HOST, **ask | {"service": "other"}, port=ports[0])
        await others.aclose()
        await until(partial(_outvoted, ports[0]))
        lost = await run_once("redis", HOST, **ask, port=ports[0])
    assert (alone.outcome, alone.detail) == (Outcome.OK, "")
    expected = {
        "sentinels": 3, "sentinel_quorum": 2, "sentinel_quorum_ok": 1, "sentinel_primary_ok": 1,
        "sentinel_replicas": 1, "sentinel_replicas_ok": 1,
    }  # fmt: skip
    assert {name: alone.metrics[name] for name in expected} == expected
    assert alone.facts["service_primary"] == f"{HOST}:{primary}"
    assert "ping_ms" not in alone.metrics
    assert (both.outcome, both.detail) == (Outcome.OK, "")
    assert both.metrics["round_trip_ms"] > 0
    assert both.metrics["replicas_online"] == 1
    assert {*both.metrics} <= {metric.name for metric in module.PROBE.metrics}
    assert {*both.facts} <= {fact.name for fact in module.PROBE.facts}
    assert (moved.outcome, moved.kind) == (Outcome.FAILED, "expectation")
    assert moved.detail == f"unknown_primary: {HOST}:{primary} is none of the nodes"
    assert (unknown.outcome, unknown.kind) == (Outcome.FAILED, "expectation")
    assert unknown.detail.startswith("no_such_service: ")
    assert lost.metrics["sentinel_quorum_ok"] == 0
    assert "NOQUORUM" in lost.facts["sentinel_quorum_said"]


async def _outvoted(port: int) -> bool:
    return "NOQUORUM" in await say(port, "SENTINEL", "CKQUORUM", SERVICE, sentinel=True)


async def test_an_account_at_a_sentinel(tmp_path: Path) -> None:
    lines = ("requirepass other", f"user {RIGHTS}", f"user {FEW.replace('muster', 'few')}")
    ask: dict[str, Any] = {"mode": "sentinel", "service": SERVICE}
    async with (
        redis_server(tmp_path / "primary") as primary,
        sentinel(tmp_path / "sentinel", primary, SERVICE, *lines) as port,
        shared_here(secrets={"right": MARKER, "few": "few", "wrong": f"{MARKER}x"}) as shared,
    ):
        ask |= {"port": port, "shared": shared}
        good = await run_once(
            "redis", HOST, **ask, sentinel_user="muster", sentinel_password="secret:right", nodes=[HOST]
        )
        few = await run_once("redis", HOST, **ask, sentinel_user="few", sentinel_password="secret:few")
        bad = await run_once("redis", HOST, **ask, sentinel_user="muster", sentinel_password="secret:wrong")
        none = await run_once("redis", HOST, **ask)
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert good.metrics["sentinel_quorum_ok"] == 0
    assert good.metrics["sentinel_replicas_ok"] == 0
    assert "needs" not in good.facts["not_told"]
    assert few.outcome is Outcome.OK
    assert "(needs +sentinel|ckquorum)" in few.facts["not_told"]
    assert not {"sentinel_quorum_ok", "sentinel_replicas_ok"} & {*few.metrics}
    assert {(each.outcome, each.kind) for each in (bad, none)} == {(Outcome.ERROR, "auth")}
    assert MARKER not in f"{good}{few}{bad}{none}"


async def test_a_cluster(tmp_path: Path) -> None:
    acl = f"{ACL} +cluster|info +cluster|nodes"
    async with (
        redis_cluster(tmp_path, "--user", *acl.split()) as (ports, stop),
        shared_here(secrets={"p": "right"}) as shared,
    ):
        ask: dict[str, Any] = {"mode": "cluster", "user": "muster", "password": "secret:p", "shared": shared}
        for port in ports:
            whole = await run_once("redis", HOST, **ask, port=port, round_trip=True)
            assert (whole.outcome, whole.detail) == (Outcome.OK, "")
        await stop(2)
        await until(partial(_failing, ports[0]))
        broken = await run_once("redis", HOST, **ask, port=ports[0], round_trip=True)
    expected = {
        "cluster_ok": 1, "cluster_slots_assigned": 16_384, "cluster_slots_ok": 16_384, "cluster_nodes": 3,
        "cluster_primaries": 3, "cluster_nodes_failing": 0, "cluster_nodes_unlinked": 0,
        "cluster_primaries_alone": 3,
    }  # fmt: skip
    assert {name: whole.metrics[name] for name in expected} == expected
    assert whole.facts["cluster_failing"] == "none"
    assert "needs" not in whole.facts["not_told"]
    assert (broken.outcome, broken.kind) == (Outcome.FAILED, "expectation")
    assert broken.detail.startswith("cluster_down: CLUSTERDOWN")
    assert broken.metrics["cluster_ok"] == 0
    assert broken.metrics["cluster_nodes_failing"] == 1
    assert broken.metrics["cluster_slots_ok"] < 16_384
    assert f"{HOST}:{ports[2]}" in broken.facts["cluster_failing"]
    assert {*broken.metrics} <= {metric.name for metric in module.PROBE.metrics}


async def _failing(port: int) -> bool:
    return "cluster_state:fail" in await say(port, "CLUSTER", "INFO")


async def test_a_server_that_is_of_no_cluster(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as port:
        reading = await run_once("redis", HOST, port=port, mode="cluster")
        no_sentinel = await run_once("redis", HOST, port=port, mode="sentinel", service=SERVICE)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("no_cluster: ")
    assert (no_sentinel.outcome, no_sentinel.kind) == (Outcome.FAILED, "expectation")


NODES = """\
07c3 10.0.0.1:6379@16379,a.example myself,master - 0 0 1 connected 0-5460 5461 [93-<-292f]
67ed 10.0.0.2:6379@16379 master,fail - 1426238316232 1426238316232 2 disconnected 5462-10922
292f 10.0.0.3:6379@16379 master - 0 1426238318243 3 connected 10923-16383
824f 10.0.0.4:6379@16379 slave 07c3 0 1426238317741 1 connected
broken line
"""


def test_nodes_as_documented() -> None:
    answer = cluster.read_nodes(cluster.nodes(NODES))
    assert answer.metrics == {
        "cluster_nodes_failing": 1, "cluster_nodes_unlinked": 1, "cluster_primaries_alone": 2,
    }  # fmt: skip
    assert answer.facts == {"cluster_failing": "10.0.0.2:6379 fail,master"}
    assert cluster.own_slots(cluster.nodes(NODES)) == ((0, 5460), (5461, 5461))


@given(st.integers(0, 16_383))
def test_a_key_lies_in_the_slots_it_was_made_for(slot: int) -> None:
    slots = ((max(0, slot - 50), slot),)
    key = cluster.key_within(slots, "token", key_slot)
    assert key.startswith("muster:")
    assert slots[0][0] <= key_slot(key.encode()) <= slots[0][1]


def test_no_key_without_slots() -> None:
    assert not cluster.key_within((), "token", key_slot)


FIELD = st.sampled_from(
    [*info.PLAIN, "role", "slave0", "master_link_status", "rdb_last_save_time", "aof_enabled"]
)
VALUE = st.one_of(
    st.text(max_size=30), st.sampled_from(["slave", "master", "up", "1", "-1", "state=online,lag=0,offset=9"])
)


@given(st.dictionaries(FIELD, VALUE))
def test_any_info_is_read(fields: dict[str, str]) -> None:
    text = "".join(f"{name}:{value}\r\n" for name, value in fields.items())
    answer = info.read_info(info.parsed(text))
    assert {*answer.metrics} <= {metric.name for metric in info.METRICS}
    assert {*answer.facts} <= {fact.name for fact in info.FACTS}


@given(st.text(max_size=300))
def test_any_text_is_read_as_nodes(text: str) -> None:
    answer = cluster.read_nodes(cluster.nodes(text))
    assert all(value >= 0 for value in answer.metrics.values())


@given(st.recursive(st.one_of(st.none(), st.integers(), st.text(max_size=9)), st.lists))
def test_any_answer_of_a_sentinel_is_read(answer: object) -> None:
    told = {"sentinel_replicas_ok"} if isinstance(answer, list) else set()
    assert {*sentinel_said.read_replicas(answer).metrics} == told
    assert {*sentinel_said.read_primary(sentinel_said.pairs(answer)).metrics} <= {
        metric.name for metric in sentinel_said.METRICS
    }


def test_a_sentinel_that_tells_no_flags_does_not_say_that_all_is_well() -> None:
    assert "sentinel_primary_ok" not in sentinel_said.read_primary({"ip": "::1", "port": "1"}).metrics
    mute = sentinel_said.read_replicas([["ip", "::1", "master-link-status", "ok"]])
    assert mute.metrics == {"sentinel_replicas_ok": 0}
    assert sentinel_said.read_replicas(None).not_told


def test_a_replica_that_is_not_fed_yet_has_no_lag() -> None:
    fields = {
        "role": "master",
        "slave0": "ip=::1,port=1,state=wait_bgsave,offset=0,lag=0",
        "master_repl_offset": "9",
    }
    answer = info.read_info(fields)
    assert answer.metrics["replicas_online"] == 0
    assert "replica_lag_s" not in answer.metrics
    assert any(each.startswith("replica_lag_s") for each in answer.not_told)


def test_a_snapshot_has_no_age_by_another_clock_than_the_servers() -> None:
    fields = {"rdb_last_save_time": "1700000000", "uptime_in_seconds": "900000"}
    answer = info.read_info(fields)
    assert "last_save_age_s" not in answer.metrics
    assert "last_save_age_s: the server does not show its clock" in answer.not_told
    told = info.read_info(fields | {"server_time_usec": "1700000060000000"})
    assert told.metrics["last_save_age_s"] == 60
