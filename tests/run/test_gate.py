"""The gate's decisions: what waits, what passes, what is held to be our own; properties over any course."""

from __future__ import annotations

import sys
import timeit
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from monitor.isolation.gate import SUSPECT_KINDS, Answer, Gate, Out, View, answer_of, local, view
from monitor.isolation.gatekeeper import Gatekeeper
from monitor.isolation.witness_settings import WitnessSettings
from monitor.job import Job
from monitor.readiness.expectation import Truth
from monitor.state import CheckState, Phase, Policy, State, Transition, advance
from probes.api import Outcome, Reading
from tests.run.jobs import job, shared

FAR, HERE = "192.0.2.1", "127.0.0.1"


def reading(outcome: Outcome, kind: str = "", ran_s: float = 1.0) -> Reading:
    made = Reading(outcome, kind, "no answer", {"rtt_ms": 1.0}, {"address": FAR})
    made.check, made.duration_ms, made.at = "u/a/c", ran_s * 1000, 5.0
    return made


def failed(kind: str = "timeout", ran_s: float = 1.0) -> Reading:
    return reading(Outcome.FAILED, kind, ran_s)


def only(outs: list[Out]) -> Reading:
    assert len(outs) == 1
    return outs[0][1]


TARGET = job(address=FAR)


def test_a_failure_counts_once_a_witness_answered_a_round_that_began_after_it() -> None:
    gate, late = Gate(), failed()
    assert gate.take(TARGET, late, 100.0) == []
    gate.answered(99.9)
    assert gate.release(9) == []
    assert gate.undecided
    gate.answered(100.1)
    assert only(gate.release(9)) is late
    assert not gate.alert
    assert gate.counters.confirmed == 1


def test_without_any_answer_it_becomes_isolated_and_keeps_nothing_that_was_measured() -> None:
    gate = Gate()
    gate.take(TARGET, failed(), 100.0)
    gate.failed(100.1)
    out = only(gate.release(9))
    assert (out.outcome, out.kind, out.metrics, out.facts) == (Outcome.NOT_RUN, "isolated", {}, {})
    assert "no witness answered (timeout: no answer)" in out.detail
    assert (out.check, out.at, out.duration_ms) == ("u/a/c", 5.0, 1000.0)
    assert only(gate.take(TARGET, failed(), 101.0)).kind == "isolated"


@pytest.mark.parametrize("kind", ["refused", "tls", "protocol", "expectation", "auth"])
def test_what_answered_in_its_own_way_fails_at_once_but_not_while_isolated(kind: str) -> None:
    gate = Gate()
    assert only(gate.take(TARGET, failed(kind), 100.0)).kind == kind
    gate.failed(101.0)
    assert only(gate.take(TARGET, failed(kind), 102.0)).kind == "isolated"


def test_while_isolated_what_follows_from_it_is_isolated_too_and_the_rest_is_as_it_is() -> None:
    gate = Gate()
    gate.failed(100.0)
    for outcome, kind, becomes in (
        (Outcome.ERROR, "inconclusive", "isolated"),
        (Outcome.NOT_RUN, "circuit_open", "isolated"),
        (Outcome.ERROR, "permission", "permission"),
        (Outcome.NOT_RUN, "overload", "overload"),
        (Outcome.OK, "", ""),
    ):
        assert only(gate.take(TARGET, reading(outcome, kind), 101.0)).kind == becomes
    assert gate.counters.served == 1


def test_a_run_that_began_before_the_isolation_ended_does_not_count() -> None:
    gate = Gate()
    gate.failed(100.0)
    gate.answered(110.0)
    assert gate.isolated_s == 10.0
    assert only(gate.take(TARGET, failed(ran_s=5), 112.0)).kind == "isolated"
    assert gate.take(TARGET, failed(ran_s=1), 112.0) == []
    gate.answered(113.0)
    assert only(gate.release(9)).kind == "timeout"


def test_older_news_change_nothing() -> None:
    gate = Gate()
    gate.answered(100.0)
    gate.failed(99.5)
    assert gate.isolated_at is None
    gate.failed(101.0)
    gate.answered(100.5)
    assert gate.isolated_at == 101.0


