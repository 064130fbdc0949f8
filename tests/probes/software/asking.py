"""Asks and software probes put to real sshds, by the account of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from probes._ssh import SshParams
from probes.api import Context, Outcome, ProbeSettings, Reading, Target
from probes.software._gather import Answer, Gatherer
from probes.software._script import Ask
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.accounts import account_sshd
from tests.servers.sshd import Sshd


def block(server: Sshd) -> dict[str, Any]:
    return {"user": server.user, "port": server.port, "key": "secret:key"}


@asynccontextmanager
async def shared_of(server: Sshd, **settings: Any) -> AsyncIterator[SharedHere]:
    wanted = ProbeSettings(known_hosts=server.known_hosts, **settings)
    async with shared_here(wanted, {"key": server.private_key}) as shared:
        yield shared


async def put(shared: SharedHere, server: Sshd, ask: Ask, timeout: float = 10.0) -> Answer:
    ssh, context = SshParams.model_validate(block(server)), Context(shared, timeout)
    async with asyncio.timeout(timeout):
        return await shared.get(Gatherer).ask(Target(server.host), ssh, ask, context)


async def put_here(shared: SharedHere, ask: Ask, timeout: float = 10.0) -> Answer:
    async with asyncio.timeout(timeout):
        return await shared.get(Gatherer).ask(Target("local"), None, ask, Context(shared, timeout))


async def probe(shared: SharedHere, server: Sshd, name: str, /, **params: Any) -> Reading:
    return await run_once(name, server.host, shared=shared, timeout=15, ssh=block(server), **params)


async def here(name: str, /, **params: Any) -> Reading:
    async with shared_here() as shared:
        return await run_once(name, "local", shared=shared, timeout=15, **params)


def same(reading: Reading, **metrics: Any) -> None:
    assert reading.outcome is Outcome.OK, reading.detail
    assert {name: reading.metrics.get(name) for name in metrics} == metrics


def commands(server: Sshd) -> int:
    """Return how many commands the server was given."""
    return server.log().count("Starting session: command")


@asynccontextmanager
async def host(
    *, sudoers: Sequence[str] = (), over: Mapping[str, Path] | None = None, allow: tuple[str, ...] = ()
) -> AsyncIterator[tuple[SharedHere, Sshd]]:
    """Run an sshd for an ordinary account, and what runs share; needs root."""
    async with (
        account_sshd(sudoers=sudoers, over=over) as server,
        shared_of(server, exec_allow=allow) as shared,
    ):
        yield shared, server
