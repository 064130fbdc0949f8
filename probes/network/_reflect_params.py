"""What every probe that talks to a reflector takes, and the key that comes of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from probes.api import Context, Params, Secret, Target
from probes.errors import ProberFault
from probes.network._reflect_keys import BadKey, read, unit_key
from probes.network._reflect_wire import PORT


class ReflectParams(Params):
    """Where the reflector is, and the secret it shares with the monitor."""

    port: Annotated[int, Field(ge=1, le=65535)] = PORT
    """Port of the reflector, UDP and TCP."""
    secret: Secret
    """The master secret from which the keys of all units are derived."""
    derived: bool = True
    """False where the secret is the unit's own key, as `muster reflect --make-key` writes it."""
    key_of: str = ""
    """The unit whose key the reflector holds; the asset's own unit where not given."""


def key_for(target: Target, params: ReflectParams, context: Context) -> bytes:
    """Return the key of the target's unit. Raises `ProberFault` where there is none."""
    secret = context.shared.secret(params.secret)
    try:
        return unit_key(secret, params.key_of or target.unit) if params.derived else read(secret)
    except BadKey as error:
        raise ProberFault(f"secret {params.secret}: {error}") from None
