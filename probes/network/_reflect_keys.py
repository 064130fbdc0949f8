"""The keys between a probe and a reflector: one a unit from one master secret, two a session (RFC 2104).

A reflector holds its own unit's key only, so that a machine lost in one unit opens no reflector of another.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import NamedTuple

LABEL = "muster-reflect/1|"
KEY_SIZE = 32
LEAST_MASTER = 16
"""Characters of the shortest master secret that is taken."""


class BadKey(ValueError):  # noqa: N818 - reads better where it is raised
    """A key or master secret that can't be used; the text never holds any of it."""


def unit_key(master: str, unit: str) -> bytes:
    """Return the key of a unit: HMAC-SHA256 of its label and id under the master secret.

    Raises `BadKey` for a master secret that is too short, or no unit.
    """
    if len(master.strip()) < LEAST_MASTER:
        raise BadKey(f"the master secret is shorter than {LEAST_MASTER} characters")
    if not unit:
        raise BadKey("no unit is named, and each unit has a key of its own")
    return hmac.digest(master.strip().encode(), (LABEL + unit).encode(), "sha256")


def written(key: bytes) -> str:
    """Return a unit's key as its file has it."""
    return key.hex()


def read(text: str) -> bytes:
    """Return the unit's key that is written in `text` (64 hexadecimal digits). Raises `BadKey`."""
    digits = text.strip()
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise BadKey("a unit's key is 64 hexadecimal digits, as `muster reflect --make-key` writes it")
    return bytes.fromhex(digits)


class SessionKeys(NamedTuple):
    """The keys of one session, by who sends."""

    client: bytes
    reflector: bytes


def session_keys(key: bytes, nonce: bytes, reflector_nonce: bytes) -> SessionKeys:
    """Return the keys of a session from the unit's key and both sides' nonces."""
    both = nonce + reflector_nonce
    return SessionKeys(*(hmac.digest(key, LABEL.encode() + who + both, "sha256") for who in (b"c", b"r")))


def fingerprint(key: bytes) -> str:
    """Return what may be logged of a key: it tells two keys apart, and nothing of either."""
    return hashlib.sha256(b"fingerprint|" + key).hexdigest()[:8]
