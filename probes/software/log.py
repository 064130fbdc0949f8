"""Lines of a log that match a pattern in the last minutes: of a file's end, or of systemd's journal.

The end of the file (and of the one it was rotated from, `path.1`) is searched here, by a pattern with a time
limit, and dropped. Where it does not reach back far enough, or lines do not say when they were written,
nothing is counted: few would look like none.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from probes._patterns import Pattern
from probes.api import Bytes, Context, FactDef, MetricDef, ProbeSpec, Reading, Seconds, Target, clip
from probes.errors import ExpectationFailed, ProtocolViolated
from probes.software._host import EVERY_S, KINDS, PHASES, TIMEOUT_S, SudoParams, asked, understood
from probes.software._log_times import Clock, Line, stamped
from probes.software._script import Ask
from probes.software._text import AbsolutePath, UnitName, lines_of, matching, pairs, whole

FILE = r"""
f=$1 most=$2 within=$3
m=
[ -r "$f" ] || m=p
o=$($m tail -c 1 "$f" 2>&1 >/dev/null)
c=$?
case $c:$o in
0:*) ;;
93:*) echo "sudo does not let it run: tail -c 1 $f"; exit 93 ;;
*"o such file"*|*"ot a directory"*) echo "exists=0"; echo; exit 0 ;;
*"ermission denied"*) echo "the account may not read $f"; exit 93 ;;
*) echo "tail: $o"; exit 94 ;;
esac
echo "exists=1"
(unset TZ; date '+now=%s%nzone=%z')
d=${f%/*}/
[ -r "$d" ] && [ -x "$d" ] || echo "unlisted=1"
now=$(date +%s) size=$(stat -c %s "$f") before=
for r in "$f".[0-9]* "$f"-[0-9]*; do
  [ -e "$r" ] && t=$(stat -c %Y "$r") && [ "$t" -gt $((now - within)) ] || continue
  if [ "$r" = "$f.1" ] && [ -r "$r" ]; then [ "${size:-$most}" -lt "$most" ] && before=$r
  else echo "rotated=1"
  fi
done
echo
[ -z "$before" ] || tail -c $((most - size)) "$before"
$m tail -c "$most" "$f"
"""
JOURNAL = r"""
command -v journalctl >/dev/null || { echo "no journalctl on this host"; exit 94; }
ls -d /run/log/journal/*/ /var/log/journal/*/ | grep -q . || { echo "no journal on this host"; exit 94; }
s=$1
shift
echo "exists=1"
date '+now=%s%nzone=%z'
echo
o=$(p journalctl --no-pager -o short-unix --since="-${s}s" -n 10000 "$@" 2>&1)
case $?:$o in
93:*) echo "$o"; exit 93 ;;
*"not seeing messages from other users"*) echo "the account may not read the whole journal"; exit 93 ;;
*"No journal files were"*) echo "no journal on this host"; exit 94 ;;
0:*) printf '%s\n' "$o" ;;
*) printf '%s\n' "$o"; exit 94 ;;
esac
"""
JOURNAL_LINES = 10_000


class LogParams(SudoParams):
    """Which log, and what is looked for in it."""

    path: AbsolutePath | None = Field(None, description="The file.")
    journal: bool = Field(False, description="Search the journal instead of a file.")
    unit: UnitName | None = Field(None, description="Only what this unit wrote to the journal.")
    pattern: Pattern = Field(description="Found in the lines that are counted.")
    within: Seconds = Field(600.0, gt=0, le=7 * 86_400, description="How far back they count.")
    max_bytes: Bytes = Field(131_072, ge=1024, le=1_000_000, description="How much of the end is searched.")
    keep: bool = Field(False, description="Report the newest line found; by default none is kept.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.path is None) == (not self.journal) or (self.unit is not None and not self.journal):
            msg = "give a path, or journal: true (and then a unit)"
            raise ValueError(msg)
        return self

    @property
    def ask(self) -> Ask:
        """What is put to the host."""
        most = self.max_bytes + 4096
        if self.path is not None:
            return Ask(
                FILE, (self.path, str(self.max_bytes), str(round(self.within))), most=most, sudo=self.sudo
            )
        unit = ("-u", self.unit) if self.unit is not None else ()
        return Ask(JOURNAL, (str(round(self.within)), *unit), most=most, sudo=self.sudo)


def window(lines: list[Line], cut: bool, params: LogParams, now: float) -> tuple[list[Line], str]:
    """Return the lines of the last minutes, or why they can't be told; `cut`: earlier ones are missing."""
    since = now - params.within
    times = [line.at for line in lines if line.at is not None]
    if lines and not times:
        return [], "the lines do not say when they were written"
    if cut and (not times or min(times) > since):
        return [], f"the last {params.max_bytes} bytes do not reach back that far"
    return [line for line in lines if line.at is not None and line.at >= since], ""


async def probe_log(target: Target, params: LogParams, context: Context) -> Reading:
    """Search a log. Raises what `asked` does, `ExpectationFailed` without the file, `ProtocolViolated`."""
    answer = await asked(target, params, params.ask, context)
    head, blank, body = answer.part.data.partition(b"\n\n")
    if not blank:
        raise ProtocolViolated("it answers with no log", phases=answer.phases)
    values = pairs(head.decode("utf-8", "replace"))
    if values.get("exists") == "0":
        raise ExpectationFailed(f"there is no {params.path}", phases=answer.phases)
    clock = understood(lambda text: Clock(whole(values["now"]), text), values.get("zone", ""), answer)
    texts = lines_of(body.decode("utf-8", "replace"))
    if params.journal:
        texts = [line for line in texts if not line.startswith("-- ")]
    cut = answer.part.truncated or len(body) >= params.max_bytes or len(texts) >= JOURNAL_LINES
    lines = understood(lambda _: stamped(texts[1:] if cut and params.path else texts, clock), "", answer)
    why = "the log was rotated meanwhile" if values.get("rotated") == "1" else ""
    cut = cut or values.get("unlisted") == "1"
    return Reading.ok(*await _counted(params, lines, cut, clock.now, why), answer.phases)


async def _counted(
    params: LogParams, lines: list[Line], cut: bool, now: float, why: str
) -> tuple[dict[str, float], dict[str, str]]:
    recent, unclear = window(lines, cut, params, now)
    why = why or unclear
    metrics: dict[str, float] = {}
    facts: dict[str, str] = {"not_read": f"matches: {why}"} if why else {}
    texts = set(await matching(params.pattern, [line.text for line in lines]))
    found = [line for line in lines if line.text in texts]
    if not why:
        metrics["lines"] = float(len(recent))
        metrics["matches"] = float(sum(line.text in texts for line in recent))
    dated = [line.at for line in found if line.at is not None]
    if dated:
        metrics["newest_match_age_s"] = max(0.0, now - max(dated))
    if params.keep and found:
        facts["line"] = clip(found[-1].text)
    return metrics, facts


PROBE = ProbeSpec(
    name="log",
    family="software",
    summary="Lines of a host's log that match a pattern in the last minutes (file or journal)",
    params=LogParams,
    run=probe_log,
    metrics=(
        MetricDef("matches", "count", "none", 1, "lines of the last minutes in which the pattern is found"),
        MetricDef("lines", "count", "none", 1, "all lines of the last minutes"),
        MetricDef(
            "newest_match_age_s", "s", "none", 1, "since the newest line found, in all that was searched"
        ),
    ),
    facts=(
        FactDef("line", help="with keep: the newest line found"),
        FactDef("not_read", help="why nothing is counted"),
    ),
    phases=PHASES,
    kinds=(*KINDS, "expectation"),  # there is no such file
    inputs=("ssh",),
    together=True,
    default_every=EVERY_S,
    default_timeout=TIMEOUT_S,
)
