"""`[bundles]` of the settings: whose bundles are taken in, for which units."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _key(value: str) -> str:
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise ValueError(
            "must be an Ed25519 public key: base64 of its 32 bytes, as muster bundle key writes it"
        )
    return value


class TrustedKey(BaseModel):
    """One `[[bundles.keys]]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[\w.@-]+$")]
    """Whose key it is."""
    key: Annotated[str, AfterValidator(_key)]
    units: tuple[Annotated[str, Field(max_length=100)], ...] = ()
    """The units that it holds for, with all below them; all where none is named."""


class BundleSettings(BaseModel):
    """All of `[bundles]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[TrustedKey, ...] = ()
