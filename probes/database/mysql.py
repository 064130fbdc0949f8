"""MySQL, MariaDB, TiDB and OceanBase: can one log in and ask, how full, how far behind, and is it as wanted.

Measures by one session that reads only (`_mysql`), with what `_mysql_questions` asks of the engine it is.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from probes.api import Bytes, Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.database._mysql import MysqlSession, open_session
from probes.database._mysql_questions import questions, role, with_shares
from probes.database._sql import (
    Findings,
    SurveyParams,
    ask,
    asked_for,
    round_trip,
    select_one,
    within_session,
)
from probes.database._sql_defs import FACTS, KINDS, METRICS, PHASES, but


class MysqlParams(SurveyParams):
    """Parameters of `mysql`."""

    port: Annotated[int, Field(ge=1, le=65535)] = 3306
    """Port of the server; TiDB's is 4000, OceanBase's 2881 or its proxy's 2883."""
    size_limit: Annotated[Bytes, Field(gt=0)] | None = Field(
        None, description="To what size the database may grow: the engine does not know the disk below it."
    )


async def probe_mysql(target: Target, params: MysqlParams, context: Context) -> Reading:
    """Ask one server. Raises `Ending` with what was measured until then."""

    async def use(session: MysqlSession, findings: Findings) -> None:
        findings.facts |= {"version": session.flavour.version, "engine": session.flavour.name}
        await select_one(session, findings, context)
        if params.round_trip is not None:
            await round_trip(session, params.round_trip.table, findings, context)
        everything = (*questions(params, session.flavour), *asked_for(params))
        try:
            await ask(session, everything, findings, params, context)
        finally:
            findings.metrics |= with_shares(findings.metrics)
            findings.facts |= role(findings.metrics)

    return await within_session(open_session, use, target, params, context)


PROBE = ProbeSpec(
    name="mysql",
    family="database",
    summary="MySQL, MariaDB, TiDB, OceanBase: login, queries, sessions, replication, size, schema",
    params=MysqlParams,
    run=probe_mysql,
    metrics=(
        *but(METRICS, "replica_lag_bytes"),
        MetricDef("sources", "count", "none", 1, "Servers that this one follows as a replica."),
        MetricDef("replication_running", "count", "higher", 1,
                  "On a replica: 1 where all threads of replication run, else 0."),
        MetricDef("read_only", "count", "none", 1, "1 where the server takes no writes, else 0."),
    ),
    facts=(
        *FACTS,
        FactDef("engine", help="mysql, mariadb, tidb or oceanbase, by the server's greeting."),
        FactDef("replication", help="Each server that this one follows, and its threads and errors."),
    ),
    phases=PHASES,
    kinds=KINDS,
    default_every=60.0,
    default_timeout=15.0,
)  # fmt: skip
