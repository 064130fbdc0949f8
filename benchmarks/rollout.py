"""A roll-out of 120 halls over 60 simulated days, from a seed: what happens, and how well it was foretold.

    python -m benchmarks.rollout [--quick] [--seed N] [--output DIR] [--json FILE]

Faults, repairs that miss their dates, waivers, statements, sign-offs, regressions. Nothing is decided here:
verdicts come from `monitor.readiness`, what people do goes through `monitor.gates` into a real ledger, and
forecasts come from `monitor.roadmap`. The weekly report of day 30 is read from a real store and written in
all formats (`--output` keeps them). Then the audit: the chain of the ledger, and each sign-off as anybody can
verify it from a file.

The forecast's error: for each hall and day on which it was not ready and a day was foretold, the days from
that day to the first on which it was ready. Where nobody has named a date nothing is foretold, which is
shown, too; and of those that were not ready by the last day only that is known. No peer forecasts.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from benchmarks._rollout_run import Rollout, run
from benchmarks._rollout_world import START, Scale
from benchmarks.marks import Mark, arguments, judge, table
from monitor.gates.ledger import SIGNED, broken
from monitor.gates.signing import document, wrong_with
from monitor.reports.report import Format, render
from monitor.store import ledger

QUICK = Scale(halls=30, days=40)
FORMATS: tuple[Format, ...] = get_args(Format)
HORIZONS = ((1, 7), (8, 14), (15, 60))


@dataclass(frozen=True, slots=True)
class Error:
    """A forecast: so many days ahead, and so many days too early (too late where negative)."""

    ahead: int
    days: int | None
    """None where the hall was not ready by the end."""


def errors(found: Rollout) -> Iterator[Error]:
    """Yield each forecast of a hall that was not ready yet, against what then happened."""
    for unit, several in found.figures.told.items():
        good = found.figures.ready.get(unit, [])
        for told in several:
            if told.day in good or told.earliest is None:
                continue
            foretold = (told.earliest - START).days
            came = next((day for day in good if day >= told.day), None)
            yield Error(foretold - told.day, None if came is None else came - foretold)


def silent(found: Rollout) -> float:
    """Return the share of forecasts of halls not ready yet that name no day."""
    open_ = [
        told.earliest is None
        for unit, several in found.figures.told.items()
        for told in several
        if told.day not in found.figures.ready.get(unit, ())
    ]
    return sum(open_) / len(open_) if open_ else 0.0


def kept(found: Rollout, day: int) -> dict[str, Counter[str]]:
    """Return, by what was said of halls on a day, whether they were ready on their go-live date."""
    counts: dict[str, Counter[str]] = {}
    for unit, several in found.figures.told.items():
        due = (found.halls[unit].go_live - START).days
        if due <= day or due >= found.scale.days:
            continue
        went = "ready" if due in found.figures.ready.get(unit, ()) else "not ready"
        counts.setdefault(str(several[day].status), Counter())[went] += 1
    return counts


@dataclass(frozen=True, slots=True)
class Audit:
    """The ledger read back: entries, what is wrong with the chain, sign-offs and how many are whole."""

    entries: int
    wrong: str
    signed: int
    whole: int


def audit(found: Rollout) -> Audit:
    """Read the ledger and verify it, each sign-off as it would be from a file."""
    entries = found.database.read_now(ledger.read)
    signed = [json.loads(json.dumps(document(each))) for each in entries if each.kind == SIGNED]
    return Audit(len(entries), broken(entries), len(signed), sum(not wrong_with(each) for each in signed))


def write_reports(report: Mapping[str, Any], directory: Path) -> dict[str, int]:
    """Write the report in all formats; return their sizes."""
    directory.mkdir(parents=True, exist_ok=True)
    sizes: dict[str, int] = {}
    for form in FORMATS:
        path = directory / f"weekly.{'md' if form == 'markdown' else form}"
        path.write_bytes(render(report, form))
        sizes[form] = path.stat().st_size
    return sizes


def show(found: Rollout, sizes: Mapping[str, int], audited: Audit) -> None:
    """Print what happened."""
    days = [*range(0, found.scale.days, 10), found.scale.days - 1]
    rows = [(f"day {day}", *found.figures.verdicts[day].values()) for day in days]
    table("halls", ("", *found.figures.verdicts[0]), rows)
    table("what people and the daemon wrote", ("", "entries"), sorted(found.figures.acts.items()))
    known = [each for each in errors(found) if each.days is not None]
    lines = []
    for low, high in HORIZONS:
        found_ = sorted(each.days for each in known if each.days is not None and low <= each.ahead <= high)
        if found_:
            size = sorted(abs(each) for each in found_)
            lines.append((f"{low} to {high} days ahead", len(found_), statistics.median(found_),
                          statistics.median(size), size[int(0.9 * len(size))]))  # fmt: skip
    table("forecast: days later than foretold", ("", "n", "median", "median size", "p90 size"), lines)
    day = found.scale.report_day
    said = kept(found, day)
    table(f"said on day {day}; on the go-live date", ("", "ready", "not ready"),
          [(key, each["ready"], each["not ready"]) for key, each in sorted(said.items())])  # fmt: skip
    table("the weekly report", ("format", "bytes"), list(sizes.items()))
    print(
        f"{audited.entries} entries, {audited.signed} sign-offs; last digest {found.workspace.standing.last}"
    )


def marks(found: Rollout, sizes: Mapping[str, int], audited: Audit, seconds: float) -> list[Mark]:
    """Return what is judged."""
    known = [each.days for each in errors(found) if each.days is not None]
    said = kept(found, found.scale.report_day)
    on_track = said.get("on_track", Counter())
    total = on_track.total()
    judged = found.figures.verdicts[found.scale.report_day]
    differs = sum(found.report["verdicts"]["counts"][key] != count for key, count in judged.items())
    return [
        Mark("entries at which the chain is broken", float(bool(audited.wrong)), 0),
        Mark("sign-offs that don't verify", float(audited.signed - audited.whole), 0),
        Mark("sign-offs", float(audited.signed), found.scale.halls / 4, at_least=True),
        Mark("formats of the report", float(sum(size > 0 for size in sizes.values())), 5, at_least=True),
        Mark("verdicts that the report counts otherwise", float(differs), 0),
        Mark("forecast, median error", abs(statistics.median(known)) if known else None, 1, "d"),
        Mark("forecast, median size of error",
             statistics.median(abs(each) for each in known) if known else None, 3, "d"),
        Mark("on_track that were ready in time", on_track["ready"] / total if total else None, 0.8,
             at_least=True),
        Mark("run time", seconds, 120, "s"),
    ]  # fmt: skip


def main() -> int:
    """Run, show, judge."""
    parser = arguments(__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="where the report is kept")
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        with closing(run(Path(directory), QUICK if options.quick else Scale(), options.seed)) as found:
            sizes = write_reports(found.report, options.output or Path(directory) / "report")
            audited = audit(found)
        seconds = time.perf_counter() - started
        show(found, sizes, audited)
    share = silent(found)
    print(f"no day is foretold in {share:.0%} of the cases: nobody had named a date, or nothing was measured")
    return judge(marks(found, sizes, audited, seconds), options.json)


if __name__ == "__main__":
    sys.exit(main())
