"""A broker of STOMP 1.1 or 1.2 (ActiveMQ, RabbitMQ): login, a message to a queue of the run's own and back.

The queue ends with the connection: a temporary one on ActiveMQ, an exclusive one on RabbitMQ. Of ActiveMQ's
queues and memory the broker tells by its statistics plugin, where a check asks for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from probes._service import KINDS
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed, ProberFault, ProtocolViolated
from probes.middleware._broker import (
    FACTS,
    OF_QUEUES,
    BrokerParams,
    Found,
    Wire,
    new_token,
    took_ms,
    wire_to,
)
from probes.middleware._broker_http import rows
from probes.middleware._stomp_frame import (
    COMMANDS,
    MAX_BODY,
    MAX_HEADERS,
    Frame,
    Malformed,
    frame,
    headers_of,
    length_of,
    refusal,
)

PORTS = (61613, 61614)
PREFIX = "muster.probe."
MAX_LINE = 8192
EXPIRES_MS = 60_000
QUEUE = {
    "size": "queue_depth", "consumerCount": "consumers", "inflightCount": "unacknowledged",
    "expiredCount": "expired",
}  # fmt: skip
BROKER = {
    "memoryPercentUsage": "memory_used_pct", "storePercentUsage": "store_used_pct",
    "tempPercentUsage": "temp_used_pct",
}  # fmt: skip
STATISTICS = "/queue/ActiveMQ.Statistics."


class StompParams(BrokerParams):
    """Parameters of `stomp`."""

    host: Annotated[str, Field(min_length=1, max_length=255)] = "/"
    """The virtual host."""
    destination: Annotated[str, Field(pattern=r"^/\S+$", max_length=255)] | None = None
    """Where the message of a run goes, on brokers other than ActiveMQ and RabbitMQ, such as
    `/queue/muster.probe`; it stays there after the run."""
    queue: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """A queue of ActiveMQ that has to be there, and the broker's memory; needs its statistics plugin (without
    it the broker makes a queue of the question)."""


@dataclass(slots=True)
class StompWire:
    """Frames over a wire."""

    wire: Wire
    logging_in: bool = True

    async def say(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> float:
        """Send a frame; return when its first byte went out."""
        return await self.wire.send(frame(command, headers, body))

    async def next(self) -> Frame:
        """Return the next frame. Raises what an ERROR stands for, and `ProtocolViolated`."""
        try:
            came = await self._read()
        except Malformed as error:
            raise ProtocolViolated(f"it does not speak STOMP: {error}") from None
        if came.command == "ERROR":
            raise refusal(came, logging_in=self.logging_in)
        return came

    async def receipt(self, name: str) -> None:
        """Wait until what was sent with this receipt is dealt with."""
        while True:
            came = await self.next()
            if came.command == "RECEIPT" and came.headers.get("receipt-id") == name:
                return

    async def message(self, subscription: str) -> Frame:
        """Return the next message of a subscription."""
        while True:
            came = await self.next()
            if came.command == "MESSAGE" and came.headers.get("subscription") == subscription:
                return came

    async def leave(self) -> None:
        """Say good-bye and wait for the answer; errors of what was refused before may come first."""
        await self.say("DISCONNECT", {"receipt": "bye"})
        with suppress(Malformed):
            while (await self._read()).headers.get("receipt-id") != "bye":
                pass

    async def _read(self) -> Frame:
        command = await self._line()
        while not command:
            command = await self._line()
        if command not in COMMANDS:
            raise Malformed("no command")
        lines: list[str] = []
        while line := await self._line():
            lines.append(line)
            if len(lines) > MAX_HEADERS:
                raise Malformed(f"more than {MAX_HEADERS} headers")
        headers = headers_of(command, lines)
        length = length_of(headers)
        if length is None:
            return Frame(command, headers, (await self.wire.up_to(b"\0", MAX_BODY))[:-1])
        body = await self.wire.exactly(length + 1)
        if body[-1]:
            raise Malformed("a body without its end")
        return Frame(command, headers, body[:-1])

    async def _line(self) -> str:
        return (await self.wire.line(MAX_LINE)).decode("utf-8", "replace")


async def probe_stomp(target: Target, params: StompParams, context: Context) -> Reading:
    """Log in, send a message and take it back, and ask ActiveMQ for statistics.

    Raises `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right), `ExpectationFailed`
    (too_many_connections, tls_required, no such queue), `ProtocolViolated`, and the connection's endings.
    """
    password = params.password_from(context.shared)
    found = Found(context, hidden=(password,))
    with found.kept():
        async with wire_to(target, params, PORTS, found) as wire:
            stomp, token = StompWire(wire), new_token()
            await _log_in(stomp, params, password, found)
            if params.round_trip:
                await _round_trip(stomp, params, token, found)
            if params.queue is not None:
                await _statistics(stomp, params.queue, token, found)
            await stomp.leave()
        return found.reading()


async def _log_in(stomp: StompWire, params: StompParams, password: str, found: Found) -> None:
    found.context.phase = "login"
    login = {"login": params.user, "passcode": password} if params.user is not None else {}
    try:
        await stomp.say(
            "CONNECT", {"accept-version": "1.1,1.2", "host": params.host, "heart-beat": "0,0"} | login
        )
    except Malformed as error:
        raise ProberFault(f"the password can't be sent by STOMP: {error}") from None
    came = await stomp.next()
    if came.command != "CONNECTED":
        raise ProtocolViolated(f"{came.command} in answer to CONNECT")
    stomp.logging_in = False
    found.add("login", took_ms(stomp.wire.opened_at, stomp.wire.at))
    server, _, version = came.headers.get("server", "").partition("/")
    found.tell(server=server, version=version.split(" ", 1)[0])
    found.facts["protocol"] = came.headers.get("version", "1.0")


def places(server: str, token: str, wanted: str | None) -> tuple[str, str, dict[str, str]] | None:
    """Return where to listen, where to send, and the headers that make the queue end with the connection.

    None where the broker is of neither known kind and the check names no destination.
    """
    if wanted is not None:
        return wanted, wanted, {}
    if server == "RabbitMQ":
        own = {"durable": "false", "auto-delete": "true", "exclusive": "true"}
        return f"/queue/{PREFIX}{token}", f"/amq/queue/{PREFIX}{token}", own
    if server == "ActiveMQ":
        return f"/temp-queue/{PREFIX}{token}", f"/temp-queue/{PREFIX}{token}", {}
    return None


async def _round_trip(stomp: StompWire, params: StompParams, token: str, found: Found) -> None:
    found.context.phase = "round_trip"
    where = places(found.facts.get("server", ""), token, params.destination)
    if where is None:
        found.missing("round_trip: the broker is neither ActiveMQ nor RabbitMQ; name a destination")
        return
    listen, send, headers = where
    wanted = {"id": "1", "destination": listen, "ack": "auto", "receipt": "listening"}
    await stomp.say("SUBSCRIBE", wanted | headers)
    await stomp.receipt("listening")
    expires = {"expires": str(int(time.time() * 1000) + EXPIRES_MS), "persistent": "false"}
    sent = await stomp.say("SEND", {"destination": send} | expires, token.encode())
    while (await stomp.message("1")).body != token.encode():
        pass
    found.add("round_trip", took_ms(sent, stomp.wire.at))


async def _statistics(stomp: StompWire, queue: str, token: str, found: Found) -> None:
    found.context.phase = "statistics"
    if found.facts.get("server") != "ActiveMQ":
        found.missing("queue: only ActiveMQ tells it by STOMP; of RabbitMQ ask by amqp")
        return
    back = f"/temp-queue/muster.statistics.{token}"
    with found.optional("queue"):
        wanted = {"id": "2", "destination": back, "receipt": "asking", "transformation": "jms-map-json"}
        await stomp.say("SUBSCRIBE", wanted)
        await stomp.receipt("asking")
        await _ask(stomp, "Broker", back)
        found.metrics |= named(entries((await stomp.message("2")).body), BROKER)
        await _queue(stomp, queue, back, found)


async def _queue(stomp: StompWire, queue: str, back: str, found: Found) -> None:
    """Ask for the queue and then for the broker: where only the second answers, there is no such queue."""
    await _ask(stomp, f"Destination.{queue}", back)
    await _ask(stomp, "Broker", back)
    told = entries((await stomp.message("2")).body)
    if "destinationName" not in told:
        raise ExpectationFailed(f"no queue {queue!r}")
    found.metrics |= named(told, QUEUE)


async def _ask(stomp: StompWire, what: str, back: str) -> None:
    expires = {"expires": str(int(time.time() * 1000) + EXPIRES_MS), "persistent": "false"}
    await stomp.say("SEND", {"destination": STATISTICS + what, "reply-to": back} | expires)


def entries(body: bytes) -> dict[str, str | float]:
    """Return a map message as ActiveMQ writes it in JSON (jms-map-json). Raises `ProtocolViolated`.

    An entry is {"string": "name", "long": 1} or, of texts, {"string": ["name", "text"]}.
    """
    try:
        document = json.loads(body)
        listed = rows(document["map"]["entry"])
    except (ValueError, RecursionError, LookupError, TypeError):
        raise ProtocolViolated("an answer of the statistics plugin that can't be read") from None
    found: dict[str, str | float] = {}
    for each in listed:
        name = each.get("string")
        if isinstance(name, list) and len(name) == 2:
            found[str(name[0])] = str(name[1])
        elif isinstance(name, str):
            value = next((value for key, value in each.items() if key != "string"), None)
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[name] = float(value)
    return found


def named(told: Mapping[str, str | float], names: Mapping[str, str]) -> dict[str, float]:
    """Return what was told as metrics, by the names that are ours."""
    found = {ours: told.get(theirs) for theirs, ours in names.items()}
    return {name: value for name, value in found.items() if isinstance(value, float)}


PROBE = ProbeSpec(
    name="stomp",
    family="middleware",
    summary="A broker of STOMP (ActiveMQ, RabbitMQ): login, publish to consume, ActiveMQ's statistics",
    params=StompParams,
    run=probe_stomp,
    metrics=(
        *OF_QUEUES,
        MetricDef("unacknowledged", "count", "lower", 1, "Messages of the queue taken, not acknowledged."),
        MetricDef("expired", "count", "lower", 1, "Messages of the queue that expired since it was made."),
        MetricDef("memory_used_pct", "%", "lower", 0.1, "Of the memory the broker may use for messages."),
        MetricDef("store_used_pct", "%", "lower", 0.1, "Of the disk it may use for stored messages."),
        MetricDef("temp_used_pct", "%", "lower", 0.1, "Of the disk it may use for temporary ones."),
    ),
    facts=(*FACTS, FactDef("protocol", "version", "Version of STOMP that is spoken.")),
    phases=("resolve", "connect", "tls", "login", "round_trip", "statistics"),
    kinds=KINDS,
)  # fmt: skip
