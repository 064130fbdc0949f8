"""Line protocol, built as text. Pure.

One reading is one line, in milliseconds since the epoch:

    muster_icmp,asset=up,check=icmp,kind=channel,level=hall,probe=icmp,unit=gz,vantage=hub rtt_ms=1.204,...

Its metrics are fields of their own names, in their declared units, besides `outcome` (0 ok, 1 failed, 2
error, 3 not_run), `lag_ms` and `duration_ms`; where texts are wanted, what is not ok has `cause`, `detail`.
A number that is not finite is left out. Values are written to the metric's resolution, as the store keeps
them, so that a point which is sent again is the same point.

Line protocol has no way to write a backslash before what is escaped, or a line end in a tag, that all
servers read alike: in names and tags a backslash becomes a slash, and what can't be printed a space; in the
name of a field a double quote becomes a single one.
https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from monitor.store.api import OUTCOME_CODES
from probes.api import MetricDef, Outcome, Reading, clip

PREFIX = "muster_"
OWN = frozenset({"unit", "incident", "verdict", "verdict_change", "maintenance", "fact", "metric", "signoff"})
"""Measurements (less the prefix) that are no probe's."""
TAGS = frozenset({"asset", "check", "kind", "level", "probe", "unit", "vantage"})
TAKEN = TAGS | {"outcome", "lag_ms", "duration_ms", "cause", "detail", "time"}
"""Names that no metric's field may have."""
LONGEST_TAG, LONGEST_TEXT = 200, 300
KEPT_CHECKS, KEPT_LAYOUTS = 200_000, 10_000
PLAIN = 1e15
"""Up to here a number is written without an exponent."""
_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\\": "/"})
_QUOTED = str.maketrans({'"': '\\"', "\\": "\\\\"})
_CODES = {Outcome(name): code for name, code in OUTCOME_CODES.items()}


def tidy(text: str) -> str:
    """Return what is stored of a name or a tag's value."""
    return clip(text, LONGEST_TAG).replace("\\", "/").strip(" ")


def key(text: str) -> str:
    """Return a measurement's or a field's name, or a tag's value, escaped; empty where nothing is left."""
    return tidy(text).translate(_ESCAPES)


def quoted(text: str) -> str:
    """Return a text as the value of a field."""
    return f'"{clip(text, LONGEST_TEXT).translate(_QUOTED)}"'


def measurement(probe: str) -> str:
    """Return the measurement of a probe's readings."""
    return f"{PREFIX}probe_{probe}" if probe in OWN else f"{PREFIX}{probe}"


def field_name(metric: str) -> str:
    """Return the name of a metric's field (not escaped): one that no tag and no other field of ours has."""
    name = tidy(metric).replace('"', "'") or "value"
    if name.startswith("_"):
        return f"x{name}"
    return f"{name}_" if name in TAKEN else name


def line(name: str, tags: Mapping[str, str], fields: Mapping[str, float | str | bool], at_ms: int) -> str:
    """Return one line; tags that are empty are left out, and numbers that are not finite.

    An int is an integer to the server, a float is a float. Returns an empty text where no field is left.
    """
    shown = {each: key(value) for each, value in sorted(tags.items())}
    where = "".join(f",{key(each)}={value}" for each, value in shown.items() if value)
    pairs = ((each, _value(value)) for each, value in fields.items())
    said = ",".join(f"{key(each)}={value}" for each, value in pairs if value)
    return f"{key(name)}{where} {said} {at_ms}" if said else ""


def _value(value: float | str | bool) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int):
        return f"{int(value)}i"
    return repr(value) if value - value == 0.0 else ""


@dataclass(frozen=True, slots=True)
class Series:
    """What is known of a check: the bounded words that become its tags, and its metrics."""

    unit: str
    asset: str
    check: str
    probe: str
    kind: str = ""
    level: str = ""
    metrics: tuple[MetricDef, ...] = ()


