"""What a search cluster answers, as figures and endings: pure.

After the REST references of Elasticsearch 6 to 9 and OpenSearch 1 to 3, which agree in what is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from probes.api import clip
from probes.errors import (
    Ending,
    ExpectationFailed,
    OwnLoginFailed,
    PermissionMissing,
    ProberFault,
    ProtocolViolated,
)

STALE = {"range": {"at": {"lt": "now-1h"}}}
"""A document of a round trip that is older was left by a monitor that is no more."""
DISK = "cluster.routing.allocation.disk."
LEVELS = {"low": "low", "high": "high", "flood": "flood_stage"}
"""Name in `nodes_over_...`, and in the settings."""
SIZE = re.compile(r"(\d+(?:\.\d+)?)(b|kb|mb|gb|tb|pb)")
FACTORS = {"b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40, "pb": 2**50}
HEALTH = {
    "number_of_nodes": "nodes",
    "number_of_data_nodes": "data_nodes",
    "active_shards": "active_shards",
    "active_shards_percent_as_number": "active_shards_pct",
    "unassigned_shards": "unassigned_shards",
    "initializing_shards": "initializing_shards",
    "relocating_shards": "relocating_shards",
    "number_of_pending_tasks": "pending_tasks",
    "task_max_waiting_in_queue_millis": "longest_task_wait_ms",
}


def number(value: object) -> float | None:
    """Return a JSON number, or None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def part(document: object, *path: str) -> Any:
    """Return what is at `path` of a document, or None."""
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return document


def refused(status: int, document: object) -> Ending:
    """Return what an answer other than 2xx stands for; texts are as the cluster wrote them."""
    kind, reason = str(part(document, "error", "type") or ""), str(part(document, "error", "reason") or "")
    if not kind and isinstance(part(document, "error"), str):
        reason = str(part(document, "error"))
    said = f"HTTP {status}" + (f" {kind}" if kind else "") + (f": {reason}" if reason else "")
    if status == 401:
        return OwnLoginFailed(f"wrong_password: {said}")
    word, ending = _word(status, kind, reason)
    return ending(f"{word}: {said}" if word else said)


def _word(status: int, kind: str, reason: str) -> tuple[str, type[Ending]]:
    if kind == "cluster_block_exception" or "blocked by" in reason:
        return _block(reason), ExpectationFailed
    if kind == "index_not_found_exception":
        return "no_such_index", ExpectationFailed
    by_status: dict[int, tuple[str, type[Ending]]] = {
        400: ("bad_query", ProberFault),
        403: ("missing_right", PermissionMissing),
        429: ("busy", ExpectationFailed),
        503: ("not_ready", ExpectationFailed),
        507: ("disk_full", ExpectationFailed),
    }
    return by_status.get(status, ("", ExpectationFailed))


def _block(reason: str) -> str:
    """Return the word of a block: "FORBIDDEN/12/index read-only / allow delete" is of the flood stage."""
    if "flood" in reason or "/12/" in reason:
        return "disk_full"
    return "not_ready" if "SERVICE_UNAVAILABLE" in reason else "read_only"


def identity(document: object) -> dict[str, str]:
    """Return the facts of `GET /`."""
    version = part(document, "version", "number")
    if not isinstance(version, str):
        raise ProtocolViolated("it answers, but not as a search cluster does: no version")
    product = part(document, "version", "distribution") or "elasticsearch"
    found = {"version": version, "product": str(product), "cluster": part(document, "cluster_name")}
    return {name: clip(text, 200) for name, text in found.items() if isinstance(text, str)}


def health(document: object) -> tuple[dict[str, float], str]:
    """Return the figures of `GET /_cluster/health`, and its colour. Raises `ProtocolViolated`."""
    status = part(document, "status")
    if status not in ("green", "yellow", "red"):
        raise ProtocolViolated("the answer of _cluster/health has no status")
    found = {name: number(part(document, key)) for key, name in HEALTH.items()}
    return {name: value for name, value in found.items() if value is not None}, status


@dataclass(frozen=True, slots=True)
class Node:
    """A node that holds data: its disks and its heap."""

    name: str
    total: float
    available: float
    heap_pct: float | None

    @property
    def used_pct(self) -> float:
        """What is used of its disks."""
        return 100 * (self.total - self.available) / self.total


@dataclass(frozen=True, slots=True)
class Nodes:
    """What the nodes tell; `now` is their clock (s since the epoch).

    `silent` is how many did not answer, or hold data and do not tell their disks.
    """

    nodes: tuple[Node, ...]
    now: float | None
    silent: int

    def metrics(self) -> dict[str, float]:
        """Return the figures of the nodes that are worst off; none where that may be one that is silent."""
        found: dict[str, float] = {}
        if self.silent:
            return found
        heaps = [node.heap_pct for node in self.nodes if node.heap_pct is not None]
        if heaps and len(heaps) == len(self.nodes):
            found["heap_used_pct"] = max(heaps)
        if self.nodes:
            found["disk_used_pct"] = max(node.used_pct for node in self.nodes)
            found["disk_free_bytes"] = min(node.available for node in self.nodes)
        return found


