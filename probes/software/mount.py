"""A mounted file system of a host: is it there, from where, how full, writable?

Formats: /proc/self/mountinfo (proc(5)), stat(1) with -f. Nothing is written: `writable` is what the options
say. A file system that hangs (a dead NFS server) makes `failed(timeout)` of its own check, of no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import Field

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.software._host import EVERY_S, KINDS, PHASES, TIMEOUT_S, HostParams, told
from probes.software._script import Ask
from probes.software._text import AbsolutePath, lines_of, sections, whole

FRAGMENT = r"""
[ -r /proc/self/mountinfo ] || { echo "no /proc/self/mountinfo"; exit 94; }
echo "@mounts"
grep -F -- " $2 " /proc/self/mountinfo
echo "@size"
stat -f -c '%S %b %f %a %c %d' "$1"
echo "@end"
"""
MOST = 32_768


class MountParams(HostParams):
    """Which mount point."""

    path: AbsolutePath = Field(description="The mount point.")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo; `options` are those of the mount, then those of the file system itself."""

    source: str
    fstype: str
    options: tuple[str, ...]
    super_options: tuple[str, ...]

    @property
    def writable(self) -> bool:
        """Whether nothing is mounted read-only."""
        return "rw" in self.options and "rw" in self.super_options


def parse(text: str, path: str) -> tuple[Mount | None, list[int]]:
    """Return what is mounted on top at `path`, and its sizes (block, all, free, available, inodes, free).

    Raises ValueError and LookupError.
    """
    parts = sections(text)
    if "end" not in parts:
        raise ValueError("the list of mounts breaks off")
    found = None
    for line in lines_of(parts["mounts"]):
        before, _, after = line.partition(" - ")
        words, rest = before.split(" "), after.split(" ")
        if unescaped(words[4]) == path:
            found = Mount(unescaped(rest[1]), rest[0], tuple(words[5].split(",")), tuple(rest[2].split(",")))
    return found, [whole(word) for word in parts["size"].split()]


def escaped(text: str) -> str:
    """Return a path as mountinfo has it: blanks and backslashes in octal."""
    return "".join(f"\\{ord(character):03o}" if character in " \t\n\\" else character for character in text)


def unescaped(text: str) -> str:
    """Return a name of mountinfo without its octal escapes."""
    raw = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 255]), text.encode())
    return raw.decode("utf-8", "replace")


def reading(found: Mount | None, sizes: list[int]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the metrics and facts; sizes as df counts them, of what users may fill."""
    if found is None:
        return {"mounted": 0.0}, {}
    metrics = {"mounted": 1.0, "writable": float(found.writable)}
    facts = {
        "source": clip(found.source, 300),
        "fstype": clip(found.fstype, 60),
        "options": clip(",".join(dict.fromkeys((*found.options, *found.super_options)))),
    }
    if len(sizes) != 6:
        return metrics, facts | {"not_read": "size: missing_right"}
    block, blocks, free, available, inodes, inodes_free = sizes
    used = blocks - free
    metrics |= {"size_bytes": float(blocks * block), "free_bytes": float(available * block)}
    if used + available > 0:
        metrics["used_pct"] = 100 * used / (used + available)
    if inodes > 0:
        metrics["inodes_used_pct"] = 100 * (inodes - inodes_free) / inodes
    return metrics, facts


async def probe_mount(target: Target, params: MountParams, context: Context) -> Reading:
    """Look at a mount point. Raises what `told` does."""
    ask = Ask(FRAGMENT, (params.path, escaped(params.path)), most=MOST)
    (found, sizes), phases = await told(target, params, ask, context, lambda text: parse(text, params.path))
    return Reading.ok(*reading(found, sizes), phases)


PROBE = ProbeSpec(
    name="mount",
    family="software",
    summary="A mount point of a host: mounted, source, options, space and inodes left",
    params=MountParams,
    run=probe_mount,
    metrics=(
        MetricDef("mounted", "count", "higher", 1, "1 where something is mounted there, else 0"),
        MetricDef("writable", "count", "none", 1, "1 where it is mounted for writing, else 0"),
        MetricDef("size_bytes", "bytes", "none", 1, "of the file system"),
        MetricDef("free_bytes", "bytes", "higher", 4096, "left to users"),
        MetricDef("used_pct", "%", "lower", 0.01, "in use, of what users may fill"),
        MetricDef("inodes_used_pct", "%", "lower", 0.01, "inodes in use; absent where it counts none"),
    ),
    facts=(
        FactDef("source", help="the device or share"),
        FactDef("fstype", help="type of the file system"),
        FactDef("options", help="options of the mount, then of the file system"),
        FactDef("not_read", help="what could not be read, and why"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=EVERY_S,
    default_timeout=TIMEOUT_S,
)
