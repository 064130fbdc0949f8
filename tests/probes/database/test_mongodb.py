"""mongodb against a stand-in (no real server is to be had): the protocol, the login, what answers mean."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo import AsyncMongoClient

from probes.api import Context, Outcome
from probes.database import _mongodb_answers as answers
from probes.database import mongodb as module
from probes.database._mongodb_reply import CODES, refusal
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import closes, endless, garbage, resets, says, silent, tcp_server
from tests.servers.mongodb import HEAD, member, mongod, replica_set, server_status, unauthorized
from tests.servers.ports import closed_port

HOST, MARKER = "127.0.0.1", "marker-Pa55w0rd"
USER: dict[str, Any] = {"user": "muster", "password": "secret:right"}
TRIP: dict[str, Any] = {"database": "billing", "round_trip": {"collection": "muster_probe"}}


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
async def test_the_stand_in_is_one_that_pymongo_talks_to(mechanism: str) -> None:
    async with mongod(users={"muster": MARKER}) as (port, _):
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            HOST, port, username="muster", password=MARKER, authMechanism=mechanism, directConnection=True
        )
        answer = await client.admin.command("serverStatus")
        await client.billing.muster_probe.insert_one({"_id": "x"})
        found = await client.billing.muster_probe.find_one({"_id": "x"})
        await client.close()
    assert answer["uptime"] == 86_400
    assert found == {"_id": "x"}


async def test_a_standalone_server() -> None:
    async with mongod() as (port, server):
        reading = await run_once("mongodb", HOST, port=port, **TRIP)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    expected = {
        "uptime_s": 86_400, "connections_used": 40, "connections_max": 800, "connections_used_pct": 5,
        "queued": 2, "memory_used_bytes": 900 * 2**20, "cache_used_pct": 80, "cache_dirty_pct": 5,
        "size_bytes": 4e9, "disk_used_pct": 60,
    }  # fmt: skip
    assert {name: reading.metrics[name] for name in expected} == expected
    assert reading.facts == {
        "version": "6.0.14", "server": "MongoDB", "role": "standalone", "not_told": "none"
    }  # fmt: skip
    assert reading.metrics["ping_ms"] > 0
    assert reading.metrics["round_trip_ms"] > 0
    assert not server.documents
    assert server.indexes == [{"key": {"at": 1}, "name": "muster_expiry", "expireAfterSeconds": 60}]
    assert (server.opened, server.connections) == (1, 0)
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}


@pytest.mark.parametrize("mechanisms", [("SCRAM-SHA-256", "SCRAM-SHA-1"), ("SCRAM-SHA-1",)])
async def test_logging_in(mechanisms: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        mongod(users={"muster": MARKER}, mechanisms=mechanisms) as (port, server),
        shared_here(secrets={"right": MARKER, "wrong": f"{MARKER}-not"}) as shared,
    ):
        context = Context(shared, 5.0, trace=[])
        ask: dict[str, Any] = {"port": port, "shared": shared, "context": context}
        good = await run_once("mongodb", HOST, **ask, **USER)
        bad = await run_once("mongodb", HOST, **ask, **USER | {"password": "secret:wrong"})
        nobody = await run_once("mongodb", HOST, **ask, **USER | {"user": "nobody"})
        none = await run_once("mongodb", HOST, **ask)
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert good.metrics["login_ms"] > 0
    assert server.asked[1]["mechanism"] == mechanisms[0]
    for refused in (bad, nobody):
        assert (refused.outcome, refused.kind, refused.phase) == (Outcome.ERROR, "auth", "login")
        assert refused.detail == "wrong_password: Authentication failed. (18)"
    assert (none.outcome, none.kind) == (Outcome.ERROR, "auth")
    assert none.detail.endswith("requires authentication: no user is given")
    assert MARKER not in f"{good}{bad}{nobody}{none}{context.trace}{caplog.text}{server.asked}"


@pytest.mark.parametrize("iterations", [4095, 1_000_001])
async def test_a_server_that_has_the_password_hashed_at_its_will(
    iterations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = f"r=abc,s=AAAA,i={iterations}"
    async with (
        mongod({"hello": {"ok": 1.0}}, users={"muster": MARKER}) as (port, _),
        shared_here(secrets={"right": MARKER}) as shared,
    ):
        monkeypatch.setattr(
            "tests.servers.mongodb._Session._first", lambda self, *_: self._step(first, done=False)
        )
        reading = await run_once("mongodb", HOST, port=port, shared=shared, **USER)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert "hashed too often, or too little" in reading.detail


async def test_a_server_that_does_not_know_the_password_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    forged = "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    async with (
        mongod(users={"muster": MARKER}) as (port, _),
        shared_here(secrets={"right": MARKER}) as shared,
    ):
        monkeypatch.setattr("scramp.core.ScramServer.get_server_final", lambda _: forged)
        reading = await run_once("mongodb", HOST, port=port, shared=shared, **USER)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "protocol", "login")


PRIMARY, SECONDARY = member("10.0.0.1", 1, "PRIMARY"), member("10.0.0.2", 2, "SECONDARY", 3)
LATE, ARBITER = member("10.0.0.3", 2, "SECONDARY", 42), member("10.0.0.4", 7, "ARBITER", None)


async def test_a_primary() -> None:
    told = replica_set({**PRIMARY, "self": True}, SECONDARY, LATE, ARBITER)
    async with mongod(told) as (port, _):
        reading = await run_once("mongodb", HOST, port=port)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    expected = {
        "members": 4, "members_healthy": 4, "has_primary": 1, "replica_lag_s": 42, "oplog_window_s": 90_000,
    }  # fmt: skip
    assert {name: reading.metrics[name] for name in expected} == expected
    assert (reading.facts["role"], reading.facts["replica_set"]) == ("primary", "rs0")
    assert "10.0.0.3:27017 SECONDARY 42 s behind" in reading.facts["members_seen"]


async def test_a_secondary_tells_its_own_lag() -> None:
    told = replica_set(PRIMARY, {**SECONDARY, "self": True}, LATE, state=2)
    refused = {"insert": {"ok": 0.0, "code": 10107, "errmsg": "not primary"}}
    async with mongod(told) as (port, _), mongod({**told, **refused}) as (other, _):
        reading = await run_once("mongodb", HOST, port=port)
        written = await run_once("mongodb", HOST, port=other, **TRIP)
    assert reading.metrics["replica_lag_s"] == 3
    assert reading.facts["role"] == "secondary"
    assert (written.outcome, written.kind) == (Outcome.FAILED, "expectation")
    assert written.detail == "read_only: not primary (10107)"
    assert written.metrics["replica_lag_s"] == 3


async def test_a_set_without_a_primary() -> None:
    down = member("10.0.0.1", 8, "(not reachable/healthy)", None, health=0.0)
    told = replica_set(down, {**SECONDARY, "self": True}, state=2)
    async with mongod(told) as (port, _):
        reading = await run_once("mongodb", HOST, port=port)
    assert (reading.metrics["has_primary"], reading.metrics["members_healthy"]) == (0, 1)
    assert "replica_lag_s" not in reading.metrics
    assert "replica_lag_s: there is no primary" in reading.facts["not_told"]


async def test_an_arbiter_and_a_member_that_recovers() -> None:
    recovering = {**member("10.0.0.2", 3, "RECOVERING"), "self": True}
    arbiter = replica_set(PRIMARY, {**ARBITER, "self": True}, state=7)
    async with mongod(arbiter) as (port, _), mongod(replica_set(PRIMARY, recovering, state=3)) as (other, _):
        first = await run_once("mongodb", HOST, port=port)
        second = await run_once("mongodb", HOST, port=other)
    assert first.facts["role"] == "arbiter"
    assert second.facts["role"] == "recovering"
    assert "replica_lag_s" not in {**first.metrics, **second.metrics}


async def test_mongos() -> None:
    told = {"hello": {"msg": "isdbgrid"}, "listShards": {"shards": [{"_id": "a"}, {"_id": "b"}]}}
    status = {"serverStatus": {"uptime": 5.0, "connections": {"current": 1, "available": 9, "rejected": 4}}}
    async with mongod({**told, **status}) as (port, _):
        reading = await run_once("mongodb", HOST, port=port)
    assert reading.facts["role"] == "mongos"
    assert (reading.metrics["shards"], reading.metrics["connections_rejected"]) == (2, 4)
    assert "cache_used_pct" not in reading.metrics


async def test_an_older_server_is_asked_as_it_knows() -> None:
    told = {"hello": None, "isMaster": {"ismaster": True, "setName": "old"}}
    version = {"buildInfo": {"version": "4.2.25", "modules": ["enterprise"]}}
    async with mongod({**told, **version, "replSetGetStatus": {"members": []}}) as (port, _):
        reading = await run_once("mongodb", HOST, port=port)
    assert (reading.facts["role"], reading.facts["version"]) == ("primary", "4.2.25")
    assert reading.facts["server"] == "MongoDB Enterprise"


async def test_what_there_is_no_right_for_is_not_told() -> None:
    told = replica_set({**PRIMARY, "self": True})
    refused = {name: unauthorized(name) for name in ("serverStatus", "replSetGetStatus", "find", "dbStats")}
    async with mongod({**told, **refused}) as (port, _):
        reading = await run_once("mongodb", HOST, port=port, database="billing", parameters={"quiet": False})
    assert reading.outcome is Outcome.OK
    assert {*reading.metrics} == {"connect_ms", "ping_ms"}
    for right in ("needs clusterMonitor", "needs read on local", "no option found"):
        assert right in reading.facts["not_told"]


async def test_parameters_against_a_manifest() -> None:
    def parameter(command: dict[str, Any]) -> dict[str, Any]:
        known = {"quiet": False, "cursorTimeoutMillis": 600_000}
        found = {name: value for name, value in known.items() if name in command}
        return found or {"ok": 0.0, "code": 72, "errmsg": "no option found to get"}

    async with mongod({"getParameter": parameter}) as (port, _):
        same = await run_once(
            "mongodb", HOST, port=port, parameters={"quiet": False, "cursorTimeoutMillis": 600_000}
        )
        other = await run_once("mongodb", HOST, port=port, parameters={"quiet": True})
        unknown = await run_once("mongodb", HOST, port=port, parameters={"nonsense": 1})
    assert same.metrics["parameters_differing"] == 0
    assert other.facts["parameters"] == "quiet is off, wanted on"
    assert "parameters_differing" not in unknown.metrics


WRITES = {
    "read_only": {"ok": 0.0, "code": 13435, "errmsg": "not primary and secondaryOk=false"},
    "disk_full": {"n": 0, "writeErrors": [{"index": 0, "code": 14031, "errmsg": "available disk space"}]},
    "too_few_replicas": {
        "n": 1,
        "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"},
    },
}


@pytest.mark.parametrize("word", WRITES)
async def test_writes_that_are_refused(word: str) -> None:
    async with mongod({"insert": WRITES[word]}) as (port, _):
        reading = await run_once("mongodb", HOST, port=port, **TRIP)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith(f"{word}: ")
    assert reading.metrics["connections_used"] == 40


async def test_a_command_that_takes_too_long() -> None:
    slow = {"serverStatus": {"ok": 0.0, "code": 50, "errmsg": "operation exceeded time limit"}}
    async with mongod(slow) as (port, server):
        reading = await run_once("mongodb", HOST, port=port, query_timeout=0.5)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "timeout")
    assert reading.detail.startswith("slow_query: ")
    assert {each["maxTimeMS"] for each in server.asked[1:]} == {500}


async def test_tls(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    authority, stranger = Authority(tmp_path), Authority(other)
    settings = authority.issue(HOST).server_context()
    async with mongod(tls=settings) as (port, _), mongod() as (plain, _):
        ask: dict[str, Any] = {"port": port, "ca": str(authority.file)}
        good = await run_once("mongodb", HOST, **ask, tls="on")
        unknown = await run_once("mongodb", HOST, **ask | {"ca": str(stranger.file)}, tls="on")
        open_ = await run_once("mongodb", HOST, port=port)
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert good.phases["tls"] > 0
    assert (unknown.outcome, unknown.kind, unknown.phase) == (Outcome.FAILED, "tls", "tls")
    assert unknown.detail.startswith("certificate: ")
    assert (open_.outcome, open_.kind) == (Outcome.FAILED, "protocol")
    assert plain


async def test_a_run_that_is_cancelled_leaves_nothing() -> None:
    """What is left of a document expires by its index, which stands before anything is written."""
    reached = asyncio.Event()

    def delay(command: dict[str, Any]) -> float:
        if "find" not in command:
            return 0.0
        reached.set()
        return 30.0

    async with mongod(delay=delay) as (port, server):
        run = asyncio.create_task(run_once("mongodb", HOST, port=port, **TRIP, timeout=30))
        await reached.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        [document] = server.documents.values()
    names = [next(iter(command)) for command in server.asked]
    assert names.index("createIndexes") < names.index("insert")
    assert "at" in document


HOSTILE = {
    "garbage": (garbage, "protocol"),
    "endless": (endless, "protocol"),
    "resets": (resets, "protocol"),
    "closes": (closes, "protocol"),
    "silent": (silent, "timeout"),
    "a huge answer": (says(HEAD.pack(2**30, 1, 1, 2013), hold=True), "protocol"),
    "an answer to another": (says(HEAD.pack(30, 1, 77, 2013) + bytes(14), hold=True), "protocol"),
    "no BSON": (says(HEAD.pack(30, 1, 1, 2013) + bytes(14), hold=True), "protocol"),
    "half an answer": (says(HEAD.pack(300, 1, 1, 2013) + bytes(14)), "protocol"),
    "another section": (says(HEAD.pack(30, 1, 1, 2013) + b"\0\0\0\0\1" + bytes(9), hold=True), "protocol"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_servers_that_misbehave(name: str) -> None:
    handler, kind = HOSTILE[name]
    async with tcp_server(handler) as port:
        reading = await run_once("mongodb", HOST, port=port, timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind), reading.detail


async def test_nobody_listens() -> None:
    with closed_port() as port:
        reading = await run_once("mongodb", HOST, port=port)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "refused", "connect")


@pytest.mark.parametrize("missing", ["bson", "scramp"])
async def test_the_driver_is_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    reading = await run_once("mongodb", HOST)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")
    assert "install muster-monitor[mongodb]" in reading.detail


WRONG: list[dict[str, Any]] = [
    {"user": "x"},
    {"round_trip": {"collection": "muster_x"}},
    {"round_trip": {"collection": "orders"}, "database": "x"},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_parameters_that_do_not_fit(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        module.MongodbParams.model_validate(wrong)


NAMES = ["members", "state", "health", "optimeDate", "self", "connections", "current", "available", "mem"]
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9))
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=15,
)


@given(
    st.dictionaries(
        st.sampled_from(["members", "connections", "mem", "wiredTiger", "uptime", "shards"]), JSON
    )
)
def test_any_answer_is_read(answer: dict[str, Any]) -> None:
    known = {metric.name for metric in answers.METRICS}
    for read in (answers.read_hello, answers.read_build, answers.read_status, answers.read_members,
                 answers.read_size, answers.read_shards):  # fmt: skip
        assert {*read(answer).metrics} <= known
    answers.read_window(answers.first_of(answer), answer)


@given(st.one_of(st.none(), st.integers(), st.text(max_size=5)), st.text(max_size=50))
def test_any_refusal_has_an_ending(code: Any, text: str) -> None:
    word = refusal({"code": code, "errmsg": text}, ()).detail.partition(":")[0]
    assert word in {"command_refused", *(each for each, _ in CODES.values())}


def test_what_a_version_does_not_tell_is_absent() -> None:
    status = server_status(wiredTiger={}, mem={}, connections={})
    assert {*answers.read_status(status).metrics} == {"uptime_s", "queued"}
