"""A search cluster (Elasticsearch, OpenSearch, Easysearch): health, disks, and whether an index is fresh.

Each question is asked on its own: a missing right leaves out what it forbids, and `not_told` names it.
Documents are counted, and the newest of their times is taken; none of them is read.
"""

from __future__ import annotations

import binascii
import datetime as dt
import json
import secrets
import time
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field, model_validator

from probes._clean import cleaned
from probes._clock import monitor_clock
from probes._leftovers import Leftovers
from probes._resolve import Address
from probes._service import (
    ADDRESS,
    CONNECT_MS,
    KINDS,
    NOT_TOLD,
    QUERY_MS,
    ROUND_TRIP_MS,
    TLS_MS,
    Notes,
    Port,
    address_of,
)
from probes._web import Web, WebParams
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Secret, Target
from probes.errors import (
    Ending,
    ExpectationFailed,
    NotMeasured,
    PermissionMissing,
    ProberFault,
    ProtocolViolated,
)
from probes.middleware import _elasticsearch as answers

MAX_ANSWER = 4 * 1024 * 1024
STATS = (
    "/_nodes/stats/fs,jvm?filter_path=_nodes,nodes.*.name,nodes.*.timestamp,nodes.*.roles,"
    "nodes.*.fs.total,nodes.*.jvm.mem.heap_used_percent"
)
SETTINGS = "/_cluster/settings?include_defaults=true&flat_settings=true"


class ElasticsearchParams(WebParams):
    """Parameters of `elasticsearch`."""

    port: Port = 9200
    """Where the cluster's REST interface listens."""
    api_key: Secret | None = None
    """An API key, encoded as it was given out, in place of user and password."""
    index: (
        Annotated[str, Field(pattern=r"^[^\s/?#%\"\\<>|A-Z_-][^\s/?#%\"\\<>|A-Z]*$", max_length=255)] | None
    ) = None
    """An index, alias or pattern whose documents are counted, and the newest found."""
    query: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    """Count only documents that match (Lucene's syntax), as in `message: "muster marker"`."""
    time_field: Annotated[str, Field(pattern=r"^[\w@.-]+$", max_length=200)] = "@timestamp"
    """The documents' own time."""
    round_trip: Annotated[str, Field(pattern=r"^muster[a-z0-9._-]*$", max_length=100)] | None = None
    """An index of the probe's own, in which to write a document, search for it and delete it."""

    @model_validator(mode="after")
    def _make_sense(self) -> ElasticsearchParams:
        if self.api_key is not None and self.user is not None:
            raise ValueError("api_key and user are two ways to log in; choose one")
        if self.query is not None and self.index is None:
            raise ValueError("query needs an index to ask")
        return self

    def hidden(self, context: Context) -> tuple[str, ...]:
        """Return what must not be shown. Raises `ProberFault` for a missing secret."""
        if self.api_key is None:
            return self.secrets(context)
        return (context.shared.secret(self.api_key).strip(), *_halves(context.shared.secret(self.api_key)))

    def fields(self, context: Context) -> list[tuple[str, str]]:
        """Return the header fields that log in."""
        if self.api_key is None:
            return self.login(context)
        return [("Authorization", f"ApiKey {context.shared.secret(self.api_key).strip()}")]


def _halves(key: str) -> tuple[str, ...]:
    try:
        return tuple(half for half in binascii.a2b_base64(key).decode().split(":", 1)[1:] if half)
    except (binascii.Error, UnicodeDecodeError):
        return ()


@dataclass(frozen=True, slots=True)
class _Run:
    """What one run works with."""

    target: Target
    address: Address
    params: ElasticsearchParams
    notes: Notes
    web: Web

    async def ask(self, method: str, path: str, body: Any = None, phase: str = "query") -> Any:
        """Return what JSON is answered. Raises the `Ending` that another status than 2xx stands for."""
        context = self.notes.context
        fields = [*self.params.fields(context), ("Accept", "application/json")]
        data = b""
        if body is not None:
            fields.append(("Content-Type", "application/json"))
            data = json.dumps(body).encode()
        answer = await self.web.ask(method, path, fields=fields, body=data, limit=MAX_ANSWER, phase=phase)
        good = 200 <= answer.status < 300
        try:
            document = await answer.json()
        except ProtocolViolated:
            if good:
                raise
            document = {"error": answer.text() if not answer.truncated else ""}
        if good:
            return document
        ending = answers.refused(answer.status, document)
        ending.detail = cleaned(ending.detail, self.params.hidden(context))
        raise ending


