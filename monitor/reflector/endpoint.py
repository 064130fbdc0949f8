"""One UDP socket of a reflector: reads what the kernel tells, answers, and sends trains from a thread."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

from monitor.reflector.core import Core
from monitor.reflector.exchange import Answer, Departure, Heard
from monitor.reflector.session import Peer
from probes._kernel_clock import KernelClock
from probes.network import _tx_stamps
from probes.network._reflect_bodies import Data
from probes.network._reflect_session import interval_ns
from probes.network._reflect_socket import BATCH, CONTROL_ROOM, make_socket, told
from probes.network._reflect_wire import MAX_SIZE, Kind, sealed
from probes.network._train_pace import send_paced

MOST_PENDING = 1024
LATEST_NS = 100_000_000
"""A kernel's time of sending further than this from ours belongs to another datagram."""
LONGEST_TRAIN_S = 30.0


class Busy:
    """Whether something is being sent at length: one train or stream at a time, whoever asks."""

    def __init__(self) -> None:
        self._held = False

    def take(self) -> bool:
        """Take it if it is free."""
        free, self._held = not self._held, True
        return free

    def free(self) -> None:
        """Give it back."""
        self._held = False


class Endpoint:
    """A bound socket, read in batches by the loop."""

    def __init__(self, af: socket.AddressFamily, sockaddr: Peer, core: Core, busy: Busy) -> None:
        """Bind. Raises OSError."""
        self._socket = make_socket(af)
        try:
            if af == socket.AF_INET6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._socket.bind(sockaddr)
        except OSError:
            self._socket.close()
            raise
        self._v6, self._busy = af == socket.AF_INET6, busy
        self._clock = KernelClock()
        self._stamped = _tx_stamps.enable(self._socket)
        self._asked = 0
        self._pending: dict[int, tuple[tuple[int, int], int]] = {}
        self._sending: asyncio.Task[None] | None = None
        self._core = core

    @property
    def address(self) -> Peer:
        """What it is bound to."""
        bound: Peer = self._socket.getsockname()
        return bound

    def serve(self) -> None:
        """Begin to answer."""
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read)

    async def aclose(self) -> None:
        """Stop; a train under way ends at once."""
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """Close the socket. Safe to call twice."""
        self._socket.close()

    def _read(self) -> None:
        core = self._core
        stepped = self._clock.look() is None
        if stepped:
            core.stepped()
        self._take_departures(core)
        for _ in range(BATCH):
            try:
                data, ancillary, _, peer = self._socket.recvmsg(MAX_SIZE + 1, CONTROL_ROOM)
            except BlockingIOError:
                return
            except OSError:
                core.counts["socket_errors"] += 1
                return
            answer = core.hear(Heard(data, peer, told(ancillary), stepped, time.monotonic(), self.start))
            if answer is not None:
                self._answer(answer, peer, core)

    def _answer(self, answer: Answer, peer: Peer, core: Core) -> None:
        control = self._control(answer)
        try:
            self._socket.sendmsg([answer.data], control, 0, peer)
        except OSError:
            core.counts["unsent"] += 1
            self._stamped = False
            return
        if answer.echo is not None and self._stamped:
            self._pending[self._asked] = (answer.echo, time.time_ns())
            self._asked = (self._asked + 1) & 0xFFFFFFFF
            if len(self._pending) > MOST_PENDING:
                del self._pending[next(iter(self._pending))]

    def _control(self, answer: Answer) -> list[tuple[int, int, bytes]]:
        control: list[tuple[int, int, bytes]] = []
        if answer.tos:
            level = socket.IPPROTO_IPV6 if self._v6 else socket.IPPROTO_IP
            kind = socket.IPV6_TCLASS if self._v6 else socket.IP_TOS
            control.append((level, kind, struct.pack("@i", answer.tos)))
        if answer.echo is not None and self._stamped:
            control += _tx_stamps.ASK
        return control

    def _take_departures(self, core: Core) -> None:
        """Empty the error queue, which would wake us again else, and note when answers left."""
        for number, at_ns in _tx_stamps.departures(self._socket):
            echo, about_ns = self._pending.pop(number, ((0, 0), 0))
            if abs(at_ns - about_ns) < LATEST_NS:
                core.note_exit(*echo, at_ns)

    def start(self, departure: Departure) -> bool:
        """Begin to send a train; False where something else is being sent."""
        if not self._busy.take():
            return False
        departure.train.running = True
        first = departure.session.number + 1
        departure.session.number += departure.train.packets
        self._sending = asyncio.create_task(self._send(departure, first))
        return True

    async def _send(self, departure: Departure, first: int) -> None:
        train = departure.train
        sending = asyncio.ensure_future(asyncio.to_thread(self._depart, departure, first))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            train.stop = True
            await sending
            raise
        finally:
            train.running = False
            self._busy.free()

    def _depart(self, departure: Departure, first: int) -> None:
        """Make the packets, send them, and record when they left (in a thread)."""
        session, train, core = departure.session, departure.train, self._core
        packets = [
            sealed(
                session.keys.reflector, Kind.DATA, session.id, first + sequence,
                Data(train.number, sequence), train.size,
            )
            for sequence in range(train.packets)
        ]  # fmt: skip
        over, clock = time.monotonic() + LONGEST_TRAIN_S, KernelClock()
        rate = departure.rate_bps or core.limits.rate_bps
        self._mark(departure.tos)
        paced = send_paced(
            self._socket, packets, interval_ns(train.size, rate),
            lambda: "stopped" if train.stop or time.monotonic() > over else "", session.peer,
        )  # fmt: skip
        self._mark(0)
        offset = clock.look()
        train.stepped |= offset is None
        for sequence, at_ns in enumerate(paced.sent_ns):
            train.records.add(sequence, at_ns + (offset or 0))
        unsent = train.packets - len(paced.sent_ns)
        core.counts["train_packets_sent"] += len(paced.sent_ns)
        core.counts["train_packets_unsent"] += unsent

    def _mark(self, tos: int) -> None:
        """Set the traffic class of what is sent without one of its own."""
        level = socket.IPPROTO_IPV6 if self._v6 else socket.IPPROTO_IP
        kind = socket.IPV6_TCLASS if self._v6 else socket.IP_TOS
        self._socket.setsockopt(level, kind, tos)
