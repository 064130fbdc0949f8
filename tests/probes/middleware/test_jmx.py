"""jmx against Jolokia's own servlet in a real Tomcat; WebLogic and JBoss as their documents have them."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Context, Outcome, Reading
from probes.middleware import _jmx as jvm
from probes.middleware._jmx import Pool, Told
from probes.middleware.jmx import PROBE, JmxParams
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.hostile import HTTP, OK, closes, endless, garbage, says, silent, tcp_server
from tests.servers.jolokia import jolokia

MARKER = "marker-Pa55w0rd"
DOCUMENTED = """<restrict>
  <commands><command>read</command><command>version</command></commands>
  <allow>
    <mbean><name>java.lang:type=Threading</name><operation>findDeadlockedThreads</operation></mbean>
  </allow>
</restrict>
"""
READ_ONLY = """<restrict><commands><command>read</command><command>version</command></commands>
<deny><mbean><name>java.lang:type=OperatingSystem</name><attribute>*</attribute></mbean></deny></restrict>"""
NOTHING = """<restrict><commands><command>version</command></commands></restrict>"""
MISSING = {"mbean": "java.lang:type=Nothing", "attribute": "A"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tomcat(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    async with jolokia(tmp_path_factory.mktemp("jolokia")) as port:
        yield port


async def _collected(port: int, shared: SharedHere | None = None, **params: Any) -> Reading:
    """Probe until the JVM has collected its old objects, as the server has it do right after its start."""
    until = time.monotonic() + 20
    reading = await run_once("jmx", "127.0.0.1", shared=shared, port=port, **params)
    while "heap_after_gc_pct" not in reading.metrics:
        assert time.monotonic() < until, f"never collected: {reading}"
        await asyncio.sleep(0.1)
        reading = await run_once("jmx", "127.0.0.1", shared=shared, port=port, **params)
    return reading


async def test_a_tomcat(tomcat: int) -> None:
    reading = await _collected(tomcat, server="tomcat")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert "not_told" not in reading.facts
    assert 0 < reading.metrics["heap_after_gc_pct"] < 60
    assert reading.metrics["heap_max_bytes"] <= 96 << 20
    assert reading.metrics["threads"] > 5
    assert reading.metrics["threads_deadlocked"] == 0
    assert reading.metrics["thread_pool_used_pct"] == 100 / 8
    assert reading.facts["thread_pool"].startswith("http-nio-")
    assert reading.metrics["jdbc_pool_used_pct"] == 75
    assert reading.facts["jdbc_pool"] == "jdbc/app"
    assert reading.facts["server"] == "Apache tomcat"
    assert reading.facts["server_version"].startswith("9.")
    assert reading.facts["version"][0].isdigit()
    assert {*reading.metrics} <= {metric.name for metric in PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in PROBE.facts}


async def test_the_share_of_collecting_since_the_run_before(tomcat: int) -> None:
    async with shared_here() as shared:
        first = await run_once("jmx", "127.0.0.1", shared=shared, port=tomcat)
        await asyncio.sleep(0.9)
        second = await run_once("jmx", "127.0.0.1", shared=shared, port=tomcat)
    assert "gc_time_pct" not in first.metrics
    assert 0 <= second.metrics["gc_time_pct"] <= 100


async def test_another_collector(tmp_path: Path) -> None:
    async with jolokia(tmp_path, connections=0, garbage="g1") as port:
        reading = await _collected(port, server="tomcat")
    assert 0 < reading.metrics["heap_after_gc_pct"] < 60
    assert reading.metrics["jdbc_pool_used_pct"] == 0


async def test_attributes_of_ones_own(tomcat: int) -> None:
    memory = {"mbean": "java.lang:type=Memory", "attribute": "HeapMemoryUsage"}
    own = {
        "committed": memory | {"path": "committed"},
        "vendor": {"mbean": "java.lang:type=Runtime", "attribute": "VmVendor"},
        "whole": memory,
        "gone": MISSING,
        "lacking": {"mbean": "java.lang:type=Memory", "attribute": "None"},
    }
    reading = await run_once("jmx", "127.0.0.1", port=tomcat, mbeans=own)
    assert reading.outcome is Outcome.OK
    assert reading.metrics["committed"] > 0
    assert reading.facts["vendor"]
    assert json.loads(reading.facts["whole"])["max"] > 0
    assert "gone" not in {**reading.metrics, **reading.facts}
    assert "lacking" not in {**reading.metrics, **reading.facts}
    assert "gone: javax.management.InstanceNotFoundException" in reading.facts["not_told"]
    assert "lacking: javax.management.AttributeNotFoundException" in reading.facts["not_told"]
    assert PROBE.given({"mbeans": own}).dynamic


async def test_a_server_that_has_none_of_it(tomcat: int) -> None:
    reading = await run_once("jmx", "127.0.0.1", port=tomcat, server="jboss")
    assert reading.outcome is Outcome.OK
    assert "thread_pool_used_pct" not in reading.metrics
    assert "thread_pool_used_pct: no pool tells how much it may hold" in reading.facts["not_told"]


async def test_who_may_ask(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        jolokia(tmp_path, password=MARKER, policy=READ_ONLY) as port,
        shared_here(secrets={"right": MARKER, "wrong": f"{MARKER}-not"}) as shared,
    ):
        context = Context(shared, 5.0, trace=[])
        ask: dict[str, Any] = {"shared": shared, "context": context, "port": port, "user": "monitor"}
        good = await run_once("jmx", "127.0.0.1", **ask, password="secret:right")
        bad = await run_once("jmx", "127.0.0.1", **ask, password="secret:wrong")
        none = await run_once("jmx", "127.0.0.1", port=port)
        path = await run_once("jmx", "127.0.0.1", port=port, path="/none")
    assert good.outcome is Outcome.OK, good.detail
    assert good.metrics["heap_used_bytes"] > 0
    assert not {"threads_deadlocked", "files_used", "cpu_pct"} & {*good.metrics}
    assert "deadlocks: " in good.facts["not_told"]
    assert "system: " in good.facts["not_told"]
    for reading in (bad, none):
        assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
        assert reading.detail.startswith("wrong_password: HTTP 401 for /jolokia/")
    assert (path.outcome, path.kind) == (Outcome.FAILED, "expectation")
    assert MARKER not in f"{good}{bad}{none}{context.trace}{caplog.text}"


async def test_the_policy_of_the_documentation(tmp_path: Path) -> None:
    async with jolokia(tmp_path, policy=DOCUMENTED) as port:
        reading = await _collected(port, server="tomcat")
        gc = {"type": "exec", "mbean": "java.lang:type=Memory", "operation": "gc"}
        async with aiohttp.ClientSession(trust_env=False) as http:
            answer = await http.post(f"http://127.0.0.1:{port}/jolokia/", json=gc)
            refused = json.loads(await answer.text())
    assert reading.outcome is Outcome.OK
    assert "not_told" not in reading.facts
    assert reading.metrics["threads_deadlocked"] == 0
    assert refused["status"] == 403


async def test_an_agent_that_lets_nothing_be_read(tmp_path: Path) -> None:
    async with jolokia(tmp_path, policy=NOTHING) as port:
        reading = await run_once("jmx", "127.0.0.1", port=port)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
    assert reading.detail == "missing_right: the agent lets nothing of the JVM be read"


def _says(body: Any) -> Any:
    data = json.dumps(body).encode()
    return says(OK + b"Content-Length: %d\r\n\r\n" % len(data) + data)


@pytest.mark.parametrize(
    ("handler", "outcome", "kind"),
    [
        (silent, "failed", "timeout"),
        (garbage, "failed", "protocol"),
        (closes, "failed", "protocol"),
        (endless, "failed", "protocol"),
        (HTTP["endless_body"], "failed", "protocol"),
        (_says([]), "failed", "protocol"),
        (_says({"a": 1}), "failed", "protocol"),
        (_says([1] * len(jvm.PLATFORM)), "error", "permission"),
        (_says({"error": "java.lang.SecurityException: no", "status": 403}), "error", "permission"),
        (_says({"error": "java.lang.Exception: no", "status": 500}), "failed", "expectation"),
    ],
)
async def test_servers_that_are_something_else(handler: Any, outcome: str, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once("jmx", "127.0.0.1", port=port, timeout=1.0)
    assert (reading.outcome, reading.kind) == (outcome, kind)


async def test_a_bean_of_every_jvm_that_can_not_be_read_is_named() -> None:
    answers = [{"status": 200, "value": {}} for _ in jvm.PLATFORM]
    answers[[*jvm.PLATFORM].index("threads")] = {"status": 500, "error": "IllegalStateException: x"}
    async with tcp_server(_says(answers)) as port:
        reading = await run_once("jmx", "127.0.0.1", port=port)
    assert reading.outcome is Outcome.OK
    assert "threads" not in reading.metrics
    assert "threads: IllegalStateException: x" in reading.facts["not_told"]


def _told(answers: dict[str, dict[str, Any]]) -> Told:
    return jvm.sorted_out([*answers], [{"status": 200, "value": value} for value in answers.values()])


EXECUTE = "com.bea:ServerRuntime=s1,Name=ThreadPoolRuntime,Type=ThreadPoolRuntime"
SOURCE = "com.bea:ServerRuntime=s1,Name={},Type=JDBCDataSourceRuntime"
PARAMS = (
    "com.bea:Name={0},Type=weblogic.j2ee.descriptor.wl.JDBCConnectionPoolParamsBean,"
    "Parent=[d]/JDBCSystemResources[{0}],Path=JDBCResource[{0}]/JDBCConnectionPoolParams"
)


def test_weblogic() -> None:
    """Beans and attributes as Oracle's MBean Reference names them; no WebLogic was asked."""
    told = _told(
        {
            "execute": {
                EXECUTE: {
                    "ExecuteThreadTotalCount": 43, "ExecuteThreadIdleCount": 1, "StandbyThreadCount": 33,
                    "QueueLength": 2, "StuckThreadCount": 1,
                },
            },
            "datasources": {
                SOURCE.format("billing"): {
                    "ActiveConnectionsCurrentCount": 12, "WaitingForConnectionCurrentCount": 3,
                },
                SOURCE.format("crm"): {
                    "ActiveConnectionsCurrentCount": 15, "WaitingForConnectionCurrentCount": 0,
                },
                SOURCE.format("other"): {"ActiveConnectionsCurrentCount": 9},
            },
            "params": {
                PARAMS.format("billing"): {"MaxCapacity": 15}, PARAMS.format("crm"): {"MaxCapacity": 30},
            },
        }
    )  # fmt: skip
    threads, sources = jvm.pools("weblogic", told)
    assert threads == [Pool("ThreadPoolRuntime", 90.0)]
    assert sources == [Pool("billing", 80.0), Pool("crm", 50.0)]
    assert jvm.weblogic_waits(told) == {"thread_queue": 2, "threads_stuck": 1, "jdbc_waiting": 3}


