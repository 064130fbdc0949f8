"""Positions: what is jumped over is a gap, and what may be lost is taken back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sinks.position import MOST_GAPS, MOST_RETURNS, SETTLE_S, Gap, Position, Told, Track
from monitor.store.api import Cursor

NUMBERS = st.integers(0, 10**10)
CURSORS = st.builds(Cursor, NUMBERS) | st.builds(
    Cursor, NUMBERS, NUMBERS.filter(bool), NUMBERS, NUMBERS, NUMBERS, st.integers(0, 23)
)


GAPS = st.lists(st.builds(Gap, CURSORS, NUMBERS))
WRONG = ["", "{}", "[]", '{"live": "x"}', '{"live": "1", "gaps": [[1]], "told": {}}', "3", "[" * 99_999]


@given(CURSORS, GAPS, st.builds(Told, NUMBERS, NUMBERS, st.floats(0, 1e10)))
def test_a_position_is_read_as_it_was_written(live: Cursor, gaps: list[Gap], told: Told) -> None:
    position = Position(live, tuple(gaps), told)
    assert Position.parse(position.dump()) == position


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_position(text: str) -> None:
    with pytest.raises(ValueError, match="no position"):
        Position.parse(text)


@given(st.lists(st.integers(1, 50), max_size=80))
def test_every_commit_is_passed_live_or_lies_in_a_gap(steps: list[int]) -> None:
    """Odd steps are jumps, even ones are written."""
    position, written = Position(), set[int]()
    for step in steps:
        head = position.live.after + step
        if step % 2:
            position = position.jumped(head)
        else:
            written |= set(range(position.live.after + 1, head + 1))
            position = Position(Cursor(head), position.gaps)
    missing = {n for gap in position.gaps for n in range(gap.cursor.after + 1, gap.upto + 1)}
    assert written | missing == set(range(1, position.live.after + 1))
    assert len(position.gaps) <= MOST_GAPS


def test_an_outage_is_one_gap_however_often_it_is_jumped() -> None:
    position = Position(Cursor(10)).jumped(20).jumped(35).jumped(35)
    assert position == Position(Cursor(35), (Gap(Cursor(10), 35),))
    assert position.filled(Cursor(20)).gaps == (Gap(Cursor(20), 35),)
    assert position.filled(Cursor(35)).gaps == ()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_taken_is_certain_where_the_server_answered_later() -> None:
    clock = Clock()
    track = Track(Position(), clock)
    track.move(Position(Cursor(1)))
    track.answered()
    clock.now = SETTLE_S + 1
    assert track.certain() == Position(), "it may have gone down right after"
    track.move(Position(Cursor(2)))
    track.answered()
    assert track.certain() == Position(Cursor(1))
    turn = track.turn
    assert track.go_back()
    assert (track.now, track.turn) == (Position(Cursor(1)), turn + 1)


def test_a_line_that_breaks_all_the_time_still_gets_on() -> None:
    clock = Clock()
    track = Track(Position(), clock)
    for number in range(MOST_RETURNS):
        track.move(Position(Cursor(number + 1)))
        assert track.go_back()
    track.move(Position(Cursor(99)))
    assert not track.go_back()
    assert track.now == Position(Cursor(99))
