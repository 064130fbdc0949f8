"""Which packages are installed, in which version, held or half configured: dpkg, rpm or apk.

Sources: dpkg-query(1) (`db:Status-Abbrev`), rpm(8) (`--queryformat`), dnf-versionlock, apk-info(8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, model_validator

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.errors import Inconclusive
from probes.software._host import EVERY_S, KINDS, PHASES, TIMEOUT_S, HostParams, told
from probes.software._script import Ask
from probes.software._text import lines_of, listed

Manager = Literal["dpkg", "rpm", "apk"]
FRAGMENT = r"""
m=$1
shift
if [ -z "$m" ]; then
  if [ -s /var/lib/dpkg/status ]; then m=dpkg
  elif [ -e /lib/apk/db/installed ]; then m=apk
  else m=rpm
  fi
fi
case $m in dpkg) t=dpkg-query ;; *) t=$m ;; esac
command -v $t >/dev/null || { echo "no $t on this host"; exit 94; }
echo "manager=$m"
case $m in
dpkg) dpkg-query -W -f='${Package}\t${Version}\t${db:Status-Abbrev}\n' -- "$@" ;;
rpm) rpm -q --qf '%{NAME}\t%{EPOCH}:%{VERSION}-%{RELEASE}\tii\n' -- "$@" 2>&1 ;;
apk) apk info -e -v -- "$@" ;;
esac
echo "status=$?"
for f in /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list /etc/apk/world; do
  [ ! -e $f ] || cat $f || echo unread
done
echo end
"""
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]*$")]


class PackageParams(HostParams):
    """Which packages are looked up, by exact name."""

    packages: tuple[Name, ...] = Field((), max_length=200, description="Names of packages.")
    versions: dict[Name, Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        default_factory=dict, max_length=200,
        description="Versions that packages should have, by name: with or without epoch and revision.",
    )  # fmt: skip
    manager: Manager | None = Field(None, description="The package manager, by default what is found.")

    @model_validator(mode="after")
    def _some(self) -> PackageParams:
        if not self.names:
            msg = "name some packages, e.g. packages: [chromium]"
            raise ValueError(msg)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All names, each once."""
        return tuple(dict.fromkeys((*self.packages, *self.versions)))


@dataclass(slots=True)
class Found:
    """What the package manager says: versions by name, and who is held or not properly configured.

    None where it can't be told.
    """

    manager: str
    versions: dict[str, list[str]] = field(default_factory=dict)
    held: set[str] | None = field(default_factory=set)
    broken: set[str] | None = field(default_factory=set)


def parse(text: str, names: tuple[str, ...]) -> Found:
    """Return what the fragment printed.

    Raises ValueError, and `Inconclusive` where the package manager can't read its own database.
    """
    lines = lines_of(text)
    if len(lines) < 3 or lines[-1] != "end" or not lines[0].startswith("manager="):
        raise ValueError("no list of packages")
    found = Found(lines[0].removeprefix("manager="))
    end = max(number for number, line in enumerate(lines) if re.fullmatch(r"status=\d{1,3}", line))
    rows, locks, status = lines[1:end], lines[end + 1 : -1], int(lines[end].removeprefix("status="))
    trouble = [row for row in rows if row.startswith(("error:", "dpkg-query: error"))]
    if trouble or (found.manager == "dpkg" and status > 1):
        why = trouble[0] if trouble else f"dpkg-query ended with status {status}"
        raise Inconclusive(f"the package database can't be read: {clip(why, 200)}")
    broken, held = set[str](), set[str]()
    for row in rows:
        _apk(row, names, found) if found.manager == "apk" else _row(row, names, found, broken, held)
    if found.manager != "dpkg":
        held = {name for name in found.versions if any(_locks(line, name) for line in locks)}
    found.held = None if "unread" in locks else held
    found.broken = broken if found.manager == "dpkg" else None
    return found


def _row(row: str, names: tuple[str, ...], found: Found, broken: set[str], held: set[str]) -> None:
    words = row.split("\t")
    if len(words) != 3 or words[0] not in names:
        return
    name, version, state = words
    desired, status = state[0], state[1]
    if status in "iFHUWt":
        found.versions.setdefault(name, []).append(version.removeprefix("(none):"))
        broken |= {name} if status != "i" or state[2:].strip() else set()
    if desired == "h":
        held.add(name)


