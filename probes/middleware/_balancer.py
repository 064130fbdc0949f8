"""Who answered behind a balancer, what that says of its members, and what HAProxy says of them itself."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from probes import _http_body as content
from probes._patterns import SEARCH_S, SHORT, SHORT_SEARCH_S, pattern
from probes._web import Answer
from probes.api import clip
from probes.errors import Inconclusive, ProtocolViolated

MAX_NAME = 100
MAX_ROWS = 10_000
COOKIE_ROOM = 4096


@dataclass(frozen=True, slots=True)
class Who:
    """Where an answer names the member: one of these is given."""

    header: str | None = None
    cookie: str | None = None
    body: str | None = None
    json: str | None = None


def member(answer: Answer, by: Who) -> str:
    """Return the member that an answer names, or an empty text. Raises `Inconclusive`, `ProtocolViolated`."""
    if by.header is not None:
        name = answer.field(by.header.lower())
    elif by.cookie is not None:
        name = dict(pairs(answer.cookies)).get(by.cookie, "")
    elif by.body is not None:
        name = _found(by.body, answer.text())
    else:
        selected = content.values(content.parsed(answer.text()), by.json or "$")
        name = content.as_fact(selected[0]) if selected else ""
    return clip(name.strip(), MAX_NAME)


def _found(wanted: str, text: str) -> str:
    limit = SHORT_SEARCH_S if len(text) <= SHORT else SEARCH_S
    try:
        match = pattern(wanted).search(text, concurrent=True, timeout=limit)
    except TimeoutError:
        raise Inconclusive(f"the pattern {wanted!r} took too long on this text") from None
    if match is None:
        return ""
    return str(match[1] if match.re.groups else match[0]) or ""


def pairs(cookies: Iterable[str]) -> list[tuple[str, str]]:
    """Return names and values of Set-Cookie fields (RFC 6265, section 5.2), without their attributes."""
    found = []
    for cookie in cookies:
        name, sign, value = cookie.partition(";")[0].partition("=")
        if sign and name.strip():
            found.append((name.strip(), value.strip()))
    return found


def cookie_field(cookies: Iterable[str]) -> str:
    """Return the Cookie field that gives back what was set, or an empty text."""
    text = "; ".join(f"{name}={value}" for name, value in pairs(cookies))
    return text if len(text) <= COOKIE_ROOM and text.isprintable() else ""


@dataclass(slots=True)
class Tally:
    """What came of some requests."""

    members: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    took_ms: list[float] = field(default_factory=list)
    unnamed: int = 0

    @property
    def answered(self) -> int:
        """How many requests were answered rightly."""
        return len(self.took_ms)

    @property
    def made(self) -> int:
        """How many requests were made."""
        return self.answered + self.failures.total()

    def take(self, name: str, took_ms: float) -> None:
        """Count a right answer, by the member that it names."""
        self.took_ms.append(took_ms)
        if name:
            self.members[name] += 1
        else:
            self.unnamed += 1

    def metrics(self, *, named: bool) -> dict[str, float]:
        """Return the figures; those of members only where answers are to name them."""
        found = {"requests": float(self.made)}
        if self.made:
            found["failed_pct"] = 100 * self.failures.total() / self.made
        if self.took_ms:
            found["request_ms"] = median(self.took_ms)
        if named and self.answered:
            found |= {"members_seen": float(len(self.members)), "unnamed": float(self.unnamed)}
        return found

    def facts(self) -> dict[str, str]:
        """Return who answered how often, and what failed how often."""
        found = {"members": counted(self.members), "failures": counted(self.failures)}
        return {name: text for name, text in found.items() if text}


def counted(items: Counter[str]) -> str:
    """Return "a 7, b 6", the most frequent first."""
    return clip(", ".join(f"{name} {count}" for name, count in items.most_common(50)), 1000)


def sticky_pct(first: str, followed: Tally) -> float | None:
    """Return the share of follow-ups that reached the first one's member; one that failed reached none.

    None where the first names no member, or fewer than two of the others do or fail.
    """
    told = followed.members.total() + followed.failures.total()
    return 100 * followed.members[first] / told if first and told > 1 else None


def unused(healthy: Sequence[str], seen: Iterable[str]) -> list[str]:
    """Return the healthy members that never answered through the balancer."""
    return sorted(set(healthy) - set(seen))


@dataclass(frozen=True, slots=True)
class Row:
    """One server of HAProxy's statistics."""

    backend: str
    name: str
    status: str
    queued: float | None
    sessions: float | None

    @property
    def up(self) -> bool:
        """Whether its checks pass; "UP 1/3" is on its way down and still serves."""
        return self.status.startswith("UP")


def haproxy(text: str, backend: str | None) -> list[Row]:
    """Return the servers in HAProxy's CSV (management guide, section 9.1), of one backend or of all.

    Raises `ProtocolViolated` where it is no such CSV.
    """
    if not text.startswith("# pxname,svname,"):
        raise ProtocolViolated(f"no CSV of HAProxy: {clip(text, 60)!r}")
    rows = []
    try:
        for number, line in enumerate(csv.DictReader(text[2:].splitlines())):
            if number >= MAX_ROWS:
                raise ProtocolViolated(f"more than {MAX_ROWS} rows")
            if _is_server(line) and backend in (None, line["pxname"]):
                rows.append(_row(line))
    except (csv.Error, KeyError):
        raise ProtocolViolated("a damaged CSV of HAProxy") from None
    return rows


def _is_server(line: Mapping[str, str | None]) -> bool:
    """Whether a row is of a server: neither of a proxy as a whole, nor of a socket that listens (type 3)."""
    return line["svname"] not in ("FRONTEND", "BACKEND") and line.get("type") != "3"


def _row(line: Mapping[str, str | None]) -> Row:
    def number(name: str) -> float | None:
        text = line.get(name) or ""
        return float(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None

    texts = [clip(line.get(name) or "", MAX_NAME) for name in ("pxname", "svname", "status")]
    return Row(texts[0], texts[1], texts[2], number("qcur"), number("scur"))


def of_rows(rows: Sequence[Row]) -> tuple[dict[str, float], dict[str, str]]:
    """Return what HAProxy says of its servers; one without checks is neither up nor down.

    A sum that not all of them tell their part of is left out.
    """
    unchecked = [row for row in rows if row.status == "no check"]
    down = [row for row in rows if not row.up and row.status != "no check"]
    metrics = {
        "members_up": float(sum(1 for row in rows if row.up)),
        "members_down": float(len(down)),
        "members_unchecked": float(len(unchecked)),
    }
    for name, parts in (("queued", [r.queued for r in rows]), ("sessions", [r.sessions for r in rows])):
        told = [part for part in parts if part is not None]
        if len(told) == len(parts):
            metrics[name] = sum(told)
    named = ", ".join(f"{row.backend}/{row.name} {row.status}" for row in down[:50])
    return metrics, {"balancer_says": clip(named, 1000)} if named else {}
