"""PostgreSQL of Debian on a private port, as an ordinary user, with TLS and an account like the monitor's.

Context managers without a loop, since starting takes seconds: made once for many tests.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.certificates import Authority
from tests.servers.ports import free_port

ACCOUNT = "postgres"
PASSWORD = "marker-Pa55/wörd+1"
"""The monitor's; no reading, trace or log may show it."""
USERS = f"""
create role monitor login password '{PASSWORD}';
grant pg_monitor to monitor;
create role nothing login password '{PASSWORD}';
create role strict login password '{PASSWORD}';
create role plain login password '{PASSWORD}';
create database billing encoding 'UTF8' template template0;
"""
RULES = """
local all postgres trust
hostssl all strict 127.0.0.1/32 scram-sha-256
hostnossl all strict 127.0.0.1/32 reject
host replication postgres 127.0.0.1/32 trust
host all postgres 127.0.0.1/32 reject
host all plain 127.0.0.1/32 password
host all all 127.0.0.1/32 scram-sha-256
"""
SETTINGS = {
    "fsync": "off", "shared_buffers": "16MB", "max_connections": "20", "max_wal_senders": "4",
    "autovacuum": "off", "timezone": "Asia/Shanghai", "logging_collector": "off", "lc_messages": "C",
}  # fmt: skip


@dataclass(slots=True)
class Postgres:
    """A running server."""

    port: int
    directory: Path
    ca: str
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def sql(self, *statements: str, database: str = "billing") -> str:
        """Do statements as the superuser, each by itself; return what the last prints, unaligned."""
        command = [_program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.directory), "-p",
                   str(self.port), "-U", ACCOUNT, "-d", database]  # fmt: skip
        done = subprocess.run(
            [*command, *(word for statement in statements for word in ("-c", statement))],
            capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def sessions(self, user: str = "monitor") -> list[str]:
        """Return the states of the sessions that `user` has."""
        told = self.sql(f"select state from pg_stat_activity where usename = '{user}'", database="postgres")
        return told.split()

    def stop(self, number: int = signal.SIGINT) -> None:
        """End the server; SIGINT breaks sessions off."""
        assert self.process is not None
        self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def postgresql(settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """Run a server with the database `billing` and the accounts of `USERS`."""
    with _home() as home:
        data = home / "data"
        _run("initdb", "-D", str(data), "-U", ACCOUNT, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        (data / "pg_hba.conf").write_text(RULES)
        with _serving(home, {**SETTINGS, **(settings or {})}) as server:
            server.sql(*filter(None, USERS.strip().split("\n")), database="postgres")
            yield server


@contextmanager
def standby(primary: Postgres) -> Iterator[Postgres]:
    """Run a streaming replica of `primary`."""
    with _home() as home:
        source = f"host=127.0.0.1 port={primary.port} user={ACCOUNT} application_name=standby1"
        _run("pg_basebackup", "-D", str(home / "data"), "-d", source, "-R", "-c", "fast", "--no-sync")
        with _serving(home, SETTINGS) as server:
            yield server


@contextmanager
def _home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(home, ACCOUNT)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _serving(home: Path, settings: Mapping[str, str]) -> Iterator[Postgres]:
    authority = Authority(home)
    pair = authority.issue("localhost", "127.0.0.1", label="server")
    pair.file.chmod(0o600)
    _give(pair.file)
    port = free_port()
    ours = {
        "listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": str(home),
        "ssl": "on", "ssl_cert_file": str(pair.file), "ssl_key_file": str(pair.file),
    }  # fmt: skip
    words = [word for name, value in {**ours, **settings}.items() for word in ("-c", f"{name}={value}")]
    server = Postgres(port, home, str(authority.file))
    with (home / "log").open("wb") as log:
        server.process = subprocess.Popen(
            [_program("postgres"), "-D", str(home / "data"), *words], stdout=log, stderr=log, user=_account()
        )
    try:
        _await(server, home / "log")
        yield server
    finally:
        server.stop()


def _await(server: Postgres, log: Path, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert server.process is not None
        if server.process.poll() is not None:
            break
        with contextlib.suppress(AssertionError):
            server.sql("select 1", database="postgres")
            return
        time.sleep(0.1)
    raise AssertionError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")


def _run(name: str, *words: str) -> None:
    done = subprocess.run(
        [_program(name), *words], capture_output=True, timeout=60, check=False, cwd="/", user=_account()
    )
    assert done.returncode == 0, done.stderr.decode()


def _account() -> str | None:
    """Return whom a program is started as: PostgreSQL refuses to run as root."""
    return ACCOUNT if os.geteuid() == 0 else None


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, ACCOUNT, ACCOUNT)


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    return str(found[-1])
