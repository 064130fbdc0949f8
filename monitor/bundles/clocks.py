"""How far the laptop's clock is off, by the time servers that were asked in the run. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.bundles.bundle import Clock
from probes.api import Outcome, Reading

NAMES = ("offset_ms", "offset_unsynchronised_ms")
"""How far the server is ahead; the second while the laptop's own clock follows no source."""
MOST_STRATUM = 15
AGREE_S = 1.0


def clock_of(readings: Iterable[Reading], time_checks: frozenset[str]) -> Clock:
    """Return the offset by the nearest time server, unknown where none answered or they disagree.

    `time_checks` are the ids of the checks that ask time servers. Of servers that are themselves synchronised
    the one with the shortest round trip counts; two that differ by over a second say nothing.
    """
    found = [
        (reading.metrics.get("delay_ms", 0.0), reading.metrics[name] / 1000, reading.check)
        for reading in readings if reading.check in time_checks and _good(reading)
        for name in NAMES if name in reading.metrics
    ]  # fmt: skip
    offsets = [offset for _, offset, _ in found]
    if not found or max(offsets) - min(offsets) > AGREE_S:
        return Clock(offset_s=None)
    _, offset, check = min(found)
    return Clock(offset_s=offset, check=check)


def _good(reading: Reading) -> bool:
    return reading.outcome is Outcome.OK and 1 <= reading.metrics.get("stratum", 0) <= MOST_STRATUM
