"""Whose traps are read, and how many: an address of the inventory, within a rate of its own and one of all.

Everything here is cheap and bounded, since anybody may send anything under any name. Pure; the clock is
passed in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitor.job import Job
from monitor.traps.kinds import ALL

LARGEST = 8192
"""Bytes of a trap; longer ones are not read (RFC 3417 asks for 484)."""
BURST = 4.0
"""How many seconds' worth of traps may come at once."""
REASONS = ("kernel", "too_large", "unknown_source", "source_rate", "rate", "queue", "refused", "malformed")


@dataclass(slots=True)
class Counters:
    """What has come since the start."""

    received: int = 0
    kinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ALL, 0))
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    asked: int = 0
    """Checks that were run for a trap."""


@dataclass(slots=True)
class Bucket:
    """Tokens that come back with time."""

    rate: float
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        """Take one if there is one."""
        most = max(1.0, self.rate * BURST)
        self.tokens = min(most, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Admission:
    """Decides on a datagram before anything of it is read."""

    def __init__(self, per_source: float, overall: float, now: float) -> None:
        self._per_source = per_source
        self._all = Bucket(overall, max(1.0, overall * BURST), now)
        self._sources: dict[str, Bucket] = {}
        self.assets: Mapping[str, tuple[str, ...]] = {}
        """The assets (`unit/asset`) of each address."""

    def adopt(self, jobs: Iterable[Job]) -> None:
        """Learn which addresses there are."""
        found: dict[str, dict[str, None]] = {}
        for job in jobs:
            if (address := plain(job.target.address)) is not None:
                found.setdefault(address, {})[f"{job.unit}/{job.asset}"] = None
        self.assets = {address: tuple(assets) for address, assets in found.items()}
        self._sources = {address: each for address, each in self._sources.items() if address in found}

    def reason(self, source: str, size: int, now: float) -> str:
        """Return why a datagram is dropped, empty where it is read."""
        if size > LARGEST:
            return "too_large"
        if source not in self.assets:
            return "unknown_source"
        bucket = self._sources.get(source)
        if bucket is None:
            most = max(1.0, self._per_source * BURST)
            bucket = self._sources[source] = Bucket(self._per_source, most, now)
        if not bucket.take(now):
            return "source_rate"
        return "" if self._all.take(now) else "rate"


def plain(address: str) -> str | None:
    """Return an address in one way of writing, None for a name; an IPv4 address in IPv6 is itself."""
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
