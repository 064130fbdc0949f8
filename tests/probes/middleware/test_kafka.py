"""`kafka` against Tansu, librdkafka's mock cluster, and a peer of our own; not Apache Kafka."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.protocol.admin import DescribeGroupsResponse_v1
from aiokafka.protocol.commit import OffsetFetchResponse_v3
from aiokafka.protocol.coordination import FindCoordinatorResponse_v1
from aiokafka.protocol.fetch import FetchResponse_v4
from aiokafka.protocol.metadata import MetadataResponse_v5
from aiokafka.protocol.offset import OffsetResponse_v3
from aiokafka.protocol.produce import ProduceResponse_v7

from probes.api import Outcome
from probes.middleware import kafka as module
from probes.middleware._kafka_wire import KafkaWire
from tests.probes.middleware.watched import MARKER, run_watched
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import says, tcp_server
from tests.servers.kafka import BEHIND, HEALTHY, OFFLINE, cluster, kafka, metadata, peer

LOGIN: dict[str, Any] = {"user": "monitor", "password": "secret:pw", "mechanism": "SCRAM-SHA-256"}


async def _commit(port: int, topic: str, offsets: dict[int, int], messages: int) -> None:
    """Write messages to each of two partitions, and commit offsets of the group `billing`."""
    server = f"127.0.0.1:{port}"
    producer = AIOKafkaProducer(bootstrap_servers=server)
    await producer.start()
    for number in range(messages):
        await producer.send_and_wait(topic, b"%d" % number, partition=number % 2)
    await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=server, group_id="billing", enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic, each) for each in offsets])
    await consumer.commit({TopicPartition(topic, each): offset for each, offset in offsets.items()})
    await consumer.stop()


async def test_a_message_is_written_and_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with kafka(tmp_path) as broker:
        await broker.topic("muster.probe", 2)
        known: dict[str, Any] = {"port": broker.port, "topic": "muster.probe", "round_trip": True}
        reading = await run_watched(caplog, "kafka", topics=["muster.probe"], **known)
        again = await run_watched(caplog, "kafka", **known)
    assert (reading.outcome, reading.detail, again.outcome) == (Outcome.OK, "", Outcome.OK)
    assert 0 < reading.metrics["produce_ms"] <= reading.metrics["round_trip_ms"] < 3000
    assert {"brokers": 1, "controllers": 1, "topics": 1, "partitions": 2, "partitions_offline": 0,
            "partitions_under_replicated": 0}.items() <= reading.metrics.items()  # fmt: skip
    assert reading.facts["cluster"] == "tansu_cluster"
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}


async def test_looking_makes_no_topic(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with kafka(tmp_path) as broker:
        first = await run_watched(caplog, "kafka", port=broker.port, topics=["away", "gone"])
        trip = await run_watched(caplog, "kafka", port=broker.port, topic="away", round_trip=True)
        after = await run_watched(caplog, "kafka", port=broker.port)
    assert (first.outcome, first.kind, first.detail) == (Outcome.FAILED, "expectation", "no topic away, gone")
    assert (trip.outcome, trip.kind, trip.detail) == (Outcome.FAILED, "expectation", "no topic away")
    assert after.metrics["topics"] == 0
    assert not {"partitions_offline", "partitions_under_replicated"} & {*after.metrics}
    assert after.facts["not_told"].endswith("the account sees no topic")


async def test_a_group_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with kafka(tmp_path) as broker:
        for topic in ("orders", "other"):
            await broker.topic(topic, 2)
        await _commit(broker.port, "orders", {0: 1}, 8)
        reading = await run_watched(caplog, "kafka", port=broker.port, group="billing")
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    wanted = {"queue_depth": 3, "lag_max": 3, "partitions_uncommitted": 1, "consumers": 0}
    assert wanted.items() <= reading.metrics.items()
    assert reading.facts["group_state"] == "Empty"


def _alone() -> MetadataResponse_v5:
    return MetadataResponse_v5(0, [(1, "a.example", 1, None)], "c", 1, [(0, "orders", False, [HEALTHY])])


@pytest.mark.parametrize(
    ("offset", "end", "metrics", "why"),
    [
        (3, 10, {"queue_depth": 7, "lag_max": 7, "partitions_uncommitted": 0}, None),
        (3, -1, {"partitions_uncommitted": 0}, "not all partitions tell their end"),
        (-1, 10, {}, "the group has committed no offset"),
    ],
)
async def test_a_lag_that_is_not_told(
    caplog: pytest.LogCaptureFixture, offset: int, end: int, metrics: dict[str, float], why: str | None
) -> None:
    answers = {
        3: _alone,
        10: lambda: FindCoordinatorResponse_v1(0, 0, None, 1, "a.example", 1),
        15: lambda: DescribeGroupsResponse_v1(0, [(0, "billing", "Empty", "consumer", "", [])]),
        9: lambda: OffsetFetchResponse_v3(0, [("orders", [(0, offset, "", 0)])], 0),
        2: lambda: OffsetResponse_v3(0, [("orders", [(0, 0, -1, end)])]),
    }
    async with peer(MARKER, answers) as port:
        reading = await run_watched(caplog, "kafka", port=port, group="billing", **LOGIN)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    names = {"queue_depth", "lag_max", "partitions_uncommitted"}
    assert {name: value for name, value in reading.metrics.items() if name in names} == metrics
    assert reading.facts.get("not_told") == (None if why is None else f"queue_depth, lag_max: {why}")


async def test_several_brokers(caplog: pytest.LogCaptureFixture) -> None:
    async with cluster(3) as ports:
        await _commit(ports[0], "orders", {0: 1, 1: 0}, 8)
        readings = [
            await run_watched(
                caplog, "kafka", port=port, group="billing", topic="orders", round_trip=True, timeout=10
            )
            for port in ports
        ]
    assert [(r.outcome, r.detail) for r in readings] == [(Outcome.OK, "")] * 3
    assert [r.metrics["brokers"] for r in readings] == [3] * 3
    assert all(r.metrics["round_trip_ms"] > 0 for r in readings)
    assert readings[0].metrics["queue_depth"] == 8
    assert (
        readings[0].facts["not_told"].startswith("consumers: version_too_old: no version of DescribeGroups")
    )


async def test_a_leader_elsewhere_is_asked_only_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A cluster must not lead the monitor, and its password, to an address that is not in the inventory."""
    asked: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))

    async with tcp_server(elsewhere, "::1") as other:
        brokers = [(1, "::1", other, None), (2, "::1", other, None)]
        answer = MetadataResponse_v5(0, brokers, "c", 1, [(0, "orders", False, [HEALTHY])])
        async with peer(MARKER, {3: lambda: answer}) as port:
            known: dict[str, Any] = {"port": port, "topic": "orders", "round_trip": True} | LOGIN
            refused = await run_watched(caplog, "kafka", **known)
            assert not asked
            await run_watched(caplog, "kafka", hosts=["::1"], timeout=1, **known)
    assert (refused.outcome, refused.kind) == (Outcome.ERROR, "permission")
    assert refused.detail == f"it is at ::1:{other}, which is not among the hosts of this check"
    assert len(asked) == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
