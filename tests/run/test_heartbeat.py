"""The sign of life: to a real HTTPS server with an authority of its own, and as a mail in the outbox."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import ValidationError
from structlog.testing import capture_logs

from monitor.alerts.mail_settings import MailSettings
from monitor.isolation.heartbeat import Heartbeat
from monitor.isolation.heartbeat_settings import HeartbeatSettings
from monitor.messages.message import Message
from monitor.process.health import OVERDUE_S, Rounds
from monitor.schedule import Schedule
from probes.api import SecretRef
from probes.errors import ProberFault
from tests.servers.certificates import Authority

PATH = "/ping/7f3a-not-for-logs"
STATES = {"OK": 5, "DEGRADED": 1, "DOWN": 2, "SHADOWED": 3, "UNKNOWN": 0}


@dataclass
class Watcher:
    """A service that waits for signs of life; `answer` is its next status."""

    url: str = ""
    ca_file: Path | None = None
    answer: int = 200
    bodies: list[dict[str, object]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(json.loads(await request.text()))
        return web.Response(status=self.answer, headers={"Location": "/elsewhere"})


@pytest.fixture
async def watcher(tmp_path: Path) -> AsyncIterator[Watcher]:
    authority = Authority(tmp_path)
    made = Watcher(ca_file=authority.file)
    application = web.Application()
    application.router.add_post(PATH, made.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.issue("127.0.0.1").server_context())
    await site.start()
    made.url = f"https://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    yield made
    await runner.cleanup()


@dataclass
class Monitor:
    """What the sign of life is of."""

    why: str = ""
    queued: list[Message] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    now: float = 1_800_000_000.0

    def secret(self, ref: SecretRef) -> str:
        if ref not in self.secrets:
            raise ProberFault("missing")
        return self.secrets[ref]

    async def enqueue(self, messages: Sequence[Message]) -> None:
        self.queued.extend(messages)

    def heart(self, smtp: MailSettings | None = None, /, **settings: object) -> Heartbeat:
        return Heartbeat(
            HeartbeatSettings.model_validate(settings), smtp or MailSettings(), self.secret,
            lambda: (not self.why, self.why), lambda: {"checks": 11, "states": STATES, "isolated": False},
            self.enqueue, clock=lambda: self.now,
        )  # fmt: skip


async def test_it_goes_out_with_counts_while_the_monitor_is_well_and_only_then(watcher: Watcher) -> None:
    monitor = Monitor()
    heart = monitor.heart(url=watcher.url, ca_file=watcher.ca_file)
    await heart.beat()
    assert watcher.bodies == [
        {"schema": "muster.heartbeat/1", "at": monitor.now, "checks": 11, "states": STATES, "isolated": False}
    ]
    monitor.why = "the store has not committed for 9 s"
    with capture_logs() as logs:
        await heart.beat()
    assert len(watcher.bodies) == 1
    assert (heart.counters.sent, heart.counters.withheld, heart.sent_at) == (1, 1, monitor.now)
    assert "has not committed" in str(logs)


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_what_is_not_taken_is_counted_and_the_url_is_in_no_log(watcher: Watcher, status: int) -> None:
    watcher.answer = status
    heart = Monitor(secrets={"ping": watcher.url}).heart(url="secret:ping", ca_file=watcher.ca_file)
    with capture_logs() as logs:
        await heart.beat()
    assert (heart.counters.sent, heart.counters.failed, len(watcher.bodies)) == (0, 1, 1)
    assert f"status {status}" in str(logs)
    assert "7f3a" not in str(logs) + repr(HeartbeatSettings(url=watcher.url))


async def test_a_certificate_that_does_not_verify_gets_nothing(watcher: Watcher) -> None:
    heart = Monitor().heart(url=watcher.url)
    with capture_logs() as logs:
        await heart.beat()
    assert (watcher.bodies, heart.counters.failed) == ([], 1)
    assert "Certificate" in str(logs)
    assert "7f3a" not in str(logs)


@pytest.mark.parametrize("secrets", [{}, {"ping": "http://127.0.0.1/7f3a"}, {"ping": "7f3a"}])
async def test_a_secret_that_is_missing_or_no_url_is_counted_and_not_shown(secrets: dict[str, str]) -> None:
    heart = Monitor(secrets=secrets).heart(url="secret:ping")
    with capture_logs() as logs:
        await heart.beat()
    assert heart.counters.failed == 1
    assert "7f3a" not in str(logs)


@pytest.mark.parametrize(
    "url", ["http://a.example/7f3a", "https://u:7f3a@a.example/", "https:///7f3a", "7f3a b"]
)
def test_a_url_that_may_not_be_called_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValidationError) as raised:
        HeartbeatSettings.model_validate({"url": url})
    assert 'write "https://host/path"' in str(raised.value)
    assert "7f3a" not in str(raised.value)


async def test_one_mail_a_period_whatever_restarts_there_are(watcher: Watcher) -> None:
    monitor = Monitor()
    mail = MailSettings(host="mail.example", languages={"zh@a.example": "zh"})
    heart = monitor.heart(mail, mail="zh@a.example", mail_every=86_400)
    for _ in range(3):
        await heart.write()
    await monitor.heart(mail, mail="zh@a.example", mail_every=86_400).write()
    assert len({each.key for each in monitor.queued}) == 1
    monitor.now += 86_400
    await heart.write()
    assert len({each.key for each in monitor.queued}) == 2
    first = monitor.queued[0]
    assert (first.recipient, first.language, first.date) == ("zh@a.example", "zh", 1_800_000_000.0)
    assert "11 项检查" in first.subject
    assert "中断 2" in first.body
    monitor.why, monitor.now = "the loop is held up", monitor.now + 86_400
    await heart.write()
    assert len(monitor.queued) == 3


async def test_the_scheduler_runs_what_the_settings_ask_for(watcher: Watcher) -> None:
    asked: dict[str, float] = {}

    class Clockwork:
        def every(self, seconds: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
            asked[name] = seconds

    monitor = Monitor()
    monitor.heart().begin(Clockwork())
    assert asked == {}
    monitor.heart(url=watcher.url, every=30, mail="a@b.example").begin(Clockwork())
    assert asked == {"heartbeat": 30.0, "heartbeat mail": 60.0}
    monitor.heart(url=watcher.url).begin(Schedule(lambda _: None))


def test_rounds_are_overdue_after_ten_minutes_or_ten_of_them() -> None:
    rounds = Rounds(done_at=0.0)
    assert rounds.overdue(OVERDUE_S) == 0.0
    assert rounds.overdue(OVERDUE_S + 1) == OVERDUE_S + 1
    rounds.done(1000.0, 100.0)
    assert rounds.overdue(1000.0 + OVERDUE_S + 1) == 0.0
    assert rounds.overdue(2001.0) == 1001.0
