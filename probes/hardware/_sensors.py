"""Sensors as rows of tables become sensors, and sensors become figures. Pure.

RFC 3433: a value is `value * 1000^(scale - 9) / 10^precision` in the unit of its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from probes.api import clip
from probes.hardware._sensor_tables import Kind, Table
from probes.hardware._shown import Shown, below, number, said

State = Literal["good", "bad", "unknown"]
SHOWN = 20
"""Sensors that a fact names at most."""
LEAST_C, MOST_C = -60.0, 200.0
CELSIUS, HUMIDITY, RPM = 8, 9, 10
OPERATIONAL, UNAVAILABLE = 1, 2
OVERFLOW = 1_000_000_000
CLASSES: dict[int, Kind] = {6: "power", 7: "fan"}
PORT_CLASS = 10
"""entPhysicalClass (RFC 6933)."""
ENTITY_NAME, ENTITY_DESCR = "1.3.6.1.2.1.47.1.1.1.1.7", "1.3.6.1.2.1.47.1.1.1.1.2"
ENTITY_CLASS = "1.3.6.1.2.1.47.1.1.1.1.5"
NAMED: dict[str, Kind] = {
    "fan": "fan",
    "psu": "power",
    "power": "power",
    "pem": "power",
    "temp": "temperature",
}
"""What a sensor's name says of its kind, the first of these words counting."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor; `value` is in C, % or its own unit, and None where it gives none."""

    kind: Kind
    index: str
    name: str
    state: State
    value: float | None = None
    limit: float | None = None

    @property
    def high(self) -> bool:
        """Whether it is at or above what its device holds for too much."""
        return self.value is not None and self.limit is not None and self.value >= self.limit


def rows(table: Table, values: Shown) -> Iterator[Sensor]:
    """Yield the sensors of one table; names may be empty."""
    names = dict(below(values, table.name)) if table.name else {}
    present = dict(below(values, table.present)) if table.present else {}
    states = dict(below(values, table.status)) if table.status else {}
    limits = dict(below(values, table.limit)) if table.limit else {}
    for index, value in below(values, table.value or table.status):
        if table.present and number(present.get(index)) != table.there:
            continue
        state = _state(table, number(states.get(index)))
        figure = _figure(table, number(value)) if table.value else None
        if state is None or (table.value and figure is None and state != "bad"):
            continue
        name = said(names.get(index)) or (f"{table.called} {_short(index)}" if table.called else "")
        limit = _figure(table, number(limits.get(index))) if figure is not None else None
        yield Sensor(_kind(table, name), index, name, state, figure, limit or None)


def _short(index: str) -> str:
    return index.removesuffix(".0") or index


def _kind(table: Table, name: str) -> Kind:
    if table.kind_by != "name":
        return table.kind
    low = name.lower()
    return next((kind for word, kind in NAMED.items() if word in low), "other")


def _state(table: Table, told: float | None) -> State | None:
    """Return None for what is not there. A value without a status is good as far as is known."""
    if not table.status:
        return "good"
    if told is None:
        return "good" if table.value else "unknown"
    if told in table.absent:
        return None
    return "unknown" if told in table.unknown else "good" if told in table.good else "bad"


def _figure(table: Table, told: float | None) -> float | None:
    if told is None or (told == 0 and not table.zero) or told == -1:
        return None
    value = told * table.scale
    most = 100.0 if table.kind == "humidity" else MOST_C
    least = 0.0 if table.kind == "humidity" else LEAST_C
    return value if least <= value <= most or table.kind == "other" else None


def measured(base: str, values: Shown, columns: tuple[int, int, int, int, int]) -> Iterator[Sensor]:
    """Yield the sensors of ENTITY-SENSOR-MIB, or of Cisco's own, which has the same columns.

    `columns` are those of type, scale, precision, value and status below `base`.
    """
    types, scales, precisions, figures, states = (
        dict(below(values, f"{base}.{column}")) for column in columns
    )
    for index, told in types.items():
        kind, raw, state = number(told), number(figures.get(index)), number(states.get(index))
        value = None
        if state == OPERATIONAL and raw is not None and abs(raw) < OVERFLOW:
            value = scaled(raw, number(scales.get(index)), number(precisions.get(index)))
        yield _measured(index, int(kind or 0), value, state)


