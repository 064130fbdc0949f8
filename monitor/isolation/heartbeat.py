"""The sign of life: sent while the monitor is well, so that somebody outside notices when it stops.

The scheduler that releases the checks releases it as well: where it stands still no sign of life goes out.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import structlog

from monitor.alerts.mail_settings import MailSettings
from monitor.isolation.heartbeat_settings import HeartbeatSettings, https
from monitor.messages.message import Message, message_id
from monitor.tls import client_context
from probes.api import SecretRef
from probes.errors import Ending

log = structlog.get_logger("heartbeat")
SCHEMA = "muster.heartbeat/1"
TIMEOUT_S = 8.0
LOOK_S = 60.0
"""How often it is looked whether a mail is due."""
Counts = Callable[[], Mapping[str, Any]]
SUBJECTS = {
    "en": "Muster is alive: {checks} checks, {DOWN} down",
    "zh": "Muster 运行正常:{checks} 项检查,{DOWN} 项中断",
}
BODIES = {
    "en": """Muster is at work: {checks} checks.
OK {OK}, degraded {DEGRADED}, down {DOWN}, shadowed {SHADOWED}, unknown {UNKNOWN}.

When this mail does not come, look after the monitor itself.
""",
    "zh": """Muster 正在运行:共 {checks} 项检查。
正常 {OK},劣化 {DEGRADED},中断 {DOWN},受上级影响 {SHADOWED},未知 {UNKNOWN}。

若未按时收到此邮件,请检查监控系统本身。
""",
}


class Scheduler(Protocol):
    """What runs it; `monitor.schedule.Schedule`."""

    def every(self, seconds: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` every so many seconds."""


@dataclass(slots=True)
class Counters:
    """What happened since the start, for /metrics."""

    sent: int = 0
    failed: int = 0
    withheld: int = 0
    """Not sent because the monitor was not well."""
    mails: int = 0


@dataclass(slots=True)
class Heartbeat:
    """Sends it by HTTPS and by mail, as the settings say.

    `well` says whether the monitor does its work, and why not; `counts` gives `checks`, and `states` by name.
    """

    settings: HeartbeatSettings
    mail: MailSettings
    secret: Callable[[SecretRef], str]
    well: Callable[[], tuple[bool, str]]
    counts: Counts
    enqueue: Callable[[Sequence[Message]], Awaitable[None]]
    clock: Callable[[], float] = time.time
    counters: Counters = field(default_factory=Counters)
    sent_at: float = 0.0
    """When one last got through, seconds since the epoch."""
    _tls: ssl.SSLContext | None = None
    _period: int = -1

    def begin(self, scheduler: Scheduler) -> None:
        """Have it sent from now on."""
        if self.settings.url:
            scheduler.every(self.settings.every, "heartbeat", self.beat)
        if self.settings.mail:
            scheduler.every(LOOK_S, "heartbeat mail", self.write)

    async def beat(self) -> None:
        """Call the URL once, if the monitor is well. Never raises for what the other side does."""
        if not self._is_well():
            return
        why = await self._call()
        if why:
            self.counters.failed += 1
            log.warning("the heartbeat was not taken", reason=why)
        else:
            self.counters.sent += 1
            self.sent_at = self.clock()

    async def write(self) -> None:
        """Queue the mail of this period, if it has not been and the monitor is well."""
        now = self.clock()
        period = int(now // self.settings.mail_every)
        if period == self._period or not self._is_well():
            return
        await self.enqueue([self._message(period, now)])
        self._period = period
        self.counters.mails += 1

    def _is_well(self) -> bool:
        well, why = self.well()
        if not well:
            self.counters.withheld += 1
            log.warning("no heartbeat is sent", reason=why)
        return well

    async def _call(self) -> str:
        """Return why it was not taken, or an empty text. The URL is in no text: it is often a secret."""
        try:
            url = self._url()
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(url)
        except TimeoutError:
            return f"no answer within {TIMEOUT_S:g} s"
        except (aiohttp.ClientError, OSError, ValueError, Ending) as error:
            return type(error).__name__

    async def _post(self, url: str) -> str:
        if self._tls is None:
            self._tls = await asyncio.to_thread(client_context, self.settings.ca_file)
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=1, force_close=True)
        body = {"schema": SCHEMA, "at": self.clock(), **self.counts()}
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(url, json=body, allow_redirects=False) as answer,
        ):
            return "" if answer.ok and answer.status < 300 else f"status {answer.status}"

    def _url(self) -> str:
        url = self.settings.url
        return https(self.secret(url)) if isinstance(url, SecretRef) else str(url)

    def _message(self, period: int, now: float) -> Message:
        to = str(self.settings.mail)
        language = self.mail.languages.get(to, self.mail.language)
        counts = self.counts()
        figures = {"checks": counts["checks"], **counts["states"]}
        key = f"heartbeat:{to}:{self.settings.mail_every:.0f}:{period}"
        return Message(
            key=key, thread=key, recipient=to, subject=SUBJECTS[language].format(**figures),
            body=BODIES[language].format(**figures), date=now,
            message_id=message_id(key, self.mail.sender.rpartition("@")[2]),
            expires_at=now + self.settings.mail_every, language=language,
        )  # fmt: skip
