"""Kernel parameters of a host against a manifest (sysctl(8), /proc/sys)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.software._host import KINDS, PHASES, TIMEOUT_S, HostParams, told
from probes.software._script import Ask
from probes.software._text import lines_of, listed

FRAGMENT = r"""
[ -d /proc/sys ] || { echo "no /proc/sys"; exit 94; }
for f; do
  if [ ! -e "/proc/sys/$f" ]; then echo "-"
  elif v=$(cat "/proc/sys/$f"); then printf '=%s\n' "$(printf %s "$v" | tr '\n' ' ')"
  else echo "!"
  fi
done
echo end
"""
ABSENT, UNREADABLE = "-", "!"


def _name(name: str) -> str:
    if any(part in ("", ".", "..") for part in path_of(name).split("/")):
        msg = "write the name as sysctl prints it, e.g. net.ipv4.ip_forward"
        raise ValueError(msg)
    return name


def path_of(name: str) -> str:
    """Return the path below /proc/sys: dots and slashes change places unless a slash comes first."""
    first = next((character for character in name if character in "./"), ".")
    return name if first == "/" else name.translate(str.maketrans("./", "/."))


Name = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9_./@:-]+$"), AfterValidator(_name)]
Value = Annotated[str | int, Field(union_mode="left_to_right")]


class SysctlParams(HostParams):
    """What the parameters should be."""

    values: dict[Name, Value] = Field(
        min_length=1, max_length=200, description="Values by name; where one has several fields, with spaces."
    )


def normal(value: str | int) -> str:
    """Return a value with single spaces, as it is compared."""
    return " ".join(str(value).split())


def parse(text: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return by name the value, `ABSENT` or `UNREADABLE`. Raises ValueError."""
    lines = lines_of(text)
    if len(lines) != len(names) + 1 or lines[-1] != "end":
        raise ValueError("not one line for each parameter")
    found = {}
    for name, line in zip(names, lines, strict=False):
        if line not in (ABSENT, UNREADABLE) and not line.startswith("="):
            raise ValueError(clip(line, 60))
        found[name] = line
    return found


def reading(found: dict[str, str], wanted: dict[str, str | int]) -> tuple[dict[str, float], dict[str, str]]:
    """Return what differs; where something could not be read, their number is not told."""
    unreadable = [name for name, line in found.items() if line == UNREADABLE]
    different = [
        f"{name}: expected {normal(wanted[name])}, found {normal(line[1:]) if line != ABSENT else 'nothing'}"
        for name, line in found.items()
        if line != UNREADABLE and (line == ABSENT or normal(line[1:]) != normal(wanted[name]))
    ]
    facts = {"differences": listed(different, "; ") or "none"}
    if len(found) == 1 and not unreadable:
        facts["value"] = clip(normal(next(iter(found.values()))[1:]))
    if unreadable:
        return {}, facts | {"not_read": listed(f"{name}: missing_right" for name in unreadable)}
    return {"differing": float(len(different))}, facts


async def probe_sysctl(target: Target, params: SysctlParams, context: Context) -> Reading:
    """Compare kernel parameters. Raises what `told` does."""
    names = tuple(params.values)
    ask = Ask(FRAGMENT, tuple(map(path_of, names)), most=65_536)
    found, phases = await told(target, params, ask, context, lambda text: parse(text, names))
    return Reading.ok(*reading(found, params.values), phases)


PROBE = ProbeSpec(
    name="sysctl",
    family="software",
    summary="Kernel parameters of a host against a manifest",
    params=SysctlParams,
    run=probe_sysctl,
    metrics=(
        MetricDef("differing", "count", "lower", 1, "parameters of another value, or that do not exist; "
                  "absent where not all could be read"),
    ),
    facts=(
        FactDef("differences", help="expected and found, where they differ"),
        FactDef("value", help="of a single parameter: its value"),
        FactDef("not_read", help="what could not be read, and why"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=3600.0,
    default_timeout=TIMEOUT_S,
)  # fmt: skip
