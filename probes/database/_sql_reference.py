"""What the rows of a query are compared with: rows in the check, a file of the monitor's, another query."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from probes.api import Context, Target
from probes.database._odbc_params import DriverParams
from probes.database._sql import Findings, Table
from probes.errors import ProberFault

Engine = Literal["postgresql", "mysql", "oracle", "odbc"]
PORTS: dict[str, int] = {"postgresql": 5432, "mysql": 3306, "oracle": 1521}
MOST_FILE_BYTES = 16 * 2**20
Scalar = str | int | float | bool | None


class QueryParams(DriverParams):
    """A query, and where it is asked."""

    engine: Engine
    """What kind of database it is."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of the server; 0 is the engine's own."""
    query: Annotated[str, Field(min_length=1, max_length=20_000)]
    """One query, which may read only."""

    @model_validator(mode="before")
    @classmethod
    def _port_of_engine(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("port") and given.get("engine") in PORTS:
            return given | {"port": PORTS[given["engine"]]}
        return given

    @model_validator(mode="after")
    def _driver_of_odbc(self) -> Self:
        if (self.driver is not None) != (self.engine == "odbc"):
            msg = 'engine odbc needs a driver, e.g. driver: "ODBC Driver 18 for SQL Server"; others take none'
            raise ValueError(msg)
        return self


class OtherQuery(QueryParams):
    """The other side of a comparison."""

    address: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Where it is; by default where the check's own query is asked."""

    def target(self, target: Target) -> Target:
        """Return where to ask."""
        return Target(self.address, target.family, target.unit, target.asset) if self.address else target


def of_rows(rows: list[list[Scalar] | Scalar]) -> Table:
    """Return rows that are written in the check; a lone value is a row of one column."""
    made = tuple(tuple(row) if isinstance(row, list) else (row,) for row in rows)
    return Table(tuple(f"column{n}" for n in range(max(map(len, made), default=0))), made)


async def of_file(name: str, limit: int) -> Table:
    """Return the rows of a CSV file in UTF-8 whose first line names the columns. Raises `ProberFault`."""
    return await asyncio.to_thread(_read, Path(name), limit)


def _read(path: Path, limit: int) -> Table:
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise ProberFault(f"{path} is larger than {MOST_FILE_BYTES} bytes")
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [tuple(line) for line in csv.reader(file) if line]
    except (OSError, UnicodeError, csv.Error) as error:
        raise ProberFault(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None
    if not lines:
        return Table((), ())
    return Table(lines[0], tuple(lines[1 : limit + 1]), len(lines) > limit + 1)


def apart_from(context: Context) -> tuple[Context, Findings]:
    """Return a context and findings of the other side's own: its phases and figures are not the target's."""
    return Context(context.shared, context.remaining, trace=context.trace), Findings()
