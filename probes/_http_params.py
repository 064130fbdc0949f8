"""What `http` takes, and what it reports."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, field_validator, model_validator

from probes import _http_body as content
from probes._certificates import TlsParams
from probes._patterns import Pattern
from probes.api import Bytes, FactDef, MetricDef, Secret

METRICS = (
    MetricDef("total_ms", "ms", "lower", 0.001, "All phases of all requests."),
    MetricDef("connect_ms", "ms", "lower", 0.001, "TCP handshake, by the kernel."),
    MetricDef("tls_ms", "ms", "lower", 0.001, "TLS handshake, until the server's last part of it arrived."),
    MetricDef("first_byte_ms", "ms", "lower", 0.001, "From the request to the arrival of the first byte."),
    MetricDef("transfer_ms", "ms", "lower", 0.001, "From the first byte to the last."),
    MetricDef("status", "count", "none", 1, "Status code of the last response."),
    MetricDef("body_bytes", "bytes", "none", 1, "Bytes of the last body that were read."),
    MetricDef("redirects", "count", "lower", 1, "Redirects followed."),
    MetricDef("cert_days_left", "d", "higher", 0.001, "Days until the certificate expires (https)."),
)
FACTS = (
    FactDef("address", help="The address that was asked (the proxy's, where there is one)."),
    FactDef("family", help="4 or 6."),
    FactDef("url", help="The last address asked for, after redirects, without its query."),
    FactDef("server", help="The Server field."),
    FactDef("content_type", help="The Content-Type field."),
    FactDef("tls_version", help="TLS version agreed on (https)."),
    FactDef("tls_cipher", help="Cipher agreed on (https)."),
    FactDef("cert_not_after", "datetime", "When the certificate expires (https)."),
)
REPORTED = frozenset(item.name for item in (*METRICS, *FACTS))

Text = Annotated[str, Field(max_length=4096, pattern=r"^[^\r\n\x00]*$")]
FieldName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", max_length=128)]
OURS = {"host", "connection", "content-length", "transfer-encoding"}


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | int) else value


def _path(text: str) -> str:
    content.path(text)
    return text


Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_listed)]
JsonPath = Annotated[str, Field(max_length=500), AfterValidator(_path)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class HttpParams(TlsParams):
    """Parameters of `http`."""

    scheme: Literal["http", "https"] = "http"
    """Plain or over TLS."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """By default 80, or 443 for https."""
    path: Annotated[str, Field(pattern=r"^/[\x21-\x7e]*$", max_length=2048)] = "/"
    """Path and query, percent-encoded."""
    host: Annotated[str, Field(pattern=r"^[^\s/:@]+$", max_length=253)] | None = None
    """The site's name, for the Host field, SNI and the certificate; by default the target's address."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    """Method of the request."""
    headers: dict[FieldName, Text] = Field(default_factory=dict)
    """Header fields to send."""
    secret_headers: dict[FieldName, Secret] = Field(default_factory=dict)
    """Header fields whose values are secrets."""
    user: Text | None = None
    """With `password`: basic authentication."""
    password: Secret | None = None
    """With `user`: basic authentication."""
    token: Secret | None = None
    """Bearer authentication."""
    body: Annotated[str, Field(max_length=65_536)] = ""
    """Text to send as the body."""
    status: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ("200-299",)
    """Right status codes and ranges, of the last response."""
    redirects: Annotated[int, Field(ge=0, le=10)] = 5
    """How many redirects to follow, on the same host only; 0 makes a redirect the answer."""
    body_matches: Patterns = ()
    """Patterns that must be in the body."""
    body_lacks: Patterns = ()
    """Patterns that must not be in the body."""
    json_matches: dict[JsonPath, JsonValue] = Field(default_factory=dict)
    """JSONPath (RFC 9535) to the value that it must select."""
    extract: dict[Name, JsonPath] = Field(default_factory=dict)
    """Name to JSONPath: a selected number becomes a metric of that name, anything else a fact."""
    body_limit: Annotated[Bytes, Field(ge=0, le=16_777_216)] = 1_048_576
    """Bytes of the body after which reading stops."""
    proxy: Annotated[str, Field(pattern=r"^http://([^\s/:@\[\]]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}$")] | None = (
        None
    )
    """`http://HOST:PORT` of a proxy to go through; environment variables name none."""

    @field_validator("status", mode="before")
    @classmethod
    def _status_as_text(cls, value: object) -> object:
        return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]

    @field_validator("status")
    @classmethod
    def _status_is_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        statuses(value)
        return value

    @field_validator("headers", "secret_headers")
    @classmethod
    def _fields_are_free(cls, value: dict[str, object]) -> dict[str, object]:
        if taken := sorted(OURS & {name.lower() for name in value}):
            raise ValueError(f"{taken[0]} is set by the probe; use host or body")
        return value

    @model_validator(mode="after")
    def _make_sense(self) -> HttpParams:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        if self.token is not None and self.user is not None:
            raise ValueError("token and user are two ways to log in; choose one")
        if taken := sorted({*REPORTED} & {*self.extract}):
            raise ValueError(f"extract: {taken[0]} is reported already; choose another name")
        if self.method == "HEAD" and self.reads_body:
            raise ValueError("method HEAD gets no body to look at; use GET")
        return self

    @property
    def reads_body(self) -> bool:
        """Whether anything is asked of the body."""
        return bool(self.body_matches or self.body_lacks or self.json_matches or self.extract)


@lru_cache(maxsize=1024)
def statuses(texts: tuple[str, ...]) -> frozenset[int]:
    """Return the codes that `("200-299", "401")` names. Raises ValueError."""
    found: set[int] = set()
    for text in texts:
        match = re.fullmatch(r"([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?", text)
        if match is None or int(match[1]) > int(match[2] or match[1]):
            raise ValueError(f"{text!r} is no status code; write 200, or a range 200-299")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(found)