async def test_logins(caplog: pytest.LogCaptureFixture, mechanism: str) -> None:
    async with peer(MARKER, {3: metadata}, refusal=f"no {MARKER}") as port:
        known: dict[str, Any] = {"port": port} | LOGIN | {"mechanism": mechanism}
        good = await run_watched(caplog, "kafka", **known)
        wrong = await run_watched(caplog, "kafka", secret="marker-wrong", **known)
        other = await run_watched(caplog, "kafka", **(known | {"mechanism": "SCRAM-SHA-512"}))
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert (wrong.outcome, wrong.kind, wrong.phase) == (Outcome.ERROR, "auth", "login")
    assert wrong.detail.startswith("wrong_password: ")
    assert other.kind in ("auth", "expectation")


async def test_a_login_is_demanded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with kafka(tmp_path, "--authentication") as broker:
        nobody = await run_watched(caplog, "kafka", port=broker.port)
        wrong = await run_watched(caplog, "kafka", port=broker.port, **LOGIN)
    assert (nobody.outcome, nobody.kind) == (Outcome.ERROR, "inconclusive")
    assert "demand a login" in nobody.detail
    assert (wrong.outcome, wrong.kind) == (Outcome.ERROR, "auth")


async def test_a_broker_that_asks_for_endless_work(caplog: pytest.LogCaptureFixture) -> None:
    async with peer(MARKER, {3: metadata}, iterations=2_000_000_000) as port:
        reading = await run_watched(caplog, "kafka", port=port, **LOGIN)
    assert (reading.kind, reading.detail[:33]) == ("protocol", "the broker asks for more than 200")


async def test_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("localhost", "127.0.0.1")
    async with peer(MARKER, {3: metadata}, tls=pair) as port:
        known: dict[str, Any] = {"port": port, "tls": "on"} | LOGIN
        good = await run_watched(caplog, "kafka", ca=str(authority.file), **known)
        stranger = await run_watched(caplog, "kafka", **known)
    assert good.outcome is Outcome.OK
    assert good.metrics["tls_ms"] > 0
    assert (stranger.outcome, stranger.kind) == (Outcome.FAILED, "tls")


async def test_a_cluster_in_trouble(caplog: pytest.LogCaptureFixture) -> None:
    async with peer(MARKER, {3: lambda: metadata(HEALTHY, BEHIND, OFFLINE)}) as port:
        reading = await run_watched(caplog, "kafka", port=port, topics=["orders"], **LOGIN)
    assert reading.outcome is Outcome.OK
    assert {"brokers": 3, "controllers": 1, "partitions": 3, "partitions_offline": 1,
            "partitions_under_replicated": 2}.items() <= reading.metrics.items()  # fmt: skip
    assert reading.facts["controller"] == "kafka2.example:9092"


