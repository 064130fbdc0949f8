"""Any query, with conditions on what it gives: a count, a sum, an age; or the same rows as somewhere else.

It reads only: in a transaction that may not write, with a limit to time and rows. Rows are counted and
digested, and not kept unless the check says so.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from typing import Annotated, Any

from pydantic import Field, model_validator

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.database._sql import NOTHING, Findings, Session, Table, within_session
from probes.database._sql_defs import KINDS
from probes.database._sql_reference import OtherQuery, QueryParams, Scalar, apart_from, of_file, of_rows
from probes.database._sql_refusal import Refusal
from probes.database._sql_rows import apart, canonical, compare, digest, numbers, texts
from probes.errors import Ending, Inconclusive, from_oserror

SPARE_S = 0.3
"""What of a run's time is left when the other side is given up."""
FIRST_ROWS = 20


class SqlParams(QueryParams):
    """Parameters of `sql`."""

    limit: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Rows that are read; where there are more, `truncated` says so, and none are counted or compared."""
    keep: bool = False
    """Whether what the rows say is kept: texts as facts, the first rows, the differences."""
    equals_rows: Annotated[list[list[Scalar] | Scalar], Field(min_length=1, max_length=10_000)] | None = None
    """The rows that there should be, in any order; a lone value is a row of one column."""
    equals_file: Annotated[str, Field(min_length=1)] | None = None
    """A CSV file of the monitor's with the rows that there should be; its first line names the columns."""
    equals_query: OtherQuery | None = None
    """A query elsewhere that should give the same rows."""

    @model_validator(mode="after")
    def _one_reference(self) -> SqlParams:
        given = [self.equals_rows, self.equals_file, self.equals_query]
        if sum(reference is not None for reference in given) > 1:
            msg = "give one of equals_rows, equals_file and equals_query"
            raise ValueError(msg)
        return self

    @property
    def compares(self) -> bool:
        """Whether the rows are compared with anything."""
        return any((self.equals_rows, self.equals_file, self.equals_query))


async def probe_sql(target: Target, params: SqlParams, context: Context) -> Reading:
    """Ask the query, and the other side where there is one. Raises `Ending` with what was measured."""

    async def use(session: Session, findings: Findings) -> None:
        table = await _asked(session, params, context, findings)
        await asyncio.to_thread(_describe, table, params, findings)
        if params.compares:
            await _compare(table, target, params, context, findings)

    return await within_session(await _opener(params), use, target, params, context)


async def _opener(params: QueryParams) -> Any:
    """Return how the engine opens a session (`_sql.Opener`); its module is loaded when it is asked for."""
    name = f"probes.database._{params.engine}"
    module: Any = sys.modules.get(name) or await asyncio.to_thread(importlib.import_module, name)
    return module.open_session


async def _asked(session: Session, params: SqlParams, context: Context, findings: Findings) -> Table:
    context.phase, started = "query", time.perf_counter()
    try:
        table = await session.rows(params.query, params.limit)
    except Refusal as refusal:
        raise refusal.of_query() from None
    took_ms = (time.perf_counter() - started) * 1000
    findings.passed("query", took_ms)
    findings.metrics["query_ms"] = took_ms
    return table


def _describe(table: Table, params: SqlParams, findings: Findings) -> None:
    """Note what the rows are; what columns are called never displaces what the probe itself reports."""
    own = {metric.name for metric in PROBE.metrics} - {"value"}
    named = {name: value for name, value in numbers(table).items() if name not in own}
    findings.metrics |= named
    findings.facts["truncated"] = "yes" if table.more else "no"
    if table.more:
        findings.not_told.append(f"rows, digest: there are more than {len(table.rows)}")
    else:
        findings.metrics["rows"] = float(len(table.rows))
        findings.facts["digest"] = digest(canonical(table.rows))
    if params.keep:
        own = {fact.name for fact in PROBE.facts} - {"value"}
        findings.facts |= {name: text for name, text in texts(table).items() if name not in own}
        findings.facts["first_rows"] = clip("; ".join(canonical(table.rows[:FIRST_ROWS])) or NOTHING)


