"""Devices that hang on the monitor's own machine."""

from __future__ import annotations

from probes._local_machine import LOCAL_NAMES
from probes.api import Target
from probes.errors import ProberFault


def must_be_here(target: Target, what: str) -> None:
    """Raise `ProberFault` for a target that is another machine: what hangs there can't be asked from here."""
    if target.address not in LOCAL_NAMES:
        raise ProberFault(f"{what} hangs on the monitor's own machine: address local, not {target.address}")