@dataclass(slots=True)
class _Known:
    """What the lines of one check from one vantage have in common, and how its last one was written."""

    prefix: str
    series: Series
    names: tuple[str, ...] = ("\n",)
    layout: str = ""


@dataclass(slots=True)
class ReadingLines:
    """Makes lines of readings; keeps what lines of one check, and of one probe, have in common."""

    describe: Callable[[str], Series]
    texts: bool = True
    _known: dict[tuple[str, str], _Known] = field(default_factory=dict)
    _layouts: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def forget(self) -> None:
        """Describe every check anew (the inventory has changed)."""
        self._known.clear()
        self._layouts.clear()

    def of(self, readings: Iterable[Reading]) -> list[str]:
        """Return a line for each reading."""
        made = []
        known, texts = self._known, self.texts
        for reading in readings:
            one = known.get((reading.check, reading.vantage)) or self._meet(reading)
            metrics = reading.metrics
            values = (*metrics.values(), reading.lag_ms, reading.duration_ms)
            total = sum(values)
            if total - total != 0.0 or not -PLAIN < total < PLAIN or (texts and reading.kind):
                made.append(self._rare(one.prefix, one.series, reading))
                continue
            names = (*metrics,)
            if names != one.names:
                one.names, one.layout = names, self._layout(names, one.series)
            said = one.layout % (*values, _CODES[reading.outcome], round(reading.at * 1000))
            made.append(one.prefix + said)
        return made

    def _meet(self, reading: Reading) -> _Known:
        series = self.describe(reading.check)
        tags = {name: getattr(series, name) for name in ("asset", "check", "kind", "level", "probe", "unit")}
        tags["vantage"] = reading.vantage
        pairs = ((name, key(value)) for name, value in sorted(tags.items()))
        where = "".join(f",{name}={value}" for name, value in pairs if value)
        found = _Known(f"{key(measurement(series.probe))}{where} ", series)
        if len(self._known) >= KEPT_CHECKS:
            self._known.clear()
        self._known[reading.check, reading.vantage] = found
        return found

    def _layout(self, names: tuple[str, ...], series: Series) -> str:
        found = self._layouts.get((series.probe, names))
        if found is None:
            steps = {metric.name: metric.resolution for metric in series.metrics}
            fields = [f"{_literal(each)}={_form(steps.get(each))}," for each in names]
            found = "".join(fields) + "lag_ms=%.0f,duration_ms=%.0f,outcome=%di %d"
            if len(self._layouts) >= KEPT_LAYOUTS:
                self._layouts.clear()
            self._layouts[series.probe, names] = found
        return found

    def _rare(self, prefix: str, series: Series, reading: Reading) -> str:
        """Return the line of a reading that needs care: with texts, or with numbers that are not plain."""
        steps = {metric.name: metric.resolution for metric in series.metrics}
        fields = [
            f"{key(field_name(name))}={_plain(value, steps.get(name))}"
            for name, value in reading.metrics.items()
            if value - value == 0.0
        ]
        for name, value in (("lag_ms", reading.lag_ms), ("duration_ms", reading.duration_ms)):
            if value - value == 0.0:
                fields.append(f"{name}={_plain(value, 1.0)}")
        fields.append(f"outcome={_CODES[reading.outcome]}i")
        if self.texts and reading.kind:
            fields.append(f"cause={quoted(reading.kind)}")
            if reading.detail:
                fields.append(f"detail={quoted(reading.detail)}")
        return f"{prefix}{','.join(fields)} {round(reading.at * 1000)}"


def _literal(metric: str) -> str:
    return key(field_name(metric)).replace("%", "%%")


def _form(step: float | None) -> str:
    """Return how a value is written to a resolution: with as many digits as that has."""
    return "%r" if step is None else f"%.{digits(step)}f"


def _plain(value: float, step: float | None) -> str:
    return _form(step) % value if -PLAIN < value < PLAIN else repr(float(value))


def digits(step: float) -> int:
    """Return how many decimal places a resolution has: 3 of 0.001, 0 of 1 and 50, 2 of 0.25."""
    exponent = Decimal(repr(step)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
