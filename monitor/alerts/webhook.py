"""A signed webhook: `muster.event/1` posted over TLS, with a signature that cannot be used again for long.

    X-Muster-Signature: t=1800000000,v1=<hex of HMAC-SHA256(key, "1800000000." + body)>

`t` is when it was sent, seconds since the epoch. A receiver computes the same over the body as it came,
compares in constant time, and refuses a `t` that is more than `REPLAY_S` from its own clock; within that time
it drops an `id` that it has seen.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from monitor.alerts.event_document import document
from monitor.alerts.notify_settings import web_address
from monitor.messages.message import Message, TransportError
from monitor.tls import client_context
from probes.api import SecretRef
from probes.errors import Ending

REPLAY_S = 300.0
HEADER = "X-Muster-Signature"
_MOST_ANSWER = 64 * 1024
_FOR_GOOD = frozenset({400, 410, 413, 415, 422})
"""Answers to this one message that no later attempt changes; others can be mended at either end."""


def signature(key: str, body: bytes, at: int) -> str:
    """Return the value of the header for a body that is sent at a time."""
    digest = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def verify(key: str, body: bytes, header: str, now: float, window: float = REPLAY_S) -> bool:
    """Tell whether a header is ours and fresh: what a receiver does, in full."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    at = parts.get("t", "")
    if not (at.isascii() and at.isdigit() and len(at) <= 12) or abs(now - int(at)) > window:
        return False
    return hmac.compare_digest(
        signature(key, body, int(at)).encode(), f"t={at},v1={parts.get('v1', '')}".encode()
    )


@dataclass(slots=True)
class Webhook:
    """Posts messages to one address. Secrets are resolved at each delivery, and nothing keeps them."""

    name: str
    url: str
    """The address, or `secret:NAME`."""
    key: SecretRef
    secret: Callable[[SecretRef], str]
    timeout: float = 20.0
    ca_file: Path | None = None
    clock: Callable[[], float] = time.time
    _tls: ssl.SSLContext | None = field(default=None)

    async def deliver(self, message: Message) -> None:
        """Hand one message over. Raises `TransportError`, which never holds the address."""
        url, key = await asyncio.to_thread(self._secrets)
        body = document(message)
        try:
            await self._post(url, key, body)
        except TimeoutError:
            raise TransportError(f"no answer within {self.timeout:g} s") from None
        except aiohttp.ClientConnectorCertificateError:
            raise TransportError("the certificate does not verify; check ca_file") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TransportError(f"not handed over: {type(error).__name__}") from None

    def _secrets(self) -> tuple[str, str]:
        try:
            url = self.url
            if url.startswith("secret:"):
                url = web_address(self.secret(SecretRef(url.removeprefix("secret:"))))
            return url, self.secret(self.key)
        except (Ending, LookupError) as error:
            raise TransportError(f"a secret of the channel can't be read: {error}") from None
        except ValueError as error:
            raise TransportError(str(error)) from None

    async def _post(self, url: str, key: str, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "muster",
            HEADER: signature(key, body, int(self.clock())),
        }
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=await self._connector(url)) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            await answer.content.read(_MOST_ANSWER)
            _judge(answer.status)

    async def _connector(self, url: str) -> aiohttp.TCPConnector:
        if url.startswith("https:") and self._tls is None:
            self._tls = await asyncio.to_thread(client_context, self.ca_file)
        return aiohttp.TCPConnector(ssl=self._tls or True, force_close=True)


def _judge(status: int) -> None:
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise TransportError(f"HTTP {status}: it points elsewhere; signed messages don't follow")
    raise TransportError(f"HTTP {status}", permanent=status in _FOR_GOOD)
