"""Quantities: what is written, what is meant, what people are shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import units

ALL = sorted(unit for table in units.DIMENSIONS.values() for unit in table)
NUMBERS = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("5 min", "s", 300.0),
        ("5min", "s", 300.0),
        (" 1.5 h ", "min", 90.0),
        ("7", "ms", 7.0),
        ("40 ms", "ms", 40.0),
        ("1 d", "s", 86400.0),
        ("8 GiB", "bytes", 8 * 2**30),
        ("8 kB", "bytes", 8000.0),
        ("20 Mbit/s", "bit/s", 20e6),
        ("1 MB/s", "bit/s", 8e6),
        ("70 %", "%", 70.0),
        ("-3 °C", "C", -3.0),
        ("3 m", "mm", 3000.0),
        ("5 packets/s", "packets/s", 5.0),
        ("1e3", "count", 1000.0),
    ],
)
def test_parse(text: str, unit: str, value: float) -> None:
    assert units.parse(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("5 m", "s", '"m" is no unit of a duration; did you mean "5 min"?'),
        ("5 minutes", "s", '"minutes" is no unit of a duration; did you mean "5 min"?'),
        ("20 Mbps", "bit/s", '"Mbps" is no unit of a rate; did you mean "20 Mbit/s"?'),
        ("8 g", "bytes", '"g" is no unit of a size; did you mean "8 GB"?'),
        ("8 gib", "bytes", '"gib" is no unit of a size; did you mean "8 GiB"?'),
        ("5 MB", "s", '"MB" is no unit of a duration; write for example "5 min"'),
        ("5 min", "m", '"min" is no unit of a length; write for example "5 m"'),
        (
            "5 foo",
            "packets/s",
            '"foo" is no unit of a quantity in packets/s; write for example "5 packets/s"',
        ),
        ("1,000", "count", 'not a count: "1,000"; write for example "12"'),
        ("", "s", 'not a duration: ""; write for example "5 min"'),
        ("1h30", "s", '"h30" is no unit of a duration; write for example "5 min"'),
        ("1e999", "s", '"1e999" is out of range'),
        ("nan", "s", 'not a duration: "nan"; write for example "5 min"'),
        ("٣ s", "s", 'not a duration: "٣ s"; write for example "5 min"'),
    ],
)
def test_refused(text: str, unit: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the exact text is compared
        units.parse(text, unit)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (90.0, "s", "1.5 min"),
        (0.004, "s", "4 ms"),
        (0.0, "s", "0 s"),
        (1e-9, "s", "0.001 us"),
        (20.0, "ms", "20 ms"),
        (8 * 2.0**30, "bytes", "8 GiB"),
        (20e6, "bit/s", "20 Mbit/s"),
        (1234567.0, "count", "1234567"),
        (-120.0, "s", "-2 min"),
        (70.0, "%", "70 %"),
        (3.0, "packets/s", "3 packets/s"),
        (math.inf, "s", "inf s"),
    ],
)
def test_render(value: float, unit: str, text: str) -> None:
    assert units.render(value, unit) == text


@given(NUMBERS, st.sampled_from(ALL))
def test_what_is_shown_can_be_written(value: float, unit: str) -> None:
    assert units.parse(units.render(value, unit), unit) == pytest.approx(value, rel=6e-4, abs=1e-9)


@given(NUMBERS, st.sampled_from(ALL), st.sampled_from(ALL))
def test_conversion_and_back(value: float, unit: str, other: str) -> None:
    if units.dimension(unit) != units.dimension(other):
        with pytest.raises(ValueError, match="can't be converted"):
            units.convert(value, unit, other)
    else:
        back = units.convert(units.convert(value, unit, other), other, unit)
        assert back == pytest.approx(value, rel=1e-12, abs=1e-300)


@given(NUMBERS, st.sampled_from(ALL))
def test_a_written_quantity_is_converted(value: float, unit: str) -> None:
    base = next(iter(units.DIMENSIONS[units.dimension(unit) or ""]))
    assert units.parse(f"{value!r} {unit}", base) == pytest.approx(units.convert(value, unit, base))


@given(st.text(max_size=80), st.sampled_from([*ALL, "packets/s"]))
def test_any_text_is_a_number_or_refused_in_words(text: str, unit: str) -> None:
    try:
        assert math.isfinite(units.parse(text, unit))
    except ValueError as error:
        assert len(str(error)) < 250  # noqa: PT017


def test_units_outside_the_table() -> None:
    assert units.dimension("packets/s") is None
    assert units.dimension("min") == "duration"
    assert units.dimension("m") == "length"
