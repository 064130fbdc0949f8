"""Which losses are one event."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probes.network._loss import loss_events

MS = 1_000_000


def test_losses_within_a_round_trip_of_the_first_are_one() -> None:
    sent = [n * 10 * MS for n in range(10)]
    came = {0, 1, 5, 6, 7, 8, 9}
    assert loss_events(sent, came, 25 * MS) == 1
    assert loss_events(sent, came, 15 * MS) == 2
    assert loss_events(sent, came, 0) == 3


def test_an_event_does_not_go_on_for_ever() -> None:
    assert loss_events([n * 10 * MS for n in range(100)], set(), 40 * MS) == 20


@given(st.lists(st.integers(0, 10**9), max_size=40).map(sorted), st.data(), st.integers(0, 10**9))
def test_there_are_events_where_there_is_loss_and_never_more(
    sent: list[int], data: st.DataObject, rtt_ns: int
) -> None:
    came = data.draw(st.sets(st.sampled_from(range(len(sent))))) if sent else set()
    lost = len(sent) - len(came)
    assert (lost > 0) <= loss_events(sent, came, rtt_ns) <= lost
    assert loss_events(sent, came, rtt_ns) <= loss_events(sent, came, 0)