def test_the_monitors_own_machine_is_never_suspected() -> None:
    gate = Gate()
    gate.failed(100.0)
    for address in (HERE, "::1", "localhost", "local", "", "127.3.2.1"):
        assert only(gate.take(job(address=address), failed(), 101.0)).outcome is Outcome.FAILED
        assert local(address)


def test_an_error_of_our_own_holds_nothing_back() -> None:
    gate = Gate()
    gate.take(TARGET, failed(), 100.0)
    gate.unsure(100.1)
    assert only(gate.release(9)).kind == "timeout"
    assert (gate.counters.unsure, gate.counters.confirmed) == (1, 0)


def test_over_the_bound_the_oldest_goes_and_blames_nobody() -> None:
    gate = Gate(most=2)
    outs = [
        out for number in range(4) for out in gate.take(job(f"u/a/c{number}", address=FAR), failed(), 100.0)
    ]
    assert [(out.kind, where.check) for where, out in outs] == [("overload", "c0"), ("overload", "c1")]
    assert gate.counters.overflowed == 2
    assert gate.waiting == 2


def test_what_waits_at_the_end_is_not_counted() -> None:
    gate = Gate()
    gate.take(TARGET, failed(), 100.0)
    gate.take(TARGET, reading(Outcome.OK), 101.0)
    assert [out.kind for _, out in gate.close()] == ["shutdown", ""]
    assert not gate.alert


def isolated(at: float) -> Reading:
    return Reading(Outcome.NOT_RUN, "isolated", check="u/a/c", at=at)


def believed(*readings: Reading) -> tuple[CheckState, list[Transition]]:
    state, moved = CheckState("u/a/c"), []
    for number, each in enumerate(readings, 1):
        each.at = 60.0 * number
        moved.append(advance(state, each, Truth.PASS, Policy(), each.at + 1))
    return state, [each for each in moved if each]


def test_isolation_leaves_a_known_failure_known() -> None:
    state, moved = believed(failed(), failed(), *(isolated(0) for _ in range(9)))
    assert (state.state, state.phase, state.attempted_at) == (State.DOWN, Phase.STEADY, 660.0)
    assert [each.after for each in moved if each.hard] == [State.DOWN]


def test_isolation_makes_what_was_ok_unknown_by_a_run_that_was_not_made() -> None:
    state, moved = believed(*(reading(Outcome.OK) for _ in range(3)), *(isolated(0) for _ in range(9)))
    assert (state.state, state.kind) == (State.UNKNOWN, "isolated")
    assert moved[-1].outcome is Outcome.NOT_RUN
    assert not any(each.after is State.DOWN for each in moved)


A, S, U, X = Answer.ANSWERED, Answer.SILENT, Answer.UNRESOLVED, Answer.UNASKED


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((S, S), View.ISOLATED), ((S, U), View.ISOLATED), ((S, S, X), View.ISOLATED),
        ((A, S), View.CONNECTED), ((A, X), View.CONNECTED), ((A, U, S, S), View.CONNECTED),
        ((S, X), View.UNSURE), ((X, X), View.UNSURE), ((U, U), View.UNSURE), ((S,), View.UNSURE),
        ((), View.UNSURE),
    ],
)  # fmt: skip
def test_what_a_round_says(answers: tuple[Answer, ...], said: View) -> None:
    assert view(answers) is said


def test_what_a_witness_says() -> None:
    unresolved = reading(Outcome.ERROR, "inconclusive")
    unresolved.phase = "resolve"
    for asked, said in (
        (reading(Outcome.OK), A), (failed("refused"), A), (failed("timeout"), S), (failed("unreachable"), S),
        (reading(Outcome.ERROR, "permission"), X), (reading(Outcome.NOT_RUN, "overload"), X), (unresolved, U),
    ):  # fmt: skip
        assert answer_of(asked) is said


OUTCOMES = st.sampled_from([
    *((Outcome.FAILED, kind) for kind in ("timeout", "unreachable", "dns", "refused")),
    (Outcome.OK, ""), (Outcome.ERROR, "inconclusive"), (Outcome.ERROR, "permission"),
    (Outcome.NOT_RUN, "circuit_open"),
])  # fmt: skip
STEPS = st.one_of(
    st.tuples(st.just("reading"), st.integers(0, 3), OUTCOMES, st.floats(0, 5)),
    st.tuples(st.sampled_from(["answered", "failed", "unsure"]), st.floats(0, 4)),
    st.tuples(st.just("release"), st.integers(1, 3)),
    st.tuples(st.just("later"), st.floats(0.01, 5)),
)


