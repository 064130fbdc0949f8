"""From two samples of an interface to rates, by the agent's own clock; and what may not be compared.

Counters wrap at 2^32 and 2^64. Whether one wrapped or was reset can't be seen in it: what would have been
more than the line can carry, or may have wrapped twice, is no rate. Nothing is ever given as 0 instead.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from probes.api import Shared
from probes.network._if_rows import Row
from probes.network._snmp_counters import LONGEST_S, SHORTEST_S, elapsed, increase

COUNTED = ("errors_in", "errors_out", "discards_in", "discards_out")
SLACK = 1.05
"""What a line may seem to have carried over its speed: counters are read a little later than the clock."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A row and when it was read, by the monitor's own clock in seconds."""

    row: Row
    read: float


@dataclass(frozen=True, slots=True)
class Rates:
    """What became of one interface since the last sample; `why` says why there are no rates.

    `by_name` holds rate_in_bps, rate_out_bps, errors_in_per_s and so on; `flapped` counts changes of state
    that were seen (one at most: the agent keeps the last one), None where it can't be told.
    """

    by_name: Mapping[str, float]
    flapped: int | None = None
    why: str = ""
    restarted: bool = False


class LastSamples:
    """The last sample of each interface, by who asked; a client for `Shared.get`."""

    MOST = 200_000

    def __init__(self, _: Shared) -> None:
        self._kept: OrderedDict[object, dict[str, Sample]] = OrderedDict()
        self._size = 0

    def swap(self, who: object, samples: dict[str, Sample]) -> dict[str, Sample]:
        """Keep these samples by name and return those before."""
        before = self._kept.pop(who, {})
        self._kept[who] = samples
        self._size += len(samples) - len(before)
        while self._size > self.MOST and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1])
        return before


def rates(before: Sample | None, now: Sample, speed: float | None) -> Rates:
    """Compare two samples of an interface that has the same name in both."""
    if before is None:
        return Rates({}, why="first sample")
    if before.row.index != now.row.index:
        return Rates({}, why="renumbered")
    own = now.read - before.read
    seconds = elapsed(before.row.at, now.row.at, own)
    if seconds is None:
        return Rates({}, why="restarted", restarted=True)
    if own > LONGEST_S:
        return Rates({}, why="last sample too old")
    if seconds < SHORTEST_S:
        return Rates({}, why="the agent's clock stands still")
    flapped = _flapped(before.row, now.row)
    if before.row.values.get("discontinuity") != now.row.values.get("discontinuity"):
        return Rates({}, flapped, "discontinuity")
    return _counted(before.row, now.row, seconds, speed, flapped)


def _flapped(before: Row, now: Row) -> int | None:
    changed = (before.values.get("changed"), now.values.get("changed"))
    if None in changed:
        return None
    return int(changed[0] != changed[1])


def _counted(before: Row, now: Row, seconds: float, speed: float | None, flapped: int | None) -> Rates:
    found: dict[str, float] = {}
    impossible = []
    for way in ("in", "out"):
        octets = _octets(before, now, way, seconds, speed)
        if octets is not None:
            found[f"rate_{way}_bps"] = octets * 8 / seconds
        elif f"{way}64" in now.values or f"{way}32" in now.values:
            impossible.append(way)
    for name in COUNTED:
        if name not in before.values or name not in now.values:
            continue
        more = increase(before.values[name], now.values[name], 32)
        if more is not None:
            found[f"{name}_per_s"] = more / seconds
    if impossible:
        return Rates({}, flapped, "counters ambiguous or reset")
    return Rates(found | _shares(before, now, found, seconds), flapped)


def _shares(before: Row, now: Row, found: Mapping[str, float], seconds: float) -> dict[str, float]:
    """Return errors and discards in percent of packets, as far as there were any packets."""
    shares: dict[str, float] = {}
    for way in ("in", "out"):
        passed = _packets(before, now, way)
        lost = [found.get(f"{kind}_{way}_per_s") for kind in ("errors", "discards")]
        if passed is None or None in lost:
            continue
        several = passed / seconds + sum(each or 0.0 for each in lost)
        if several:
            for kind in ("errors", "discards"):
                shares[f"{kind}_{way}_pct"] = found[f"{kind}_{way}_per_s"] / several * 100
    return shares


def _packets(before: Row, now: Row, way: str) -> int | None:
    """Return unicast packets that passed, None where that is not told."""
    for bits in (64, 32):
        name = f"packets_{way}{bits}"
        if name in now.values:
            return increase(before.values[name], now.values[name], bits) if name in before.values else None
    return None


def _octets(before: Row, now: Row, way: str, seconds: float, speed: float | None) -> int | None:
    """Return octets carried, None where a wrap can't be told from a reset."""
    name, bits = (f"{way}64", 64) if f"{way}64" in now.values else (f"{way}32", 32)
    if name not in before.values or name not in now.values:
        return None
    carried = int((now.values[name] - before.values[name]) % 2**bits)
    if bits == 64 and now.values[name] >= before.values[name]:
        return carried
    if speed is None:
        return None
    most = speed / 8 * seconds * SLACK + 1_000_000
    if carried > most or (bits == 32 and most >= 2**32):
        return None
    return carried
