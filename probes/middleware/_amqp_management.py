"""What RabbitMQ's management API tells, as metrics and facts (rabbitmq.com, HTTP API).

An account with the tag `monitoring` sees all of it; with `management` it does not see the nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from probes._service import Port
from probes.api import FactDef, MetricDef, Params
from probes.errors import ExpectationFailed
from probes.middleware._broker import Found
from probes.middleware._broker_http import Api, escaped, number, numbers, rows, text

OVERVIEW = {
    "messages": ("queue_totals", "messages"),
    "messages_unacknowledged": ("queue_totals", "messages_unacknowledged"),
    "queues": ("object_totals", "queues"),
    "connections": ("object_totals", "connections"),
}
QUEUE = {"queue_unacknowledged": ("messages_unacknowledged",)}
"""Depth and consumers are not among it: what the API says is seconds old, what the broker says is not."""
ALARMS = {"mem_alarm": "memory", "disk_free_alarm": "disk"}
METRICS = (
    MetricDef("queue_unacknowledged", "count", "lower", 1, "Messages of the queue taken, not acknowledged."),
    MetricDef("messages", "count", "lower", 1, "Messages in all queues."),
    MetricDef("messages_unacknowledged", "count", "lower", 1, "Of these, taken and not acknowledged."),
    MetricDef("queues", "count", "none", 1, "Queues."),
    MetricDef("connections", "count", "none", 1, "Connections of all clients."),
    MetricDef("nodes", "count", "higher", 1, "Nodes of the cluster that run."),
    MetricDef("nodes_down", "count", "lower", 1, "Nodes of the cluster that don't."),
    MetricDef("alarms", "count", "lower", 1, "Alarms in effect (memory, disk): publishers are blocked."),
    MetricDef("partitions", "count", "lower", 1, "Nodes that have seen the network split."),
    MetricDef("memory_used_pct", "%", "lower", 0.1, "Of the memory alarm's limit, on the fullest node."),
    MetricDef("disk_free_bytes", "bytes", "higher", 1, "Free disk of the node that has least."),
)
FACTS = (FactDef("alarms_in_effect", help="Which alarm on which node, or none."),)
BY_NODES = ("alarms", "partitions", "memory_used_pct", "disk_free_bytes")
"""What every node that runs has to tell; one may not, as with its statistics switched off."""


class Management(Params):
    """Where the management API is; the account is the check's."""

    port: Port = 15672
    """Its port."""
    tls: Literal["off", "on"] = "off"
    """Whether it speaks TLS, verified as the broker's."""


async def ask(api: Api, vhost: str, queue: str | None, found: Found) -> None:
    """Ask for overview, nodes and the queue. What a right is missing for is left out, and noted.

    Raises `ExpectationFailed` for a queue that is not there, and what asking comes to.
    """
    with found.optional("management"):
        overview = await api.get("/api/overview")
        found.metrics |= numbers(overview, OVERVIEW)
        found.tell(version=text(overview, "rabbitmq_version"), cluster=text(overview, "cluster_name"))
    with found.optional("nodes"):
        metrics, alarms = of_nodes(rows(await api.get("/api/nodes")))
        found.metrics |= metrics
        found.tell(alarms_in_effect=alarms)
        if untold := [name for name in BY_NODES if name not in metrics]:
            found.missing(f"{', '.join(untold)}: not all nodes tell")
    if queue is not None:
        with found.optional("queue by management"):
            told = await api.get(f"/api/queues/{escaped(vhost)}/{escaped(queue)}", may_lack=True)
            if told is None:
                raise ExpectationFailed(f"no queue {queue!r} in vhost {vhost!r}")
            found.metrics |= numbers(told, QUEUE)


def of_nodes(nodes: list[dict[str, Any]]) -> tuple[dict[str, float], str]:
    """Return metrics of the cluster's nodes, and the alarms in words; nothing where no node is named.

    What a node that runs does not tell is left out, but an alarm or a partition that one tells counts.
    """
    if not nodes:
        return {}, ""
    running = [node for node in nodes if node.get("running") is True]
    alarms = [
        f"{text(node, 'name')}: {what}"
        for node in running
        for key, what in ALARMS.items()
        if node.get(key) is True
    ]
    split = sum(bool(node.get("partitions")) for node in running)
    used = list(_shares(running))
    free = [each for node in running if (each := number(node, "disk_free")) is not None]
    metrics = {"nodes": float(len(running)), "nodes_down": float(len(nodes) - len(running))}
    if alarms or _all_tell(running, bool, *ALARMS):
        metrics["alarms"] = float(len(alarms))
    if split or _all_tell(running, list, "partitions"):
        metrics["partitions"] = float(split)
    if used and len(used) == len(running):
        metrics["memory_used_pct"] = max(used)
    if free and len(free) == len(running):
        metrics["disk_free_bytes"] = min(free)
    return metrics, ", ".join(alarms) or ("none" if "alarms" in metrics else "")


def _all_tell(running: list[dict[str, Any]], kind: type, *keys: str) -> bool:
    return bool(running) and all(isinstance(node.get(key), kind) for node in running for key in keys)


def _shares(nodes: list[dict[str, Any]]) -> Iterable[float]:
    for node in nodes:
        used, limit = number(node, "mem_used"), number(node, "mem_limit")
        if used is not None and limit:
            yield 100 * used / limit
