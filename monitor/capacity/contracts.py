"""What carriers have promised against what their lines carry: channel by channel, with the evidence.

A contract is about the line, so that the capacity is judged (not the expected TCP rate), by its low quantile
as a requirement is: the lower 95 % bound of q05 at or above the contracted rate holds, the upper one below it
is short, all else can't be told. A test that failed says nothing of the rate, and is missing. A carrier
counts at layer 2 or 1 what is measured at the IP layer, and a measurement errs a little: `ALLOWANCE` of the
contracted rate is left for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from inventory.models import Asset as AssetSpec
from inventory.models import Inventory, Unit
from monitor.job import Job
from monitor.readiness.conditions import Compare, Statistic
from monitor.readiness.dependencies import Asset
from monitor.readiness.rates import Rates, estimated
from monitor.readiness.requirement import DIRECTIONS, Direction
from monitor.readiness.sampling import Estimate, Floats, Span
from monitor.store.api import OUTCOME_CODES, Evidence, Window

ALLOWANCE = 0.05
"""Share of the contracted rate: up to 2.5 % for Ethernet around IP packets of 1500 bytes, the rest for us."""
SLOWEST = 5
"""How many of the slowest readings are shown as evidence."""
NO_PROVIDER = "(no provider)"


class Holds(StrEnum):
    """What becomes of a promise; the worst first."""

    SHORT = "short"
    UNKNOWN = "can't tell"
    HOLDS = "holds"


WORST_FIRST = tuple(Holds)


@dataclass(frozen=True, slots=True)
class Side:
    """One direction of one channel; rates in bit/s, None where there is nothing to say."""

    way: Direction
    contracted: float
    verdict: Holds
    why: str = ""
    median: float | None = None
    q05: float | None = None
    lower: float | None = None
    """Of q05, the one-sided 95 % bounds."""
    upper: float | None = None
    n: int = 0
    coverage: float = 0.0
    slowest: tuple[tuple[float, float], ...] = ()
    """(time, rate) of the slowest readings."""

    @property
    def share(self) -> float:
        """The measured q05 as a share of what is contracted; what is not measured sorts last."""
        return float("inf") if self.q05 is None else self.q05 / self.contracted


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel with a contract."""

    unit: str
    name: str
    asset: str
    provider: str
    circuit: str
    check: str | None
    sides: tuple[Side, ...]

    @property
    def verdict(self) -> Holds:
        """The worst of its directions."""
        return min((side.verdict for side in self.sides), key=WORST_FIRST.index)


@dataclass(frozen=True, slots=True)
class Provider:
    """All channels of one carrier, the worst first."""

    name: str
    channels: tuple[Channel, ...]

    @property
    def counts(self) -> Mapping[Holds, int]:
        """How many channels have each verdict."""
        return {each: sum(channel.verdict is each for channel in self.channels) for each in Holds}


def providers(
    inventory: Inventory,
    jobs: Mapping[Asset, tuple[Job, ...]],
    evidence: Evidence,
    window: Statistic,
    now: float,
    *,
    only: str | None = None,
) -> list[Provider]:
    """Return the carriers, the one with the most lines short first.

    `window` says over which time (its own statistic does not matter), `only` names one carrier.
    """
    found: dict[str, list[Channel]] = {}
    for unit, asset in _contracted(inventory):
        name = asset.contracted.provider if asset.contracted else ""
        if only is None or name == only:
            span = Span.of(window, now, inventory.timezone(unit.id))
            channel = _channel(unit, asset, jobs.get((unit.id, asset.id), ()), evidence, span)
            found.setdefault(name or NO_PROVIDER, []).append(channel)
    several = [Provider(name, tuple(sorted(channels, key=_rank))) for name, channels in found.items()]
    return sorted(several, key=_worst_first)


def _contracted(inventory: Inventory) -> Iterator[tuple[Unit, AssetSpec]]:
    for unit in inventory:
        for asset in unit.assets:
            promised = asset.contracted
            if asset.kind == "channel" and promised and (promised.up or promised.down):
                yield unit, asset


def _rank(channel: Channel) -> tuple[int, float, str]:
    return WORST_FIRST.index(channel.verdict), min(side.share for side in channel.sides), channel.unit


def _worst_first(provider: Provider) -> tuple[int, int, str]:
    counts = provider.counts
    return -counts[Holds.SHORT], -counts[Holds.UNKNOWN], provider.name


def _channel(unit: Unit, asset: AssetSpec, jobs: Iterable[Job], evidence: Evidence, span: Span) -> Channel:
    promised = asset.contracted
    rates = {each: getattr(promised, each) for each in DIRECTIONS}
    measuring = [job for job in jobs if all(job.spec.metric(_metric(each)) for each in DIRECTIONS)]
    told = [
        tuple(_side(job, each, rate, evidence, span) for each, rate in rates.items() if rate)
        for job in measuring
    ]
    best = max(range(len(told)), key=lambda each: sum(side.n for side in told[each]), default=None)
    sides = told[best] if best is not None else _unmeasured(rates)
    return Channel(
        unit.id, unit.name, asset.id, promised.provider if promised else "",
        promised.circuit if promised else "", measuring[best].id if best is not None else None, sides,
    )  # fmt: skip


def _metric(way: Direction) -> str:
    return f"capacity_{way}_bps"


def _unmeasured(rates: Mapping[Direction, float | None]) -> tuple[Side, ...]:
    why = "no check of this channel measures its rate"
    return tuple(Side(way, rate, Holds.UNKNOWN, why) for way, rate in rates.items() if rate)


def _side(job: Job, way: Direction, contracted: float, evidence: Evidence, span: Span) -> Side:
    wanted = contracted * (1 - ALLOWANCE)
    part = Statistic("q05", 0.05, Compare(">=", wanted), span.end - span.start, "", span.calendar)
    rates = _measured(Rates.read(evidence, job, _metric(way), span))
    found = estimated(part, rates, wanted, span, job.every)
    if found is None:
        return Side(way, contracted, Holds.UNKNOWN, "not measured in this time")
    verdict, why = _judged(found, wanted)
    measured = rates.against(wanted)
    return Side(
        way, contracted, verdict, why, _median(measured.values), found.value, found.lower, found.upper,
        found.n, found.coverage, _slowest(measured.times, measured.values),
    )  # fmt: skip


def _measured(rates: Rates) -> Rates:
    """Return the rates without the tests that failed: an outage is no slow line."""
    window = rates.window
    outcomes = np.where(window.outcomes == OUTCOME_CODES["failed"], OUTCOME_CODES["not_run"], window.outcomes)
    return Rates(Window(window.times, window.values, outcomes.astype(np.uint8)), rates.lowest)


def _judged(found: Estimate, wanted: float) -> tuple[Holds, str]:
    if lacking := found.lacking():
        return Holds.UNKNOWN, lacking
    if found.lower is not None and found.lower >= wanted:
        return Holds.HOLDS, ""
    if found.upper is not None and found.upper < wanted:
        return Holds.SHORT, ""
    return Holds.UNKNOWN, "the bounds lie on both sides of what is contracted"


def _slowest(times: Floats, values: Floats) -> tuple[tuple[float, float], ...]:
    order = [each for each in np.argsort(values, kind="stable") if not np.isnan(values[each])]
    return tuple((float(times[each]), float(values[each])) for each in order[:SLOWEST])


def _median(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None
