"""What CLUSTER INFO and CLUSTER NODES of a Redis cluster say (redis.io), and keys that a node has; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from probes.api import FactDef, MetricDef, clip
from probes.database._redis_info import number
from probes.database._sql import Answer

SLOTS = 16_384
MOST_TRIES = 200_000
PLAIN = {
    "cluster_slots_assigned": "cluster_slots_assigned",
    "cluster_slots_ok": "cluster_slots_ok",
    "cluster_known_nodes": "cluster_nodes",
    "cluster_size": "cluster_primaries",
}
METRICS = (
    MetricDef("cluster_ok", "count", "higher", 1, "1 where the node says that the cluster serves, else 0."),
    MetricDef("cluster_slots_assigned", "count", "higher", 1, "Slots that some node has, of 16,384."),
    MetricDef("cluster_slots_ok", "count", "higher", 1, "Slots whose node is not failing."),
    MetricDef("cluster_nodes", "count", "higher", 1, "Nodes that this one knows, itself among them."),
    MetricDef("cluster_primaries", "count", "higher", 1, "Primaries that have slots."),
    MetricDef(
        "cluster_nodes_failing", "count", "lower", 1, "Nodes that are failing, or perhaps (fail, fail?)."
    ),
    MetricDef("cluster_nodes_unlinked", "count", "lower", 1, "Others to which this node has no link."),
    MetricDef("cluster_primaries_alone", "count", "lower", 1, "Primaries with slots and without a replica."),
)
FACTS = (FactDef("cluster_failing", help="The nodes that are failing or unlinked; or none."),)


@dataclass(frozen=True, slots=True)
class Node:
    """A line of CLUSTER NODES: `<id> <ip:port@cport,host> <flags> <primary> ... <link-state> <slot>...`."""

    name: str
    address: str
    flags: frozenset[str]
    primary: str
    linked: bool
    slots: tuple[tuple[int, int], ...]

    @property
    def failing(self) -> bool:
        """Whether it is failing, by all or by this node's own judgement."""
        return not self.flags.isdisjoint({"fail", "fail?"})


def nodes(text: str) -> list[Node]:
    """Return the nodes of a CLUSTER NODES text; lines that are none are passed over."""
    return [node for line in text.splitlines() if (node := _node(line.split())) is not None]


def _node(words: list[str]) -> Node | None:
    if len(words) < 8:
        return None
    name, address, flags, primary = words[:4]
    return Node(
        name,
        address.partition("@")[0],
        frozenset(flags.split(",")),
        "" if primary == "-" else primary,
        words[7] == "connected",
        tuple(_ranges(words[8:])),
    )


def _ranges(words: list[str]) -> Iterator[tuple[int, int]]:
    """Yield slots as first and last; one that is being moved (`[93-<-...]`) is not counted."""
    for word in words:
        first, _, last = word.partition("-")
        if len(word) <= 11 and first.isdecimal() and (last or first).isdecimal():
            yield int(first), int(last or first)


def read_cluster(info: Mapping[str, str]) -> Answer:
    """Return what CLUSTER INFO says."""
    found = {name: value for field, name in PLAIN.items() if (value := number(info.get(field))) is not None}
    if (state := info.get("cluster_state")) is not None:
        found["cluster_ok"] = float(state == "ok")
    return Answer(found)


def read_nodes(known: list[Node]) -> Answer:
    """Return what CLUSTER NODES says."""
    others = [node for node in known if "myself" not in node.flags]
    bad = [node for node in others if node.failing or not node.linked]
    followed = {node.primary for node in known if node.primary and not node.failing}
    metrics = {
        "cluster_nodes_failing": sum(node.failing for node in known),
        "cluster_nodes_unlinked": sum(not node.linked for node in others),
        "cluster_primaries_alone": sum(bool(node.slots) and node.name not in followed for node in known),
    }
    shown = "; ".join(f"{node.address or node.name} {','.join(sorted(node.flags))}" for node in bad)
    facts = {"cluster_failing": clip(shown) or "none"}
    return Answer({name: float(value) for name, value in metrics.items()}, facts)


def own_slots(known: list[Node]) -> tuple[tuple[int, int], ...]:
    """Return the slots of the node that was asked."""
    return next((node.slots for node in known if "myself" in node.flags), ())


def key_within(slots: tuple[tuple[int, int], ...], token: str, slot_of: Callable[[bytes], int]) -> str:
    """Return a key `muster:{N}:TOKEN` whose slot is one of `slots`, or an empty text where none is found.

    Only what is in braces decides on the slot (Redis cluster specification, hash tags).
    """
    for tag in range(MOST_TRIES if slots else 0):
        slot = slot_of(b"%d" % tag)
        if any(first <= slot <= last for first, last in slots):
            return f"muster:{{{tag}}}:{token}"
    return ""
