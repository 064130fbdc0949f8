"""What kafka makes of answers: error codes, the lag of a group, leaders, and answers of anybody."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchResponse_v4
from aiokafka.protocol.metadata import MetadataResponse_v5
from aiokafka.protocol.offset import OffsetResponse_v3
from aiokafka.protocol.produce import ProduceResponse_v7
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import Ending, ExpectationFailed, OwnLoginFailed, PermissionMissing, ProtocolViolated
from probes.middleware import _kafka_wire
from probes.middleware._kafka_views import by_leader, ending_of, lag, of_its_topics, view_of
from tests.servers.kafka import BEHIND, HEALTHY, OFFLINE, metadata


@pytest.mark.parametrize(
    ("code", "ending"),
    [(3, ExpectationFailed), (29, PermissionMissing), (30, PermissionMissing), (58, OwnLoginFailed),
     (87, ProtocolViolated)],
)  # fmt: skip
def test_error_codes(code: int, ending: type[Ending]) -> None:
    assert type(ending_of(code, "x")) is ending


Offsets = dict[tuple[str, int], int]
SPOTS = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 5)), st.integers(-1, 10**12), max_size=8
)  # fmt: skip


@given(SPOTS, SPOTS)
def test_lag_is_never_below_zero(
    committed: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]
) -> None:
    found = lag(committed, ends)
    assert all(value >= 0 for value in found.values())
    assert found.get("lag_max", 0) <= found.get("queue_depth", 0)
    kept = [spot for spot, offset in committed.items() if offset >= 0]
    assert ("queue_depth" in found) is (bool(kept) and all(ends.get(spot, -1) >= 0 for spot in kept))
    assert bool(found) is bool(kept)


@given(SPOTS)
def test_topics_of_a_group(committed: Offsets) -> None:
    kept = of_its_topics(committed)
    assert kept.items() <= committed.items()
    assert {spot for spot, offset in committed.items() if offset >= 0} <= {*kept}


def test_partitions_by_leader() -> None:
    view = view_of(metadata(HEALTHY, BEHIND, OFFLINE).to_object())
    assert by_leader(view, [("orders", 0), ("orders", 1)]) == {1: [("orders", 0)], 2: [("orders", 1)]}
    with pytest.raises(ExpectationFailed, match="partition 2 of topic 'orders' has no leader"):
        by_leader(view, [("orders", 2)])


@given(st.binary(max_size=300))
def test_any_answer_is_read_or_refused(body: bytes) -> None:
    for answer in (MetadataResponse_v5, ProduceResponse_v7, FetchResponse_v4, OffsetResponse_v3):

        class Question:
            RESPONSE_TYPE = answer

            @staticmethod
            def parse_response_header(data: Any) -> None:
                data.read(4)

        try:
            _kafka_wire._decoded(Question, body)
        except ProtocolViolated:
            continue


@given(st.binary(max_size=200))
def test_any_messages_are_read_or_refused(data: bytes) -> None:
    try:
        values = _kafka_wire._values(data)
    except _kafka_wire.UNREADABLE:
        return
    assert all(isinstance(value, bytes) for value in values)
