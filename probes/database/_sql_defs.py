"""Names, units and meanings of what the probes of databases report: the same for every engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from probes.api import FactDef, MetricDef

PHASES = ("resolve", "connect", "tls", "login", "query")
KINDS = (
    "unreachable", "refused", "timeout", "dns", "tls", "protocol", "expectation",
    "auth", "permission", "inconclusive", "missing_driver", "prober_error",
)  # fmt: skip

METRICS = (
    MetricDef("connect_ms", "ms", "lower", 0.001, "TCP connect: the handshake's round trip, by the kernel."),
    MetricDef("tls_ms", "ms", "lower", 0.001, "TLS handshake."),
    MetricDef("login_ms", "ms", "lower", 0.001, "From connected (and TLS) to logged in."),
    MetricDef("select_ms", "ms", "lower", 0.001, "The smallest query there is."),
    MetricDef("round_trip_ms", "ms", "lower", 0.001,
              "A row written, read and deleted in one transaction, with its commit; only where asked for."),
    MetricDef("connections_used", "count", "lower", 1, "Sessions that there are."),
    MetricDef("connections_max", "count", "none", 1, "Sessions that ordinary accounts may have."),
    MetricDef("connections_used_pct", "%", "lower", 0.01, "The former of the latter."),
    MetricDef("size_bytes", "bytes", "none", 1, "Size of the database."),
    MetricDef("tablespace_used_pct", "%", "lower", 0.01, "The fullest tablespace, of what it may grow to."),
    MetricDef("free_bytes", "bytes", "higher", 1, "What is left in the tablespace where least is."),
    MetricDef("replica_lag_s", "s", "lower", 0.001,
              "How far a replica is behind; on a primary, the replica that is furthest behind."),
    MetricDef("replica_lag_bytes", "bytes", "lower", 1, "The same in bytes of log not yet replayed."),
    MetricDef("replicas", "count", "higher", 1, "Replicas that receive from this server."),
    MetricDef("oldest_transaction_s", "s", "lower", 0.001, "Age of the oldest open transaction, or 0."),
    MetricDef("locks_waiting", "count", "lower", 1, "Sessions that wait for a lock."),
    MetricDef("backup_age_s", "s", "lower", 1, "Age of the newest good backup that is known."),
    MetricDef("invalid_objects", "count", "lower", 1, "Objects that can't be used: `invalid_names`."),
    MetricDef("parameters_differing", "count", "lower", 1,
              "Parameters that are not as wanted; absent where none is known to, but not all were shown."),
)  # fmt: skip
FACTS = (
    FactDef("version", "version", "Version of the server."),
    FactDef("server", help="What the server calls itself."),
    FactDef("encoding", help="Character set of the database."),
    FactDef("collation", help="Collation of the database."),
    FactDef("timezone", help="Time zone of the server."),
    FactDef("role", help="primary (has replicas), replica or standalone."),
    FactDef("schema_version", "version", "What the query of the parameter of that name gave."),
    FactDef("parameters", help="Parameters that are not as wanted, and how they are; or none."),
    FactDef("invalid_names", help="Objects that can't be used (the first of them), or none."),
    FactDef("not_told", help="What could not be asked, why, and the right that is missing; or none."),
)
D = TypeVar("D", MetricDef, FactDef)


def only(known: Iterable[D], *names: str) -> tuple[D, ...]:
    """Return those of these names."""
    return tuple(each for each in known if each.name in names)


def but(known: Iterable[D], *names: str) -> tuple[D, ...]:
    """Return all but those of these names."""
    return tuple(each for each in known if each.name not in names)


BY_DRIVER = (
    MetricDef("login_ms", "ms", "lower", 0.001, "All from connecting, with TLS, to logged in."),
    *but(METRICS, "connect_ms", "tls_ms", "login_ms", "replica_lag_bytes"),
)
"""What is reported where the driver connects by itself, so that its steps can't be timed apart."""