def test_jboss() -> None:
    """Beans and attributes as WildFly's model reference names them; no WildFly was asked."""
    name = "jboss.as:subsystem=datasources,{}={},statistics=pool"
    told = _told(
        {
            "workers": {
                "jboss.as:subsystem=io,worker=default": {"busyTaskThreadCount": 4, "maxPoolSize": 16},
            },
            "datasources": {
                name.format("data-source", "BillingDS"): {"InUseCount": 5, "AvailableCount": 15},
                name.format("data-source", "IdleDS"): {"InUseCount": 0, "AvailableCount": 0},
            },
            "xa": {name.format("xa-data-source", "CrmXA"): {"InUseCount": 9, "AvailableCount": 1}},
        }
    )  # fmt: skip
    assert jvm.pools("jboss", told) == (
        [Pool("default", 25.0)], [Pool("BillingDS", 25.0), Pool("CrmXA", 90.0)],
    )  # fmt: skip


def test_pools_of_tomcat_that_tell_no_most() -> None:
    """A connector with an executor of its own has -1; the beans of single connections are not pools."""
    told = _told(
        {
            "connectors": {"Catalina:type=ThreadPool,name=a": {"currentThreadsBusy": 3, "maxThreads": -1}},
            "executors": {"Catalina:type=Executor,name=b": {"activeCount": 3, "maxThreads": 12}},
            "sources": {
                'Catalina:type=DataSource,class=javax.sql.DataSource,name="jdbc/x"': {
                    "active": 6, "maxActive": 8, "numActive": "ERROR: AttributeNotFoundException",
                },
                'Catalina:type=DataSource,connectionpool=connections,name="jdbc/x"': {
                    "numActive": 1, "maxTotal": 1,
                },
            },
        }
    )  # fmt: skip
    assert jvm.pools("tomcat", told) == ([Pool("b", 25.0)], [Pool("jdbc/x", 75.0)])


