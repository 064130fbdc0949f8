"""TLS as a client, for all probes: one context for equal settings."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Literal

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@lru_cache(maxsize=64)
def client_context(
    *,
    verify: bool = True,
    ca_file: str | None = None,
    alpn: tuple[str, ...] = (),
    certificate: str | None = None,
    min_version: Literal["1.2", "1.3"] = "1.2",
) -> ssl.SSLContext:
    """Return the context for these settings; a new one costs half a millisecond, so they are kept.

    `certificate` is a file with a client certificate and its key. Raises OSError for a file that can't be
    read or holds no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = VERSIONS[min_version]
    if certificate:
        context.load_cert_chain(certificate, password="")  # never ask on the terminal
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context
