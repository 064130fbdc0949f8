"""What the error numbers of MySQL and MariaDB stand for (MySQL, Error Message Reference); pure."""

from __future__ import annotations

from probes.database._sql_refusal import Refusal

NUMBERS = {
    1045: "wrong_password", 1698: "login_refused", 1129: "login_refused", 1130: "login_refused",
    1820: "password_expired", 1862: "password_expired", 3118: "account_locked", 4151: "account_locked",
    3159: "tls_required",
    1040: "too_many_connections", 1203: "too_many_connections", 1226: "too_many_connections",
    1053: "not_ready", 1079: "not_ready", 1049: "no_such_database",
    1044: "missing_right", 1142: "missing_right", 1143: "missing_right", 1227: "missing_right",
    1345: "missing_right", 1370: "missing_right", 1419: "missing_right",
    1290: "read_only", 1792: "read_only", 1836: "read_only", 4060: "read_only",
    1021: "disk_full", 1114: "disk_full", 1026: "disk_full",
    1028: "slow_query", 1205: "slow_query", 1317: "slow_query", 1969: "slow_query", 3024: "slow_query",
    1051: "no_such_table", 1054: "no_such_table", 1109: "no_such_table", 1146: "no_such_table",
    1193: "version_too_old", 1235: "version_too_old",
    1064: "bad_query", 1065: "bad_query", 1305: "bad_query",
}  # fmt: skip
"""Error number to the word for it; others are a `query_refused`."""
FULL = ("No space left on device", "Errcode: 28")
"""How an error of files and storage engines (1030 and others) says that the disk is full."""


def refusal(number: int, said: str) -> Refusal:
    """Return what an error stands for, with what the server said (cleaned already)."""
    word = NUMBERS.get(number, "query_refused")
    if word == "query_refused" and any(text in said for text in FULL):
        word = "disk_full"
    if number == 1290 and "read-only" not in said and "read_only" not in said:
        word = "query_refused"
    return Refusal(word, f"{said} ({number})")
