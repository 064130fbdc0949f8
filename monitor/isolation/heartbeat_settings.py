"""To whom the monitor shows that it is alive: the `[heartbeat]` table of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from monitor.alerts.mail_settings import Address
from probes.api import Seconds, SecretRef

EXAMPLE = 'write "https://host/path", or "secret:NAME" and store the URL under that name'


def https(url: str) -> str:
    """Return a URL that may be called. Raises ValueError, which never shows it: it is often a secret."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme == "https" and bool(parts.hostname) and url.isprintable() and " " not in url
        own = parts.username is not None or parts.password is not None
    except ValueError:
        fine = own = False
    if own:
        raise ValueError(f"an inline password is refused; {EXAMPLE}")
    if not fine:
        raise ValueError(f"must be a URL of https; {EXAMPLE}")
    return url


def _url(value: object) -> str | SecretRef | None:
    if value is None or isinstance(value, SecretRef):
        return value
    if not isinstance(value, str):
        raise ValueError(f"must be a text; {EXAMPLE}")  # noqa: TRY004 - pydantic takes ValueError
    if value.startswith("secret:") and value != "secret:":
        return SecretRef(value.removeprefix("secret:"))
    return https(value)


Url = Annotated[Any, BeforeValidator(_url)]
"""A URL of https, kept as it is, or the name of a secret that is one, kept as a `SecretRef`."""


class HeartbeatSettings(BaseModel):
    """Without `url` and `mail` nobody outside notices that the monitor itself has stopped."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: Url = Field(None, repr=False)
    """Called by POST while the monitor is well: of a service that raises the alarm when the calls stop."""
    every: Seconds = Field(60.0, ge=10, le=3600)
    ca_file: Path | None = None
    """Authorities the server's certificate may be from; the system's where not given."""
    mail: Address | None = None
    """Who gets a mail in every `mail_every`, to be missed when it does not come."""
    mail_every: Seconds = Field(86_400.0, ge=3600, le=7 * 86_400)
