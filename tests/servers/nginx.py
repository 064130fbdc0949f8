"""nginx with what an HTTP check meets: plain and TLS, redirects, errors, JSON, a login, a slow page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import Authority
from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running

CONFIG = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off; server_tokens on; default_type text/plain;
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    map $http_authorization $who {{ default ""; "Basic b3BzOnNlc2Ft" "basic"; "Bearer tok-1" "bearer"; }}
    server {{
        listen 127.0.0.1:{plain}; listen [::1]:{plain};
        listen 127.0.0.1:{secure} ssl; listen [::1]:{secure} ssl;
        ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_protocols TLSv1.2 TLSv1.3;
        root {dir}/www;
        location = / {{ return 200 "muster is here\\n"; }}
        location = /json {{ default_type application/json;
            return 200 '{{"status": "UP", "pool": {{"used": 7}}, "nodes": [{{"n": "a"}}, {{"n": "b"}}]}}'; }}
        location = /moved {{ return 302 /; }}
        location = /away {{ return 302 http://other.example/; }}
        location = /loop {{ return 302 /loop; }}
        location = /up {{ return 302 https://$host:{secure}/; }}
        location = /teapot {{ return 418; }}
        location = /nginx_status {{ stub_status; }}
        location = /closed_status {{ stub_status; deny all; }}
        location = /login_status {{ if ($who = "") {{ return 401; }} stub_status; }}
        location = /unavailable {{ return 503 "down for maintenance"; }}
        location = /login {{ if ($who = "") {{ return 401; }} return 200 "hello $who"; }}
        location = /echo {{ return 200 "$request_method $http_host $http_x_test $http_user_agent"; }}
        location = /big {{ try_files /big.bin =404; }}
        location = /gz {{ gzip on; gzip_min_length 1; gzip_types *; try_files /page.txt =404; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """Where it listens, on 127.0.0.1 and ::1."""

    plain: int
    secure: int
    authority: Authority


@asynccontextmanager
async def nginx(directory: Path, authority: Authority | None = None) -> AsyncIterator[Nginx]:
    """Serve `CONFIG` with a certificate for localhost and the loopback addresses."""
    binary = program("nginx")
    authority = authority or Authority(directory)
    pair = authority.issue("localhost", "127.0.0.1", "::1", label="nginx")
    (directory / "www").mkdir()
    (directory / "www" / "big.bin").write_bytes(b"x" * 3_000_000)
    (directory / "www" / "page.txt").write_text("compressed page " * 1000)
    plain, secure = free_port(), free_port()
    text = CONFIG.format(dir=directory, plain=plain, secure=secure, certificate=pair.file)
    (directory / "nginx.conf").write_text(text)
    command = (binary, "-p", str(directory), "-c", str(directory / "nginx.conf"))
    async with running(*command, log=directory / "nginx.log"):
        await until_listening(plain)
        yield Nginx(plain, secure, authority)
