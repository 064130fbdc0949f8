"""Redis on private ports of loopback: alone, a primary with replicas, sentinels, a cluster of three."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running

QUIET = (
    "--save", "", "--appendonly", "no", "--daemonize", "no", "--bind", "127.0.0.1", "::1",
    "--shutdown-on-sigterm", "nosave", "now", "force",
)  # fmt: skip


@asynccontextmanager
async def redis_server(
    directory: Path, *options: str, port: int = 0, tls: bool = False
) -> AsyncIterator[int]:
    """Run one server with these options and give its port; its data and log are in `directory`."""
    port = port or free_port()
    directory.mkdir(exist_ok=True)
    ports = ("--port", "0", "--tls-port", str(port)) if tls else ("--port", str(port))
    command = (program("redis-server"), *QUIET, *ports, "--dir", str(directory), *options)
    async with running(*command, log=directory / "redis.log"):
        await until_listening(port)
        yield port


@asynccontextmanager
async def sentinel(directory: Path, primary: int, service: str, *lines: str) -> AsyncIterator[int]:
    """Run a sentinel that watches the primary on that port, quorum 2; give its port."""
    port = free_port()
    directory.mkdir(exist_ok=True)
    config = directory / "sentinel.conf"
    watched = (
        f"port {port}", "bind 127.0.0.1", f"dir {directory}",
        f"sentinel monitor {service} 127.0.0.1 {primary} 2",
        f"sentinel down-after-milliseconds {service} 1000", *lines,
    )  # fmt: skip
    config.write_text("\n".join(watched) + "\n")
    command = (program("redis-server"), str(config), "--sentinel")
    async with running(*command, log=directory / "sentinel.log"):
        await until_listening(port)
        yield port


@asynccontextmanager
async def redis_cluster(
    directory: Path, *options: str
) -> AsyncIterator[tuple[list[int], Callable[[int], Awaitable[None]]]]:
    """Run three primaries that share all slots; give their ports, and what stops one of them."""
    async with AsyncExitStack() as stack:
        ports, stops = [], []
        for number in range(3):
            clustered = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", *options)
            bus = ("--cluster-port", str(free_port()))
            one = await stack.enter_async_context(AsyncExitStack())
            server = redis_server(directory / f"node{number}", *clustered, *bus)
            ports.append(await one.enter_async_context(server))
            stops.append(one.aclose)
        for number, port in enumerate(ports):
            first, last = number * 5462, min(16_383, number * 5462 + 5461)
            await say(port, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
        bus_port = (await say(ports[0], "CONFIG", "GET", "cluster-port")).split()[-1]
        for port in ports[1:]:
            await say(port, "CLUSTER", "MEET", "127.0.0.1", str(ports[0]), bus_port)
        for port in ports:
            await until(partial(_whole, port))
        yield ports, lambda number: stops[number]()


async def _whole(port: int) -> bool:
    told = await say(port, "CLUSTER", "INFO")
    return "cluster_state:ok" in told and "cluster_known_nodes:3" in told


async def say(port: int, *words: str, password: str = "", sentinel: bool = False) -> str:
    """Return a server's answer to one command, as it comes, in RESP; a sentinel knows no QUIT."""
    commands = ([("AUTH", password)] if password else []) + [words, ("PING" if sentinel else "QUIT",)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for command in commands:
        writer.write(b"*%d\r\n" % len(command))
        writer.writelines(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in command)
    answer = await (reader.readuntil(b"+PONG\r\n") if sentinel else reader.read())
    writer.close()
    await writer.wait_closed()
    return answer.decode("utf-8", "replace").removesuffix("+PONG\r\n").removesuffix("+OK\r\n").strip()


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 15.0) -> None:
    """Wait until it holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)