@pytest.mark.parametrize(
    ("name", "usage", "left"),
    [
        ("G1 Old Gen", {"used": 25, "max": 100}, 25.0),
        ("PS Old Gen", {"used": 50, "max": 100}, 50.0),
        ("Tenured Gen", {"used": 50, "max": -1}, 25.0),
        ("ZHeap", {"used": 20, "max": 200}, 10.0),
        ("ZGC Old Generation", {"used": 20, "max": 200}, 10.0),
        ("Shenandoah", {"used": 20, "max": 200}, 10.0),
        ("tenured-LOA", {"used": 20, "max": 200}, 10.0),
        ("PS Old Gen", {"used": 0, "max": 100}, None),
        ("PS Old Gen", None, None),
        ("PS Eden Space", {"used": 50, "max": 100}, None),
    ],
)
def test_what_survives(name: str, usage: dict[str, int] | None, left: float | None) -> None:
    """Pools by the names that HotSpot's and OpenJ9's collectors give them."""
    told = _told(
        {
            "pools": {f"java.lang:name={name},type=MemoryPool": {"Type": "HEAP", "CollectionUsage": usage}},
            "memory": {"HeapMemoryUsage": {"max": 200}},
        }
    )
    assert jvm.survivors(told) == left


def test_the_time_of_collecting_is_of_all_collectors() -> None:
    runtime = {"Uptime": 1000}
    young, old = {"CollectionTime": 30}, {"CollectionTime": 12}
    told = _told({"runtime": runtime, "collectors": {"a:name=young": young, "a:name=old": old}})
    assert jvm.collected(told) == {"collecting": 42, "uptime": 1000}
    for mute in ({"CollectionCount": 3}, {"CollectionTime": -1}, {"CollectionTime": "x"}):
        told = _told({"runtime": runtime, "collectors": {"a:name=young": young, "a:name=old": mute}})
        assert jvm.collected(told) == {}


