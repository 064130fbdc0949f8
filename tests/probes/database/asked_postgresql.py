"""How the tests ask a PostgreSQL: the probe, its servers, and sessions of others."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from probes.api import Context, Outcome, Reading
from tests.probing import run_once, shared_here
from tests.servers.postgresql import PASSWORD, Postgres, postgresql, standby

LOCKED = (
    "select count(*) > 0 from pg_locks where relation = '{}'::regclass and mode = 'AccessExclusiveLock'"
    " and granted"
)
SECRETS = {"db": PASSWORD, "wrong": "wrong-marker-1", "other": "other-marker-2"}


async def probed(port: int, /, timeout: float = 10.0, **params: Any) -> Reading:
    """Run the probe, and see that no text that came of it shows a password."""
    given = {"port": port, "database": "billing", "user": "monitor", "password": "secret:db"} | params
    async with shared_here(secrets=SECRETS) as shared:
        context = Context(shared, timeout, trace=[])
        reading = await run_once(
            "postgresql", "127.0.0.1", timeout=timeout, shared=shared, context=context, **given
        )
        for secret in SECRETS.values():
            assert secret not in repr(reading)
            assert secret not in repr(context.trace)
        return reading


def ending(reading: Reading) -> tuple[Outcome, str, str]:
    """Return outcome, kind and the first word of the detail."""
    return reading.outcome, reading.kind, reading.detail.partition(":")[0]


async def sql(server: Postgres, *statements: str, database: str = "billing") -> str:
    return await asyncio.to_thread(lambda: server.sql(*statements, database=database))


async def psql(server: Postgres, text: str, user: str = "postgres") -> asyncio.subprocess.Process:
    """Have psql do `text` in one session, in the background."""
    host = str(server.directory) if user == "postgres" else "127.0.0.1"
    return await asyncio.create_subprocess_exec(
        "psql", "-Xq", "-h", host, "-p", str(server.port), "-U", user, "-d", "billing", "-c", text,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PGPASSWORD": PASSWORD},
    )  # fmt: skip


async def broken_off(server: Postgres, query: str) -> None:
    """End the sessions whose query is like that."""
    ours = f"query ~ '{query}' and pid <> pg_backend_pid()"
    await sql(server, f"select pg_terminate_backend(pid) from pg_stat_activity where {ours}")


async def until(server: Postgres, query: str, seconds: float = 10.0) -> None:
    """Wait until a query gives true."""
    until = time.monotonic() + seconds
    while (told := await sql(server, query)) != "t":
        assert time.monotonic() < until, f"{query}: {told}"
        await asyncio.sleep(0.05)


@contextmanager
def _closing(server: Postgres, leave: Any) -> Iterator[tuple[Postgres, Any]]:
    yield server, leave


def entered(settings: dict[str, str]) -> Any:
    manager = postgresql(settings)
    server = manager.__enter__()
    return _closing(server, lambda: manager.__exit__(None, None, None))


def entered_pair() -> tuple[tuple[Postgres, Postgres], Any]:
    outer = postgresql()
    above = outer.__enter__()
    inner = standby(above)
    below = inner.__enter__()

    def leave() -> None:
        inner.__exit__(None, None, None)
        outer.__exit__(None, None, None)

    return (above, below), leave
