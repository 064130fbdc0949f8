"""TLS on top of a `Connection`, with the handshake timed by the kernel's stamps of what arrived."""

from __future__ import annotations

import ssl

from probes._sockets import Chunk, Connection
from probes.errors import TlsFailed

RECORD = 16_384 + 512


class CertificateRefused(TlsFailed):
    """The server's certificate does not verify; everything else about the handshake went well."""


class TlsStream:
    """A TLS client over a connection; made by `start_tls`."""

    __slots__ = ("_arrived_at", "_connection", "_incoming", "_outgoing", "handshake_ms", "tls")

    def __init__(self, connection: Connection, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        """For the certificate, the version, the cipher."""
        self._arrived_at = connection.connected_at
        self.handshake_ms = 0.0
        """From the ClientHello to the arrival of the server's last part of the handshake."""

    async def handshake(self, until: float | None = None) -> None:
        """Shake hands. Raises `TlsFailed`, OSError (reset) and `TimedOut`."""
        done = await self._step(until)
        started = await self._flush(until)
        while not done:
            await self._fill(until)
            done = await self._step(until)
            await self._flush(until)
        self.handshake_ms = (self._arrived_at - started) * 1000

    async def send(self, data: bytes, until: float | None = None) -> float:
        """Send all of `data`; return the `time.perf_counter` right before its first byte went out."""
        self.tls.write(data)
        return await self._flush(until)

    async def recv(self, limit: int = 65_536, until: float | None = None) -> Chunk:
        """Return what has arrived, at most `limit` bytes. Raises `TlsFailed` for what is not TLS.

        The end of the connection is the end of the data, with or without close_notify (RFC 9112, 9.8, makes
        the length of an HTTP message the judge of that).
        """
        while True:
            try:
                return Chunk(self.tls.read(limit), self._arrived_at)
            except ssl.SSLWantReadError:
                await self._flush(until)
                await self._fill(until)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return Chunk(b"", self._arrived_at)
            except ssl.SSLError as error:
                raise TlsFailed(_reason(error)) from None

    def close(self) -> None:
        """Close the connection. Safe to call twice."""
        self._connection.close()

    async def _step(self, until: float | None) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            raise TlsFailed("the server ended the connection during the handshake") from None
        except ssl.SSLError as error:
            await self._send_alert(until)
            refused = isinstance(error, ssl.SSLCertVerificationError)
            raise (CertificateRefused if refused else TlsFailed)(_reason(error)) from None
        return True

    async def _send_alert(self, until: float | None) -> None:
        try:
            await self._flush(until)
        except OSError:
            return

    async def _flush(self, until: float | None) -> float:
        data = self._outgoing.read()
        return await self._connection.send(data, until) if data else 0.0

    async def _fill(self, until: float | None) -> None:
        chunk = await self._connection.recv(RECORD, until)
        if chunk.data:
            self._arrived_at = chunk.at
            self._incoming.write(chunk.data)
        else:
            self._incoming.write_eof()


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()


async def start_tls(
    connection: Connection,
    context: ssl.SSLContext,
    server_hostname: str | None,
    until: float | None = None,
) -> TlsStream:
    """Return `connection` with TLS on top. Raises `TlsFailed`, OSError and `TimedOut`; closes nothing."""
    stream = TlsStream(connection, context, server_hostname)
    await stream.handshake(until)
    return stream
