"""Noticing degradation: Muster's detector beside the rules of other monitors.

    python -m benchmarks.detection [--quick] [--json FILE] [--traces DIR] [--svg FILE]

Made links: four weeks, a sample a minute, with the habits of real paths and with steps, ramps and flapping
(`benchmarks/_detection_generator.py`; frozen by seed). A degradation is found by an alarm that begins while
it lasts; ramps count for what is found, not for the delay; *again* is a further alarm within the same one. A
false alarm is one that belongs to nothing. The full run also takes held-out seeds, which decided nothing.

Real traces: 25 labelled ones (`benchmarks/traces.py`), scored by the rules of their README, as they are and
with rises put into their noise; `leave one out` chooses the scale on the other traces only.

Every rule has one setting for all series. The scale multiplies its thresholds, so that rules can be compared
at like rates of false alarms. Speed: CPU of judging 10,000 series once, whose blocks end at different times.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import _detection_generator as generator
from benchmarks import traces
from benchmarks._detection_peers import PEERS
from benchmarks._detection_plot import draw
from benchmarks._detection_scoring import Judge, Score, Series, match, onsets, score_made, score_real
from benchmarks.marks import Mark, arguments, judge, table
from monitor.degradation import Detector

SCALES = (0.5, 0.7, 1.0, 1.5, 2.5)
NARROW_SCALES = (0.7, 0.85, 1.0, 1.2, 1.5)
OURS = "Muster"
LINKS, QUICK_LINKS, CURVE_LINKS = 100, 32, 40
PEER_LINKS = 8
"""On so many links a quick run judges the others, too."""
SERIES = 10_000
INJECTED_SEED = 1
Rule = tuple[str, float]


def make(rule: Rule, series: Series) -> Judge:
    """Return a fresh detector of that name and scale."""
    name, scale = rule
    return Detector(scale) if name == OURS else PEERS[name](series, scale)


def on_link(seed: int, rules: Sequence[Rule]) -> list[Score]:
    """Judge one made link by each rule."""
    series = generator.link(seed)
    return [score_made(series, onsets(make(rule, series), series)) for rule in rules]


def on_trace(series: Series, rules: Sequence[Rule]) -> list[Score]:
    """Judge one real trace by each rule."""
    return [score_real(series, onsets(make(rule, series), series)) for rule in rules]


def by_kind(series: Series) -> dict[str, Score]:
    """Judge a trace with rises put into it; the share found of each kind."""
    begun = onsets(Detector(), series)
    found, _ = match([event.start for event in series.events], begun, series.warm)
    scores = {kind: Score() for kind in traces.KINDS}
    for event in series.events:
        hit = any(event.start - 2 <= at <= event.start + 15 for at in found)
        scores[event.kind].add(Score(events=1, found=int(hit)))
    return scores


def summed(results: Iterable[Sequence[Score]]) -> list[Score]:
    """Return the sum over series for each rule."""
    sums: list[Score] = []
    for scores in results:
        sums = sums or [Score() for _ in scores]
        for whole, part in zip(sums, scores, strict=True):
            whole.add(part)
    return sums


def all_rules(scale: float) -> list[Rule]:
    """Return ours and the peers' at a scale."""
    return [(name, scale) for name in (OURS, *PEERS)]


def made(pool: ProcessPoolExecutor, first: int, count: int, rules: Sequence[Rule]) -> list[Score]:
    """Judge so many made links by each rule."""
    return summed(pool.map(partial(on_link, rules=rules), range(first, first + count)))


def show(title: str, rules: Sequence[Rule], scores: Sequence[Score]) -> None:
    """Print what came out for each rule."""
    table(
        title,
        ("detector", "scale", "events", "found", "delay p50", "p90", "false/link-month", "again"),
        [
            (name, scale, score.events, score.share, score.delay(), score.delay(0.9), score.false_a_month,
             score.again_each)
            for (name, scale), score in zip(rules, scores, strict=True)
        ],
    )  # fmt: skip


def made_links(pool: ProcessPoolExecutor, quick: bool) -> list[Mark]:
    """Judge the made links; return their marks."""
    count, beside = (QUICK_LINKS, PEER_LINKS) if quick else (LINKS, CURVE_LINKS)
    (ours,) = made(pool, generator.DEVELOPMENT, count, [(OURS, 1.0)])
    show(f"made links, development seeds, {count}", [(OURS, 1.0)], [ours])
    rules = all_rules(1.0)
    show(f"made links, development seeds, {beside}", rules, made(pool, generator.DEVELOPMENT, beside, rules))
    held: Score | None = None
    if not quick:
        scores = made(pool, generator.HELD_OUT, LINKS, rules)
        show(f"made links, held-out seeds, {LINKS}", rules, scores)
        held = scores[0]
    return _made_marks("development", ours) + _made_marks("held out", held)


