"""A Kafka cluster: its brokers and partitions, how far a group is behind, and a message written and read.

Asked over connections of our own, requests coded by aiokafka: its clients try again by themselves. The run
asks the broker it is pointed at; a leader or coordinator elsewhere only where the check names its host, since
what a cluster advertises must not lead the monitor (and its password) anywhere. The message of a round trip
stays in its topic for as long as that keeps messages, so it is opt-in and wants a topic of its own.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from probes._driver import loaded
from probes._resolve import resolve
from probes._service import KINDS
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed, Inconclusive, PermissionMissing, ProtocolViolated
from probes.middleware._broker import (
    FACTS,
    OF_QUEUES,
    BrokerParams,
    Found,
    new_token,
    took_ms,
    wire_to,
)
from probes.middleware._kafka_views import RIGHTS, Spot, View, by_leader, lag, of_its_topics

if TYPE_CHECKING:
    from probes.middleware._kafka_wire import KafkaWire

PORTS = (9092, 9093)
EXPIRES_MS = 10_000
Name = Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]


class KafkaParams(BrokerParams):
    """Parameters of `kafka`."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How to log in, where a user is given."""
    hosts: tuple[str, ...] = ()
    """Other brokers of the cluster that may be asked, by the names or addresses under which they advertise
    themselves."""
    topics: Annotated[tuple[Name, ...], Field(max_length=200)] = ()
    """Topics that have to be there."""
    group: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """A consumer group: its members, and how many messages wait for it."""
    topic: Name | None = None
    """The topic of the round trip, made for it beforehand."""
    round_trip: bool = False
    """Whether a message is written to `topic` and read back; it stays there as long as the topic keeps it."""

    @model_validator(mode="after")
    def _with_topic(self) -> Self:
        if self.round_trip and self.topic is None:
            msg = "a round trip needs a topic, such as topic: muster.probe"
            raise ValueError(msg)
        return self


@dataclass(slots=True)
class Cluster:
    """The brokers a run talks to, each connected to when it is first asked."""

    target: Target
    params: KafkaParams
    found: Found
    password: str
    stack: AsyncExitStack
    first: KafkaWire = field(init=False)
    view: View = field(init=False)
    others: dict[tuple[str, int], KafkaWire] = field(default_factory=dict)

    async def enter(self) -> None:
        """Connect to the broker the run is pointed at, log in and learn what the cluster is."""
        self.first = await self._connected(self.target, self.params, self.found)
        wire = self.first.wire
        self.found.add("login", took_ms(wire.opened_at, wire.at))
        self.found.context.phase = "metadata"
        try:
            self.view = await self.first.view()
        except ProtocolViolated:
            if not wire.ended or self.params.user is not None:
                raise
            why = "the broker closed the connection, as those do that demand a login; or it broke off"
            raise Inconclusive(why) from None

    async def at(self, host: str, port: int) -> KafkaWire:
        """Return the connection to a broker by what it advertises. Raises `PermissionMissing`."""
        phase = self.found.context.phase
        if len(self.view.brokers) <= 1:
            return self.first
        address, _ = await resolve(replace(self.target, address=host), self.found.context)
        self.found.context.phase = phase
        same = address.host == self.found.facts["address"]
        if same and port == self._own_port:
            return self.first
        if not same and host not in self.params.hosts:
            raise PermissionMissing(f"it is at {host}:{port}, which is not among the hosts of this check")
        if (host, port) not in self.others:
            name = self.params.server_name if same else None
            params = self.params.model_copy(update={"port": port, "server_name": name})
            scratch = Found(self.found.context, hidden=self.found.hidden)
            target = replace(self.target, address=self.target.address if same else host)
            self.others[host, port] = await self._connected(target, params, scratch)
            self.found.context.phase = phase
        return self.others[host, port]

    async def leader(self, number: int) -> KafkaWire:
        """Return the connection to a broker by its number."""
        broker = self.view.brokers.get(number)
        if broker is None:
            raise ExpectationFailed(f"broker {number} leads partitions and is not there")
        return await self.at(broker.host, broker.port)

    @property
    def _own_port(self) -> int:
        return self.params.port or PORTS[self.params.tls == "on"]

    async def _connected(self, target: Target, params: KafkaParams, found: Found) -> KafkaWire:
        from probes.middleware._kafka_wire import KafkaWire  # noqa: PLC0415 - needs the driver

        kafka = KafkaWire(await self.stack.enter_async_context(wire_to(target, params, PORTS, found)))
        found.context.phase = "login"
        await kafka.learn_versions()
        if params.user is not None:
            await kafka.log_in(params.mechanism, params.user, self.password)
        return kafka


async def probe_kafka(target: Target, params: KafkaParams, context: Context) -> Reading:
    """Look at the cluster, at a group, and write and read a message.

    Raises `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right, or a broker that is not
    among the hosts of the check), `ExpectationFailed` (tls_required, no such topic or group, no leader),
    `Inconclusive` (version_too_old), `ProtocolViolated`, `MissingDriver`, and the endings of the connection.
    """
    await loaded("aiokafka", "kafka")
    password = params.password_from(context.shared)
    found = Found(context, hidden=(password,))
    with found.kept():
        async with AsyncExitStack() as stack:
            cluster = Cluster(target, params, found, password, stack)
            await cluster.enter()
            _see(cluster.view, found)
            with found.part():
                await _expected(cluster)
            if params.group is not None:
                with found.part(), found.optional("group"):
                    await _group(cluster, params.group)
            if params.round_trip:
                with found.part():
                    await _round_trip(cluster, params.topic or "")
        return found.settled()


