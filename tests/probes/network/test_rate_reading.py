"""What verdicts come to as metrics: figures where they are decided, bounds under names of their own."""

from __future__ import annotations

import math

import pytest

from probes.network._rate_course import Lane
from probes.network._rate_reading import metrics_of
from probes.network._tcp_rate import mathis
from probes.network._train_plan import Verdict

CAPACITY = 10e6


def told(decided: str, loss: float | None, rtt_ms: float = 25.0) -> dict[str, float]:
    lane = Lane("down", None)
    lane.verdict = Verdict(decided, CAPACITY, "")  # type: ignore[arg-type]
    return metrics_of([lane], rtt_ms, loss)


@pytest.mark.parametrize(
    ("decided", "loss", "name", "value"),
    [
        ("exact", 0.0, "tcp_down_bps", CAPACITY),
        ("exact", 0.01, "tcp_down_bps", mathis(0.025, 0.01)),
        ("at_least", 0.0, "tcp_down_at_least_bps", CAPACITY),
        ("at_least", 1e-5, "tcp_down_at_least_bps", CAPACITY),
        ("at_least", 0.01, "tcp_down_bps", mathis(0.025, 0.01)),
    ],
)
def test_the_expected_rate_of_a_lower_bound_is_one(
    decided: str, loss: float, name: str, value: float
) -> None:
    found = told(decided, loss)
    assert math.isclose(found[name], value)
    assert sum(key.startswith("tcp_") for key in found) == 1


@pytest.mark.parametrize(("decided", "loss", "rtt_ms"), [
    ("undecided", 0.0, 25.0), ("exact", None, 25.0), ("at_least", None, 25.0), ("at_least", 0.0, 0.0),
])  # fmt: skip
def test_without_a_verdict_a_loss_or_a_round_trip_there_is_none(
    decided: str, loss: float | None, rtt_ms: float
) -> None:
    assert not any(key.startswith("tcp_") for key in told(decided, loss, rtt_ms))
