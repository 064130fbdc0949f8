"""Databases and middleware."""

from __future__ import annotations

from monitor.dashboards.model import Board
from monitor.dashboards.parts import INCIDENTS, PLACE, WORK, of

SQL = ("postgresql", "mysql", "oracle", "odbc")
BROKERS = ("amqp", "mqtt", "nats", "stomp", "kafka")
QUEUES = ("amqp", "nats", "stomp", "kafka")

BOARD = Board(
    "services",
    "databases and middleware",
    "How fast databases and brokers answer, how full they are, and what waits.",
    PLACE,
    (
        of("SQL: a row is selected", "select_ms", *SQL),
        of("SQL: connections in use", "connections_used_pct", *SQL),
        of("SQL: fullest tablespace", "tablespace_used_pct", *SQL),
        of("Replicas behind", "replica_lag_s", *SQL, "mongodb", "redis"),
        of("Age of the last backup", "backup_age_s", *SQL),
        of("Waiting for locks", "locks_waiting", *SQL),
        of("Oldest transaction", "oldest_transaction_s", *SQL),
        of("Objects that are invalid", "invalid_objects", *SQL),
        of("Stores: connections in use", "connections_used_pct", "mongodb", "redis", "memcached"),
        of("Stores: memory in use", "memory_used_pct", "redis", "memcached"),
        of("Queries: differences found", "differences", "sql"),
        of("Messages: published and consumed", "round_trip_ms", *BROKERS),
        of("Messages waiting", "queue_depth", *QUEUES),
        of("Consumers", "consumers", *QUEUES, how="min"),
        of("JVM: heap after a collection", "heap_after_gc_pct", "jmx"),
        of("JVM: connection pools in use", "jdbc_pool_used_pct", "jmx"),
        of("JVM: threads stuck", "threads_stuck", "jmx"),
        of("Search: shards active", "active_shards_pct", "elasticsearch", how="min"),
        of("Balancer: members that answered", "members_seen", "load_balancer", how="min"),
        of("Balancer: requests that failed", "failed_pct", "load_balancer"),
        of("Directory: answers", "query_ms", "ldap"),
        of("Names: answers", "query_ms", "dns"),
        of("Coordination: answers", "query_ms", "etcd", "zookeeper"),
        of("Web servers: requests", "requests_per_s", "nginx"),
    ),
    (INCIDENTS, WORK),
)
