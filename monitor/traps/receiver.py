"""The socket on which traps come in: read in small batches, admitted by who sends, believed in a thread.

A trap is a hint: it makes the checks of the asset that sent it run now, and they alone say what is so.
Nothing is ever answered, so that nobody can make the monitor send to others.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from inventory.problems import ConfigError, Problem
from monitor.job import Job
from monitor.process.log import fault
from monitor.traps import kinds
from monitor.traps.admission import LARGEST, Admission, Counters, plain
from monitor.traps.recheck import Ask, Rechecks
from monitor.traps.settings import TrapSettings
from probes._driver import loaded
from probes.api import SecretRef
from probes.errors import Ending

log = structlog.get_logger("traps")
BATCH = 64
"""Datagrams that are taken at a time."""
TOLD_AGAIN_S = 600.0
"""A reason for which traps are dropped is logged again after so long."""
ROOM = 1024 * 1024
SO_RXQ_OVFL = 40
"""With each datagram the kernel tells how many it had no room for until then (socket(7))."""
COUNT = struct.Struct("I")
CONTROL = socket.CMSG_SPACE(COUNT.size)


class Receiver:
    """Listens where the settings say, or not at all."""

    def __init__(
        self,
        settings: TrapSettings,
        secret: Callable[[SecretRef], str],
        ask: Ask,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._secret, self._clock = settings, secret, clock
        self.counters = Counters()
        self.admission = Admission(settings.per_source, settings.overall, clock())
        self._ask, self._rechecks = ask, Rechecks(self._asked, settings.again)
        self._queue: deque[tuple[bytes, tuple[str, int], str]] = deque()
        self._come = asyncio.Event()
        self._told: dict[str, float] = {}
        self._engine: Any = None
        self._socket: socket.socket | None = None
        self._threads = ThreadPoolExecutor(1, "traps")

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens, None where it does not."""
        return None if self._socket is None else self._socket.getsockname()[:2]

    @property
    def waiting(self) -> int:
        """Traps that wait to be read."""
        return len(self._queue)

    def adopt(self, jobs: Iterable[Job]) -> None:
        """Learn which addresses there are."""
        if self._settings.listen:
            self.admission.adopt(jobs)

    async def open(self) -> None:
        """Begin to listen. Raises ConfigError where that can't be."""
        if not self._settings.listen:
            return
        self._engine = await self._believing()
        self._socket = self._bound()
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read, self._socket)
        log.info("listening for traps", address=self._settings.listen)

    async def run(self) -> None:
        """Read what comes, one after the other, until cancelled."""
        while True:
            await self._come.wait()
            await self._next()

    async def aclose(self) -> None:
        """Listen no more."""
        self._rechecks.close()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        await asyncio.to_thread(self._threads.shutdown)

    def _bound(self) -> socket.socket:
        host, _, port = self._settings.listen.rpartition(":")
        host = host.strip("[]")
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
            made.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
            made.bind((host, int(port)))
        except OSError as error:
            made.close()
            raise _bad("traps.listen", f"{self._settings.listen}: {error.strerror or error}") from None
        return made

    async def _believing(self) -> Any:
        """Make the engine, in its thread. Raises ConfigError for a secret that is not there."""
        module = await loaded("monitor.traps.engine", "snmp")
        try:
            communities = [self._secret(ref) for ref in self._settings.communities]
            users = [
                module.User(
                    user.user, user.engine_ids, user.auth, self._secret(user.auth_key), user.priv,
                    None if user.priv_key is None else self._secret(user.priv_key),
                )
                for user in self._settings.users
            ]  # fmt: skip
        except Ending as ending:
            raise _bad("traps", ending.detail) from None
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, module.Engine, communities, users
        )

    def _read(self, served: socket.socket) -> None:
        """Take a batch of what has come; more of it is taken in the loop's next turn."""
        now = self._clock()
        for _ in range(BATCH):
            try:
                data, told, _, source = served.recvmsg(LARGEST + 1, CONTROL)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                log.warning("a trap could not be received", **fault(error))
                return
            for _, kind, value in told:
                if kind == SO_RXQ_OVFL:
                    self.counters.dropped["kernel"] = COUNT.unpack(value)[0]
            self._admit(data, source, now)

    def _admit(self, data: bytes, source: tuple[Any, ...], now: float) -> None:
        self.counters.received += 1
        address = plain(source[0]) or source[0]
        reason = self.admission.reason(address, len(data), now)
        if not reason and len(self._queue) >= self._settings.queue:
            reason = "queue"
        if reason:
            self._drop(reason, address)
            return
        self._queue.append((data, (source[0], source[1]), address))
        self._come.set()

    async def _next(self) -> None:
        """Read one trap, in the engine's thread, and have its assets asked."""
        data, source, address = self._queue.popleft()
        if not self._queue:
            self._come.clear()
        reading = asyncio.get_running_loop().run_in_executor(self._threads, self._engine.read, data, source)
        oid, reason = await reading
        if reason:
            self._drop(reason, address)
            return
        kind = kinds.kind(oid)
        self.counters.kinds[kind] += 1
        assets = self.admission.assets.get(address, ())
        asked = self._rechecks.hear(assets) if kind in kinds.ASKING else 0
        log.info("trap", kind=kind, oid=oid, source=address, assets=list(assets[:10]), checks=asked)

    def _asked(self, asset: str) -> int:
        try:
            asked = self._ask(asset)
        except Exception as error:  # noqa: BLE001 - logged: what one asset comes to ends no receiver
            log.error("checks could not be run for a trap", asset=asset, **fault(error))
            return 0
        self.counters.asked += asked
        return asked

    def _drop(self, reason: str, source: str) -> None:
        self.counters.dropped[reason] += 1
        now = self._clock()
        if now - self._told.get(reason, -TOLD_AGAIN_S) >= TOLD_AGAIN_S:
            self._told[reason] = now
            log.warning("traps are dropped", reason=reason, source=source)


def _bad(key: str, why: str) -> ConfigError:
    return ConfigError([Problem("muster.toml", 1, 1, key, why)])
