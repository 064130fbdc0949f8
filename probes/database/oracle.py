"""Oracle Database: can one log in and ask, how full, how old, how far behind, and is it as the manifest says.

Measures by one session that reads only (`_oracle`), with what `_oracle_questions` asks.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.database._oracle import OracleSession, open_session
from probes.database._oracle_questions import questions
from probes.database._sql import (
    Findings,
    SurveyParams,
    ask,
    asked_for,
    round_trip,
    select_one,
    within_session,
)
from probes.database._sql_defs import BY_DRIVER, FACTS, KINDS

SMALLEST = "select 1 from dual"


class OracleParams(SurveyParams):
    """Parameters of `oracle`."""

    port: Annotated[int, Field(ge=1, le=65535)] = 1521
    """Port of the listener."""
    by: Literal["service", "sid"] = "service"
    """What `database` names: a service, or a SID."""


async def probe_oracle(target: Target, params: OracleParams, context: Context) -> Reading:
    """Ask one database. Raises `Ending` with what was measured until then."""

    async def ask_all(session: OracleSession, findings: Findings) -> None:
        findings.facts |= {"version": session.version, "server": "Oracle Database"}
        await select_one(session, findings, context, SMALLEST)
        if params.round_trip is not None:
            await round_trip(session, params.round_trip.table, findings, context)
        await ask(session, (*questions(params), *asked_for(params)), findings, params, context)

    return await within_session(open_session, ask_all, target, params, context)


PROBE = ProbeSpec(
    name="oracle",
    family="database",
    summary="Oracle Database: login, queries, sessions, tablespaces, standby, backups, parameters, schema",
    params=OracleParams,
    run=probe_oracle,
    metrics=(
        *BY_DRIVER,
        MetricDef("transport_lag_s", "s", "lower", 1, "How far a standby is behind in what it received."),
        MetricDef("recovery_area_used_pct", "%", "lower", 0.01, "Of the recovery area, without what can go."),
        MetricDef("archive_failing", "count", "lower", 1, "Archive destinations in error."),
    ),
    facts=(
        *FACTS,
        FactDef("national", help="The national character set."),
        FactDef("container", help="The pluggable database, or CDB$ROOT."),
        FactDef("database_role", help="primary, physical standby, logical standby or snapshot standby."),
        FactDef("open_mode", help="read write, read only, read only with apply."),
        FactDef("log_mode", help="archivelog or noarchivelog."),
        FactDef("fullest", help="The fullest tablespace and its share."),
    ),
    phases=("resolve", "login", "query"),
    kinds=KINDS,
    default_every=60.0,
    default_timeout=15.0,
)  # fmt: skip
