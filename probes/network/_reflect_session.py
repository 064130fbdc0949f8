"""A probe's session with a reflector: echoes, trains both ways and their records, over one UDP socket.

    async with open_session(poller, address, port, key, until) as session:
        answered = await session.echo(until)
        down = await session.train_down(60, 1200, 20e6, until)
        up = await session.train_up(60, 1200, 20e6, until)

Each `until` is a time of `time.perf_counter`, and bounds the wait. Sizes are bytes of UDP payload
(`ip_bytes` gives those at the IP layer), rates are bit/s of UDP payload. What the reflector says is bounded
and checked: packets it was not asked for, or a record of a packet that was never sent, make `violation`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from probes._resolve import Address
from probes._sockets import Poller
from probes.errors import ProtocolViolated, TimedOut
from probes.network import _reflect_bodies as bodies
from probes.network._reflect_echo import Echoes, EchoSent
from probes.network._reflect_open import Established, handshake
from probes.network._reflect_socket import Datagrams
from probes.network._reflect_talk import Talk
from probes.network._reflect_train import Arriving, Train, checked
from probes.network._reflect_wire import ECHO_SIZE, Kind, sealed
from probes.network._train_pace import Paced, send_paced

Hurt = Callable[[], str]
LOOK_S = 0.020
"""How often a train that comes in is looked at."""
LEAST_QUIET_S = 0.250
"""A train is over when nothing has come for this long, or for some round trips, or some packets' times."""
LONGEST_QUIET_S = 2.0


@asynccontextmanager
async def open_session(
    poller: Poller, address: Address, port: int, key: bytes, until: float, dscp: int = 0
) -> AsyncIterator[Session]:
    """Open a session with the reflector at `address` by its unit's `key`, and end it at the end.

    Raises what `_reflect_open.handshake` does.
    """
    datagrams = Datagrams(poller, address, port, dscp)
    try:
        established = await handshake(datagrams, key, until)
        talk = Talk(datagrams, established, key)
        datagrams.left = talk.echoes.left
        pump = asyncio.create_task(talk.pump())
        try:
            yield Session(talk, established)
        finally:
            pump.cancel()
            talk.bye()
            await asyncio.gather(pump, return_exceptions=True)
    finally:
        datagrams.close()