@dataclass
class World:
    """A gate, what went in, and what came out."""

    gate: Gate = field(default_factory=lambda: Gate(most=5))
    now: float = 1000.0
    told: float = float("-inf")
    """Beginning of the latest round that was answered, or told nothing."""
    spans: list[tuple[float, float]] = field(default_factory=list)
    sent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    came: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    between: dict[float, tuple[float, float]] = field(default_factory=dict)
    kinds: dict[float, tuple[Outcome, str]] = field(default_factory=dict)

    def reading(self, number: int, given: tuple[Outcome, str], ran_s: float) -> None:
        where, made = job(f"u/a/c{number}", address=FAR), reading(*given, ran_s)
        made.at = float(len(self.kinds))
        self.kinds[made.at], self.between[made.at] = given, (self.now - ran_s, self.now)
        self.sent[where.id].append(made.at)
        self.out(self.gate.take(where, made, self.now))

    def asked(self, what: str, ago: float) -> None:
        before, at = self.gate.isolated_at, self.now - ago
        getattr(self.gate, what)(at)
        if what != "failed":
            self.told = max(self.told, at)
        if before is not None and self.gate.isolated_at is None:
            self.spans.append((before, at))

    def out(self, outs: list[Out]) -> None:
        for where, passed in outs:
            self.came[where.id].append(passed.at)
            if passed.outcome is Outcome.FAILED:
                self.blamed(passed)

    def blamed(self, passed: Reading) -> None:
        began, ended = self.between[passed.at]
        assert self.gate.isolated_at is None
        assert not any(began < end and ended >= start for start, end in self.spans)
        assert passed.kind not in SUSPECT_KINDS or ended < self.told


@given(st.lists(STEPS, max_size=60))
def test_each_comes_out_once_in_order_and_none_is_blamed_for_an_isolation(
    steps: list[tuple[object, ...]],
) -> None:
    world = World()
    for what, *given_ in steps:
        if what == "reading":
            world.reading(*given_)  # type: ignore[arg-type]
        elif what == "later":
            world.now += given_[0]  # type: ignore[operator]
        elif what == "release":
            world.out(world.gate.release(given_[0]))  # type: ignore[arg-type]
        else:
            world.asked(str(what), given_[0])  # type: ignore[arg-type]
        assert world.gate.waiting <= 5
        assert world.gate.alert is bool(world.gate.waiting or world.gate.isolated_at is not None)
    world.out(world.gate.close())
    assert world.came == world.sent


@given(st.lists(STEPS, max_size=60))
def test_a_round_that_begins_now_and_ends_leaves_nothing_waiting(steps: list[tuple[object, ...]]) -> None:
    for end in ("answered", "failed", "unsure"):
        world = World()
        for what, *given_ in steps:
            if what == "reading":
                world.reading(*given_)  # type: ignore[arg-type]
            elif what == "later":
                world.now += given_[0]  # type: ignore[operator]
        world.now += 0.001
        world.asked(end, 0)
        world.gate.release(1000)
        assert world.gate.waiting == 0


async def test_a_witness_that_is_watched_is_warned_of_once() -> None:
    settings = WitnessSettings(addresses=("192.0.2.1:53", "192.0.2.2"))
    keeper = Gatekeeper(settings, shared(), lambda _, each: None)
    with capture_logs() as logs:
        for address in (FAR, FAR, "192.0.2.3", ""):
            keeper.meet(job(address=address))
    assert [(each["witness"], each["check"]) for each in logs] == [("192.0.2.1:53", "u/a/c")]


@pytest.mark.alone
@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer or coverage is measured with it")
async def test_a_reading_that_is_ok_costs_next_to_nothing() -> None:
    taken: list[Reading] = []

    def forward(_: Job, each: Reading) -> None:
        taken.append(each)

    keeper = Gatekeeper(WitnessSettings(addresses=("192.0.2.1", "192.0.2.2")), shared(), forward)
    fine = reading(Outcome.OK)
    direct = min(timeit.repeat(lambda: forward(TARGET, fine), number=20_000, repeat=5)) / 20_000
    through = min(timeit.repeat(lambda: keeper(TARGET, fine), number=20_000, repeat=5)) / 20_000
    assert through - direct < 2e-6
