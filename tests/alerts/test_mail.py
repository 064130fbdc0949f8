"""Mail against a real SMTP server: TLS, login, and everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.alerts.mail import Mailer
from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.mime import render
from monitor.alerts.outbox import Outbox, Retry
from monitor.messages.message import Message, TransportError
from monitor.process.log import configure
from monitor.store.outbox import OutboxTable
from probes.api import SecretRef
from probes.errors import ProberFault
from tests.alerts.messages import TO, message, secret, settings
from tests.alerts.messages import table as opened
from tests.servers.certificates import Authority
from tests.servers.smtp import PASSWORD, USER, smtp_server

QUICK = Retry(first=0.05, cap=0.1)
LOGIN = {"username": USER, "password": "secret:mail"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[OutboxTable]:
    database, table = await asyncio.to_thread(opened, tmp_path)
    yield table
    await asyncio.to_thread(database.close)


@asynccontextmanager
async def sending(table: OutboxTable, mailer: Mailer) -> AsyncIterator[Outbox]:
    outbox = Outbox(table, QUICK)
    task = asyncio.create_task(outbox.run(mailer.deliver))
    try:
        yield outbox
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def reached(outbox: Outbox, counter: str, count: int = 1) -> None:
    async with asyncio.timeout(20):
        while getattr(outbox.counters, counter) < count:
            await asyncio.sleep(0.01)


async def refused(mailer: Mailer, to: str = TO) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await mailer.deliver(message(recipient=to))
    return caught.value


async def test_starttls_and_login(authority: Authority) -> None:
    pair = authority.issue("localhost")
    async with smtp_server(pair.server_context(), login=True) as server:
        given = settings(server, security="starttls", ca_file=authority.file, **LOGIN)
        await Mailer(given, secret).deliver(message())
    [received] = server.mailbox.received
    assert (received.recipients, received.encrypted, received.user) == ((TO,), True, USER)
    assert received.id == "<1@example.org>"


async def test_tls_from_the_start(authority: Authority) -> None:
    pair = authority.issue("localhost")
    async with smtp_server(pair.server_context(), implicit=True, login=True) as server:
        given = settings(server, security="tls", ca_file=authority.file, **LOGIN)
        await Mailer(given, secret).deliver(message())
    [received] = server.mailbox.received
    assert (received.encrypted, received.user) == (True, USER)


async def test_no_starttls_offered_means_no_mail_and_no_password() -> None:
    async with smtp_server() as server:
        error = await refused(Mailer(settings(server, security="starttls", **LOGIN), secret))
    assert "STARTTLS" in error.message
    assert not error.permanent
    assert server.mailbox.attempts == 0


@pytest.mark.parametrize("name", ["elsewhere.example.org", "localhost"])
async def test_a_certificate_that_does_not_verify_means_no_mail(tmp_path: Path, name: str) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue(name, self_signed=name == "localhost")
    async with smtp_server(pair.server_context(), login=True) as server:
        error = await refused(
            Mailer(settings(server, security="starttls", ca_file=authority.file, **LOGIN), secret)
        )
    assert "certificate" in error.message.lower()
    assert not error.permanent
    assert server.mailbox.attempts == 0


async def test_a_wrong_password_is_tried_again_since_it_can_be_mended(authority: Authority) -> None:
    pair = authority.issue("localhost")
    async with smtp_server(pair.server_context(), login=True) as server:
        given = settings(server, security="starttls", ca_file=authority.file, **LOGIN)
        error = await refused(Mailer(given, lambda ref: "wrong-Zauberwort"))
    assert "535" in error.message
    assert not error.permanent
    assert "Zauberwort" not in error.message


async def test_a_missing_secret_is_named_and_tried_again(authority: Authority) -> None:
    def missing(ref: SecretRef) -> str:
        raise ProberFault(f"no secret {ref}")

    pair = authority.issue("localhost")
    async with smtp_server(pair.server_context(), login=True) as server:
        given = settings(server, security="starttls", ca_file=authority.file, **LOGIN)
        error = await refused(Mailer(given, missing))
    assert "the secret mail can't be read" in error.message
    assert not error.permanent


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        ("550 5.1.1 no such user", True),
        ("450 mailbox busy", False),
        ("552 too many recipients", False),
    ],
)
async def test_what_a_refused_recipient_means(answer: str, permanent: bool) -> None:
    async with smtp_server() as server:
        server.mailbox.recipients[TO] = answer
        error = await refused(Mailer(settings(server), secret))
    assert error.permanent is permanent
    assert answer[:3] in error.message


@pytest.mark.parametrize(("answer", "permanent"), [("554 spam", True), ("451 later", False)])
async def test_what_a_refused_message_means(answer: str, permanent: bool) -> None:
    async with smtp_server() as server:
        server.mailbox.answers.append(answer)
        assert (await refused(Mailer(settings(server), secret))).permanent is permanent


async def test_one_recipient_refused_the_others_served(table: OutboxTable) -> None:
    async with smtp_server() as server:
        server.mailbox.recipients["no@example.org"] = "550 no such user"
        async with sending(table, Mailer(settings(server), secret)) as outbox:
            await outbox.enqueue([message("1", to) for to in ("no@example.org", TO, "wang@example.org")])
            await reached(outbox, "sent", 2)
            await reached(outbox, "dead")
    assert sorted(each.recipients[0] for each in server.mailbox.received) == [TO, "wang@example.org"]
    assert "550" in (await table.dead_letters())[0].error


async def test_down_then_up_nothing_lost_nothing_doubled(table: OutboxTable) -> None:
    async with smtp_server() as server:
        await server.stop()
        async with sending(table, Mailer(settings(server), secret)) as outbox:
            await outbox.enqueue([message(str(n)) for n in range(5)])
            await reached(outbox, "failed", 5)
            await server.start()
            await reached(outbox, "sent", 5)
    assert len(server.mailbox.received) == len(server.mailbox.distinct()) == 5


async def test_rejecting_for_a_while(table: OutboxTable) -> None:
    async with smtp_server() as server:
        server.mailbox.answers.extend(["451 greylisted", "421 shutting down", "452 no space"])
        async with sending(table, Mailer(settings(server), secret)) as outbox:
            await outbox.enqueue([message()])
            await reached(outbox, "sent")
    assert len(server.mailbox.received) == 1
    assert outbox.counters.failed == 3


async def test_slower_than_the_time_out(table: OutboxTable) -> None:
    """The server takes the message after we gave up: the second copy is the same message."""
    async with smtp_server() as server:
        server.mailbox.slow = 0.6
        given = settings(server, timeout=0.3, answer_timeout=0.3)
        async with sending(table, Mailer(given, secret)) as outbox:
            await outbox.enqueue([message()])
            await reached(outbox, "failed")
            server.mailbox.slow = 0.0
            await reached(outbox, "sent")
    assert server.mailbox.distinct() == {"<1@example.org>"}


async def test_the_line_is_lost_before_the_message_is_taken(table: OutboxTable) -> None:
    async with smtp_server() as server:
        server.mailbox.drop = "before"
        async with sending(table, Mailer(settings(server), secret)) as outbox:
            await outbox.enqueue([message()])
            await reached(outbox, "failed")
            server.mailbox.drop = ""
            await reached(outbox, "sent")
    assert len(server.mailbox.received) == 1


async def test_the_line_is_lost_after_the_message_was_taken(table: OutboxTable) -> None:
    """Nobody can know whether it was taken, so it is sent again, with the same identity and text."""
    async with smtp_server() as server:
        server.mailbox.drop = "after"
        async with sending(table, Mailer(settings(server), secret)) as outbox:
            await outbox.enqueue([message()])
            await reached(outbox, "failed")
            server.mailbox.drop = ""
            await reached(outbox, "sent")
    assert len({each.content for each in server.mailbox.received}) == 1
    assert server.mailbox.distinct() == {"<1@example.org>"}
    assert len(server.mailbox.received) >= 2


@pytest.mark.parametrize("answer", [b"", b"220 hello\r\n", b"\xff\xfe garbage\r\n", b"220 " + b"x" * 100_000])
async def test_a_server_that_is_none_ends_in_time(answer: bytes) -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        with suppress(ConnectionError):
            await reader.read()
        writer.transport.abort()
        closed.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        given = MailSettings(host="127.0.0.1", port=port, security="none", timeout=0.3, answer_timeout=0.3)
        start = time.monotonic()
        error = await refused(Mailer(given, secret))
        await asyncio.wait_for(closed.wait(), 5)
    assert not error.permanent
    assert len(error.message) < 600
    assert time.monotonic() - start < 5


async def test_a_recipient_that_is_no_address_is_a_dead_letter(table: OutboxTable) -> None:
    async with smtp_server() as server, sending(table, Mailer(settings(server), secret)) as outbox:
        await outbox.enqueue([message("1", "a@example.org\r\nRCPT TO:<b@example.org>")])
        await reached(outbox, "dead")
    assert server.mailbox.attempts == 0
    assert "is no mail address" in (await table.dead_letters())[0].error


async def test_no_secret_in_any_log(
    authority: Authority, table: OutboxTable, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pair = authority.issue("localhost")
    async with smtp_server(pair.server_context(), login=True) as server:
        given = settings(server, security="starttls", ca_file=authority.file, **LOGIN)
        logging.getLogger("mail").setLevel(logging.WARNING)
        async with sending(table, Mailer(given, secret)) as outbox:
            server.mailbox.answers.append(f"451 you said {PASSWORD}")
            await outbox.enqueue([message()])
            await reached(outbox, "sent")
    coded = base64.b64encode(PASSWORD.encode()).decode()
    everything = caplog.text + repr(given) + given.model_dump_json() + repr(outbox)
    assert "message to li@example.org not sent" in caplog.text
    assert PASSWORD not in everything
    assert coded not in everything


async def test_no_secret_in_the_log_of_our_own_fault(
    table: OutboxTable, capsys: pytest.CaptureFixture[str]
) -> None:
    """Formatters may print the local variables of a traceback; here these hold the password."""

    async def faulty(message: Message) -> None:
        password = PASSWORD
        raise ZeroDivisionError(len(password))

    before = logging.getLogger().handlers[:], logging.getLogger().level
    configure("json")
    try:
        outbox = Outbox(table, QUICK)
        task = asyncio.create_task(outbox.run(faulty))
        await outbox.enqueue([message()])
        await reached(outbox, "failed")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers[:] = before[0]
        logging.getLogger().setLevel(before[1])
    written = capsys.readouterr().out
    assert "ZeroDivisionError" in written
    assert PASSWORD not in written


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"username": "u"}, "belong together"),
        ({"password": "secret:x"}, "belong together"),
        ({"security": "none", "username": "u", "password": "secret:x"}, "clear text is refused"),
        ({"username": "u", "password": "inline"}, "inline password is refused"),
        ({"to": ["not an address"]}, "no mail address"),
        ({"sender": "a@b\nBcc: c@d"}, "no mail address"),
        ({"hots": "x"}, "Extra inputs"),
    ],
)
def test_settings_that_are_refused(wrong: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        MailSettings.model_validate(wrong)


@pytest.mark.parametrize(("security", "port"), [("none", 25), ("starttls", 587), ("tls", 465)])
def test_the_port_follows_the_security(security: str, port: int) -> None:
    assert MailSettings.model_validate({"host": "mail", "security": security}).endpoint == ("mail", port)


@given(st.text(max_size=400), st.text(max_size=600), st.sampled_from(["en", "zh"]))
def test_nothing_in_a_name_becomes_a_header(subject: str, body: str, language: str) -> None:
    given_ = message()
    mail = render(
        type(given_)(
            given_.key, "t", TO, subject, body, "<x@example.org>", 0.0, 1.0, "<y@example.org>", language
        ),
        "muster@example.org",
    )
    parsed = message_from_bytes(mail, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert sorted(parsed.keys()) == [
        "Auto-Submitted", "Content-Language", "Content-Transfer-Encoding", "Content-Type", "Date", "From",
        "In-Reply-To", "MIME-Version", "Message-ID", "References", "Subject", "To",
        "X-Auto-Response-Suppress",
    ]  # fmt: skip
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["To"] == TO
    assert mail.isascii()
    assert max(map(len, mail.split(b"\r\n"))) <= 998
    assert b"\n" not in mail.replace(b"\r\n", b"")
