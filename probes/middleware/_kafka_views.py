"""What a Kafka cluster says, as metrics; and what an error code means (kafka.apache.org/protocol): pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProtocolViolated,
)

ERRORS = {
    3: "no such topic or partition", 5: "no leader", 6: "not the leader", 7: "the replicas are late",
    14: "the coordinator is loading", 15: "no coordinator", 16: "not the coordinator", 17: "no valid topic",
    19: "not enough replicas in sync", 20: "not enough replicas in sync (written to some)",
    29: "no right to the topic", 30: "no right to the group", 31: "no right to the cluster",
    33: "login mechanism not offered", 56: "the disk can't be written", 58: "login refused",
    69: "no such group",
}  # fmt: skip
RIGHTS = (29, 30, 31)
Spot = tuple[str, int]
"""A topic and a partition of it."""


def ending_of(code: int, what: str) -> Ending:
    """Return the ending that an error code stands for."""
    said = f"{what}: {ERRORS.get(code, 'refused')} (error {code})"
    if code in RIGHTS:
        return PermissionMissing(f"missing_right: {said}")
    if code == 58:
        return OwnLoginFailed(f"wrong_password: {said}")
    return (ExpectationFailed if code in ERRORS else ProtocolViolated)(said)


def judged(code: int, what: str) -> None:
    """Raise what an error code stands for; 0 is none."""
    if code:
        raise ending_of(code, what)


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker as it is advertised to clients."""

    number: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition; `leader` is below zero where it has none."""

    topic: str
    number: int
    leader: int
    replicas: int
    in_sync: int

    @property
    def offline(self) -> bool:
        """Whether nobody can write to it or read from it."""
        return self.leader < 0


@dataclass(frozen=True, slots=True)
class View:
    """A cluster as its metadata says."""

    cluster: str
    controller: int | None
    brokers: Mapping[int, Broker]
    partitions: tuple[Partition, ...]
    errors: Mapping[str, int]
    """Error codes of topics, 0 where they are there."""

    def of(self, topic: str) -> list[Partition]:
        """Return the partitions of a topic."""
        return [each for each in self.partitions if each.topic == topic]

    def metrics(self) -> dict[str, float]:
        """Return the metrics of the whole cluster, as far as the account may see its topics.

        Where no partition is seen there is no count of those that are offline: without rights none is.
        """
        found = {
            "brokers": float(len(self.brokers)),
            "topics": float(sum(not code for code in self.errors.values())),
            "partitions": float(len(self.partitions)),
        }
        if self.partitions:
            behind = sum(each.in_sync < each.replicas for each in self.partitions)
            found["partitions_offline"] = float(sum(each.offline for each in self.partitions))
            found["partitions_under_replicated"] = float(behind)
        if self.controller is not None:
            found["controllers"] = float(self.controller in self.brokers)
        return found


def view_of(document: Mapping[str, Any]) -> View:
    """Return a cluster from an answer to Metadata, of any version, as plain objects."""
    brokers = {
        each["node_id"]: Broker(each["node_id"], each["host"] or "", each["port"])
        for each in document["brokers"]
    }
    topics = document["topics"]
    partitions = tuple(
        Partition(topic["topic"] or "", each["partition"], each["leader"], len(each["replicas"] or ()),
                  len(each["isr"] or ()))
        for topic in topics for each in topic["partitions"]
    )  # fmt: skip
    errors = {topic["topic"] or "": topic["error_code"] for topic in topics}
    return View(document.get("cluster_id") or "", document.get("controller_id"), brokers, partitions, errors)


def lag(committed: Mapping[Spot, int], ends: Mapping[Spot, int]) -> dict[str, float]:
    """Return how far a group is behind: committed offsets against the ends of the partitions.

    A partition without a committed offset (below zero) is counted, and left out of the lag. Where the end of
    one of the others is not told there is no lag, and of a group that has committed nothing no figure at all.
    """
    kept = {spot: offset for spot, offset in committed.items() if offset >= 0}
    if not kept:
        return {}
    found = {"partitions_uncommitted": float(len(committed) - len(kept))}
    if all(ends.get(spot, -1) >= 0 for spot in kept):
        behind = [max(0, ends[spot] - offset) for spot, offset in kept.items()]
        found |= {"queue_depth": float(sum(behind)), "lag_max": float(max(behind))}
    return found


def of_its_topics(committed: Mapping[Spot, int]) -> dict[Spot, int]:
    """Return the offsets of the topics in which a group has committed any."""
    topics = {topic for (topic, _), offset in committed.items() if offset >= 0}
    return {spot: offset for spot, offset in committed.items() if spot[0] in topics}


def by_leader(view: View, spots: Iterable[Spot]) -> dict[int, list[Spot]]:
    """Return partitions by the broker that leads them. Raises `ExpectationFailed` where one has none."""
    leaders = {(each.topic, each.number): each.leader for each in view.partitions}
    found: dict[int, list[Spot]] = {}
    for spot in spots:
        leader = leaders.get(spot, -1)
        if leader < 0:
            raise ExpectationFailed(f"partition {spot[1]} of topic {spot[0]!r} has no leader")
        found.setdefault(leader, []).append(spot)
    return found


def grouped(spots: Iterable[Spot]) -> dict[str, list[int]]:
    """Return partitions by topic."""
    found: dict[str, list[int]] = {}
    for topic, number in spots:
        found.setdefault(topic, []).append(number)
    return found
