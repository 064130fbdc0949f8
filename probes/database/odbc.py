"""Any database by an ODBC driver of the monitor: SQL Server, Dameng, DB2, and what else has one.

What every engine can be asked is asked of the driver (SQLGetInfo), and by the check's own queries.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.database._odbc import SMALLEST, OdbcSession, open_session
from probes.database._odbc_params import DriverParams
from probes.database._sql import (
    Findings,
    SurveyParams,
    ask,
    asked_for,
    round_trip,
    select_one,
    within_session,
)
from probes.database._sql_defs import KINDS, facts, metrics


class OdbcParams(SurveyParams, DriverParams):
    """Parameters of `odbc`."""

    driver: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^{}\r\n\x00]+$")]
    """The ODBC driver, by its name in the monitor's odbcinst.ini (`odbcinst -q -d`)."""


async def probe_odbc(target: Target, params: OdbcParams, context: Context) -> Reading:
    """Ask one server. Raises `Ending` with what was measured until then."""

    async def ask_all(session: OdbcSession, findings: Findings) -> None:
        context.phase = "query"
        findings.facts |= {name: clip(text) for name, text in (await session.about()).items()}
        await select_one(session, findings, context, SMALLEST.get(params.spoken, "select 1"))
        if params.round_trip is not None:
            await round_trip(session, params.round_trip.table, findings, context)
        if params.parameters:
            findings.not_told.append("parameters: not known how to ask this engine for them")
        await ask(session, asked_for(params), findings, params, context)

    return await within_session(open_session, ask_all, target, params, context)


PROBE = ProbeSpec(
    name="odbc",
    family="database",
    summary="Any database by an ODBC driver of the monitor: login, queries, what the driver tells",
    params=OdbcParams,
    run=probe_odbc,
    metrics=(
        MetricDef("login_ms", "ms", "lower", 0.001, "All from connecting, with TLS, to logged in."),
        *(metric for metric in metrics() if metric.name in ("select_ms", "round_trip_ms", "backup_age_s")),
    ),
    facts=(*facts(), FactDef("driver", help="The driver and its version.")),
    phases=("resolve", "login", "query"),
    kinds=KINDS,
    default_every=60.0,
    default_timeout=15.0,
)
