"""MongoDB: latency, connections, cache, the replica set's members and their lag, the oplog's window.

Each thing is one command (MongoDB manual, Database Commands) over one connection; what the account has no
right for is left out and named. What speaks its protocol (FerretDB, DocumentDB) answers a part of them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from probes._driver import loaded
from probes._resolve import resolve
from probes.api import Context, MetricDef, Params, ProbeSpec, Reading, Seconds, Secret, Target, clip
from probes.database import _mongodb_answers as answers
from probes.database import _sql_defs
from probes.database._mongodb_reply import of_writing
from probes.database._sql import Answer, Findings, ServerParams, ending_with
from probes.database._sql_parameters import Setting, compare
from probes.database._streams import streams
from probes.errors import (
    ExpectationFailed,
    PermissionMissing,
)

if TYPE_CHECKING:
    from probes.database._mongodb_wire import MongoLink

EXPIRY_S = 60
"""After so long the document of a round trip that was broken off is gone (the server looks once a minute)."""
NO_SUCH = ("command_refused", "version_too_old")
Text = Annotated[str, Field(min_length=1, max_length=120)]
Port = Annotated[int, Field(ge=1, le=65535)]
SECONDARY_TOO = {"$readPreference": {"mode": "secondaryPreferred"}}
STATUS = {"serverStatus": 1, "metrics": 0, "locks": 0, "tcmalloc": 0, "opLatencies": 0, "transactions": 0}


class MongoRoundTrip(Params):
    """A document written, read and deleted, in a collection made for nothing else."""

    collection: Annotated[str, Field(max_length=120, pattern=r"^muster[A-Za-z0-9_]*$")]
    """The collection; its name begins with `muster`."""


class MongodbParams(ServerParams):
    """Parameters of `mongodb`."""

    port: Port = 27017
    """Port of the server."""
    user: Text | None = None
    """The monitor's account."""
    password: Secret | None = None
    """The account's password."""
    auth_source: Text = "admin"
    """The database in which the account is."""
    database: Text | None = None
    """The database whose size is told, and in which a round trip is made."""
    query_timeout: Annotated[Seconds, Field(gt=0, le=300)] = 5.0
    """Longest time for one command; the server ends what takes longer."""
    round_trip: MongoRoundTrip | None = None
    """Whether a document is written, read and deleted, and in which collection."""
    parameters: dict[Text, Setting] = Field(default_factory=dict, max_length=100)
    """What the server's parameters should be, by name (getParameter)."""

    @model_validator(mode="after")
    def _fit(self) -> MongodbParams:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        if self.round_trip is not None and self.database is None:
            raise ValueError("round_trip needs a database")
        return self


@dataclass(frozen=True, slots=True)
class _Run:
    params: MongodbParams
    context: Context
    findings: Findings
    link: MongoLink

    async def take(
        self,
        what: str,
        right: str,
        read: Callable[[Mapping[str, Any]], Answer],
        command: Mapping[str, Any],
        database: str = "admin",
    ) -> Mapping[str, Any]:
        """Ask, and take the answer in; what may not be asked, or is not known, is noted."""
        try:
            answer = await self.link.ask(database, {**command, **SECONDARY_TOO})
        except PermissionMissing as missing:
            self.findings.not_told.append(f"{what}: {missing.detail} (needs {right})")
        except ExpectationFailed as refused:
            if refused.detail.partition(":")[0] not in NO_SUCH:
                raise
            self.findings.not_told.append(f"{what}: {refused.detail}")
        else:
            self.findings.take(read(answer))
            return answer
        return {}


async def probe_mongodb(target: Target, params: MongodbParams, context: Context) -> Reading:
    """Ask one server.

    Raises `OwnLoginFailed` (wrong_password, login_refused), `PermissionMissing` (missing_right),
    `ExpectationFailed` (not_ready, read_only, disk_full, too_few_replicas), `TimedOut` (slow_query),
    `TlsFailed`, `ProtocolViolated`, `MissingDriver`, and what a connection comes to.
    """
    await loaded("bson", "mongodb")
    await loaded("scramp", "mongodb")
    from probes.database._mongodb_wire import MongoLink  # noqa: PLC0415 - imports the driver

    findings = Findings()
    with ending_with(findings, context):
        tls = (await params.tls_context(), params.tls_name(target))
        password = "" if params.password is None else context.shared.secret(params.password)
        address, resolve_ms = await resolve(target, context)
        findings.passed("resolve", resolve_ms)
        async with streams(address, params.port, tls, context, findings) as pair:
            link = MongoLink(pair, round(params.query_timeout * 1000), secure=params.tls == "on")
            await _survey(_Run(params, context, findings, link), password)
    return findings.reading()


async def _survey(run: _Run, password: str) -> None:
    hello = await _greet(run)
    if run.params.user is not None:
        run.context.phase, started = "login", time.perf_counter()
        mechanisms = [str(each) for each in hello.get("saslSupportedMechs") or ()]
        await run.link.log_in(run.params.user, password, run.params.auth_source, mechanisms)
        run.findings.passed("login", (time.perf_counter() - started) * 1000)
    run.context.phase, started = "query", time.perf_counter()
    await run.link.ask("admin", {"ping": 1})
    run.findings.metrics["ping_ms"] = (time.perf_counter() - started) * 1000
    await _ask_all(run, hello)
    run.findings.passed("query", (time.perf_counter() - started) * 1000)


