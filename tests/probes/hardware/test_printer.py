"""printer: agents of snmpsim that answer as RFC 3805 says (no printer was recorded), and the tables alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome
from probes.hardware._printer_rows import HR_PRINTER, INPUTS, PAGES, SUPPLIES, errors, figures, level
from tests.probing import run_once, shared_here
from tests.servers.recordings import asked
from tests.servers.snmpsim import snmpsim

LASER = {
    "1.3.6.1.2.1.1.1.0": ("4", "HP ETHERNET MULTI-ENVIRONMENT"),
    "1.3.6.1.2.1.25.3.2.1.3.1": ("4", "HP LaserJet 400 M401dn"),
    f"{HR_PRINTER}.1.1": ("2", "3"),
    f"{HR_PRINTER}.2.1": ("4x", "20"),
    "1.3.6.1.2.1.43.5.1.1.16.1": ("4", "counter-3"),
    "1.3.6.1.2.1.43.5.1.1.17.1": ("4", "VNB3T19380"),
    f"{INPUTS}.9.1.1": ("2", "50"),
    f"{INPUTS}.9.1.2": ("2", "250"),
    f"{INPUTS}.10.1.1": ("2", "0"),
    f"{INPUTS}.10.1.2": ("2", "-3"),
    f"{INPUTS}.13.1.1": ("4", "Tray 1"),
    f"{INPUTS}.13.1.2": ("4", "Tray 2"),
    f"{PAGES}.1.1": ("65", "48213"),
    f"{SUPPLIES}.4.1.1": ("2", "3"),
    f"{SUPPLIES}.4.1.2": ("2", "4"),
    f"{SUPPLIES}.4.1.3": ("2", "3"),
    f"{SUPPLIES}.6.1.1": ("4", "Black Cartridge HP CF280X"),
    f"{SUPPLIES}.6.1.2": ("4", "Waste toner"),
    f"{SUPPLIES}.6.1.3": ("4", "Maintenance kit"),
    f"{SUPPLIES}.7.1.1": ("2", "19"),
    f"{SUPPLIES}.7.1.2": ("2", "13"),
    f"{SUPPLIES}.7.1.3": ("2", "7"),
    f"{SUPPLIES}.8.1.1": ("2", "100"),
    f"{SUPPLIES}.8.1.2": ("2", "2000"),
    f"{SUPPLIES}.8.1.3": ("2", "-2"),
    f"{SUPPLIES}.9.1.1": ("2", "12"),
    f"{SUPPLIES}.9.1.2": ("2", "500"),
    f"{SUPPLIES}.9.1.3": ("2", "-3"),
    "1.3.6.1.2.1.43.16.5.1.2.1.1": ("4", "Ready"),
    "1.3.6.1.2.1.43.16.5.1.2.1.2": ("4", "Black very low"),
}


def _order(oid: str) -> tuple[int, ...]:
    return tuple(map(int, oid.split(".")))


@pytest.mark.may_block
async def test_a_printer_over_the_wire(tmp_path: Path) -> None:
    jammed = LASER | {f"{HR_PRINTER}.1.1": ("2", "1"), f"{HR_PRINTER}.2.1": ("4x", "0C")}
    for name, objects in (("laser", LASER), ("jammed", jammed)):
        lines = [
            f"{oid}|{tag}|{text}\n" for oid in sorted(objects, key=_order) for tag, text in [objects[oid]]
        ]
        (tmp_path / f"{name}.snmprec").write_text("".join(lines))
    async with snmpsim(tmp_path) as port, shared_here(secrets={"l": "laser", "j": "jammed"}) as shared:
        first, second = [
            await run_once(
                "printer", "127.0.0.1", timeout=20, shared=shared,
                snmp={"community": f"secret:{secret}", "port": port},
            )
            for secret in "lj"
        ]  # fmt: skip
    assert first.outcome is Outcome.OK, first.detail
    assert {name: value for name, value in first.metrics.items() if name != "query_ms"} == {
        "ready": 1, "errors": 0, "warnings": 1, "supply_min_pct": 12, "supplies": 3,
        "supplies_without_amount": 1, "trays": 2, "trays_empty": 1, "pages": 48213,
    }  # fmt: skip
    assert first.facts["supplies_left"] == (
        "Black Cartridge HP CF280X: 12 %; Waste toner: 75 %; Maintenance kit: some left"
    )
    assert first.facts["trays_left"] == "Tray 1: 0 %; Tray 2: some left"
    assert (first.facts["errors_named"], first.facts["console"]) == ("low toner", "Ready | Black very low")
    assert (first.facts["serial"], first.facts["model"]) == ("VNB3T19380", "HP LaserJet 400 M401dn")
    assert (second.metrics["ready"], second.metrics["errors"]) == (0, 2)
    assert second.facts["errors_named"] == "door open, jammed"


async def test_what_is_no_printer_is_no_success() -> None:
    reading = await asked("network/switch/cisco-c3560", "printer")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail.startswith("not_shown: nothing of Printer-MIB")


@pytest.mark.parametrize(
    ("most", "now", "filled", "left", "code"),
    [
        (100, 40, False, 40, ""),
        (2000, 500, True, 75, ""),
        (100, -3, False, None, "some left"),
        (100, -2, False, None, "unknown"),
        (100, -1, False, None, "no limit"),
        (-2, 40, False, None, "of an unknown capacity"),
        (0, 0, False, None, "of an unknown capacity"),
        (100, 120, False, 100, ""),
        (100, 120, True, 0, ""),
        (100, None, False, None, "not told"),
    ],
)
def test_codes_are_never_amounts(
    most: float, now: float | None, filled: bool, left: float | None, code: str
) -> None:
    supply = level("x", most, now, filled=filled)
    assert (supply.left_pct, supply.code) == (left, code)


def test_supplies_that_only_give_codes_have_no_amount() -> None:
    values = {f"{SUPPLIES}.9.1.{index}": code for index, code in enumerate((-3, -2), 1)}
    metrics, facts = figures({f"{SUPPLIES}.8.1.1": 100, **values})
    assert "supply_min_pct" not in metrics
    assert metrics["supplies_without_amount"] == 2
    assert facts["supplies_left"] == "supply 1.1: some left; supply 1.2: unknown"


@pytest.mark.parametrize(
    ("octets", "raised"),
    [
        (b"", []),
        (b"\x00", []),
        (b"\x80", ["low paper"]),
        (b"\x42\x00", ["no paper", "offline"]),
        (b"\x01\x84", ["service requested", "input tray missing", "input tray empty"]),
        (b"\x00\x01", []),
        (7, []),
    ],
)
def test_bits_of_the_error_state(octets: Any, raised: list[str]) -> None:
    assert errors(octets) == raised


def test_a_state_that_is_unknown_is_neither_ready_nor_not() -> None:
    assert "ready" not in figures({f"{HR_PRINTER}.1.1": 2, f"{HR_PRINTER}.2.1": b"\0"})[0]
    assert figures({f"{HR_PRINTER}.1.1": 4, f"{HR_PRINTER}.2.1": b"\0"})[0]["ready"] == 1
    assert figures({f"{HR_PRINTER}.1.1": 1, f"{HR_PRINTER}.2.1": b"\0"})[0]["ready"] == 0
    assert "ready" not in figures({f"{HR_PRINTER}.1.1": 3})[0], "without its errors it can't be told"


NAMES = [f"{SUPPLIES}.{column}.1.{index}" for column in (4, 6, 7, 8, 9) for index in (1, 2)]
VALUES = st.one_of(st.integers(-(2**31), 2**32), st.binary(max_size=9), st.floats())


@given(st.dictionaries(st.sampled_from([*NAMES, f"{HR_PRINTER}.1.1", f"{HR_PRINTER}.2.1"]), VALUES))
def test_whatever_it_says_what_is_left_is_a_share(values: dict[str, Any]) -> None:
    metrics, _ = figures(values)
    assert 0 <= metrics.get("supply_min_pct", 0) <= 100
    assert metrics.get("ready", 0) in (0, 1)
