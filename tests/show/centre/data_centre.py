"""Starts a municipal data centre of real servers, and writes what Muster is told of it.

All of it runs on private ports of loopback. The application's host is an sshd in a mount namespace of its
own: what lies at /srv, /etc/cron.d and the like is seen there only, so that faults can be planted in it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from probes.middleware import _mqtt_packet as mqtt
from tests.servers import etcd as etcds
from tests.servers import mariadb
from tests.servers.accounts import account_sshd
from tests.servers.certificates import Authority
from tests.servers.chronyd import chronyd
from tests.servers.mosquitto import mosquitto
from tests.servers.nats import nats
from tests.servers.ports import free_port
from tests.servers.postgresql import PASSWORD, Postgres, postgresql, standby
from tests.servers.rabbitmq import ADMIN, RabbitMq, rabbitmq
from tests.servers.redis import redis_server, say, until
from tests.servers.slapd import Slapd, slapd
from tests.servers.zookeeper import ZooKeeper, zookeeper
from tests.show.centre import contents, services
from tests.show.centre.services import Service
from tests.show.centre.znodes import make
from tests.show.show import Show

HERE = Path(__file__).parent


@dataclass
class DataCentre(Show):
    """The running servers, by their names in the inventory, and where its files are."""

    here: ClassVar[Path] = HERE
    services: dict[str, Service] = field(default_factory=dict)
    billing: Postgres = field(init=False)
    standby: Postgres = field(init=False)
    orders: RabbitMq = field(init=False)
    accounts: Slapd = field(init=False)
    coordination: ZooKeeper = field(init=False)
    members: list[etcds.Etcd] = field(init=False)
    clock: AsyncExitStack = field(init=False)
    consumer: asyncio.StreamWriter = field(init=False)
    telnet: socket.socket = field(init=False)
    authority: Authority = field(init=False)

    # -- the servers -------------------------------------------------------------------------------------

    async def databases(self) -> None:
        """Start PostgreSQL with a standby, and fill it."""
        self.billing = await self.enter(postgresql())
        self.secret("billing_db", PASSWORD)
        rows = ", ".join(f"('{number}', '{role}')" for number, role in contents.ROLES.items())
        customers = ", ".join(f"({number}, {balance})" for number, balance in contents.CUSTOMERS.items())
        statements = (
            *contents.BILLING,
            f"insert into account_role values {rows}",
            f"insert into customer values {customers}",
            "create database archive encoding 'UTF8' template template0",
        )
        await asyncio.to_thread(self.billing.sql, *statements)
        self.standby = await self.enter(standby(self.billing))
        quick = ("alter system set wal_retrieve_retry_interval = '200ms'", "select pg_reload_conf()")
        await asyncio.to_thread(self.standby.sql, *quick)
        self.variables |= {"billing_port": self.billing.port, "standby_port": self.standby.port}

    async def legacy(self) -> None:
        """Start MariaDB with a replica, and fill it."""
        directory, password = self.directory("legacy"), self.secret("legacy_db")
        template = await asyncio.to_thread(mariadb.installed, directory)
        primary, replica = await self.stack.enter_async_context(mariadb.mariadb_pair(template, directory))
        rows = ", ".join(f"({number}, {balance})" for number, balance in contents.CUSTOMERS.items())
        await mariadb.do(
            primary,
            "create database legacy character set utf8mb4",
            "create table legacy.c_cons (id integer primary key, saldo decimal(12, 2))",
            f"insert into legacy.c_cons values {rows}",
            f"create user monitor identified by '{password}'",
            "grant process, slave monitor on *.* to monitor",
            "grant select, show view on legacy.* to monitor",
        )
        self.variables |= {"legacy_port": primary, "legacy_replica_port": replica}

    async def sessions(self) -> None:
        """Start Redis with a replica."""
        directory, password = self.directory("sessions"), self.secret("sessions")
        user = ("--user", "monitor", "on", f">{password}", *contents.CACHE_RIGHTS)
        options = ("--maxmemory", "100mb", "--repl-diskless-sync-delay", "0", *user)
        primary = await self.stack.enter_async_context(redis_server(directory / "one", *options))
        follows = ("--replicaof", f"127.0.0.1 {primary}", *user)
        replica = await self.stack.enter_async_context(redis_server(directory / "two", *follows))
        self.variables |= {"sessions_port": primary, "sessions_replica_port": replica}
        await until(self.linked)

    async def linked(self) -> bool:
        """Whether the cache's replica is linked."""
        return "master_link_status:up" in await say(self.port("sessions_replica"), "INFO", "replication")

    async def brokers(self) -> None:
        """Start Mosquitto and NATS, with what the applications would leave there."""
        await asyncio.gather(self._plant(), self._events())

    async def _plant(self) -> None:
        passwords = {"monitor": self.secret("plant"), "plant": "plant"}
        broker = await self.stack.enter_async_context(
            mosquitto(self.directory("plant"), passwords, contents.TOPICS)
        )
        self.variables["plant_port"] = broker.port
        await self.retain(b"up since 08:00")

    async def retain(self, payload: bytes) -> None:
        """Leave the plant's status with its broker; an empty one takes it away."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port("plant"))
        writer.write(mqtt.connect("3.1.1", "plant", "plant", "plant", 10))
        message = bytearray(mqtt.publish("3.1.1", 1, "plant/status", payload))
        message[0] |= 1
        writer.write(message)
        await reader.readexactly(4 + 4)
        writer.write(mqtt.disconnect())
        writer.close()
        await writer.wait_closed()

    async def _events(self) -> None:
        directory, password = self.directory("events"), self.secret("events")
        config = contents.LIVELY.format(dir=directory, password=password)
        server = await self.stack.enter_async_context(nats(directory, config))
        self.variables["events_port"] = server.port
        await self.send(
            ("$JS.API.STREAM.CREATE.ORDERS", contents.STREAM),
            ("$JS.API.CONSUMER.CREATE.ORDERS.billing", contents.CONSUMER),
        )

    async def send(self, *pieces: tuple[str, object]) -> None:
        """Send requests to NATS as the administrator, and wait for each answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port("events"))
        login = json.dumps({"verbose": False, "user": "admin", "pass": "admin"})
        writer.write(f"CONNECT {login}\r\nSUB answers 1\r\n".encode())
        for subject, body in pieces:
            data = json.dumps(body).encode()
            writer.write(f"PUB {subject} answers {len(data)}\r\n".encode() + data + b"\r\n")
            while not (line := await reader.readline()).startswith(b"MSG"):
                assert line, "NATS ended the connection"
            answer = json.loads(await reader.readexactly(int(line.split()[-1])))
            assert "error" not in answer, answer
        writer.close()
        await writer.wait_closed()

    async def queues(self) -> None:
        """Start RabbitMQ with a queue and its consumer."""
        rights = {
            "configure": f"^{contents.OWN_QUEUE}",
            "write": rf"^({contents.OWN_QUEUE}|amq\.default)$",
            "read": f"^{contents.OWN_QUEUE}",
        }
        definitions = {
            "users": [{"name": "monitor", "password": self.secret("orders"), "tags": ""}],
            "permissions": [{"user": "monitor", "vhost": "/"} | rights],
            "queues": [self.queue()],
        }
        self.orders = await self.enter(rabbitmq(definitions, plugins=("rabbitmq_stomp",)))
        self.variables["orders_port"] = self.orders.amqp
        await self.consume()

    @staticmethod
    def queue() -> dict[str, Any]:
        """Return the queue as RabbitMQ's definitions have it."""
        return {
            "name": "billing.orders",
            "vhost": "/",
            "durable": True,
            "auto_delete": False,
            "arguments": {},
        }

    async def consume(self) -> None:
        """Become the queue's consumer, by STOMP: it takes one message and never settles it."""
        reader, self.consumer = await asyncio.open_connection("127.0.0.1", self.orders.stomp)
        login = f"login:{ADMIN[0]}\npasscode:{ADMIN[1]}\nhost:/\naccept-version:1.2\n"
        self.consumer.write(f"CONNECT\n{login}\n\0SUBSCRIBE\n{contents.SUBSCRIPTION}\n\0".encode())
        await asyncio.wait_for(reader.readuntil(b"RECEIPT"), 10)

    async def close(self) -> None:
        """Let go of what it holds itself."""
        self.telnet.close()
        self.consumer.close()
        await self.consumer.wait_closed()

    async def configuration(self) -> None:
        """Start ZooKeeper, a cluster of etcd, and a directory."""
        await asyncio.gather(self._coordination(), self._members(), self._accounts())

    async def _coordination(self) -> None:
        self.coordination = await self.stack.enter_async_context(zookeeper(self.directory("coordination")))
        await self.coordination.until_serving()
        await make(self.coordination.port, "/billing")
        self.variables["coordination_port"] = self.coordination.port

    async def _members(self) -> None:
        self.members = await self.stack.enter_async_context(etcds.cluster(self.directory("config")))
        self.variables |= {f"config_{number}_port": each.port for number, each in enumerate(self.members, 1)}

    async def _accounts(self) -> None:
        password = self.secret("accounts")
        self.accounts = await self.stack.enter_async_context(slapd(self.directory("accounts"), password))
        self.variables["accounts_port"] = self.accounts.port

    async def portal(self) -> None:
        """Start the portal's nodes, balancer and web server, and the time server."""
        directory = self.directory("portal")
        self.authority = Authority(directory)
        self.certify(days=90)
        secure = free_port()
        nodes = {name: services.node(directory, name) for name in services.NODES}
        own = {
            "balancer": services.balancer(directory, nodes),
            "web": services.web(directory, secure, directory / "web.pem"),
        }
        self.services |= nodes | own
        await services.start([*nodes.values(), *own.values()], self.stack)
        self.variables |= {f"{name}_port": each.port for name, each in own.items()}
        self.variables |= {"web_tls_port": secure, "ca": str(self.authority.file)}
        await self.tell_time()
        self.stack.push_async_callback(self.stop_clock)

    def certify(self, days: float) -> None:
        """Issue the web server's certificate anew."""
        self.authority.issue("127.0.0.1", "localhost", days=days, label="web")

    async def tell_time(self) -> None:
        """Start the time server."""
        self.clock = AsyncExitStack()
        directory = Path(self.home / f"clock-{secrets.token_hex(2)}")
        directory.mkdir()
        self.variables["clock_port"] = await self.clock.enter_async_context(chronyd(directory, stratum=3))

    async def stop_clock(self) -> None:
        """End the time server."""
        await self.clock.aclose()

    async def host(self) -> None:
        """Start the application's host: its sshd, its programs, and what lies on it."""
        directory = self.directory("host")
        own = {name: services.sleeper(directory, name) for name in ("billing-agent", "billing-batch")}
        self.services |= own
        await services.start([*own.values()], self.stack)
        await asyncio.to_thread(self._lay_out, directory)
        over = {
            "/srv": directory / "srv", "/etc/cron.d": directory / "cron.d",
            "/var/lib/dpkg/status": directory / "status",
            "/proc/sys/net/ipv4/ip_forward": directory / "ip_forward",
        }  # fmt: skip
        server = await self.stack.enter_async_context(account_sshd(over=over))
        self.secret("app1_ssh", server.private_key)
        self.variables |= {"ssh_port": server.port, "agent": str(directory / "billing-agent")}
        self.set_up(server.known_hosts)

    def _lay_out(self, directory: Path) -> None:
        billing = directory / "srv" / "billing"
        billing.mkdir(parents=True)
        (directory / "cron.d").mkdir()
        (directory / "cron.d" / "billing").write_text(contents.DAILY)
        (directory / "ip_forward").write_text("0\n")
        shutil.copy("/var/lib/dpkg/status", directory / "status")
        (billing / "billing.conf").write_text(contents.CONF)
        (billing / "billing.log").touch()
        (billing / "server.key").write_text("no key")
        (billing / "server.key").chmod(0o640)
        Authority(billing).issue("billing.gd.example", days=90, label="server")
        self.telnet = socket.socket()
        self.telnet.bind(("127.0.0.1", 0))
        self.variables["telnet_port"] = self.telnet.getsockname()[1]

    @property
    def root(self) -> Path:
        """Where the application's host keeps what it sees of its own."""
        return self.home / "host"

    # -- what Muster is told -----------------------------------------------------------------------------

    def write(self) -> None:
        """Write the inventory, the list of roles, and the secrets."""
        roles = self.home / "roles.csv"
        roles.write_text(
            "staff_no,role\n" + "".join(f"{number},{role}\n" for number, role in contents.ROLES.items())
        )
        self.variables["roles"] = str(roles)
        super().write()


@asynccontextmanager
async def data_centre(home: Path) -> AsyncIterator[DataCentre]:
    """Start all servers side by side; give the centre once each serves."""
    async with AsyncExitStack() as stack:
        centre = DataCentre(home, stack)
        await centre.start(
            centre.queues, centre.databases, centre.legacy, centre.configuration, centre.sessions,
            centre.brokers, centre.portal, centre.host,
        )  # fmt: skip
        stack.push_async_callback(centre.close)
        centre.write()
        yield centre
