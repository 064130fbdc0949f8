"""Any database by an ODBC driver of the monitor: SQL Server, Dameng, DB2, and what else has one.

What every engine can be asked is asked of the driver (SQLGetInfo), and by the check's own queries.
SQL Server, Dameng and Db2 are asked more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import Field

from probes.api import Context, FactDef, ProbeSpec, Reading, Target, clip
from probes.database import _odbc_dameng, _odbc_db2, _odbc_mssql
from probes.database._odbc import SMALLEST, OdbcSession, open_session
from probes.database._odbc_params import DriverParams
from probes.database._odbc_string import Dialect
from probes.database._sql import (
    Findings,
    Question,
    SurveyParams,
    ask,
    asked_for,
    round_trip,
    select_one,
    within_session,
)
from probes.database._sql_defs import BY_DRIVER, FACTS, KINDS

QUESTIONS: dict[Dialect, Callable[[SurveyParams], Iterable[Question]]] = {
    "mssql": _odbc_mssql.questions,
    "dameng": _odbc_dameng.questions,
    "db2": _odbc_db2.questions,
}
"""What engines without a probe of their own are asked."""


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
        if params.parameters and params.spoken not in QUESTIONS:
            findings.not_told.append("parameters: not known how to ask this engine for them")
        more = QUESTIONS[params.spoken](params) if params.spoken in QUESTIONS else ()
        await ask(session, (*more, *asked_for(params)), findings, params, context)

    return await within_session(open_session, ask_all, target, params, context)


PROBE = ProbeSpec(
    name="odbc",
    family="database",
    summary="Any database by an ODBC driver of the monitor: login, queries, what the driver tells",
    params=OdbcParams,
    run=probe_odbc,
    metrics=BY_DRIVER,
    facts=(
        *FACTS,
        FactDef("driver", help="The driver and its version."),
        FactDef("edition", help="Edition of SQL Server."),
        FactDef("open_mode", help="read write or read only; with Dameng its status and mode."),
        FactDef("fullest", help="The fullest tablespace (file group) and its share."),
    ),
    phases=("resolve", "login", "query"),
    kinds=KINDS,
    default_every=60.0,
    default_timeout=15.0,
)  # fmt: skip