async def probe_elasticsearch(target: Target, params: ElasticsearchParams, context: Context) -> Reading:
    """Ask one node of a cluster.

    Raises `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right: nothing may be asked, or
    not the index), `ExpectationFailed` (no_such_index, not_ready, disk_full, read_only, busy), `ProberFault`
    (bad_query), and what a connection comes to.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        async with Web(target, address, params.port, params, notes) as web:
            run = _Run(target, address, params, notes, web)
            clock = await _cluster(run)
            if params.index is not None:
                await _freshness(run, params.index, clock)
            if params.round_trip is not None:
                await _round_trip(run, params.round_trip)
    return notes.reading()


async def _cluster(run: _Run) -> float | None:
    """Ask for the cluster's state; return what its clock is ahead of `time.perf_counter`, where it tells."""
    missing: list[NotMeasured] = []
    root = await _allowed(run, "/", "version: cluster:monitor/main", missing)
    if root is not None:
        run.notes.facts |= answers.identity(root)
    state = await _allowed(run, "/_cluster/health", "status: cluster:monitor/health", missing)
    if state is not None:
        figures, run.notes.facts["status"] = answers.health(state)
        run.notes.metrics |= figures
    clock = await _disks(run, missing)
    if len(missing) == 4 and run.params.index is None and run.params.round_trip is None:
        raise missing[0]
    return clock


async def _allowed(run: _Run, path: str, what: str, missing: list[NotMeasured]) -> Any:
    """Ask, and return None where a right or the question itself is missing, which is noted."""
    try:
        return await run.ask("GET", path)
    except (PermissionMissing, ProberFault) as ending:
        missing.append(ending)
        run.notes.missing(f"{what} ({ending.detail[:100]})")
        return None


async def _disks(run: _Run, missing: list[NotMeasured]) -> float | None:
    stats = await _allowed(run, STATS, "disk, heap: cluster:monitor/nodes/stats", missing)
    at = time.perf_counter()
    settings = await _allowed(
        run, SETTINGS, "nodes_over_low, _high, _flood: cluster:monitor/settings", missing
    )
    if stats is None:
        return None
    found = answers.nodes(stats)
    run.notes.metrics |= found.metrics()
    if found.silent:
        run.notes.missing(f"disk, heap: {found.silent} nodes do not tell theirs")
    elif settings is not None:
        figures, fullest = answers.over_watermarks(found.nodes, settings)
        run.notes.metrics |= figures
        if figures:
            run.notes.facts["fullest"] = fullest or "none"
        else:
            run.notes.missing("nodes_over_low, _high, _flood: no disks, or no watermarks in effect")
    return None if found.now is None else found.now - at


