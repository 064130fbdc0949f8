"""Both SNMP engines against one snmpd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from probes._snmp import NO_SUCH, SnmpParams, snmp
from probes.api import Context, Target
from probes.errors import Ending
from tests.probing import shared_here
from tests.servers.snmpd import snmpd

LINES = (
    "rocommunity public 127.0.0.1", "sysLocation lab", "createUser watch SHA authpass11 AES privpass11",
    "rouser watch priv",
)  # fmt: skip
SECRETS = {"c": "public", "x": "marker-nope", "a": "authpass11", "p": "privpass11"}
V3 = {
    "version": 3,
    "user": "watch",
    "auth": "SHA1",
    "auth_key": "secret:a",
    "priv": "AES128",
    "priv_key": "secret:p",
}


async def asked(port: int, engine: str, **given: Any) -> tuple[dict[str, Any], int]:
    params = SnmpParams.model_validate({"port": port, "engine": engine, "timeout": 0.5, **given})
    async with (
        shared_here(secrets=SECRETS) as shared,
        snmp(Target("127.0.0.1"), params, Context(shared, 10.0)) as agent,
    ):
        values = await agent.get(["1.3.6.1.2.1.1.6.0", "1.3.6.1.2.1.1.99.0"])
        return values, len(await agent.walk("1.3.6.1.2.1.2.2.1.2"))


@pytest.mark.may_block
@pytest.mark.parametrize("engine", ["gufo", "pysnmp"])
async def test_every_version_answers_the_same_and_refusals_say_why(tmp_path: Path, engine: str) -> None:
    async with snmpd(tmp_path, *LINES) as port:
        v3: list[dict[str, Any]] = [] if engine == "gufo" else [V3]
        known: list[dict[str, Any]] = [
            {"version": 1, "community": "secret:c"},
            {"community": "secret:c"},
            *v3,
        ]
        for given in known:
            values, rows = await asked(port, engine, **given)
            assert values == {"1.3.6.1.2.1.1.6.0": b"lab", "1.3.6.1.2.1.1.99.0": NO_SUCH}
            assert rows >= 1
        refused: list[tuple[dict[str, Any], str, str]] = [
            ({"community": "secret:x"}, "timeout", "query"),
            *[({**given, "auth_key": "secret:x"}, "auth", "wrong_key") for given in v3],
            *[({**given, "user": "nobody"}, "auth", "unknown_user") for given in v3],
        ]
        for given, kind, word in refused:
            with pytest.raises(Ending) as ending:
                await asked(port, engine, **given)
            assert (ending.value.kind, ending.value.detail.split(":")[0]) == (kind, word)
            assert "marker-nope" not in ending.value.detail
