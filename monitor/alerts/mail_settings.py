"""How mail is sent, and to whom where a unit names nobody."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from monitor.state import State
from probes.api import Seconds, Secret

_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
)

Language = Literal["en", "zh"]
Security = Literal["none", "starttls", "tls"]
_PORTS: dict[Security, int] = {"none": 25, "starttls": 587, "tls": 465}


def address(value: str) -> str:
    """Return a plain mail address. Raises ValueError for anything that could be more than one header."""
    if not _ADDRESS.fullmatch(value):
        raise ValueError(f"{value!r} is no mail address; write it plainly, such as ops@example.org")
    return value


Address = Annotated[str, AfterValidator(address)]


class MailSettings(BaseModel):
    """The `[mail]` table of the settings. Without `host` no mail is sent, and incidents are only recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("", pattern=r"^[^\s]*$", max_length=255)
    port: int | None = Field(None, ge=1, le=65535)
    """25, 587 or 465 by `security` where not given."""
    security: Security = "starttls"
    """`starttls` and `tls` are demanded: a server that does not offer them gets no mail and no password."""
    username: str = ""
    password: Secret = None
    sender: Address = "muster@localhost"
    to: tuple[Address, ...] = ()
    """Who is told where the unit names nobody in `contacts.tier1`."""
    language: Language = "en"
    languages: dict[Address, Language] = Field(default_factory=dict)
    """The language of single recipients."""
    notify: frozenset[State] = frozenset({State.DOWN, State.DEGRADED})
    """The states a mail goes out for; UNKNOWN may be added."""
    timeout: Seconds = Field(30.0, gt=0, le=600)
    """For connecting and for each answer."""
    answer_timeout: Seconds = Field(120.0, gt=0, le=1200)
    """For the answer to the message itself: to give up earlier than the server does doubles mail."""
    lifetime: Seconds = Field(3 * 86400.0, gt=0)
    """How long a message is tried before it becomes a dead letter."""
    ca_file: Path | None = None
    """Authorities the server's certificate may be from; the system's where not given."""

    @model_validator(mode="after")
    def _login(self) -> MailSettings:
        if bool(self.username) != (self.password is not None):
            raise ValueError("username and password belong together; write both or neither")
        if self.username and self.security == "none":
            raise ValueError('a login over clear text is refused; write security = "starttls" or "tls"')
        return self

    @property
    def endpoint(self) -> tuple[str, int]:
        """Return host and port."""
        return self.host, self.port or _PORTS[self.security]