def _see(view: View, found: Found) -> None:
    found.metrics |= view.metrics()
    found.tell(cluster=view.cluster)
    if not view.partitions:
        found.missing("partitions_offline, partitions_under_replicated: the account sees no topic")
    controller = view.brokers.get(-1 if view.controller is None else view.controller)
    if controller is not None:
        found.tell(controller=f"{controller.host}:{controller.port}")


async def _expected(cluster: Cluster) -> None:
    """Raise `ExpectationFailed` where topics are not there, `PermissionMissing` where they can't be seen."""
    view = cluster.view
    missing = [topic for topic in cluster.params.topics if not view.of(topic)]
    if not missing:
        return
    codes = await cluster.first.topic_errors(missing)
    hidden = [topic for topic in missing if codes.get(topic) in RIGHTS]
    if len(hidden) == len(missing):
        raise PermissionMissing(f"missing_right: no right to describe {', '.join(hidden)}")
    raise ExpectationFailed(f"no topic {', '.join(sorted({*missing} - {*hidden}))}")


async def _group(cluster: Cluster, group: str) -> None:
    context, found = cluster.found.context, cluster.found
    context.phase = "group"
    host, port, _ = await cluster.first.coordinator(group)
    coordinator = await cluster.at(host, port)
    with found.optional("consumers"):
        state, members = await coordinator.group(group)
        if state == "Dead":
            raise ExpectationFailed(f"no group {group!r}")
        found.tell(group_state=state)
        found.metrics["consumers"] = float(members)
    spots = [(each.topic, each.number) for each in cluster.view.partitions]
    committed = of_its_topics(await coordinator.committed(group, spots))
    ends: dict[Spot, int] = {}
    for leader, spots in by_leader(cluster.view, committed).items():
        ends |= await (await cluster.leader(leader)).ends(spots)
    figures = lag(committed, ends)
    found.metrics |= figures
    if "queue_depth" not in figures:
        why = "not all partitions tell their end" if figures else "the group has committed no offset"
        found.missing(f"queue_depth, lag_max: {why}")


async def _round_trip(cluster: Cluster, topic: str) -> None:
    found = cluster.found
    found.context.phase = "round_trip"
    spot, kafka = await _writable(cluster, topic)
    token = new_token()
    offset = await kafka.produce(spot, token, EXPIRES_MS)
    took = kafka.took_ms
    found.add("produce", took)
    while True:
        messages = await kafka.fetch(spot, offset)
        took += kafka.took_ms
        if token.encode() in messages:
            return found.add("round_trip", took)


async def _writable(cluster: Cluster, topic: str) -> tuple[Spot, KafkaWire]:
    """Return a partition that has a leader the run may ask. Raises why there is none."""
    partitions = cluster.view.of(topic)
    if not partitions:
        code = (await cluster.first.topic_errors([topic])).get(topic)
        if code in RIGHTS:
            raise PermissionMissing(f"missing_right: no right to describe {topic}")
        raise ExpectationFailed(f"no topic {topic}")
    refused: PermissionMissing | None = None
    for partition in partitions:
        if not partition.offline:
            try:
                return (topic, partition.number), await cluster.leader(partition.leader)
            except PermissionMissing as missing:
                refused = missing
    raise refused or ExpectationFailed(f"no partition of topic {topic} has a leader")


PROBE = ProbeSpec(
    name="kafka",
    family="middleware",
    summary="A Kafka cluster: brokers, partitions, how far a group is behind, a message written and read",
    params=KafkaParams,
    run=probe_kafka,
    metrics=(
        *OF_QUEUES,
        MetricDef("produce_ms", "ms", "lower", 0.001, "Of the round trip: until all replicas had it."),
        MetricDef("lag_max", "count", "lower", 1, "The most messages that wait in one partition."),
        MetricDef("partitions_uncommitted", "count", "lower", 1, "Partitions of its topics with no offset."),
        MetricDef("brokers", "count", "higher", 1, "Brokers of the cluster."),
        MetricDef("controllers", "count", "higher", 1, "1 where the cluster has a controller, else 0."),
        MetricDef("topics", "count", "none", 1, "Topics that the account may see."),
        MetricDef("partitions", "count", "none", 1, "Their partitions."),
        MetricDef("partitions_offline", "count", "lower", 1, "Of these, without a leader."),
        MetricDef("partitions_under_replicated", "count", "lower", 1, "Of these, with replicas behind."),
    ),
    facts=(
        *FACTS,
        FactDef("controller", help="The broker that is the controller."),
        FactDef("group_state", help="State of the group (Stable, Empty, ...)."),
    ),
    phases=("resolve", "connect", "tls", "login", "metadata", "group", "round_trip"),
    kinds=(*KINDS, "missing_driver"),
    default_timeout=15.0,
)  # fmt: skip