async def _freshness(run: _Run, index: str, clock: float | None) -> None:
    notes, params = run.notes, run.params
    body = answers.search_body(params.query, params.time_field, notes.context.remaining - 0.5)
    path = f"/{quote(index, safe='*,-_.')}/_search?allow_no_indices=false"
    found = answers.hits(await run.ask("POST", path, body, phase="search"))
    notes.metrics["documents"] = found.documents
    if found.newest is None:
        notes.missing(f"newest_age_s: no document has a time in {params.time_field}")
        return
    notes.facts["newest"] = dt.datetime.fromtimestamp(found.newest, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if clock is not None:
        notes.metrics["newest_age_s"] = max(0.0, clock + time.perf_counter() - found.newest)
    elif monitor_clock() == "unsynchronised":
        notes.missing("newest_age_s: the nodes do not tell their time, and the monitor's is not synchronised")
    else:
        notes.metrics["newest_age_s"] = max(0.0, time.time() - found.newest)


async def _round_trip(run: _Run, index: str) -> None:
    """Write a document, search for it and delete it. Raises `ExpectationFailed` where it is not found."""
    path, gone = f"/{index}/_doc/muster-{secrets.token_hex(8)}", False
    try:
        await _written(run, index, path)
        await _delete(run, path)
        gone = True
    finally:
        if not gone:
            run.notes.context.shared.get(Leftovers).remove(_delete_later(run, path))


async def _written(run: _Run, index: str, path: str) -> None:
    at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    await run.ask("PUT", f"{path}?refresh=true", {"at": at, "by": "muster"}, phase="round_trip")
    body = answers.own_body(path.rpartition("/")[2])
    found = await run.ask("POST", f"/{index}/_search", body, phase="round_trip")
    if answers.hits(found).documents != 1:
        raise ExpectationFailed("round trip: the document that was written is not found")
    if answers.left(found):
        await _sweep(run, index)


async def _sweep(run: _Run, index: str) -> None:
    """Delete what monitors that were killed amid a round trip left behind."""
    path = f"/{index}/_delete_by_query?conflicts=proceed&max_docs=100"
    try:
        await run.ask("POST", path, {"query": answers.STALE}, phase="sweep")
    except Ending as ending:
        run.notes.missing(f"documents left by a monitor that was killed: {ending.detail[:200]}")


async def _delete(run: _Run, path: str) -> None:
    await run.ask("DELETE", path, phase="round_trip")


async def _delete_later(run: _Run, path: str) -> None:
    notes = Notes(Context(run.notes.context.shared, 5.0))
    async with Web(run.target, run.address, run.params.port, run.params, notes) as web:
        await _delete(_Run(run.target, run.address, run.params, notes, web), path)


PROBE = ProbeSpec(
    name="elasticsearch",
    family="middleware",
    summary="A search cluster (Elasticsearch, OpenSearch, Easysearch): health, disks, a fresh index.",
    params=ElasticsearchParams,
    run=probe_elasticsearch,
    metrics=(
        CONNECT_MS, TLS_MS, QUERY_MS,
        MetricDef("search_ms", "ms", "lower", 0.001, "Counting documents of the index, finding the newest."),
        ROUND_TRIP_MS,
        MetricDef("sweep_ms", "ms", "lower", 0.001, "Deleting what broken-off round trips left."),
        MetricDef("nodes", "count", "higher", 1, "Nodes of the cluster."),
        MetricDef("data_nodes", "count", "higher", 1, "Those that hold data."),
        MetricDef("active_shards", "count", "none", 1, "Shards that serve."),
        MetricDef("active_shards_pct", "%", "higher", 0.01, "Of all shards."),
        MetricDef("unassigned_shards", "count", "lower", 1, "Shards that are on no node."),
        MetricDef("initializing_shards", "count", "lower", 1, "Shards that are being made."),
        MetricDef("relocating_shards", "count", "none", 1, "Shards that move."),
        MetricDef("pending_tasks", "count", "lower", 1, "Changes of the cluster that wait."),
        MetricDef("longest_task_wait_ms", "ms", "lower", 1, "How long the first of them has waited."),
        MetricDef("heap_used_pct", "%", "lower", 1, "Heap of the data node where most of it is used."),
        MetricDef("disk_used_pct", "%", "lower", 0.01, "Disks of the data node where most is used."),
        MetricDef("disk_free_bytes", "bytes", "higher", 1, "Free on the data node where least is."),
        MetricDef("nodes_over_low", "count", "lower", 1, "Nodes that get no new shards: disk watermark low."),
        MetricDef("nodes_over_high", "count", "lower", 1, "Nodes that shards leave: watermark high."),
        MetricDef("nodes_over_flood", "count", "lower", 1, "Nodes whose indexes are read-only: flood stage."),
        MetricDef("documents", "count", "none", 1, "Documents of `index` that match `query`."),
        MetricDef("newest_age_s", "s", "lower", 1, "Age of the newest of them, by the nodes' own clock."),
    ),
    facts=(
        FactDef("version", "version", "Version of the node."),
        FactDef("product", help="elasticsearch, opensearch or easysearch."),
        FactDef("cluster", help="Name of the cluster."),
        FactDef("status", help="green; yellow (copies are missing); red (data is missing)."),
        FactDef("fullest", help="The fullest node where one is over a watermark, or none."),
        FactDef("newest", "datetime", "Time of the newest document of `index` that matches `query`."),
        ADDRESS,
        NOT_TOLD,
    ),
    phases=("resolve", "connect", "tls", "query", "search", "round_trip", "sweep"),
    kinds=KINDS,
)  # fmt: skip
