"""`mqtt` against Mosquitto and RabbitMQ's plugin: versions, rights, what is retained, what is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome, Reading
from probes.errors import Ending
from probes.middleware import _mqtt_packet as packets
from probes.middleware import mqtt as module
from probes.middleware._mqtt_packet import Malformed, Packet, Version, parse, refusal, variable
from probes.middleware.mqtt import number
from tests.probes.middleware.watched import MARKER, run_watched
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import says, tcp_server
from tests.servers.mosquitto import Mosquitto, mosquitto
from tests.servers.rabbitmq import RabbitMq

ACCOUNTS = {"monitor": MARKER, "nothing": MARKER, "plant": MARKER}
ACL = """
user monitor
topic readwrite muster/probe/#
topic read plant/status
topic read $SYS/#
user plant
topic readwrite plant/#
"""
LOGIN: dict[str, Any] = {"user": "monitor", "password": "secret:pw"}
BOTH: list[Version] = ["3.1.1", "5"]


@asynccontextmanager
async def _broker(directory: Path, more: str = "") -> AsyncIterator[Mosquitto]:
    async with mosquitto(directory, ACCOUNTS, ACL, more) as broker:
        yield broker


async def _retain(port: int, topic: str, payload: bytes, version: Version = "3.1.1") -> None:
    """Leave a message on a topic, as the plant does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(packets.connect(version, "plant", "plant", MARKER, 10))
    message = bytearray(packets.publish(version, 1, topic, payload))
    message[0] |= 1
    writer.write(message)
    await reader.readexactly(4 + 4)
    writer.write(packets.disconnect())
    writer.close()
    await writer.wait_closed()


async def _clients(port: int) -> float:
    """Return how many clients are connected besides the one that asks, once that is none."""
    seen = 0.0
    for _ in range(30):
        async with shared_here(secrets={"pw": MARKER}) as shared:
            asking = await run_once(
                "mqtt", "127.0.0.1", port=port, shared=shared, sys=True, round_trip=False, **LOGIN
            )
        seen = asking.metrics.get("clients_connected", 0.0)
        if not seen:
            break
        await asyncio.sleep(0.2)
    return seen


@pytest.mark.parametrize("version", BOTH)
async def test_with_just_its_rights(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, version: Version
) -> None:
    async with _broker(tmp_path) as broker:
        await _retain(broker.port, "plant/status", b"42.5 bar")
        await asyncio.sleep(1.1)
        reading = await run_watched(
            caplog, "mqtt", port=broker.port, version=version, sys=True, topic="plant/status",
            payload_matches="bar$", keep=True, **LOGIN,
        )  # fmt: skip
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert 0 < reading.metrics["round_trip_ms"] < 1000
    assert (reading.metrics["payload_value"], reading.metrics["retained_bytes"]) == (42.5, 8)
    assert {"clients_connected", "messages_dropped", "messages_retained", "uptime_s"} <= {*reading.metrics}
    assert (reading.facts["server"], reading.facts["version"][:2]) == ("mosquitto", "2.")
    assert reading.facts["payload"] == "42.5 bar"
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}


@pytest.mark.parametrize("version", BOTH)
async def test_a_wrong_password(tmp_path: Path, caplog: pytest.LogCaptureFixture, version: Version) -> None:
    async with _broker(tmp_path) as broker:
        reading = await run_watched(
            caplog, "mqtt", port=broker.port, version=version, secret="marker-wrong", **LOGIN
        )
        nobody = await run_watched(caplog, "mqtt", port=broker.port, version=version)
    assert [(r.outcome, r.kind) for r in (reading, nobody)] == [(Outcome.ERROR, "auth")] * 2
    assert reading.detail == "wrong_password: login: not authorized"


