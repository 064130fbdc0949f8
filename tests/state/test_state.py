"""How a belief moves: one test a rule, then properties that hold over any course of readings."""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.incidents.correlator import Correlator
from monitor.incidents.incident import Open
from monitor.incidents.topology_record import Recorded
from monitor.readiness.expectation import Truth
from monitor.state import (
    CheckState,
    Phase,
    Policy,
    State,
    Transition,
    advance,
    fall_silent,
    from_row,
    silent,
    to_row,
)
from probes.api import Outcome, Reading
from tests.state.readings import error, failed, not_run, ok

PASS, FAIL, UNTOLD = Truth.PASS, Truth.FAIL, Truth.UNKNOWN
POLICY = Policy()
EVERY = 60.0


class Course:
    """Feeds readings a minute apart: o ok, d degraded, u ok with a condition untold, f failed, e error,
    n not run, c circuit open."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.state, self.policy, self.at = CheckState("u/a/c"), policy, 1000.0
        self.transitions: list[Transition] = []

    def feed(self, letters: str) -> Course:
        for letter in letters:
            self.at += EVERY
            reading, judged = self.reading(letter)
            moved = advance(self.state, reading, judged, self.policy, self.at + 1)
            if moved:
                self.transitions.append(moved)
        return self

    def reading(self, letter: str) -> tuple[Reading, Truth]:
        makers: dict[str, Callable[[float], Reading]] = {
            "f": failed,
            "e": error,
            "n": not_run,
            "c": lambda at: not_run(at, "circuit_open"),
            "s": lambda at: not_run(at, "shutdown"),
        }
        return makers.get(letter, ok)(self.at), {"d": FAIL, "u": UNTOLD}.get(letter, PASS)

    @property
    def now(self) -> tuple[str, str]:
        return self.state.state.value, self.state.phase.value

    @property
    def hard(self) -> list[str]:
        return [moved.after.value for moved in self.transitions if moved.hard]


@pytest.mark.parametrize(
    ("letters", "state", "phase"),
    [
        ("", "UNKNOWN", "pending"),
        ("o", "OK", "steady"),
        ("f", "UNKNOWN", "suspect"),
        ("ff", "DOWN", "steady"),
        ("of", "OK", "suspect"),
        ("off", "DOWN", "steady"),
        ("ofo", "OK", "steady"),
        ("offo", "DOWN", "pending"),
        ("offof", "DOWN", "steady"),
        ("offoo", "OK", "steady"),
        ("oef", "OK", "suspect"),
        ("ofef", "DOWN", "steady"),
        ("oee", "OK", "pending"),
        ("oeee", "UNKNOWN", "steady"),
        ("oeeeo", "UNKNOWN", "pending"),
        ("oeeeoo", "OK", "steady"),
        ("onnn", "UNKNOWN", "steady"),
        ("osssss", "OK", "steady"),
        ("offee", "DOWN", "pending"),
        ("offeee", "UNKNOWN", "steady"),
        ("offcccccccc", "DOWN", "steady"),
        ("occc", "UNKNOWN", "steady"),
        ("odd", "OK", "suspect"),
        ("oddd", "DEGRADED", "steady"),
        ("odddo", "DEGRADED", "pending"),
        ("odddoo", "OK", "steady"),
        ("odddf", "DEGRADED", "suspect"),
        ("odddff", "DOWN", "steady"),
        ("offdd", "DEGRADED", "steady"),
        ("offdo", "DOWN", "pending"),
        ("ouuu", "UNKNOWN", "steady"),
        ("uuuuuuuu", "UNKNOWN", "pending"),
        ("eeeeeeee", "UNKNOWN", "pending"),
        ("ofdfdfd", "DEGRADED", "steady"),
    ],
)
def test_course(letters: str, state: str, phase: str) -> None:
    assert Course().feed(letters).now == (state, phase)


def test_an_outage_begins_with_its_first_failed_reading_and_ends_with_its_first_good_one() -> None:
    course = Course().feed("oooff")
    down = course.transitions[-1]
    assert (down.before, down.after, down.kind) == (State.OK, State.DOWN, "timeout")
    assert (down.since, down.decided_at, down.at) == (course.at - EVERY, course.at, course.at + 1)
    course.feed("oo")
    assert course.transitions[-1].after is State.OK
    assert course.state.since == course.at - EVERY
    assert (course.state.kind, course.state.detail) == ("", "")


def test_a_failure_is_suspect_at_once() -> None:
    course = Course().feed("of")
    suspect = course.transitions[-1]
    assert not suspect.hard
    assert (suspect.phase, suspect.kind, suspect.since) == (Phase.SUSPECT, "timeout", course.at)


def test_what_never_was_measured_says_why() -> None:
    course = Course()
    advance(course.state, error(5.0, "missing_driver"), PASS, POLICY, 6.0)
    assert (course.state.kind, course.state.decided_at) == ("missing_driver", 0.0)


def test_flapping_is_degraded_until_it_calms_down() -> None:
    course = Course().feed("o" + "fo" * 4)
    assert course.now[0] == "DEGRADED"
    assert course.state.kind == "flapping"
    course.feed("fo" * 20)
    assert course.hard == ["OK", "DEGRADED"]
    course.feed("o" * 16)
    assert course.hard == ["OK", "DEGRADED", "OK"]


def test_a_late_result_of_an_earlier_run_changes_nothing() -> None:
    course = Course().feed("oo")
    assert advance(course.state, failed(course.at - 30), PASS, POLICY, course.at + 5) is None
    assert course.state == Course().feed("oo").state


def test_a_clock_set_back_does_not_make_all_readings_late() -> None:
    course = Course().feed("oo")
    course.at = 500.0
    assert course.feed("ff").now == ("DOWN", "steady")


def test_shadowed_is_ended_by_served_readings_only() -> None:
    course = Course().feed("oo")
    course.state.state, course.state.calm = State.SHADOWED, False
    assert course.feed("ffffeeee").state.state is State.SHADOWED
    assert course.feed("oo").state.state is State.OK


def test_silence() -> None:
    state = Course().feed("oo").state
    last = state.attempted_at
    assert not silent(state, 60, 10, last + 130)
    assert silent(state, 60, 10, last + 131)
    assert not silent(state, 60, 10, last + 1000, floor=last + 900)
    assert not silent(state, 60, 10, last - 1000, floor=last - 1100), "the clock was set back"
    moved = fall_silent(state, last + 131)
    assert moved is not None
    assert (moved.after, moved.kind, moved.since, moved.outcome) == (State.UNKNOWN, "silent", last, None)
    assert fall_silent(state, last + 200) is None


def test_after_silence_one_good_reading_is_not_enough() -> None:
    course = Course().feed("ooo")
    fall_silent(course.state, course.at + 500)
    assert course.feed("o").state.state is State.UNKNOWN
    assert course.feed("o").state.state is State.OK


@pytest.mark.parametrize("wrong", [{"down_after": 0}, {"up_after": -1}, {"flap_leave": 6}])
def test_a_policy_that_asks_for_no_evidence_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at least one reading|flap_leave"):
        Policy(**wrong)


LETTERS = st.text(alphabet="oooffddueenc", max_size=120)
POLICIES = st.builds(
    Policy,
    down_after=st.integers(1, 5),
    up_after=st.integers(1, 5),
    degraded_after=st.integers(1, 5),
    unknown_after=st.integers(1, 5),
)


@given(LETTERS, POLICIES)
def test_no_state_without_its_evidence(letters: str, policy: Policy) -> None:
    course, seen = Course(policy), ""
    for letter in letters:
        before = course.state.state
        course.feed(letter)
        seen += letter
        after = course.state.state
        measured = [c for c in seen if c in "odf"]
        if after is before:
            continue
        if after is State.DOWN:
            assert measured[-policy.down_after :] == ["f"] * policy.down_after
        elif after is State.OK:
            needed = policy.up_after if len(course.hard) > 1 else 1
            assert measured[-needed:] == ["o"] * needed
        elif after is State.UNKNOWN:
            assert set(seen[-policy.unknown_after :]) <= set("uenc")
        else:
            assert letter == "d" or course.state.kind == "flapping"


@given(LETTERS, POLICIES)
def test_only_ok_readings_lead_to_ok(letters: str, policy: Policy) -> None:
    course = Course(policy).feed(letters.replace("o", "u"))
    assert "OK" not in course.hard


@given(LETTERS)
def test_errors_never_make_down(letters: str) -> None:
    assert "DOWN" not in Course().feed(letters.replace("f", "e")).hard


@given(LETTERS, st.sampled_from("of"))
def test_the_state_follows_lasting_evidence(letters: str, last: str) -> None:
    course = Course().feed(letters + last * 17)
    assert course.now == ({"o": "OK", "f": "DOWN"}[last], "steady")
    assert course.state.calm is (last == "o")


@given(st.text(alphabet="of", max_size=120))
def test_hysteresis_bounds_the_number_of_changes(letters: str) -> None:
    assert len(Course().feed(letters).hard) <= 2 + len(letters) // 2


@given(st.text(alphabet="oof", max_size=120))
def test_single_failures_never_make_down(letters: str) -> None:
    assert "DOWN" not in Course().feed(letters.replace("ff", "fo").replace("ff", "fo")).hard


@given(LETTERS, st.integers(0, 120))
def test_a_restart_in_the_middle_changes_nothing(letters: str, cut: int) -> None:
    whole, parts = Course().feed(letters), Course().feed(letters[:cut])
    parts.state = from_row(to_row(parts.state))
    parts.feed(letters[cut:])
    assert parts.state == whole.state
    assert parts.transitions == whole.transitions


@given(LETTERS)
def test_every_transition_starts_where_the_last_one_ended(letters: str) -> None:
    before = State.UNKNOWN
    for moved in Course().feed(letters).transitions:
        assert moved.before is before
        assert moved.since <= moved.decided_at <= moved.at
        before = moved.after


def test_a_state_is_small_and_the_steady_path_quick() -> None:
    course = Course().feed("oo")
    reading, state = ok(course.at + 60), course.state
    best = min(timeit.repeat(lambda: advance(state, reading, PASS, POLICY, 1e9), number=20_000, repeat=5))
    assert best / 20_000 < 5e-6, "about 0.15 microseconds on an idle machine"
    assert sys.getsizeof(state) < 250


def test_what_is_not_run_and_then_cannot_be_measured_is_told_once() -> None:
    state = CheckState("u/a/c", State.OK, Phase.STEADY, decided_at=1.0, fit=2, reach=2)
    for at in (60.0, 120.0, 180.0):
        advance(state, not_run(at), Truth.PASS, Policy(), at)
    assert state.state is State.UNKNOWN
    told = advance(state, error(240.0), Truth.PASS, Policy(), 240.0)
    assert told is not None
    assert (told.hard, told.outcome, told.kind) == (False, Outcome.ERROR, "prober_error")
    assert advance(state, error(300.0), Truth.PASS, Policy(), 300.0) is None


def test_then_it_is_a_trouble() -> None:
    state = CheckState("u/a/c", State.UNKNOWN, Phase.STEADY, decided_at=1.0, kind="maintenance")
    correlator = Correlator(Recorded({"needs": {}, "behind": {}, "beliefs": {}}), lambda _: False)
    told = advance(state, error(240.0), Truth.PASS, Policy(), 240.0)
    assert told is not None
    correlator.heard(state, told, 245.0)
    state.attempted_at = 300.0
    assert [type(each) for each in correlator.decide(300.0)] == [Open]
