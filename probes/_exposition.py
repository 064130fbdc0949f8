"""Prometheus text format 0.0.4 and OpenMetrics 1.0, read as a stream, for the series that someone asked for.

Lines of other series cost one search of a compiled pattern; what is kept is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

MAX_LINE = 64 * 1024
MAX_SERIES = 20_000
"""Most series kept of one scrape."""

Labels = tuple[tuple[str, str], ...]

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(?:,|$)')
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_SELECTOR = re.compile(rf'\s*({_NAME})\s*(?:\{{((?:[^"}}]|"(?:[^"\\]|\\.)*")*)\}})?\s*')
_SAMPLE = re.compile(
    rf"({_NAME}+)[ \t]*+(?:\{{(.*)\}})?[ \t]*+([-+]?[0-9.][0-9.eE+-]*+|[-+]?[iI]nf|NaN)"
    r"(?:[ \t]+(-?[0-9.]+(?:[eE][-+]?[0-9]+)?))?[ \t]*(?:\#.*)?"
)
_START = re.compile(rf"\#|{_NAME}[ \t{{]")


class Malformed(ValueError):  # noqa: N818 - says what it is
    """The text is not of the format."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A series' name and what its labels must be: (label, operator, value or pattern)."""

    name: str
    matchers: tuple[tuple[str, str, re.Pattern[str] | str], ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether a series' labels fit; a label that is not there is empty."""
        return all(_fits(op, want, labels.get(name, "")) for name, op, want in self.matchers)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a series; `at` is the time it states for itself, as written, or None."""

    labels: Labels
    value: float
    at: float | None = None


@lru_cache(maxsize=4096)
def selector(text: str) -> Selector:
    """Parse `name{label="value", other=~"regex"}`. Raises ValueError with what to write instead."""
    match = _SELECTOR.fullmatch(text)
    if match is None:
        msg = f'{text!r} is no selector; write a name with optional labels, e.g. node_load1 or up{{job="a"}}'
        raise ValueError(msg)
    matchers, body, position = [], (match[2] or "").rstrip(), 0
    while position < len(body):
        found = _MATCHER.match(body, position)
        if found is None:
            msg = f'{body[position:]!r} is no label matcher; write label="value", with =, !=, =~ or !~'
            raise ValueError(msg)
        matchers.append((found[1], found[2], _wanted(found[2], _unescape(found[3]))))
        position = found.end()
    return Selector(match[1], tuple(matchers))


@lru_cache(maxsize=256)
def _pattern(names: frozenset[str]) -> re.Pattern[str]:
    alternatives = "|".join(sorted(map(re.escape, names), reverse=True))
    return re.compile(rf"^(?:{alternatives})[ \t{{][^\n]*$", re.MULTILINE)


@dataclass(slots=True)
class Scan:
    """A scrape being read: give it the text in pieces, then `close` it."""

    selectors: frozenset[Selector]
    open_metrics: bool = False
    found: dict[Selector, list[Sample]] = field(default_factory=dict)
    kept: int = 0
    _by_name: dict[str, list[Selector]] = field(default_factory=dict)
    _rest: str = ""
    _started: bool = False
    _tail: str = ""

    def __post_init__(self) -> None:
        for one in self.selectors:
            self._by_name.setdefault(one.name, []).append(one)

    def feed(self, text: str) -> None:
        """Read on. Raises `Malformed`."""
        text = self._rest + text
        whole, newline, self._rest = text.rpartition("\n")
        if len(self._rest) > MAX_LINE:
            raise Malformed(f"a line is longer than {MAX_LINE} characters")
        if newline:
            self._read(whole)

    def close(self) -> dict[Selector, list[Sample]]:
        """End the scrape and return the samples by selector. Raises `Malformed`."""
        if self._rest.strip():
            self._read(self._rest)
        if not self._started:
            raise Malformed("it is empty")
        if self.open_metrics and self._tail != "# EOF":
            raise Malformed("it ends before its # EOF")
        return self.found

    def _read(self, text: str) -> None:
        if not self._started and text.strip():
            if not _START.match(text.lstrip()):
                raise Malformed("it is not in Prometheus' text format")
            self._started = True
        self._tail = text.rstrip().rpartition("\n")[2].strip() or self._tail
        for match in _pattern(frozenset(self._by_name)).finditer(text):
            self._keep(match[0])

    def _keep(self, line: str) -> None:
        name, labels, sample = parse_sample(line)
        for wanted in self._by_name[name]:
            if wanted.matches(labels):
                self.kept += 1
                if self.kept > MAX_SERIES:
                    raise Malformed(f"more than {MAX_SERIES} series are selected")
                self.found.setdefault(wanted, []).append(sample)


def parse_sample(line: str) -> tuple[str, dict[str, str], Sample]:
    """Parse one line that holds a sample. Raises `Malformed`."""
    match = _SAMPLE.fullmatch(line.strip("\r"))
    if match is None:
        raise Malformed(f"{line[:100]!r} is no sample")
    labels = _labels(match[2] or "")
    try:
        value, at = float(match[3]), float(match[4]) if match[4] else None
    except ValueError:
        raise Malformed(f"{line[:100]!r} holds no number") from None
    return match[1], labels, Sample(tuple(sorted(labels.items())), value, at)


def _labels(body: str) -> dict[str, str]:
    found: dict[str, str] = {}
    body, position = body.rstrip(), 0
    while position < len(body):
        match = _LABEL.match(body, position)
        if match is None:
            raise Malformed(f"{body[position : position + 100]!r} is no label")
        found[match[1]] = _unescape(match[2])
        position = match.end()
    return found


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), text)


def _wanted(operator: str, value: str) -> re.Pattern[str] | str:
    if "~" not in operator:
        return value
    try:
        return re.compile(value)
    except re.error as error:
        msg = f"{value!r} is no regular expression: {error}"
        raise ValueError(msg) from None


def _fits(operator: str, wanted: re.Pattern[str] | str, value: str) -> bool:
    same = value == wanted if isinstance(wanted, str) else wanted.fullmatch(value[:1024]) is not None
    return same is not operator.startswith("!")
