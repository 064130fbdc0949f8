"""A storm among 1,000 units: how many mails the daemon sends, when, and what peers' rules would have sent.

    python -m benchmarks.storm [--quick] [--json FILE] [--seed N] [--keep DIR]

The real daemon (`muster run`) watches a province, 30 bureaus and 969 halls, one channel a unit, by real
packets every 60 s at its own phases, in a network namespace where the kernel answers for every address. A
script with a seed silences networks and ends the daemon. All mails go to one mailbox, by SMTP; what a mail
tells is looked up by its Message-ID. What tells of anything but a cause counts in all marks, too.

Peers' rules are applied to what the daemon recorded in the same run, its regular runs only, two failures in a
row: a mail for each check that goes down; the same, but none while something above is already down.

`--quick` has 94 units and runs every 2 s; it judges what does not depend on the pace. The full run takes 42
minutes. Needs root.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks._storm_run import Record, above, run, tell
from benchmarks._storm_scoring import Mail, Naive, Score, Tally, naive, tally
from benchmarks._storm_script import full, quick
from benchmarks.marks import Mark, arguments, judge, table
from tests.servers.country import why_not


def show(done: Tally, record: Record) -> None:
    """Print a line for each cause, and every mail that is nobody's."""
    columns = ("cause", "root", "problem", "recovery", "child", "first s", "names", "of", "end told s")
    rows = [_line(each, record) for each in done.scores]
    table("mails by cause; how many checks the first mail names, of those behind the cause", columns, rows)
    others = [mail for each in done.scores for mail in each.children] + done.strays
    if others:
        table("mails of what was no cause", ("subject", "at s", "notice"), [_mail(each) for each in others])
    if not record.settled:
        print("at the end not all checks were OK, or an incident was open")


def _line(score: Score, record: Record) -> tuple[object, ...]:
    ended = f"{score.recoveries[-1].at - score.fault.end:.0f}" if score.recoveries else "-"
    first = "-" if score.first is None else f"{score.first:.0f}"
    named = score.problems[0].named if score.problems else 0
    behind = sum(check.startswith(score.fault.scope) for check in record.runs)
    return (
        score.fault.name, score.fault.root, len(score.problems), len(score.recoveries), len(score.children),
        first, named, behind, ended,
    )  # fmt: skip


def _mail(mail: Mail) -> tuple[object, ...]:
    return mail.subject[:70], f"{mail.at:.0f}", mail.notice or "?"


def compare(done: Tally, peers: Naive, causes: int) -> None:
    """Print ours beside the peers' rules."""
    ours = round(done.problems * causes)
    rows = [
        ("Muster", ours, ours / causes),
        ("muted while something above is down already", peers.muted, peers.muted / causes),
        ("one for each check that goes down", peers.each, peers.each / causes),
    ]
    table("problem mails in the same run", ("rule", "mails", "a cause"), rows)


def marks(done: Tally, record: Record, *, real: bool) -> list[Mark]:
    """Return all marks; what depends on the pace is not measured unless it is the `real` one."""
    plain = [each for each in done.scores if not each.fault.hidden_until and not each.fault.restarted]
    hidden = [each for each in done.scores if each.fault.hidden_until]
    again = [each for each in done.scores if each.fault.restarted]
    return [
        Mark("problem mails a cause", done.problems, 1.05),
        Mark("recovery mails a cause", done.recoveries, 1),
        Mark("mails of what was no cause", done.children, 0),
        Mark("mails that told something again", done.duplicates, 0),
        Mark("causes nobody was told of", done.untold, 0),
        Mark("causes whose end nobody was told of", done.endless, 0),
        Mark("first mail after the fault, the worst", _worst(plain) if real else None, 120, "s"),
        Mark("what was left, after its parent's recovery", _worst(hidden) if real else None, 180, "s"),
        Mark("first mail after a restart in the hold", _worst_again(again) if real else None, 120, "s"),
        Mark("all OK and closed at the end", float(record.settled), 1, at_least=True),
    ]


def _worst(scores: Sequence[Score]) -> float | None:
    return max((each.first for each in scores if each.first is not None), default=None)


def _worst_again(scores: Sequence[Score]) -> float | None:
    found = [each.problems[0].at - each.fault.restarted for each in scores if each.problems]
    return max(found, default=None)


def main() -> int:
    """Run the benchmark; return its exit status."""
    parser = arguments(__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which bureaus and halls fail")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the daemon's files in this new directory"
    )
    options = parser.parse_args()
    if why_not():
        print(why_not(), file=sys.stderr)
        return 1
    script = (quick if options.quick else full)(options.seed)
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as name:
        home = options.keep or Path(name)
        home.mkdir(parents=True, exist_ok=True)
        record = asyncio.run(run(script, home.resolve(), tell))
    done = tally(record.mails, script.faults)
    show(done, record)
    compare(done, naive(record.runs, above(list(record.runs))), len(script.faults))
    return judge(marks(done, record, real=not options.quick), options.json)


if __name__ == "__main__":
    sys.exit(main())