@pytest.mark.parametrize(
    ("version", "kind", "detail"),
    [
        ("3.1.1", "inconclusive", "missing_right or lost: the broker took the message"),
        ("5", "permission", "missing_right: publishing to muster/probe/"),
    ],
)
async def test_without_the_right_to_its_topic(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, version: Version, kind: str, detail: str
) -> None:
    async with _broker(tmp_path) as broker:
        reading = await run_watched(
            caplog, "mqtt", port=broker.port, version=version, user="nothing", password="secret:pw", wait=0.3
        )
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, kind)
    assert reading.detail.startswith(detail)
    assert "round_trip_ms" not in reading.metrics


async def test_without_the_right_to_the_system(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with _broker(tmp_path) as broker:
        reading = await run_watched(
            caplog, "mqtt", port=broker.port, user="plant", password="secret:pw", prefix="plant", sys=True
        )
    assert reading.outcome is Outcome.OK
    assert reading.facts["not_told"] == "$SYS: the broker has none, or no right to read it"
    assert not {"clients_connected", "uptime_s"} & {*reading.metrics}
    assert "version" not in reading.facts


async def test_nothing_is_retained(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with _broker(tmp_path) as broker:
        reading = await run_watched(caplog, "mqtt", port=broker.port, topic="plant/status", wait=0.3, **LOGIN)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "expectation", "retained")
    assert reading.detail.startswith("no message is retained on 'plant/status'")


async def test_time_that_is_up_says_nothing_of_what_is_retained(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ask: dict[str, Any] = {"topic": "plant/status", "wait": 30, "timeout": 2.0, **LOGIN}
    async with _broker(tmp_path) as broker:
        reading = await run_watched(caplog, "mqtt", port=broker.port, **ask)
    assert reading.outcome is Outcome.ERROR, reading
    assert reading.kind == "inconclusive"
    assert "round_trip_ms" in reading.metrics


async def test_another_message_is_retained(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with _broker(tmp_path) as broker:
        await _retain(broker.port, "plant/status", b"private words", "5")
        reading = await run_watched(
            caplog, "mqtt", port=broker.port, topic="plant/status", payload_matches="^up$", **LOGIN
        )
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail == "the retained message does not match '^up$'"
    assert "payload_value" not in reading.metrics
    assert "private" not in str(reading)


async def test_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("localhost", "127.0.0.1").file
    async with _broker(tmp_path, f"certfile {pair}\nkeyfile {pair}") as broker:
        known: dict[str, Any] = {"port": broker.port, "tls": "on"} | LOGIN
        good = await run_watched(caplog, "mqtt", ca=str(authority.file), **known)
        stranger = await run_watched(caplog, "mqtt", **known)
        clear = await run_watched(caplog, "mqtt", port=broker.port, **LOGIN)
    assert good.outcome is Outcome.OK
    assert good.metrics["tls_ms"] > 0
    assert (stranger.outcome, stranger.kind) == (Outcome.FAILED, "tls")
    assert clear.outcome is Outcome.FAILED
    assert clear.kind in ("protocol", "expectation")


async def test_cancelled_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribed = asyncio.Event()

    async def stuck(*_: object) -> float:
        subscribed.set()
        await asyncio.sleep(60)
        raise AssertionError

    async with _broker(tmp_path) as broker, shared_here(secrets={"pw": MARKER}) as shared:
        with monkeypatch.context() as patched:
            patched.setattr(module, "_back", stuck)
            run = asyncio.create_task(run_once("mqtt", "127.0.0.1", port=broker.port, shared=shared, **LOGIN))
            await asyncio.wait_for(subscribed.wait(), 5)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        assert await _clients(broker.port) == 0


@pytest.mark.parametrize(("version", "kind"), [("3.1.1", "inconclusive"), ("5", "protocol")])
async def test_the_broker_dies_in_the_middle(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    version: Version,
    kind: str,
) -> None:
    async with _broker(tmp_path) as broker:
        whole = module._round_trip

        async def killed(*args: Any) -> None:
            broker.process.kill()
            await broker.process.wait()
            await whole(*args)

        monkeypatch.setattr(module, "_round_trip", killed)
        reading = await run_watched(caplog, "mqtt", port=broker.port, version=version, **LOGIN)
    assert (reading.kind, reading.phase) == (kind, "round_trip")
    assert "login_ms" in reading.metrics


async def test_another_broker(rabbit: RabbitMq, caplog: pytest.LogCaptureFixture) -> None:
    def asked(**params: Any) -> Any:
        return run_watched(caplog, "mqtt", port=rabbit.mqtt, password="secret:pw", **params)

    good: Reading = await asked(user="mqtt", sys=True)
    newer: Reading = await asked(user="mqtt", version="5")
    nothing: Reading = await asked(user="nothing")
    wrong: Reading = await asked(user="away")
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert good.facts["not_told"].startswith("$SYS: ")
    assert (newer.outcome, newer.kind) == (Outcome.FAILED, "protocol")
    assert newer.detail.endswith("as those do that know no MQTT 5")
    assert (wrong.outcome, wrong.kind) == (Outcome.ERROR, "auth")
    assert "round_trip_ms" not in nothing.metrics
    assert (nothing.outcome, nothing.kind) == (Outcome.ERROR, "inconclusive")
    assert nothing.detail.startswith("missing_right or broken off: ")


@pytest.mark.parametrize(
    "words",
    [b"HTTP/1.1 400 Bad\r\n\r\n", b"\x20\xff\xff\xff\xff\xff", b"\x20\x01\x00", b"\xd0\x00", b"\xf0\x00"],
)
async def test_another_protocol(caplog: pytest.LogCaptureFixture, words: bytes) -> None:
    async with tcp_server(says(words)) as port:
        reading = await run_watched(caplog, "mqtt", port=port, **LOGIN)
    assert reading.kind == "protocol"


async def test_a_broker_that_takes_its_leave(caplog: pytest.LogCaptureFixture) -> None:
    async with tcp_server(says(b"\x20\x03\x00\x00\x00" + b"\xe0\x02\x8b\x00", hold=True)) as port:
        reading = await run_watched(caplog, "mqtt", port=port, version="5", **LOGIN)
    assert (reading.kind, reading.detail) == (
        "expectation", "the broker has disconnected: server shutting down",
    )  # fmt: skip


def test_parameters_of_a_topic() -> None:
    with pytest.raises(ValueError, match="need a topic"):
        module.MqttParams(keep=True)
    with pytest.raises(ValueError, match="topic"):
        module.MqttParams(topic="plant/#")


@given(st.sampled_from(BOTH), st.integers(0, 255), st.binary(max_size=60))
def test_any_packet_is_read_or_refused(version: Version, first: int, body: bytes) -> None:
    try:
        packet = parse(version, first, body)
    except Malformed:
        return
    assert packet.kind == first >> 4


@given(
    st.sampled_from(BOTH), st.integers(1, 65535), st.text(st.characters(codec="utf-8"), max_size=30),
    st.binary(max_size=300),
)  # fmt: skip
def test_a_message_is_read_as_it_was_made(version: Version, number: int, topic: str, payload: bytes) -> None:
    made = packets.publish(version, number, topic, payload)
    size = len(made) - 1
    length = 1 if size - 1 < 128 else 2
    assert made[1 : 1 + length] == variable(size - length)
    expected = Packet(packets.PUBLISH, number, (), topic, payload, 1, False)
    assert parse(version, made[0], made[1 + length :]) == expected


@given(st.integers(0, 268_435_455))
def test_lengths(length: int) -> None:
    made = variable(length)
    assert sum((byte & 0x7F) << 7 * at for at, byte in enumerate(made)) == length
    assert [byte >= 0x80 for byte in made] == [True] * (len(made) - 1) + [False]


@given(st.integers(0x80, 0xFF), st.booleans())
def test_any_refusal_is_an_ending(code: int, logging_in: bool) -> None:
    assert isinstance(refusal(code, "x", logging_in=logging_in), Ending)


@pytest.mark.parametrize(
    ("text", "value"), [("17", 17), ("-2.5e3 V", -2500), ("inf", None), ("up", None), ("", None)]
)
def test_numbers(text: str, value: float | None) -> None:
    assert number(text) == value
