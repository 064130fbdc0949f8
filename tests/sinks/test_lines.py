"""Line protocol as a real VictoriaMetrics understood it."""

from __future__ import annotations

import asyncio
import math
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sinks import lines
from monitor.sinks.influx import Influx
from monitor.sinks.lines import OWN, TAKEN, ReadingLines, Series, digits, field_name, line, measurement, tidy
from monitor.sinks.settings import InfluxSettings
from probes import registry
from probes.api import MetricDef, Outcome, Reading
from tests.servers.victoriametrics import VictoriaMetrics, victoria_metrics

AT = 1_795_000_000_123
HOSTILE = [
    "plain", "广州供电局", "a,b", "a b", "a=b", 'a"b', "a\nb", "a\\", "\\", "a\\,b", "a\\ b", "a\\\\b", " a ",
    "a\tb", "a\rb", "#a", "a\u3000b", "🚦", "\x00", "'", "a\u2028b", "%s", "a\\n", "=,", "é", "x" * 500, ",",
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30))


async def write(server: VictoriaMetrics, *made: str) -> None:
    client = Influx(InfluxSettings(url=server.url, server="victoriametrics"), str)
    await client.write("\n".join(made).encode())
    await client.close()


def series() -> Series:
    return Series(
        "gz", "up", "icmp", "icmp", "channel", "hall", (MetricDef("rtt_ms", "ms", resolution=0.001),)
    )


def examples() -> dict[int, tuple[str, str, float]]:
    """Return what to store, by its time: a tag, a field's name and its value."""
    numbers = count(AT)
    found: dict[int, tuple[str, str, float]] = {}

    @settings(max_examples=200)
    @given(tag=TEXTS, name=TEXTS, value=st.floats(allow_nan=False, allow_infinity=False, width=32))
    def gather(tag: str, name: str, value: float) -> None:
        found[next(numbers)] = (tag, name, value)

    gather()
    return found | {next(numbers): (text, text, 1.5) for text in HOSTILE}


async def test_every_text_is_stored_as_it_is_tidied(tmp_path: Path) -> None:
    """Names, tags and fields of any text: read back from the server by what it was asked to store."""
    wanted = await asyncio.to_thread(examples)
    async with victoria_metrics(tmp_path) as server:
        made = [
            line("muster_text", {"value": tag, "no": str(at)}, {field_name(name): value}, at)
            for at, (tag, name, value) in wanted.items()
        ]
        await write(server, *made)
        stored = {each["timestamps"][0]: each for each in await server.export()}
        for at, (tag, name, value) in wanted.items():
            assert at in stored, (tag, name, value)
            labels = stored[at]["metric"]
            assert labels["__name__"] == f"muster_text_{field_name(name)}"
            assert labels.get("value", "") == tidy(tag)
            assert labels["no"] == str(at)
            assert stored[at]["values"][0] == pytest.approx(value, rel=1e-12)


NUMBERS = [0.0, -0.0, 1.0, -1.5, 1e-300, 5e-324, 1e300, -1.7e308, 1 / 3, 123456789.123456, 1e15, 1e16, 2**53]


async def test_numbers_of_any_size_are_stored_and_what_is_none_is_left_out(tmp_path: Path) -> None:
    async with victoria_metrics(tmp_path) as server:
        made = ReadingLines(lambda check: Series("gz", "up", check.rpartition("/")[2], "n"), texts=False)
        readings = [
            Reading(Outcome.OK, metrics={"a": value, "b": 2.0}, check=f"gz/up/n{place}", at=AT / 1000)
            for place, value in enumerate([*map(float, NUMBERS), math.nan, math.inf, -math.inf])
        ]
        await write(server, *made.of(readings))
        found = {each["metric"]["check"]: each["values"][0] for each in await server.export("muster_n_a")}
        wanted = {f"n{place}": pytest.approx(float(n), rel=1e-12) for place, n in enumerate(NUMBERS)}
        assert found == wanted
        assert len(await server.export("muster_n_b")) == len(readings), "what stands beside it is kept"


async def test_a_reading_is_one_line_with_outcome_and_lag(tmp_path: Path) -> None:
    made = ReadingLines(lambda _: series())
    good = Reading(
        Outcome.OK, metrics={"rtt_ms": 1.23456, "odd": 0.1}, check="gz/up/icmp", at=AT / 1000,
        lag_ms=3.4, duration_ms=20.6, vantage="hub",
    )  # fmt: skip
    bad = Reading(
        Outcome.FAILED, "timeout", 'no "answer"\nhere', check="gz/up/icmp", at=AT / 1000, vantage="hub"
    )
    where = "muster_icmp,asset=up,check=icmp,kind=channel,level=hall,probe=icmp,unit=gz,vantage=hub"
    assert made.of([good, bad]) == [
        f"{where} rtt_ms=1.235,odd=0.1,lag_ms=3,duration_ms=21,outcome=0i {AT}",
        f'{where} lag_ms=0,duration_ms=0,outcome=1i,cause="timeout",detail="no \\"answer\\" here" {AT}',
    ]
    assert ReadingLines(lambda _: series(), texts=False).of([bad]) == [
        f"{where} lag_ms=0,duration_ms=0,outcome=1i {AT}"
    ]


@given(TEXTS, TEXTS)
def test_a_line_is_one_line(tag: str, text: str) -> None:
    made = line("muster_x", {"a": tag}, {"b": text, "c": 1.0}, AT)
    assert made.isprintable()
    assert made.endswith(f" {AT}")


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([None, 1.0, 0.001, 0.25, 50.0]))
def test_the_quick_way_and_the_careful_one_write_the_same(value: float, step: float | None) -> None:
    known = Series("u", "a", "c", "p", metrics=(MetricDef("m", resolution=step),))
    made = ReadingLines(lambda _: known)
    reading = Reading(Outcome.OK, metrics={"m": value}, check="u/a/c", at=1.5)
    careful = made._rare(made._meet(reading).prefix, known, reading)
    assert made.of([reading]) == [careful]


@pytest.mark.parametrize(("step", "wanted"), [(0.001, 3), (1.0, 0), (50.0, 0), (0.25, 2), (1e-6, 6)])
def test_digits_of_a_resolution(step: float, wanted: int) -> None:
    assert digits(step) == wanted


def test_no_metric_of_ours_has_a_name_that_is_taken() -> None:
    taken = [(n, m.name) for n in registry.names() for m in registry.get(n).metrics if m.name in TAKEN]
    assert taken == []
    assert {measurement(name) for name in registry.names()} & {
        f"{lines.PREFIX}{name}" for name in OWN
    } == set()


@pytest.mark.parametrize(
    ("metric", "field"),
    [("unit", "unit_"), ("time", "time_"), ("_value", "x_value"), ("", "value"), ("a", "a")],
)
def test_fields_clash_with_nothing(metric: str, field: str) -> None:
    assert field_name(metric) == field
