"""RabbitMQ of Debian on private ports of loopback, as the user it insists on, with an epmd of its own.

A context manager without a loop, since starting takes ten seconds: made once for many tests.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.certificates import Authority
from tests.servers.ports import free_port

SCRIPTS = Path("/usr/lib/rabbitmq/bin")
ACCOUNT = "rabbitmq"
ADMIN = ("admin", "admin-password")
CONFIG = """
listeners.tcp.1 = 127.0.0.1:{amqp}
listeners.ssl.1 = 127.0.0.1:{amqps}
ssl_options.cacertfile = {dir}/ca.pem
ssl_options.certfile = {dir}/server.pem
ssl_options.keyfile = {dir}/server.pem
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
management.tcp.port = {management}
management.tcp.ip = 127.0.0.1
collect_statistics_interval = 1000
stomp.listeners.tcp.1 = 127.0.0.1:{stomp}
mqtt.listeners.tcp.1 = 127.0.0.1:{mqtt}
mqtt.allow_anonymous = false
load_definitions = {dir}/definitions.json
loopback_users = none
log.console = true
num_acceptors.tcp = 2
num_acceptors.ssl = 2
{more}
"""


@dataclass(slots=True)
class RabbitMq:
    """A running broker."""

    amqp: int
    amqps: int
    management: int
    stomp: int
    mqtt: int
    ca: str
    directory: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] = field(repr=False)

    def told(self, path: str) -> Any:
        """Return what the management API says to the administrator."""
        login = b64encode(":".join(ADMIN).encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.management}{path}", headers={"Authorization": f"Basic {login}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, document: object) -> Any:
        """Send a document to the management API as the administrator, return the answer."""
        login = b64encode(":".join(ADMIN).encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.management}{path}",
            data=json.dumps(document).encode(),
            headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def ctl(self, *words: str) -> str:
        """Run rabbitmqctl and return what it prints."""
        command = [*_as_account(), str(SCRIPTS / "rabbitmqctl"), "-q", *words]
        done = subprocess.run(
            command, check=False, env=self.environment, cwd=self.directory, capture_output=True, text=True,
            timeout=40,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill(self) -> None:
        """End it at once, without a word to its clients."""
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self.process.wait(10)


def _as_account() -> list[str]:
    if os.getuid():
        return []
    return ["setpriv", "--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups"]


def _environment(directory: Path, epmd: int, node: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "HOME": str(directory),
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(directory),
        "RABBITMQ_LOG_BASE": str(directory),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        "RABBITMQ_PLUGINS_EXPAND_DIR": str(directory / "expand"),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
    }


@contextmanager
def rabbitmq(definitions: dict[str, Any], more: str = "", plugins: Sequence[str] = ()) -> Iterator[RabbitMq]:
    """Run a broker with these definitions (users, vhosts, permissions, queues), the administrator added."""
    if not (SCRIPTS / "rabbitmq-server").exists():
        pytest.skip("rabbitmq-server is not installed")
    directory = Path(tempfile.mkdtemp(prefix="rabbitmq-"))
    ports = {name: free_port() for name in ("amqp", "amqps", "management", "stomp", "mqtt")}
    epmd = free_port()
    environment = _environment(directory, epmd, f"muster{ports['amqp']}@localhost")
    _write(directory, definitions, CONFIG.format(dir=directory, more=more, **ports), plugins)
    log = (directory / "log").open("wb")
    mapper = subprocess.Popen(
        [*_as_account(), "epmd", "-port", str(epmd), "-address", "127.0.0.1"],
        env=environment, cwd=directory, stdout=log, stderr=log,
    )  # fmt: skip
    server = subprocess.Popen(
        [*_as_account(), str(SCRIPTS / "rabbitmq-server")],
        env=environment, cwd=directory, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        for port in (ports["amqp"], ports["amqps"], ports["management"]):
            _until_listening(port, directory / "log")
        yield RabbitMq(
            **ports, ca=str(directory / "ca.pem"), directory=directory,
            environment=environment, process=server,
        )  # fmt: skip
    finally:
        _end(server, mapper)
        log.close()
        shutil.rmtree(directory, ignore_errors=True)


def _write(directory: Path, definitions: dict[str, Any], config: str, plugins: Sequence[str]) -> None:
    (directory / "rabbitmq.conf").write_text(config)
    (directory / "plugins").write_text(f"[{','.join(('rabbitmq_management', *plugins))}].")
    admin = {"user": ADMIN[0], "configure": ".*", "write": ".*", "read": ".*"}
    vhosts = definitions.get("vhosts", [{"name": "/"}])
    whole = definitions | {
        "vhosts": vhosts,
        "users": [
            {"name": ADMIN[0], "password": ADMIN[1], "tags": "administrator"},
            *definitions.get("users", []),
        ],
        "permissions": [
            *(admin | {"vhost": vhost["name"]} for vhost in vhosts),
            *definitions.get("permissions", []),
        ],
    }
    (directory / "definitions.json").write_text(json.dumps(whole))
    Authority(directory).issue("localhost", "127.0.0.1", label="server")
    if os.getuid() == 0:
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, ACCOUNT, ACCOUNT)


def _until_listening(port: int, log: Path, seconds: float = 45.0) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < until, f"did not start: {log.read_text(errors='replace')[-2000:]}"
            time.sleep(0.1)
        else:
            return


def _end(server: subprocess.Popen[bytes], mapper: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    mapper.terminate()
    mapper.wait(5)
