"""Between gufo and the network: gufo makes questions and reads answers, what goes in and out is ours.

gufo's socket becomes one end of a pair of local sockets. So it is known what was asked, an answer reaches
gufo only when it is one, and nothing comes in between that nobody has looked at.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any

from probes._resolve import Address
from probes._snmp_message import REPORT, RESPONSE, Header, Seen, broken, seen
from probes._snmp_params import SnmpParams
from probes._snmp_values import TOO_BIG, StatusError, reported, silence
from probes.errors import ProtocolViolated, Refused, TimedOut

UNKNOWN_ENGINE = "1.3.6.1.6.3.15.1.1.4"
LONGEST = 4080
"""gufo's buffer; what is longer it reads cut off."""
MOST_STRAYS = 64
"""Datagrams that are no answer to the question, before the run is given up."""
Opened = Callable[[bytes, Seen], Seen | None]
"""Verifies and decrypts a message; None for what must not be believed."""


class Net:
    """The socket to one agent."""

    def __init__(self, address: Address, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.unbelieved = 0
        """Answers that were not signed as they must be."""
        self._net = socket.socket(address.af, socket.SOCK_DGRAM)
        try:
            self._net.setblocking(False)
            self._net.connect(address.sockaddr(port))
        except BaseException:
            self._net.close()
            raise

    def close(self) -> None:
        """Close it."""
        self._net.close()

    async def ask(self, question: bytes, until: float, opened: Opened | None) -> tuple[bytes, Seen]:
        """Send `question` once and return its answer, and what that says.

        Raises `TimedOut`, `Refused`, OSError, what a report stands for, and `ProtocolViolated` for garbage.
        """
        self._send(question)
        asked, garbage = seen(question), None
        for _ in range(MOST_STRAYS):
            try:
                data = await self._arrived(until)
            except TimedOut:
                raise garbage or TimedOut() from None
            try:
                told = self._told(asked, data, opened)
            except ProtocolViolated as violated:  # whoever may have sent it: the answer may still come
                garbage = violated
                continue
            if told is not None:
                if len(data) > LONGEST:
                    raise StatusError(TOO_BIG, 0)
                return data, told
        raise garbage or ProtocolViolated(f"strays: {MOST_STRAYS} datagrams that answer nothing")

    def _told(self, asked: Seen, data: bytes, opened: Opened | None) -> Seen | None:
        outside = seen(data)
        if not _answers(asked, outside):
            return None
        told = opened(data, outside) if opened else outside
        if told is None:
            self.unbelieved += 1
        elif told.pdu not in (RESPONSE, REPORT):
            raise broken(f"a PDU {told.pdu:#04x} that answers nothing")
        elif told.pdu == RESPONSE and asked.request and told.request != asked.request:
            return None
        return told

    def _send(self, question: bytes) -> None:
        try:
            self._net.send(question)
        except ConnectionRefusedError:  # of an earlier question
            self._net.send(question)

    async def _arrived(self, until: float) -> bytes:
        late = False
        while True:
            try:
                return self._net.recv(65_536)
            except BlockingIOError:
                if late:
                    raise TimedOut from None
            except ConnectionRefusedError:
                raise Refused("query: connection refused") from None
            late = not await self._readable(until - time.perf_counter())

    async def _readable(self, seconds: float) -> bool:
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._loop.add_reader(self._net, _wake, waiter, True)
        timer = self._loop.call_later(max(0.0, seconds), _wake, waiter, False)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._loop.remove_reader(self._net)


class Wire(Net):
    """The same, and the pair of sockets to gufo."""

    def __init__(self, gufo: Any, address: Address, port: int) -> None:
        super().__init__(address, port)
        self._here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with there:
            there.setblocking(False)
            os.dup2(there.fileno(), gufo.get_fd(), inheritable=False)
        self._here.setblocking(False)

    def close(self) -> None:
        """Close all; gufo's descriptor goes with its socket."""
        super().close()
        self._here.close()

    def question(self, send: Callable[[], None]) -> bytes:
        """Let gufo write a question, and return it."""
        send()
        return self._here.recv(65_536)

    def hand_over(self, answer: bytes) -> None:
        """Give gufo the answer to read."""
        self._here.send(answer)


async def discovered(address: Address, params: SnmpParams, until: float) -> Header:
    """Ask an agent for its engine id once (RFC 3414 section 4). Raises what `Net.ask` raises."""
    net = Net(address, params.port)
    try:
        until = min(until, time.perf_counter() + params.timeout)
        _, outside = await net.ask(_discovery(), until, None)
    except TimedOut:
        raise silence(params.timeout, community=False, encrypted=False, spoke=False) from None
    finally:
        net.close()
    if outside.pdu != REPORT or not any(name.startswith(UNKNOWN_ENGINE) for name in outside.names()):
        told(outside)
    if outside.header is None or not outside.header.engine_id:
        raise no_engine()
    return outside.header


def _discovery() -> bytes:
    """Return a GetRequest for nothing of an engine unnamed: each length is known beforehand."""
    number, request = (b"\x02\x04" + secrets.randbits(30).to_bytes(4, "big") for _ in range(2))
    manners = b"\x30\x11" + number + bytes.fromhex("020300ffe3 040104 020103")
    security = bytes.fromhex("0410 300e 0400 020100 020100 0400 0400 0400")
    pdu = b"\xa0\x0e" + request + bytes.fromhex("020100 020100 3000")
    return bytes.fromhex("303e 020103") + manners + security + bytes.fromhex("3014 0400 0400") + pdu


def no_engine() -> ProtocolViolated:
    """Return the ending of an agent that leaves its engine id empty."""
    return ProtocolViolated("no_engine: it did not say its engine id")


def told(outside: Seen) -> None:
    """Raise what a report stands for, or an error status."""
    if outside.pdu == REPORT:
        raise reported(next(iter(outside.names()), ""))
    if outside.status:
        raise StatusError(outside.status, outside.index)


def _answers(asked: Seen, outside: Seen) -> bool:
    if asked.version != outside.version:
        return False
    if asked.header is None or outside.header is None:
        return asked.request == outside.request
    return asked.header.id == outside.header.id


def _wake(waiter: asyncio.Future[bool], readable: bool) -> None:
    if not waiter.done():
        waiter.set_result(readable)
