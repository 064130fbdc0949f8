"""ups: recorded UPSs, through snmpsim and without, and what the tables come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome
from probes.hardware._ups_sources import MAINS, RFC_1628, SOURCES
from probes.hardware._ups_told import told
from tests.probing import run_once, shared_here
from tests.servers.recordings import asked
from tests.servers.snmpsim import recorded, snmpsim

RFC = "1.3.6.1.2.1.33.1"
FACTS = {
    "UPS/eaton-93e-80": {"model": "EATON 93E 80", "serial": "4K234LXX06", "battery_status": "normal"},
    "UPS/eaton-9px-partial": {"output_source": "normal", "battery_replace": "no", "serial": "GX13G45099"},
    "UPS/huawei-gse200m": {"model": "UPS5000-E", "serial": "2102310NYJ10EB000045"},
    "UPS/eastpower-istars-swv053": {"vendor": "EAST", "model": "EA9080", "output_source": "normal"},
    "UPS/ingrasys-power-switch": {"vendor": "Santak", "last_test": "passed"},
    "UPS/phoenixtec-power": {"battery_status": "normal", "output_source": "normal"},
}
FIGURES: dict[str, dict[str, float]] = {
    "UPS/eaton-93e-80": {"charge_pct": 100, "load_pct": 21, "battery_v": 521, "input_v_max": 233},
    "UPS/eaton-9px-partial": {"minutes_left": 286.97, "load_pct": 9, "output_v_min": 231},
    "UPS/huawei-gse200m": {"minutes_left": 468, "load_pct": 48.1, "input_v_min": 234.7, "battery_v": 538.5},
    "UPS/eastpower-istars-swv053": {"input_v_min": 234, "load_pct": 30, "temperature_c": 36},
    "UPS/ingrasys-power-switch": {"load_pct": 33, "battery_v": 273},
    "UPS/phoenixtec-power": {"temperature_c": 31.5, "output_v_max": 230.7},
}


@pytest.mark.parametrize("name", FACTS)
async def test_recorded_upss_are_read_in_their_own_units(name: str) -> None:
    reading = await asked(name, "ups")
    assert reading.outcome is Outcome.OK, reading.detail
    assert FACTS[name].items() <= reading.facts.items()
    assert {key: pytest.approx(value, abs=0.05) for key, value in FIGURES[name].items()}.items() <= (
        reading.metrics.items()
    )
    assert (reading.metrics["on_mains"], reading.metrics["battery_normal"]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("UPS/eaton-93e-80", "65535 s"),
        ("UPS/ingrasys-power-switch", "no estimate"),
        ("UPS/phoenixtec-power", "no estimate"),
    ],
)
async def test_minutes_that_are_no_estimate_are_named_and_left_out(name: str, says: str) -> None:
    reading = await asked(name, "ups")
    assert "minutes_left" not in reading.metrics
    assert says in reading.facts["not_told"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("UPS/apc-8932", "rack power strip"),
        ("network/appliance/tripplite-poweralert", "rack power strip"),
        ("UPS/vertiv-power", "cools a room"),
        ("UPS/emerson-network-power", "Emerson's own MIB"),
        ("os/windows/XP", "none in the MIBs"),
    ],
)
async def test_what_is_no_ups_says_why_and_is_no_success(name: str, says: str) -> None:
    reading = await asked(name, "ups")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail.startswith("not_shown: ")
    assert says in reading.detail


@pytest.mark.may_block
async def test_snmpsim_gives_the_same_as_the_recording(tmp_path: Path) -> None:
    recordings = ["UPS/eaton-93e-80", "UPS/huawei-gse200m", "UPS/eastpower-istars-swv053"]
    names = {recorded(name, tmp_path, "1.3.6.1"): name for name in recordings}
    async with snmpsim(tmp_path) as port, shared_here(secrets={name: name for name in names}) as shared:
        for community, name in names.items():
            block = {"community": f"secret:{community}", "port": port, "max_repetitions": 10}
            over = await run_once("ups", "127.0.0.1", timeout=20, shared=shared, snmp=block)
            here = await asked(name, "ups")
            assert over.outcome is Outcome.OK, over.detail
            assert _timeless(over.metrics) == _timeless(here.metrics)
            assert over.facts == here.facts
            assert over.phases["query"] > 0


def _timeless(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name != "query_ms"}


def rfc(source: int, battery: int, **more: Any) -> dict[str, Any]:
    return {f"{RFC}.4.1.0": source, f"{RFC}.2.1.0": battery} | {
        f"{RFC}.{at.replace('_', '.').strip('.')}.0": value for at, value in more.items()
    }


@pytest.mark.parametrize(
    ("source", "word", "mains"),
    [
        (3, "normal", 1.0), (6, "booster", 1.0), (7, "reducer", 1.0),
        (4, "bypass", 0.0), (5, "battery", 0.0), (2, "none", 0.0), (1, "other", None),
    ],
)  # fmt: skip
def test_booster_and_reducer_are_mains_and_an_unknown_source_is_nothing(
    source: int, word: str, mains: float | None
) -> None:
    found = told([RFC_1628], rfc(source, 2))
    assert (found.facts["output_source"], found.metrics.get("on_mains")) == (word, mains)


@pytest.mark.parametrize(("battery", "normal"), [(2, 1.0), (3, 0.0), (4, 0.0), (1, None), (9, None)])
def test_a_battery_whose_state_is_unknown_is_not_normal_and_not_bad(
    battery: int, normal: float | None
) -> None:
    assert told([RFC_1628], rfc(3, battery)).metrics.get("battery_normal") == normal


def test_minutes_left_on_battery_are_believed_to_the_last() -> None:
    found = told([RFC_1628], rfc(5, 3, _2_3=0, _2_4=3, _2_2=900))
    assert (found.metrics["minutes_left"], found.metrics["on_battery_s"]) == (0, 900)
    assert found.doubts == []


def test_alarms_are_named() -> None:
    values = rfc(5, 2, _6_1=2) | {
        f"{RFC}.6.2.1.2.1": f"{RFC}.6.3.2", f"{RFC}.6.2.1.2.2": "1.3.6.1.4.1.99.7",
    }  # fmt: skip
    found = told([RFC_1628], values)
    assert found.facts["alarm_names"] == "on battery; 1.3.6.1.4.1.99.7"
    assert found.metrics["alarms"] == 2


def test_powernet_in_its_units() -> None:
    apc = "1.3.6.1.4.1.318.1.1.1"
    found = told(SOURCES, {
        f"{apc}.1.1.1.0": b"Smart-UPS X 1500", f"{apc}.1.2.3.0": b"AS1", f"{apc}.2.1.1.0": 2,
        f"{apc}.2.1.2.0": 0, f"{apc}.2.2.1.0": 97, f"{apc}.2.2.2.0": 255, f"{apc}.2.2.3.0": 540_000,
        f"{apc}.2.2.4.0": 2, f"{apc}.3.2.1.0": 231, f"{apc}.4.1.1.0": 12, f"{apc}.4.2.1.0": 229,
        f"{apc}.4.2.3.0": 17,
    })  # fmt: skip
    assert found.metrics == {
        "minutes_left": 90, "charge_pct": 97, "on_battery_s": 0, "input_v_min": 231, "input_v_max": 231,
        "output_v_min": 229, "output_v_max": 229, "load_pct": 17, "on_mains": 1, "battery_normal": 1,
    }  # fmt: skip
    assert (found.facts["output_source"], found.facts["battery_replace"]) == ("reducer", "yes")


OBJECTS = sorted(
    {figure.oid for source in SOURCES for figure in source.figures}
    | {word.oid for source in SOURCES for word in source.words}
)
VALUES = st.one_of(st.integers(-(2**31), 2**64), st.binary(max_size=30), st.floats(), st.text(max_size=20))


@given(st.dictionaries(st.sampled_from(OBJECTS).map(lambda oid: f"{oid}.1"), VALUES))
def test_whatever_it_says_no_figure_is_beyond_what_can_be(values: dict[str, Any]) -> None:
    found = told(SOURCES, values)
    for name, (least, most) in {"charge_pct": (0, 100), "load_pct": (0, 200), "on_mains": (0, 1)}.items():
        assert least <= found.metrics.get(name, least) <= most
    if found.metrics.get("on_mains") == 1:
        assert found.facts["output_source"] in MAINS
