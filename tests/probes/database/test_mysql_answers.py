"""mysql on answers as recorded or documented, and on servers that are up to no good."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome, Reading
from probes.database import _mysql_questions as questions
from probes.database._mysql import Flavour, MysqlSession, flavour
from probes.database._mysql_refusal import NUMBERS, refusal
from probes.database._sql import Table
from probes.database._sql_refusal import WORDS, Refusal
from probes.database.mysql import MysqlParams
from tests.probing import run_once, shared_here
from tests.servers.hostile import Handler, closes, endless, garbage, resets, silent, tcp_server

HOST, MARKER = "127.0.0.1", "marker-Pa55w0rd"
ASK: dict[str, Any] = {"database": "billing", "user": "muster", "password": "secret:right"}
CAPABILITIES = 0x00FFF7DF
"""All of the lower 24 but SSL (MySQL, Client/Server Protocol, Capabilities Flags)."""
SALT = b"12345678" + b"abcdefghijkl"


async def _ask(port: int, **more: Any) -> Reading:
    async with shared_here(secrets={"right": MARKER}) as shared:
        return await run_once("mysql", HOST, shared=shared, port=port, **{"timeout": 2.0, **ASK, **more})


def _packet(number: int, payload: bytes) -> bytes:
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def _greeting(plugin: bytes, version: bytes = b"8.0.36") -> bytes:
    low, high = CAPABILITIES & 0xFFFF, CAPABILITIES >> 16
    head = b"\x0a" + version + b"\0" + struct.pack("<I", 7) + SALT[:8] + b"\0" + struct.pack("<H", low)
    tail = struct.pack("<BHHB", 45, 2, high, 21) + bytes(10) + SALT[8:] + b"\0" + plugin + b"\0"
    return _packet(0, head + tail)


@asynccontextmanager
async def _fake(plugin: bytes, *answers: bytes) -> AsyncIterator[tuple[int, bytearray]]:
    """Greet, then give each answer for what is said; collect all that is said."""
    said = bytearray()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_greeting(plugin))
        for answer in answers:
            said.extend(await reader.read(4096))
            writer.write(answer)
        with contextlib.suppress(TimeoutError):
            said.extend(await asyncio.wait_for(reader.read(4096), 0.5))

    async with tcp_server(handle) as port:
        yield port, said


UNSAFE = {
    "the password in the clear": (b"mysql_native_password", _packet(2, b"\xfemysql_clear_password\0")),
    "a dialogue": (b"mysql_native_password", _packet(2, b"\xfedialog\0\x05Password: ")),
    "the old hash": (b"mysql_native_password", _packet(2, b"\xfemysql_old_password\0" + SALT)),
    "a key of its own": (b"caching_sha2_password", _packet(2, b"\x01\x04")),
    "a key of its own, older": (b"sha256_password", _packet(2, b"\x01\x04")),
}


@pytest.mark.parametrize("name", UNSAFE)
async def test_the_password_goes_out_to_nobody_who_only_asks(name: str) -> None:
    plugin, answer = UNSAFE[name]
    key = _packet(4, b"\x01-----BEGIN PUBLIC KEY-----\n")
    async with _fake(plugin, answer, key) as (port, said):
        reading = await _ask(port)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error"), reading.detail
    assert reading.detail.startswith("unsafe_login: ")
    assert MARKER.encode() not in said
    assert MARKER not in str(reading)


async def test_a_plugin_that_is_not_known() -> None:
    async with _fake(b"mysql_native_password", _packet(2, b"\xfekerberos\0")) as (port, _):
        reading = await _ask(port)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert reading.detail.startswith("unknown_login: ")


async def test_a_server_that_asks_for_a_file_of_ours_gets_none() -> None:
    ok = _packet(2, b"\0\0\0\2\0\0\0")
    asks = [_packet(1, b"\xfb/etc/passwd")] * 8
    async with _fake(b"mysql_native_password", ok, *asks) as (port, said):
        reading = await _ask(port)
    assert reading.outcome in (Outcome.FAILED, Outcome.ERROR)
    assert b"root:" not in said


def _speaks(data: bytes) -> Handler:
    """Speak first, as this protocol has it, and hold the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await asyncio.sleep(3600)

    return handle


