"""Does a host keep its clock right: synchronised, how far off, from which source?

Asked of the daemon that answers: chronyd (chronyc(1), `-c tracking`), ntpd (ntpq(8), `rv`), systemd-timesyncd
(timedatectl(1)). It is what the host says of itself; how far it is from the monitor's clock, `ntp` tells.
"""

from __future__ import annotations

import re

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.errors import Inconclusive
from probes.software._host import EVERY_S, KINDS, PHASES, TIMEOUT_S, HostParams, told
from probes.software._script import Ask
from probes.software._text import lines_of, number, pairs, sections, whole

FRAGMENT = r"""
if o=$(chronyc -c -n tracking); then
  echo "@chronyc"
  printf '%s\n' "$o"
elif o=$(ntpq -c rv) && [ -n "$o" ]; then
  echo "@ntpq"
  printf '%s\n' "$o"
else
  if o=$(timedatectl show -p NTPSynchronized -p NTP); then
    echo "@timedatectl"
    printf '%s\n' "$o"
    echo "@timesync"
    timedatectl timesync-status
  fi
fi
echo "@end"
"""
Told = tuple[dict[str, float], dict[str, str]]
UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "min": 6e4}


def parse(text: str) -> Told:
    """Return metrics and facts. Raises ValueError, LookupError, and `Inconclusive` where nobody answers."""
    parts = sections(text)
    if "end" not in parts:
        raise ValueError("what it says of its clock breaks off")
    for name, parser in _PARSERS.items():
        if name in parts:
            metrics, facts = parser(parts)
            return metrics, {
                key: clip(value, 200) for key, value in (facts | {"method": name}).items() if value
            }
    raise Inconclusive("not_supported: no chronyd, ntpd or timedatectl answers on the host")


def chronyc(parts: dict[str, str]) -> Told:
    """Read `chronyc -c tracking`: 14 fields, times in seconds; not synchronised has stratum 0."""
    (line,) = lines_of(parts["chronyc"])
    fields = line.split(",")
    if len(fields) != 14:
        raise ValueError("not 14 fields")
    stratum, leap = whole(fields[2]), fields[13]
    metrics = {"synchronised": float(stratum > 0 and leap != "Not synchronised")}
    if metrics["synchronised"]:
        offset, delay, dispersion = (1000 * number(fields[n]) for n in (4, 10, 11))
        metrics |= _figures(stratum, offset, delay, dispersion)
    return metrics, {"source": fields[1], "leap": leap}


def ntpq(parts: dict[str, str]) -> Told:
    """Read `ntpq -c rv`: name=value, times in ms; stratum 16 or leap 3 is not synchronised."""
    values = {
        name: value.strip('"') for name, value in re.findall(r'([a-z_]+)=("[^"]*"|[^,\s]+)', parts["ntpq"])
    }
    stratum = whole(values["stratum"])
    metrics = {"synchronised": float(stratum < 16 and values["leap"] not in ("11", "3"))}
    if metrics["synchronised"]:
        offset, delay, dispersion = (number(values[key]) for key in ("offset", "rootdelay", "rootdisp"))
        metrics |= _figures(stratum, offset, delay, dispersion)
    return metrics, {"source": values.get("refid", ""), "leap": values["leap"]}


def _figures(stratum: int, offset: float, delay: float, dispersion: float) -> dict[str, float]:
    """Return the figures of a clock that is synchronised, in ms; the bound as in RFC 5905, 11.2."""
    return {
        "offset_ms": abs(offset),
        "stratum": float(stratum),
        "root_delay_ms": delay,
        "root_dispersion_ms": dispersion,
        "error_bound_ms": abs(offset) + abs(delay) / 2 + dispersion,
    }


def timedatectl(parts: dict[str, str]) -> Told:
    """Read the kernel's flag, and what systemd-timesyncd says where it is that keeps the time."""
    state = pairs(parts["timedatectl"])["NTPSynchronized"]
    if state not in ("yes", "no"):
        raise ValueError("neither yes nor no")
    metrics, facts = {"synchronised": float(state == "yes")}, {"source": ""}
    if state == "no":
        return metrics, facts
    rows = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in lines_of(parts.get("timesync", "")))
    }
    if "Offset" in rows:
        metrics |= {"offset_ms": abs(milliseconds(rows["Offset"])), "stratum": float(whole(rows["Stratum"]))}
        facts["source"] = rows.get("Server", "")
    return metrics, facts


def milliseconds(text: str) -> float:
    """Return a time span of systemd (`+1.234ms`, `1min 2.5s`) in ms. Raises ValueError."""
    sign = -1 if text.startswith("-") else 1
    words = text.lstrip("+-").split()
    matches = [re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?)(us|ms|s|min)", word) for word in words]
    if not words or None in matches:
        raise ValueError(clip(text, 50))
    return sign * sum(float(match[1]) * UNITS_MS[match[2]] for match in matches if match)


_PARSERS = {"chronyc": chronyc, "ntpq": ntpq, "timedatectl": timedatectl}


async def probe_time_sync(target: Target, params: HostParams, context: Context) -> Reading:
    """Ask how the clock is kept. Raises what `told` and `parse` do."""
    (metrics, facts), phases = await told(target, params, Ask(FRAGMENT, most=8192), context, parse)
    return Reading.ok(metrics, facts, phases)


PROBE = ProbeSpec(
    name="time_sync",
    family="software",
    summary="How a host keeps its clock: synchronised, offset, stratum, source (chrony, ntpd, timesyncd)",
    params=HostParams,
    run=probe_time_sync,
    metrics=(
        MetricDef("synchronised", "count", "higher", 1, "1 where the clock follows a source, else 0"),
        MetricDef("offset_ms", "ms", "lower", 0.001, "how far off it is by its own estimate, either way"),
        MetricDef("stratum", "count", "lower", 1, "distance from a reference clock"),
        MetricDef("root_delay_ms", "ms", "lower", 0.001, "round trip to the reference clock"),
        MetricDef("root_dispersion_ms", "ms", "lower", 0.001, "error that has added up on the way"),
        MetricDef("error_bound_ms", "ms", "lower", 0.001, "how far off it can be at worst"),
    ),
    facts=(
        FactDef("method", help="who was asked: chronyc, ntpq or timedatectl"),
        FactDef("source", help="the server, or reference, it follows"),
        FactDef("leap", help="leap status, as the daemon has it"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=EVERY_S,
    default_timeout=TIMEOUT_S,
)  # fmt: skip
