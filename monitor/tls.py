"""TLS towards mail servers, webhooks and the like: as a client that verifies."""

from __future__ import annotations

import ssl
from pathlib import Path


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name, by the system's authorities or those given.

    Reads files: not for the loop. Raises OSError, `ssl.SSLError` among them.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
