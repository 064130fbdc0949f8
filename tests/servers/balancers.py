"""Balancers with members of their own: nginx (by turns, by address, and with a dead member), and HAProxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running

NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off; default_type application/json;
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    upstream turns {{ {servers} }}
    upstream address {{ ip_hash; {servers} }}
    upstream dead {{ {servers} server 127.0.0.1:{closed} max_fails=0; }}
    {members}
    server {{ listen 127.0.0.1:{turns}; location / {{ proxy_pass http://turns; }} }}
    server {{ listen 127.0.0.1:{address}; location / {{ proxy_pass http://address; }} }}
    server {{ listen 127.0.0.1:{dead};
        location / {{ proxy_pass http://dead; proxy_next_upstream off; }} }}
}}
"""
MEMBER = """
    server {{ listen 127.0.0.1:{port}; add_header X-Served-By {name}; add_header Set-Cookie "NODE={name}";
        location / {{ return 200 '{{"node": {{"name": "{name}"}}}}'; }}
        location = /anonymous {{ add_header X-Served-By ""; return 200 "{{}}"; }}
        location = /broken {{ return 503; }} }}
"""
HAPROXY = """
global
    maxconn 200
defaults
    mode http
    timeout connect 500ms
    timeout client 5s
    timeout server 5s
frontend www
    bind 127.0.0.1:{port}
    option socket-stats
    default_backend app
backend app
    balance roundrobin
    cookie SRV insert indirect nocache
    option redispatch
    default-server inter 200ms fall 1 rise 1
    {servers}
    server dead 127.0.0.1:{closed} check cookie dead
    server unchecked 127.0.0.1:{first} cookie unchecked disabled
backend other
    server same 127.0.0.1:{first}
listen stats
    bind 127.0.0.1:{stats}
    stats enable
    stats uri /stats
    stats auth monitor:{password}
"""


@dataclass(frozen=True, slots=True)
class Balancers:
    """Ports: of the members by name, one where nobody listens, and of nginx's virtual addresses."""

    members: dict[str, int]
    closed: int
    turns: int
    address: int
    dead: int


@dataclass(frozen=True, slots=True)
class HaProxy:
    """Where it listens, and where its statistics are."""

    port: int
    stats: int


@asynccontextmanager
async def balancers(directory: Path, names: tuple[str, ...] = ("a", "b", "c")) -> AsyncIterator[Balancers]:
    """Run nginx with members of these names, and three ways to share requests out to them."""
    members = {name: free_port() for name in names}
    ports = Balancers(members, free_port(), free_port(), free_port(), free_port())
    text = NGINX.format(
        dir=directory,
        servers=" ".join(f"server 127.0.0.1:{port};" for port in members.values()),
        members="".join(MEMBER.format(port=port, name=name) for name, port in members.items()),
        closed=ports.closed,
        turns=ports.turns,
        address=ports.address,
        dead=ports.dead,
    )
    (directory / "balancers.conf").write_text(text)
    command = (program("nginx"), "-p", str(directory), "-c", str(directory / "balancers.conf"))
    async with running(*command, log=directory / "nginx.log"):
        await until_listening(ports.dead)
        yield ports


@asynccontextmanager
async def haproxy(directory: Path, behind: Balancers, password: str) -> AsyncIterator[HaProxy]:
    """Run HAProxy before the same members, one dead and one disabled; cookies keep sessions."""
    servers = "\n    ".join(
        f"server {name} 127.0.0.1:{port} check cookie {name}" for name, port in behind.members.items()
    )
    ports = HaProxy(free_port(), free_port())
    text = HAPROXY.format(
        port=ports.port,
        stats=ports.stats,
        servers=servers,
        closed=behind.closed,
        first=next(iter(behind.members.values())),
        password=password,
    )
    (directory / "haproxy.cfg").write_text(text)
    command = (program("haproxy"), "-db", "-f", str(directory / "haproxy.cfg"))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(*command, log=directory / "haproxy.log"))
        await until_listening(ports.stats)
        await asyncio.sleep(0.5)  # until the dead one has been found dead
        yield ports
