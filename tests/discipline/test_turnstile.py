"""Turns on sets of lines: exclusive, in order, and nobody waits for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.discipline.turnstile import Ticket, Turnstile

LINES = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4)
MOVES = st.lists(st.one_of(LINES, st.integers(0, 30)), max_size=60)
"""A set of lines enters; a number leaves: whoever is in, that one."""


def consistent(turnstile: Turnstile, present: list[Ticket]) -> None:
    """Check what must hold at any moment, by a plain reading of the rule."""
    taken: set[str] = set()
    for ticket in present:
        assert ticket.ready == taken.isdisjoint(ticket.lines)
        before = turnstile.before(ticket)
        assert before == {
            line: count
            for line in ticket.lines
            if (count := sum(line in other.lines for other in present[: present.index(ticket)]))
        }
        taken.update(ticket.lines)
    assert len(turnstile) == len(taken)


@given(MOVES)
def test_ready_are_those_with_nobody_before_them_on_any_line(moves: list[list[str] | int]) -> None:
    turnstile, present = Turnstile(), list[Ticket]()
    for move in moves:
        if isinstance(move, list):
            present.append(turnstile.enter(move))
        elif present:
            leaving = present.pop(move % len(present))
            were = {ticket for ticket in present if ticket.ready}
            now = turnstile.leave(leaving)
            assert set(now) == {ticket for ticket in present if ticket.ready} - were
            assert len(now) == len(set(now))
        consistent(turnstile, present)


@given(st.lists(LINES, max_size=40))
def test_all_get_their_turn_and_the_first_of_a_line_before_the_next(wanted: list[list[str]]) -> None:
    turnstile = Turnstile()
    present = [turnstile.enter(lines) for lines in wanted]
    order: list[Ticket] = []
    ready = [ticket for ticket in present if ticket.ready]
    while ready:
        ticket = ready.pop()
        order.append(ticket)
        ready += turnstile.leave(ticket)
    assert len(order) == len(present), "somebody waits for ever"
    for line in "abcdef":
        came = [ticket for ticket in present if line in ticket.lines]
        assert [ticket for ticket in order if line in ticket.lines] == came
    assert not len(turnstile)
