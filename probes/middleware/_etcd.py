"""What an etcd member says of itself and its cluster, as metrics; and what its refusals stand for.

Answers of the JSON gateway (etcd documentation, "gRPC gateway"): numbers of 64 bits are texts, and what is
zero, false or empty is left out. Error codes are those of gRPC (google.rpc.Code).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from probes._exposition import Sample, Selector, selector
from probes.api import clip
from probes.errors import Ending, ExpectationFailed, OwnLoginFailed, PermissionMissing

DENIED, EXHAUSTED, UNAVAILABLE, UNAUTHENTICATED = 7, 8, 14, 16
LOGIN_TEXTS = (
    "authentication failed",
    "user name is empty",
    "invalid auth token",
    "authentication is not enabled",
)
SERIES = {
    "etcd_server_quota_backend_bytes": "db_quota_bytes",
    "etcd_server_has_leader": "has_leader",
    "etcd_server_leader_changes_seen_total": "leader_changes",
    "etcd_server_proposals_pending": "proposals_pending",
    "etcd_server_proposals_failed_total": "proposals_failed",
    "etcd_mvcc_db_total_size_in_bytes": "db_size_bytes",
    "etcd_mvcc_db_total_size_in_use_in_bytes": "db_used_bytes",
}
FSYNC = ("etcd_disk_wal_fsync_duration_seconds_sum", "etcd_disk_wal_fsync_duration_seconds_count")
SELECTORS = frozenset(selector(name) for name in (*SERIES, *FSYNC))


def refusal(status: int, document: Mapping[str, Any], said: str) -> Ending:
    """Return the ending that an answer other than 200 of the gateway means; `said` is its text, cleaned."""
    code = document.get("code")
    detail = said or f"HTTP {status}"
    if code == UNAUTHENTICATED or any(text in said for text in LOGIN_TEXTS):
        return OwnLoginFailed(f"wrong_password: {detail}")
    if code == DENIED:
        return PermissionMissing(f"missing_right: {detail}")
    if "space exceeded" in said:
        return ExpectationFailed(f"disk_full: {detail}")
    if code == UNAVAILABLE or "no leader" in said:
        return ExpectationFailed(f"no_leader: {detail}")
    return ExpectationFailed(f"refused: {detail}")


def of_status(status: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures and facts of `/v3/maintenance/status`."""
    numbers = {
        "db_size_bytes": status.get("dbSize"),
        "db_used_bytes": status.get("dbSizeInUse"),
        "db_quota_bytes": status.get("dbSizeQuota"),
        "raft_index": status.get("raftIndex"),
        "raft_term": status.get("raftTerm"),
    }
    metrics = {name: value for name, text in numbers.items() if (value := _number(text)) is not None}
    applied = _number(status.get("raftAppliedIndex"))
    if applied is not None and "raft_index" in metrics:
        metrics["raft_lag"] = max(0.0, metrics["raft_index"] - applied)
    leader, own = str(status.get("leader", "0")), _id(status)
    metrics["has_leader"] = float(leader != "0")
    role = "learner" if status.get("isLearner") else "leader" if leader == own else "follower"
    facts = {
        "role": role if leader != "0" else "no leader",
        "version": clip(str(status.get("version", "")), 40),
    }
    return metrics, {name: text for name, text in facts.items() if text}


def of_members(listed: Mapping[str, Any], leader: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures and facts of `/v3/cluster/member/list`; a member without a name has not started."""
    members = [member for member in _list(listed, "members") if isinstance(member, dict)]
    waiting = [", ".join(map(str, _list(member, "peerURLs"))) for member in members if not member.get("name")]
    learners = sum(1 for member in members if member.get("isLearner"))
    metrics = {
        "members": float(len(members)),
        "members_started": float(len(members) - len(waiting)),
        "learners": float(learners),
    }
    names = {str(member.get("ID")): str(member.get("name", "")) for member in members}
    facts = {"member": names.get(_id(listed), ""), "leader": names.get(leader, "")}
    facts["members_not_started"] = clip("; ".join(waiting), 300)
    return metrics, {name: text for name, text in facts.items() if text}


def of_alarms(listed: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Return how many alarms are raised, and which."""
    alarms = sorted(str(item.get("alarm")) for item in _list(listed, "alarms") if isinstance(item, dict))
    return {"alarms": float(len(alarms))}, {"alarms_raised": clip(", ".join(alarms), 300)} if alarms else {}


def of_series(series: Mapping[Selector, Sequence[Sample]]) -> dict[str, float]:
    """Return the figures of `/metrics`, those of `FSYNC` under their own names."""
    names = SERIES | {name: name for name in FSYNC}
    return {names[chosen.name]: samples[0].value for chosen, samples in series.items() if samples}


def quota_used(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return how much of the quota is used: the size of the file, which is what etcd compares."""
    if metrics.get("db_quota_bytes") and "db_size_bytes" in metrics:
        return {"db_quota_used_pct": 100 * metrics["db_size_bytes"] / metrics["db_quota_bytes"]}
    return {}


def unhealthy(health: Mapping[str, Any], metrics: Mapping[str, float], facts: Mapping[str, str]) -> str:
    """Return why a member is not healthy, or an empty text where it is."""
    if str(health.get("health")).lower() == "true":
        return ""
    said = clip(str(health.get("reason") or ""), 200)
    if "NOSPACE" in facts.get("alarms_raised", "") or "NOSPACE" in said:
        return "disk_full: alarm NOSPACE: no writes are taken until there is space and the alarm is disarmed"
    if metrics.get("has_leader") == 0 or "NO LEADER" in said:
        return "no_leader: the member knows no leader"
    return f"unhealthy: {said or facts.get('alarms_raised') or 'the member says so'}"


def _id(document: Mapping[str, Any]) -> str:
    header = document.get("header")
    return str(header.get("member_id", "")) if isinstance(header, dict) else ""


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    found = document.get(name)
    return found[:1000] if isinstance(found, list) else []


def _number(value: Any) -> float | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        return float(value)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else None
