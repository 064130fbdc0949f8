"""/metrics: read back by Prometheus' own parser, bounded, quick, and never holding the loop."""

from __future__ import annotations

import asyncio
import gzip
import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as Line

from monitor.settings import Web
from monitor.web.exposition import CONTENT_TYPE, escape, expose, family, number
from monitor.web.view import OwnMetric, Series
from tests.web.serving import client_of, sample_client
from tests.web.views import Sample, sample

AT = 1_800_000_000.0
METRICS = (("connect_ms", "ms"), ("loss_pct", "%"), ("memory_total_bytes", "bytes"), ("days_left", "d"))


def _series(count: int) -> list[Series]:
    return [
        Series(f"unit-{n // 40}", f"asset-{n // 4 % 10}", "tcp", "tcp", *METRICS[n % 4], n + 0.5, AT + n // 4)
        for n in range(count)
    ]


def _parsed(text: str) -> dict[str, list[Line]]:
    families = list(text_string_to_metric_families(text))
    assert len({each.name for each in families}) == len(families), "one block for each metric"
    lines = [line for each in families for line in each.samples]
    assert len({(line.name, *sorted(line.labels.items())) for line in lines}) == len(lines), "no line twice"
    return {each.name: each.samples for each in families}


async def test_values_come_in_base_units_with_labels_and_times(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        view.latest = _series(8)
        view.own = [
            OwnMetric("muster_runs_total", "Runs.", "counter", {"outcome": "ok"}, 5),
            OwnMetric("muster_runs_total", "Runs.", "counter", {"outcome": "failed"}, 1),
            OwnMetric("muster_lag_ms_bucket", "Lag.", "histogram", {"le": "+Inf"}, 7),
            OwnMetric("muster_lag_ms_sum", "Lag.", "histogram", {}, 3.5),
            OwnMetric("muster_lag_ms_count", "Lag.", "histogram", {}, 7),
        ]
        async with session.get("/metrics", headers={"Accept-Encoding": "identity"}) as answer:
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            found = _parsed(await answer.text())
    labels = {"unit": "unit-0", "asset": "asset-0", "check": "tcp", "probe": "tcp"}
    assert (found["muster_connect_seconds"][0].labels, found["muster_connect_seconds"][0].value) == (
        labels,
        0.0005,
    )
    assert found["muster_loss_ratio"][0].value == 0.015
    assert found["muster_memory_total_bytes"][0].value == 2.5
    assert found["muster_days_left"][0].value == 3.5
    assert [line.value for line in found["muster_reading_timestamp_seconds"]] == [AT, AT + 1]
    assert found["muster_check_state"][0].labels["state"] == "DOWN"
    assert [line.value for line in found["muster_runs"]] == [5, 1]
    assert len(found["muster_lag_ms"]) == 3


async def test_over_the_limit_checks_are_left_out_and_counted(tmp_path: Path) -> None:
    async with sample(tmp_path) as view, client_of(view, Web(listen="127.0.0.1:0", max_series=20)) as session:
        view.latest = _series(400)
        view.believed = {f"u/a/{n}": "OK" for n in range(100)}
        async with session.get("/metrics") as answer:
            found = _parsed(await answer.text())
    assert (
        sum(len(lines) for name, lines in found.items() if name.startswith(("muster_conn", "muster_loss")))
        == 10
    )
    assert len(found["muster_check_state"]) == 20
    left_out = {line.labels["what"]: line.value for line in found["muster_exposed_left_out"]}
    assert left_out == {"values": 95, "state": 80}


async def test_it_is_compressed_for_those_who_ask(tmp_path: Path) -> None:
    async with sample_client(tmp_path) as (view, session):
        view.latest = _series(2000)
        async with session.get("/metrics", headers={"Accept-Encoding": "identity"}) as answer:
            plain = await answer.read()
        request = session.get("/metrics", headers={"Accept-Encoding": "gzip"}, auto_decompress=False)
        async with request as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            packed = await answer.read()
        assert gzip.decompress(packed) == plain
        assert len(packed) < len(plain) / 5


@pytest.mark.alone
async def test_ten_thousand_series_take_under_100_ms_of_processor_time(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        view.latest = _series(10_000)
        view.believed = {f"unit-{n}/a/tcp": "OK" for n in range(2500)}
        taken: list[float] = []
        for _ in range(5):
            start = time.thread_time()
            body = await expose(view, 20_000)
            taken.append(time.thread_time() - start)
        assert body.count(b"\n") > 15_000
        assert min(taken) < 0.100, taken


@pytest.mark.alone
@pytest.mark.parametrize("most", [20_000, 1_000_000])
async def test_a_hundred_thousand_checks_never_hold_the_loop_for_50_ms(tmp_path: Path, most: int) -> None:
    async with sample(tmp_path) as view:
        view.latest = await asyncio.to_thread(_series, 200_000)
        view.believed = await asyncio.to_thread(lambda: {f"unit-{n}/a/tcp": "OK" for n in range(100_000)})
        holds: list[float] = []
        watch = asyncio.create_task(_watch(holds))
        body = await expose(view, most)
        watch.cancel()
        assert body.count(b"\n") > min(most, 200_000)
        assert max(holds) < 0.050, max(holds)


async def _watch(holds: list[float]) -> None:
    """Note for how long each turn of the loop held it."""
    before = time.perf_counter()
    while True:
        await asyncio.sleep(0)
        now = time.perf_counter()
        holds.append(now - before)
        before = now


async def test_the_daemons_own_names_are_never_taken_by_a_check(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        names = ("checks", "check_state", "reading_timestamp_seconds", "exposed_left_out")
        view.own = [OwnMetric("muster_checks", "Checks.", "gauge", {}, 3)]
        view.latest = [Series("u", "a", "c", "exporter", name, "count", 1.0, AT) for name in names]
        found = _parsed((await expose(view, 100)).decode())
    assert {f"muster_check_{name}" for name in names} <= found.keys()
    assert len(found["muster_checks"]) == 1


@given(st.text(max_size=60), st.floats(allow_nan=True, allow_infinity=True))
def test_any_label_and_any_value_survive_the_format(text: str, value: float) -> None:
    line = f'muster_x{{a="{escape(text)}"}} {number(value)}\n'
    (found,) = next(iter(text_string_to_metric_families(line))).samples
    assert found.labels["a"] == text
    assert found.value == value or (math.isnan(value) and math.isnan(found.value))


@given(st.text(max_size=200), st.text(max_size=20))
def test_any_metric_gets_a_valid_name(metric: str, unit: str) -> None:
    name, divisor = family(metric, unit)
    assert name.startswith("muster_")
    assert name.isascii()
    assert name.replace("_", "a").isalnum()
    assert len(name) < 200
    assert divisor > 0


async def test_a_view_without_anything_is_still_a_valid_answer(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        empty = Sample(view.evidence, view.verdicts)
        found = _parsed((await expose(empty, 10)).decode())
        assert set(found) == {"muster_incidents_recent", "muster_exposed_left_out"}
