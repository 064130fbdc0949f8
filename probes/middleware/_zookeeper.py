"""What a ZooKeeper server says of itself, by four-letter words or its AdminServer, as metrics.

Four-letter words: ZooKeeper Administrator's Guide, "The Four Letter Words"; the AdminServer's `monitor`
gives the figures of `mntr` as JSON, without the prefix `zk_`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from probes.api import clip
from probes.errors import ExpectationFailed, ProtocolViolated

WORDS = ("ruok", "srvr", "mntr")
NOT_LISTED = "is not executed because it is not in the whitelist"
NOT_SERVING = "This ZooKeeper instance is not currently serving requests"
FIGURES = {
    "avg_latency": "latency_avg_ms",
    "max_latency": "latency_max_ms",
    "outstanding_requests": "outstanding",
    "znode_count": "znodes",
    "ephemerals_count": "ephemerals",
    "watch_count": "watches",
    "approximate_data_size": "data_bytes",
    "num_alive_connections": "connections_used",
    "connection_rejected": "connections_rejected",
    "open_file_descriptor_count": "files_used",
    "max_file_descriptor_count": "files_max",
    "learners": "followers",
    "followers": "followers",
    "synced_followers": "followers_synced",
    "pending_syncs": "pending_syncs",
    "auth_failed_count": "logins_failed",
}
"""`mntr`'s name without `zk_` to ours; `followers` became `learners` with 3.6."""
_SRVR = {
    "Outstanding": "outstanding_requests", "Node count": "znode_count", "Mode": "server_state",
    "Connections": "num_alive_connections", "Zookeeper version": "version",
}  # fmt: skip
_LINE = re.compile(r"zk_(\w+)\t(.*)")
_VERSION = re.compile(r"\d+(?:\.\d+)+")


def refused(answer: str) -> bool:
    """Whether the word is not in `4lw.commands.whitelist`.

    Raises `ExpectationFailed` for a server of an ensemble without a quorum: it answers no question.
    """
    if answer.startswith(NOT_SERVING):
        raise ExpectationFailed(f"not_serving: {NOT_SERVING} (no quorum, or it has only just started)")
    return NOT_LISTED in answer[:200]


def of_mntr(text: str) -> dict[str, str]:
    """Return the figures of `mntr`, without their prefix. Raises `ProtocolViolated` where there are none."""
    found = {match[1]: match[2].strip() for line in text.splitlines() if (match := _LINE.fullmatch(line))}
    if "server_state" not in found:
        raise ProtocolViolated(f"no answer to mntr: {clip(text, 100)!r}")
    return found


def of_srvr(text: str) -> dict[str, str]:
    """Return the figures of `srvr` under the names of `mntr`. Raises `ProtocolViolated`."""
    lines = (line.partition(": ") for line in text.splitlines())
    said = {name: value.strip() for name, _, value in lines}
    found = {ours: said[theirs] for theirs, ours in _SRVR.items() if theirs in said}
    latencies = said.get("Latency min/avg/max", "").split("/")
    if len(latencies) == 3:
        found["avg_latency"], found["max_latency"] = latencies[1], latencies[2]
    if "server_state" not in found:
        raise ProtocolViolated(f"no answer to srvr: {clip(text, 100)!r}")
    return found


def metrics(said: Mapping[str, str]) -> dict[str, float]:
    """Return the figures that are numbers."""
    numbers = {ours: _number(said.get(theirs)) for theirs, ours in FIGURES.items() if theirs in said}
    found = {name: value for name, value in numbers.items() if value is not None}
    if found.get("files_max") and "files_used" in found:
        found["files_used_pct"] = 100 * found["files_used"] / found["files_max"]
    if "followers" in found and "followers_synced" in found:
        found["followers_behind"] = found["followers"] - found["followers_synced"]
    return found


def facts(said: Mapping[str, str]) -> dict[str, str]:
    """Return mode and version."""
    version = _VERSION.search(said.get("version", ""))
    found = {"mode": clip(said.get("server_state", ""), 40)}
    return found | {"version": version[0]} if version else found


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 1e18 else None
