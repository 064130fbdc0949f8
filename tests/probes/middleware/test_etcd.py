"""etcd against real members: one, a cluster of three and its end, with accounts, with TLS, and full."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Context, Outcome
from probes.middleware import _etcd as said_by
from probes.middleware import etcd as module
from probes.middleware.etcd import PROBE
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.etcd import Etcd, cluster, etcd
from tests.servers.hostile import HTTP, closes, endless, garbage, silent, tcp_server

MARKER = "marker-Pa55w0rd"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Etcd]:
    async with etcd(tmp_path_factory.mktemp("etcd")) as member:
        await member.until_healthy()
        yield member


async def _keys(member: Etcd) -> int:
    found = await member.call("kv/range", key="AA==", range_end="AA==", count_only=True)
    return int(found.get("count", 0))


async def test_a_good_member(one: Etcd) -> None:
    async with shared_here() as shared:
        reading = await run_once("etcd", "127.0.0.1", shared=shared, port=one.port, round_trip="muster/")
        await asyncio.sleep(0.9)
        again = await run_once("etcd", "127.0.0.1", shared=shared, port=one.port, round_trip="muster/")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.facts["role"] == "leader"
    assert reading.facts["member"] == reading.facts["leader"] == "one"
    assert reading.facts["version"].startswith("3.")
    assert "not_told" not in reading.facts
    assert reading.metrics["members"] == reading.metrics["members_started"] == 1
    assert reading.metrics["has_leader"] == 1
    assert reading.metrics["alarms"] == 0
    assert 0 < reading.metrics["db_quota_used_pct"] < 1
    assert again.metrics["wal_fsync_ms"] >= 0
    assert again.metrics["raft_index"] > reading.metrics["raft_index"]
    assert set(reading.phases) == {"resolve", "connect", "query", "round_trip"}
    assert await _keys(one) == 0
    assert "leases" not in await one.call("lease/leases")
    assert {*again.metrics} <= {metric.name for metric in PROBE.metrics}
    assert {*again.facts} <= {fact.name for fact in PROBE.facts}


async def test_a_run_that_is_cancelled_leaves_no_key(one: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    written, call = asyncio.Event(), module._Gateway.call

    async def slow(
        self: module._Gateway, what: str, body: dict[str, Any], phase: str = "query"
    ) -> dict[str, Any]:
        if what == "kv/range":
            written.set()
            await asyncio.sleep(60)
        return await call(self, what, body, phase)

    monkeypatch.setattr(module._Gateway, "call", slow)
    monkeypatch.setattr(module, "LEASE_S", 1)
    run = asyncio.create_task(run_once("etcd", "127.0.0.1", port=one.port, round_trip="muster/"))
    await written.wait()
    assert await _keys(one) == 1
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run
    async with asyncio.timeout(15):
        while await _keys(one):
            await asyncio.sleep(0.1)


async def _with_accounts(member: Etcd) -> None:
    """Turn authentication on, with an account that has the rights of the documentation and no others."""
    for name in ("root", "monitor", "nobody"):
        await member.call("auth/user/add", name=name, password=MARKER)
    for role in ("root", "muster"):
        await member.call("auth/role/add", name=role)
    right = {"permType": "READWRITE", "key": _b64("muster/"), "range_end": _b64("muster0")}
    await member.call("auth/role/grant", name="muster", perm=right)
    await member.call("auth/user/grant", user="root", role="root")
    await member.call("auth/user/grant", user="monitor", role="muster")
    await member.call("auth/enable")


async def test_accounts_and_their_rights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        etcd(tmp_path) as member,
        shared_here(secrets={"right": MARKER, "wrong": f"{MARKER}-not"}) as shared,
    ):
        await member.until_healthy()
        await _with_accounts(member)
        context = Context(shared, 5.0, trace=[])
        ask: dict[str, Any] = {
            "shared": shared, "context": context, "port": member.port, "round_trip": "muster/",
        }  # fmt: skip
        good = await run_once("etcd", "127.0.0.1", **ask, user="monitor", password="secret:right")
        wrong = await run_once("etcd", "127.0.0.1", **ask, user="monitor", password="secret:wrong")
        unfit = await run_once("etcd", "127.0.0.1", **ask, user="nobody", password="secret:right")
        none = await run_once("etcd", "127.0.0.1", **ask)
        plain = await run_once("etcd", "127.0.0.1", port=member.port)
    assert good.outcome is Outcome.OK, good.detail
    assert good.metrics["login_ms"] > 0
    assert (wrong.outcome, wrong.kind) == (Outcome.ERROR, "auth")
    assert wrong.detail.startswith("wrong_password: etcdserver: authentication failed")
    assert (unfit.outcome, unfit.kind) == (Outcome.ERROR, "permission")
    assert unfit.detail == "missing_right: etcdserver: permission denied"
    assert unfit.metrics["members"] == 1
    assert "round_trip_ms" not in unfit.metrics
    assert (none.outcome, none.kind) == (Outcome.ERROR, "auth")
    assert plain.outcome is Outcome.OK
    assert MARKER not in f"{good}{wrong}{unfit}{none}{context.trace}{caplog.text}"


async def test_a_login_where_there_are_no_accounts(one: Etcd) -> None:
    async with shared_here(secrets={"p": MARKER}) as shared:
        reading = await run_once(
            "etcd", "127.0.0.1", shared=shared, port=one.port, user="u", password="secret:p"
        )
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
    assert "authentication is not enabled" in reading.detail


async def test_a_cluster_and_its_end(tmp_path: Path) -> None:
    async with cluster(tmp_path) as members:
        readings = [await run_once("etcd", "127.0.0.1", port=member.port) for member in members]
        assert sorted(reading.facts["role"] for reading in readings) == ["follower", "follower", "leader"]
        assert {reading.metrics["members_started"] for reading in readings} == {3}
        assert len({reading.facts["leader"] for reading in readings}) == 1
        for member in members[1:]:
            member.process.kill()
            await member.process.wait()
        async with asyncio.timeout(30):
            lonely = await run_once("etcd", "127.0.0.1", port=members[0].port)
            while lonely.metrics.get("has_leader") != 0:
                await asyncio.sleep(0.1)
                lonely = await run_once("etcd", "127.0.0.1", port=members[0].port)
        dead = await run_once("etcd", "127.0.0.1", port=members[1].port)
    assert (lonely.outcome, lonely.kind) == (Outcome.FAILED, "expectation")
    assert lonely.detail == "no_leader: the member knows no leader"
    assert (dead.outcome, dead.kind) == (Outcome.FAILED, "refused")


async def test_a_database_that_is_full(tmp_path: Path) -> None:
    async with etcd(tmp_path, "--quota-backend-bytes=1000000") as member:
        await member.until_healthy()
        for number in range(40):
            await member.call("kv/put", key=_b64(f"k{number}"), value=_b64("x" * 100_000))
        reading = await run_once("etcd", "127.0.0.1", port=member.port, round_trip="muster/")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("disk_full: alarm NOSPACE")
    assert reading.facts["alarms_raised"] == "NOSPACE"
    assert reading.metrics["alarms"] == 1
    assert reading.metrics["db_quota_used_pct"] > 100


async def test_tls_is_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (other := tmp_path / "other").mkdir()
    stranger = Authority(other)
    async with etcd(tmp_path, authority=authority) as member:
        ask: dict[str, Any] = {"port": member.port, "tls": "on"}
        good = await run_once("etcd", "127.0.0.1", **ask, ca=str(authority.file))
        bad = await run_once("etcd", "127.0.0.1", **ask, ca=str(stranger.file))
        plain = await run_once("etcd", "127.0.0.1", port=member.port)
    assert good.outcome is Outcome.OK, good.detail
    assert good.metrics["tls_ms"] > 0
    assert (bad.outcome, bad.kind) == (Outcome.FAILED, "tls")
    assert plain.outcome is Outcome.FAILED


async def test_without_the_gateway_the_rest_is_told(tmp_path: Path) -> None:
    async with etcd(tmp_path, "--enable-grpc-gateway=false") as member:
        async with asyncio.timeout(20):
            reading = await run_once("etcd", "127.0.0.1", port=member.port)
            while reading.outcome is not Outcome.OK:
                await asyncio.sleep(0.1)
                reading = await run_once("etcd", "127.0.0.1", port=member.port)
        trip = await run_once("etcd", "127.0.0.1", port=member.port, round_trip="muster/")
    assert reading.metrics["has_leader"] == 1
    assert "members" not in reading.metrics
    assert "the JSON gateway is off" in reading.facts["not_told"]
    assert (trip.outcome, trip.kind) == (Outcome.ERROR, "permission")


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (silent, "timeout"),
        (garbage, "protocol"),
        (closes, "protocol"),
        (endless, "protocol"),
        (HTTP["slow_loris"], "timeout"),
        (HTTP["endless_body"], "protocol"),
        (HTTP["empty"], "protocol"),
        (HTTP["switching"], "protocol"),
    ],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("etcd", "127.0.0.1", port=port, timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


@contextlib.asynccontextmanager
async def _answering(answers: dict[str, tuple[int, dict[str, Any]]]) -> AsyncIterator[int]:
    """Serve a member that is healthy, has one series, and answers its gateway so, else with a header only."""

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.path == "/metrics":
            return web.Response(text="etcd_server_has_leader 1\n")
        header = {"header": {"member_id": "1"}, "leader": "1"}
        known: dict[str, tuple[int, dict[str, Any]]] = {"/health": (200, {"health": "true"})}
        status, document = (known | answers).get(request.path, (200, header))
        return web.json_response(document, status=status)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_a_lease_that_can_not_be_revoked_does_not_hide_the_cause() -> None:
    denied, broken = (403, {"code": 7, "error": "permission denied"}), (500, {"code": 13, "error": "other"})
    async with _answering({"/v3/kv/put": denied, "/v3/lease/revoke": broken}) as port:
        reading = await run_once("etcd", "127.0.0.1", port=port, round_trip="muster/")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
    assert reading.detail == "missing_right: permission denied"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["header", "members", "alarms", "ID", "name", "alarm", "leader", "dbSize"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text(max_size=5) | st.sampled_from(["header", "members", "alarms", "leader"]), JSON)
)
def test_answers_of_anybody_end_well(document: dict[str, Any]) -> None:
    for metrics, facts in (
        said_by.of_status(document), said_by.of_members(document, "1"), said_by.of_alarms(document),
    ):  # fmt: skip
        assert all(isinstance(value, float) for value in metrics.values())
        assert all(isinstance(value, str) for value in facts.values())


@pytest.mark.parametrize(
    ("health", "metrics", "why"),
    [
        ({"health": "true"}, {"has_leader": 0.0}, ""),
        ({"health": True}, {}, ""),
        ({"health": "false", "reason": "RAFT NO LEADER"}, {}, "no_leader: the member knows no leader"),
        ({"health": "false", "reason": "QGET ERROR"}, {"has_leader": 1.0}, "unhealthy: QGET ERROR"),
        ({}, {"has_leader": 1.0}, "unhealthy: the member says so"),
    ],
)
def test_why_a_member_is_unhealthy(health: dict[str, Any], metrics: dict[str, float], why: str) -> None:
    assert said_by.unhealthy(health, metrics, {}) == why
