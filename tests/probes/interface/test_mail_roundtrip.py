"""mail_roundtrip against Dovecot and a real SMTP server: delivery, rights, TLS, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes import _leftovers
from probes.api import Context, Outcome, Reading
from probes.errors import Ending, OwnLoginFailed, PermissionMissing, ProtocolViolated
from probes.interface import mail_roundtrip as module
from probes.interface._imap import Found, Imap, Refused, fetched
from probes.interface._smtp import refusal
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import endless, garbage, resets, silent, tcp_server
from tests.servers.imap import MailSystem, mail_system
from tests.servers.ports import closed_port
from tests.servers.smtp import PASSWORD, USER

ADDRESS = "muster@gd.example"
CLEAR: dict[str, Any] = {"tls": "off"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[MailSystem]:
    async with mail_system() as one:
        yield one


@pytest.fixture
def mails(running: MailSystem) -> MailSystem:
    """The system in the clear, behaving well and with an empty mailbox."""
    box = running.box
    box.slow, box.lose = 0.0, False
    box.answers.clear()
    box.recipients.clear()
    for path in [*(box.maildir / "new").iterdir(), *(box.maildir / "cur").iterdir()]:
        path.unlink()
    return running


async def _ask(
    caplog: pytest.LogCaptureFixture,
    mails: MailSystem,
    *,
    smtp: dict[str, Any] | None = None,
    imap: dict[str, Any] | None = None,
    timeout: float = 10.0,
    **params: Any,
) -> Reading:
    caplog.set_level(logging.DEBUG)
    account = {"user": USER, "password": "secret:pw"}
    given: dict[str, Any] = {
        "smtp": {"port": mails.smtp.port, **CLEAR} | (smtp or {}),
        "imap": {"address": mails.host, "port": mails.imap, **CLEAR, **account} | (imap or {}),
        "sender": ADDRESS, "recipient": ADDRESS, "within": 5, "pace": 0.1,
    } | params  # fmt: skip
    async with shared_here(secrets={"pw": PASSWORD, "wrong": f"not-{PASSWORD}"}) as shared:
        context = Context(shared, timeout, trace=[])
        reading = await run_once(
            "mail_roundtrip", "127.0.0.1", context=context, shared=shared, timeout=timeout, **given
        )
    assert PASSWORD not in f"{reading}{context.trace}{caplog.text}"
    return reading


async def test_a_mail_arrives(mails: MailSystem, caplog: pytest.LogCaptureFixture) -> None:
    reading = await _ask(caplog, mails)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert 0 < reading.metrics["delivery_s"] < 5
    assert set(reading.phases) == {
        "resolve", "imap_connect", "imap_login", "connect", "send", "delivery", "delete",
    }  # fmt: skip
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in module.PROBE.facts}
    assert "not_told" not in reading.facts
    assert mails.box.received[-1].mail["Auto-Submitted"] == "auto-generated"
    assert mails.box.left() == []


async def test_a_slow_mail(mails: MailSystem, caplog: pytest.LogCaptureFixture) -> None:
    mails.box.slow = 0.6
    reading = await _ask(caplog, mails)
    assert reading.metrics["delivery_s"] >= 0.6
    assert reading.metrics["send_ms"] >= 600


async def test_a_mail_that_does_not_arrive(
    mails: MailSystem, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_leftovers, "LONGEST_S", 0.5)
    mails.box.lose = True
    reading = await _ask(caplog, mails, within=0.6)
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "expectation", "delivery")
    assert reading.detail.startswith("not_delivered: the mail is not in INBOX after ")
    assert "delivery_s" not in reading.metrics


async def test_tls(authority: Authority, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    ca = {"ca": str(authority.file)}
    stranger = {"ca": str(Authority(tmp_path).file)}
    account = {"user": USER, "password": "secret:pw"}
    async with mail_system(authority=authority, login=True, plaintext=False) as mails:
        started = {"tls": "starttls", **ca}
        both = await _ask(caplog, mails, smtp=started | account, imap=started)
        direct = await _ask(
            caplog, mails, smtp=started | account, imap={"tls": "on", "port": mails.imaps, **ca}
        )
        unknown_imap = await _ask(caplog, mails, smtp=started | account, imap={"tls": "starttls", **stranger})
        unknown_smtp = await _ask(caplog, mails, smtp={"tls": "starttls", **stranger} | account, imap=started)
        clear_imap = await _ask(caplog, mails, smtp=started | account)
        clear_smtp = await _ask(caplog, mails, imap=started)
        wrong = await _ask(caplog, mails, smtp=started | account | {"password": "secret:wrong"}, imap=started)
        left = mails.box.left()
    for reading in (both, direct):
        assert (reading.outcome, reading.detail) == (Outcome.OK, "")
        assert min(reading.metrics[name] for name in ("tls_ms", "imap_tls_ms", "login_ms")) > 0
    assert mails.box.received[0].encrypted
    for reading, server in ((unknown_imap, "imap"), (unknown_smtp, "smtp")):
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "tls"), reading
        assert reading.detail.startswith(f"{server}: ")
    for reading, server in ((clear_imap, "imap"), (clear_smtp, "smtp")):
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation"), reading
        assert reading.detail.startswith(f"tls_required: {server}: ")
    assert (wrong.outcome, wrong.kind) == (Outcome.ERROR, "auth")
    assert wrong.detail.startswith("wrong_password: smtp: login: 535")
    assert left == []


async def test_smtp_over_tls_from_the_start(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    async with mail_system(authority=authority, implicit=True) as mails:
        given = {"tls": "on", "ca": str(authority.file)}
        reading = await _ask(caplog, mails, smtp=given)
        named = await _ask(caplog, mails, smtp=given | {"server_name": "mail.example"})
        left = mails.box.left()
    assert left == []
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert (named.outcome, named.kind) == (Outcome.FAILED, "tls"), named


async def test_tls_that_is_not_offered(mails: MailSystem, caplog: pytest.LogCaptureFixture) -> None:
    over_smtp = await _ask(caplog, mails, smtp={"tls": "starttls"})
    over_imap = await _ask(caplog, mails, imap={"tls": "starttls"})
    assert over_smtp.detail == "smtp: TLS is not offered: no STARTTLS"
    assert over_imap.detail.startswith("imap: TLS is not offered")
    assert [r.kind for r in (over_smtp, over_imap)] == ["expectation"] * 2


async def test_what_is_refused(mails: MailSystem, caplog: pytest.LogCaptureFixture) -> None:
    login = await _ask(caplog, mails, imap={"password": "secret:wrong"})
    folder = await _ask(caplog, mails, folder="Nowhere")
    mails.box.recipients[ADDRESS] = "550 5.1.1 no such user"
    nobody = await _ask(caplog, mails)
    mails.box.recipients[ADDRESS] = "554 5.7.1 Relay access denied"
    relay = await _ask(caplog, mails)
    del mails.box.recipients[ADDRESS]
    mails.box.answers.append("452 4.3.1 Insufficient system storage")
    full = await _ask(caplog, mails)
    assert (login.outcome, login.kind) == (Outcome.ERROR, "auth")
    assert login.detail.startswith("wrong_password: imap: ")
    assert folder.detail.startswith("no_such_folder: imap: Nowhere: ")
    assert (nobody.outcome, nobody.kind) == (Outcome.FAILED, "expectation")
    assert nobody.detail == "smtp: recipient: 550 5.1.1 no such user"
    assert (relay.outcome, relay.kind) == (Outcome.ERROR, "permission")
    assert relay.detail.startswith("missing_right: smtp: recipient: 554")
    assert (full.outcome, full.kind) == (Outcome.FAILED, "expectation")
    assert full.detail.startswith("disk_full: smtp: send: 452")


@pytest.mark.parametrize(("rights", "kind"), [("lrwstie", "ok"), ("lrsi", "permission"), ("l", "permission")])
async def test_rights_on_the_mailbox(rights: str, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async with mail_system(rights=rights) as mails:
        reading = await _ask(caplog, mails)
    assert (reading.kind or "ok") == kind, reading
    assert kind == "ok" or reading.detail.startswith("missing_right: imap: ")


def _mail(subject: str) -> bytes:
    return f"From: {ADDRESS}\r\nTo: {ADDRESS}\r\nSubject: {subject}\r\n\r\nx\r\n".encode()


async def test_only_own_old_mails_are_swept(mails: MailSystem, caplog: pytest.LogCaptureFixture) -> None:
    old, young = f"{module.SUBJECT}{'a' * 32}", f"{module.SUBJECT}{'b' * 32}"
    mails.box.deliver(_mail(old), time.time() - 7200)
    mails.box.deliver(_mail(f"Re: {old}"), time.time() - 7200)
    mails.box.deliver(_mail("a bill"), time.time() - 7200)
    mails.box.deliver(_mail(young), time.time() - 1800)
    await _ask(caplog, mails)
    reading = await _ask(caplog, mails)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert mails.box.left() == sorted([f"Re: {old}", "a bill", young])


async def test_a_run_that_is_cancelled_leaves_nothing(
    mails: MailSystem, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, find = asyncio.Event(), Imap.find

    async def slow(self: Imap, subject: str) -> list[Found]:
        found = await find(self, subject)
        if found and not arrived.is_set():
            arrived.set()
            await asyncio.sleep(60)
        return found

    monkeypatch.setattr(Imap, "find", slow)
    run = asyncio.create_task(_ask(caplog, mails))
    async with asyncio.timeout(10):
        await arrived.wait()
    assert len(mails.box.left()) == 1
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run
    assert mails.box.left() == []


@pytest.mark.parametrize("handler", [garbage, endless, resets, silent])
@pytest.mark.parametrize("server", ["smtp", "imap"])
async def test_servers_that_are_something_else(
    server: str, handler: Any, mails: MailSystem, caplog: pytest.LogCaptureFixture
) -> None:
    async with tcp_server(handler) as port:
        reading = await _ask(caplog, mails, timeout=1.5, **{server: {"port": port}})
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "timeout" if handler is silent else "protocol")
    assert reading.phase == ("login" if server == "smtp" else "imap_login")


@pytest.mark.parametrize("server", ["smtp", "imap"])
async def test_nobody_listens(server: str, mails: MailSystem, caplog: pytest.LogCaptureFixture) -> None:
    with closed_port() as port:
        given: dict[str, Any] = {server: {"port": port}}
        reading = await _ask(caplog, mails, **given)
    assert (reading.kind, reading.detail[:6]) == ("refused", f"{server}: ")
    assert reading.phase == ("connect" if server == "smtp" else "imap_connect")


class _Canned:
    """A connection on which everything has been said already."""

    def __init__(self, data: bytes) -> None:
        self._left = data
        self.said = b""

    async def say(self, data: bytes) -> None:
        self.said += data

    async def line(self, limit: int) -> bytes:
        line, _, self._left = self._left.partition(b"\n")
        if not line and not self._left:
            raise ProtocolViolated("closed")
        return line.rstrip(b"\r")[:limit]

    async def exactly(self, size: int) -> bytes:
        data, self._left = self._left[:size], self._left[size:]
        if len(data) < size:
            raise ProtocolViolated("closed")
        return data


def _imap_of(data: bytes) -> tuple[Imap, _Canned]:
    talk = _Canned(data)
    return Imap(talk, None, ("secret",)), talk  # type: ignore[arg-type]


WORDS = [
    b"* ",
    b"m1 ",
    b"m2 ",
    b"OK ",
    b"NO ",
    b"+ ",
    b"{3}\r\n",
    b"SEARCH ",
    b"FETCH (",
    b"UID 7",
    b"\r\n",
    b")",
]


@given(st.lists(st.sampled_from(WORDS) | st.binary(max_size=8), max_size=40).map(b"".join))
def test_answers_of_anybody_end_well(data: bytes) -> None:
    with contextlib.suppress(Ending, Refused):
        asyncio.run(_imap_of(data)[0].find("x"))


async def test_a_server_without_uidplus_deletes_only_ours() -> None:
    fine = b"m1 OK\r\n* SEARCH 7\r\nm2 OK\r\n* 1 EXPUNGE\r\nm3 OK\r\nm4 OK\r\n"
    client, talk = _imap_of(fine)
    await client.delete([7])
    assert b"m3 EXPUNGE\r\n" in talk.said
    client, talk = _imap_of(b"m1 OK\r\n* SEARCH 3 7\r\nm2 OK\r\n")
    with pytest.raises(PermissionMissing, match="UIDPLUS"):
        await client.delete([7])
    assert b"EXPUNGE" not in talk.said


async def test_a_password_goes_as_it_is() -> None:
    client, talk = _imap_of(b"+ go\r\n+ go\r\nm1 OK in\r\n* CAPABILITY IMAP4rev1 UIDPLUS\r\nm2 OK\r\n")
    await client.log_in('a"b', 'p\\"{3} ü')
    assert talk.said.startswith(b'm1 LOGIN {3}\r\na"b {9}\r\np\\"{3} \xc3\xbc\r\n')


async def test_a_server_that_repeats_the_password() -> None:
    client, _ = _imap_of(b"+ go\r\n+ go\r\nm1 NO a secret is wrong\r\n")
    with pytest.raises(OwnLoginFailed, match=r"a \*\*\* is wrong"):
        await client.log_in("a", "secret")


def test_what_fetch_answers() -> None:
    line = (
        b'* 1 FETCH (UID 7 INTERNALDATE "15-Jan-2027 08:00:00 +0800" BODY[HEADER.FIELDS (SUBJECT)] {20}\r\n'
        b"Subject: a\r\n b\r\n\r\n)"
    )
    assert fetched(line) == Found(7, "a b", 1_799_971_200.0)
    assert fetched(b"* 2 EXISTS") is None


@given(st.binary(max_size=120))
def test_fetches_of_anybody(data: bytes) -> None:
    found = fetched(b"* 1 FETCH (UID 7 " + data)
    assert found is not None


@pytest.mark.parametrize(
    ("what", "code", "said", "word"),
    [
        ("sender", 530, "5.7.0 Must issue a STARTTLS command first", "tls_required"),
        ("sender", 530, "5.7.0 Authentication required", "missing_right"),
        ("login", 535, "5.7.8 refused", "wrong_password"),
        ("login", 454, "4.7.0 later", "login: 454"),
        ("greeting", 421, "busy", "too_many_connections"),
        ("send", 552, "5.2.2 Mailbox full", "disk_full"),
        ("send", -1, "nonsense", "send: no valid answer"),
    ],
)
def test_what_replies_stand_for(what: str, code: int, said: str, word: str) -> None:
    assert refusal(what, code, said).detail.startswith(word)


def test_stale_mails() -> None:
    own, old, young = Found(9, "", 10_000.0), Found(1, "", 6_000.0), Found(2, "", 9_000.0)
    assert module.stale(own, [own, old, young, Found(3, "", None)]) == [1]
    assert module.stale(Found(9, "", None), [old]) == []


ACCOUNT = {"imap": {"user": "a", "password": "secret:pw"}}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"imap": {}}, "imap needs a user"),
        ({"imap": {"user": "a"}}, "belong together"),
        ({"smtp": {"password": "secret:pw"}}, "belong together"),
        ({"sender": "nobody"}, "pattern"),
        ({"sender": "a@b\r\nBcc: c@d"}, "pattern"),
        ({"recipient": "a@b>"}, "pattern"),
        ({"smtp": {"tls": "prefer"}}, "literal_error"),
        ({"pace": 0}, "greater_than"),
    ],
)
def test_parameters_that_make_no_sense(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        module.MailRoundtripParams.model_validate({"sender": ADDRESS, "recipient": ADDRESS, **ACCOUNT} | more)
