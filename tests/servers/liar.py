"""Reflectors within the test: an honest one that can be stopped, and one that lies under its good keys."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from monitor.reflector.core import Core
from monitor.reflector.exchange import Heard
from monitor.reflector.limits import Limits
from monitor.reflector.service import Service
from probes._resolve import numeric
from probes.network._reflect_bodies import AnyBody
from probes.network._reflect_keys import unit_key
from probes.network._reflect_socket import Told
from probes.network._reflect_wire import Frame, Kind, opened, sealed
from tests.servers.hostile import udp_server
from tests.servers.reflector import MASTER, UNIT

KEY = unit_key(MASTER, UNIT)
Seal = Callable[[Kind, AnyBody], bytes]
Lie = Callable[[Frame, Seal], Iterable[bytes] | None]
"""From a true answer and a way to sign another to what is sent instead; None sends the truth."""


@asynccontextmanager
async def reflector_here(
    limits: Limits | None = None, port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[Service]:
    """Run an honest reflector on this loop."""
    address = numeric(host)
    assert address is not None
    service, over = Service([(address, port)], KEY, limits or Limits()), asyncio.Event()
    serving = asyncio.create_task(service.serve(over, lambda counts: None))
    await asyncio.sleep(0)
    try:
        yield service
    finally:
        over.set()
        await serving


@asynccontextmanager
async def lying(lie: Lie) -> AsyncIterator[int]:
    """Answer as a reflector does, but for what `lie` makes of it."""
    core = Core(KEY, Limits(), time.monotonic())

    def answers(data: bytes) -> Iterable[bytes]:
        heard = Heard(
            data, ("127.0.0.1", 1), Told(time.time_ns(), 64, 0, 0), False, time.monotonic(), lambda _: False
        )
        answer = core.hear(heard)
        return [] if answer is None else list(_told(core, answer.data, lie))

    async with udp_server(answers) as port:
        yield port


def port_of(service: Service) -> int:
    """Return the port a reflector is bound to."""
    return int(service.bound[0][1])


def _told(core: Core, data: bytes, lie: Lie) -> Iterable[bytes]:
    session = next(iter(core.sessions), None)
    if session is None or data == session.opened:
        return [data]
    key = session.keys.reflector

    def seal(kind: Kind, body: AnyBody) -> bytes:
        return sealed(key, kind, session.id, session.next(), body)

    instead = lie(opened(data, key), seal)
    return [data] if instead is None else instead


def silent_port() -> socket.socket:
    """Return a bound UDP socket that nobody reads, as a filter would leave it."""
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    held.bind(("127.0.0.1", 0))
    return held
