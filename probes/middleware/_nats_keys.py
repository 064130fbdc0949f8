"""NATS keys (github.com/nats-io/nkeys): a seed as it is written down, its public key, and a signature."""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SEED, USER = 18 << 3, 20 << 3
"""First bits of a seed ("S") and of a user's public key ("U")."""


class BadSeed(ValueError):  # noqa: N818 - reads better where it is raised
    """A text that is no seed of a user's key."""


def _encode(data: bytes) -> str:
    return base64.b32encode(data + binascii.crc_hqx(data, 0).to_bytes(2, "little")).decode().rstrip("=")


def written(seed: bytes) -> str:
    """Return a seed of 32 bytes as a user's seed is written (SU...)."""
    return _encode(bytes((SEED | USER >> 5, (USER & 31) << 3)) + seed)


class NatsKey:
    """A user's key; the seed stays inside."""

    def __init__(self, seed: str) -> None:
        """Read a written seed. Raises `BadSeed`."""
        text = seed.strip()
        try:
            raw = base64.b32decode(text + "=" * (-len(text) % 8))
        except ValueError:
            raise BadSeed from None
        data, crc = raw[:-2], raw[-2:]
        whole = len(data) == 34 and binascii.crc_hqx(data, 0).to_bytes(2, "little") == crc
        if not whole or data[0] & 0xF8 != SEED or (data[0] & 7) << 5 | data[1] >> 3 != USER:
            raise BadSeed
        self._key = Ed25519PrivateKey.from_private_bytes(data[2:])

    @property
    def public(self) -> str:
        """The public key as it is written (U...)."""
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return _encode(bytes((USER,)) + raw)

    def signature(self, nonce: str) -> str:
        """Return the signature of the server's nonce, in base64 for URLs, unpadded."""
        return base64.urlsafe_b64encode(self._key.sign(nonce.encode())).decode().rstrip("=")