HOSTILE = {
    "garbage": (garbage, "protocol"),
    "endless": (endless, "protocol"),
    "resets": (resets, "protocol"),
    "closes": (closes, "protocol"),
    "silent": (silent, "timeout"),
    "a huge packet": (_speaks(b"\xff\xff\xff\x00" + b"x" * 1000), "timeout"),
    "an empty greeting": (_speaks(_packet(0, b"")), "protocol"),
    "half a greeting": (_speaks(_packet(0, b"\x0a8.0")), "protocol"),
    "a wrong version": (_speaks(_packet(0, b"\x0aabc\0" + bytes(60))), "protocol"),
    "too many hosts": (_speaks(_packet(0, b"\xff\x69\x04Host is blocked")), "auth"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_servers_that_misbehave(name: str) -> None:
    handler, kind = HOSTILE[name]
    async with tcp_server(handler) as port:
        reading = await _ask(port, timeout=1.0)
    assert reading.kind == kind, reading.detail
    assert reading.outcome is (Outcome.ERROR if kind == "auth" else Outcome.FAILED)


@pytest.mark.parametrize(
    ("shown", "engine"),
    [
        ("5.5.5-10.11.19-MariaDB-0+deb12u1", Flavour("mariadb", "10.11.19")),
        ("11.8.2-MariaDB", Flavour("mariadb", "11.8.2")),
        ("8.0.36-28", Flavour("mysql", "8.0.36")),
        ("8.4.0", Flavour("mysql", "8.4.0")),
        ("8.0.11-TiDB-v7.5.1", Flavour("tidb", "7.5.1")),
        ("5.7.25-OceanBase_CE-v4.2.1.0", Flavour("oceanbase", "4.2.1.0")),
        ("", Flavour("mysql", "")),
    ],
)
def test_engines_by_their_greeting(shown: str, engine: Flavour) -> None:
    assert flavour(shown) == engine


def test_what_is_asked_fits_the_engine() -> None:
    params = MysqlParams.model_validate(
        {"database": "a-b", "user": "x", "parameters": {"max_connections": 1, "o'x": 2}}
    )
    asked = {
        engine: " ".join(question.query for question in questions.questions(params, engine))
        for engine in (
            Flavour("mysql", "5.7.44"), Flavour("mysql", "8.4.0"), Flavour("mariadb", "10.11.19"),
            Flavour("tidb", "7.5.1"), Flavour("oceanbase", "4.2.1"),
        )
    }  # fmt: skip
    old, new, maria, tidb, oceanbase = asked.values()
    assert "show slave status" in old
    assert "innodb_sys_tablespaces" in old
    assert "show replica status" in new
    assert "information_schema.innodb_tablespaces" in new
    assert "show all slaves status" in maria
    assert "'a@002db'" in maria
    assert "cluster_tidb_trx" in tidb
    assert "innodb" not in tidb + oceanbase
    assert all("'o''x'" in query for query in asked.values())


REPLICA_80 = {
    "Replica_IO_State": "Waiting for source to send event", "Source_Host": "10.0.0.1",
    "Replica_IO_Running": "Yes", "Replica_SQL_Running": "Yes", "Seconds_Behind_Source": 7,
    "Last_IO_Error": "", "Last_SQL_Error": "", "Channel_Name": "dr",
}  # fmt: skip
"""Columns of SHOW REPLICA STATUS as the manual of MySQL 8.0 has them."""


def _table(*rows: dict[str, Any]) -> Table:
    return Table(tuple(rows[0]), tuple(tuple(row.values()) for row in rows)) if rows else Table((), ())


def test_replication_of_mysql_as_documented() -> None:
    late = REPLICA_80 | {"Seconds_Behind_Source": 42, "Channel_Name": ""}
    answer = questions.replication(_table(REPLICA_80, late))
    assert answer.metrics == {"sources": 2, "replication_running": 1, "replica_lag_s": 42}
    assert answer.facts["replication"].startswith("dr from 10.0.0.1: io Yes, sql Yes; from 10.0.0.1")
    broken = REPLICA_80 | {"Replica_IO_Running": "Connecting", "Seconds_Behind_Source": None}
    broken["Last_IO_Error"] = "no route"
    answer = questions.replication(_table(REPLICA_80, broken))
    assert answer.metrics == {"sources": 2, "replication_running": 0}
    assert "io Connecting, sql Yes (no route)" in answer.facts["replication"]


@pytest.mark.parametrize(
    ("metrics", "role"),
    [
        ({"sources": 1.0}, {"role": "replica"}),
        ({"sources": 0.0, "replicas": 2.0}, {"role": "primary"}),
        ({"sources": 0.0, "replicas": 0.0}, {"role": "standalone"}),
        ({"sources": 0.0}, {}),
        ({"replicas": 0.0}, {}),
    ],
)
def test_the_role_is_told_where_enough_is_known(metrics: dict[str, float], role: dict[str, str]) -> None:
    assert questions.role(metrics) == role


@pytest.mark.parametrize(
    ("value", "reads"), [("OFF", 0), ("0", 0), ("ON", 1), ("READ_ONLY", 1), ("NO_LOCK", 1)]
)
def test_whether_the_server_takes_writes(value: str, reads: int) -> None:
    rows = (("max_connections", "151"), ("read_only", value), ("time_zone", "+08:00"))
    answer = questions.about(Table(("n", "v"), rows))
    assert answer.metrics == {"connections_max": 151, "read_only": reads}
    assert answer.facts["timezone"] == "+08:00"


def test_views_that_are_hidden_are_not_told() -> None:
    with pytest.raises(Refusal, match="missing_right"):
        questions.invalid(_table({"held": 1, "name": None}))
    assert questions.invalid(_table({"held": 2, "name": None})).metrics == {"invalid_objects": 0}


@given(st.text(max_size=40))
def test_a_name_in_files_needs_no_quoting(name: str) -> None:
    assert all(c.isascii() and (c.isalnum() or c in "_@") for c in questions.in_files(name))


@given(st.text(max_size=300))
def test_any_greeting_is_some_engine(shown: str) -> None:
    assert isinstance(flavour(shown).numbers, tuple)


@given(st.integers(0, 65_535), st.text(max_size=50))
def test_any_error_has_a_word(number: int, said: str) -> None:
    assert refusal(number, said).word in WORDS


def test_all_words_are_known() -> None:
    assert {*NUMBERS.values()} <= {*WORDS}


def test_a_full_disk_by_the_text_of_another_error() -> None:
    said = 'Got error 28 "No space left on device" from storage engine InnoDB'
    assert refusal(1030, said).word == "disk_full"
    assert refusal(1290, "running with the --secure-file-priv option").word == "query_refused"


async def test_a_session_that_may_write_is_asked_nothing_but_queries() -> None:
    """TiDB has no sessions that only read; what is sent nevertheless would fail on this stand-in."""
    session = MysqlSession(SimpleNamespace(server_version="8.0.11-TiDB-v7.5.1"), None, ())  # type: ignore[arg-type]
    for query in ("delete from customer", "update customer set id = 1", "call tidy()"):
        with pytest.raises(Refusal, match="bad_query"):
            await session.rows(query)
    with pytest.raises(Refusal, match="version_too_old"):
        await session.rows("select 1", 1)
