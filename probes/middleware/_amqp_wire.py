"""AMQP 0-9-1 over a wire, its frames coded by pamqp; and what a reply code of the broker means."""

from __future__ import annotations

import struct
from typing import TypeVar

from pamqp import body, commands, frame, header
from pamqp.base import Frame
from pamqp.exceptions import PAMQPException

from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
)
from probes.middleware._broker import Wire

HEAD = struct.Struct(">BHI")
KINDS_OF_FRAMES = (1, 2, 3, 8)
MAX_FRAME = 1024 * 1024
FRAME = 131_072
UNREADABLE = (PAMQPException, struct.error, ValueError, TypeError, LookupError, RecursionError, OverflowError)
F = TypeVar("F", bound=Frame)

CAPABILITIES = {
    "authentication_failure_close": True, "connection.blocked": True, "consumer_cancel_notify": True,
}  # fmt: skip


def refusal(code: int, text: str, *, logging_in: bool) -> Ending:
    """Return the ending that a reply code stands for (AMQP 0-9-1, section 1.2, and RabbitMQ's texts)."""
    low = text.lower()
    if "limit" in low and code in (506, 530):
        return ExpectationFailed(f"too_many_connections: {text}")
    if code == 403 and logging_in:
        return OwnLoginFailed(f"wrong_password: {text}")
    if code == 403 or (code == 530 and "refused" in low):
        return PermissionMissing(f"missing_right: {text}")
    if code in (404, 405, 406, 530):
        return ExpectationFailed(text)
    return ProtocolViolated(f"closed by the broker: {code} {text}")


def blocked(reason: str) -> ExpectationFailed:
    """Return the ending of a broker that takes no messages (connection.blocked)."""
    cause = "disk_full" if "disk" in reason.lower() else "memory_alarm"
    return ExpectationFailed(f"{cause}: the broker takes no messages: {reason}")


class AmqpWire:
    """A connection and its channels; one question at a time."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._open = False

    async def log_in(self, user: str, password: str, vhost: str, heartbeat: int) -> dict[str, object]:
        """Open the connection; return what the broker says of itself. Raises what it refuses.

        `heartbeat`, in seconds: after twice as long a silence the broker lets the connection go.
        """
        await self.wire.send(header.ProtocolHeader().marshal())
        start = await self._awaited(commands.Connection.Start, 0)
        await self._say(
            0,
            commands.Connection.StartOk(
                client_properties={"product": "muster", "connection_name": "muster",
                                   "capabilities": dict(CAPABILITIES)},
                mechanism="PLAIN",
                response=f"\0{user}\0{password}",
            ),
        )  # fmt: skip
        tune = await self._awaited(commands.Connection.Tune, 0)
        await self._say(
            0,
            commands.Connection.TuneOk(tune.channel_max, min(tune.frame_max or FRAME, FRAME), heartbeat),
            commands.Connection.Open(vhost),
        )
        await self._awaited(commands.Connection.OpenOk, 0, logging_in=False)
        self._open = True
        return dict(start.server_properties)

    async def look(self, queue: str, channel: int) -> tuple[int, int]:
        """Return messages that are ready, and consumers, of a queue that is there (passive declare)."""
        await self._channel(channel)
        await self._say(channel, commands.Queue.Declare(queue=queue, passive=True))
        found = await self._awaited(commands.Queue.DeclareOk, channel)
        return found.message_count or 0, found.consumer_count or 0

    async def listen(self, queue: str, channel: int) -> None:
        """Make a queue that only this connection has and that goes with it, and consume from it."""
        await self._channel(channel)
        await self._say(channel, commands.Queue.Declare(queue=queue, exclusive=True, auto_delete=True))
        await self._awaited(commands.Queue.DeclareOk, channel)
        await self._say(channel, commands.Basic.Consume(queue=queue, no_ack=True, exclusive=True))
        await self._awaited(commands.Basic.ConsumeOk, channel)

    async def send_and_take(self, queue: str, token: str, channel: int) -> float:
        """Publish a message to the queue and take it; return the seconds that took.

        Raises `ExpectationFailed` where the broker blocks those who publish (memory_alarm, disk_full).
        """
        data = token.encode()
        properties = commands.Basic.Properties(delivery_mode=1, expiration="60000")
        parts = (
            commands.Basic.Publish(exchange="", routing_key=queue, mandatory=True),
            header.ContentHeader(body_size=len(data), properties=properties),
            body.ContentBody(data),
        )
        sent = await self.wire.send(b"".join(frame.marshal(part, channel) for part in parts))
        while True:
            number, came = await self._next()
            if isinstance(came, commands.Basic.Return):
                raise ProtocolViolated(f"the message came back: {came.reply_code} {came.reply_text}")
            if isinstance(came, body.ContentBody) and number == channel and came.value == data:
                return self.wire.at - sent

    async def close(self) -> None:
        """Say good-bye and wait for the answer."""
        await self._say(0, commands.Connection.Close(200, "done", 0, 0))
        await self._awaited(commands.Connection.CloseOk, 0)

    async def _channel(self, number: int) -> None:
        await self._say(number, commands.Channel.Open())
        await self._awaited(commands.Channel.OpenOk, number)

    async def _say(self, channel: int, *frames: Frame) -> None:
        await self.wire.send(b"".join(frame.marshal(each, channel) for each in frames))

    async def _awaited(self, kind: type[F], channel: int, *, logging_in: bool | None = None) -> F:
        while True:
            number, came = await self._next(logging_in=not self._open if logging_in is None else logging_in)
            if number == channel and isinstance(came, kind):
                return came

    async def _next(self, *, logging_in: bool = False) -> tuple[int, frame.FrameTypes]:
        """Return the next frame and its channel. Raises what the broker closes with, or blocks for."""
        channel, came = await self._read()
        if isinstance(came, commands.Connection.Close):
            await self._say(0, commands.Connection.CloseOk())
            raise refusal(came.reply_code or 0, came.reply_text, logging_in=logging_in)
        if isinstance(came, commands.Channel.Close):
            await self._say(channel, commands.Channel.CloseOk())
            raise refusal(came.reply_code or 0, came.reply_text, logging_in=False)
        if isinstance(came, commands.Connection.Blocked):
            raise blocked(came.reason)
        return channel, came

    async def _read(self) -> tuple[int, frame.FrameTypes]:
        head = await self.wire.exactly(HEAD.size)
        if head.startswith(b"AMQP"):
            raise ProtocolViolated("it speaks another version of AMQP than 0-9-1")
        kind, channel, size = HEAD.unpack(head)
        if kind not in KINDS_OF_FRAMES or size > MAX_FRAME:
            raise ProtocolViolated("it does not speak AMQP")
        data = await self.wire.exactly(size + 1)
        try:
            _, _, came = frame.unmarshal(head + data)
        except UNREADABLE:
            raise ProtocolViolated("a frame of AMQP that can't be read") from None
        return channel, came
