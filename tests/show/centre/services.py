"""Programs that the data centre stops and starts: the portal's nodes, its balancer, a host's daemons."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running

NODES = ("a", "b", "c")
NGINX = """
daemon off; master_process off; pid {dir}/{name}.pid; error_log {dir}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; server_tokens on; default_type text/plain;
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    {servers}
}}
"""
NODE = """
    server {{ listen 127.0.0.1:{port}; add_header X-Served-By {name}; add_header Set-Cookie SESSION={name};
        location / {{ return 200 "{name}"; }} }}
"""
WEB = """
    server {{
        listen 127.0.0.1:{port}; listen 127.0.0.1:{secure} ssl;
        ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_protocols TLSv1.2 TLSv1.3;
        location = /login {{ if (-f {dir}/maintenance) {{ return 503; }} return 200 "log in"; }}
        location = /nginx_status {{ if (-f {dir}/no-status) {{ return 404; }} stub_status; }}
    }}
"""
HAPROXY = """
global
    maxconn 100
defaults
    mode http
    timeout connect 500ms
    timeout client 5s
    timeout server 5s
frontend portal
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
    balance roundrobin
    {cookie}
    option redispatch
    default-server inter 100ms fall 1 rise 1
    {servers}
"""
COOKIE = "cookie NODE insert indirect nocache"


@dataclass(slots=True)
class Service:
    """A program that is stopped and started again as it was; without a port it only has to run."""

    command: tuple[str, ...]
    log: Path
    port: int = 0
    pid: int = 0
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        process = await self._stack.enter_async_context(running(*self.command, log=self.log))
        self.pid = process.pid
        if self.port:
            await until_listening(self.port)

    async def stop(self) -> None:
        """End it; nothing where it has ended."""
        await self._stack.aclose()


def nginx(directory: Path, name: str, port: int, servers: str) -> Service:
    """Return an nginx with these servers."""
    config = directory / f"{name}.conf"
    config.write_text(NGINX.format(dir=directory, name=name, servers=servers))
    command = (program("nginx"), "-p", str(directory), "-c", str(config))
    return Service(command, directory / f"{name}.log", port)


def node(directory: Path, name: str) -> Service:
    """Return one node of the portal."""
    port = free_port()
    return nginx(directory, name, port, NODE.format(port=port, name=name))


def web(directory: Path, secure: int, certificate: Path) -> Service:
    """Return the portal's web server. The files `maintenance` and `no-status` switch pages off."""
    port = free_port()
    servers = WEB.format(dir=directory, port=port, secure=secure, certificate=certificate)
    return nginx(directory, "web", port, servers)


def balancer(directory: Path, nodes: dict[str, Service]) -> Service:
    """Return the balancer before the nodes; `balance` writes its configuration."""
    service = Service((program("haproxy"), "-db", "-f", str(directory / "haproxy.cfg")),
                      directory / "haproxy.log", free_port())  # fmt: skip
    balance(directory, service.port, nodes)
    return service


def balance(directory: Path, port: int, nodes: dict[str, Service], cookie: str = COOKIE) -> None:
    """Write the balancer's configuration; without a cookie no session sticks."""
    ended = " cookie" if cookie else ""
    servers = "\n    ".join(
        f"server {name} 127.0.0.1:{each.port} check{ended and f'{ended} {name}'}"
        for name, each in nodes.items()
    )
    (directory / "haproxy.cfg").write_text(HAPROXY.format(port=port, cookie=cookie, servers=servers))


def sleeper(directory: Path, name: str) -> Service:
    """Return a program of that name that does nothing, for a day."""
    own = directory / name
    shutil.copy(program("sleep"), own)
    return Service((str(own), "86400"), directory / f"{name}.log")


async def start(services: Sequence[Service], stack: AsyncExitStack) -> None:
    """Start them all; the stack ends them."""
    for service in services:
        stack.push_async_callback(service.stop)
    await asyncio.gather(*(service.start() for service in services))
