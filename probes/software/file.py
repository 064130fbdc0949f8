"""A file or directory of a host: is it there, whose, how old, what is in it?

Formats: stat(1) of GNU coreutils and BusyBox. What the account may not read itself is read by sudo where the
check says so. A content is searched here, by a pattern with a time limit, and dropped: only `keep` keeps a
line.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, model_validator

from probes._patterns import Pattern
from probes.api import Bytes, Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.errors import ProtocolViolated
from probes.software._host import EVERY_S, KINDS, PHASES, TIMEOUT_S, SudoParams, asked, understood
from probes.software._script import Ask
from probes.software._text import AbsolutePath, matching, pairs, whole

FRAGMENT = r"""
f=$1 l=$2 sum=$3 most=$4
now=$(date +%s)
look() { "$@" stat $l -c '%F|%a|%U|%G|%s|%Y' "$f" 2>&1; }
o=$(look)
c=$?
case $o in *"ermission denied"*) o=$(look p); c=$? ;; esac
case $c:$o in
0:*) ;;
93:*) echo "$o"; exit 93 ;;
*"o such file"*|*"ot a directory"*|*"oo many levels"*) echo "now=$now"; echo "exists=0"; echo; exit 0 ;;
*"ermission denied"*) echo "the account may not look at $f"; exit 93 ;;
*) echo "stat: $o"; exit 94 ;;
esac
echo "now=$now"
echo "exists=1"
echo "stat=$o"
m= may=1
[ -r "$f" ] || { m=p; may=$sudo; }
case $o in
regular*) ;;
*) may=0 ;;
esac
if [ "$sum$may" = 11 ]; then
  s=$($m sha256sum "$f")
  c=$?
  [ $c = 93 ] && { echo "$s"; exit 93; }
  [ $c = 0 ] && echo "sha256=$s"
fi
[ $may = 1 ] || most=0
[ -h "$f" ] && echo "link=$(readlink "$f")"
[ "$most" = 0 ] || echo "content=1"
echo
[ "$most" = 0 ] || $m head -c "$most" "$f"
"""
LARGEST = 524_288


class FileParams(SudoParams):
    """Which file, and what of it."""

    path: AbsolutePath = Field(description="Absolute path on the host.")
    follow: bool = Field(True, description="Whether a symbolic link stands for what it points to.")
    sha256: bool = Field(False, description="Take the SHA-256 of the content.")
    pattern: Pattern | None = Field(None, description="Count the lines in which this is found.")
    max_bytes: Bytes = Field(
        65_536,
        ge=1,
        le=LARGEST,
        description="Largest content that is searched; of a larger one nothing is said.",
    )
    keep: bool = Field(False, description="Report the first line found; by default no content is kept.")

    @model_validator(mode="after")
    def _keeps_something(self) -> FileParams:
        if self.keep and self.pattern is None:
            msg = "keep needs a pattern, whose first line is kept"
            raise ValueError(msg)
        return self


@dataclass(frozen=True, slots=True)
class Found:
    """What a host says of a file; the times are of the host's own clock, in seconds since the epoch."""

    type: str
    mode: str
    owner: str
    group: str
    size: int
    age: float
    sha256: str
    link: str
    has_content: bool


def parse(head: str) -> Found | None:
    """Return the file that the lines before the content tell of, None where there is none.

    Raises ValueError and LookupError.
    """
    values = pairs(head)
    now = whole(values["now"])
    if values["exists"] == "0":
        return None
    kind, mode, owner, group, size, changed = values["stat"].split("|")
    digest = values.get("sha256", "").lstrip("\\")[:64]
    if digest and (len(digest) != 64 or set(digest) - set("0123456789abcdef")):
        raise ValueError("no SHA-256")
    whole(mode)
    return Found(
        clip(kind, 60).removesuffix(" empty file").removesuffix(" file") or kind,
        mode.zfill(4), clip(owner, 64), clip(group, 64), whole(size),
        now - int(changed), digest, clip(values.get("link", ""), 300), values.get("content") == "1",
    )  # fmt: skip


def reading(found: Found) -> tuple[dict[str, float], dict[str, str]]:
    """Return what is told without the content."""
    metrics = {"exists": 1.0, "mtime_age_s": float(found.age)}
    facts = {"type": found.type, "mode": found.mode, "owner": found.owner, "group": found.group}
    if found.type == "regular":
        metrics["size_bytes"] = float(found.size)
    if found.sha256:
        facts["sha256"] = found.sha256
    if found.link:
        facts["link"] = found.link
    return metrics, facts


async def probe_file(target: Target, params: FileParams, context: Context) -> Reading:
    """Look at one file. Raises what `asked` does, `ProtocolViolated`, and `Inconclusive` for the pattern."""
    most = params.max_bytes + 1 if params.pattern is not None else 0
    arguments = (params.path, "-L" if params.follow else "", str(int(params.sha256)), str(most))
    ask = Ask(FRAGMENT, arguments, most=most + 4096, sudo=params.sudo)
    answer = await asked(target, params, ask, context)
    head, blank, content = answer.part.data.partition(b"\n\n")
    if not blank:
        raise ProtocolViolated("it answers with no file", phases=answer.phases)
    found = understood(parse, head.decode("utf-8", "replace"), answer)
    if found is None:
        return Reading.ok({"exists": 0.0}, {}, answer.phases)
    metrics, facts = reading(found)
    not_read = ["sha256: missing_right"] if params.sha256 and not found.sha256 else []
    if params.pattern is not None:
        not_read += await _search(params, found, content, metrics, facts)
    if not_read:
        facts["not_read"] = ", ".join(not_read)
    return Reading.ok(metrics, facts, answer.phases)


async def _search(
    params: FileParams, found: Found, content: bytes, metrics: dict[str, float], facts: dict[str, str]
) -> list[str]:
    """Add what the content tells, and return why it tells nothing."""
    assert params.pattern is not None
    if found.type != "regular":
        return [f"content: it is a {found.type}"]
    if not found.has_content:
        return ["content: missing_right"]
    if len(content) > params.max_bytes:
        return [f"content: larger than {params.max_bytes} bytes"]
    lines = await matching(params.pattern, content.decode("utf-8", "replace").splitlines())
    metrics["matches"] = float(len(lines))
    if params.keep and lines:
        facts["line"] = clip(lines[0])
    return []


PROBE = ProbeSpec(
    name="file",
    family="software",
    summary="A file of a host: existence, owner, mode, age, SHA-256, lines that match",
    params=FileParams,
    run=probe_file,
    metrics=(
        MetricDef("exists", "count", "none", 1, "1 where it is there, else 0"),
        MetricDef("size_bytes", "bytes", "none", 1, "of a regular file"),
        MetricDef("mtime_age_s", "s", "none", 1, "since it was changed, by the host's own clock"),
        MetricDef("matches", "count", "none", 1, "lines in which the pattern is found"),
    ),
    facts=(
        FactDef("type", help="regular, directory, symbolic link, fifo..."),
        FactDef("mode", help="permissions in four octal digits, 0644"),
        FactDef("owner", help="name of the owner"),
        FactDef("group", help="name of the group"),
        FactDef("sha256", help="SHA-256 of the content, in hexadecimal digits"),
        FactDef("link", help="what a symbolic link points to"),
        FactDef("line", help="with keep: the first line found"),
        FactDef("not_read", help="what was asked for and could not be read, and why"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=EVERY_S,
    default_timeout=TIMEOUT_S,
)
