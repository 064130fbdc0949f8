"""PostgreSQL: TLS, connections that come to nothing, and what a run that is killed leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

from probes import registry
from probes.api import Context, Outcome, Reading, Target
from probes.measure import measure_within
from tests.probes.database.asked_postgresql import (
    LOCKED,
    SECRETS,
    broken_off,
    ending,
    entered,
    probed,
    psql,
    sql,
    until,
)
from tests.probing import shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import garbage, resets, silent, tcp_server
from tests.servers.ports import closed_port
from tests.servers.postgresql import PASSWORD, Postgres


class TestTls:
    async def test_verified(self, primary: Postgres) -> None:
        reading = await probed(primary.port, tls="on", ca=primary.ca, user="strict")
        assert reading.outcome is Outcome.OK, reading
        assert reading.metrics["tls_ms"] > 0
        assert list(reading.phases) == ["resolve", "connect", "tls", "login", "query"]

    async def test_a_password_in_the_clear_is_told_within_it_only(self, primary: Postgres) -> None:
        reading = await probed(primary.port, tls="on", ca=primary.ca, user="plain")
        assert reading.outcome is Outcome.OK, reading

    async def test_no_password_goes_to_a_server_that_asks_for_it_in_pieces(self) -> None:
        heard = b""

        async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal heard
            heard += await reader.read(1024)
            for byte in b"N\0\0\0\x05\0" + b"R\0\0\0\x08\0\0\0\x03":
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.005)
            heard += await reader.read(1024)

        async with tcp_server(listens) as port:
            reading = await probed(port)
            await asyncio.sleep(0.05)
        assert reading.detail.startswith("unsafe_login"), reading
        assert b"monitor" in heard
        assert PASSWORD.encode() not in heard

    async def test_by_the_name_that_was_asked_for(self, primary: Postgres) -> None:
        reading = await probed(primary.port, tls="on", ca=primary.ca, server_name="other.example")
        assert ending(reading) == (Outcome.FAILED, "tls", "tls")
        assert "other.example" in reading.detail

    async def test_of_an_authority_that_is_not_trusted(self, primary: Postgres, tmp_path: Path) -> None:
        reading = await probed(primary.port, tls="on", ca=str(Authority(tmp_path).file))
        assert reading.kind == "tls"
        assert "certificate" in reading.detail
        assert reading.phase == "tls"

    async def test_of_a_file_that_is_not_there(self, primary: Postgres) -> None:
        reading = await probed(primary.port, tls="on", ca="/absent.pem")
        assert ending(reading)[:2] == (Outcome.ERROR, "prober_error")

    async def test_a_server_without_is_not_talked_to(self) -> None:
        with await asyncio.to_thread(entered, {"ssl": "off"}) as (server, leave):
            try:
                reading = await probed(server.port, tls="on", ca=server.ca)
            finally:
                await asyncio.to_thread(leave)
        assert ending(reading) == (Outcome.FAILED, "tls", "tls_refused")


class TestEndings:
    async def test_nobody_listens(self) -> None:
        with closed_port() as port:
            assert ending(await probed(port))[:2] == (Outcome.FAILED, "refused")

    @pytest.mark.parametrize("handler", [garbage, resets])
    async def test_no_postgresql(self, handler: Any) -> None:
        async with tcp_server(handler) as port:
            assert ending(await probed(port))[:2] == (Outcome.FAILED, "protocol")

    async def test_silence(self) -> None:
        async with tcp_server(silent) as port:
            reading = await probed(port, timeout=0.5)
        assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "timeout", "login")

    async def test_a_missing_secret_is_ours(self, primary: Postgres) -> None:
        reading = await probed(primary.port, password="secret:absent")
        assert ending(reading)[:2] == (Outcome.ERROR, "prober_error")

    async def test_the_server_ends_in_the_middle(self) -> None:
        with await asyncio.to_thread(entered, {}) as (server, leave):
            try:
                run = asyncio.create_task(probed(server.port, schema_version="select pg_sleep(9)::text"))
                await until(server, "select count(*) > 0 from pg_stat_activity where query ~ '^select pg_sl'")
                await asyncio.to_thread(server.stop)
                reading = await run
            finally:
                await asyncio.to_thread(leave)
        assert ending(reading) == (Outcome.FAILED, "protocol", "query"), reading
        assert reading.metrics["size_bytes"] > 0


async def test_a_run_that_is_killed_leaves_no_session_and_no_row(primary: Postgres) -> None:
    """The deadline comes while a query runs: the server's side is gone within two seconds."""
    spec = registry.get("postgresql")
    given = {"port": primary.port, "database": "billing", "user": "writer", "password": "secret:db",
             "query_timeout": 60, "schema_version": "select pg_sleep(50)"}  # fmt: skip
    async with shared_here(secrets=SECRETS) as shared:
        run: asyncio.Future[Reading] = asyncio.ensure_future(
            spec.run(Target("127.0.0.1"), spec.params.model_validate(given), Context(shared, 60))
        )
        await until(primary, "select count(*) = 1 from pg_stat_activity where query ~ '^select pg_sleep.50'")
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    await until(primary, "select count(*) = 0 from pg_stat_activity where usename = 'writer'", 3)


async def test_a_run_that_is_killed_within_the_round_trip_leaves_no_row(primary: Postgres) -> None:
    spec = registry.get("postgresql")
    holder = await psql(
        primary, "begin; lock table muster_probe in access exclusive mode; select pg_sleep(60)"
    )
    try:
        await until(primary, LOCKED.format("muster_probe"))
        given = {"port": primary.port, "database": "billing", "user": "writer", "password": "secret:db",
                 "round_trip": {"table": "muster_probe"}, "query_timeout": 60}  # fmt: skip
        async with shared_here(secrets=SECRETS) as shared:
            params = spec.params.model_validate(given)
            reading = await measure_within(spec, Target("127.0.0.1"), params, Context(shared, 0.8))
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "timeout")
        await until(primary, "select count(*) = 0 from pg_stat_activity where usename = 'writer'", 3)
    finally:
        await broken_off(primary, "exclusive")
        await holder.wait()
    assert await sql(primary, "select count(*) from muster_probe") == "0"


def test_on_the_loop_of_the_daemon(primary: Postgres) -> None:
    """uvloop keeps the protocol's methods apart from the protocol: what reads along must be seen by it."""
    plain = uvloop.run(probed(primary.port, user="plain"))
    assert plain.detail.startswith("unsafe_login"), plain
    flood = uvloop.run(probed(primary.port, schema_version="select repeat('x', 100000000)", timeout=20))
    assert ending(flood)[:2] == (Outcome.FAILED, "protocol"), flood
    secure = uvloop.run(probed(primary.port, tls="on", ca=primary.ca))
    assert secure.outcome is Outcome.OK, secure
    assert secure.metrics["tls_ms"] > 0
    late = uvloop.run(
        probed(primary.port, schema_version="select pg_sleep(50)", query_timeout=60, timeout=0.8)
    )
    assert late.outcome is Outcome.FAILED, late
    assert late.metrics["size_bytes"] > 0


async def test_a_server_that_sends_without_end_is_left(primary: Postgres) -> None:
    query = "select repeat('x', 100000000)"
    reading = await probed(primary.port, schema_version=query, timeout=20)
    assert ending(reading)[:2] == (Outcome.FAILED, "protocol"), reading
    assert reading.metrics["select_ms"] > 0
