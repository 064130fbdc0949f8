"""A broker of MQTT 3.1.1 or 5: login, a message of quality 1 to a topic of the run's own and back, and what
is retained on a topic.

Spoken by a client of our own: the usual one connects in a thread that can't be cancelled. The session ends
with the connection, the message is not retained, and the broker lets go of a monitor that has vanished by its
keep-alive. A broker may drop without a word what the account has no right to: a message that is acknowledged
and does not come back is `inconclusive`, not the broker's failure.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from probes._patterns import Pattern
from probes._patterns import found as matches
from probes._service import KINDS
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Seconds, Target
from probes.errors import ExpectationFailed, Inconclusive, ProtocolViolated, TimedOut
from probes.middleware import _mqtt_packet as packets
from probes.middleware._broker import (
    FACTS,
    METRICS,
    BrokerParams,
    Found,
    Wire,
    new_token,
    took_ms,
    wire_to,
)
from probes.middleware._mqtt_packet import CONNACK, PINGRESP, PUBACK, PUBLISH, SUBACK, Packet, Version

PORTS = (1883, 8883)
SHORTEST_KEEP_ALIVE_S = 10
OWN, SENT, RETAINED, SYSTEM = 1, 2, 3, 4
"""Packet identifiers."""
SYS = {
    "$SYS/broker/clients/connected": "clients_connected",
    "$SYS/broker/publish/messages/dropped": "messages_dropped",
    "$SYS/broker/retained messages/count": "messages_retained",
    "$SYS/broker/uptime": "uptime_s",
}
SYS_VERSION = "$SYS/broker/version"
Topic = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^+#\x00]+$")]


class MqttParams(BrokerParams):
    """Parameters of `mqtt`."""

    version: Version = "3.1.1"
    """Version of MQTT to speak; 5 says more of what is refused."""
    client_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The client identifier, where rights hang on it; it must be nobody else's, or one ends the other. By
    default one of the run's own."""
    prefix: Topic = "muster/probe"
    """What the topic of a run begins with."""
    topic: Topic | None = None
    """A topic on which a message has to be retained."""
    payload_matches: Pattern | None = None
    """A regular expression to find in that message."""
    keep: bool = False
    """Whether that message is kept as a fact."""
    wait: Annotated[Seconds, Field(gt=0, le=30)] = 2.0
    """How long to wait for what may not come: a retained message, or one of our own."""
    sys: bool = False
    """Whether to ask for what Mosquitto says of itself ($SYS)."""

    @model_validator(mode="after")
    def _of_a_topic(self) -> Self:
        if self.topic is None and (self.payload_matches is not None or self.keep):
            msg = "payload_matches and keep need a topic"
            raise ValueError(msg)
        return self


