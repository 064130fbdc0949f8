"""How long ago a host was patched, what security updates wait, and whether it must be restarted. Offline.

Sources: the log of dpkg(1) and the package lists that apt fetched last (`apt-get -s dist-upgrade`, which
names new kernels, too; nothing is fetched or changed); install times of rpm(8) and the cache of dnf(8)
(`-C`); apk's database. A count of waiting updates is no newer than the lists, whose age is told with it.
"""

from __future__ import annotations

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.software._host import KINDS, PHASES, HostParams, told
from probes.software._script import Ask
from probes.software._text import lines_of, listed, sections, whole

FRAGMENT = r"""
echo "@now"
date +%s
newest() { stat -c %Y "$@" | sort -rn | head -n 1; }
if [ -s /var/lib/dpkg/status ]; then
  echo "@dpkg"
  echo "@changed"
  ls -t /var/lib/dpkg/info/*.list | head -n 1 | while read -r f; do stat -c %Y "$f"; done
  echo "@upgraded"
  for l in /var/log/dpkg.log /var/log/dpkg.log.1; do
    d=$(grep ' upgrade ' "$l" | tail -n 1 | cut -d' ' -f1,2)
    [ -n "$d" ] && { (unset TZ; date -d "$d" +%s); break; }
  done
  set -- /var/lib/apt/lists/*_Packages*
  if [ -e "$1" ] && command -v apt-get >/dev/null; then
    echo "@lists"
    newest "$@" /var/lib/apt/lists/*Release /var/lib/apt/periodic/update-success-stamp
    echo "@pending"
    o=$(apt-get -s -o Debug::NoLocking=true dist-upgrade) && { printf '%s\n' "$o" | grep '^Inst '; echo ok; }
  fi
elif [ -e /lib/apk/db/installed ]; then
  echo "@apk"
  echo "@changed"
  stat -c %Y /lib/apk/db/installed
elif command -v rpm >/dev/null; then
  echo "@rpm"
  echo "@changed"
  rpm -qa --qf '%{INSTALLTIME}\n' | sort -rn | head -n 1
  if command -v dnf >/dev/null; then
    set -- /var/cache/dnf/*.solv
    [ -e "$1" ] && { echo "@lists"; newest "$@"; }
    echo "@security"
    dnf -C -q updateinfo list --security --available && echo ok
  fi
else
  echo "none of dpkg, rpm and apk"
  exit 94
fi
echo "@restart"
if [ -e /run/reboot-required ]; then echo yes
elif command -v needs-restarting >/dev/null; then
  needs-restarting -r >/dev/null
  case $? in 0) echo no ;; 1) echo yes ;; esac
elif [ -d /usr/share/update-notifier ] || [ -x /usr/share/unattended-upgrades/unattended-upgrade-shutdown ]; then
  echo no
fi
echo "@end"
"""  # noqa: E501 - a script
MOST = 131_072
DAY_S = 86_400
MANAGERS = ("dpkg", "apk", "rpm")


def parse(text: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts. Raises ValueError and LookupError."""
    parts = sections(text)
    if "end" not in parts:
        raise ValueError("what it says of its packages breaks off")
    now, not_read = whole(parts["now"].strip()), []
    metrics: dict[str, float] = {}
    facts = {"manager": min(name for name in MANAGERS if name in parts)}
    for section, metric in (
        ("changed", "last_change_days"), ("upgraded", "last_upgrade_days"), ("lists", "lists_age_days"),
    ):  # fmt: skip
        if value := parts.get(section, "").strip():
            metrics[metric] = (now - whole(value)) / DAY_S
        elif section == "upgraded":
            not_read.append(
                f"{metric}: not_supported" if "upgraded" not in parts else f"{metric}: not in the log"
            )
    waiting, names = _waiting(parts)
    if waiting is None:
        not_read.append("security_pending: not_supported")
    else:
        metrics |= waiting
        facts["security_names"] = listed(names) or "none"
    restart = parts["restart"].strip()
    if restart in ("yes", "no"):
        metrics["restart_required"] = float(restart == "yes")
    else:
        not_read.append("restart_required: not_supported")
    if not_read:
        facts["not_read"] = ", ".join(not_read)
    return metrics, facts


def _waiting(parts: dict[str, str]) -> tuple[dict[str, float] | None, list[str]]:
    """Return how many updates wait, and the names of those for security; None where that can't be told."""
    if "pending" in parts:
        *rows, last = lines_of(parts["pending"]) or [""]
        if last != "ok":
            return None, []
        updates = [row.split() for row in rows if row.startswith("Inst ")]
        security = sorted({clip(row[1], 100) for row in updates if "security" in " ".join(row).lower()})
        return {"pending": float(len(updates)), "security_pending": float(len(security))}, security
    if "security" in parts:
        *rows, last = lines_of(parts["security"]) or [""]
        updates = [row.split() for row in rows if row.strip()]
        if last != "ok" or any(len(words) != 3 for words in updates):
            return None, []
        names = sorted({clip(words[-1], 100) for words in updates})
        return {"security_pending": float(len(names))}, names
    return None, []


async def probe_patch_age(target: Target, params: HostParams, context: Context) -> Reading:
    """Ask how old the host's patches are. Raises what `told` does."""
    (metrics, facts), phases = await told(target, params, Ask(FRAGMENT, most=MOST), context, parse)
    return Reading.ok(metrics, facts, phases)


PROBE = ProbeSpec(
    name="patch_age",
    family="software",
    summary="How long ago a host was patched, security updates that wait, restart required; offline",
    params=HostParams,
    run=probe_patch_age,
    metrics=(
        MetricDef("last_change_days", "d", "lower", 0.01, "since a package was installed or upgraded"),
        MetricDef("last_upgrade_days", "d", "lower", 0.01,
                  "since a package was upgraded, as far as the log goes back (dpkg)"),
        MetricDef("pending", "count", "lower", 1, "updates that wait (apt)"),
        MetricDef("security_pending", "count", "lower", 1, "security updates that wait, by the lists"),
        MetricDef("lists_age_days", "d", "lower", 0.01, "age of these lists"),
        MetricDef("restart_required", "count", "lower", 1, "1 where it must be restarted; absent if unknown"),
    ),
    facts=(
        FactDef("manager", help="dpkg, rpm or apk"),
        FactDef("security_names", help="packages with security updates that wait"),
        FactDef("not_read", help="what the host can't tell"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=21_600.0,
    default_timeout=60.0,
)  # fmt: skip