class Session:
    """An open session. Made by `open_session`; not for use from several threads."""

    def __init__(self, talk: Talk, established: Established) -> None:
        self._talk = talk
        self._datagrams = talk.datagrams
        self._train = self._paced_bytes = 0
        self.limits, self.rtt_ms = established.limits, established.rtt_ms

    @property
    def echoes(self) -> Echoes:
        """All echoes sent."""
        return self._talk.echoes

    @property
    def violation(self) -> str:
        """What the reflector did that no honest one does, or empty."""
        return self._talk.violation

    @property
    def lost(self) -> str:
        """Why the session is over before its end (the reflector was restarted), or empty."""
        return self._talk.lost

    @property
    def fault(self) -> OSError | None:
        """The last error of the socket (an ICMP error for the reflector's port or host)."""
        return self._talk.fault

    @property
    def duplicates(self) -> int:
        """Copies of datagrams that came to us."""
        return self._talk.duplicates

    @property
    def socket(self) -> socket.socket:
        """The connected UDP socket, for a thread that sends a train."""
        return self._datagrams.socket

    @property
    def sent_bytes(self) -> int:
        """Bytes sent so far, at the IP layer."""
        return self._datagrams.sent_bytes + self._paced_bytes

    @property
    def received_bytes(self) -> int:
        """Bytes that came so far, at the IP layer."""
        return self._datagrams.received_bytes

    @property
    def overflowed(self) -> int:
        """Datagrams that our own full queue lost: no loss of the link."""
        return self._datagrams.overflowed

    @property
    def clock_steps(self) -> int:
        """How often our realtime clock was stepped."""
        return self._datagrams.steps

    def ip_bytes(self, payload: int) -> int:
        """Return the bytes at the IP layer of a datagram with so many bytes of payload."""
        return payload + self._datagrams.headers

    def send_echo(self, size: int = ECHO_SIZE) -> EchoSent:
        """Send one echo of `size` bytes; what comes back is noted in what is returned. Raises OSError."""
        sequence = self.echoes.next
        number = self._talk.next()
        data = sealed(self._talk.keys.client, Kind.ECHO, self._talk.id, number, bodies.Echo(sequence), size)
        times = self._datagrams.send_timed(data)
        return self.echoes.sent(sequence, number, times, time.time_ns(), len(data))

    async def echo(self, until: float, size: int = ECHO_SIZE) -> EchoSent:
        """Send one echo and wait for its answer. Raises `TimedOut`, OSError, and a refusal's ending."""
        sent = self.send_echo(size)
        await self.answered(sent, until)
        if sent.answer is None:
            raise self._talk.over() or TimedOut("echo: no answer")
        return sent

    async def answered(self, sent: EchoSent, until: float) -> None:
        """Wait until the echo is answered or refused, or `until` has passed."""
        waiter = sent.waiter = asyncio.get_running_loop().create_future()
        if sent.answer is None and not sent.refused:
            await asyncio.wait([waiter], timeout=max(0.0, until - time.perf_counter()))

    async def echo_records(self, until: float) -> bodies.Reported:
        """Return which echoes the reflector received and when (`records`: sequence, ns since `start_ns`)."""
        return await self._records(bodies.ECHO_RECORDS, len(self.echoes), until)

    async def train_down(
        self, packets: int, size: int, rate_bps: float, until: float, hurt: Hurt | None = None
    ) -> Train:
        """Send a train (`rate_bps` 0: back to back) and return when its packets left and arrived.

        Raises `TimedOut`, OSError, `ProtocolViolated`, and a refusal's ending.
        """
        train, datagrams = await self.announce(packets, size, until)
        interval = interval_ns(size, rate_bps)
        paced = await self.pace(datagrams, interval, hurt)
        return await self.arrivals(train, packets, size, interval, paced, until)

    async def announce(self, packets: int, size: int, until: float) -> tuple[int, list[bytes]]:
        """Announce a train down; return its number and the datagrams to send on `socket` (`pace`)."""
        train = self._next_train()
        await self._talk.ask(
            Kind.TRAIN_DOWN, bodies.TrainDown(train, packets, size), (Kind.READY, train, 0), until
        )
        key, session = self._talk.keys.client, self._talk.id
        datagrams = []
        for sequence in range(packets):
            data = bodies.Data(train, sequence)
            datagrams.append(sealed(key, Kind.DATA, session, self._talk.next(), data, size))
            if not sequence % 500:
                await asyncio.sleep(0)
        return train, datagrams

    async def pace(self, datagrams: list[bytes], interval_ns: int, hurt: Hurt | None = None) -> Paced:
        """Send what `announce` gave, in a thread; cancelling stops the train at once."""
        cancelled: list[str] = []

        def stop() -> str:
            return cancelled[0] if cancelled else hurt() if hurt else ""

        sending = asyncio.create_task(
            asyncio.to_thread(send_paced, self.socket, datagrams, interval_ns, stop)
        )
        try:
            paced = await asyncio.shield(sending)
        except asyncio.CancelledError:
            cancelled.append("cancelled")
            await sending
            raise
        sent = len(paced.sent_ns)
        self._paced_bytes += sum(self.ip_bytes(len(data)) for data in datagrams[:sent])
        return paced

    async def arrivals(
        self, train: int, packets: int, size: int, interval_ns: int, paced: Paced, until: float
    ) -> Train:
        """Wait until a train down has arrived, or nothing of it comes any more; return what did."""
        sent = tuple(enumerate(paced.sent_ns))
        quiet_s, total, changed = self._quiet_s(interval_ns), -1, time.perf_counter()
        while True:
            page = await self._page(train, 0, until)
            if page.total != total:
                total, changed = page.total, time.perf_counter()
            if total >= len(sent) or time.perf_counter() - changed >= quiet_s:
                break
            await asyncio.sleep(min(quiet_s / 4, max(0.01, until - time.perf_counter())))
        records = await self._records(train, len(sent), until)
        return Train(
            packets, size, sent, records.records, records.overflowed,
            bool(records.state & bodies.TRAIN_STEPPED), paced.stopped,
        )  # fmt: skip

    async def train_up(
        self, packets: int, size: int, rate_bps: float, until: float, hurt: Hurt | None = None
    ) -> Train:
        """Have the reflector send a train (`rate_bps` 0: back to back); tell when it left and came.

        Raises as `train_down` does. `hurt` is asked every 20 ms and stops the reflector when it gives a
        reason; what had come by then is returned.
        """
        train = self._next_train()
        arriving = self._talk.arriving = Arriving(train, packets, size)
        overflowed, steps = self.overflowed, self.clock_steps
        ask = bodies.TrainUp(train, packets, size, int(rate_bps))
        try:
            await self._talk.ask(Kind.TRAIN_UP, ask, (Kind.READY, train, 0), until)
            arriving.changed = time.perf_counter()
            stopped = await self._arrive(arriving, self._quiet_s(interval_ns(size, rate_bps)), until, hurt)
            records = await self._records(train, packets, until)
        finally:
            self._talk.arriving = None
            if not arriving.complete:
                self._talk.say(Kind.STOP, bodies.Stop(train))
        stepped = bool(records.state & bodies.TRAIN_STEPPED) or self.clock_steps != steps
        return Train(
            packets, size, records.records, arriving.records, self.overflowed - overflowed, stepped, stopped
        )

    async def _arrive(self, arriving: Arriving, quiet_s: float, until: float, hurt: Hurt | None) -> str:
        """Wait until a train up has come, or nothing of it comes any more; return why it was stopped."""
        while not arriving.complete:
            now = time.perf_counter()
            if now - arriving.changed >= quiet_s or now >= until:
                return ""
            if hurt is not None and (why := hurt()):
                self._talk.say(Kind.STOP, bodies.Stop(arriving.train))
                return why
            self._talk.raise_over()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(arriving.done.wait(), LOOK_S)
        return ""

    def _quiet_s(self, interval_ns: int) -> float:
        rtts, packets = 3 * self.rtt_ms / 1000, 20 * interval_ns / 1e9
        return min(LONGEST_QUIET_S, max(LEAST_QUIET_S, rtts, packets))

    async def _records(self, train: int, most: int, until: float) -> bodies.Reported:
        """Return all pages of a train's records as one. Raises `ProtocolViolated` for impossible ones."""
        page = whole = await self._page(train, 0, until)
        while page.state & bodies.TRAIN_RUNNING:
            await asyncio.sleep(LOOK_S)
            page = whole = await self._page(train, 0, until)
        while page.records and len(whole.records) < min(page.total, most):
            page = await self._page(train, len(whole.records), until)
            whole = page._replace(first=0, records=whole.records + page.records)
        if why := checked(whole, most):
            raise ProtocolViolated(why)
        return whole

    async def _page(self, train: int, first: int, until: float) -> bodies.Reported:
        page = await self._talk.ask(
            Kind.REPORT, bodies.Report(train, first), (Kind.REPORTED, train, first), until
        )
        assert isinstance(page, bodies.Reported)
        return page

    def _next_train(self) -> int:
        self._train += 1
        return self._train


def interval_ns(size: int, rate_bps: float) -> int:
    """Return the time from one packet of `size` bytes to the next, at a rate in bit/s; 0 is back to back."""
    return int(size * 8e9 / rate_bps) if rate_bps else 0
