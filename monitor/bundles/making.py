"""Makes a bundle of a run's readings."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monitor.bundles import bundle
from monitor.bundles.clocks import clock_of
from monitor.readiness.results import Run
from probes.api import Reading, clip


def text_of(
    run: Run,
    readings: Sequence[Reading],
    time_checks: frozenset[str],
    key: Ed25519PrivateKey,
    vantage: str,
    actor: str,
) -> str:
    """Return the bundle of a run of one unit: its own readings; those of others tell the clock at most."""
    [unit] = run.units
    own = [each for each in readings if each.check.partition("/")[0] == unit.id]
    manifest: dict[str, Any] = {
        "gate": run.gate, "unit": unit.id, "unit_digest": unit.unit_digest,
        "checklists": [list(each) for each in unit.checklists], "version": version("muster-monitor"),
        "vantage": f"site:{vantage}", "host": clip(socket.gethostname(), 200), "actor": clip(actor, 200),
        "clock": clock_of(readings, time_checks).model_dump(),
        "started_at": run.started_at, "finished_at": run.finished_at, "nonce": secrets.token_hex(16),
    }  # fmt: skip
    return bundle.made(manifest, own, key)
