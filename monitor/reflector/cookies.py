"""Cookies that show that whoever asks receives at the address it asks from, without keeping any state (pure).

In the spirit of RFC 9147 (5.1) and SYN cookies: an HMAC over address, port, nonce and a slot of time, under a
secret of this process.
"""

from __future__ import annotations

import hmac
import secrets

SLOT_S = 15.0
"""A cookie holds in its own slot and the next."""
SIZE = 16


class Cookies:
    """Makes cookies and knows them again."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)

    def make(self, host: str, port: int, nonce: bytes, now: float) -> bytes:
        """Return the cookie of an address and nonce at the time `now`."""
        return self._cookie(host, port, nonce, int(now / SLOT_S))

    def holds(self, cookie: bytes, host: str, port: int, nonce: bytes, now: float) -> bool:
        """Tell whether `cookie` was made for this address and nonce, lately."""
        slot = int(now / SLOT_S)
        return any(
            hmac.compare_digest(cookie, self._cookie(host, port, nonce, candidate))
            for candidate in (slot, slot - 1)
        )

    def _cookie(self, host: str, port: int, nonce: bytes, slot: int) -> bytes:
        text = f"{slot}|{port}|{host}|".encode() + nonce
        return hmac.digest(self._secret, text, "sha256")[:SIZE]
