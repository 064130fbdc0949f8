"""Both SNMP engines against one snmpd: the same answers, the same endings."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from probes._snmp import NO_SUCH, SnmpParams, snmp
from probes._snmp_message import REPORT, seen
from probes._snmp_pysnmp import Engines
from probes.api import Context, Target
from probes.errors import Ending, OwnLoginFailed
from tests.probing import SharedHere, shared_here
from tests.servers.odd_agent import Question, number, odd_agent, response
from tests.servers.snmpd import snmpd
from tests.servers.udp_relay import relaying

SECRETS = {"c": "public", "x": "marker-nope", "a": "authpass11", "p": "privpass11"}
LOCATION, ABSENT, DESCRIPTIONS = "1.3.6.1.2.1.1.6.0", "1.3.6.1.2.1.1.99.0", "1.3.6.1.2.1.2.2.1.2"
AUTHS = {"MD5": "MD5", "SHA1": "SHA", "SHA224": "SHA-224", "SHA256": "SHA-256", "SHA384": "SHA-384",
         "SHA512": "SHA-512"}  # fmt: skip
PRIVS = {"DES": "DES", "AES128": "AES", "AES192": "AES-192", "AES256": "AES-256"}
"""What Muster calls a protocol, and what snmpd does."""
ENGINES = ["gufo", "pysnmp"]


def level(auth: str | None = "SHA1", priv: str | None = "AES128", **more: Any) -> dict[str, Any]:
    """Return the parameters of a user of version 3 that snmpd knows under this name."""
    given = {"version": 3, "user": f"u{auth}{priv}", "auth": auth, "priv": priv, **more}
    keys = {"auth_key": "secret:a"} if auth else {}
    keys |= {"priv_key": "secret:p"} if priv else {}
    return {name: value for name, value in {**keys, **given}.items() if value is not None}


def users() -> list[str]:
    """Return the lines of snmpd for every level it can do."""
    lines = [
        "rocommunity public 127.0.0.1",
        "sysLocation lab",
        "createUser uNoneNone",
        "rouser uNoneNone noauth",
    ]
    for auth, by_auth in AUTHS.items():
        for priv in (None, *PRIVS):
            name = f"u{auth}{priv}"
            protected = f" {PRIVS[priv]} privpass11" if priv else ""
            lines += [f"createUser {name} {by_auth} authpass11{protected}"]
            lines += [f"rouser {name} {'priv' if priv else 'auth'}"]
    return lines


async def asked(port: int, engine: str, shared: SharedHere, **given: Any) -> tuple[dict[str, Any], int]:
    params = SnmpParams.model_validate({"port": port, "engine": engine, "timeout": 0.5, **given})
    async with snmp(Target("127.0.0.1"), params, Context(shared, 10.0)) as agent:
        values = await agent.get([LOCATION, ABSENT])
        return values, len(await agent.walk(DESCRIPTIONS))


async def ending(port: int, engine: str, shared: SharedHere, **given: Any) -> tuple[str, str]:
    with pytest.raises(Ending) as ended:
        await asked(port, engine, shared, **given)
    assert not any(secret in ended.value.detail for secret in SECRETS.values())
    return ended.value.kind, ended.value.detail.split(":")[0]


@pytest.mark.parametrize("engine", ENGINES)
async def test_every_version_and_level_answers_the_same(tmp_path: Path, engine: str) -> None:
    pairs = [(auth, priv) for auth in AUTHS for priv in (None, *PRIVS)]
    if engine == "pysnmp":  # which is slow
        pairs = [pair for pair in pairs if pair[0] == "SHA256" or pair[1] == "AES128"]
    levels = [level(auth, priv) for auth, priv in pairs]
    every: list[dict[str, Any]] = [{"version": 1, "community": "secret:c"}, {"community": "secret:c"}]
    async with snmpd(tmp_path, *users()) as port, shared_here(secrets=SECRETS) as shared:
        for given in (*every, level(None, None), *levels):
            values, rows = await asked(port, engine, shared, **given)
            assert values == {LOCATION: b"lab", ABSENT: NO_SUCH}, given
            assert rows >= 1, given


@pytest.mark.parametrize("engine", ENGINES)
async def test_refusals_say_why(tmp_path: Path, engine: str) -> None:
    async with snmpd(tmp_path, *users()) as port, shared_here(secrets=SECRETS) as shared:
        for given, said in (
            ({"community": "secret:x"}, ("timeout", "query")),
            (level(auth_key="secret:x"), ("auth", "wrong_key")),
            (level(auth="SHA512", user="uSHA1AES128"), ("auth", "wrong_key")),
            (level(user="nobody"), ("auth", "unknown_user")),
            (level(priv_key="secret:x"), ("inconclusive", "wrong_privacy_key")),
            (level(priv=None, user="uSHA1AES128"), ("auth", "missing_right")),
            (level(user="uSHA1None"), ("auth", "wrong_level")),
        ):
            assert await ending(port, engine, shared, **given) == said, given


FIRST = ["engineID one", "oldEngineID 0x80001f8804" + b"one".hex(), "engineBoots 5"]
RESTARTED = {
    "restarted": [*FIRST[:2], "engineBoots 7"], "reset": ["engineID one"], "exchanged": ["engineID two"],
}  # fmt: skip
"""What a second agent at the same address says of itself, after `FIRST`."""


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_agent_that_was_exchanged_or_restarted_is_learnt_anew(tmp_path: Path, engine: str) -> None:
    async with shared_here(secrets=SECRETS) as shared:
        async with snmpd(tmp_path, *users(), *FIRST) as port:
            await asked(port, engine, shared, **level())
        for lines in RESTARTED.values():
            async with snmpd(tmp_path, *users(), *lines, port=port):
                assert (await asked(port, engine, shared, **level()))[0][LOCATION] == b"lab", lines


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("given", [level(priv=None), level()], ids=["signed", "encrypted"])
async def test_an_answer_that_was_changed_on_the_way_is_not_believed(
    tmp_path: Path, engine: str, given: dict[str, Any]
) -> None:
    async with (
        snmpd(tmp_path, *users()) as port,
        relaying(port) as relay,
        shared_here(secrets=SECRETS) as shared,
    ):
        assert (await asked(relay.port, engine, shared, **given))[0][LOCATION] == b"lab"
        relay.to_client = lambda _, data: [
            (0, data if _is_report(data) else data[:-1] + bytes([data[-1] ^ 1]))
        ]
        kind, word = await ending(relay.port, engine, shared, **given)
        if engine == "gufo":
            assert (kind, word) in {("protocol", "wrong_digest"), ("protocol", "no SNMP message")}
        else:
            assert (kind, word) in {("timeout", "query"), ("inconclusive", "wrong_privacy_key")}


@pytest.mark.parametrize(
    ("what", "word"), [("restarted", "not_in_time_window"), ("exchanged", "unknown_engine")]
)
async def test_a_restart_amid_a_run_is_nobodys_wrong_key(tmp_path: Path, what: str, word: str) -> None:
    async with AsyncExitStack() as later, shared_here(secrets=SECRETS) as shared:
        async with snmpd(tmp_path, *users(), *FIRST) as port:
            params = SnmpParams.model_validate({"port": port, "engine": "gufo", "timeout": 0.5, **level()})
            agent = await later.enter_async_context(snmp(Target("127.0.0.1"), params, Context(shared, 20.0)))
            assert (await agent.get([LOCATION]))[LOCATION] == b"lab"
        async with snmpd(tmp_path, *users(), *RESTARTED[what], port=port):
            with pytest.raises(OwnLoginFailed, match=word):
                await agent.get([LOCATION])


@pytest.mark.parametrize("engine", ENGINES)
async def test_over_ipv6(tmp_path: Path, engine: str) -> None:
    async with (
        snmpd(tmp_path, "rocommunity6 public", "sysLocation lab", address="udp6:[::1]") as port,
        shared_here(secrets=SECRETS) as shared,
    ):
        params = SnmpParams.model_validate({"port": port, "engine": engine, "community": "secret:c"})
        async with snmp(Target("::1"), params, Context(shared, 10.0)) as agent:
            assert (await agent.get([LOCATION]))[LOCATION] == b"lab"


async def test_pysnmp_forgets_what_it_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engines, "TARGETS", 2)
    async with AsyncExitStack() as agents, shared_here(secrets=SECRETS) as shared:

        def answer(asked: Question) -> list[bytes]:
            return [response(asked, [(asked.names[0], number(5))])]

        ports = [await agents.enter_async_context(odd_agent(answer)) for _ in range(3)]
        engines = []
        for port in (*ports, ports[0]):
            params = SnmpParams.model_validate({"port": port, "engine": "pysnmp", "community": "secret:c"})
            async with snmp(Target("127.0.0.1"), params, Context(shared, 10.0)) as agent:
                assert await agent.get([LOCATION]) == {LOCATION: 5}
            [kept] = shared.get(Engines)._kept.values()
            engines.append(kept)
            assert (len(kept.targets) <= 2, kept.runs) == (True, 0)
        assert engines[0] is engines[1] is not engines[2] is engines[3]
        assert engines[0].retired
        assert engines[0].engine.transport_dispatcher is None


async def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with snmpd(tmp_path, *users()) as port, shared_here(secrets=SECRETS) as shared:
        assert (await asked(port, "auto", shared, **level()))[0][LOCATION] == b"lab"
        said = await ending(port, "auto", shared, **level(context="other"))
        assert said == ("inconclusive", "unknown_context")  # snmpd is silent
    with pytest.raises(ValidationError, match="gufo knows no context"):
        SnmpParams.model_validate({**level(context="other"), "engine": "gufo"})


def test_accounts_that_are_not_whole_are_refused() -> None:
    for wrong in (
        {}, {"version": 3}, {"version": 2}, {"community": "public"}, {"community": "secret:c", "user": "a"},
        {"version": 3, "user": "a", "community": "secret:c"}, {"version": 3, "user": "a", "auth": "SHA1"},
        {"version": 3, "user": "a", "priv": "DES", "priv_key": "secret:p"},
        {"version": 3, "user": "a", "auth": "SHA1", "auth_key": "authpass11"},
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            SnmpParams.model_validate(wrong)


def _is_report(data: bytes) -> bool:
    return seen(data).pdu == REPORT
