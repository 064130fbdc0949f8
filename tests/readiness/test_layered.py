"""New readings over a store's: the two together read as if all of them had been stored."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.readiness.layered import Layered
from monitor.store.engine import Store
from probes.api import Outcome, Reading

START = 1_795_500_000
CHECK = "hall/uplink/icmp"


@st.composite
def readings(draw: st.DrawFn) -> list[Reading]:
    ages = draw(st.lists(st.integers(0, 5000), unique=True, max_size=30))
    found = []
    for age in ages:
        outcome = draw(st.sampled_from(Outcome))
        good = outcome is Outcome.OK
        metrics = {"rtt_ms": float(draw(st.integers(0, 99)))} if good and draw(st.booleans()) else {}
        facts = {"route": draw(st.sampled_from("ab"))} if good and draw(st.booleans()) else {}
        kind = "" if good else "timeout"
        found.append(Reading(outcome, kind, "", metrics, facts, check=CHECK, at=float(START + age)))
    return found


@given(readings(), st.integers(0, 30))
def test_two_layers_are_one(several: list[Reading], split: int) -> None:
    whole = Layered(None, several)
    layers = Layered(Layered(None, several[:split]), several[split:])
    again = Layered(whole, several)  # what is in both counts once
    for each in (layers, again):
        assert each.latest(CHECK) == whole.latest(CHECK)
        assert set(each.checks()) == set(whole.checks())
        assert each.metrics(CHECK) == whole.metrics(CHECK)
        span, all_of_it = (START + 100, START + 4000), (START, START + 9000)
        for one, two in (
            (each.window(CHECK, "rtt_ms", *span), whole.window(CHECK, "rtt_ms", *span)),
            (each.outcomes(CHECK, *all_of_it), whole.outcomes(CHECK, *all_of_it)),
        ):
            np.testing.assert_array_equal(one.times, two.times)
            np.testing.assert_array_equal(one.values, two.values)
            np.testing.assert_array_equal(one.outcomes, two.outcomes)
            assert np.all(np.diff(one.times) > 0)


@given(readings())
def test_the_last_measurement_is_never_an_error(several: list[Reading]) -> None:
    latest = Layered(None, several).latest(CHECK)
    measured = [each for each in several if each.outcome.measured]
    assert (latest is None) is (not several)
    if latest is not None:
        assert latest.attempt.at == max(each.at for each in several)
        newest = max((each.at for each in measured), default=None)
        assert (latest.measurement.at if latest.measurement else None) == newest


async def test_over_a_real_store(tmp_path: Path) -> None:
    store = await asyncio.to_thread(Store.open, tmp_path)
    try:
        old = Reading(Outcome.OK, metrics={"rtt_ms": 5.0}, facts={"route": "a"}, check=CHECK, at=START)
        new = Reading(Outcome.FAILED, "timeout", check=CHECK, at=START + 60)
        store.append(old)
        await store.flush()
        both = Layered(store, [old, new])
        latest = both.latest(CHECK)
        assert latest is not None
        assert (latest.attempt.kind, latest.measurement) == ("timeout", new)
        assert both.window(CHECK, "rtt_ms", START - 1, START + 100).outcomes.tolist() == [0, 1]
        assert both.facts(CHECK)["route"].value == "a"
        assert [each.value for each in both.fact_history(CHECK, "route")] == ["a"]
    finally:
        await store.aclose()
