"""The benchmark's own parts: a score that is wrong would make any detector look good."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import traces
from benchmarks._detection_generator import HELD_OUT, link
from benchmarks._detection_peers import PEERS
from benchmarks._detection_scoring import Event, Series, onsets, score_made, score_real

STEP = Event(500, 560, "step", 10.0)


def series(*events: Event, changes: tuple[int, ...] = (), values: tuple[float, ...] = ()) -> Series:
    known = values or (10.0,) * 1440
    times = [60.0 * i for i in range(len(known))]
    return Series("x", times, known, events, warm=360, true_base=10.0, changes=changes)


@pytest.mark.parametrize(
    ("begun", "found", "again", "false"),
    [
        ([], 0, 0, 0),
        ([505], 1, 0, 0),
        ([498, 530], 1, 1, 0),
        ([497], 0, 0, 1),
        ([565], 0, 0, 0),
        ([505, 900], 1, 0, 1),
    ],
)
def test_made_links_are_scored(begun: list[int], found: int, again: int, false: int) -> None:
    score = score_made(series(STEP), begun)
    assert (score.events, score.found, score.again, score.false) == (1, found, again, false)


def test_ramps_count_for_what_is_found_and_not_for_the_delay() -> None:
    score = score_made(series(Event(500, 700, "ramp", 10.0), Event(800, 900, "step", 5.0)), [600, 804])
    assert (score.found, score.delays) == (2, [4])


@pytest.mark.parametrize(
    ("begun", "found", "false"),
    [
        ([515], 1, 0),
        ([516], 0, 1),
        ([498], 1, 0),
        ([497], 0, 1),
        ([505, 506], 1, 0),
        ([700], 0, 1),
        ([710], 0, 0),
    ],
)
def test_real_traces_are_scored_by_their_rules(begun: list[int], found: int, false: int) -> None:
    """Of two onsets one finds; the other is near a labelled change and so not false."""
    score = score_real(series(STEP, changes=(500, 712)), begun)
    assert (score.found, score.false) == (found, false)


def test_a_made_link_is_the_same_each_time_and_others_differ() -> None:
    one, same, other = link(1), link(1), link(HELD_OUT)
    assert one == same
    assert one.values != other.values
    assert all(event.start >= one.warm and event.end <= len(one.values) for event in one.events)


def test_every_rule_sees_a_gross_step() -> None:
    values = (20.0,) * 2900 + (400.0,) * 100
    trace = Series("x", [600.0 * i for i in range(3000)], values, (), warm=360, true_base=20.0)
    for name, make in PEERS.items():
        begun = onsets(make(trace, 1.0), trace)
        assert any(2900 <= at < 2960 for at in begun), name


def test_labelled_traces_are_read(tmp_path: Path) -> None:
    rows = ["epoch;rtt;cp"]
    for i in range(500):
        level = 125.0 if 400 <= i < 440 else 100.0
        time = f"0{1 + i // 360}/10/2016 {i // 15 % 24:02}:{i % 15 * 4:02}"
        rows.append(f"{time};{-1 if i == 5 else level};{int(i in {400, 440})}")
    (tmp_path / "1.csv").write_text("\n".join(rows) + "\n", "utf-8")
    assert traces.directory(tmp_path) == tmp_path
    (trace,) = traces.load(tmp_path)
    assert trace.values[5] is None
    assert trace.times[1] - trace.times[0] == 240
    assert [(event.start, event.end) for event in trace.events] == [(400, 440)]
    assert trace.changes == (400, 440)
    assert traces.directory(tmp_path / "none") is None


def test_rises_are_put_into_stable_stretches_only() -> None:
    trace = series(values=(100.0,) * 5000)
    raised = traces.injected(trace, 1)
    assert raised == traces.injected(trace, 1)
    assert len(raised.events) >= 5
    for event in raised.events:
        assert event.size >= 11
        level = raised.values[event.start + 1]
        assert level is not None
        assert level > 90
