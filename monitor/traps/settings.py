"""Whether traps are listened for, and whose are believed: the `[traps]` table of the settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from probes.api import Quantity, Seconds, Secret

Rate = Annotated[float, Field(gt=0, le=10_000)]
EngineId = Annotated[str, Field(pattern=r"^(0x)?([0-9A-Fa-f]{2}){5,32}$")]


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if value and not (host and port.isdigit() and 0 < int(port) < 65536):
        msg = 'must be "address:port", such as "127.0.0.1:1162"'
        raise ValueError(msg)
    return value


class TrapUser(BaseModel):
    """A user of version 3 whose traps are believed; what is less protected than it says is not."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    user: str = Field(min_length=1, max_length=32)
    engine_ids: tuple[EngineId, ...] = Field(min_length=1, max_length=4096)
    """The engine ids of the devices, in hexadecimal: who sends a trap is its authority (RFC 3414)."""
    auth: Literal["MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"]
    auth_key: Secret
    priv: Literal["DES", "AES128", "AES192", "AES256"] | None = None
    priv_key: Secret | None = None

    @model_validator(mode="after")
    def _whole(self) -> TrapUser:
        if (self.priv is None) is not (self.priv_key is None):
            raise ValueError("priv and priv_key belong together")
        return self


class TrapSettings(BaseModel):
    """Nothing is listened for unless `listen` says where."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    listen: Annotated[str, AfterValidator(_listen)] = ""
    """Address and UDP port."""
    communities: tuple[Secret, ...] = Field((), max_length=64)
    """Communities of versions 1 and 2c."""
    users: tuple[TrapUser, ...] = Field((), max_length=64)
    per_source: Rate = 5.0
    """Traps a second of one address."""
    overall: Rate = 100.0
    """Traps a second in all."""
    queue: int = Field(1000, ge=1, le=100_000)
    """Traps that wait to be read; more are dropped."""
    again: Annotated[Seconds, BeforeValidator(Quantity("s").__call__), Field(ge=1, le=3600)] = 10.0
    """An asset's checks run at most once in so long, whatever it sends."""

    @model_validator(mode="after")
    def _somebody(self) -> TrapSettings:
        if self.listen and not self.communities and not self.users:
            msg = 'listen needs somebody to believe: communities = ["secret:NAME"], or users of version 3'
            raise ValueError(msg)
        return self
