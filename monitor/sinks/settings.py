"""Where readings and events are written besides the store: the `[influx]` table of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from probes.api import Bytes, Seconds, SecretRef

Server = Literal["influxdb2", "influxdb3", "victoriametrics"]


def _site(value: str) -> str:
    """Return an address of a site; what is refused is never repeated: it may hold a password."""
    example = 'write "https://HOST:PORT"; an account belongs into token = "secret:NAME"'
    try:
        parts = urlsplit(value)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and value.isprintable()
        fine = fine and parts.username is None and not parts.query and not parts.fragment and " " not in value
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        fine = False
    if value and not fine:
        raise ValueError(f"must be the address of a site; {example}")
    return value.rstrip("/")


def _token(value: object) -> SecretRef | None:
    if value is None or isinstance(value, SecretRef):
        return value
    if isinstance(value, str) and value.startswith("secret:") and value != "secret:":
        return SecretRef(value.removeprefix("secret:"))
    raise ValueError('an inline token is refused; write "secret:NAME" and store it under that name')


Token = Annotated[Any, BeforeValidator(_token)]
"""The name of a secret, kept as a `SecretRef`."""


class InfluxSettings(BaseModel):
    """Nothing is written anywhere without `url`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: Annotated[str, AfterValidator(_site)] = ""
    server: Server = "influxdb2"
    """Which server it is; VictoriaMetrics gets no texts, which it would keep as zeros."""
    org: str = Field("", max_length=200)
    bucket: str = Field("muster", min_length=1, max_length=200)
    """The bucket of InfluxDB 2, the database of InfluxDB 3; VictoriaMetrics takes no notice of it."""
    token: Token = Field(None, repr=False)
    ca_file: Path | None = None
    """Authorities the server's certificate may be from; the system's where not given."""
    proxy: Annotated[str, AfterValidator(_site)] = ""
    """The HTTP proxy it is reached by; proxies of the environment are not used."""
    timeout: Seconds = Field(10.0, ge=1, le=120)
    """How long one request may take in all."""
    every: Seconds = Field(1.0, ge=0.1, le=60)
    """How often what is new is written."""
    figures_every: Seconds = Field(60.0, ge=1, le=240)
    """How often Muster's own figures are written: of units, assets, releases, incidents, of itself."""
    max_lines: int = Field(5000, ge=1, le=20_000)
    max_bytes: Annotated[Bytes, Field(ge=10_000, le=1_000_000)] = 1_000_000
    """The most that one request carries."""
    gzip: bool = False
    """Whether requests are compressed: three times the processor time, a tenth of the bytes."""
    backfill_rate: int = Field(20_000, ge=10, le=1_000_000)
    """The most points a second by which a gap is filled."""
    backfill: bool = True
    """Whether what the server missed is written later; at the first start, all that the store still has."""

    @model_validator(mode="after")
    def _belongs(self) -> InfluxSettings:
        if self.url and self.server == "influxdb2" and not (self.org and self.token):
            raise ValueError(
                'InfluxDB 2 needs org and token; write both, or server = "victoriametrics" where it is that'
            )
        return self