def _apk(row: str, names: tuple[str, ...], found: Found) -> None:
    for name in names:
        if match := re.fullmatch(re.escape(name) + r"-(\d[^-\s]*(?:-r\d+)?)", row):
            found.versions.setdefault(name, []).append(match[1])


def _locks(line: str, name: str) -> bool:
    """Tell whether a line of a versionlock list, or of apk's world, fixes a package."""
    return bool(re.match(rf"(?:\d+:)?{re.escape(name)}(?:=|-(?:\d+:)?\d)", line.strip()))


def plain(version: str) -> str:
    """Return a version without its epoch."""
    return version.partition(":")[2] if re.match(r"\d+:", version) else version


def is_version(found: str, wanted: str) -> bool:
    """Tell whether a version is the one wanted, which may be written without epoch and revision."""
    bare = plain(found)
    return wanted in (found, bare, bare.rpartition("-")[0])


def reading(found: Found, params: PackageParams) -> tuple[dict[str, float], dict[str, str]]:
    """Return the metrics and facts of what was found."""
    names, versions = params.names, found.versions
    missing = [name for name in names if name not in versions]
    metrics = {"installed": float(len(names) - len(missing)), "missing": float(len(missing))}
    facts = {
        "manager": found.manager,
        "versions": listed(f"{name} {' '.join(versions[name])}" for name in names if name in versions)
        or "none",
        "missing_names": listed(missing) or "none",
    }
    for name, those in (("held", found.held), ("broken", found.broken)):
        if those is not None:
            metrics[name], facts[f"{name}_names"] = float(len(those)), listed(sorted(those)) or "none"
    if found.held is None:
        facts["not_read"] = "held: missing_right"
    if len(names) == 1 and versions:
        facts |= {
            "version": clip(plain(versions[names[0]][-1])),
            "full_version": clip(versions[names[0]][-1]),
        }
    if params.versions:
        different = _different(versions, params.versions)
        metrics["differing"] = float(len(different))
        facts["differences"] = listed(different, "; ") or "none"
    return metrics, facts


def _different(versions: dict[str, list[str]], wanted: dict[str, str]) -> list[str]:
    return [
        f"{name}: expected {version}, found {' '.join(versions.get(name, ['not installed']))}"
        for name, version in wanted.items()
        if not any(is_version(each, version) for each in versions.get(name, ()))
    ]


async def probe_package(target: Target, params: PackageParams, context: Context) -> Reading:
    """Look packages up. Raises what `told` and `parse` do."""
    ask = Ask(FRAGMENT, (params.manager or "", *params.names), most=131_072)
    found, phases = await told(target, params, ask, context, lambda text: parse(text, params.names))
    return Reading.ok(*reading(found, params), phases)


PROBE = ProbeSpec(
    name="package",
    family="software",
    summary="Packages of a host: installed, version, held, compared with a manifest (dpkg, rpm, apk)",
    params=PackageParams,
    run=probe_package,
    metrics=(
        MetricDef("installed", "count", "higher", 1, "of the packages named, how many are installed"),
        MetricDef("missing", "count", "lower", 1, "how many are not"),
        MetricDef(
            "held", "count", "none", 1, "how many are kept from being upgraded (hold, versionlock, pin)"
        ),
        MetricDef("broken", "count", "lower", 1, "how many are half installed or not configured (dpkg only)"),
        MetricDef(
            "differing", "count", "lower", 1, "with versions: how many have another version, or are missing"
        ),
    ),
    facts=(
        FactDef("manager", help="dpkg, rpm or apk"),
        FactDef("version", "version", "of a single package: its version without the epoch"),
        FactDef("full_version", help="of a single package: its version as the manager has it"),
        FactDef("versions", help="all that are installed, with their versions"),
        FactDef("missing_names", help="those that are not installed"),
        FactDef("held_names", help="those that are held"),
        FactDef("broken_names", help="those that are half installed or not configured (dpkg only)"),
        FactDef("differences", help="with versions: expected and found, where they differ"),
        FactDef("not_read", help="what could not be read, and why"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=EVERY_S,
    default_timeout=TIMEOUT_S,
)