async def _greet(run: _Run) -> Mapping[str, Any]:
    """Say hello, which needs no login; before 4.4.2 it was called isMaster."""
    run.context.phase = "login"
    more = {"helloOk": True}
    if run.params.user is not None:
        more["saslSupportedMechs"] = f"{run.params.auth_source}.{run.params.user}"  # type: ignore[assignment]
    try:
        hello = await run.link.ask("admin", {"hello": 1, **more})
    except ExpectationFailed as refused:
        if not refused.detail.startswith("version_too_old"):
            raise
        hello = await run.link.ask("admin", {"isMaster": 1, **more})
    run.findings.take(answers.read_hello(hello))
    return hello


async def _ask_all(run: _Run, hello: Mapping[str, Any]) -> None:
    await run.take("version, server", "a login", answers.read_build, {"buildInfo": 1})
    await run.take("connections, memory, cache, queued", "clusterMonitor", answers.read_status, STATUS)
    if hello.get("msg") == "isdbgrid":
        await run.take("shards", "clusterMonitor", answers.read_shards, {"listShards": 1})
    elif isinstance(hello.get("setName"), str):
        members = {"replSetGetStatus": 1}
        await run.take("members, replica_lag_s", "clusterMonitor", answers.read_members, members)
        await _oplog(run)
    if run.params.database is not None:
        size = {"dbStats": 1}
        await run.take("size_bytes", "clusterMonitor", answers.read_size, size, run.params.database)
    if run.params.parameters:
        await _parameters(run)
    if run.params.round_trip is not None:
        await _round_trip(run, run.params.database or "", run.params.round_trip.collection)


async def _oplog(run: _Run) -> None:
    ends: list[Mapping[str, Any]] = []
    for direction in (1, -1):
        entry = {
            "find": "oplog.rs", "sort": {"$natural": direction}, "limit": 1, "singleBatch": True,
            "projection": {"ts": 1},
        }  # fmt: skip
        found = await run.take("oplog_window_s", "read on local", lambda _: Answer(), entry, "local")
        if not found:
            return
        ends.append(answers.first_of(found))
    run.findings.take(answers.read_window(*ends))


async def _parameters(run: _Run) -> None:
    found: dict[str, str] = {}

    def read(answer: Mapping[str, Any]) -> Answer:
        found.update({name: _text(answer[name]) for name in run.params.parameters if name in answer})
        return Answer()

    for name in run.params.parameters:
        await run.take(f"parameters: {name}", "clusterMonitor", read, {"getParameter": 1, name: 1})
    comparison = compare(run.params.parameters, found)
    run.findings.take(Answer(comparison.metrics(), comparison.facts()))


def _text(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else clip(str(value), 300)


async def _round_trip(run: _Run, database: str, collection: str) -> None:
    """Write, read and delete a document; the index by which the server deletes it is made sure of first."""
    token, concern = (
        secrets.token_hex(16),
        {"w": "majority", "wtimeout": round(run.params.query_timeout * 1000)},
    )
    index = {"key": {"at": 1}, "name": "muster_expiry", "expireAfterSeconds": EXPIRY_S}
    await run.link.ask(database, {"createIndexes": collection, "indexes": [index]})
    started = time.perf_counter()
    document = {"_id": token, "at": datetime.now(UTC)}
    await _write(run, database, {"insert": collection, "documents": [document], "writeConcern": concern})
    found = await run.link.ask(database, {"find": collection, "filter": {"_id": token}, "limit": 1})
    deletes = [{"q": {"_id": token}, "limit": 1}]
    await _write(run, database, {"delete": collection, "deletes": deletes, "writeConcern": concern})
    if answers.first_of(found).get("_id") != token:
        raise ExpectationFailed("lost_document: what was written is not what is read")
    run.findings.metrics["round_trip_ms"] = (time.perf_counter() - started) * 1000


async def _write(run: _Run, database: str, command: Mapping[str, Any]) -> None:
    answer = await run.link.ask(database, command)
    if (ending := of_writing(answer, run.link.secrets)) is not None:
        raise ending


PROBE = ProbeSpec(
    name="mongodb",
    family="database",
    summary="MongoDB: latency, connections, cache, the replica set's members and lag, the oplog's window.",
    params=MongodbParams,
    run=probe_mongodb,
    metrics=(
        *_sql_defs.only(_sql_defs.METRICS, "connect_ms", "tls_ms"),
        MetricDef("login_ms", "ms", "lower", 0.001, "Logging in, the password's hashing included."),
        MetricDef("ping_ms", "ms", "lower", 0.001, "ping and its answer."),
        MetricDef("round_trip_ms", "ms", "lower", 0.001,
                  "A document written, read and deleted, by most members; only where asked for."),
        *answers.METRICS,
        *_sql_defs.only(_sql_defs.METRICS, "parameters_differing"),
    ),
    facts=(
        *answers.FACTS,
        *_sql_defs.only(_sql_defs.FACTS, "parameters", "not_told"),
    ),
    phases=_sql_defs.PHASES,
    kinds=_sql_defs.KINDS,
)  # fmt: skip
