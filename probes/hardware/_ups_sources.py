"""Where UPSs tell what: the standard MIB and vendors' own, as tables. Values by the MIB texts named there.

Vendors come before the standard, whose objects many cards fill with zeros or in other units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

MAINS = ("normal", "booster", "reducer", "eco")
"""Sources of output that are mains: a booster raises its voltage, a reducer lowers it."""
Choose = Callable[[Iterable[float]], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric: of all objects below `oid` (a scalar or a column), scaled, the one that `choose` takes."""

    metric: str
    oid: str
    scale: float = 1.0
    least: float = 0.0
    most: float = 1e9
    """What lies outside is a code, or in another unit, and no figure."""
    choose: Choose = max


@dataclass(frozen=True, slots=True)
class Word:
    """A fact: the text below `oid`, or what its number stands for."""

    fact: str
    oid: str
    words: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flag:
    """A number that, where it is `number`, says `word` of the fact; the first such flag counts."""

    fact: str
    oid: str
    number: int
    word: str


@dataclass(frozen=True, slots=True)
class Source:
    """One MIB: `root` shows whether the device has it, `trees` are read then."""

    name: str
    root: str
    trees: tuple[str, ...]
    figures: tuple[Figure, ...]
    words: tuple[Word, ...] = ()
    flags: tuple[Flag, ...] = ()
    otherwise: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Fact -> (an object, a word): said where that object is there and no flag of the fact is raised."""


def volts(prefix: str, oid: str, scale: float = 1.0) -> tuple[Figure, Figure]:
    """Return the least and greatest voltage of the phases; 0 of a phase that is not wired is no voltage."""
    return (
        Figure(f"{prefix}_v_min", oid, scale, 1, 1000, min),
        Figure(f"{prefix}_v_max", oid, scale, 1, 1000),
    )


def _rfc(rest: str) -> str:
    return f"1.3.6.1.2.1.33.1.{rest}"


def _apc(rest: str) -> str:
    return f"1.3.6.1.4.1.318.1.1.1.{rest}"


def _xups(rest: str) -> str:
    return f"1.3.6.1.4.1.534.1.{rest}"


def _mge(rest: str) -> str:
    return f"1.3.6.1.4.1.705.1.{rest}"


def _xppc(rest: str) -> str:
    return f"1.3.6.1.4.1.935.1.1.1.{rest}"


def _huawei(rest: str) -> str:
    return f"1.3.6.1.4.1.2011.6.174.1.{rest}"


def _liebert(rest: str) -> str:
    return f"1.3.6.1.4.1.476.1.42.3.5.{rest}"


BATTERY = {1: "unknown", 2: "normal", 3: "low", 4: "depleted"}
OUTPUT = {1: "other", 2: "none", 3: "normal", 4: "bypass", 5: "battery", 6: "booster", 7: "reducer"}
TESTS = {1: "passed", 2: "passed with a warning", 3: "failed", 4: "aborted", 5: "running", 6: "none made"}

RFC_1628 = Source(
    "UPS-MIB (RFC 1628)", _rfc("")[:-1],
    (_rfc("1"), _rfc("2"), _rfc("3"), _rfc("4"), _rfc("6.1"), _rfc("6.2.1.2"), _rfc("7.3")),
    (
        Figure("on_battery_s", _rfc("2.2"), 1, 0, 10_000_000),
        Figure("minutes_left", _rfc("2.3"), 1, 0, 100_000, min),
        Figure("charge_pct", _rfc("2.4"), 1, 0, 100, min),
        Figure("battery_v", _rfc("2.5"), 0.1, 1, 1000),
        Figure("temperature_c", _rfc("2.7"), 1, -40, 120),
        *volts("input", _rfc("3.3.1.3")),
        *volts("output", _rfc("4.4.1.2")),
        Figure("load_pct", _rfc("4.4.1.5"), 1, 0, 200),
        Figure("alarms", _rfc("6.1"), 1, 0, 10_000),
    ),
    (
        Word("vendor", _rfc("1.1")), Word("model", _rfc("1.2")), Word("firmware", _rfc("1.3")),
        Word("battery_status", _rfc("2.1"), BATTERY), Word("output_source", _rfc("4.1"), OUTPUT),
        Word("last_test", _rfc("7.3"), TESTS),
    ),
)  # fmt: skip

POWERNET = Source(
    "PowerNet-MIB (APC)", _apc("")[:-1],
    (
        _apc("1.1.1"), _apc("1.2.1"), _apc("1.2.3"), _apc("2.1.1"), _apc("2.1.2"), _apc("2.2.1"),
        _apc("2.2.2"), _apc("2.2.3"), _apc("2.2.4"), _apc("2.2.8"), _apc("3.2.1"), _apc("4.1.1"),
        _apc("4.2.1"), _apc("4.2.3"), _apc("7.2.3"), _apc("9.2.3.1.3"), _apc("9.3.3.1.3"),
        _apc("9.3.3.1.10"),
    ),
    (
        Figure("on_battery_s", _apc("2.1.2"), 0.01, 0, 10_000_000),
        Figure("minutes_left", _apc("2.2.3"), 1 / 6000, 0, 100_000, min),
        Figure("charge_pct", _apc("2.2.1"), 1, 0, 100, min),
        Figure("battery_v", _apc("2.2.8"), 1, 1, 1000),
        Figure("temperature_c", _apc("2.2.2"), 1, -40, 120),
        *volts("input", _apc("9.2.3.1.3")), *volts("input", _apc("3.2.1")),
        *volts("output", _apc("9.3.3.1.3")), *volts("output", _apc("4.2.1")),
        Figure("load_pct", _apc("9.3.3.1.10"), 1, 0, 200), Figure("load_pct", _apc("4.2.3"), 1, 0, 200),
    ),
    (
        Word("battery_replace", _apc("2.2.4"), {1: "no", 2: "yes"}),
        Word("model", _apc("1.1.1")), Word("firmware", _apc("1.2.1")), Word("serial", _apc("1.2.3")),
        Word("battery_status", _apc("2.1.1"),
             {1: "unknown", 2: "normal", 3: "low", 4: "faulty", 5: "missing"}),
        Word("output_source", _apc("4.1.1"), {
            1: "other", 2: "normal", 3: "battery", 4: "booster", 5: "none", 6: "bypass", 7: "none", 8: "none",
            9: "bypass", 10: "bypass", 11: "none", 12: "reducer", 13: "eco", 14: "none", 15: "battery",
            16: "bypass", 17: "bypass", 18: "eco", 19: "other", 20: "eco", 27: "battery", 28: "other",
        }),
        Word("last_test", _apc("7.2.3"), {1: "passed", 2: "failed", 3: "invalid", 4: "running"}),
    ),
)  # fmt: skip

XUPS = Source(
    "XUPS-MIB (Eaton)", _xups("")[:-1],
    (_xups("1"), _xups("2"), _xups("3.4.1.2"), _xups("4.1"), _xups("4.4.1.2"), _xups("4.4.1.8"),
     _xups("4.5"), _xups("6.1"), _xups("7.1")),
    (
        Figure("minutes_left", _xups("2.1"), 1 / 60, 0, 100_000, min),
        Figure("charge_pct", _xups("2.4"), 1, 0, 100, min),
        Figure("battery_v", _xups("2.2"), 1, 1, 1000),
        *volts("input", _xups("3.4.1.2")), *volts("output", _xups("4.4.1.2")),
        Figure("load_pct", _xups("4.4.1.8"), 1, 0, 200), Figure("load_pct", _xups("4.1"), 1, 0, 200),
        Figure("ambient_c", _xups("6.1"), 1, -40, 120),
        Figure("alarms", _xups("7.1"), 1, 0, 10_000),
    ),
    (
        Word("vendor", _xups("1.1")), Word("model", _xups("1.2")), Word("firmware", _xups("1.3")),
        Word("output_source", _xups("4.5"), OUTPUT | {8: "normal", 9: "normal", 10: "eco", 11: "bypass"}),
    ),
    (Flag("battery_status", _xups("2.5"), 6, "missing"), Flag("battery_status", _xups("2.5"), 8, "faulty")),
)  # fmt: skip

MGE = Source(
    "MG-SNMP-UPS-MIB (MGE, Eaton)", _mge("")[:-1], (_mge("1"), _mge("5"), _mge("6"), _mge("7")),
    (
        Figure("minutes_left", _mge("5.1"), 1 / 60, 0, 100_000, min),
        Figure("charge_pct", _mge("5.2"), 1, 0, 100, min),
        Figure("battery_v", _mge("5.5"), 0.1, 1, 1000),
        *volts("input", _mge("6.2.1.2"), 0.1), *volts("output", _mge("7.2.1.2"), 0.1),
        Figure("load_pct", _mge("7.2.1.4"), 1, 0, 200),
    ),
    (
        Word("model", _mge("1.2")), Word("firmware", _mge("1.4")), Word("serial", _mge("1.7")),
        Word("battery_replace", _mge("5.11"), {1: "yes", 2: "no"}),
    ),
    (
        Flag("battery_status", _mge("5.9"), 1, "faulty"), Flag("battery_status", _mge("5.14"), 1, "low"),
        Flag("battery_status", _mge("5.16"), 1, "low"),
        Flag("output_source", _mge("7.3"), 1, "battery"), Flag("output_source", _mge("7.4"), 1, "bypass"),
        Flag("output_source", _mge("7.8"), 1, "booster"), Flag("output_source", _mge("7.12"), 1, "reducer"),
        Flag("output_source", _mge("7.9"), 1, "none"),
    ),
    {"battery_status": (_mge("5.9"), "normal"), "output_source": (_mge("7.3"), "normal")},
)  # fmt: skip

XPPC = Source(
    "XPPC-MIB (Phoenixtec, Santak, Megatec)", _xppc("")[:-1],
    (_xppc("1"), _xppc("2"), _xppc("3"), _xppc("4")),
    (
        Figure("charge_pct", _xppc("2.2.1"), 1, 0, 100, min),
        Figure("temperature_c", _xppc("2.2.3"), 0.1, -40, 120),
        Figure("minutes_left", _xppc("2.2.4"), 1 / 60, 0, 100_000, min),
        *volts("input", _xppc("3.2.1"), 0.1), *volts("output", _xppc("4.2.1"), 0.1),
        Figure("load_pct", _xppc("4.2.3"), 1, 0, 200),
    ),
    (
        Word("model", _xppc("1.1.1")), Word("firmware", _xppc("1.2.1")), Word("serial", _xppc("1.2.3")),
        Word("battery_status", _xppc("2.1.1"), {1: "unknown", 2: "normal", 3: "low"}),
        Word("output_source", _xppc("4.1.1"), {
            1: "other", 2: "normal", 3: "battery", 4: "booster", 5: "none", 6: "bypass", 7: "none", 8: "none",
            9: "reducer",
        }),
    ),
)  # fmt: skip

HUAWEI = Source(
    "Huawei UPS2000 and UPS5000", _huawei("")[:-1],
    (_huawei("2.100.1"), _huawei("2.101.1"), _huawei("3.100.1"), _huawei("4.100.1"), _huawei("6.100.1")),
    (
        *(figure for column in (1, 2, 3) for figure in volts("input", _huawei(f"3.100.1.{column}"), 0.1)),
        *(figure for column in (1, 2, 3) for figure in volts("output", _huawei(f"4.100.1.{column}"), 0.1)),
        *(Figure("load_pct", _huawei(f"4.100.1.{column}"), 0.1, 0, 200) for column in (14, 15, 16)),
        Figure("battery_v", _huawei("6.100.1.1"), 0.1, 1, 1000),
        Figure("charge_pct", _huawei("6.100.1.3"), 1, 0, 100, min),
        Figure("minutes_left", _huawei("6.100.1.4"), 1 / 60, 0, 100_000, min),
    ),
    (
        Word("model", _huawei("2.100.1.2")), Word("firmware", _huawei("2.100.1.3")),
        Word("serial", _huawei("2.100.1.5")),
        Word("output_source", _huawei("2.101.1.1"), {
            1: "none", 2: "bypass", 3: "normal", 4: "battery", 5: "other", 6: "eco", 7: "battery",
        }),
    ),
    (Flag("battery_status", _huawei("2.101.1.3"), 1, "missing"),),
)  # fmt: skip

LIEBERT = Source(
    "LIEBERT-GP-POWER-MIB (Vertiv, Emerson)", _liebert("")[:-1],
    (_liebert("1.18"), _liebert("1.19"), _liebert("3.55")),
    (
        Figure("minutes_left", _liebert("1.18"), 1, 0, 65_534, min),
        Figure("charge_pct", _liebert("1.19"), 1, 0, 100, min),
    ),
    (Word("output_source", _liebert("3.55"), OUTPUT),),
)  # fmt: skip

SOURCES = (HUAWEI, POWERNET, XUPS, MGE, XPPC, LIEBERT, RFC_1628)
