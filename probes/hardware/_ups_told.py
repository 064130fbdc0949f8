"""What a UPS's objects come to: metrics, facts, and what can't be believed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from probes._snmp import Value
from probes.hardware._shown import Shown, below, number, said, within
from probes.hardware._ups_sources import MAINS, Figure, Source

NO_ESTIMATE = 65_535 / 60
"""Minutes: 65535 s, and minutes made of them, are what cards give that have no estimate."""
ALARMS = {
    1: "battery bad", 2: "on battery", 3: "low battery", 4: "depleted battery", 5: "temperature bad",
    6: "input bad", 7: "output bad", 8: "output overload", 9: "on bypass", 10: "bypass bad",
    11: "output off as requested", 12: "off as requested", 13: "charger failed", 14: "output off",
    15: "system off", 16: "fan failure", 17: "fuse failure", 18: "general fault",
    19: "diagnostic test failed", 20: "communications lost", 21: "awaiting power", 22: "shutdown pending",
    23: "shutdown imminent", 24: "test in progress",
}  # fmt: skip
"""upsAlarmTable names them by object identifiers below upsWellKnownAlarms (RFC 1628)."""
_ALARM_ROWS, _WELL_KNOWN = "1.3.6.1.2.1.33.1.6.2.1.2", "1.3.6.1.2.1.33.1.6.3."


@dataclass(slots=True)
class Told:
    """`doubts` name what the UPS says and what is left out for it."""

    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)


def told(sources: Iterable[Source], values: Shown) -> Told:
    """Return what the objects come to; the first source that has a figure or a word counts."""
    found = Told()
    for source in sources:
        found.metrics = _figures(source, values) | found.metrics
        found.facts = _facts(source, values) | found.facts
    _doubt(found)
    _judged(found)
    alarms = [_alarm(value) for _, value in below(values, _ALARM_ROWS)]
    if alarms:
        found.facts["alarm_names"] = "; ".join(alarms)
    return found


def _figures(source: Source, values: Shown) -> dict[str, float]:
    rows: dict[str, list[float]] = {}
    chosen: dict[str, Figure] = {}
    for figure in source.figures:
        for _, value in below(values, figure.oid):
            fits = within(value, figure.least, figure.most, figure.scale)
            if fits is not None:
                rows.setdefault(figure.metric, []).append(fits)
                chosen[figure.metric] = figure
    return {metric: chosen[metric].choose(numbers) for metric, numbers in rows.items()}


def _facts(source: Source, values: Shown) -> dict[str, str]:
    facts: dict[str, str] = {}
    for flag in source.flags:
        if any(number(value) == flag.number for _, value in below(values, flag.oid)):
            facts.setdefault(flag.fact, flag.word)
    for fact, (oid, otherwise) in source.otherwise.items():
        if any(below(values, oid)):
            facts.setdefault(fact, otherwise)
    for word in source.words:
        text = _word(word.words, [value for _, value in below(values, word.oid)])
        if text:
            facts.setdefault(word.fact, text)
    return facts


def _word(words: dict[int, str], found: list[Value]) -> str:
    """Return the text; of several rows (modules) the first word that is not good, where there is one."""
    if not words:
        return next((text for value in found if (text := said(value))), "")
    known = [words[int(n)] for n in map(number, found) if n is not None and n in words]
    bad = [word for word in known if word not in ("normal", "no", "passed")]
    return next(iter([*bad, *known]), "")


def _doubt(found: Told) -> None:
    """Leave out what the UPS itself contradicts."""
    metrics, facts = found.metrics, found.facts
    minutes = metrics.get("minutes_left")
    if minutes is not None and int(minutes) == int(NO_ESTIMATE):
        del metrics["minutes_left"]
        found.doubts.append("minutes_left: it gives 65535 s, which stands for no estimate")
    elif minutes == 0 and facts.get("battery_status") == "normal" and metrics.get("charge_pct", 0) >= 50:
        del metrics["minutes_left"]
        found.doubts.append("minutes_left: it gives 0 with a normal, charged battery: it makes no estimate")
    for name in ("temperature_c", "ambient_c"):
        if metrics.get(name, 1) <= 0:
            found.doubts.append(f"{name}: it gives {metrics.pop(name):g}, as cards without a sensor do")
    if metrics.get("charge_pct") == 0 and facts.get("battery_status") == "normal":
        del metrics["charge_pct"]
        found.doubts.append("charge_pct: it gives 0 with a normal battery, as where it is not supported")


def _judged(found: Told) -> None:
    source, battery = found.facts.get("output_source"), found.facts.get("battery_status")
    if source is not None and source != "other":
        found.metrics["on_mains"] = float(source in MAINS)
    if battery is not None and battery != "unknown":
        found.metrics["battery_normal"] = float(battery == "normal")


def _alarm(value: object) -> str:
    name = str(value)
    last = name.removeprefix(_WELL_KNOWN)
    return ALARMS.get(int(last), name) if name.startswith(_WELL_KNOWN) and last.isdigit() else name
