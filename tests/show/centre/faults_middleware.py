"""Faults of the middleware: brokers, what holds configuration and accounts, and the portal's way in."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import urllib.request
from collections.abc import AsyncIterator

from tests.servers.rabbitmq import ADMIN
from tests.servers.slapd import BASE, PERSON
from tests.show.centre import services, znodes
from tests.show.centre.data_centre import DataCentre
from tests.show.centre.planting import fault

QUEUE = "/api/queues/%2F/billing.orders"
MESSAGE = {"properties": {}, "routing_key": "billing.orders", "payload": "{}", "payload_encoding": "string"}
WAITING = 15


def _manage(centre: DataCentre, method: str, path: str, body: bytes = b"") -> None:
    """Ask RabbitMQ's management API as the administrator."""
    login = base64.b64encode(":".join(ADMIN).encode()).decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{centre.orders.management}{path}", data=body or None, method=method,
        headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
    )  # fmt: skip
    urllib.request.urlopen(request, timeout=10).close()


@fault("middleware.queues", "orders", "billing.orders")
async def queue_missing(centre: DataCentre) -> AsyncIterator[None]:
    """The queue for orders is not there."""
    centre.consumer.close()
    await asyncio.to_thread(_manage, centre, "DELETE", QUEUE)
    yield
    await asyncio.to_thread(_manage, centre, "PUT", QUEUE, b'{"durable": true}')
    await centre.consume()


@fault("middleware.queues", "orders", "consumers = 0")
async def no_consumer(centre: DataCentre) -> AsyncIterator[None]:
    """Nobody takes orders from the queue."""
    centre.consumer.close()
    await asyncio.sleep(0.2)
    yield
    await centre.consume()


@fault("middleware.queues", "orders", f"queue_depth = {WAITING - 1}")
async def queue_grows(centre: DataCentre) -> AsyncIterator[None]:
    """The consumer hangs, and orders wait in the queue."""
    for _ in range(WAITING):
        await asyncio.to_thread(centre.orders.post, "/api/exchanges/%2F/amq.default/publish", MESSAGE)
    yield
    centre.consumer.close()
    await asyncio.sleep(0.2)
    await asyncio.to_thread(_manage, centre, "DELETE", f"{QUEUE}/contents")
    await centre.consume()


@fault("middleware.retained", "plant", "does not match")
async def plant_says_down(centre: DataCentre) -> AsyncIterator[None]:
    """The plant's status is not the one that it should be."""
    await centre.retain(b"down since 09:12")
    yield
    await centre.retain(b"up since 08:00")


@fault("middleware.retained", "plant", "no message")
async def plant_says_nothing(centre: DataCentre) -> AsyncIterator[None]:
    """No status of the plant is retained."""
    await centre.retain(b"")
    yield
    await centre.retain(b"up since 08:00")


@fault("middleware.stream-lag", "events", f"queue_depth = {WAITING}")
async def stream_lags(centre: DataCentre) -> AsyncIterator[None]:
    """The consumer of the event stream does not keep up."""
    await centre.send(*(("orders", number) for number in range(WAITING)))
    yield
    await centre.send(("$JS.API.STREAM.PURGE.ORDERS", {}))


@fault("middleware.znode", "coordination", "no_such_node: /billing")
async def node_missing(centre: DataCentre) -> AsyncIterator[None]:
    """The application's node of ZooKeeper is gone."""
    await znodes.delete(centre.coordination.port, "/billing")
    yield
    await znodes.make(centre.coordination.port, "/billing")


@fault("middleware.configuration", "config-3", "no answer", reason="timeout")
async def member_hangs(centre: DataCentre) -> AsyncIterator[None]:
    """A member of the configuration store takes connections and answers nothing."""
    last = centre.members[-1]
    statuses = [await member.call("maintenance/status") for member in centre.members]
    if statuses[-1]["leader"] == statuses[-1]["header"]["member_id"]:
        await last.call("maintenance/transfer-leadership", targetID=statuses[0]["header"]["member_id"])
    os.kill(last.process.pid, signal.SIGSTOP)
    yield
    os.kill(last.process.pid, signal.SIGCONT)
    await last.until_healthy()


@fault("middleware.directory", "accounts", "entries = 0")
async def entry_missing(centre: DataCentre) -> AsyncIterator[None]:
    """An operator's entry was deleted from the directory."""
    await centre.accounts.write(f"dn: uid=p3,ou=people,{BASE}\nchangetype: delete\n")
    yield
    dn, _, rest = PERSON.format(number=3, base=BASE).partition("\n")
    await centre.accounts.write(f"{dn}\nchangetype: add\n{rest}")


@fault("middleware.balancer", "balancer", "members_seen = 2")
async def portal_node_dead(centre: DataCentre) -> AsyncIterator[None]:
    """One node of the portal is stopped; the balancer goes on with the others."""
    await centre.services["b"].stop()
    await asyncio.sleep(0.5)
    yield
    await centre.services["b"].start()
    await asyncio.sleep(0.5)


@fault("middleware.sticky", "balancer", "sticky_pct = ")
async def stickiness_lost(centre: DataCentre) -> AsyncIterator[None]:
    """The balancer was set up anew, without the cookie that keeps a user on one node."""
    await _rebalance(centre, "")
    yield
    await _rebalance(centre, services.COOKIE)


async def _rebalance(centre: DataCentre, cookie: str) -> None:
    own = centre.services["balancer"]
    nodes = {name: centre.services[name] for name in services.NODES}
    await own.stop()
    services.balance(centre.home / "portal", own.port, nodes, cookie)
    await own.start()


@fault("middleware.web-status", "web", "404")
async def status_page_gone(centre: DataCentre) -> AsyncIterator[None]:
    """The web server's status page was switched off."""
    page = centre.home / "portal" / "no-status"
    page.touch()
    yield
    page.unlink()


@fault("application.login-answers", "portal", "503")
async def portal_in_maintenance(centre: DataCentre) -> AsyncIterator[None]:
    """The login page answers 503."""
    page = centre.home / "portal" / "maintenance"
    page.touch()
    yield
    page.unlink()


@fault("security.certificate", "web", "days_left")
async def certificate_expires(centre: DataCentre) -> AsyncIterator[None]:
    """The web server's certificate expires in ten days."""
    await _certify(centre, 10)
    yield
    await _certify(centre, 90)


async def _certify(centre: DataCentre, days: float) -> None:
    centre.certify(days)
    await centre.services["web"].stop()
    await centre.services["web"].start()


@fault("system.time-server", "clock", "refused", reason="refused")
async def time_server_stopped(centre: DataCentre) -> AsyncIterator[None]:
    """The time server is stopped."""
    await centre.stop_clock()
    yield
    await centre.tell_time()
    centre.write()
