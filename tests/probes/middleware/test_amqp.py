"""`amqp` against RabbitMQ: rights, alarms, limits, and what is left behind."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome, Reading
from probes.errors import Ending, ExpectationFailed, OwnLoginFailed, PermissionMissing, ProtocolViolated
from probes.middleware import _amqp_management
from probes.middleware import amqp as module
from probes.middleware._amqp_management import of_nodes
from probes.middleware._amqp_wire import AmqpWire, blocked, refusal
from tests.probes.middleware.watched import MARKER, run_watched
from tests.probing import run_once, shared_here
from tests.servers.hostile import says, tcp_server
from tests.servers.rabbitmq import ADMIN, RabbitMq, rabbitmq

pytestmark = pytest.mark.timeout(120)
LOGIN: dict[str, Any] = {"user": "monitor", "password": "secret:pw"}


async def _run(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture, **params: Any) -> Reading:
    return await run_watched(caplog, "amqp", **({"port": rabbit.amqp} | LOGIN | params))


async def _until(rabbit: RabbitMq, settled: Callable[[], bool], seconds: float = 15.0) -> bool:
    for _ in range(int(seconds * 5)):
        if await asyncio.to_thread(settled):
            return True
        await asyncio.sleep(0.2)
    return False


def _left(rabbit: RabbitMq) -> tuple[str, str]:
    """Return the queues of runs, and all connections."""
    queues = rabbit.ctl("list_queues", "--no-table-headers", "name").split()
    connections = rabbit.ctl("list_connections", "--no-table-headers", "user").split()
    return " ".join(q for q in queues if "muster" in q), " ".join(connections)


def _publish(rabbit: RabbitMq, queue: str, count: int) -> None:
    message = {"properties": {}, "routing_key": queue, "payload": "x", "payload_encoding": "string"}
    for _ in range(count):
        assert rabbit.post("/api/exchanges/%2F/amq.default/publish", message)["routed"]


async def test_with_just_its_rights(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture) -> None:
    await asyncio.to_thread(_publish, rabbit, "orders", 3)
    await _until(rabbit, lambda: "mem_used" in rabbit.told("/api/nodes")[0])
    reading = await _run(rabbit, caplog, queue="orders", management={"port": rabbit.management})
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert {"queue_depth": 3, "consumers": 0, "nodes": 1, "nodes_down": 0, "alarms": 0, "partitions": 0,
            "queues": 2}.items() <= reading.metrics.items()  # fmt: skip
    assert 0 < reading.metrics["round_trip_ms"] < 1000
    assert 0 < reading.metrics["memory_used_pct"] < 100
    assert reading.facts["server"] == "RabbitMQ"
    assert reading.facts["version"].startswith("3.")
    assert reading.facts["alarms_in_effect"] == "none"
    assert "not_told" not in reading.facts
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}
    assert await asyncio.to_thread(_left, rabbit) == ("", "")


async def test_somebody_consumes(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture) -> None:
    async with _consumer(rabbit, "idle"):
        reading = await _run(rabbit, caplog, queue="idle", round_trip=False)
    assert (reading.metrics["consumers"], reading.metrics["queue_depth"]) == (1, 0)
    assert "round_trip_ms" not in reading.metrics


@asynccontextmanager
async def _consumer(rabbit: RabbitMq, queue: str) -> AsyncIterator[None]:
    """Subscribe to a queue over another protocol of the broker."""
    reader, writer = await asyncio.open_connection("127.0.0.1", rabbit.stomp)
    user, password = ADMIN
    writer.write(f"CONNECT\naccept-version:1.2\nlogin:{user}\npasscode:{password}\nhost:/\n\n\0".encode())
    await reader.readuntil(b"\0")
    writer.write(f"SUBSCRIBE\nid:1\nreceipt:r\ndestination:/amq/queue/{queue}\n\n\0".encode())
    assert b"RECEIPT" in await reader.readuntil(b"\0")
    try:
        yield
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_wrong_password(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture) -> None:
    reading = await _run(rabbit, caplog, secret="marker-wrong")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
    assert reading.detail.startswith("wrong_password: ACCESS_REFUSED")


async def test_without_the_right_to_a_queue_of_its_own(
    rabbit: RabbitMq, caplog: pytest.LogCaptureFixture
) -> None:
    reading = await _run(rabbit, caplog, user="nothing", queue="orders")
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.ERROR, "permission", "round_trip")
    assert reading.detail.startswith("missing_right: ACCESS_REFUSED")
    assert "queue_depth" in reading.metrics


async def test_without_the_right_to_the_vhost(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture) -> None:
    reading = await _run(rabbit, caplog, vhost="other")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
    assert reading.detail.startswith("missing_right: NOT_ALLOWED - access to vhost 'other' refused")


async def test_without_the_tag_for_management(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture) -> None:
    reading = await _run(rabbit, caplog, user="plain", management={"port": rabbit.management})
    assert reading.outcome is Outcome.OK
    assert reading.facts["not_told"].startswith("management: missing_right: management: HTTP 401")
    assert not {"alarms", "nodes", "messages"} & {*reading.metrics}


@pytest.mark.parametrize(
    ("params", "detail"),
    [
        ({"queue": "away"}, "NOT_FOUND - no queue 'away' in vhost '/'"),
        ({"vhost": "away"}, "NOT_ALLOWED - vhost away not found"),
    ],
)
async def test_what_is_not_there(
    rabbit: RabbitMq, caplog: pytest.LogCaptureFixture, params: dict[str, Any], detail: str
) -> None:
    reading = await _run(rabbit, caplog, **params)
    assert (reading.outcome, reading.kind, reading.detail) == (Outcome.FAILED, "expectation", detail)


async def test_a_missing_queue_hides_nothing_else(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture) -> None:
    reading = await _run(rabbit, caplog, queue="away", management={"port": rabbit.management})
    assert (reading.kind, reading.phase) == ("expectation", "queue")
    assert {"round_trip_ms", "alarms"} <= {*reading.metrics}


async def test_too_many_connections(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture) -> None:
    await asyncio.to_thread(rabbit.ctl, "set_user_limits", "limited", '{"max-connections": 0}')
    reading = await _run(rabbit, caplog, user="limited")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("too_many_connections: ")


ALARMS = {
    "memory": (("set_vm_memory_high_watermark", "absolute", "1000"), ("set_vm_memory_high_watermark", "0.6")),
    "disk": (("set_disk_free_limit", "1000000GB"), ("set_disk_free_limit", "1000")),
}


@asynccontextmanager
async def _alarm(rabbit: RabbitMq, what: str) -> AsyncIterator[None]:
    raised, cleared = ALARMS[what]
    await asyncio.to_thread(rabbit.ctl, *raised)
    try:
        yield
    finally:
        await asyncio.to_thread(rabbit.ctl, *cleared)


@pytest.mark.parametrize(("what", "word"), [("memory", "memory_alarm"), ("disk", "disk_full")])
async def test_an_alarm(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture, what: str, word: str) -> None:
    async with _alarm(rabbit, what):
        assert await _until(rabbit, lambda: _alarms(rabbit) == (what == "memory", what == "disk"))
        reading = await _run(rabbit, caplog, queue="orders", management={"port": rabbit.management})
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "expectation", "round_trip")
    assert reading.detail.startswith(f"{word}: the broker takes no messages: low on {what}")
    assert reading.metrics["alarms"] == 1
    assert reading.facts["alarms_in_effect"].endswith(f": {what}")
    assert "queue_depth" in reading.metrics
    assert await _until(rabbit, lambda: _left(rabbit) == ("", ""))


def _alarms(rabbit: RabbitMq) -> tuple[bool, bool]:
    node = rabbit.told("/api/nodes")[0]
    return node["mem_alarm"], node["disk_free_alarm"]


async def test_tls(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture) -> None:
    known = {"port": rabbit.amqps, "tls": "on"}
    good = await _run(rabbit, caplog, ca=rabbit.ca, **known)
    stranger = await _run(rabbit, caplog, **known)
    clear = await _run(rabbit, caplog, port=rabbit.amqps)
    assert good.outcome is Outcome.OK
    assert good.metrics["tls_ms"] > 0
    assert (stranger.outcome, stranger.kind) == (Outcome.FAILED, "tls")
    assert (clear.outcome, clear.detail[:13]) == (Outcome.FAILED, "tls_required:")


async def test_cancelled_in_the_middle_leaves_nothing(
    rabbit: RabbitMq, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = asyncio.Event()

    async def stuck(*_: object) -> float:
        listening.set()
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(AmqpWire, "send_and_take", stuck)
    async with shared_here(secrets={"pw": MARKER}) as shared:
        run = asyncio.create_task(run_once("amqp", "127.0.0.1", port=rabbit.amqp, shared=shared, **LOGIN))
        await asyncio.wait_for(listening.wait(), 10)
        queues, connections = await asyncio.to_thread(_left, rabbit)
        assert queues.startswith("muster.probe.")
        assert connections == "monitor"
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert await _until(rabbit, lambda: _left(rabbit) == ("", ""), 5)


@pytest.fixture
def doomed() -> Iterator[RabbitMq]:
    with rabbitmq({}) as broker:
        yield broker


async def test_the_broker_dies_in_the_middle(
    doomed: RabbitMq, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = AmqpWire.send_and_take

    async def killed(*args: Any) -> float:
        await asyncio.to_thread(doomed.kill)
        return await whole(*args)

    monkeypatch.setattr(AmqpWire, "send_and_take", killed)
    reading = await run_watched(
        caplog, "amqp", port=doomed.amqp, user="admin", password="secret:pw", secret="admin-password"
    )
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "protocol", "round_trip")
    assert "login_ms" in reading.metrics


@pytest.mark.parametrize(
    ("words", "detail"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it does not speak AMQP"),
        (b"AMQP\x00\x01\x00\x00", "it speaks another version of AMQP than 0-9-1"),
        (b"\x01\x00\x00\x00\x00\x00\x04\xff\xff\xff\xff\xce", "a frame of AMQP that can't be read"),
        (b"\x01\x00\x00\x7f\xff\xff\xff", "it does not speak AMQP"),
    ],
)
async def test_another_protocol(caplog: pytest.LogCaptureFixture, words: bytes, detail: str) -> None:
    async with tcp_server(says(words, hold=True)) as port:
        reading = await run_watched(caplog, "amqp", port=port, **LOGIN)
    assert (reading.kind, reading.detail) == ("protocol", detail)


@pytest.mark.may_block
def test_it_needs_an_account() -> None:
    with pytest.raises(ValueError, match="amqp needs a user and a password"):
        module.AmqpParams()


async def test_without_the_driver(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pamqp.frame", None)
    reading = await run_watched(caplog, "amqp", port=9, **LOGIN)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")
    assert reading.detail.endswith("install muster-monitor[amqp]")


@given(st.binary(max_size=120))
def test_any_frame_is_read_or_refused(data: bytes) -> None:
    class Given:
        left = data

        async def exactly(self, size: int) -> bytes:
            if len(self.left) < size:
                raise ProtocolViolated("at the end")
            taken, self.left = self.left[:size], self.left[size:]
            return taken

    async def read() -> None:
        wire = AmqpWire(Given())  # type: ignore[arg-type]
        while True:
            await wire._read()

    with pytest.raises(ProtocolViolated):
        asyncio.run(read())


@pytest.mark.parametrize(
    ("code", "text", "logging_in", "ending"),
    [
        (403, "ACCESS_REFUSED", True, OwnLoginFailed),
        (403, "ACCESS_REFUSED", False, PermissionMissing),
        (404, "NOT_FOUND", False, ExpectationFailed),
        (405, "RESOURCE_LOCKED", False, ExpectationFailed),
        (530, "connection limit (1) is reached", False, ExpectationFailed),
        (320, "CONNECTION_FORCED - shut down", False, ProtocolViolated),
    ],
)
def test_reply_codes(code: int, text: str, logging_in: bool, ending: type[Ending]) -> None:
    assert type(refusal(code, text, logging_in=logging_in)) is ending


def test_both_alarms_at_once() -> None:
    assert blocked("low on memory & disk").detail.startswith("disk_full: ")


NODES: list[dict[str, Any]] = [
    {"name": "a", "running": True, "mem_alarm": True, "disk_free_alarm": False, "partitions": ["b"],
     "mem_used": 60, "mem_limit": 100, "disk_free": 7},
    {"name": "b", "running": True, "mem_alarm": False, "disk_free_alarm": True, "partitions": [],
     "mem_used": 10, "mem_limit": 100, "disk_free": 5},
    {"name": "c", "running": False},
]  # fmt: skip


def test_nodes() -> None:
    metrics, alarms = of_nodes(NODES)
    assert metrics == {
        "nodes": 2, "nodes_down": 1, "alarms": 2, "partitions": 1,
        "memory_used_pct": 60, "disk_free_bytes": 5,
    }  # fmt: skip
    assert alarms == "a: memory, b: disk"
    assert of_nodes([]) == ({}, "")


def test_what_a_node_does_not_tell_is_not_called_good() -> None:
    """A node whose statistics are off, or that has only just started, has its name and little more."""
    silent = {"name": "d", "running": True}
    assert of_nodes([silent]) == ({"nodes": 1, "nodes_down": 0}, "")
    assert of_nodes([NODES[2]]) == ({"nodes": 0, "nodes_down": 1}, "")
    metrics, alarms = of_nodes([*NODES, silent])
    assert metrics == {"nodes": 3, "nodes_down": 1, "alarms": 2, "partitions": 1}
    assert alarms == "a: memory, b: disk"


def test_metrics_of_nodes_are_declared() -> None:
    metrics, _ = of_nodes(NODES)
    assert {*metrics} <= {metric.name for metric in _amqp_management.METRICS}


ANY = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.none()))
KEYS = st.sampled_from([key for node in NODES for key in node])


@given(st.lists(st.dictionaries(KEYS, ANY)))
def test_any_nodes(nodes: list[dict[str, Any]]) -> None:
    metrics, _ = of_nodes(nodes)
    assert all(isinstance(value, float) for value in metrics.values())
