"""Which operating system a host runs, to the build: what an allow-list of systems is compared with.

Sources: os-release(5), and the files in which distributions name their build: /etc/kylin-build,
/etc/os-version of UOS, /etc/debian_version, the release files of Red Hat's relatives.
"""

from __future__ import annotations

import re

from probes.api import Context, FactDef, ProbeSpec, Reading, Target, clip
from probes.software._host import KINDS, PHASES, TIMEOUT_S, HostParams, told
from probes.software._script import Ask
from probes.software._text import lines_of, pairs, sections

FRAGMENT = r"""
echo "@release"
cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release
for f in kylin-build os-version openEuler-release kylin-release redhat-release debian_version \
  alpine-release; do
  [ -r /etc/$f ] && { echo "@/etc/$f"; head -c 2000 /etc/$f; echo; }
done
echo "@uname"
uname -s; uname -r; uname -m
echo "@end"
"""
NAMES = {"ID": "id", "NAME": "name", "VERSION": "version_name", "VERSION_ID": "version",
         "VERSION_CODENAME": "codename", "PRETTY_NAME": "pretty_name", "VARIANT_ID": "variant"}  # fmt: skip


def parse(text: str) -> dict[str, str]:
    """Return the facts. Raises ValueError and LookupError."""
    parts = sections(text)
    if "end" not in parts:
        raise ValueError("what it says of its system breaks off")
    system, kernel, machine = lines_of(parts["uname"])
    release = {key: value.strip().strip("\"'") for key, value in pairs(parts["release"]).items()}
    facts = {fact: release[key] for key, fact in NAMES.items() if release.get(key)}
    facts |= {"system": system, "kernel": kernel, "architecture": machine}
    build, source = _build(release, parts)
    if build:
        facts |= {"build": build, "build_source": source}
    return {name: clip(value, 300) for name, value in facts.items()}


def _build(release: dict[str, str], parts: dict[str, str]) -> tuple[str, str]:
    """Return the build, and which file names it; the most exact source counts."""
    if release.get("BUILD_ID"):
        return release["BUILD_ID"], "os-release"
    for name, body in parts.items():
        if name == "/etc/os-version":
            if match := re.search(r"^OsBuild\s*=\s*(\S+)", body, re.MULTILINE):
                return match[1], name
        elif name.startswith("/etc/") and body.strip():
            return " ".join(body.split()), name
    return release.get("VERSION_ID", ""), "os-release"


async def probe_os_release(target: Target, params: HostParams, context: Context) -> Reading:
    """Read what the host says of its system. Raises what `told` does."""
    facts, phases = await told(target, params, Ask(FRAGMENT, most=16_384), context, parse)
    return Reading.ok({}, facts, phases)


PROBE = ProbeSpec(
    name="os_release",
    family="software",
    summary="Which operating system a host runs: name, version, build, kernel",
    params=HostParams,
    run=probe_os_release,
    facts=(
        FactDef("id", help="the distribution's short name: debian, kylin, openEuler"),
        FactDef("name", help="its name"),
        FactDef("version", "version", "its version"),
        FactDef("version_name", help="its version, in words"),
        FactDef("codename", help="the version's code name"),
        FactDef("variant", help="the variant: server, desktop"),
        FactDef("pretty_name", help="name and version, as it is shown"),
        FactDef("build", help="the build, as exactly as the system names it"),
        FactDef("build_source", help="the file that names the build"),
        FactDef("system", help="Linux, as uname has it"),
        FactDef("kernel", "version", "release of the kernel"),
        FactDef("architecture", help="of the machine, as uname has it"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=3600.0,
    default_timeout=TIMEOUT_S,
)
