"""One run with a password planted, after which nothing that the run gave may show it."""

from __future__ import annotations

import base64
import logging
from typing import Any

import pytest

from probes.api import Context, Reading
from tests.probing import run_once, shared_here

MARKER = "marker-Pa55/w0rd+9"


async def run_watched(
    caplog: pytest.LogCaptureFixture,
    probe: str,
    /,
    *,
    timeout: float = 5.0,
    secret: str = MARKER,
    address: str = "127.0.0.1",
    **params: Any,
) -> Reading:
    """Run a probe whose secret `pw` is `secret`; reading, trace and logs are searched for it."""
    caplog.set_level(logging.DEBUG)
    async with shared_here(secrets={"pw": secret}) as shared:
        context = Context(shared, timeout, trace=[])
        reading = await run_once(probe, address, timeout=timeout, context=context, shared=shared, **params)
    given = f"{reading}{context.trace}{caplog.text}"
    assert secret not in given
    assert base64.b64encode(secret.encode()).decode().rstrip("=") not in given
    return reading
