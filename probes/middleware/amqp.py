"""A broker of AMQP 0-9-1 (RabbitMQ): login, a message to a queue of the run's own and back, a queue's depth.

The run's queue is exclusive and deleted with the connection, its message expires within a minute, and the
heartbeat makes the broker let go of a connection whose monitor has vanished. Frames are coded by pamqp; the
usual clients on top of it connect again by themselves and don't say that the broker blocks publishers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from probes._driver import loaded
from probes._service import KINDS, bare
from probes.api import Context, ProbeSpec, Reading, Target
from probes.middleware import _amqp_management
from probes.middleware._amqp_management import Management
from probes.middleware._broker import (
    FACTS,
    OF_QUEUES,
    BrokerParams,
    Found,
    Wire,
    new_token,
    took_ms,
    wire_to,
)
from probes.middleware._broker_http import Api

if TYPE_CHECKING:
    from probes.middleware._amqp_wire import AmqpWire

PORTS = (5672, 5671)
PREFIX = "muster.probe."
SHORTEST_HEARTBEAT_S = 10
LOOKING, TRIPPING = 1, 2
"""Numbers of channels: what is refused on one does not end the other."""
Name = Annotated[str, Field(min_length=1, max_length=255)]


class AmqpParams(BrokerParams):
    """Parameters of `amqp`."""

    vhost: Name = "/"
    """The virtual host."""
    queue: Name | None = None
    """A queue that has to be there: how many messages wait in it, and who consumes them."""
    management: Management | None = None
    """The management API of RabbitMQ, to ask it for alarms, nodes and totals."""

    @model_validator(mode="after")
    def _account(self) -> Self:
        if self.user is None or self.password is None:
            msg = "amqp needs a user and a password"
            raise ValueError(msg)
        return self


async def probe_amqp(target: Target, params: AmqpParams, context: Context) -> Reading:
    """Log in, look at the queue, send a message and take it back, and ask the management API.

    Raises `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right), `ExpectationFailed`
    (memory_alarm, disk_full, too_many_connections, tls_required, no such queue or vhost),
    `ProtocolViolated`, `MissingDriver`, and the endings of the connection.
    """
    await loaded("pamqp.frame", "amqp")
    password = params.password_from(context.shared)
    found = Found(context, hidden=(password,))
    with found.kept():
        async with wire_to(target, params, PORTS, found) as wire:
            await _over(wire, params, password, found)
        if params.management is not None:
            await _manage(target, params, password, found)
        return found.settled()


async def _over(wire: Wire, params: AmqpParams, password: str, found: Found) -> None:
    amqp = _client(wire)
    found.context.phase = "login"
    heartbeat = max(SHORTEST_HEARTBEAT_S, math.ceil(found.context.timeout))
    said = await amqp.log_in(params.user or "", password, params.vhost, heartbeat)
    found.add("login", took_ms(wire.opened_at, wire.at))
    found.tell(version=said.get("version"), server=said.get("product"), cluster=said.get("cluster_name"))
    if params.queue is not None:
        found.context.phase = "queue"
        with found.part(), found.optional("queue"):
            ready, consumers = await amqp.look(params.queue, LOOKING)
            found.metrics |= {"queue_depth": float(ready), "consumers": float(consumers)}
    if params.round_trip:
        with found.part():
            await _round_trip(amqp, found)
            await amqp.close()
    else:
        await amqp.close()


async def _round_trip(amqp: AmqpWire, found: Found) -> None:
    found.context.phase = "round_trip"
    token = new_token()
    await amqp.listen(PREFIX + token, TRIPPING)
    found.add("round_trip", 1000 * max(0.0, await amqp.send_and_take(PREFIX + token, token, TRIPPING)))


def _client(wire: Wire) -> AmqpWire:
    from probes.middleware._amqp_wire import AmqpWire  # noqa: PLC0415 - needs the driver

    return AmqpWire(wire)


async def _manage(target: Target, params: AmqpParams, password: str, found: Found) -> None:
    assert params.management is not None
    api = Api(
        found,
        "management",
        found.facts["address"],
        params.management.port,
        params.user or "",
        password,
        await params.context() if params.management.tls == "on" else None,
        params.server_name or bare(target.address),
    )
    with found.part():
        await _amqp_management.ask(api, params.vhost, params.queue, found)


PROBE = ProbeSpec(
    name="amqp",
    family="middleware",
    summary="A broker of AMQP 0-9-1 (RabbitMQ): login, publish to consume, a queue's depth, alarms",
    params=AmqpParams,
    run=probe_amqp,
    metrics=(*OF_QUEUES, *_amqp_management.METRICS),
    facts=(*FACTS, *_amqp_management.FACTS),
    phases=("resolve", "connect", "tls", "login", "queue", "round_trip", "management"),
    kinds=(*KINDS, "missing_driver"),
)
