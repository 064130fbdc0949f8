"""MariaDB on private ports of loopback: alone, or a primary with a replica."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from asyncmy.connection import Connection
from asyncmy.errors import MySQLError

from tests.servers.ports import free_port
from tests.servers.process import program, running

LIGHT = (
    "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0",
    "--performance-schema=OFF", "--skip-name-resolve", "--bind-address=127.0.0.1",
)  # fmt: skip


def installed(directory: Path) -> Path:
    """Make a data directory whose `root` has no password, to be copied for each server."""
    command = [
        program("mariadb-install-db"), "--no-defaults", f"--datadir={directory / 'template'}",
        "--auth-root-authentication-method=normal", "--skip-test-db", f"--user={_user()}",
        "--innodb-log-file-size=8M", f"--tmpdir={directory}",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return directory / "template"


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


@asynccontextmanager
async def mariadb(template: Path, directory: Path, *options: str) -> AsyncIterator[int]:
    """Run a server with these options on a copy of the template; give its port."""
    port, data = free_port(), directory / "data"
    if not data.exists():
        await asyncio.to_thread(shutil.copytree, template, data)
    command = (
        program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--socket={directory / 's'}",
        f"--port={port}", f"--user={_user()}", f"--pid-file={directory / 'pid'}", f"--tmpdir={directory}",
        *LIGHT, *options,
    )  # fmt: skip
    async with running(*command, log=directory / "mariadb.log"):
        await _until_serving(port)
        yield port


async def _until_serving(port: int, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            await do(port, "select 1")
        except (OSError, MySQLError) as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no MariaDB on port {port}") from error
            await asyncio.sleep(0.1)
        else:
            return


@asynccontextmanager
async def root(port: int, database: str | None = None) -> AsyncIterator[Any]:
    """Log in as root; give the connection."""
    connect: Any = Connection
    connection = connect(host="127.0.0.1", port=port, user="root", autocommit=True, database=database)
    try:
        await connection.connect()
        yield connection
    finally:
        with contextlib.suppress(MySQLError):
            await connection.ensure_closed()


async def do(port: int, *statements: str) -> tuple[Any, ...]:
    """Do statements as root; return the rows of the last."""
    async with root(port) as connection:
        rows: tuple[Any, ...] = ()
        for statement in statements:
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
                rows = tuple(await cursor.fetchall())
    return rows


@asynccontextmanager
async def mariadb_pair(template: Path, directory: Path) -> AsyncIterator[tuple[int, int]]:
    """Run a primary and a replica that follows it; give their ports."""
    for name in ("primary", "replica"):
        (directory / name).mkdir()
    common = ("--log-bin=bin", "--sync-binlog=0", "--report-host=127.0.0.1")
    async with (
        mariadb(template, directory / "primary", "--server-id=1", *common) as primary,
        mariadb(template, directory / "replica", "--server-id=2", "--read-only=1", *common) as replica,
    ):
        await do(
            primary,
            "create user follower identified by 'follow'",
            "grant replication slave on *.* to follower",
        )
        [(file, position, *_)] = await do(primary, "show master status")
        await do(
            replica,
            f"change master to master_host='127.0.0.1', master_port={primary}, master_user='follower', "
            f"master_password='follow', master_log_file='{file}', master_log_pos={position}",
            "start slave",
        )
        yield primary, replica
