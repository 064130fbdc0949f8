"""The simulation, as the model's own check: the derived rate serves everybody, clearly less does not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.capacity import simulate
from monitor.capacity.derive import Demand, Streams, Transfer, Use, derive
from monitor.capacity.functions import DIRECTIONS, Bulk, Realtime, Server, load
from monitor.capacity.requirements import solve
from monitor.capacity.simulate import Outcome, Simulation, minimum_factor
from monitor.paths import shipped
from tests.capacity import example
from tests.capacity.example import function

SHIPPED = load([shipped("config") / "functions"])
NOISE = 1.03
"""What another seed may make of a response time."""


def outcomes(demand: Demand, factor: float, seed: int = simulate.SEED) -> tuple[Outcome, ...]:
    """Return what becomes of the functions at a factor of the formula's capacity."""
    sides = derive(demand).sides
    return Simulation(demand, seed).outcomes({each: sides[each].capacity * factor for each in DIRECTIONS})


@pytest.mark.parametrize("seed", [simulate.SEED, 1, 2])
@pytest.mark.parametrize(
    ("factor", "missed"), [(4 / 3, set()), (1.0, set()), (0.6, {"new-connection", "bill-pdf"})]
)
def test_the_example_at_the_required_rate_the_capacity_and_less(
    factor: float, missed: set[str], seed: int
) -> None:
    found = outcomes(example.demand(), factor, seed)
    assert {each.id for each in found if each.missed} == missed
    assert len(found) == 5


def test_the_example_still_meets_all_at_four_fifths() -> None:
    assert not any(each.missed for each in outcomes(example.demand(), 0.8))


def test_the_minimum_is_where_the_simulation_turns() -> None:
    factor = minimum_factor(example.derivation())
    assert 0.7 < factor < 0.85
    assert not any(each.missed for each in outcomes(example.demand(), factor))
    assert any(each.missed for each in outcomes(example.demand(), factor / simulate.PRECISION))
    assert factor == minimum_factor(example.derivation())


HALLS = st.builds(
    lambda users, upload, rtt: Demand(
        tuple(Use(name, SHIPPED.functions[name], count) for name, count in sorted(users.items())),
        (Transfer("meter-upload", SHIPPED.bulk["meter-upload"]),) if upload else (),
        network=replace(SHIPPED.network, rtt=rtt),
    ),
    st.dictionaries(st.sampled_from(sorted(SHIPPED.functions)), st.integers(1, 60), min_size=1, max_size=6),
    st.booleans(),
    st.floats(0.002, 0.04),
)


@pytest.mark.timeout(240)
@settings(max_examples=6)
@given(HALLS)
def test_the_derived_rate_serves_every_function_and_clearly_less_does_not(hall: Demand) -> None:
    solved = solve(hall)
    found = solved.derivation
    assert not solved.impossible
    capacity = {each: side.capacity for each, side in found.sides.items()}
    for seed in (simulate.SEED, 7):
        served = Simulation(hall, seed).outcomes(capacity)
        assert all(each.p95 <= each.target * NOISE for each in served), served
    less = {each: 0.75 * min(1.0, solved.factor) * rate for each, rate in capacity.items()}
    assert any(each.missed for each in Simulation(hall).outcomes(less))


@pytest.mark.timeout(240)
@settings(max_examples=5)
@given(HALLS, st.floats(1.3, 4))
def test_more_users_never_have_a_smaller_minimum(hall: Demand, factor: float) -> None:
    more = replace(hall, uses=tuple(replace(use, users=use.users * factor) for use in hall.uses))
    small, large = solve(hall), solve(more)
    for each in DIRECTIONS:
        assert large.minimum(each) >= small.minimum(each) / simulate.PRECISION**2
        assert large.derivation.sides[each].required >= small.derivation.sides[each].required


def test_sizes_that_hardly_vary_raise_what_the_formula_gives() -> None:
    """Then the parts' 95th percentiles add up to that of the sum, and chance is not covered."""
    alike = replace(function(tx=60, up=20, down=200, target=3, spread=1.0), server=Server(mean=1, p95=1))
    demand = Demand((Use("x", alike, 100),))
    solved = solve(demand)
    assert solved.factor > 1.1
    formula, raised = derive(demand), solved.derivation
    for each in DIRECTIONS:
        assert raised.sides[each].capacity == formula.sides[each].capacity * solved.factor
        assert solved.minimum(each) == raised.sides[each].capacity
    assert any(each.missed for each in outcomes(demand, 1.0))
    assert not any(each.missed for each in outcomes(demand, solved.factor))


def test_a_link_below_the_load_serves_nobody() -> None:
    found = example.derivation()
    late = Simulation(example.demand()).outcomes({"up": found.sides["up"].load.total, "down": 1e9})
    assert all(each.missed and math.isinf(each.p95) for each in late)


def test_a_reserved_stream_slows_the_others_as_a_smaller_link_would() -> None:
    streams = (Streams("v", Realtime(rate=1e6), 2),)
    with_streams = Simulation(replace(example.demand(), realtime=streams)).outcomes({"up": 7e6, "down": 7e6})
    without = Simulation(example.demand()).outcomes({"up": 5e6, "down": 5e6})
    assert with_streams == without


def test_a_bulk_transfer_comes_at_least_once_and_slows_what_it_meets() -> None:
    busy = Demand((Use("x", function(tx=60), 1000),))
    nightly = Transfer("n", Bulk(direction="down", bytes=500e6, period=86400))
    alone = Simulation(busy).outcomes({"up": 50e6, "down": 50e6})[0]
    beside = Simulation(replace(busy, bulk=(nightly,))).outcomes({"up": 50e6, "down": 50e6})[0]
    assert beside.p95 > alone.p95


def test_a_function_that_is_too_rare_to_be_simulated_is_judged_by_the_formula() -> None:
    uses = (Use("often", function(tx=200), 500), Use("rare", function(tx=0.01), 1))
    found = {each.id: each for each in outcomes(Demand(uses), 1.0)}
    assert found["often"].count > found["rare"].count == 0
    assert found["rare"].p95 <= found["rare"].target


def test_what_no_bandwidth_serves_only_counts_as_load() -> None:
    uses = (Use("lost", function(target=2, server=1), 5), Use("good", function(target=9), 5))
    demand = Demand(uses).at_rtt(0.2)
    assert derive(demand).impossible
    assert 0 < minimum_factor(derive(demand)) <= 1.1
    assert minimum_factor(derive(replace(demand, uses=uses[:1]))) == 1.0


def test_a_tiny_budget_is_no_matter_of_chance() -> None:
    tight = replace(function(target=3, server=1, turns=1), setup_round_trips=1)
    trips = 0.1
    demand = Demand((Use("x", tight, 5),)).at_rtt(trips)
    left = derive(demand).functions[0].budget
    nearly = demand.at_rtt(trips + (left - 0.002) / derive(demand).functions[0].round_trips)
    assert 0 < derive(nearly).functions[0].budget < 0.01
    assert solve(nearly).factor < 1.2


def test_the_draws_of_a_function_do_not_depend_on_the_others() -> None:
    one, other = Use("a", function(), 5), Use("b", function(up=50), 5)
    alone, both = simulate.draw(Demand((one,))), simulate.draw(Demand((one, other)))
    assert np.array_equal(alone.bits["up"], both.bits["up"][both.which == 0])
