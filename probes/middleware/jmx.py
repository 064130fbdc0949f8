"""A JVM by Jolokia (HTTP, one bulk request): heap after collections, threads, pools of the server in it.

`heap_after_gc_pct` is what the old objects left when they were last collected: the heap's use at any moment
says little. Where they never were, or a bean may not be read, the metric is left out and `not_told` says so.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from probes._clean import cleaned
from probes._http_body import as_fact
from probes._service import (
    ADDRESS,
    CONNECT_MS,
    KINDS,
    NOT_TOLD,
    QUERY_MS,
    TLS_MS,
    Notes,
    Port,
    address_of,
)
from probes._web import Web, WebParams, refuse
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Target, clip
from probes.errors import ExpectationFailed, PermissionMissing, ProtocolViolated
from probes.middleware import _jmx as jvm
from probes.middleware._counters import LastCounters, Sample, deltas
from probes.middleware._jmx import Told

CONFIG = "includeStackTrace=false&ignoreErrors=true&canonicalNaming=false"
Text = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]+$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
METRICS = (
    CONNECT_MS, TLS_MS, QUERY_MS,
    MetricDef("uptime_s", "s", "none", 1, "Since the JVM was started."),
    MetricDef("heap_used_bytes", "bytes", "none", 1, "Heap in use, garbage included."),
    MetricDef("heap_max_bytes", "bytes", "none", 1, "Most the heap may grow to."),
    MetricDef("heap_used_pct", "%", "none", 0.01, "Heap in use of its most, garbage included."),
    MetricDef("heap_after_gc_pct", "%", "lower", 0.01,
              "The fullest pool of old objects, right after it was last collected."),
    MetricDef("gc_time_pct", "%", "lower", 0.001, "Time spent on collecting, since the run before."),
    MetricDef("threads", "count", "lower", 1, "Live threads."),
    MetricDef("threads_peak", "count", "lower", 1, "Most threads at a time since the start."),
    MetricDef("threads_deadlocked", "count", "lower", 1, "Threads that wait for each other for good."),
    MetricDef("files_used", "count", "lower", 1, "Open files of the process (not on Windows)."),
    MetricDef("files_used_pct", "%", "lower", 0.01, "Open files of the most it may open."),
    MetricDef("cpu_pct", "%", "lower", 0.01, "Processor time of the JVM, of all processors."),
    MetricDef("thread_pool_used_pct", "%", "lower", 0.01, "The fullest pool of threads (`server`)."),
    MetricDef("jdbc_pool_used_pct", "%", "lower", 0.01, "The fullest pool of connections (`server`)."),
    MetricDef("thread_queue", "count", "lower", 1, "Requests that wait for a thread (WebLogic)."),
    MetricDef("threads_stuck", "count", "lower", 1, "Threads stuck in a request (WebLogic)."),
    MetricDef("jdbc_waiting", "count", "lower", 1, "Requests that wait for a connection (WebLogic)."),
)  # fmt: skip
FACTS = (
    FactDef("version", "version", "Version of Java."),
    FactDef("jvm", help="Name of the JVM."),
    FactDef("server", help="The application server, as the agent knows it."),
    FactDef("server_version", "version", "Its version."),
    FactDef("agent_version", "version", "Version of the Jolokia agent."),
    FactDef("thread_pool", help="The fullest pool of threads."),
    FactDef("jdbc_pool", help="The fullest pool of connections."),
    ADDRESS,
    NOT_TOLD,
)
REPORTED = frozenset(item.name for item in (*METRICS, *FACTS))


class Own(Params):
    """An attribute of one's own."""

    mbean: Text
    """Name of the bean; no pattern."""
    attribute: Text
    """Its attribute."""
    path: Text | None = None
    """Way into the attribute's value, e.g. `used`."""

    @field_validator("mbean")
    @classmethod
    def _one(cls, value: str) -> str:
        if ":" not in value or "*" in value or "?" in value:
            raise ValueError("write the whole name of one bean, e.g. java.lang:type=Memory")
        return value


