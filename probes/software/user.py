"""An account of a host: identity, groups, shell, locked, when its password expires. Never its hash.

Sources: getent(1), id(1), passwd(1) with -S and chage(1) with -l of shadow-utils. The last two show only an
account's own state; that of others needs root, and is asked by sudo where the check says so.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.software._host import KINDS, PHASES, TIMEOUT_S, SudoParams, told
from probes.software._script import Ask
from probes.software._text import UserName, listed, moment, pairs, sections, whole

FRAGMENT = r"""
u=$1
command -v getent >/dev/null || { echo "no getent on this host"; exit 94; }
e=$(getent passwd "$u")
c=$?
echo "@account"
echo "now=$(date +%s)"
case $c in
0) printf 'entry=%s\n' "$e" | cut -d: -f1,3,4,6,7 ;;
2) echo "@end"; exit 0 ;;
*) echo "getent ended with status $c"; exit 94 ;;
esac
echo "groups=$(id -Gn "$u")"
echo "@status"
command -v passwd >/dev/null && command -v chage >/dev/null || { echo "@unsupported"; echo "@end"; exit 0; }
p passwd -S "$u" || { [ $? = 93 ] && exit 93; }
echo "@ageing"
p chage -l "$u" || { [ $? = 93 ] && exit 93; }
echo "@end"
"""
DAY_S = 86_400
DATES = ("%Y-%m-%d", "%m/%d/%Y")
"""As passwd -S writes them: newer shadow-utils and Red Hat's, older shadow-utils."""
STATES = {"P": (0.0, 1.0), "PS": (0.0, 1.0), "L": (1.0, 1.0), "LK": (1.0, 1.0), "NP": (0.0, 0.0)}
"""(locked, has a password) by the second word of passwd -S."""


class UserParams(SudoParams):
    """Which account."""

    user: UserName = Field(description="Name of the account.")


def parse(text: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts. Raises ValueError and LookupError."""
    parts = sections(text)
    if "end" not in parts:
        raise ValueError("what it says of the account breaks off")
    account = pairs(parts["account"])
    now = whole(account["now"])
    if "entry" not in account:
        return {"exists": 0.0}, {}
    _, uid, gid, home, shell = account["entry"].split(":")
    metrics = {"exists": 1.0, "uid": float(whole(uid)), "gid": float(whole(gid))}
    facts = {
        "home": clip(home, 300),
        "shell": clip(shell, 300),
        "groups": listed(sorted(account.get("groups", "").split()), " "),
    }
    not_read = []
    if not _status(parts["status"].split(), now, metrics, facts):
        not_read.append("password")
    if not _ageing(parts.get("ageing", ""), now, metrics, facts):
        not_read.append("expiry")
    if not_read:
        why = "not_supported" if "unsupported" in parts else "missing_right"
        facts["not_read"] = ", ".join(f"{name}: {why}" for name in not_read)
    return metrics, facts


def _status(words: list[str], now: float, metrics: dict[str, float], facts: dict[str, str]) -> bool:
    """Add what `passwd -S` says: name, state, last change, least, most, warned, inactive (days)."""
    if not words:
        return False
    facts |= {"password_expires": "never"}
    metrics["locked"], metrics["has_password"] = STATES[words[1]]
    if changed := _date(words[2]):
        metrics["password_age_days"] = (now - changed) / DAY_S
        most = int(words[4])
        if 0 <= most < 99999:
            metrics["password_left_days"] = (changed - now) / DAY_S + most
            facts["password_expires"] = moment(changed + most * DAY_S)
    return True


def _date(text: str) -> float | None:
    """Return a day in seconds since the epoch; a password that must be changed has the first one."""
    for form in DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    if text in ("never", "-1"):
        return None
    raise ValueError(clip(text, 40))


def _ageing(text: str, now: float, metrics: dict[str, float], facts: dict[str, str]) -> bool:
    """Add when the account itself expires, of `chage -l`."""
    for line in text.split("\n"):
        label, _, value = line.partition(":")
        if label.strip() == "Account expires":
            facts["account_expires"] = "never"
            if value.strip() != "never":
                expires = datetime.strptime(value.strip(), "%b %d, %Y").replace(tzinfo=UTC).timestamp()
                metrics["account_left_days"] = (expires - now) / DAY_S
                facts["account_expires"] = moment(expires)
            return True
    return False


async def probe_user(target: Target, params: UserParams, context: Context) -> Reading:
    """Look at one account. Raises what `told` does."""
    ask = Ask(FRAGMENT, (params.user,), most=8192, sudo=params.sudo)
    (metrics, facts), phases = await told(target, params, ask, context, parse)
    return Reading.ok(metrics, facts, phases)


PROBE = ProbeSpec(
    name="user",
    family="software",
    summary="An account of a host: identity, groups, shell, locked, password's expiry",
    params=UserParams,
    run=probe_user,
    metrics=(
        MetricDef("exists", "count", "none", 1, "1 where the account exists, else 0"),
        MetricDef("uid", "count", "none", 1, "its number"),
        MetricDef("gid", "count", "none", 1, "the number of its first group"),
        MetricDef("locked", "count", "none", 1, "1 where no password opens it, else 0"),
        MetricDef("has_password", "count", "none", 1, "0 where none is asked for"),
        MetricDef("password_age_days", "d", "lower", 0.01, "since it was changed"),
        MetricDef("password_left_days", "d", "higher", 0.01, "until it expires; absent where it never does"),
        MetricDef("account_left_days", "d", "higher", 0.01, "until the account expires; absent as well"),
    ),
    facts=(
        FactDef("groups", help="its groups by name, sorted"),
        FactDef("home", help="home directory"),
        FactDef("shell", help="login shell"),
        FactDef("password_expires", help="the day, or never"),
        FactDef("account_expires", help="the day, or never"),
        FactDef("not_read", help="what could not be read, and why"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=3600.0,
    default_timeout=TIMEOUT_S,
)  # fmt: skip
