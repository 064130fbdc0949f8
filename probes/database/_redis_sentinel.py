"""What a sentinel says of a service (redis.io, Sentinel: SENTINEL MASTER, REPLICAS, CKQUORUM); pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probes.api import FactDef, MetricDef, clip
from probes.database._redis_info import number
from probes.database._sql import Answer

METRICS = (
    MetricDef("sentinel_quorum_ok", "count", "higher", 1,
              "1 where enough sentinels can be reached to agree on a failure and to make a new primary."),
    MetricDef("sentinels", "count", "higher", 1, "Sentinels that watch the service, this one among them."),
    MetricDef("sentinel_quorum", "count", "none", 1, "How many have to agree that the primary is down."),
    MetricDef("sentinel_primary_ok", "count", "higher", 1, "1 where it does not hold the primary for down."),
    MetricDef("sentinel_replicas", "count", "higher", 1, "Replicas of the service that it knows."),
    MetricDef("sentinel_replicas_ok", "count", "higher", 1, "Of these, not down, and linked to the primary."),
)  # fmt: skip
FACTS = (
    FactDef("service_primary", help="Address of the service's primary, as the sentinel has it."),
    FactDef("sentinel_quorum_said", help="What the sentinel says of its quorum."),
)
DOWN = frozenset({"s_down", "o_down", "disconnected", "master_down"})


def pairs(answer: Any) -> dict[str, str]:
    """Return a flat list of names and values as a mapping."""
    if not isinstance(answer, list):
        return {}
    return {str(name): str(value) for name, value in zip(answer[::2], answer[1::2], strict=False)}


def read_primary(primary: Mapping[str, str]) -> Answer:
    """Return what SENTINEL MASTER says."""
    metrics = {"sentinel_primary_ok": float(_up(primary))} if "flags" in primary else {}
    if (others := number(primary.get("num-other-sentinels"))) is not None:
        metrics["sentinels"] = others + 1
    for field, name in (("quorum", "sentinel_quorum"), ("num-slaves", "sentinel_replicas")):
        if (value := number(primary.get(field))) is not None:
            metrics[name] = value
    return Answer(metrics, {"service_primary": f"{primary.get('ip', '')}:{primary.get('port', '')}"})


def read_replicas(answer: Any) -> Answer:
    """Return what SENTINEL REPLICAS says."""
    if not isinstance(answer, list):
        return Answer(not_told=("sentinel_replicas_ok: the answer is no list",))
    good = [each for each in map(pairs, answer) if _up(each) and each.get("master-link-status") == "ok"]
    return Answer({"sentinel_replicas_ok": float(len(good))})


def read_quorum(said: str, *, ok: bool) -> Answer:
    """Return what SENTINEL CKQUORUM says."""
    return Answer({"sentinel_quorum_ok": float(ok)}, {"sentinel_quorum_said": clip(said, 300)})


def _up(fields: Mapping[str, str]) -> bool:
    """Whether the sentinel holds it for up; one of which it tells no flags is not."""
    return "flags" in fields and DOWN.isdisjoint(fields["flags"].split(","))
