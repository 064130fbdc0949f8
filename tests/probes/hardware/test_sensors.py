"""sensors: recorded devices of many makers, and what rows of tables come to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome
from probes.hardware._sensor_tables import MIBS, Table
from probes.hardware._sensors import Sensor, figures, measured, rows, scaled
from tests.servers.recordings import asked

RECORDED: dict[str, dict[str, float]] = {
    "cloud/arista-dcs-7150s-52-cl": {
        "temperature_min_c": 18.8,
        "temperature_max_c": 28.7,
        "temperatures": 17,
    },
    "network/firewall/paloalto-pa-5000": {"fans": 10, "fans_ok": 10, "temperature_max_c": 34},
    "network/switch/cisco-c3560": {"temperature_max_c": 61, "sensors_bad": 1, "power_supplies_ok": 1},
    "network/switch/cisco-c3750": {"temperature_max_c": 57.9, "fans_ok": 1},
    "network/switch/h3c-e528-2": {"temperature_max_c": 40, "fans_ok": 1, "power_supplies_ok": 1},
    "network/switch/h3c-wx6103": {"power_supplies": 2, "power_supplies_bad": 1, "temperature_max_c": 26},
    "network/router/huawei-s5720": {"temperature_max_c": 42, "fans_ok": 1},
    "network/switch/brocade-ds-5100b": {"fans_ok": 2, "power_supplies_ok": 2, "temperature_max_c": 32},
    "network/switch/brocade-icx6430-24": {"temperature_max_c": 48, "power_supplies_ok": 1},
    "network/switch/hpe-procurve-516733-b21": {"fans_ok": 1, "power_supplies_ok": 2},
    "network/wifi/aruba-7210": {"temperature_max_c": 22, "power_supplies_bad": 1, "fans_ok": 4},
    "network/appliance/empirical-hw-mgmt": {"sensors_bad": 0},
    "bmc/hp-onboard-administrator": {"fans_ok": 10, "power_supplies_ok": 6, "temperature_max_c": 32},
    "UPS/vertiv-power": {"temperature_min_c": 23, "temperature_max_c": 37, "humidity_max_pct": 42},
    "iot/geist-temperature-sensor": {"temperature_min_c": 15.4, "temperature_max_c": 18.5},
    "network/switch/dlink-des3200": {"temperature_max_c": 53, "power_supplies_ok": 1},
}


@pytest.mark.parametrize("name", RECORDED)
async def test_recorded_devices(name: str) -> None:
    reading = await asked(name, "sensors")
    assert reading.outcome is Outcome.OK, reading.detail
    told = {key: reading.metrics.get(key) for key in RECORDED[name]}
    assert told == {key: pytest.approx(value, abs=0.05) for key, value in RECORDED[name].items()}
    assert reading.facts["mibs"]


async def test_what_is_not_well_is_named() -> None:
    reading = await asked("network/switch/h3c-wx6103", "sensors")
    assert reading.facts["bad"] == "PSU2"
    reading = await asked("network/switch/cisco-c3560", "sensors")
    assert reading.facts["bad"] == "SW#1, Sensor#1, YELLOW (61)"


async def test_sensors_by_name() -> None:
    arista = "cloud/arista-dcs-7150s-52-cl"
    reading = await asked(arista, "sensors", select="(?i)front-panel")
    assert reading.metrics["temperature_max_c"] == 19.8
    assert reading.metrics["sensors"] == 1
    reading = await asked(arista, "sensors", without="(?i)dom |ethernet")
    assert "Ethernet" not in reading.facts["hottest"]
    reading = await asked(arista, "sensors", select="inlet of another room")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")


async def test_a_device_without_sensors_is_no_success() -> None:
    reading = await asked("os/linux/slackware", "sensors")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail.startswith("not_shown: nothing of sensors")


@pytest.mark.parametrize(
    ("raw", "scale", "precision", "value"),
    [
        (282, 9, 1, 28.2),
        (52394, 8, 0, 52.394),
        (23, 9, 0, 23),
        (5, 10, 0, 5000),
        (1234, 9, -3, 1234),
        (7, None, None, 7),
        (7, 99, 99, 7),
    ],
)
def test_scale_and_precision(raw: float, scale: float | None, precision: float | None, value: float) -> None:
    assert scaled(raw, scale, precision) == pytest.approx(value)


ENTITY = "1.3.6.1.2.1.99.1.1.1"


def entity(kind: int, value: int, status: int) -> Sensor:
    columns = dict(zip((1, 2, 3, 4, 5), (kind, 9, 0, value, status), strict=True))
    (sensor,) = measured(ENTITY, {f"{ENTITY}.{c}.7": v for c, v in columns.items()}, (1, 2, 3, 4, 5))
    return sensor


def test_the_standards_states() -> None:
    assert (entity(8, 40, 1).state, entity(8, 40, 1).value) == ("good", 40)
    assert (entity(8, 40, 2).state, entity(8, 40, 2).value) == ("unknown", None)
    assert (entity(8, 40, 3).state, entity(8, 40, 3).value) == ("bad", None)
    assert entity(10, 0, 1).state == "bad", "a fan that stands still"
    assert entity(10, 4000, 1).state == "good"
    assert entity(8, 1_000_000_000, 1).value is None, "an overflow"
    assert entity(8, -1_000_000_000, 1).value is None


TABLE = Table(
    "temperature", "1.1", 0.1, limit="1.2", status="1.3", good=frozenset({1}), absent=frozenset({5})
)


@pytest.mark.parametrize(
    ("value", "state", "read"),
    [
        (215, 1, ("good", 21.5)), (65535, 1, None), (-1, 1, None), (0, 1, None), (215, 5, None),
        (215, 2, ("bad", 21.5)), (0, 2, ("bad", None)), (b"21.5 C", 1, ("good", 2.15)), (b"", 1, None),
    ],
)  # fmt: skip
def test_codes_are_no_temperatures(value: Any, state: int, read: tuple[str, float | None] | None) -> None:
    found = list(rows(TABLE, {"1.1.9": value, "1.3.9": state}))
    assert [(s.state, s.value if s.value is None else round(s.value, 3)) for s in found] == (
        [read] if read else []
    )


def test_what_is_too_high_counts() -> None:
    (sensor,) = rows(TABLE, {"1.1.9": 500, "1.2.9": 450, "1.3.9": 1})
    metrics, _ = figures([sensor])
    assert (metrics["temperatures_high"], metrics["sensors_bad"]) == (1, 1)


def test_states_that_are_unknown_are_neither_good_nor_bad_and_alone_are_left_out() -> None:
    metrics, _ = figures([Sensor("fan", "1", "a", "unknown"), Sensor("power", "2", "b", "good")])
    assert "fans_ok" not in metrics
    assert metrics["power_supplies_ok"] == 1
    metrics, _ = figures([Sensor("fan", "1", "a", "unknown"), Sensor("fan", "2", "b", "good")])
    assert (metrics["fans"], metrics["fans_ok"], metrics["fans_bad"]) == (2, 1, 0)


TABLES = [table for mib in MIBS for table in mib.tables]
VALUES = st.one_of(st.integers(-(2**31), 2**64), st.binary(max_size=20), st.floats(), st.text(max_size=9))


@given(st.sampled_from(TABLES), st.dictionaries(st.sampled_from(["1", "2", "0", "1.2"]), VALUES), VALUES)
def test_whatever_a_table_holds_temperatures_can_be(
    table: Table, values: dict[str, Any], status: Any
) -> None:
    shown = {f"{table.value or table.status}.{index}": value for index, value in values.items()}
    shown |= {f"{table.status}.{index}": status for index in values if table.status and table.value}
    metrics, _ = figures(rows(table, shown))
    assert -60 <= metrics.get("temperature_min_c", 0) <= metrics.get("temperature_max_c", 0) <= 200
    assert 0 <= metrics.get("humidity_min_pct", 0) <= 100
