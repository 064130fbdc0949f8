"""What is asked of a JVM through Jolokia, and what the answers say.

Platform beans are those of java.lang.management; pools of Tomcat, WebLogic and JBoss as their vendors name
them (Tomcat: the sources' mbeans-descriptors; WebLogic: MBean Reference, ThreadPoolRuntimeMBean,
JDBCDataSourceRuntimeMBean and JDBCConnectionPoolParamsBean; WildFly: model reference, subsystems io and
datasources).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from probes.api import clip

MAX_BEANS = 500
OLD = re.compile(r"\b(?:old|tenured|zheap|shenandoah)\b", re.IGNORECASE)
"""The pools in which what survives is kept, by the names that collectors give them."""
DENIED = re.compile(r"forbidden|not allowed|SecurityException")
"""How Jolokia says that its policy closes an attribute or an operation."""

Request = dict[str, Any]


def _read(mbean: str, *attributes: str) -> Request:
    return {"type": "read", "mbean": mbean, "attribute": list(attributes)}


PLATFORM: dict[str, Request] = {
    "agent": {"type": "version"},
    "runtime": _read("java.lang:type=Runtime", "Uptime", "VmName", "StartTime"),
    "java": {
        "type": "read", "mbean": "java.lang:type=Runtime",
        "attribute": "SystemProperties", "path": "java.version",
    },
    "memory": _read("java.lang:type=Memory", "HeapMemoryUsage"),
    "pools": _read("java.lang:type=MemoryPool,name=*", "Type", "CollectionUsage"),
    "collectors": _read("java.lang:type=GarbageCollector,name=*", "CollectionCount", "CollectionTime"),
    "threads": _read("java.lang:type=Threading", "ThreadCount", "PeakThreadCount"),
    "deadlocks": {
        "type": "exec", "mbean": "java.lang:type=Threading", "operation": "findDeadlockedThreads",
    },
    "system": _read(
        "java.lang:type=OperatingSystem", "OpenFileDescriptorCount", "MaxFileDescriptorCount",
        "ProcessCpuLoad",
    ),
}  # fmt: skip

WEBLOGIC_PARAMS = "com.bea:Type=weblogic.j2ee.descriptor.wl.JDBCConnectionPoolParamsBean,*"
PRESETS: dict[str, dict[str, Request]] = {
    "tomcat": {
        "connectors": _read("*:type=ThreadPool,*", "currentThreadsBusy", "maxThreads"),
        "executors": _read("*:type=Executor,*", "activeCount", "maxThreads"),
        "sources": _read("*:type=DataSource,*", "numActive", "maxTotal", "active", "maxActive"),
    },
    "weblogic": {
        "execute": _read(
            "com.bea:Type=ThreadPoolRuntime,*", "ExecuteThreadTotalCount", "ExecuteThreadIdleCount",
            "StandbyThreadCount", "QueueLength", "StuckThreadCount",
        ),
        "datasources": _read(
            "com.bea:Type=JDBCDataSourceRuntime,*", "ActiveConnectionsCurrentCount",
            "WaitingForConnectionCurrentCount",
        ),
        "params": _read(WEBLOGIC_PARAMS, "MaxCapacity"),
    },
    "jboss": {
        "workers": _read("jboss.as:subsystem=io,worker=*", "busyTaskThreadCount", "maxPoolSize"),
        "datasources": _read(
            "jboss.as:subsystem=datasources,data-source=*,statistics=pool", "InUseCount", "AvailableCount"
        ),
        "xa": _read(
            "jboss.as:subsystem=datasources,xa-data-source=*,statistics=pool", "InUseCount", "AvailableCount"
        ),
    },
}  # fmt: skip


@dataclass(slots=True)
class Told:
    """Answers by the name of the question, and why others are missing."""

    answers: dict[str, Any] = field(default_factory=dict)
    denied: dict[str, str] = field(default_factory=dict)
    """No right to ask."""
    absent: dict[str, str] = field(default_factory=dict)
    """No such bean or attribute, or it could not be read."""


def sorted_out(names: Sequence[str], answers: Sequence[Any]) -> Told:
    """Return the answers of a bulk request; each carries a status of its own (Jolokia protocol, 6.1)."""
    told = Told()
    for name, answer in zip(names, answers, strict=True):
        if not isinstance(answer, dict):
            told.absent[name] = "no answer"
        elif answer.get("status") == 200 and "value" in answer:
            _take(told, name, answer["value"])
        else:
            where = told.denied if answer.get("status") == 403 else told.absent
            where[name] = clip(str(answer.get("error") or answer.get("status")), 200)
    return told


def _take(told: Told, name: str, value: Any) -> None:
    """Keep an answer without the attributes that could not be read: those are texts that say why."""
    refused: list[str] = []
    kept = _readable(value, refused)
    denied = next((text for text in refused if DENIED.search(text)), None)
    if denied is not None:
        told.denied[name] = clip(denied, 200)
    if kept or not refused:
        told.answers[name] = kept


def _readable(value: Any, refused: list[str], depth: int = 2) -> Any:
    if not isinstance(value, dict) or not depth:
        return value
    kept = {}
    for name, inner in value.items():
        if isinstance(inner, str) and inner.startswith("ERROR: "):
            refused.append(inner.removeprefix("ERROR: "))
        else:
            kept[name] = _readable(inner, refused, depth - 1)
    return {name: inner for name, inner in kept.items() if inner != {}}


def figures(told: Told) -> dict[str, float]:
    """Return what the platform's beans say; a pool that was never collected says nothing of what survives."""
    runtime, memory = _dict(told, "runtime"), _dict(_dict(told, "memory"), "HeapMemoryUsage")
    threads, system = _dict(told, "threads"), _dict(told, "system")
    found: dict[str, float | None] = {
        "uptime_s": _scaled(number(runtime.get("Uptime")), 0.001),
        "heap_used_bytes": number(memory.get("used")),
        "heap_max_bytes": _positive(memory.get("max")),
        "heap_used_pct": share(memory.get("used"), memory.get("max")),
        "heap_after_gc_pct": survivors(told),
        "threads": number(threads.get("ThreadCount")),
        "threads_peak": number(threads.get("PeakThreadCount")),
        "files_used": number(system.get("OpenFileDescriptorCount")),
        "files_used_pct": share(system.get("OpenFileDescriptorCount"), system.get("MaxFileDescriptorCount")),
        "cpu_pct": _scaled(number(system.get("ProcessCpuLoad")), 100),
    }
    stuck = told.answers.get("deadlocks", "")
    if stuck is None or isinstance(stuck, list):
        found["threads_deadlocked"] = float(len(stuck or ()))
    return {name: value for name, value in found.items() if value is not None}


