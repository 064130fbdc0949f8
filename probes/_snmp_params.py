"""How an SNMP agent is asked: the `snmp` block of an asset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from probes.api import Params, Seconds, Secret

Auth = Literal["MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"]
Priv = Literal["DES", "AES128", "AES192", "AES256"]


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class SnmpParams(Params):
    """Version, account and manners."""

    version: Annotated[Literal["1", "2c", "3"], BeforeValidator(_text)] = Field(
        "2c", description="Protocol version; 3 where the agent can do it."
    )
    community: Secret | None = Field(None, description="Community of versions 1 and 2c.")
    user: str | None = Field(None, min_length=1, max_length=32, description="User of version 3.")
    auth: Auth | None = Field(None, description="Authentication protocol of version 3.")
    auth_key: Secret | None = Field(None, description="Its pass phrase.")
    priv: Priv | None = Field(None, description="Privacy protocol of version 3.")
    priv_key: Secret | None = Field(None, description="Its pass phrase.")
    key_extension: Literal["blumenthal", "reeder"] = Field(
        "blumenthal", description="How AES192 and AES256 make a key of a shorter one; Cisco has reeder."
    )
    context: str = Field("", max_length=32, description="Context name of version 3.")
    port: int = Field(161, ge=1, le=65535, description="UDP port of the agent.")
    engine: Literal["auto", "gufo", "pysnmp"] = Field(
        "auto", description="Library; auto takes gufo where it is installed and can do what is asked."
    )
    retries: int = Field(0, ge=0, le=3, description="Further tries of a question that is not answered.")
    max_repetitions: int = Field(5, ge=1, le=50, description="Objects asked for at once in a walk.")
    timeout: Annotated[Seconds, Field(gt=0, le=60)] = Field(
        3.0, description="Longest wait for one answer; the check's own time-out ends the whole."
    )

    @model_validator(mode="after")
    def _whole(self) -> SnmpParams:
        if self.version != "3":
            return self._community()
        if self.engine == "gufo" and self.context:
            msg = "engine gufo knows no context; leave engine out"
            raise ValueError(msg)
        if self.user is None or self.community is not None:
            msg = "version 3 needs a user and takes no community"
            raise ValueError(msg)
        for what, given, its_key in (
            ("auth", self.auth, self.auth_key), ("priv", self.priv, self.priv_key),
        ):  # fmt: skip
            if (given is None) is not (its_key is None):
                msg = f"{what} and {what}_key belong together"
                raise ValueError(msg)
        if self.priv is not None and self.auth is None:
            msg = "priv needs auth, too"
            raise ValueError(msg)
        return self

    def _community(self) -> SnmpParams:
        of_version_3 = (self.user, self.auth, self.auth_key, self.priv, self.priv_key, self.context or None)
        if self.community is None or any(value is not None for value in of_version_3):
            msg = (
                f'version {self.version} needs a community ("secret:NAME") and nothing else of an account; '
                "user, auth and priv are of version 3"
            )
            raise ValueError(msg)
        return self


class OverSnmp(Params):
    """Base of the parameters of every probe that asks by SNMP."""

    snmp: SnmpParams = Field(description="How the agent is asked.")
