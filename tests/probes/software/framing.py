"""A pool that answers every ask with what a test wants, in its proper frame: hosts that can't be had."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from probes._ssh import Result, SshParams, SshPool
from probes._ssh_session import Output
from probes.api import Context, Reading, Shared, Target
from tests.probing import SharedHere, run_once, shared_here


class Framing(SshPool):
    body = b""
    status = 0

    async def run(
        self, target: Target, params: SshParams, command: str, context: Context, stdin: bytes = b""
    ) -> Result:
        word = stdin.split(b"\n", 1)[0].removeprefix(b"N=")
        framed = b"\n%s b 0\n%s\n%s e 0 %d\n" % (word, self.body, word, self.status)
        return Result(Output(framed, b"", 0), {"command": 1.0})


@asynccontextmanager
async def framing(body: bytes | str, status: int = 0) -> AsyncIterator[SharedHere]:
    def pool(shared: Shared) -> Framing:
        made = Framing(shared)
        made.body, made.status = body.encode() if isinstance(body, str) else body, status
        return made

    async with shared_here() as shared:
        shared._clients[SshPool] = pool(shared)
        yield shared


async def answered(name: str, body: bytes | str, status: int = 0, /, **params: Any) -> Reading:
    """Run a probe once against a host that answers its ask with `body`."""
    async with framing(body, status) as shared:
        shared.settings = type(shared.settings)(exec_allow=("/bin/true",))
        ssh = {"user": "ops", "key": "secret:key"}
        return await run_once(name, "10.0.0.1", shared=shared, ssh=ssh, **params)


async def told(name: str, text: str, /, **params: Any) -> tuple[dict[str, float], dict[str, str]]:
    reading = await answered(name, text, **params)
    assert reading.kind == "", reading.detail
    return reading.metrics, reading.facts