def survivors(told: Told) -> float | None:
    """Return how full the fullest pool of old objects was right after it was last collected, in percent."""
    shares = []
    for name, bean in beans(told, "pools"):
        usage = _dict(bean, "CollectionUsage")
        if bean.get("Type") == "HEAP" and OLD.search(name) and number(usage.get("used")):
            shares.append(share(usage["used"], _limit(usage, told)))
    known = [value for value in shares if value is not None]
    return max(known) if known else None


def _limit(usage: Mapping[str, Any], told: Told) -> Any:
    """Return a pool's most, or the heap's where it has none of its own."""
    if _positive(usage.get("max")) is not None:
        return usage["max"]
    return _dict(_dict(told, "memory"), "HeapMemoryUsage").get("max")


def collected(told: Told) -> dict[str, float]:
    """Return the time all collectors have taken and the uptime, both in ms: counters.

    Nothing where one does not tell its time (-1 is "undefined for this collector").
    """
    times = [number(bean.get("CollectionTime")) for _, bean in beans(told, "collectors")]
    known = [value for value in times if value is not None and value >= 0]
    uptime = number(_dict(told, "runtime").get("Uptime"))
    if not times or len(known) < len(times) or uptime is None:
        return {}
    return {"collecting": sum(known), "uptime": uptime}


