"""Plugin output: what the guidelines say, and that nothing is guessed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.host._perfdata import MAX_METRICS, Range, metric_names, parse, parse_data, parse_range


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("time=0.5s;1;2;0;10", {"time_s": 0.5}),
        ("time=250ms", {"time_s": 0.25}),
        ("time=250us", {"time_s": 0.00025}),
        ("rta=0,5ms", {"rta_s": 0.0005}),
        ("'free space'=10%;20:;10:", {"free_space_pct": 10.0}),
        ("'it''s'=1", {"it_s": 1.0}),
        ("/=2643MB;5948;5958;0;5968 /boot=68MB", {"root_bytes": 2643 * 1024**2, "boot_bytes": 68 * 1024**2}),
        ("load1=0.010;5.000;9.000;0; load5=-1e-2", {"load1": 0.01, "load5": -0.01}),
        ("packets=5c", {"packets_total": 5.0}),
        ("a=U b=1", {"b": 1.0}),
        ("in=1Mbps", {"in_mbps": 1.0}),
        ("1st=1", {"_1st": 1.0}),
        ("a=1 a=2", {"a": 1.0, "a_2": 2.0}),
        ("时间=1", {"value": 1.0}),
        ("time_s=1s", {"time_s": 1.0}),
        ("", {}),
    ],
)
def test_performance_data(text: str, expected: dict[str, float]) -> None:
    data, dropped = parse_data(text)
    assert metric_names(tuple(data)) == pytest.approx(expected)
    assert dropped == 0


@pytest.mark.parametrize("text", ["junk", "a=", "a=1;2 b", "=5", "a=x", "a=1e999", "'open=1"])
def test_garbled_data_are_counted_and_not_guessed(text: str) -> None:
    data, dropped = parse_data(text)
    assert dropped == 1
    assert len(data) == (1 if text.startswith("a=1;") else 0)


def test_lines_after_the_first() -> None:
    output = parse("OK - fine | a=1\nlong text\nmore | b=2\nc=3 d=4\n")
    assert output.text == "OK - fine"
    assert output.long_text == "long text more"
    assert metric_names(output.data) == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_the_number_of_data_is_bounded() -> None:
    data, dropped = parse_data(" ".join(f"m{i}=1" for i in range(MAX_METRICS + 7)))
    assert (len(data), dropped) == (MAX_METRICS, 7)


@pytest.mark.parametrize(
    ("text", "alerts", "quiet"),
    [
        ("10", (-1, 11), (0, 5, 10)),
        ("10:", (9, -1), (10, 1e9)),
        ("~:10", (11,), (-1e9, 10)),
        ("10:20", (9, 21), (10, 20)),
        ("@10:20", (10, 15, 20), (9, 21)),
    ],
)
def test_ranges(text: str, alerts: tuple[float, ...], quiet: tuple[float, ...]) -> None:
    found = parse_range(text)
    assert found is not None
    assert all(map(found.alerts, alerts))
    assert not any(map(found.alerts, quiet))


@pytest.mark.parametrize("text", ["", "@", "x", "20:10", "1:2:3", "~"])
def test_no_range(text: str) -> None:
    assert parse_range(text) is None


LABEL = st.text(
    st.characters(exclude_characters="|", exclude_categories=("Cc", "Cs", "Zl", "Zp")),
    min_size=1,
    max_size=30,
)
NUMBER = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.lists(st.tuples(LABEL, NUMBER), max_size=20))
def test_what_a_plugin_writes_is_read_back(data: list[tuple[str, float]]) -> None:
    written = " ".join(f"'{label.replace(chr(39), chr(39) * 2)}'={value!r};1;@2:3" for label, value in data)
    found, dropped = parse_data(written)
    assert dropped == 0
    assert [(d.value, d.warn, d.crit) for d in found] == [
        (value, Range(0, 1), Range(2, 3, True)) for _, value in data
    ]
    assert len(metric_names(tuple(found))) == len(data)


@given(st.text(max_size=300))
def test_any_output_is_taken(text: str) -> None:
    output = parse(text)
    names = metric_names(output.data)
    assert all(math.isfinite(value) for value in names.values())
    assert all(name.isascii() and name.isidentifier() for name in names)
