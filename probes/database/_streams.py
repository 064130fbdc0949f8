"""A connection for a protocol that we frame ourselves: one attempt, TLS as a phase of its own."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes._dial import break_off, dial
from probes._resolve import Address
from probes.api import Context
from probes.database._sql import Findings
from probes.errors import TlsFailed

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def streams(
    address: Address,
    port: int,
    tls: tuple[ssl.SSLContext | None, str],
    context: Context,
    findings: Findings,
) -> AsyncIterator[Streams]:
    """Connect, with TLS where there is a context (and the name to verify); closed at the end of the block.

    Raises OSError as the kernel has it, and `TlsFailed`.
    """
    sock, connect_ms = await dial(address, port, context)
    findings.passed("connect", connect_ms)
    settings, name = tls
    started = time.perf_counter()
    try:
        if settings is None:
            reader, writer = await asyncio.open_connection(sock=sock)
        else:
            context.phase = "tls"
            reader, writer = await asyncio.open_connection(sock=sock, ssl=settings, server_hostname=name)
            findings.passed("tls", (time.perf_counter() - started) * 1000)
    except ssl.SSLError as error:
        sock.close()
        raise tls_failed(error) from None
    except BaseException:
        sock.close()
        raise
    try:
        yield reader, writer
    finally:
        break_off(writer.transport)


def tls_failed(error: ssl.SSLError) -> TlsFailed:
    """Return the ending of a handshake that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TlsFailed(f"certificate: {error.verify_message}")
    return TlsFailed((error.reason or "the server ended the connection").replace("_", " ").lower())