@pytest.mark.parametrize(
    ("answer", "deadlocked"),
    [
        ({"value": None}, 0),
        ({"value": [17, 18]}, 2),
        ({"value": "something else"}, None),
        ({}, None),
    ],
)
def test_no_answer_is_not_no_deadlock(answer: dict[str, Any], deadlocked: int | None) -> None:
    told = jvm.sorted_out(["deadlocks"], [{"status": 200} | answer])
    assert jvm.figures(told).get("threads_deadlocked") == deadlocked


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Type", "CollectionUsage", "used", "max", "numActive", "maxTotal", "info"])
            | st.text(max_size=9),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from([*jvm.PLATFORM, "sources", "execute", "params", "workers"]), JSON))
def test_answers_of_anybody_end_well(answers: dict[str, Any]) -> None:
    told = jvm.sorted_out([*answers], [{"status": 200, "value": value} for value in answers.values()])
    for value in (jvm.figures(told) | jvm.collected(told) | jvm.weblogic_waits(told)).values():
        assert math.isfinite(value)
    assert all(isinstance(text, str) for text in jvm.facts(told).values())
    for server in jvm.PRESETS:
        for pools in jvm.pools(server, told):
            assert all(pool.used_pct >= 0 for pool in pools)


@pytest.mark.parametrize(
    ("mbeans", "why"),
    [
        ({"threads": MISSING}, "threads is reported already"),
        ({"a": {"mbean": "java.lang:type=*", "attribute": "A"}}, "whole name of one bean"),
        ({"A b": MISSING}, "String should match pattern"),
    ],
)
def test_parameters_that_make_no_sense(mbeans: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        JmxParams.model_validate({"mbeans": mbeans})
