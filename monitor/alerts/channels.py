"""Channels through apprise (the extra `channels`): DingTalk, WeCom, Feishu, SMS gateways, and the like.

apprise blocks, so each delivery has a thread of its own, few at once, with a time limit. What it reads of an
answer is bounded, redirects are not followed, and nothing that it or its HTTP library says is logged: their
lines hold addresses, which are passwords here. Services that answer 200 to what they refuse are asked for
their own code.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from monitor.alerts import _answers
from monitor.messages.message import Message, TransportError
from probes.api import SecretRef, clip
from probes.errors import Ending

MOST_THREADS = 8
"""Deliveries at once on all channels of apprise, those that hang after their time included."""
MOST_BYTES = {"wecombot": 2000, "dingtalk": 6000, "feishu": 6000, "lark": 6000}
"""What a robot takes of a text in UTF-8; what is longer it refuses. WeCom: 2048; the others count the request
(20,000), in which a Chinese character has 6 bytes. See their documents on group robots."""
MISSING = "apprise is not installed; install muster-monitor[channels]"


@dataclass(slots=True)
class Threads:
    """Runs blocking work in threads, at most `most`; what overruns its time keeps its place until it ends."""

    most: int = MOST_THREADS
    busy: int = 0

    async def run(self, work: Callable[[], None], limit: float) -> None:
        """Do the work within `limit` seconds.

        Raises what it raises, and TransportError where there is no place, or no end in time.
        """
        if self.busy >= self.most:
            raise TransportError(f"{self.busy} deliveries hang; none is begun until one ends")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self.busy += 1
        threading.Thread(target=self._work, args=(work, loop, done), name="channel", daemon=True).start()
        try:
            async with asyncio.timeout(limit):
                await asyncio.shield(done)
        except TimeoutError:
            done.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            raise TransportError(f"no answer within {limit:g} s") from None

    def _work(
        self, work: Callable[[], None], loop: asyncio.AbstractEventLoop, done: asyncio.Future[None]
    ) -> None:
        fault: Exception | None = None
        try:
            work()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            fault = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(self._end, done, fault)

    def _end(self, done: asyncio.Future[None], fault: Exception | None) -> None:
        self.busy -= 1
        if done.cancelled():
            return
        if fault is not None:
            done.set_exception(fault)
        else:
            done.set_result(None)


@dataclass(slots=True)
class AppriseChannel:
    """One address of apprise. The address is resolved at each delivery, and nothing keeps it."""

    name: str
    url: SecretRef
    secret: Callable[[SecretRef], str]
    timeout: float = 20.0
    short: bool = False
    """Whether only the subject is sent."""
    threads: Threads = field(default_factory=Threads)

    async def deliver(self, message: Message) -> None:
        """Hand one message over. Raises `TransportError`, which never holds the address."""
        await self.threads.run(lambda: self._send(message), self.timeout)

    def _send(self, message: Message) -> None:
        plugin = self._plugin()
        title = clip(message.subject, 250)
        most = MOST_BYTES.get(type(plugin).__module__.rpartition(".")[2])
        text = {"body": title} if self.short else {"title": title, "body": fit(message.body, title, most)}
        with _answers.heard(plugin) as heard:
            try:
                taken = plugin.notify(**text)
            except Exception as error:  # noqa: BLE001 - its text may hold the address
                raise TransportError(f"the plugin failed: {type(error).__name__}") from None
        if not taken:
            raise TransportError(heard.why or "not taken, and no reason given")

    def _plugin(self) -> Any:
        try:
            url = self.secret(self.url)
            apprise = importlib.import_module("apprise")
        except (Ending, LookupError) as error:
            raise TransportError(f"the secret {self.url!s} can't be read: {error}") from None
        except ImportError:
            raise TransportError(MISSING) from None
        _hush()
        plugin = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if plugin is None:
            raise TransportError(f"the secret {self.url!s} is no address that apprise knows")
        plugin.redirects = False
        plugin.overflow_mode = apprise.OverflowMode.TRUNCATE
        plugin.socket_connect_timeout = min(plugin.socket_connect_timeout, self.timeout)
        plugin.socket_read_timeout = 1.5 * self.timeout
        return plugin


def fit(body: str, title: str, most: int | None) -> str:
    """Return a body cut so that it fits with its title into `most` bytes of UTF-8."""
    room = None if most is None else max(0, most - len(title.encode()) - 8)
    raw = body.encode()
    if room is None or len(raw) <= room:
        return body
    return raw[:room].decode(errors="ignore") + " …"


def _hush() -> None:
    """Let nobody log addresses: neither apprise, nor urllib3 at the level of debugging."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.WARNING)


def installed() -> bool:
    """Tell whether apprise can be had, without importing it."""
    return importlib.util.find_spec("apprise") is not None
