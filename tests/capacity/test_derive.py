"""The derivation: the worked example to its digits, and what must hold whatever goes in."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.capacity.derive import (
    LEAST_PACKETS,
    Demand,
    Streams,
    Use,
    budget,
    derive,
    mathis,
    round_trips,
    split,
)
from monitor.capacity.functions import DIRECTIONS, Network, Realtime
from tests.capacity import example
from tests.capacity.example import function

COLUMNS = {
    "counter-query": (9, 0.835, 1.17, 2.26, 94.4), "new-connection": (13, 10.795, 5.06, 1.14, 329.1),
    "bill-pdf": (10, 1.840, 0.99, 5.26, 84.5), "pos": (3, 0.373, 0.48, 0.27, 148.3),
    "kiosk": (10, 0.810, 1.26, 4.78, 58.3),
}  # fmt: skip
"""n, tau in s, what it needs up and down in Mbit/s, RTT_max in ms, as printed."""


@pytest.mark.parametrize("name", COLUMNS)
def test_the_columns_of_the_example(name: str) -> None:
    found = example.derivation()
    need = next(each for each in found.functions if each.id == name)
    ceiling = found.ceilings[name] * 1000
    rates = [round(need.rates[each] / 1e6, 2) for each in DIRECTIONS]
    assert (need.round_trips, round(need.budget, 3), *rates, round(ceiling, 1)) == COLUMNS[name]


def test_the_sums_of_the_example() -> None:
    found = example.derivation()
    up, down = found.sides["up"], found.sides["down"]
    loads = [up.load.transactions, up.load.bulk, up.load.total, down.load.total]
    assert [round(each / 1e6, 3) for each in loads] == [0.129, 0.293, 0.423, 0.215]
    rates = [up.capacity, down.capacity, up.required, down.required]
    assert [round(each / 1e6, 2) for each in rates] == [5.06, 5.26, 6.75, 7.01]
    assert (up.binding, down.binding) == ("new-connection", "bill-pdf")
    assert (round(found.rtt.ms, 1), found.rtt.binding) == (58.3, "kiosk")
    loss = found.loss
    assert (round(loss.rate / 1e6, 2), loss.binding, loss.window, loss.packets_per_loss) == (
        5.04, "down", 12, 432,
    )  # fmt: skip
    assert round(100 * loss.share, 2) == 0.23
    assert found.impossible == ""


def test_both_formulas_of_loss_leave_room_at_the_bound() -> None:
    found, network = example.derivation(), Network()
    share = found.loss.share
    assert mathis(network.mss, network.rtt, share) > found.loss.pftk > found.loss.rate


def test_slow_start_adds_round_trips_by_the_larger_direction() -> None:
    trips = [round_trips(function(turns=1, up=up, down=0.1), 1400) for up in (5, 10, 20, 100)]
    assert trips == [3, 4, 5, 7]
    open_already = replace(function(turns=1, up=5, down=0.1), setup_round_trips=0)
    assert round_trips(open_already, 1400) == 1


def test_the_split_buys_least_in_all() -> None:
    use = Use("x", function(up=3, down=300), 1)
    whole = budget(use.function, 4, 0.025)

    def bought(up: float) -> float:
        return use.x("up") / up + use.x("down") / (whole - up)

    best = split(whole, use)
    assert math.isclose(sum(best.values()), whole)
    assert all(bought(best["up"]) <= bought(best["up"] * factor) for factor in (0.8, 0.95, 1.05, 1.3))


def test_no_bandwidth_serves_a_round_trip_that_is_too_long() -> None:
    found = derive(example.demand().at_rtt(0.12))
    assert found.impossible == (
        "no bandwidth can meet the target of "
        "counter-query (target 3 s, server 1.94 s, 9 round trips of 120 ms), "
        "kiosk (target 3 s, server 1.94 s, 10 round trips of 120 ms)"
    )
    assert all(math.isinf(each.rates["up"]) for each in found.functions if not each.possible)
    assert found.sides["down"].binding == "bill-pdf"
    assert math.isfinite(found.sides["down"].required)
    assert found.rtt.ms < 120


def test_where_no_function_can_be_served_the_load_is_left() -> None:
    found = derive(Demand((Use("x", function(target=2, server=1), 5),)).at_rtt(1.0))
    assert found.impossible.startswith("no bandwidth can meet the target of x")
    assert found.sides["up"].capacity == found.sides["up"].load.total


def test_a_stream_takes_its_rate_and_bounds_delay_and_loss() -> None:
    voice = Realtime(rate=87e3, one_way=0.02, loss=0.1)
    without, found = (
        example.derivation(),
        derive(replace(example.demand(), realtime=(Streams("v", voice, 6),))),
    )
    for each in DIRECTIONS:
        added = found.sides[each].load.total - without.sides[each].load.total
        assert math.isclose(added, 6 * 87e3)
        assert math.isclose(found.sides[each].capacity - without.sides[each].capacity, 6 * 87e3)
    assert (found.rtt.ms, found.rtt.binding) == (40, "v")
    assert (found.loss.packets_per_loss, found.loss.binding) == (1000, "v")
    assert found.loss.share == 0.001


def test_at_a_measured_rate_the_round_trip_must_be_shorter() -> None:
    found = example.derivation()
    whole = found.rtt_at(1e9, 1e9)
    assert whole == found.rtt
    assert found.rtt_at(5.1e6, 5.3e6).ms < whole.ms
    load = found.sides["up"].load.total
    assert found.rtt_at(load, 1e9).ms == 0
    assert found.rtt_at(-math.inf, 1e9).ms == 0


FUNCTIONS = st.builds(
    function,
    tx=st.floats(0.1, 200), turns=st.integers(1, 10), up=st.floats(0.1, 5000), down=st.floats(0.1, 5000),
    target=st.floats(2.5, 60), server=st.floats(0.01, 1.2), spread=st.floats(1.0, 5.0),
)  # fmt: skip
DEMANDS = st.builds(
    lambda functions, users, rtt: Demand(
        tuple(Use(f"f{i}", each, users[i]) for i, each in enumerate(functions)), network=Network(rtt=rtt)
    ),
    st.lists(FUNCTIONS, min_size=1, max_size=4),
    st.lists(st.floats(0.1, 500), min_size=4, max_size=4),
    st.floats(0.0005, 0.1),
)


@given(DEMANDS)
def test_what_holds_of_any_derivation(demand: Demand) -> None:
    found = derive(demand)
    for side in found.sides.values():
        assert side.load.total <= side.capacity < side.required
        assert math.isclose(side.required, side.capacity / 0.75)
    assert found.loss.packets_per_loss >= LEAST_PACKETS
    assert bool(found.impossible) == any(each.budget <= 0 for each in found.functions)
    if not found.impossible:
        assert found.rtt.ms >= demand.network.rtt * 1000
        assert math.isclose(found.rtt.ms, 1000 * min(found.ceilings.values()))
    assert found.rtt_at(1e5, 1e5).ms <= found.rtt_at(1e7, 1e7).ms <= found.rtt.ms


@given(DEMANDS, st.floats(1, 5), st.integers(0, 3))
def test_more_users_never_need_less(demand: Demand, factor: float, index: int) -> None:
    uses = list(demand.uses)
    index %= len(uses)
    uses[index] = replace(uses[index], users=uses[index].users * factor)
    _never_less(demand, replace(demand, uses=tuple(uses)))


@given(DEMANDS, st.floats(1, 3))
def test_a_longer_round_trip_never_needs_less(demand: Demand, factor: float) -> None:
    longer = demand.at_rtt(demand.network.rtt * factor)
    if not derive(longer).impossible:
        _never_less(demand, longer)


@given(DEMANDS, FUNCTIONS)
def test_one_function_more_never_needs_less(demand: Demand, more: object) -> None:
    _never_less(demand, replace(demand, uses=(*demand.uses, Use("more", more, 3))))  # type: ignore[arg-type]


@given(DEMANDS, st.floats(1, 4))
def test_a_later_target_never_needs_more(demand: Demand, factor: float) -> None:
    later = tuple(
        replace(use, function=replace(use.function, target=use.function.target * factor))
        for use in demand.uses
    )
    if not derive(demand).impossible:
        _never_less(replace(demand, uses=later), demand)


def _never_less(less: Demand, more: Demand) -> None:
    small, large = derive(less), derive(more)
    for each in DIRECTIONS:
        assert large.sides[each].required >= small.sides[each].required * (1 - 1e-9)
