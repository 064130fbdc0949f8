"""PostgreSQL: can one log in and ask, how full, how old, how far behind, and is it as the manifest says.

Measures by one session that reads only (`_postgresql`), with what `_postgresql_questions` asks.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from probes.api import Bytes, Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.database._postgresql import open_session
from probes.database._postgresql_questions import questions
from probes.database._sql import SurveyParams, survey
from probes.database._sql_defs import FACTS, KINDS, METRICS, PHASES


class PostgresqlParams(SurveyParams):
    """Parameters of `postgresql`."""

    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    """Port of the server."""
    tablespace_limits: dict[str, Annotated[Bytes, Field(gt=0)]] = Field(
        default_factory=dict,
        description="To what size each tablespace may grow: PostgreSQL does not know the disks below it.",
    )


async def probe_postgresql(target: Target, params: PostgresqlParams, context: Context) -> Reading:
    """Ask one server. Raises `Ending` with what was measured until then."""
    return await survey(open_session, questions, target, params, context)


PROBE = ProbeSpec(
    name="postgresql",
    family="database",
    summary="PostgreSQL: login, queries, sessions, replication, sizes, parameters, schema",
    params=PostgresqlParams,
    run=probe_postgresql,
    metrics=(
        *METRICS,
        MetricDef("receiving", "count", "higher", 1, "1 where a replica receives from its primary, else 0."),
        MetricDef("slots_inactive", "count", "lower", 1, "Replication slots that nobody reads."),
        MetricDef("archive_age_s", "s", "lower", 1, "Since the log was last archived; no backup by itself."),
        MetricDef("archive_failing", "count", "lower", 1, "1 where the last try to archive the log failed."),
    ),
    facts=(
        *FACTS,
        FactDef("ctype", help="Character classification of the database."),
        FactDef("replication", help="The replicas that this server feeds, or none."),
        FactDef("tablespaces", help="Each tablespace and its size in bytes."),
    ),
    phases=PHASES,
    kinds=KINDS,
    default_every=60.0,
    default_timeout=15.0,
)  # fmt: skip