def _measured(index: str, kind: int, value: float | None, state: float | None) -> Sensor:
    good: State = "good" if state == OPERATIONAL else "unknown" if state in (UNAVAILABLE, None) else "bad"
    if kind == RPM:
        stopped = good == "good" and value == 0
        return Sensor("fan", index, "", "bad" if stopped else good, value)
    if kind == CELSIUS:
        fits = value is not None and LEAST_C <= value <= MOST_C
        return Sensor("temperature", index, "", good, value if fits else None)
    if kind == HUMIDITY:
        return Sensor("humidity", index, "", good, value if value is not None and 0 <= value <= 100 else None)
    return Sensor("other", index, "", good, value)


def scaled(raw: float, scale: float | None, precision: float | None) -> float:
    """Return the value in units. Without a scale it is in units, without a precision it is whole."""
    power = 0 if scale is None or not 1 <= scale <= 17 else 3 * (int(scale) - 9)
    digits = 0 if precision is None or not 1 <= precision <= 9 else int(precision)
    return round(raw * 10.0 ** (power - digits), 6)


def figures(sensors: Iterable[Sensor]) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts; what no sensor tells is left out."""
    every = list(sensors)
    metrics: dict[str, float] = {"sensors": float(len(every))}
    facts: dict[str, str] = {}
    for kind, name in (("temperature", "temperature"), ("humidity", "humidity")):
        told = [(s.value, s.name) for s in every if s.kind == kind and s.value is not None]
        if told:
            unit = "c" if kind == "temperature" else "pct"
            metrics |= {f"{name}_min_{unit}": min(told)[0], f"{name}_max_{unit}": max(told)[0]}
        if told and kind == "temperature":
            facts |= {"coldest": _warm(*min(told)), "hottest": _warm(*max(told))}
            metrics["temperatures"] = float(len(told))
            metrics["temperatures_high"] = float(sum(s.high for s in every if s.kind == kind))
    for kind, name in (("fan", "fans"), ("power", "power_supplies")):
        metrics |= _states(name, [s for s in every if s.kind == kind])
    bad = [s for s in every if s.state == "bad" or (s.kind == "temperature" and s.high)]
    metrics["sensors_bad"] = float(len(bad))
    facts["bad"] = _names(bad) or "none"
    return metrics, facts


def _states(name: str, sensors: list[Sensor]) -> dict[str, float]:
    known = [s.state for s in sensors if s.state != "unknown"]
    if not known:
        return {}
    return {
        name: float(len(sensors)),
        f"{name}_ok": float(known.count("good")),
        f"{name}_bad": float(known.count("bad")),
    }


def _names(sensors: list[Sensor]) -> str:
    texts = [s.name + (f" ({s.value:g})" if s.value is not None else "") for s in sensors[:SHOWN]]
    more = f" and {len(sensors) - SHOWN} more" if len(sensors) > SHOWN else ""
    return clip("; ".join(texts) + more)


def _warm(value: float, name: str) -> str:
    return f"{name}: {value:g} C"


def named(sensors: Iterable[Sensor], names: Mapping[str, str], classes: Mapping[str, int]) -> list[Sensor]:
    """Return the sensors with names of their entities and, where its class says so, their kinds.

    States of ports are left out: `interfaces` tells those.
    """
    return [
        _named(sensor, names.get(sensor.index, ""), classes.get(sensor.index))
        for sensor in sensors
        if classes.get(sensor.index) != PORT_CLASS
    ]


def _named(sensor: Sensor, name: str, kind: int | None) -> Sensor:
    known = CLASSES.get(kind or 0, "other") if sensor.kind == "other" else sensor.kind
    text = sensor.name or name or f"{known} {sensor.index}"
    return Sensor(known, sensor.index, text, sensor.state, sensor.value, sensor.limit)
