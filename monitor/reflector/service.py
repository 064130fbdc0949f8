"""A running reflector: its sockets, the sweep of what is over, and the account of what it refused."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from monitor.process.systemd import notify
from monitor.reflector.core import Core
from monitor.reflector.endpoint import Busy, Endpoint
from monitor.reflector.limits import Limits
from monitor.reflector.session import Peer
from monitor.reflector.streams import Streams
from probes._resolve import Address

SWEEP_S = 1.0
TELL_S = 300.0
FREE_PORT_TRIES = 20
Tell = Callable[[Mapping[str, int]], None]


class Service:
    """Answers on each address, UDP and TCP on one port, with budgets that hold for all of them together."""

    def __init__(self, addresses: Sequence[tuple[Address, int]], key: bytes, limits: Limits) -> None:
        """Bind everything. Raises OSError, and then nothing is left bound."""
        self.core = Core(key, limits, time.monotonic())
        self._parts: list[Endpoint | Streams] = []
        self.bound: list[Peer] = []
        """The addresses, with the port that was given where 0 was asked for."""
        self._key, self._busy = key, Busy()
        try:
            for address, port in addresses:
                self._bind(address, port, FREE_PORT_TRIES if port == 0 else 1)
        except OSError:
            self._close()
            raise

    def _bind(self, address: Address, port: int, tries: int) -> None:
        """Bind UDP, and TCP to the same port; a free one may be taken for the other, so it is tried again."""
        endpoint = Endpoint(address.af, address.sockaddr(port), self.core, self._busy)
        try:
            streams = Streams(address.af, endpoint.address, self.core, self._key, self._busy)
        except OSError:
            endpoint.close()
            if tries == 1:
                raise
            self._bind(address, port, tries - 1)
            return
        self._parts += [endpoint, streams]
        self.bound.append(endpoint.address)

    async def run(self, tell: Tell) -> None:
        """Answer until SIGTERM or SIGINT; `tell` the counts every five minutes and at the end."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, over.set)
        try:
            await self.serve(over, tell)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def serve(self, over: asyncio.Event, tell: Tell) -> None:
        """Answer until `over` is set."""
        for part in self._parts:
            part.serve()
        notify("READY=1")
        told_at = time.monotonic()
        try:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), SWEEP_S)
                self.core.sweep(time.monotonic())
                if time.monotonic() - told_at >= TELL_S:
                    told_at = time.monotonic()
                    tell(self.counts)
        finally:
            notify("STOPPING=1")
            await self.aclose()
            tell(self.counts)

    async def aclose(self) -> None:
        """Stop answering; what is being sent ends at once. Safe to call twice."""
        parts, self._parts = self._parts, []
        await asyncio.gather(*(part.aclose() for part in parts))

    @property
    def counts(self) -> dict[str, int]:
        """What was answered, refused and dropped so far, by name; only what happened."""
        return {name: number for name, number in sorted(self.core.counts.items()) if number}

    def _close(self) -> None:
        for part in self._parts:
            part.close()
