"""What is said within a session: requests that are repeated until answered, and what comes in, sorted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from probes.errors import Ending, Inconclusive, ProtocolViolated, TimedOut
from probes.network import _reflect_bodies as bodies
from probes.network._reflect_bodies import WireError, unpack
from probes.network._reflect_echo import Echoes
from probes.network._reflect_open import Established, refusal
from probes.network._reflect_socket import Arrived, Datagrams
from probes.network._reflect_train import Arriving
from probes.network._reflect_window import Fresh, Window
from probes.network._reflect_wire import REQUEST_SIZE, Frame, Kind, opened, sealed

Wanted = tuple[Kind, int, int]
"""Which answer is waited for: its kind, train, and first record."""
FAULT_PAUSE_S = 0.005
LEAST_PATIENCE_S, LONGEST_PATIENCE_S = 0.1, 2.0
BYES = 2
"""How often a session's end is said: one may be lost, and then the session ends by itself."""


class Talk:
    """The conversation of one session with its reflector. Not for use from several threads."""

    def __init__(self, datagrams: Datagrams, established: Established, key: bytes) -> None:
        self.datagrams, self._unit_key = datagrams, key
        self.id, _, self.keys, self._rtt_ms = established
        self._number = 0
        self._window = Window()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._wanted: dict[Wanted, asyncio.Future[Any]] = {}
        self.echoes = Echoes()
        self.arriving: Arriving | None = None
        """The train that is coming, if any."""
        self.fault: OSError | None = None
        """The last error of the socket: an ICMP error for the reflector's port or host."""
        self.duplicates = self.strays = 0
        self.violation = self.lost = ""

    def bye(self) -> None:
        """Tell the reflector that the session is over."""
        for _ in range(BYES):
            self.say(Kind.BYE, bodies.Body())

    def say(self, kind: Kind, body: bodies.AnyBody) -> int:
        """Send once and return its number; what the socket says against it comes out elsewhere."""
        number = self.next()
        with contextlib.suppress(OSError):
            self.datagrams.send(sealed(self.keys.client, kind, self.id, number, body, REQUEST_SIZE))
        return number

    async def ask(self, kind: Kind, body: bodies.AnyBody, wanted: Wanted, until: float) -> Any:
        """Ask until the answer comes; each asking has a number of its own, what is asked for stays one.

        Raises `TimedOut`, OSError, `ProtocolViolated`, and a refusal's ending.
        """
        future = self._wanted[wanted] = asyncio.get_running_loop().create_future()
        patience, numbers = max(LEAST_PATIENCE_S, 2 * self._rtt_ms / 1000), []
        try:
            while time.perf_counter() < until:
                self.raise_over()
                numbers.append(self.say(kind, body))
                self._asked[numbers[-1]] = future
                await asyncio.wait([future], timeout=min(patience, max(0.0, until - time.perf_counter())))
                if future.done():
                    return future.result()
                patience = min(LONGEST_PATIENCE_S, patience * 2)
            raise TimedOut(f"{kind.name.lower().replace('_', ' ')}: no answer")
        finally:
            self._wanted.pop(wanted, None)
            for number in numbers:
                self._asked.pop(number, None)
            if future.done():
                future.exception()
            future.cancel()

    def over(self) -> Ending | OSError | None:
        """Return what has ended the session, or None."""
        if self.violation:
            return ProtocolViolated(self.violation)
        return Inconclusive(self.lost) if self.lost else self.fault

    def raise_over(self) -> None:
        """Raise what has ended the session, if anything has."""
        if over := self.over():
            raise over

    def next(self) -> int:
        """Return the number of the next datagram."""
        self._number += 1
        return self._number

    async def pump(self) -> None:
        """Take what comes until cancelled."""
        while True:
            try:
                arrived = await self.datagrams.receive()
            except OSError as error:
                self.fault = error
                self._wake(error)
                await asyncio.sleep(FAULT_PAUSE_S)
                continue
            for datagram in arrived:
                self._take(datagram)
            await asyncio.sleep(0)

    def _wake(self, error: BaseException) -> None:
        for future in self._wanted.values():
            if not future.done():
                future.set_exception(error)

    def _take(self, arrived: Arrived) -> None:
        try:
            frame = opened(arrived.data, self.keys.reflector)
        except WireError:
            self._outside(arrived)
            return
        if frame.session != self.id:
            self.strays += 1
            return
        freshness = self._window.judge(frame.number)
        self.duplicates += freshness is Fresh.COPY
        try:
            self._heard(frame, arrived, freshness)
        except WireError as error:
            self.violation = self.violation or f"a well-signed datagram is malformed: {error}"

    def _heard(self, frame: Frame, arrived: Arrived, freshness: Fresh) -> None:
        if frame.kind is Kind.ECHOED:
            answer = unpack(bodies.Echoed, frame.body)
            self._accuse(self.echoes.answered(answer, arrived, copy=freshness is not Fresh.NEW))
        elif freshness is not Fresh.NEW:
            return
        elif frame.kind is Kind.DATA and self.arriving is not None:
            self._accuse(self.arriving.take(unpack(bodies.Data, frame.body), arrived))
        elif frame.kind is Kind.READY:
            self._answer((Kind.READY, unpack(bodies.Ready, frame.body).train, 0), True)
        elif frame.kind is Kind.REPORTED:
            page = unpack(bodies.Reported, frame.body)
            self._answer((Kind.REPORTED, page.train, page.first), page)
        elif frame.kind is Kind.REFUSED:
            self._refused(unpack(bodies.Refused, frame.body))

    def _accuse(self, why: str) -> None:
        self.violation = self.violation or why

    def _answer(self, wanted: Wanted, value: Any) -> None:
        future = self._wanted.get(wanted)
        if future is not None and not future.done():
            future.set_result(value)

    def _refused(self, refused: bodies.Refused) -> None:
        number = int.from_bytes(refused.about, "big")
        ending = refusal(refused)
        future = self._asked.get(number)
        if future is not None and not future.done():
            future.set_exception(ending)
        self.echoes.refused(number, ending)

    def _outside(self, arrived: Arrived) -> None:
        """Take a refusal signed with the unit's key: the reflector knows no such session. Else a stray."""
        refused = self._refused_outside(arrived)
        if refused is None:
            self.strays += 1
        elif 0 < int.from_bytes(refused.about, "big") <= self._number:
            ending = refusal(refused)
            self.lost = ending.detail
            self._wake(ending)

    def _refused_outside(self, arrived: Arrived) -> bodies.Refused | None:
        try:
            frame = opened(arrived.data, self._unit_key)
            ours = frame.kind is Kind.REFUSED and frame.session == self.id
            return unpack(bodies.Refused, frame.body) if ours else None
        except WireError:
            return None
