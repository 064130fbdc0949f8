"""Connection strings without a data source, by driver: where each keeps address, port, account and TLS.

Sources: the manuals of psqlODBC, MariaDB Connector/ODBC, MySQL Connector/ODBC, Microsoft ODBC Driver for SQL
Server, FreeTDS, Dameng DM8 and IBM Data Server Driver. What a check gives in `options` goes on top.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from probes.errors import ProberFault

Dialect = Literal["postgresql", "mysql", "mssql", "dameng", "db2", "sqlite", "other"]
PORTS: dict[Dialect, int] = {
    "postgresql": 5432, "mysql": 3306, "mssql": 1433, "dameng": 5236, "db2": 50000, "sqlite": 1,
}  # fmt: skip
"""Where each engine usually listens; SQLite is a file, and has none."""
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
_NAMES: tuple[tuple[str, Dialect], ...] = (
    ("postgresql", "postgresql"), ("kingbase", "postgresql"), ("mariadb", "mysql"), ("mysql", "mysql"),
    ("sql server", "mssql"), ("freetds", "mssql"), ("dm8", "dameng"), ("dameng", "dameng"), ("db2", "db2"),
    ("sqlite", "sqlite"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a connection string is made of; `host` is a number, `name` what a certificate must carry."""

    driver: str
    host: str
    name: str
    port: int
    database: str
    user: str
    password: str
    tls: bool = False
    verify: bool = True
    ca: str | None = None
    options: Mapping[str, str] | None = None


def dialect_of(driver: str) -> Dialect:
    """Return what speaks behind a driver of this name, as far as the name says."""
    folded = driver.lower()
    return next((dialect for part, dialect in _NAMES if part in folded), "other")


def connection_string(wanted: Wanted, dialect: Dialect) -> str:
    """Return the string. It holds the password: never show it. Raises `ProberFault` for TLS it can't ask."""
    pairs = {"DRIVER": wanted.driver}
    if dialect == "sqlite":
        pairs["Database"] = wanted.database
    else:
        pairs |= (
            _where(wanted, dialect) | {"UID": wanted.user, "PWD": wanted.password} | _tls(wanted, dialect)
        )
    pairs |= wanted.options or {}
    return "".join(f"{name}={_quoted(value)};" for name, value in pairs.items())


def _where(wanted: Wanted, dialect: Dialect) -> dict[str, str]:
    host, port, database = wanted.host, str(wanted.port), wanted.database
    if dialect == "postgresql":
        fetching = {"UseDeclareFetch": "1", "Fetch": "1000"}
        return {"Server": wanted.name, "Port": port, "Database": database} | fetching
    if dialect == "mysql":
        server = wanted.name if wanted.tls else host
        return {"SERVER": server, "PORT": port, "DATABASE": database, "NO_CACHE": "1", "FORWARDONLY": "1"}
    if dialect == "mssql" and "freetds" not in wanted.driver.lower():
        return {"Server": f"tcp:{host},{port}", "Database": database, "ApplicationIntent": "ReadOnly",
                "APP": "muster"}  # fmt: skip
    if dialect == "mssql":
        return {"Server": host, "Port": port, "Database": database, "TDS_Version": "7.4", "APP": "muster"}
    if dialect == "dameng":
        return {"SERVER": host, "TCP_PORT": port}
    if dialect == "db2":
        return {"HOSTNAME": host, "PORT": port, "PROTOCOL": "TCPIP", "DATABASE": database}
    return {"SERVER": host, "PORT": port, "DATABASE": database}


def _tls(wanted: Wanted, dialect: Dialect) -> dict[str, str]:
    on, verify = wanted.tls, wanted.verify
    ca = wanted.ca or ssl.get_default_verify_paths().cafile or SYSTEM_CA
    if dialect == "postgresql":
        mode = ("verify-full" if verify else "require") if on else "disable"
        root = f" sslrootcert='{ca}'" if on and verify else ""
        return {"SSLmode": mode, "pqopt": f"hostaddr={wanted.host}{root}"}
    if dialect == "mysql":
        return {"FORCETLS": "1", "SSLVERIFY": "1" if verify else "0", "SSLCA": ca} if on else {}
    if dialect == "mssql" and "freetds" not in wanted.driver.lower():
        trust = {"TrustServerCertificate": "no" if verify else "yes", "HostnameInCertificate": wanted.name}
        if on and wanted.ca:
            raise ProberFault("this driver trusts the system's authorities only; leave ca out")
        return {"Encrypt": "yes"} | trust if on else {"Encrypt": "no"}
    if on:
        raise ProberFault("how this driver speaks TLS is told by its own options; write tls: off, and them")
    return {}


def _quoted(value: str) -> str:
    """Return a value in braces, as SQLDriverConnect wants what holds special characters."""
    plain = value and all(character.isalnum() or character in "._:,/-" for character in value)
    return value if plain else "{" + value.replace("}", "}}") + "}"