def nodes(document: object) -> Nodes:
    """Read `GET /_nodes/stats/fs,jvm`; nodes that hold no data are left out."""
    given = part(document, "nodes")
    every = [one for one in given.values() if isinstance(one, dict)] if isinstance(given, dict) else []
    clocks = sorted(at / 1000 for one in every if (at := number(one.get("timestamp"))) is not None)
    told = number(part(document, "_nodes", "failed"))
    failed = 1 if told is None else int(told)  # who does not say how many failed may hide some
    holding = [_node(one) for one in every if _holds_data(one)]
    found = tuple(node for node in holding if node is not None)
    return Nodes(found, clocks[len(clocks) // 2] if clocks else None, failed + len(holding) - len(found))


def _holds_data(node: Mapping[str, Any]) -> bool:
    roles = node.get("roles")
    return not isinstance(roles, list) or any(str(role).startswith("data") for role in roles)


def _node(node: Mapping[str, Any]) -> Node | None:
    total = number(part(node, "fs", "total", "total_in_bytes"))
    available = number(part(node, "fs", "total", "available_in_bytes"))
    if not total or available is None:
        return None
    heap = number(part(node, "jvm", "mem", "heap_used_percent"))
    return Node(clip(str(node.get("name", "")), 100), total, available, heap)


def over_watermarks(found: Iterable[Node], settings: object) -> tuple[dict[str, float], str]:
    """Return how many nodes are over each watermark, and the fullest of them, by `GET /_cluster/settings`.

    Without watermarks, or where they are switched off, no figure.
    """
    if _setting(settings, f"{DISK}threshold_enabled") == "false":
        return {}, ""
    figures: dict[str, float] = {}
    over: list[Node] = []
    every = tuple(found)
    for name, level in LEVELS.items():
        mark = _setting(settings, f"{DISK}watermark.{level}")
        headroom = _setting(settings, f"{DISK}watermark.{level}.max_headroom")
        least = [_least_free(node, mark, headroom) for node in every]
        if every and all(free is not None for free in least):
            over = [node for node, free in zip(every, least, strict=True) if node.available < (free or 0)]
            figures[f"nodes_over_{name}"] = float(len(over))
    return figures, _fullest(every) if any(figures.values()) else ""


def _fullest(found: tuple[Node, ...]) -> str:
    node = max(found, key=lambda node: node.used_pct)
    return f"{node.name}: {node.used_pct:.1f} % used"


def _setting(settings: object, name: str) -> str:
    for level in ("transient", "persistent", "defaults"):
        value = part(settings, level, name)
        if isinstance(value, str | int | float):
            return str(value).lower()
    return ""


def _least_free(node: Node, mark: str, headroom: str) -> float | None:
    """Return the bytes that must be free on a node: a share that may be used, or a size."""
    size = SIZE.fullmatch(mark)
    if size:
        return float(size[1]) * FACTORS[size[2]]
    try:
        share = float(mark.removesuffix("%")) / (100 if mark.endswith("%") else 1)
    except ValueError:
        return None
    least, most = node.total * (1 - share), SIZE.fullmatch(headroom)
    return min(least, float(most[1]) * FACTORS[most[2]]) if most else least


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search for the newest document gave: how many there are, and the newest (s since the epoch)."""

    documents: float
    newest: float | None


def hits(document: object) -> Hits:
    """Read the answer to `search_body` or `own_body`.

    Raises `ExpectationFailed` where shards failed or time ran out: that is a count of a part, and no answer.
    A shard that is on no node is not among the `failed`, but not among the `successful` either.
    """
    every, good = (number(part(document, "_shards", name)) for name in ("total", "successful"))
    if every is None or good is None:
        raise ProtocolViolated("the answer to a search does not say which shards gave it")
    if good < every or number(part(document, "_shards", "failed")) or part(document, "timed_out") is True:
        raise ExpectationFailed(f"not_ready: a part of the index did not answer ({every - good:.0f} shards)")
    total = part(document, "hits", "total")
    documents = number(part(total, "value") if isinstance(total, dict) else total)
    if documents is None:
        raise ProtocolViolated("the answer to a search has no total")
    newest = number(part(document, "aggregations", "past", "newest", "value"))
    return Hits(documents, None if newest is None else newest / 1000)


def search_body(query: str | None, time_field: str, seconds: float) -> dict[str, Any]:
    """Return the question for number and newest; what claims to be of the future is not the newest."""
    newest = {"newest": {"max": {"field": time_field}}}
    until_now = {"range": {time_field: {"lte": "now+1m"}}}
    return {
        "size": 0,
        "track_total_hits": True,
        "timeout": f"{max(1, int(seconds))}s",
        "query": {"query_string": {"query": query}} if query else {"match_all": {}},
        "aggs": {"past": {"filter": until_now, "aggs": newest}},
    }


def own_body(name: str) -> dict[str, Any]:
    """Return the question for the document of a round trip, and for how many others are left of old ones."""
    left = {"global": {}, "aggs": {"old": {"filter": STALE}}}
    return {"size": 0, "track_total_hits": True, "query": {"ids": {"values": [name]}}, "aggs": {"left": left}}


def left(document: object) -> bool:
    """Return whether the index of round trips holds old documents."""
    return bool(number(part(document, "aggregations", "left", "old", "doc_count")))