def _made_marks(which: str, score: Score | None) -> list[Mark]:
    name = f"made links, {which}:"
    return [
        Mark(f"{name} found", score.share if score else None, 0.95, at_least=True),
        Mark(f"{name} median delay", score.delay() if score else None, 5, "samples"),
        Mark(f"{name} delay p90", score.delay(0.9) if score else None, 15, "samples"),
        Mark(f"{name} false alarms", score.false_a_month if score else None, 1, "a link-month"),
        Mark(f"{name} alarms again", score.again_each if score else None, 0.1, "per found"),
    ]


def curve(pool: ProcessPoolExecutor, svg: Path | None) -> None:
    """Judge at several scales: what is found and how late, against false alarms."""
    rules = [(name, scale) for name in (OURS, *PEERS) for scale in SCALES]
    scores = made(pool, generator.DEVELOPMENT, CURVE_LINKS, rules)
    show(f"delay against false alarms, development seeds, {CURVE_LINKS}", rules, scores)
    if svg is not None:
        names = (OURS, *PEERS)
        draw({name: scores[i * len(SCALES) :][: len(SCALES)] for i, name in enumerate(names)}, svg)


def real_traces(pool: ProcessPoolExecutor, place: Path | None) -> list[Mark]:
    """Judge the labelled traces, if they are there; return their marks."""
    score = None
    if place is None:
        print("real traces: not measured, as they are not there")
    else:
        score = _real(pool, traces.load(place))
    return [
        Mark("real traces: relevant found", score.share if score else None, 0.9, at_least=True),
        Mark("real traces: false alarms", score.false_a_month if score else None, 1, "a link-month"),
        Mark("real traces: median delay", score.delay() if score else None, 6, "samples"),
    ]


def _real(pool: ProcessPoolExecutor, series: list[Series]) -> Score:
    rules = [(OURS, scale) for scale in NARROW_SCALES] + all_rules(1.0)[1:]
    each = list(pool.map(partial(on_trace, rules=rules), series))
    scores = summed(each)
    left_out = leave_one_out([scores[: len(NARROW_SCALES)] for scores in each])
    table(
        f"real traces, {len(series)}",
        ("detector", "scale", "relevant", "found", "slight", "found", "delay p50", "false/link-month"),
        [
            _real_row(name, f"{scale:g}", score) for (name, scale), score in zip(rules, scores, strict=True)
        ] + [_real_row(OURS, "leave one out", left_out)],
    )  # fmt: skip
    _injected(pool, series)
    return scores[NARROW_SCALES.index(1.0)]


def _real_row(name: str, scale: str, score: Score) -> tuple[object, ...]:
    slight = score.slight_found / score.slight
    return name, scale, score.events, score.share, score.slight, slight, score.delay(), score.false_a_month


def leave_one_out(each: Sequence[Sequence[Score]]) -> Score:
    """Judge each trace at the scale with the least missed, in tenths, and false a month on all others."""
    result = Score()
    for left, scores in enumerate(each):
        others = summed(other for index, other in enumerate(each) if index != left)
        costs = [10 * (1 - score.share) + score.false_a_month for score in others]
        result.add(scores[costs.index(min(costs))])
    return result


def _injected(pool: ProcessPoolExecutor, series: Sequence[Series]) -> None:
    raised = [traces.injected(trace, INJECTED_SEED) for trace in series]
    whole = {kind: Score() for kind in traces.KINDS}
    for scores in pool.map(by_kind, raised):
        for kind, score in scores.items():
            whole[kind].add(score)
    table(
        "rises put into the noise of the real traces",
        ("kind", "rises", "found"),
        [(kind, score.events, score.share) for kind, score in whole.items()],
    )


def speed() -> list[Mark]:
    """Measure the CPU of judging 10,000 series once."""
    rng = np.random.default_rng(5)
    detectors = [Detector() for _ in range(SERIES)]
    values = (20 + rng.gamma(2, 1, (80, SERIES))).tolist()
    phases = rng.uniform(0, 1200, SERIES).tolist()
    rounds: list[float] = []
    for minute, row in enumerate(values):
        at = 1.7e9 + 60 * minute
        started = time.process_time()
        for detector, value, phase in zip(detectors, row, phases, strict=True):
            detector.update(value, at + phase)
        rounds.append((time.process_time() - started) * 1000)
    calm = rounds[-15:]
    size = statistics.median(len(detector.to_bytes()) for detector in detectors[:50])
    table(
        f"judging {SERIES:,} series once, ms of CPU",
        ("median", "worst of 15", "microseconds a sample", "bytes of state after 80 samples"),
        [(f"{statistics.median(calm):.1f}", max(calm), statistics.median(calm) / SERIES * 1000, size)],
    )
    return [Mark("10,000 series judged", statistics.median(calm), 100, "ms of CPU")]


def main() -> int:
    """Measure and judge; 0 where every measured mark holds."""
    parser = arguments(__doc__)
    parser.add_argument("--traces", type=Path, metavar="DIR", help="where the labelled real traces are")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the curve there (full run)")
    given = parser.parse_args()
    marks = speed()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        marks += made_links(pool, given.quick)
        marks += real_traces(pool, traces.directory(given.traces))
        if not given.quick:
            curve(pool, given.svg)
    return judge(marks, given.json)


if __name__ == "__main__":
    sys.exit(main())