@dataclass(slots=True)
class MqttWire:
    """Packets over a wire."""

    wire: Wire
    version: Version

    async def say(self, data: bytes) -> float:
        """Send packets; return when the first byte went out."""
        return await self.wire.send(data)

    async def next(self) -> Packet:
        """Return the next packet, a message of quality 1 acknowledged.

        Raises `ProtocolViolated` for what is no packet, and what a broker that takes its leave says.
        """
        first = (await self.wire.exactly(1))[0]
        size = await self._length()
        try:
            packet = packets.parse(self.version, first, await self.wire.exactly(size))
        except packets.Malformed as error:
            raise ProtocolViolated(f"it does not speak MQTT: {error}") from None
        if packet.kind == packets.DISCONNECT:
            raise packets.refusal(packet.codes[0], "the broker has disconnected")
        if packet.kind == PUBLISH and packet.qos == 1:
            await self.say(packets.puback(packet.number))
        return packet

    async def answer(self, kind: int, number: int = 0) -> Packet:
        """Return the answer of this kind, passing over messages."""
        while True:
            packet = await self.next()
            if packet.kind == kind and packet.number == number:
                return packet

    async def subscribe(self, number: int, *topics: str, qos: int) -> tuple[int, ...]:
        """Subscribe; return the codes of the topics."""
        await self.say(packets.subscribe(self.version, number, *topics, qos=qos))
        return (await self.answer(SUBACK, number)).codes

    async def _length(self) -> int:
        size, shift = 0, 0
        while shift < 28:
            byte = (await self.wire.exactly(1))[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if byte >= 0x80 or size > packets.MAX_PACKET:
            raise ProtocolViolated("it does not speak MQTT: a packet without end")
        return size


async def probe_mqtt(target: Target, params: MqttParams, context: Context) -> Reading:
    """Log in, send a message and take it back, and look at what is retained.

    Raises `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right), `Inconclusive` (the message
    was taken and never came), `ExpectationFailed` (version_too_old, too_many_connections, tls_required, no
    retained message, or another), `ProtocolViolated`, and the endings of the connection.
    """
    password = params.password_from(context.shared)
    found = Found(context, hidden=(password,))
    with found.kept():
        async with wire_to(target, params, PORTS, found) as wire:
            mqtt = MqttWire(wire, params.version)
            token = new_token()
            await _log_in(mqtt, params, password, token, found)
            if params.sys:
                await _system(mqtt, found)
            if params.round_trip:
                await _tried_round_trip(mqtt, params, token, found)
            if params.topic is not None:
                await _retained(mqtt, params, params.topic, found)
            await mqtt.say(packets.disconnect())
        return found.reading()


async def _log_in(mqtt: MqttWire, params: MqttParams, password: str, token: str, found: Found) -> None:
    found.context.phase = "login"
    client = params.client_id or f"muster-{token}"
    keep_alive = max(SHORTEST_KEEP_ALIVE_S, math.ceil(found.context.timeout))
    await mqtt.say(packets.connect(params.version, client, params.user, password, keep_alive))
    try:
        packet = await mqtt.next()
    except ProtocolViolated as ending:
        if params.version == "5" and not mqtt.wire.taken:
            raise ProtocolViolated(f"{ending.detail}, as those do that know no MQTT 5") from None
        raise
    if packet.kind != CONNACK:
        raise ProtocolViolated("it does not speak MQTT: no CONNACK")
    if packet.codes[0]:
        raise packets.refusal(packet.codes[0], "login", logging_in=True)
    found.add("login", took_ms(mqtt.wire.opened_at, mqtt.wire.at))


async def _tried_round_trip(mqtt: MqttWire, params: MqttParams, token: str, found: Found) -> None:
    """Make the round trip; a broker of 3.1.1 that closes meanwhile may mean that a right is missing."""
    try:
        await _round_trip(mqtt, params, token, found)
    except ProtocolViolated as ending:
        if params.version == "5" or not mqtt.wire.ended:
            raise
        why = "missing_right or broken off: MQTT 3.1.1 has no other way to refuse"
        raise Inconclusive(f"{why} ({ending.detail})") from None


async def _round_trip(mqtt: MqttWire, params: MqttParams, token: str, found: Found) -> None:
    found.context.phase = "round_trip"
    topic = f"{params.prefix}/{token}"
    (code, *_) = await mqtt.subscribe(OWN, topic, qos=1)
    if code >= packets.FAILED:
        raise packets.refusal(code, f"subscribing to {topic}")
    sent = await mqtt.say(packets.publish(params.version, SENT, topic, token.encode()))
    found.add("round_trip", took_ms(sent, await _back(mqtt, params, topic, token)))


async def _back(mqtt: MqttWire, params: MqttParams, topic: str, token: str) -> float:
    """Wait for message and acknowledgement, in whichever order; return when the message had arrived."""
    arrived, acknowledged, deadline = 0.0, False, mqtt.wire.until
    while not (arrived and acknowledged):
        try:
            packet = await mqtt.next()
        except TimedOut:
            if not acknowledged or arrived:
                raise
            why = "missing_right or lost: the broker took the message and did not give it back"
            raise Inconclusive(f"{why} within {params.wait:g} s ({topic})") from None
        if packet.kind == PUBLISH and packet.payload == token.encode():
            arrived = mqtt.wire.at
        elif packet.kind == PUBACK and packet.number == SENT:
            if packet.codes[0] >= packets.FAILED:
                raise packets.refusal(packet.codes[0], f"publishing to {topic}")
            acknowledged = True
            mqtt.wire.until = min(deadline, time.perf_counter() + params.wait)
    mqtt.wire.until = deadline
    return arrived


async def _retained(mqtt: MqttWire, params: MqttParams, topic: str, found: Found) -> None:
    found.context.phase = "retained"
    deadline = mqtt.wire.until
    await mqtt.say(packets.subscribe(params.version, RETAINED, topic, qos=0))
    waited = time.perf_counter() + params.wait
    mqtt.wire.until = min(deadline, waited)
    subscribed = False
    while True:
        try:
            packet = await mqtt.next()
        except TimedOut:
            if not subscribed:
                raise
            if deadline < waited:
                raise Inconclusive(f"the run's time was up before the {params.wait:g} s of `wait`") from None
            why = "there is none, or it may not be read"
            raise ExpectationFailed(f"no message is retained on {topic!r} ({why})") from None
        if packet.kind == SUBACK and packet.number == RETAINED:
            subscribed = True
            if packet.codes[0] >= packets.FAILED:
                raise packets.refusal(packet.codes[0], f"subscribing to {topic}")
        elif packet.kind == PUBLISH and packet.topic == topic and packet.retained:
            mqtt.wire.until = deadline
            return _judge(packet.payload, params, found)


def _judge(payload: bytes, params: MqttParams, found: Found) -> None:
    text = payload.decode("utf-8", "replace")
    found.metrics["retained_bytes"] = float(len(payload))
    value = number(text)
    if value is not None:
        found.metrics["payload_value"] = value
    if params.keep:
        found.tell(payload=text)
    if params.payload_matches is not None and not matches(params.payload_matches, text):
        raise ExpectationFailed(f"the retained message does not match {params.payload_matches!r}")


def number(text: str) -> float | None:
    """Return the finite number that a text is, with whatever stands behind a blank left off, or None."""
    try:
        value = float(text.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None
    return value if math.isfinite(value) else None


async def _system(mqtt: MqttWire, found: Found) -> None:
    """Ask for $SYS, and take what has come by the answer to a ping."""
    found.context.phase = "sys"
    codes = await mqtt.subscribe(SYSTEM, SYS_VERSION, *SYS, qos=0)
    if min(codes) >= packets.FAILED:
        found.missing(f"$SYS: {packets.refusal(codes[0], 'subscribing').detail}")
        return
    await mqtt.say(packets.pingreq())
    told: dict[str, str] = {}
    while (packet := await mqtt.next()).kind != PINGRESP:
        if packet.kind == PUBLISH and packet.retained:
            told[packet.topic] = packet.payload[:200].decode("utf-8", "replace")
    if not told:
        found.missing("$SYS: the broker has none, or no right to read it")
    server, _, version = told.get(SYS_VERSION, "").partition(" version ")
    found.tell(server=server, version=version)
    values = {name: number(told.get(topic, "")) for topic, name in SYS.items()}
    found.metrics |= {name: value for name, value in values.items() if value is not None}


PROBE = ProbeSpec(
    name="mqtt",
    family="middleware",
    summary="A broker of MQTT 3.1.1 or 5: login, publish to subscribe, and what is retained on a topic",
    params=MqttParams,
    run=probe_mqtt,
    metrics=(
        *METRICS,
        MetricDef("retained_bytes", "bytes", "none", 1, "Length of the message retained on the topic."),
        MetricDef("payload_value", "count", "none", None, "That message, where it is a number."),
        MetricDef("clients_connected", "count", "none", 1, "Clients that are connected ($SYS)."),
        MetricDef("messages_dropped", "count", "lower", 1, "Messages dropped since it started ($SYS)."),
        MetricDef("messages_retained", "count", "none", 1, "Messages that are retained ($SYS)."),
        MetricDef("uptime_s", "s", "none", 1, "For how long the broker has run ($SYS)."),
    ),
    facts=(*FACTS, FactDef("payload", help="The message retained on the topic, with `keep`.")),
    phases=("resolve", "connect", "tls", "login", "sys", "round_trip", "retained"),
    kinds=KINDS,
)  # fmt: skip
