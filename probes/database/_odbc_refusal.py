"""What an ODBC driver says when it did not do what it was asked, in the words of all databases: pure.

pyodbc gives the SQLSTATE and a text that ends in the engine's own number: "... (1045) (SQLDriverConnect)".
Sources: ODBC Programmer's Reference, appendix A; each engine's list of error numbers.
"""

from __future__ import annotations

import re

from probes.database import _mysql_refusal, _postgresql
from probes.database._odbc_string import Dialect
from probes.database._sql_refusal import Refusal

NUMBER = re.compile(r"\((-?\d{1,9})\) \(SQL\w+\)")
STATES = {
    "28000": "wrong_password", "08004": "login_refused", "42501": "missing_right", "25006": "read_only",
    "42S02": "no_such_table", "42S22": "no_such_table", "HY008": "slow_query", "HYT00": "slow_query",
    "HYT01": "slow_query", "HY018": "slow_query",
}  # fmt: skip
"""What any driver may say (the rest of class 42 is a `bad_query`)."""
NUMBERS: dict[Dialect, dict[int, str]] = {
    "mssql": {
        18456: "wrong_password", 18486: "account_locked", 18470: "account_locked", 18487: "password_expired",
        18488: "password_expired", 4060: "no_such_database", 4064: "no_such_database", 229: "missing_right",
        230: "missing_right", 262: "missing_right", 297: "missing_right", 300: "missing_right",
        371: "missing_right", 916: "missing_right", 208: "no_such_table", 207: "no_such_table",
        3906: "read_only", 1105: "disk_full", 1101: "disk_full", 9002: "disk_full",
        17809: "too_many_connections", 10928: "too_many_connections", 1222: "slow_query",
        6005: "not_ready", 18401: "not_ready", 921: "not_ready", 927: "not_ready",
    },
    "dameng": {
        -2501: "wrong_password", -5504: "missing_right", -2106: "no_such_table", -2111: "no_such_table",
        -2007: "bad_query",
    },
    "db2": {
        -30082: "wrong_password", -551: "missing_right", -552: "missing_right", -1060: "missing_right",
        -204: "no_such_table", -206: "no_such_table", -1013: "no_such_database", -1031: "no_such_database",
        -289: "disk_full", -964: "disk_full", -968: "disk_full", -1040: "too_many_connections",
        -1226: "too_many_connections", -911: "slow_query", -913: "slow_query", -952: "slow_query",
        -1773: "read_only", -1776: "read_only",
    },
    "mysql": {2026: "tls_refused", 2059: "unknown_login"},
    "sqlite": {8: "read_only", 13: "disk_full", 14: "no_such_database"},
}  # fmt: skip
"""The engines' own numbers; of SQL Server, Dameng and DB2 after the vendors' documents, not seen here."""
SAYINGS = (
    ("password authentication failed", "wrong_password"), ("no password supplied", "wrong_password"),
    ("认证失败", "wrong_password"), ("no encryption", "tls_required"), ("certificate", "tls_refused"),
    ("does not support SSL", "tls_refused"), ("SSL error", "tls_refused"), ("TLS/SSL", "tls_refused"),
    ("too many", "too_many_connections"), ("connection slots", "too_many_connections"),
    ("starting up", "not_ready"), ("shutting down", "not_ready"), ("recovery", "not_ready"),
    ("no such table", "no_such_table"), ("no such column", "no_such_table"),
    ("readonly database", "read_only"), ("disk is full", "disk_full"), ("database is locked", "not_ready"),
    ("unable to open database", "no_such_database"), ("syntax error", "bad_query"),
    ("permission denied for database", "missing_right"),
)  # fmt: skip
"""What a text says, where a driver gives neither state nor number of the server's."""
NO_DATABASE = re.compile(r'database "[^"]*" does not exist')
NO_DRIVER = ("IM002", "IM003", "IM004")
GONE = ("08S01", "08003", "08006", "08007", "57P01")


def no_driver(state: str, text: str) -> bool:
    """Whether the driver itself is not installed."""
    return state in NO_DRIVER or "Can't open lib" in text


def gone(state: str) -> bool:
    """Whether the connection broke off."""
    return state in GONE


def refusal(state: str, text: str, dialect: Dialect, said: str) -> Refusal | None:
    """Return what the server refused, `said` being the text cleaned; None where no server said anything."""
    found = NUMBER.search(text)
    number = int(found[1]) if found else 0
    if dialect == "mysql" and number in _mysql_refusal.NUMBERS:
        return _mysql_refusal.refusal(number, NUMBER.sub("", said).strip())
    if dialect == "postgresql" and state in _postgresql.STATES:
        return _postgresql.refusal(state, said)
    word = NUMBERS.get(dialect, {}).get(number) or STATES.get(state) or _by_text(text)
    if not word and state.startswith(("42", "37")):
        word = "bad_query"
    return Refusal(word, said) if word else None


def _by_text(text: str) -> str:
    if NO_DATABASE.search(text):
        return "no_such_database"
    said = next((word for part, word in SAYINGS if part in text), "")
    return said or ("login_refused" if "FATAL" in text else "")
