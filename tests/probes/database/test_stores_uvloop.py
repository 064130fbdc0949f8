"""mysql, redis and mongodb on the daemon's own loop (uvloop), whose transports are not asyncio's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import uvloop

from probes.api import Outcome, Reading
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.mariadb import do, installed, mariadb
from tests.servers.mongodb import mongod
from tests.servers.redis import redis_server

HOST = "127.0.0.1"


def _good(*readings: Reading) -> None:
    for reading in readings:
        assert (reading.outcome, reading.detail) == (Outcome.OK, "")
        assert reading.phases["tls"] > 0


def test_mysql(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    file = authority.issue(HOST).file
    keys = (f"--ssl-cert={file}", f"--ssl-key={file}", f"--ssl-ca={authority.file}")

    async def run() -> tuple[Reading, Reading]:
        template = await asyncio.to_thread(installed, tmp_path)
        async with (
            mariadb(template, tmp_path, *keys) as port,
            shared_here(secrets={"right": "right"}) as shared,
        ):
            await do(port, "create user muster identified by 'right'", "grant all on *.* to muster")
            ask: dict[str, Any] = {
                "port": port, "database": "mysql", "user": "muster", "password": "secret:right",
                "shared": shared,
            }  # fmt: skip
            flood = "select repeat('x', 1000000) from seq_1_to_100"
            return (
                await run_once("mysql", HOST, **ask, tls="on", ca=str(authority.file)),
                await run_once("sql", HOST, **ask, engine="mysql", query=flood),
            )

    good, flooded = uvloop.run(run())
    _good(good)
    assert (flooded.outcome, flooded.kind) == (Outcome.FAILED, "protocol")


def test_redis(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    file = str(authority.issue(HOST).file)
    keys = ("--tls-cert-file", file, "--tls-key-file", file, "--tls-ca-cert-file", str(authority.file))

    async def run() -> Reading:
        async with redis_server(tmp_path / "data", *keys, tls=True) as port:
            return await run_once(
                "redis", HOST, port=port, tls="on", ca=str(authority.file), certificate=file, round_trip=True
            )

    _good(uvloop.run(run()))


def test_mongodb(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = authority.issue(HOST).server_context()

    async def run() -> Reading:
        async with (
            mongod(tls=settings, users={"muster": "right"}) as (port, _),
            shared_here(secrets={"right": "right"}) as shared,
        ):
            return await run_once(
                "mongodb", HOST, shared=shared, port=port, tls="on", ca=str(authority.file), user="muster",
                password="secret:right", database="billing", round_trip={"collection": "muster_probe"},
            )  # fmt: skip

    _good(uvloop.run(run()))
