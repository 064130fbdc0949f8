"""A unit's requirement with all of its steps as plain data (`muster.capacity/1`): pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inventory.models import Asset, Unit
from monitor.capacity.derive import Demand, FunctionNeed, Streams, Use, mathis
from monitor.capacity.document import (
    CapacityDocument,
    ChannelDocument,
    ContractedDocument,
    DirectionDocument,
    FunctionDocument,
    LossDocument,
    MeasuredDocument,
    NetworkDocument,
    RequirementDocument,
    StreamDocument,
    WhatIfDocument,
)
from monitor.capacity.functions import ASSUMPTION, Direction, Functions
from monitor.capacity.requirements import Solved, solve
from monitor.capacity.simulate import Simulation

LEAST_RTT_MS = 0.01
GENERAL = (
    "the round trip time is the design one, not as measured",
    "transactions arrive at random, one independent of the other (Poisson)",
    "all transfers of a direction share the link equally (processor sharing)",
    "sizes and server times spread as gamma distributions with the mean and 95th percentile that are given",
    "the bounds of loss are those of loss-based TCP; others bear more",
)
"""What the method itself assumes, whoever's figures go in."""
TOGETHER = "the channel carries the functions of this unit and all units below it, at their busiest together"


@dataclass(frozen=True, slots=True)
class MeasuredRtt:
    """The 95th percentile of a channel's round trip time, and of how many readings in how many hours."""

    check: str
    p95_ms: float
    readings: int
    hours: float


def what_if(demand: Demand, functions: Functions, users: Mapping[str, float], rtt: float | None) -> Demand:
    """Return the demand with other numbers of users (0: none) and at another RTT in s.

    Raises KeyError for a function that there is not, ValueError where no user is left.
    """
    counts = {use.id: use.users for use in demand.uses} | dict(users)
    uses = tuple(Use(name, functions.functions[name], n) for name, n in sorted(counts.items()) if n > 0)
    if not uses:
        msg = "no user of any function is left"
        raise ValueError(msg)
    changed = replace(demand, uses=uses)
    return changed if rtt is None else changed.at_rtt(rtt)


def explain(
    unit: Unit,
    solved: Solved,
    *,
    measured: Mapping[str, MeasuredRtt] | None = None,
    other: tuple[str, Solved] | None = None,
) -> dict[str, Any]:
    """Return the document; `measured` is by channel, `other` is the what-if with what was asked."""
    present = requirement(solved)
    document = CapacityDocument(
        **dict(present),
        schema="muster.capacity/1",
        unit=unit.id,
        name=unit.name,
        name_zh=unit.name_zh,
        assumptions=assumptions(solved.derivation.demand, unit),
        channels=tuple(
            _channel(asset, solved, (measured or {}).get(asset.id))
            for asset in unit.assets
            if asset.kind == "channel"
        ),
        what_if=WhatIfDocument(**dict(requirement(other[1])), asked=other[0]) if other else None,
    )
    found = document.model_dump(mode="json", by_alias=True)
    return {key: found[key] for key in ("schema", "unit", "name", "name_zh")} | found


def requirement(solved: Solved) -> RequirementDocument:
    """Return a requirement with all of its steps."""
    derivation, rtt = solved.derivation, solved.derivation.rtt
    return RequirementDocument(
        up=_direction(solved, "up"),
        down=_direction(solved, "down"),
        rtt_max_ms=_ms(rtt.ms),
        rtt_binding=rtt.binding,
        loss_max=derivation.loss.share,
        impossible=solved.impossible,
        minimum_factor=None if math.isinf(solved.factor) else round(solved.factor, 4),
        loss=_loss(solved),
        network=_network(derivation.demand),
        functions=_functions(solved),
        realtime=tuple(_stream(each) for each in derivation.demand.realtime),
    )


def assumptions(demand: Demand, unit: Unit) -> tuple[str, ...]:
    """Return what the requirement rests on and nobody has measured, of the functions and of the method."""
    named: Sequence[tuple[str, str]] = (
        *((each.id, each.function.source) for each in demand.uses),
        *((each.id, each.bulk.source) for each in demand.bulk),
        *((each.id, each.function.source) for each in demand.realtime),
    )
    found = dict.fromkeys(f"{name}: {source}" for name, source in named if ASSUMPTION in source.casefold())
    together = [TOGETHER] if unit.network is not None and unit.network.carries == "below" else []
    return (*together, *found, *GENERAL)


