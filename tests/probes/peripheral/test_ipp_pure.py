"""The encoding of IPP against any bytes, and what attributes come to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import Ending, OwnLoginFailed, PermissionMissing, ProtocolViolated
from probes.peripheral._ipp_answers import refusal, severity, supplies, told
from probes.peripheral._ipp_message import (
    BEGIN_COLLECTION,
    KEYWORD,
    NAME,
    PRINTER,
    TEXT,
    Attribute,
    Attributes,
    answer,
    question,
)
from probes.peripheral._ipp_raster import A4_MM, size_mm
from tests.probes.peripheral.ipp_answers import PRINTER_ANSWER, value


def _attributes(data: bytes = PRINTER_ANSWER) -> Attributes:
    return answer(data, 7).of(PRINTER)[0]


def test_an_answer() -> None:
    found = told(_attributes())
    assert found.facts["state"] == "stopped"
    assert found.facts["error_reasons"] == "media-empty-error"
    assert found.facts["warning_reasons"] == "toner-low"
    assert (found.facts["model"], found.facts["serial"]) == ("Model", "A-17")
    assert found.facts["firmware"] == "2.1, boot 9"
    assert found.facts["supplies_found"] == "cyan ink 25 %; opc level unknown"
    expected = {
        "errors": 1, "warnings": 1, "reports": 0, "obstacles": 1, "accepting": 1, "queued": 3, "supplies": 2,
        "supplies_unknown": 1, "supplies_empty": 0, "supply_lowest_known_pct": 25, "trays_loaded": 1,
        "trays_empty": 0, "trays_unknown": 0,
    }  # fmt: skip
    assert found.metrics == expected
    assert [what.partition(":")[0] for what in found.missing] == ["uptime_s", "supply_lowest_pct"]


def test_what_a_printer_does_not_tell_is_no_figure() -> None:
    found = told({})
    assert found.metrics == {}
    assert "state: the printer does not tell it" in found.missing
    assert "errors, warnings, reports, obstacles: the printer does not tell its reasons" in found.missing
    assert "supplies: the printer tells none" in found.missing


def test_supplies_as_cups_tells_them() -> None:
    found: Attributes = {
        "marker-levels": [80, -1, 15, -3], "marker-names": ["Black", "Cyan", "Waste"],
        "marker-types": ["toner", "toner", "waste-toner", "fuser"],
    }  # fmt: skip
    assert [str(supply) for supply in supplies(found)] == [
        "Black 80 %", "Cyan level unknown", "Waste 15 % (waste)", "supply 4 level unknown",
    ]  # fmt: skip
    metrics = told(found).metrics
    assert (metrics["supplies"], metrics["supplies_unknown"], metrics["supply_lowest_known_pct"]) == (
        3,
        2,
        80,
    )
    assert "supply_lowest_pct" not in metrics


@pytest.mark.parametrize(
    ("reason", "level"),
    [
        ("media-empty", "error"), ("media-empty-report", "report"), ("toner-low-warning", "warning"),
        ("marker-supply-low", "warning"), ("marker-waste-almost-full", "warning"), ("paused", "error"),
        ("moving-to-paused", "report"), ("cups-waiting-for-job-completed", "report"), ("vendor-x", "error"),
    ],
)  # fmt: skip
def test_how_grave_a_reason_is(reason: str, level: str) -> None:
    assert severity(reason) == level


@pytest.mark.parametrize(
    ("status", "ending", "word"),
    [
        (0x0402, OwnLoginFailed, "wrong_password"), (0x0403, PermissionMissing, "missing_right"),
        (0x0503, Ending, "version_not_supported"), (0x0506, Ending, "not_accepting"),
        (0x0777, Ending, "status 0x0777 for Print-Job"),
    ],
)  # fmt: skip
def test_refusals(status: int, ending: type[Ending], word: str) -> None:
    found = refusal(status, "Print-Job", "no")
    assert isinstance(found, ending)
    assert found.detail.partition(":")[0] == word


@given(
    st.lists(
        st.tuples(
            st.sampled_from([TEXT, NAME, KEYWORD]),
            st.text(st.characters(codec="utf-8"), min_size=1, max_size=9),
            st.lists(st.text(st.characters(codec="utf-8"), max_size=9), min_size=1, max_size=3),
        ),
        max_size=5,
        unique_by=lambda attribute: attribute[1],
    )
)
def test_what_is_written_is_read_back(attributes: list[tuple[int, str, list[str]]]) -> None:
    given_ = [Attribute(tag, f"x-{name}", tuple(values)) for tag, name, values in attributes]
    message = answer(question("1.1", 0x000B, 5, given_), 5)
    (group,) = (found for _, found in message.groups)
    assert message.status == 0x000B
    assert {f"x-{name}": values for _, name, values in attributes} == {
        name: values for name, values in group.items() if name.startswith("x-")
    }


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    _read_or_refuse(data)
    _read_or_refuse(PRINTER_ANSWER[:9] + data)


@given(st.data())
def test_a_damaged_answer_is_read_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(PRINTER_ANSWER)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(8, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    _read_or_refuse(bytes(damaged[: data.draw(st.integers(8, len(damaged)))]))


def _read_or_refuse(data: bytes) -> None:
    try:
        message = answer(data, 7)
    except ProtocolViolated:
        return
    for group in message.of(PRINTER):
        assert all(0 <= told(group).metrics.get(name, 0) <= 100 for name in ("supply_lowest_known_pct",))


def test_more_than_can_be() -> None:
    many = PRINTER_ANSWER[:-1] + value(KEYWORD, b"x", b"") * 5000 + b"\x03"
    with pytest.raises(ProtocolViolated, match="more than 4096 values"):
        answer(many, 7)
    with pytest.raises(ProtocolViolated, match="no answer to question 8"):
        answer(PRINTER_ANSWER, 8)
    with pytest.raises(ProtocolViolated, match="collections"):
        answer(PRINTER_ANSWER[:9] + value(BEGIN_COLLECTION, b"x", b"") * 20 + b"\x03", 7)


def test_sizes_of_media() -> None:
    assert size_mm("iso_a4_210x297mm") == A4_MM
    assert size_mm("na_letter_8.5x11in") == pytest.approx((215.9, 279.4))
    assert size_mm("om_receipt_80x200mm") == (80.0, 200.0)
    assert size_mm("huge_9999x9999in") == A4_MM
    assert size_mm("") == A4_MM


@given(st.text(max_size=60))
def test_any_name_has_a_size(name: str) -> None:
    assert min(size_mm(name)) >= 20
