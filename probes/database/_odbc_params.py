"""Which ODBC driver of the monitor a check uses, and what is added to its connection string."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from probes.database._odbc_string import PORTS, Dialect, dialect_of
from probes.database._sql import DatabaseParams

OWN = {"driver", "uid", "pwd", "user", "password", "dsn", "filedsn", "savefile"}
"""Keys of a connection string that are not to be given as options."""
Key = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_ ]*$", max_length=64)]
Value = Annotated[str, Field(max_length=500, pattern=r"^[^\r\n\x00]*$")]


class DriverParams(DatabaseParams):
    """How a database is reached by ODBC; used where the engine is `odbc`."""

    driver: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^{}\r\n\x00]+$")] | None = None
    """The ODBC driver, by its name in the monitor's odbcinst.ini (`odbcinst -q -d`)."""
    dialect: Dialect | None = None
    """What the engine speaks, where the driver's name does not say so."""
    options: dict[Key, Value] = Field(default_factory=dict)
    """What is added to the driver's connection string, by its own keywords."""

    @field_validator("options")
    @classmethod
    def _not_ours(cls, options: dict[str, str]) -> dict[str, str]:
        for key in options:
            if key.lower() in OWN:
                raise ValueError(f"{key} is no option: it has a parameter of its own")
        return options

    @model_validator(mode="before")
    @classmethod
    def _usual_port(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("port") or not isinstance(given.get("driver"), str):
            return given
        port = PORTS.get(given.get("dialect") or dialect_of(given["driver"]))
        return given | {"port": port} if port else given

    @model_validator(mode="after")
    def _tls_of_drivers(self) -> Self:
        if self.driver is not None and (self.certificate or self.min_version != "1.2"):
            msg = "a driver is told of a client certificate and of TLS versions by its own options"
            raise ValueError(msg)
        if self.spoken == "mysql" and self.driver is not None and self.tls == "on" and self.server_name:
            msg = "this driver connects to the name that it verifies: write it as the asset's address"
            raise ValueError(msg)
        return self

    @property
    def spoken(self) -> Dialect:
        """What the engine speaks."""
        return self.dialect or dialect_of(self.driver or "")