def facts(told: Told) -> dict[str, str]:
    """Return versions: of Java, the JVM, the server and the agent."""
    agent = _dict(told, "agent")
    info = _dict(agent, "info")
    product = " ".join(str(info.get(name) or "") for name in ("vendor", "product")).strip()
    texts = {
        "version": told.answers.get("java"),
        "jvm": _dict(told, "runtime").get("VmName"),
        "server": product,
        "server_version": info.get("version"),
        "agent_version": agent.get("agent"),
    }
    return {name: clip(text, 200) for name, text in texts.items() if isinstance(text, str) and text}


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool and how much of it is used."""

    name: str
    used_pct: float


def pools(server: str, told: Told) -> tuple[list[Pool], list[Pool]]:
    """Return the pools of threads and those of connections; what has no known most is left out."""
    return {"tomcat": _tomcat, "weblogic": _weblogic, "jboss": _jboss}[server](told)


def _tomcat(told: Told) -> tuple[list[Pool], list[Pool]]:
    threads = _pools(told, "connectors", "currentThreadsBusy", "maxThreads")
    threads += _pools(told, "executors", "activeCount", "maxThreads")
    sources = _pools(told, "sources", "numActive", "maxTotal")
    return threads, sources + _pools(told, "sources", "active", "maxActive")


def _weblogic(told: Told) -> tuple[list[Pool], list[Pool]]:
    threads = []
    for name, bean in beans(told, "execute"):
        total, idle, standby = (
            number(bean.get(key))
            for key in ("ExecuteThreadTotalCount", "ExecuteThreadIdleCount", "StandbyThreadCount")
        )
        if total is not None and idle is not None and standby is not None:
            used = share(max(0.0, total - idle - standby), total - standby)
            threads += [] if used is None else [Pool(label(name), used)]
    most = {label(name): bean.get("MaxCapacity") for name, bean in beans(told, "params")}
    sources = []
    for name, bean in beans(told, "datasources"):
        used = share(bean.get("ActiveConnectionsCurrentCount"), most.get(label(name)))
        sources += [] if used is None else [Pool(label(name), used)]
    return threads, sources


def _jboss(told: Told) -> tuple[list[Pool], list[Pool]]:
    sources = []
    for question in ("datasources", "xa"):
        for name, bean in beans(told, question):
            used, free = number(bean.get("InUseCount")), number(bean.get("AvailableCount"))
            value = None if used is None or free is None else share(used, used + free)
            sources += [] if value is None else [Pool(label(name), value)]
    return _pools(told, "workers", "busyTaskThreadCount", "maxPoolSize"), sources


def weblogic_waits(told: Told) -> dict[str, float]:
    """Return WebLogic's queue, its stuck threads and who waits for a connection."""
    sums: dict[str, float] = {}
    for question, attribute, metric in (
        ("execute", "QueueLength", "thread_queue"),
        ("execute", "StuckThreadCount", "threads_stuck"),
        ("datasources", "WaitingForConnectionCurrentCount", "jdbc_waiting"),
    ):
        for _, bean in beans(told, question):
            value = number(bean.get(attribute))
            if value is not None:
                sums[metric] = sums.get(metric, 0.0) + value
    return sums


def _pools(told: Told, question: str, used: str, most: str) -> list[Pool]:
    found = []
    for name, bean in beans(told, question):
        value = None if "connectionpool=" in name else share(bean.get(used), bean.get(most))
        if value is not None:
            found.append(Pool(label(name), value))
    return found


def beans(told: Told, question: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the beans that a pattern found, with their names."""
    for name, bean in list(_dict(told, question).items())[:MAX_BEANS]:
        if isinstance(bean, dict):
            yield str(name), bean


def label(name: str) -> str:
    """Return what tells one bean from its like: its key `name`, a data source's or a worker's own."""
    keys = dict(part.partition("=")[::2] for part in name.partition(":")[2].split(","))
    for key in ("name", "Name", "data-source", "xa-data-source", "worker"):
        if keys.get(key):
            return clip(keys[key].strip('"'), 100)
    return clip(name, 100)


def share(used: Any, most: Any) -> float | None:
    """Return a share in percent, or None where either is unknown or there is no most."""
    part, whole = number(used), _positive(most)
    return None if part is None or whole is None or part < 0 else 100 * part / whole


def number(value: Any) -> float | None:
    """Return a number of JSON, or None; a load that the JVM does not know is -1, and unlimited is, too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _positive(value: Any) -> float | None:
    found = number(value)
    return found if found is not None and found > 0 else None


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None or value < 0 else value * factor


def _dict(holder: Told | Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = (holder.answers if isinstance(holder, Told) else holder).get(name)
    return found if isinstance(found, dict) else {}
