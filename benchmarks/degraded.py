"""A link that gets worse: how long until Muster says so, until the mail, and until the mail of the end.

    python -m benchmarks.degraded [--quick] [--json FILE] [--every SECONDS] [--only TEXT]

The real daemon in a network namespace, a hub's core and three halls that depend on it, all behind one
emulated link of 20 ms: each is probed by a burst of 10 echoes every minute (--every). `--quick` does so every
second, with two halls, and has shorter times to hold and to close, which the output shows. 1 % loss and 60 ms
more RTT, 5 % loss, or 60 ms more RTT are put upon the link, and later taken away; loss is of the packets on
their way there and back. In the last case the core is before the link. Each case has a link and a daemon of
its own, and all run at the same time.

Detectors learn for an hour and more. Here they are given a day of readings drawn from bursts that were
measured over the healthy link, through the detectors' own code, and saved into the daemon's state before it
starts: that stands for the day before.

Samples are readings that began after the link changed, up to the state. *Mail* counts from the change of the
link, *end told* from the healthy link. Needs root and /dev/net/tun. With a minute it takes about an hour.
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks._degraded_run import PACKETS, Case, Change, Pace, Seen, affected, run
from benchmarks.marks import Mark, arguments, judge, table
from monitor.degradation import LossDetector
from tests.servers.link import why_not

BOTH = Case("1 % loss, +60 ms", 60.0, 0.01)
LOSS = Case("5 % loss", 0.0, 0.05)
DELAY = Case("+60 ms", 60.0)
PAST_CORE = Case("+60 ms past the core", 60.0, past_core=True)
CASES = (BOTH, LOSS, DELAY, PAST_CORE)
REAL = Pace(every=60.0, interval=0.1, wait=2.0, hold=45.0, close_after=300.0)
QUICK = Pace(
    every=1.0, interval=0.02, wait=0.3, hold=3.0, close_after=3.0, halls=2, bursts=15, healthy=2, longest=15
)
MOST_SAMPLES = 15
INTERVALS, SEEDS, MOST_SIMULATED = (60.0, 30.0, 20.0, 10.0, 5.0), 100, 300
JUDGED = (
    ("samples until DEGRADED, median", MOST_SAMPLES), ("checks never DEGRADED", 0),
    ("mails of it too many or few", 0), ("checks outside the core's incident", 0),
    ("incidents too many or few", 0), ("mails of the end too many or few", 0), ("other mails", 0),
)  # fmt: skip
"""What is judged of each case, and its limit."""
MAIL_COLUMNS = (
    "link", "first mail, s", "last, s", "mails", "incidents", "in the core's", "end told, s", "mails", "all",
)  # fmt: skip


def found_after(every: float, seed: int) -> int | None:
    """Return how many samples of 5 % loss the detector needs after a day without; None beyond a limit."""
    draw, detector, at = random.Random(seed), LossDetector(), 1e9
    for _ in range(1440):
        at += 60
        detector.update(0.0, at, PACKETS)
    for sample in range(1, MOST_SIMULATED + 1):
        at += every
        lost = sum(draw.random() < LOSS.loss for _ in range(PACKETS))
        if detector.update(lost / PACKETS, at, PACKETS):
            return sample
    return None


def show_intervals() -> None:
    """Print what 5 % loss takes at several intervals: how much one sample may say depends on them."""
    rows = []
    for every in INTERVALS:
        found = [found_after(every, seed) or math.inf for seed in range(SEEDS)]
        shown = [f"{each:.0f}" if each < math.inf else f"> {MOST_SIMULATED}" for each in sorted(found)]
        within = sum(each <= MOST_SAMPLES for each in found) / SEEDS
        rows.append(
            (f"{every:g}", shown[SEEDS // 10], shown[SEEDS // 2], shown[SEEDS * 9 // 10], f"{within:.0%}")
        )
    title = f"samples until 5 % loss is an alarm of the detector, simulated, {PACKETS} packets each"
    table(title, ("every, s", "p10", "p50", "p90", f"within {MOST_SAMPLES}"), rows)


async def run_all(cases: Sequence[Case], pace: Pace) -> list[Seen]:
    """Run cases beside one another."""

    start = time.monotonic()

    async def one(case: Case) -> Seen:
        def tell(text: str) -> None:
            print(f"  {time.monotonic() - start:6.0f} s  {case.name}: {text}", file=sys.stderr)

        with tempfile.TemporaryDirectory(prefix="muster-bench-") as home:
            return await run(case, pace, Path(home), tell)

    return list(await asyncio.gather(*(one(case) for case in cases)))


def show(found: Sequence[Seen], pace: Pace) -> None:
    """Print what was measured."""
    print(
        f"10 echoes every {pace.every:g} s (real practice: 60 s), the core and {pace.halls} halls;"
        f" hold {pace.hold:g} s, close after {pace.close_after:g} s.\nThe day before the start was fed to the"
        f" detectors, drawn from {pace.bursts} bursts over the healthy link.\n"
    )
    columns = ("from the change of the link", "first", "median", "last", "samples", "of checks")
    rows = [
        (f"{seen.case.name}: {name}, s", *_spread(changes, len(affected(seen.case, pace))))
        for seen in found
        for name, changes in (("DEGRADED", seen.degraded), ("well, OK again", seen.served))
    ]
    table("states", columns, rows)
    table("mails", MAIL_COLUMNS, [_mails(seen) for seen in found])
    for seen in found:
        for each in seen.incidents:
            print(f"  {seen.case.name}: {each['root']}, {each['members_total']} members: {each['detail']}")
        for mail in seen.mails:
            print(f"  {seen.case.name}: {mail.seconds:7.1f} s  {mail.subject}")


def _spread(changes: dict[str, Change], count: int) -> tuple[object, ...]:
    if not changes:
        return "-", "-", "-", "-", f"0/{count}"
    seconds = sorted(each.seconds for each in changes.values())
    samples = sorted(each.samples for each in changes.values())
    figures = (f"{each:.0f}" for each in (seconds[0], statistics.median(seconds), seconds[-1]))
    return *figures, f"{samples[0]} to {samples[-1]}", f"{len(changes)}/{count}"


def _mails(seen: Seen) -> tuple[object, ...]:
    first, ends = seen.first_mails, len(seen.end_mails)
    told = "-" if seen.told_end is None else f"{seen.told_end:.0f}"
    at = [f"{each.seconds:.0f}" for each in first] or ["-"]
    return (
        seen.case.name,
        at[0],
        at[-1],
        len(first),
        len(seen.incidents),
        seen.of_core(),
        told,
        ends,
        len(seen.mails),
    )


def marks(found: Sequence[Seen], pace: Pace) -> list[Mark]:
    """Return what is judged; of a case that did not run nothing is measured."""
    return [mark for case in CASES for mark in _marks(case, found, pace)]


def _marks(case: Case, found: Sequence[Seen], pace: Pace) -> list[Mark]:
    seen = next((each for each in found if each.case is case), None)
    figures: tuple[float | None, ...] = (None,) * len(JUDGED)
    if seen is not None:
        count, first, ends = len(affected(case, pace)), len(seen.first_mails), len(seen.end_mails)
        samples = [each.samples for each in seen.degraded.values()]
        figures = (
            statistics.median(samples) if samples else math.inf, count - len(samples), abs(first - 1),
            count - seen.of_core(), abs(len(seen.incidents) - 1), abs(ends - 1),
            len(seen.mails) - first - ends,
        )  # fmt: skip
    rows = zip(JUDGED, figures, strict=True)
    return [Mark(f"{case.name}: {name}", figure, limit) for (name, limit), figure in rows]


def main() -> int:
    """Run the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--every", type=float, default=REAL.every, metavar="SECONDS", help="of the checks")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name has this")
    options = parser.parse_args()
    if reason := why_not():
        print(reason, file=sys.stderr)
        return 1
    pace = QUICK if options.quick else replace(REAL, every=options.every)
    cases = [each for each in ((BOTH, DELAY) if options.quick else CASES) if options.only in each.name]
    found = asyncio.run(run_all(cases, pace))
    show(found, pace)
    show_intervals()
    return judge(marks(found, pace), options.json)


if __name__ == "__main__":
    raise SystemExit(main())