@pytest.mark.parametrize(
    ("produced", "fetched", "kind", "detail"),
    [
        (29, 0, "permission", "missing_right: writing to topic 'orders': no right to the topic (error 29)"),
        (19, 0, "expectation", "writing to topic 'orders': not enough replicas in sync (error 19)"),
        (56, 0, "expectation", "writing to topic 'orders': the disk can't be written (error 56)"),
        (0, 29, "permission", "missing_right: reading from topic 'orders': no right to the topic (error 29)"),
        (0, -1, "protocol", "reading from topic 'orders': refused (error -1)"),
    ],
)
async def test_a_message_that_is_refused(
    caplog: pytest.LogCaptureFixture, produced: int, fetched: int, kind: str, detail: str
) -> None:
    answers = {
        3: _alone,
        0: lambda: ProduceResponse_v7([("orders", [(0, produced, 7, -1, 0)])], 0),
        1: lambda: FetchResponse_v4(0, [("orders", [(0, fetched, 0, 0, [], b"")])]),
    }
    async with peer(MARKER, answers) as port:
        reading = await run_watched(caplog, "kafka", port=port, topic="orders", round_trip=True, **LOGIN)
    assert (reading.kind, reading.detail, reading.phase) == (kind, detail, "round_trip")
    assert "brokers" in reading.metrics


async def test_topics_that_may_not_be_seen(caplog: pytest.LogCaptureFixture) -> None:
    async with peer(MARKER, {3: lambda: metadata(topic="hidden", error=29)}) as port:
        reading = await run_watched(caplog, "kafka", port=port, topics=["hidden"], **LOGIN)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
    assert reading.detail == "missing_right: no right to describe hidden"


async def test_cancelled_in_the_middle_leaves_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = asyncio.Event()

    async def stuck(*_: object) -> list[bytes]:
        stopped.set()
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(KafkaWire, "fetch", stuck)
    async with kafka(tmp_path) as broker, shared_here() as shared:
        await broker.topic("muster.probe")
        run = asyncio.create_task(
            run_once(
                "kafka", "127.0.0.1", port=broker.port, topic="muster.probe", round_trip=True, shared=shared
            )
        )
        await asyncio.wait_for(stopped.wait(), 10)
        assert _connections(broker.port) == 1
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert _connections(broker.port) == 0


def _connections(port: int) -> int:
    """Count established connections of this machine to a port of loopback, by the kernel (/proc/net/tcp)."""
    wanted = f"0100007F:{port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(remote == wanted and state == "01" for _, _, remote, state, *_ in lines)


async def test_the_broker_dies_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with kafka(tmp_path) as broker:
        await broker.topic("muster.probe")
        whole = KafkaWire.fetch

        async def killed(*args: Any) -> list[bytes]:
            broker.process.kill()
            await broker.process.wait()
            return await whole(*args)

        monkeypatch.setattr(KafkaWire, "fetch", killed)
        reading = await run_watched(caplog, "kafka", port=broker.port, topic="muster.probe", round_trip=True)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "protocol", "round_trip")
    assert {"login_ms", "produce_ms"} <= {*reading.metrics}
    assert "round_trip_ms" not in reading.metrics


@pytest.mark.parametrize(
    "words",
    [b"HTTP/1.1 400 Bad\r\n\r\n", b"\0\0\0\4\0\0\0\7", b"\0\0\0\5\0\0\0\1\0", b"\0\0\0\0", b"\xff" * 40],
)
async def test_another_protocol(caplog: pytest.LogCaptureFixture, words: bytes) -> None:
    async with tcp_server(says(words)) as port:
        reading = await run_watched(caplog, "kafka", port=port, **LOGIN)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")


async def test_without_the_driver(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    reading = await run_watched(caplog, "kafka", port=9)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")
    assert reading.detail.endswith("install muster-monitor[kafka]")


@pytest.mark.skipif(
    "MUSTER_TEST_KAFKA" not in os.environ, reason="MUSTER_TEST_KAFKA names no Kafka (host:port)"
)
async def test_apache_kafka() -> None:
    """Against a real one, with a topic `muster.probe`, where somebody has one."""
    host, _, port = os.environ["MUSTER_TEST_KAFKA"].partition(":")
    reading = await run_once(
        "kafka", host, port=int(port or 9092), topic="muster.probe", round_trip=True, timeout=15
    )
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")


def test_a_round_trip_needs_a_topic() -> None:
    with pytest.raises(ValueError, match="a round trip needs a topic"):
        module.KafkaParams(round_trip=True)
