"""elasticsearch against osmem (searches) and documented answers (state, rights, blocks) over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import secrets
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from probes.api import Outcome
from probes.middleware import elasticsearch as module
from probes.middleware.elasticsearch import PROBE
from tests.probes.middleware.watched import MARKER, run_watched
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.elasticsearch import (
    NO_RIGHT,
    USER,
    answers,
    cluster,
    error,
    node,
    osmem,
    settings,
    stats,
)
from tests.servers.hostile import endless, garbage, says, silent, tcp_server
from tests.servers.ports import closed_port


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    async with osmem(tmp_path_factory.mktemp("osmem")) as port:
        yield port


async def _do(port: int, method: str, path: str, body: Any = None) -> Any:
    def ask() -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    return await asyncio.to_thread(ask)


def _ago(seconds: float) -> str:
    return (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)).isoformat()


async def _documents(port: int, index: str) -> int:
    found = await _do(port, "POST", f"/{index}/_count")
    count: int = found["count"]
    return count


@pytest.mark.parametrize(
    ("number", "distribution", "product"),
    [
        ("6.8.23", None, "elasticsearch"),
        ("7.17.28", None, "elasticsearch"),
        ("8.19.0", None, "elasticsearch"),
        ("9.1.0", None, "elasticsearch"),
        ("2.19.1", "opensearch", "opensearch"),
        ("1.15.0", "easysearch", "easysearch"),
    ],
)
async def test_the_state_of_a_cluster(number: str, distribution: str | None, product: str) -> None:
    async with cluster(answers(number, distribution)) as served:
        reading = await run_once("elasticsearch", "127.0.0.1", port=served.port)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert (reading.facts["version"], reading.facts["product"]) == (number, product)
    assert (reading.facts["status"], reading.facts["cluster"]) == ("yellow", "marketing")
    assert reading.metrics["unassigned_shards"] == 5
    assert reading.metrics["active_shards_pct"] == 75
    assert reading.metrics["longest_task_wait_ms"] == 40
    assert reading.metrics["disk_used_pct"] == 88, "the master node holds no data, and is left out"
    assert reading.metrics["heap_used_pct"] == 71
    over = [reading.metrics[f"nodes_over_{name}"] for name in ("low", "high", "flood")]
    assert over == [1, 0, 0]
    assert reading.facts["fullest"] == "n2: 88.0 % used"
    assert "not_told" not in reading.facts
    assert set(reading.phases) == {"resolve", "connect", "query"}
    assert {*reading.metrics} <= {metric.name for metric in PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in PROBE.facts}


async def test_an_index_is_fresh(engine: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "monitor_clock", lambda: "synchronised")  # osmem tells no time
    for number, (age, text) in enumerate(((400, "muster marker"), (5, "other"), (-9000, "muster marker"))):
        await _do(engine, "PUT", f"/logs-1/_doc/{number}?refresh=true", {"@timestamp": _ago(age), "m": text})
    ask: dict[str, Any] = {"port": engine, "index": "logs-*"}
    every = await run_once("elasticsearch", "127.0.0.1", **ask)
    marker = await run_once("elasticsearch", "127.0.0.1", **ask, query='m: "muster marker"')
    none = await run_once("elasticsearch", "127.0.0.1", **ask, query="m: absent")
    other = await run_once("elasticsearch", "127.0.0.1", **ask, time_field="when")
    assert (every.outcome, every.detail) == (Outcome.OK, "")
    assert every.metrics["documents"] == 3
    assert every.metrics["newest_age_s"] == pytest.approx(5, abs=4), "what is of the future is not the newest"
    assert marker.metrics["documents"] == 2
    assert marker.metrics["newest_age_s"] == pytest.approx(400, abs=4)
    assert marker.metrics["search_ms"] > 0
    assert dt.datetime.fromisoformat(marker.facts["newest"]).timestamp() == pytest.approx(
        time.time() - 400, abs=5
    )
    assert none.metrics["documents"] == 0
    assert "newest_age_s" not in none.metrics
    assert "newest_age_s: no document has a time in when" in other.facts["not_told"]
    assert "disk, heap: cluster:monitor/nodes/stats (bad_query: " in every.facts["not_told"]


async def test_the_nodes_clock_counts_not_ours() -> None:
    newest = {"value": (time.time() + 3600 - 60) * 1000}
    found = {
        "_shards": {"total": 5, "successful": 5, "failed": 0}, "hits": {"total": 7}, "timed_out": False,
        "aggregations": {"past": {"newest": newest}},
    }  # fmt: skip
    ahead = stats(node("n1", None, 50, 40, 3600.0))
    given = answers() | {"GET /_nodes/stats/fs,jvm": ahead, "POST /logs/_search": found}
    async with cluster(given) as served:
        reading = await run_once("elasticsearch", "127.0.0.1", port=served.port, index="logs")
    assert reading.metrics["newest_age_s"] == pytest.approx(60, abs=4)
    assert reading.metrics["documents"] == 7


async def test_without_a_clock_there_is_no_age(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "_shards": {"total": 1, "successful": 1, "failed": 0}, "hits": {"total": 1},
        "aggregations": {"past": {"newest": {"value": 1.7e12}}},
    }  # fmt: skip
    given = answers() | {"GET /_nodes/stats/fs,jvm": NO_RIGHT, "POST /logs/_search": found}
    monkeypatch.setattr(module, "monitor_clock", lambda: "unsynchronised")
    async with cluster(given) as served:
        reading = await run_once("elasticsearch", "127.0.0.1", port=served.port, index="logs")
    assert reading.outcome is Outcome.OK
    assert "newest_age_s" not in reading.metrics
    assert "the monitor's is not synchronised" in reading.facts["not_told"]


@pytest.mark.parametrize("index", ["absent", "absent-*"])
async def test_no_such_index(engine: int, index: str) -> None:
    reading = await run_once("elasticsearch", "127.0.0.1", port=engine, index=index)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("no_such_index: HTTP 404 index_not_found_exception: no such index")
    assert reading.facts["status"] in ("green", "yellow")


@pytest.mark.parametrize("failed", [2, 0], ids=["failed", "on no node"])
async def test_a_part_of_an_index_is_no_answer(failed: int) -> None:
    found = {"_shards": {"total": 5, "successful": 3, "failed": failed}, "hits": {"total": {"value": 3}}}
    async with cluster(answers() | {"POST /logs/_search": found}) as served:
        reading = await run_once("elasticsearch", "127.0.0.1", port=served.port, index="logs")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail == "not_ready: a part of the index did not answer (2 shards)"
    assert "documents" not in reading.metrics


@pytest.mark.parametrize("how", ["does not answer", "tells no disks"])
async def test_a_node_that_is_silent_may_be_the_fullest(how: str) -> None:
    told, mute = node("n1", ["data"], 50, 40, 0.0), {"name": "n3", "roles": ["data"]}
    found = stats(told, failed=1) if how == "does not answer" else stats(told, mute)
    async with cluster(answers() | {"GET /_nodes/stats/fs,jvm": found}) as served:
        reading = await run_once("elasticsearch", "127.0.0.1", port=served.port)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    named = {"disk_used_pct", "disk_free_bytes", "heap_used_pct", "nodes_over_low"}
    assert not named & {*reading.metrics}
    assert reading.facts["not_told"] == "disk, heap: 1 nodes do not tell theirs"


async def test_without_watermarks_nothing_is_said_of_them() -> None:
    off = {"GET /_cluster/settings": settings({"threshold_enabled": "false"})}
    async with cluster(answers() | off) as served:
        reading = await run_once("elasticsearch", "127.0.0.1", port=served.port)
    assert reading.metrics["disk_used_pct"] == 88
    assert not {"nodes_over_low", "fullest"} & {*reading.metrics, *reading.facts}
    assert reading.facts["not_told"].startswith("nodes_over_low, _high, _flood: ")


async def test_a_round_trip_leaves_nothing(engine: int) -> None:
    reading = await run_once("elasticsearch", "127.0.0.1", port=engine, round_trip="muster-probe")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["round_trip_ms"] > 0
    assert await _documents(engine, "muster-probe") == 0


async def test_what_a_killed_monitor_left_is_deleted(engine: int) -> None:
    for name, age in (("old", 7200), ("young", 60)):
        document = {"at": _ago(age), "by": "muster"}
        await _do(engine, "PUT", f"/muster-swept/_doc/{name}?refresh=true", document)
    reading = await run_once("elasticsearch", "127.0.0.1", port=engine, round_trip="muster-swept")
    assert reading.outcome is Outcome.OK
    assert reading.metrics["sweep_ms"] > 0
    await _do(engine, "POST", "/muster-swept/_refresh")
    assert await _documents(engine, "muster-swept") == 1


async def test_a_run_that_is_cancelled_leaves_nothing(engine: int, monkeypatch: pytest.MonkeyPatch) -> None:
    written, real = asyncio.Event(), module._written

    async def slow(*args: Any) -> None:
        await real(*args)
        written.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(module, "_written", slow)
    run = asyncio.create_task(
        run_once("elasticsearch", "127.0.0.1", port=engine, round_trip="muster-cancelled")
    )
    async with asyncio.timeout(10):
        await written.wait()
    assert await _documents(engine, "muster-cancelled") == 1
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run
    await _do(engine, "POST", "/muster-cancelled/_refresh")
    assert await _documents(engine, "muster-cancelled") == 0


async def test_logins(caplog: pytest.LogCaptureFixture) -> None:
    ask: dict[str, Any] = {"user": USER, "password": "secret:pw"}
    async with cluster(password=MARKER) as served:
        good = await run_watched(caplog, "elasticsearch", port=served.port, **ask)
    async with cluster(password="another") as served:
        bad = await run_watched(caplog, "elasticsearch", port=served.port, **ask)
        none = await run_once("elasticsearch", "127.0.0.1", port=served.port)
    assert good.outcome is Outcome.OK
    for reading in (bad, none):
        assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
        assert reading.detail.startswith(
            "wrong_password: HTTP 401 security_exception: unable to authenticate"
        )


async def test_an_api_key() -> None:
    key = "bW9uaXRvcjptYXJrZXItUGE1NS93MHJkKzk="
    async with cluster(password=MARKER) as served, shared_here(secrets={"key": key, "bad": "eDp5"}) as shared:
        ask: dict[str, Any] = {"port": served.port, "shared": shared}
        good = await run_once("elasticsearch", "127.0.0.1", **ask, api_key="secret:key")
        bad = await run_once("elasticsearch", "127.0.0.1", **ask, api_key="secret:bad")
    assert good.outcome is Outcome.OK
    assert bad.kind == "auth"


@pytest.mark.parametrize("secret", ["password", "api_key"])
async def test_a_secret_that_is_said_back_is_not_shown(secret: str, caplog: pytest.LogCaptureFixture) -> None:
    body = error(403, "security_exception", f"what is {MARKER}?")
    given = dict.fromkeys(answers(), body)
    own = {"password": "secret:pw", "user": USER}
    ask: dict[str, Any] = own if secret == "password" else {"api_key": "secret:pw"}
    async with cluster(given) as served:
        reading = await run_watched(caplog, "elasticsearch", port=served.port, **ask)
    assert reading.detail == "missing_right: HTTP 403 security_exception: what is ***?"


async def test_rights_that_are_missing_leave_out_what_they_forbid() -> None:
    little = answers() | {"GET /_nodes/stats/fs,jvm": NO_RIGHT, "GET /_cluster/settings": NO_RIGHT}
    async with cluster(little) as served:
        some = await run_once("elasticsearch", "127.0.0.1", port=served.port)
    async with cluster(dict.fromkeys(answers(), NO_RIGHT)) as served:
        nothing = await run_once("elasticsearch", "127.0.0.1", port=served.port)
    hidden = answers() | {"POST /logs/_search": NO_RIGHT}
    async with cluster(hidden) as served:
        index = await run_once("elasticsearch", "127.0.0.1", port=served.port, index="logs")
    assert some.outcome is Outcome.OK
    assert "disk_used_pct" not in some.metrics
    assert "disk, heap: cluster:monitor/nodes/stats (missing_right: " in some.facts["not_told"]
    for reading in (nothing, index):
        assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
        assert reading.detail.startswith("missing_right: HTTP 403 security_exception")


WHERE = "index [muster-probe] blocked by: "
FLOOD = "[TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only block]"
OLD_FLOOD = "[FORBIDDEN/12/index read-only / allow delete (api)]"
NO_MASTER = "[SERVICE_UNAVAILABLE/2/no master]"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (error(429, "cluster_block_exception", f"{WHERE}{FLOOD};"), "disk_full: "),
        (error(403, "cluster_block_exception", f"{WHERE}{OLD_FLOOD};"), "disk_full: "),
        (error(403, "cluster_block_exception", f"{WHERE}[FORBIDDEN/8/index write (api)];"), "read_only: "),
        (error(503, "cluster_block_exception", f"blocked by: {NO_MASTER};"), "not_ready: "),
        (error(503, "master_not_discovered_exception", "none"), "not_ready: "),
        (error(429, "es_rejected_execution_exception", "queue capacity"), "busy: "),
        (error(429, "circuit_breaking_exception", "[parent] Data too large"), "busy: "),
    ],
)
async def test_clusters_that_do_not_write(answer: Any, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = answers()
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0")
    async with cluster(given | {"PUT /muster-probe/_doc/muster-0": answer}) as served:
        reading = await run_once("elasticsearch", "127.0.0.1", port=served.port, round_trip="muster-probe")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith(word)
    assert reading.phase == "round_trip"


async def test_a_cluster_without_a_master() -> None:
    given = answers() | {"GET /_cluster/health": error(503, "master_not_discovered_exception", "none")}
    async with cluster(given) as served:
        reading = await run_once("elasticsearch", "127.0.0.1", port=served.port)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("not_ready: HTTP 503 master_not_discovered_exception")
    assert reading.facts["version"] == "8.19.0"


async def test_a_query_that_is_none(engine: int) -> None:
    await _do(engine, "PUT", "/queried/_doc/1?refresh=true", {"@timestamp": _ago(1)})
    reading = await run_once("elasticsearch", "127.0.0.1", port=engine, index="queried", query="a: (b")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert reading.detail.startswith("bad_query: HTTP 400 ")


async def test_tls_is_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with cluster(tls=authority.issue("127.0.0.1").server_context()) as served:
        good = await run_once(
            "elasticsearch", "127.0.0.1", port=served.port, tls="on", ca=str(authority.file)
        )
        bad = await run_once("elasticsearch", "127.0.0.1", port=served.port, tls="on")
        plain = await run_once("elasticsearch", "127.0.0.1", port=served.port)
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert (bad.outcome, bad.kind) == (Outcome.FAILED, "tls")
    assert plain.outcome is Outcome.FAILED


async def test_nobody_listens() -> None:
    with closed_port() as port:
        reading = await run_once("elasticsearch", "127.0.0.1", port=port)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "refused")


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (silent, "timeout"),
        (garbage, "protocol"),
        (endless, "protocol"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "protocol"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "protocol"),
        (says(b"HTTP/1.1 502 Bad\r\nContent-Length: 5\r\n\r\nhello"), "expectation"),
    ],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("elasticsearch", "127.0.0.1", port=port, timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)