def _direction(solved: Solved, direction: Direction) -> DirectionDocument:
    side = solved.derivation.sides[direction]
    return DirectionDocument(
        mean_bps=_bps(side.load.total),
        transactions_bps=_bps(side.load.transactions),
        bulk_bps=_bps(side.load.bulk),
        realtime_bps=_bps(side.load.realtime),
        capacity_bps=_bps(side.capacity),
        minimum_bps=_bps(solved.minimum(direction)),
        required_bps=_bps(side.required),
        binding=side.binding,
    )


def _functions(solved: Solved) -> tuple[FunctionDocument, ...]:
    """Return the functions, the neediest first."""
    derivation = solved.derivation
    capacity = {each: side.capacity for each, side in derivation.sides.items()}
    simulated = {each.id: each.p95 for each in Simulation(derivation.demand).outcomes(capacity)}
    ceilings = derivation.ceilings
    needs = sorted(derivation.functions, key=lambda each: (-max(each.rates.values()), each.id))
    return tuple(_function(each, ceilings[each.id], simulated[each.id]) for each in needs)


def _function(need: FunctionNeed, ceiling: float, simulated: float) -> FunctionDocument:
    function = need.use.function
    return FunctionDocument(
        id=need.id,
        name=function.name,
        name_zh=function.name_zh,
        users=need.use.users,
        tx_per_user_hour=function.tx_per_user_hour,
        target_s=function.target,
        server_p95_s=round(function.server.high, 6),
        request_p95_bytes=round(need.use.x("up"), 3),
        response_p95_bytes=round(need.use.x("down"), 3),
        round_trips=need.round_trips,
        budget_s=round(need.budget, 6),
        budget_up_s=round(need.budgets["up"], 6),
        budget_down_s=round(need.budgets["down"], 6),
        up_bps=_finite(need.rates["up"]),
        down_bps=_finite(need.rates["down"]),
        rtt_max_ms=_ms(max(0.0, ceiling) * 1000),
        simulated_p95_s=None if math.isinf(simulated) else round(simulated, 4),
        source=function.source,
    )


def _stream(each: Streams) -> StreamDocument:
    function = each.function
    return StreamDocument(
        id=each.id,
        name=function.name,
        name_zh=function.name_zh,
        streams=each.count,
        rate_bps=_bps(each.rate),
        one_way_ms=_ms(function.one_way * 1000),
        jitter_ms=_ms(function.jitter * 1000),
        loss_max=function.loss / 100,
        source=function.source,
    )


def _loss(solved: Solved) -> LossDocument:
    loss, network = solved.derivation.loss, solved.derivation.demand.network
    return LossDocument(
        rate_bps=_bps(loss.rate),
        window_packets=loss.window,
        packets_per_loss=loss.packets_per_loss,
        binding=loss.binding,
        mathis_bps=_bps(mathis(network.mss, network.rtt, loss.share)),
        pftk_bps=_bps(loss.pftk),
    )


def _network(demand: Demand) -> NetworkDocument:
    network = demand.network
    return NetworkDocument(
        rtt_ms=_ms(network.rtt * 1000),
        mss=network.mss,
        overhead=network.overhead,
        headroom=network.headroom,
    )


def _channel(asset: Asset, solved: Solved, measured: MeasuredRtt | None) -> ChannelDocument:
    contracted = asset.contracted
    sides = solved.derivation.sides
    return ChannelDocument(
        asset=asset.id,
        role=asset.role,
        provider=contracted.provider if contracted else "",
        up=_contracted(contracted.up if contracted else None, sides["up"].required),
        down=_contracted(contracted.down if contracted else None, sides["down"].required),
        measured=_measured(solved.derivation.demand, measured) if measured else None,
    )


def _contracted(bps: float | None, required: float) -> ContractedDocument:
    short = None if bps is None else _bps(max(0.0, required - bps))
    return ContractedDocument(bps=bps, short_bps=short)


def _measured(demand: Demand, measured: MeasuredRtt) -> MeasuredDocument:
    return MeasuredDocument(
        check=measured.check,
        rtt_p95_ms=_ms(measured.p95_ms),
        readings=measured.readings,
        hours=measured.hours,
        requirement=requirement(solve(demand.at_rtt(max(measured.p95_ms, LEAST_RTT_MS) / 1000))),
    )


def _bps(value: float) -> float:
    return round(value, 1)


def _ms(value: float) -> float:
    return round(value, 3)


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else _bps(value)
