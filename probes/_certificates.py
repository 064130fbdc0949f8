"""Certificates of untrusted servers (RFC 5280), reduced to what is reported; and how TLS is asked for."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pydantic import Field

from probes._tls import client_context
from probes.api import Params, clip
from probes.errors import ProberFault

Version = Literal["1.2", "1.3"]
MAX_CERTIFICATE = 65_536
MAX_NAMES = 64
DAY_S = 86_400
UNREADABLE = (ValueError, TypeError, OverflowError, LookupError, x509.InvalidVersion, x509.DuplicateExtension,
              x509.UnsupportedGeneralNameType)  # fmt: skip


class TlsParams(Params):
    """How TLS is asked for; shared by `http` and `tls`."""

    verify: bool = True
    """Whether the certificate's chain, dates and name must be right."""
    ca: str | None = None
    """A file of certificates to trust in place of the system's."""
    certificate: str | None = None
    """A file with a client certificate and its key."""
    min_version: Version = "1.2"
    """Oldest version of TLS that is accepted."""
    server_name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^\s/]+$")] | None = None
    """The name asked for (SNI) and verified; by default the target's address."""

    async def context(self, *, verify: bool = True) -> ssl.SSLContext:
        """Return the kept context; it is made in a thread (the system's authorities take 20 ms to load).

        Without `verify` nothing is verified, whatever the parameters say. Raises `ProberFault` for a file
        that can't be used: that is ours.
        """
        key = (self.verify and verify, self.ca, self.certificate, self.min_version)
        if key not in _made:
            await asyncio.to_thread(_context, *key)
            _made.add(key)
        return _context(*key)


_made: set[tuple[bool, str | None, str | None, Version]] = set()


def _context(verify: bool, ca: str | None, certificate: str | None, min_version: Version) -> ssl.SSLContext:
    try:
        return client_context(verify=verify, ca_file=ca, certificate=certificate, min_version=min_version)
    except OSError as error:
        files = ", ".join(file for file in (ca, certificate) if file)
        raise ProberFault(f"certificate files ({files}): {error.strerror or error}") from None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What one certificate says; texts are bounded and printable."""

    subject: str
    issuer: str
    names: str
    serial: str
    sha256: str
    not_after: dt.datetime
    not_after_text: str

    def days_left(self, now: dt.datetime) -> float:
        """Return the days until it expires, negative once it has."""
        return (self.not_after - now).total_seconds() / DAY_S

    def facts(self) -> dict[str, str]:
        """Return it as facts."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "names": self.names,
            "serial": self.serial,
            "sha256": self.sha256,
            "not_after": self.not_after_text,
        }


@lru_cache(maxsize=4096)
def describe(der: bytes) -> Certificate | None:
    """Return what a certificate says, or None where it can't be read."""
    if len(der) > MAX_CERTIFICATE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what RFC 5280 forbids and servers show all the same
            return _described(x509.load_der_x509_certificate(der))
    except UNREADABLE:
        return None


def _described(found: x509.Certificate) -> Certificate:
    return Certificate(
        clip(found.subject.rfc4514_string()),
        clip(found.issuer.rfc4514_string()),
        _names(found),
        f"{found.serial_number:x}",
        found.fingerprint(hashes.SHA256()).hex(),
        found.not_valid_after_utc,
        found.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def peer(tls: ssl.SSLObject) -> Certificate | None:
    """Return the certificate of the other side, verified or not."""
    der = tls.getpeercert(binary_form=True)
    return describe(der) if der else None


def now() -> dt.datetime:
    """Return the time by which certificates are judged."""
    return dt.datetime.now(dt.UTC)


def _names(certificate: x509.Certificate) -> str:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ""
    known = [str(name.value) for name in extension.value if isinstance(name, x509.DNSName | x509.IPAddress)]
    return clip(", ".join(known[:MAX_NAMES]))