class JmxParams(WebParams):
    """Parameters of `jmx`."""

    port: Port = 8080
    """Where the agent listens: the server's own port, or 8778 for the JVM agent."""
    path: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=500)] = "/jolokia/"
    """The agent's path."""
    server: Literal["tomcat", "weblogic", "jboss"] | None = None
    """Whose pools to look at."""
    mbeans: Annotated[dict[Name, Own], Field(max_length=100)] = Field(default_factory=dict)
    """Attributes of one's own, by the name of the metric (a number) or fact (anything else)."""

    @field_validator("mbeans")
    @classmethod
    def _new_names(cls, value: dict[str, Own]) -> dict[str, Own]:
        if taken := sorted(REPORTED & value.keys()):
            raise ValueError(f"mbeans: {taken[0]} is reported already; choose another name")
        return value

    def questions(self) -> dict[str, dict[str, Any]]:
        """Return what is asked, by name; names of one's own begin with a colon."""
        own = {
            f":{name}": {"type": "read", "mbean": bean.mbean, "attribute": bean.attribute}
            | ({} if bean.path is None else {"path": bean.path})
            for name, bean in self.mbeans.items()
        }
        return jvm.PLATFORM | jvm.PRESETS.get(self.server or "", {}) | own


async def probe_jmx(target: Target, params: JmxParams, context: Context) -> Reading:
    """Ask one JVM.

    Raises `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right: the agent lets nothing be
    read), `ExpectationFailed` (another HTTP status), `ProtocolViolated` (no Jolokia), and what a connection
    comes to.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        async with Web(target, address, params.port, params, notes) as web:
            told = await _ask(web, params, context)
        for name, why in (told.denied | told.absent).items():
            if name in told.denied or name in jvm.PLATFORM or name.startswith(":"):
                notes.missing(f"{name.removeprefix(':')}: {cleaned(why, params.secrets(context))}")
        if not told.answers.keys() & jvm.PLATFORM.keys() - {"agent"}:
            raise PermissionMissing("missing_right: the agent lets nothing of the JVM be read")
        notes.metrics |= jvm.figures(told) | _collecting(target, params, told, context)
        notes.facts |= jvm.facts(told)
        if "pools" in told.answers and "heap_after_gc_pct" not in notes.metrics:
            notes.missing("heap_after_gc_pct: the old objects were never collected yet")
        if params.server is not None:
            _pools(params.server, told, notes)
        _own(told, notes)
    return notes.reading()


async def _ask(web: Web, params: JmxParams, context: Context) -> Told:
    questions = params.questions()
    sign = "&" if "?" in params.path else "?"
    fields = [("Content-Type", "application/json"), *params.login(context)]
    body = json.dumps([*questions.values()]).encode()
    answer = await web.ask("POST", f"{params.path}{sign}{CONFIG}", fields=fields, body=body)
    refuse(answer, params.path, params.secrets(context))
    document = await answer.json()
    if isinstance(document, dict) and "error" in document:
        why = cleaned(str(document["error"]), params.secrets(context))
        if document.get("status") == 403:
            raise PermissionMissing(f"missing_right: {why}")
        raise ExpectationFailed(f"refused: {why}")
    if not isinstance(document, list) or len(document) != len(questions):
        raise ProtocolViolated(f"no answer of Jolokia: {clip(as_fact(document), 80)}")
    return jvm.sorted_out([*questions], document)


def _collecting(target: Target, params: JmxParams, told: Told, context: Context) -> dict[str, float]:
    counted = jvm.collected(told)
    if not counted:
        return {}
    start = told.answers.get("runtime", {}).get("StartTime")
    key = ("jmx", target.address, params.port, params.path)
    now = Sample(counted, str(start))
    before = context.shared.get(LastCounters).swap(key, now)
    if before is None:
        return {}
    grown = deltas(before, now)[1]
    return {"gc_time_pct": 100 * grown["collecting"] / grown["uptime"]} if grown["uptime"] else {}


def _pools(server: str, told: Told, notes: Notes) -> None:
    if server == "weblogic":
        notes.metrics |= jvm.weblogic_waits(told)
    for what, found in zip(("thread_pool", "jdbc_pool"), jvm.pools(server, told), strict=True):
        if not found:
            notes.missing(f"{what}_used_pct: no pool tells how much it may hold")
            continue
        fullest = max(found, key=lambda pool: pool.used_pct)
        notes.metrics[f"{what}_used_pct"] = fullest.used_pct
        notes.facts[what] = fullest.name


def _own(told: Told, notes: Notes) -> None:
    for name, value in told.answers.items():
        if name.startswith(":"):
            number = jvm.number(value)
            if number is not None:
                notes.metrics[name[1:]] = number
            elif value is not None:
                notes.facts[name[1:]] = as_fact(value)


PROBE = ProbeSpec(
    name="jmx",
    family="middleware",
    summary="A JVM by Jolokia: heap after collections, threads, pools of Tomcat, WebLogic and JBoss.",
    params=JmxParams,
    run=probe_jmx,
    metrics=METRICS,
    facts=FACTS,
    names_in=("mbeans",),
    phases=("resolve", "connect", "tls", "query"),
    kinds=KINDS,
)  # fmt: skip
