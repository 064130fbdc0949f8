"""ldap against slapd: logins, rights, searches, TLS both ways, replicas that follow and that do not."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Context, Outcome, Reading
from probes.errors import Ending
from probes.middleware._csn import changes, lag
from probes.middleware._ldap import Directory
from probes.middleware.ldap import PROBE, LdapParams
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import closes, endless, garbage, resets, says, silent, tcp_server
from tests.servers.slapd import BASE, SYNCPROV, Slapd, replica_of, slapd

MARKER = "marker-Pa55w0rd"
MONITOR: dict[str, Any] = {"user": f"cn=monitor,{BASE}", "password": "secret:right"}
SECRETS = {"right": MARKER, "wrong": f"{MARKER}-not", "empty": ""}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Slapd]:
    async with slapd(tmp_path_factory.mktemp("slapd"), MARKER, authority=authority) as one:
        yield one


async def _probe(port: int, context: Context | None = None, **params: Any) -> Reading:
    async with shared_here(secrets=SECRETS) as shared:
        return await run_once("ldap", "127.0.0.1", shared=shared, context=context, port=port, **params)


async def test_a_search(server: Slapd) -> None:
    reading = await _probe(
        server.port, **MONITOR, base=BASE, filter="(&(objectClass=inetOrgPerson)(uid=p3))", attribute="title"
    )
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["entries"] == 1
    assert reading.facts["value"] == "operator"
    assert reading.facts["contexts"] == BASE
    assert "truncated" not in reading.facts
    assert {*reading.phases} == {"resolve", "connect", "login", "query"}
    assert {*reading.metrics} <= {metric.name for metric in PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in PROBE.facts}


async def test_scopes_limits_and_referrals(server: Slapd) -> None:
    people = f"ou=people,{BASE}"
    below = await _probe(server.port, **MONITOR, base=people, scope="one")
    itself = await _probe(server.port, **MONITOR, base=people, scope="base", attribute="ou")
    limited = await _probe(server.port, **MONITOR, base=people, scope="one", limit=2)
    whole = await _probe(server.port, **MONITOR, base=BASE)
    none = await _probe(server.port, **MONITOR, base=people, filter="(uid=nobody)", attribute="cn")
    assert below.metrics["entries"] == 5
    assert (itself.metrics["entries"], itself.facts["value"]) == (1, "people")
    assert limited.metrics["entries_at_least"] == 2
    assert "entries" not in limited.metrics, "a search that was cut is no count"
    assert "entries: the search was cut" in limited.facts["not_told"]
    assert limited.facts["truncated"].startswith("there are more than 2 entries")
    assert whole.metrics["referrals"] == 1
    assert none.metrics["entries"] == 0
    assert "value" not in none.facts


async def test_names_that_are_not_ascii(server: Slapd) -> None:
    reading = await _probe(server.port, **MONITOR, base=BASE, filter="(sn=张3)", attribute="sn")
    assert (reading.metrics["entries"], reading.facts["value"]) == (1, "张3")


async def test_a_login_that_is_refused(server: Slapd, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bad = MONITOR | {"password": "secret:wrong"}
    context = Context(SharedHere(secrets=SECRETS), 5.0, trace=[])
    own = await _probe(server.port, context, **bad, base=BASE)
    purpose = await _probe(server.port, context, **bad, login=True)
    good = await _probe(server.port, context, **MONITOR, login=True)
    empty = await _probe(server.port, context, **(MONITOR | {"password": "secret:empty"}), login=True)
    await context.shared.aclose()  # type: ignore[attr-defined]
    assert (own.outcome, own.kind) == (Outcome.ERROR, "auth")
    assert own.detail == "wrong_password: invalid credentials"
    assert (purpose.outcome, purpose.kind) == (Outcome.FAILED, "auth")
    assert purpose.detail == "wrong_password: invalid credentials"
    assert good.outcome is Outcome.OK
    assert "entries" not in good.metrics
    assert (empty.outcome, empty.kind) == (Outcome.ERROR, "prober_error")
    assert MARKER not in f"{own}{purpose}{good}{context.trace}{caplog.text}"


async def test_rights_and_what_is_missing(server: Slapd) -> None:
    hidden = f"ou=hidden,{BASE}"
    nobody = MONITOR | {"user": f"cn=nobody,{BASE}"}
    unfit = await _probe(server.port, **nobody, base=hidden)
    unseen = await _probe(server.port, **MONITOR, base=hidden)
    missing = await _probe(server.port, **MONITOR, base=f"ou=none,{BASE}")
    anonymous = await _probe(server.port, base=BASE)
    elsewhere = await _probe(server.port, **MONITOR, base=f"ou=elsewhere,{BASE}")
    assert (unfit.outcome, unfit.kind) == (Outcome.ERROR, "permission")
    assert unfit.detail == "missing_right: insufficient access rights"
    for reading in (unseen, missing, anonymous):
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
        assert reading.detail == "no_such_object: no such object"
    assert elsewhere.detail.startswith("referral: referral: ldap://other.example/")


async def test_a_filter_that_is_none(server: Slapd) -> None:
    reading = await _probe(server.port, **MONITOR, base=BASE, filter="(uid=")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert reading.detail.startswith("filter: ")


async def test_tls_from_the_start_and_after_starttls(
    server: Slapd, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path)
    ca: dict[str, Any] = {"ca": str(authority.file)}
    direct = await _probe(server.secure, **MONITOR, tls="on", **ca, login=True)
    started = await _probe(server.port, **MONITOR, starttls=True, **ca, login=True)
    unknown = await _probe(server.port, **MONITOR, starttls=True, ca=str(stranger.file))
    plain = await _probe(server.secure, **MONITOR, timeout=1.0)
    for reading in (direct, started):
        assert reading.outcome is Outcome.OK, reading.detail
        assert reading.metrics["tls_ms"] > 0
    assert (unknown.outcome, unknown.kind) == (Outcome.FAILED, "tls")
    assert plain.outcome is Outcome.FAILED


async def test_a_server_that_wants_tls_and_one_that_has_none(tmp_path: Path, authority: Authority) -> None:
    options = "security simple_bind=128"
    async with slapd(tmp_path / "a", MARKER, authority=authority, options=options, sync="") as strict:
        clear = await _probe(strict.port, **MONITOR, login=True)
        secured = await _probe(strict.port, **MONITOR, starttls=True, ca=str(authority.file))
    async with slapd(tmp_path / "b", MARKER, sync="") as bare:
        started = await _probe(bare.port, **MONITOR, starttls=True)
    assert (clear.outcome, clear.kind) == (Outcome.FAILED, "expectation")
    assert clear.detail.startswith("tls_required: confidentiality required")
    assert secured.outcome is Outcome.OK
    assert (started.outcome, started.kind) == (Outcome.FAILED, "expectation")
    assert started.detail.startswith("TLS is not offered")


async def test_how_far_a_replica_is_behind(tmp_path: Path) -> None:
    async with slapd(tmp_path / "a", MARKER) as provider:
        async with (
            slapd(tmp_path / "b", MARKER, sync=replica_of(provider) + SYNCPROV) as follows,
            slapd(tmp_path / "c", MARKER, sync=SYNCPROV) as apart,
        ):
            ask: dict[str, Any] = MONITOR | {
                "base": BASE,
                "reference": {"address": "127.0.0.1", "port": provider.port},
            }
            await asyncio.sleep(1.1)
            await provider.write(
                f"dn: uid=p1,ou=people,{BASE}\nchangetype: modify\nreplace: title\ntitle: chief\n"
            )
            async with asyncio.timeout(20):
                reading = await _probe(follows.port, **ask)
                while reading.metrics.get("replica_lag_s") != 0:
                    await asyncio.sleep(0.1)
                    reading = await _probe(follows.port, **ask)
            behind = await _probe(apart.port, **ask)
            nowhere = await _probe(
                follows.port, **(ask | {"reference": {"address": "127.0.0.1", "port": follows.secure}})
            )
        gone = await _probe(follows.port, **ask)
    assert reading.outcome is Outcome.OK
    assert behind.metrics["replica_lag_s"] > 1
    assert nowhere.outcome is Outcome.OK
    assert "replica_lag_s" not in nowhere.metrics
    assert nowhere.facts["not_told"].startswith("replica_lag_s: the reference: refused")
    assert (gone.outcome, gone.kind) == (Outcome.FAILED, "refused")


async def test_a_run_that_is_cancelled_closes_its_connection() -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        begun.set()
        while await reader.read(1000):
            pass
        closed.set()

    async with tcp_server(handle) as port:
        run = asyncio.create_task(_probe(port, timeout=30.0))
        await begun.wait()
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run
        await asyncio.wait_for(closed.wait(), 5)


async def test_without_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "sansldap":
            raise ImportError(name=name)
        return imported(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "probes.middleware._ldap")
    monkeypatch.setattr(builtins, "__import__", without)
    reading = await _probe(1)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")
    assert reading.detail == "sansldap is missing: install muster-monitor[ldap]"


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (silent, "timeout"),
        (garbage, "protocol"),
        (closes, "protocol"),
        (resets, "protocol"),
        (endless, "protocol"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol"),
        (says(bytes.fromhex("300c02010161070a010004000400")), "protocol"),
        (says(bytes.fromhex("3084ffffffff"), hold=True), "timeout"),
    ],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await _probe(port, timeout=1.0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


class _Canned:
    """A connection on which everything has been said already."""

    def __init__(self, data: bytes) -> None:
        self.left, self._data = b"", [data]

    async def say(self, data: bytes) -> None:
        pass

    async def more(self) -> bool:
        self.left = self._data.pop() if self._data else b""
        return bool(self.left)


@given(st.binary(max_size=80), st.booleans())
def test_answers_of_anybody_end_well(data: bytes, wrapped: bool) -> None:
    if wrapped:
        data = b"\x30" + bytes([len(data) + 3]) + b"\x02\x01\x01" + data
    directory = Directory(_Canned(data), ())  # type: ignore[arg-type]
    with contextlib.suppress(Ending):
        asyncio.run(directory.search("", "base", "(a=b)", ["c"], 10, 5))


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"user": "cn=a"}, "belong together"),
        ({"login": True}, "needs a user"),
        ({"tls": "on", "starttls": True}, "two ways to TLS"),
        ({"attribute": "cn"}, "needs a base"),
        ({"reference": {"address": "a"}}, "needs a suffix"),
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        LdapParams.model_validate(params)


NEW, OLD = "20261124155240.000000Z#000000#000#000000", "20261124155238.500000Z#000001#000#000000"
OTHER = "20261124155238.500000Z#000001#001#000000"


@pytest.mark.parametrize(
    ("own", "reference", "seconds"),
    [
        ([OLD], [NEW], 1.5),
        ([NEW], [OLD], 0.0),
        ([NEW, OTHER], [NEW], 0.0),
        ([NEW], [NEW, OTHER], None),
        ([NEW], [], None),
        ([], [NEW], None),
        (["x", NEW], ["20269924155240.000000Z#000000#001#000000", OLD], 0.0),
    ],
)
def test_lag(own: list[str], reference: list[str], seconds: float | None) -> None:
    assert lag(changes(own), changes(reference)) == seconds


@given(st.lists(st.text(max_size=60)))
def test_change_numbers_of_anybody_end_well(values: list[str]) -> None:
    assert all(at > 0 for at in changes(values).values())
