"""From business functions to what a channel must deliver: the steps of docs/capacity.md, one function each.

Rates are bit/s at the IP layer, times seconds unless a name says otherwise. `o` is the protocol overhead and
`x` the 95th percentile of a transaction's bytes in a direction, as in the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.capacity.functions import DIRECTIONS, Bulk, Direction, Function, Network, Realtime
from monitor.capacity.need import RttNeed

INITIAL_WINDOW = 10
"""Segments a sender may have under way at first (RFC 6928)."""
LEAST_PACKETS = 12
"""Of a sequential test of loss: below it one lost packet would decide too much."""
RTO_RTTS = 5.0
"""The retransmission timeout in round trip times (RFC 3819, section 8.5)."""


@dataclass(frozen=True, slots=True)
class Use:
    """A function, and how many use it."""

    id: str
    function: Function
    users: float

    @property
    def per_second(self) -> float:
        """Transactions a second."""
        return self.users * self.function.tx_per_user_hour / 3600

    def x(self, direction: Direction) -> float:
        """Return the 95th percentile of a transaction's bytes."""
        return self.function.size(direction).high


@dataclass(frozen=True, slots=True)
class Transfer:
    """A bulk transfer."""

    id: str
    bulk: Bulk


@dataclass(frozen=True, slots=True)
class Streams:
    """A real-time function, and how many streams of it run at a time."""

    id: str
    function: Realtime
    count: int = 1

    @property
    def rate(self) -> float:
        """Bit/s of all of them, each way."""
        return self.count * self.function.rate


@dataclass(frozen=True, slots=True)
class Demand:
    """All that a unit's requirement follows from. Equal demands have equal requirements."""

    uses: tuple[Use, ...]
    bulk: tuple[Transfer, ...] = ()
    realtime: tuple[Streams, ...] = ()
    network: Network = field(default_factory=Network)

    def at_rtt(self, rtt: float) -> Demand:
        """Return the same demand at another round trip time."""
        return replace(self, network=replace(self.network, rtt=rtt))


@dataclass(frozen=True, slots=True)
class Load:
    """Step 1: the mean load of one direction, by what makes it."""

    transactions: float
    bulk: float
    realtime: float

    @property
    def total(self) -> float:
        """The whole, rho."""
        return self.transactions + self.bulk + self.realtime


@dataclass(frozen=True, slots=True)
class FunctionNeed:
    """Steps 2 to 4 and 7 of one function; both rates are infinite where no bandwidth suffices."""

    use: Use
    round_trips: int
    budget: float
    """Seconds left for the transfers; not above zero means that no bandwidth suffices."""
    budgets: Mapping[Direction, float]
    rates: Mapping[Direction, float]

    @property
    def id(self) -> str:
        """The function's name."""
        return self.use.id

    @property
    def possible(self) -> bool:
        """Whether any bandwidth suffices."""
        return self.budget > 0


@dataclass(frozen=True, slots=True)
class Side:
    """One direction: mean load, enough capacity, and that with headroom, and which function binds."""

    load: Load
    capacity: float
    required: float
    binding: str


@dataclass(frozen=True, slots=True)
class Loss:
    """Step 8. `rate` is that of the transfers; `pftk` what one connection reaches when so much is lost."""

    rate: float
    window: int
    packets_per_loss: float
    share: float
    binding: str
    """What binds: the direction, or a real-time stream."""
    pftk: float


@dataclass(frozen=True, slots=True)
class Derivation:
    """All steps for one demand, and so what a channel must deliver."""

    demand: Demand
    functions: tuple[FunctionNeed, ...]
    sides: Mapping[Direction, Side]
    loss: Loss
    impossible: str

    def rtt_at(self, up_bps: float, down_bps: float) -> RttNeed:
        """Step 7: return the RTT ceiling at measured rates; one above the required rate counts as that."""
        found = self._ceilings({"up": up_bps, "down": down_bps})
        ceilings = [(ceiling, name) for name, ceiling in found.items()]
        ceilings += [(2 * each.function.one_way, each.id) for each in self.demand.realtime]
        least, binding = min(ceilings)
        return RttNeed(max(0.0, least) * 1000, binding)

    @property
    def rtt(self) -> RttNeed:
        """The ceiling at the required rate."""
        return self.rtt_at(math.inf, math.inf)

    @property
    def ceilings(self) -> Mapping[str, float]:
        """Each function's own ceiling at the required rate, seconds; not above zero: none will do."""
        return self._ceilings({"up": math.inf, "down": math.inf})

    def _ceilings(self, rates: Mapping[Direction, float]) -> Mapping[str, float]:
        spare = {each: min(side.required, rates[each]) - side.load.total for each, side in self.sides.items()}
        overhead = self.demand.network.overhead
        return {each.id: rtt_ceiling(each, overhead, spare) for each in self.functions}