async def _compare(
    table: Table, target: Target, params: SqlParams, context: Context, findings: Findings
) -> None:
    """Compare, where both sides are whole; a reference that can't be had is never the target's failure."""
    context.phase, started = "reference", time.perf_counter()
    try:
        reference = await _reference(target, params, context)
    except Ending as ending:
        findings.not_told.append(f"differences: the reference: {ending.kind}: {ending.detail}")
        return
    finally:
        findings.passed("reference", (time.perf_counter() - started) * 1000)
    why = _incomparable(table, reference)
    if why:
        findings.not_told.append(f"differences: {why}")
        return
    found = await asyncio.to_thread(lambda: compare(canonical(table.rows), canonical(reference.rows)))
    findings.metrics |= found.metrics() | apart(table, reference)
    if params.keep:
        findings.facts["differing"] = found.shown()


def _incomparable(table: Table, reference: Table) -> str:
    if table.more or reference.more:
        return "there are more rows than the limit"
    return "" if reference.rows else "the reference is empty"


async def _reference(target: Target, params: SqlParams, context: Context) -> Table:
    if params.equals_rows is not None:
        return of_rows(params.equals_rows)
    if params.equals_file is not None:
        return await of_file(params.equals_file, params.limit)
    assert params.equals_query is not None
    try:
        async with asyncio.timeout(max(0.0, context.remaining - SPARE_S)):
            return await _other(target, params.equals_query, params.limit, context)
    except TimeoutError:
        raise Inconclusive("no time was left for it") from None


async def _other(target: Target, other: OtherQuery, limit: int, context: Context) -> Table:
    """Ask the other side. Raises `Ending`: what an answer of it stands for is not the target's."""
    aside, findings = apart_from(context)
    try:
        session: Session = await (await _opener(other))(other.target(target), other, aside, findings)
        try:
            return await session.rows(other.query, limit)
        finally:
            await session.aclose()
    except Refusal as refusal:
        raise refusal.ending() from None
    except OSError as error:
        raise from_oserror(error, aside.phase) from None


PROBE = ProbeSpec(
    name="sql",
    family="database",
    summary="Any query on any engine: rows, a value, the same rows as a list or another database",
    params=SqlParams,
    run=probe_sql,
    metrics=(
        MetricDef("connect_ms", "ms", "lower", 0.001, "TCP connect."),
        MetricDef("tls_ms", "ms", "lower", 0.001, "TLS handshake."),
        MetricDef("login_ms", "ms", "lower", 0.001, "From connected to logged in."),
        MetricDef("query_ms", "ms", "lower", 0.001, "From asking to the last row."),
        MetricDef("rows", "count", "none", 1, "Rows that there are; absent if there are more than `limit`."),
        MetricDef("value", "count", "none", None, "The cell, where the query gives one, and it is a number."),
        MetricDef("missing", "count", "lower", 1, "Rows of the reference that are not there."),
        MetricDef("unexpected", "count", "lower", 1, "Rows that are not in the reference."),
        MetricDef("differences", "count", "lower", 1, "The sum of both."),
    ),
    facts=(
        FactDef("digest", help="SHA-256 over all rows, in whatever order; absent where it is truncated."),
        FactDef("truncated", help="yes where there are more rows than `limit`, else no."),
        FactDef("first_rows", help="The first rows, only with `keep`."),
        FactDef("differing", help="The first differences, only with `keep`; or none."),
        FactDef("not_told", help="What could not be compared, and why; or none."),
    ),
    phases=("resolve", "connect", "tls", "login", "query", "reference"),
    kinds=KINDS,
    dynamic=True,
    default_every=300.0,
    default_timeout=30.0,
)  # fmt: skip