def derive(demand: Demand, *, factor: float = 1.0) -> Derivation:
    """Return all steps; `factor` (step 6) is what the simulation finds that the capacity must be raised by.

    At least one function must be used.
    """
    network = demand.network
    loads = {each: mean_load(demand, each) for each in DIRECTIONS}
    functions = tuple(function_need(use, network, loads) for use in demand.uses)
    sides = {each: side(each, loads[each], functions, network.headroom, factor) for each in DIRECTIONS}
    found = loss(sides, demand)
    return Derivation(demand, functions, sides, found, impossible(functions, network.rtt))


def mean_load(demand: Demand, direction: Direction) -> Load:
    """Step 1: what the direction carries on average."""
    bits = 8 * demand.network.overhead
    transactions = sum(use.per_second * use.function.size(direction).mean for use in demand.uses)
    bulk = sum(each.bulk.bytes / each.bulk.period for each in demand.bulk if each.bulk.direction == direction)
    return Load(bits * transactions, bits * bulk, sum(each.rate for each in demand.realtime))


def round_trips(function: Function, mss: int) -> int:
    """Step 2: opening the connection, the application's turns, and slow start from a window of 10."""
    largest = max(function.request.high, function.response.high)
    growing = math.ceil(math.log2(largest / (INITIAL_WINDOW * mss) + 1)) - 1
    return function.setup_round_trips + function.turns + max(0, growing)


def budget(function: Function, trips: int, rtt: float) -> float:
    """Step 3: the time left for the transfers within the target."""
    return function.target - function.server.high - trips * rtt


def split(whole: float, use: Use) -> dict[Direction, float]:
    """Step 3: the budget by direction, as the roots of the bytes: so the least bandwidth must be bought."""
    roots = {each: math.sqrt(use.x(each)) for each in DIRECTIONS}
    return {each: whole * root / sum(roots.values()) for each, root in roots.items()}


def function_need(use: Use, network: Network, loads: Mapping[Direction, Load]) -> FunctionNeed:
    """Steps 2 to 4: processor sharing moves x bits in x / (C - rho) on average."""
    trips = round_trips(use.function, network.mss)
    whole = budget(use.function, trips, network.rtt)
    budgets = split(whole, use)
    rates = {
        each: loads[each].total + 8 * network.overhead * use.x(each) / budgets[each]
        if whole > 0
        else math.inf
        for each in DIRECTIONS
    }
    return FunctionNeed(use, trips, whole, budgets, rates)


def side(
    direction: Direction, load: Load, functions: Sequence[FunctionNeed], headroom: float, factor: float
) -> Side:
    """Steps 4 and 5: what the neediest function needs, and that with headroom.

    Functions that no bandwidth can serve are left out; with none left, the load alone counts.
    """
    needs = [(each.rates[direction], each.id) for each in functions if each.possible]
    capacity, binding = max(needs, default=(load.total, ""))
    return Side(load, capacity * factor, capacity * factor / (1 - headroom), binding)


def rtt_ceiling(need: FunctionNeed, overhead: float, spare: Mapping[Direction, float]) -> float:
    """Step 7: the longest round trip in seconds when transfers get `spare`; not above zero: none will do."""
    if min(spare.values()) <= 0:
        return 0.0
    function = need.use.function
    transfers = sum(8 * overhead * need.use.x(each) / spare[each] for each in DIRECTIONS)
    return (function.target - function.server.high - transfers) / need.round_trips


def loss(sides: Mapping[Direction, Side], demand: Demand) -> Loss:
    """Step 8: at most one loss in 3 w^2 packets (RFC 8337), and no more than real-time streams bear."""
    mss, rtt = demand.network.mss, demand.network.rtt
    rate, direction = max((each.capacity - each.load.total, name) for name, each in sides.items())
    window = math.ceil(rate * rtt / (8 * mss))
    bounds: list[tuple[float, str]] = [(max(3.0 * window**2, LEAST_PACKETS), direction)]
    bounds += [(100 / each.function.loss, each.id) for each in demand.realtime]
    packets, binding = max(bounds)
    return Loss(rate, window, packets, 1 / packets, binding, pftk(mss, rtt, 1 / packets))


def mathis(mss: int, rtt: float, share: float) -> float:
    """Return the most that one connection reaches at a share of lost packets (delayed acknowledgements)."""
    return 8 * mss / rtt * math.sqrt(3 / (4 * share))


def pftk(mss: int, rtt: float, share: float) -> float:
    """Return what one connection reaches at a share of lost packets, time-outs included (RFC 3819, 8.5)."""
    waiting = RTO_RTTS * rtt * share * (1 + 32 * share**2) * min(1, 3 * math.sqrt(0.75 * share))
    return 8 * mss / (rtt * math.sqrt(4 / 3 * share) + waiting)


def impossible(functions: Sequence[FunctionNeed], rtt: float) -> str:
    """Return a sentence on the functions that no bandwidth serves at this round trip time, or nothing."""
    lost = [each for each in functions if not each.possible]
    if not lost:
        return ""
    parts = [
        f"{each.id} (target {each.use.function.target:g} s, server {each.use.function.server.high:.3g} s,"
        f" {each.round_trips} round trips of {rtt * 1000:g} ms)"
        for each in lost
    ]
    return f"no bandwidth can meet the target of {', '.join(parts)}"
