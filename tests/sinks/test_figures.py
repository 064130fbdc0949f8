"""Muster's own figures as points: under their names on /metrics, bounded."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from monitor.process import garbage
from monitor.sinks import figures as sinks
from monitor.sinks.figures import Figures
from monitor.sinks.influx import Influx
from monitor.sinks.settings import InfluxSettings
from monitor.web import figures
from monitor.web.view import OwnMetric
from tests.servers.influxdb import TOKEN, influxdb, said
from tests.servers.victoriametrics import victoria_metrics
from tests.sinks.feeding import fed, feeding, until
from tests.store.making import opened
from tests.web.test_exposition import _watch
from tests.web.views import CHECK, sample


def figure(name: str, value: float, **labels: str) -> OwnMetric:
    return OwnMetric(name, "", "gauge", labels, value)


def fake(url: str) -> InfluxSettings:
    return InfluxSettings(url=url, org="grid", token="secret:t")


def telling(*parts: Sequence[OwnMetric]) -> sinks.Tell:
    async def tell() -> AsyncIterator[Sequence[OwnMetric]]:
        for part in parts:
            yield part

    return tell


def test_a_figure_is_a_field_of_its_name_with_its_labels_as_tags() -> None:
    told = [
        figure("muster_unit_verdict", 2, unit="gz", gate="go-live"),
        figure("muster_checks", 3),
        figure("muster_unit_info", 1, unit="gz", name_zh="广州, 供电局", province=""),
        figure("muster_odd", float("nan")),
    ]
    assert Figures().lines(told, 1000) == [
        "muster,gate=go-live,unit=gz unit_verdict=2.0 1000",
        "muster checks=3.0 1000",
        "muster,name_zh=广州\\,\\ 供电局,unit=gz unit_info=1.0 1000",
    ]


def test_what_targets_say_makes_few_series() -> None:
    made, name = Figures(), "muster_component_as_released"
    told = [figure(name, 0, unit="gz", component="portal", found=f"build {number}") for number in range(100)]
    lines = made.lines(told, 1)
    assert len(set(lines)) == sinks.MOST_FOUND + 1
    assert "found=(others)" in lines[-1]
    assert lines[0] == made.lines(told[:1], 1)[0], "what was there before keeps its name"
    assert "found=1" in made.lines([figure(name, 1, unit="gz", component="client", found="1")], 1)[0]


async def test_no_more_are_written_than_the_bound_and_what_is_left_out_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sinks, "MOST", 5)
    part = [figure("muster_checks", number) for number in range(3)]
    made = Figures(telling(part, part, part))
    assert sum([len(each) async for each in made.parts()]) == 5
    assert made.left_out == 4


async def test_all_that_metrics_tells_of_units_is_told_and_the_states_of_checks(tmp_path: Path) -> None:
    async with sample(tmp_path) as view:
        view.own = [figure("muster_checks", 3)]
        view.believed = {CHECK: "DOWN"}
        told = [each async for part in figures.written(view) for each in part]
    names = {each.name for each in told}
    assert {"muster_checks", "muster_unit_info", "muster_unit_verdict", "muster_unit_items"} <= names
    (state,) = [each for each in told if each.name == figures.STATE_CODE]
    assert (state.labels, state.value) == (
        dict(zip(("unit", "asset", "check"), CHECK.split("/"), strict=True)),
        2,
    )


async def test_victoria_metrics_has_them_under_their_names_on_metrics(tmp_path: Path) -> None:
    async with victoria_metrics(tmp_path) as server, opened(tmp_path / "s") as store:
        feeder = fed(store, server.url, figures_every=1)
        many = [figure("muster_check_state_code", 1, unit="u", asset="a", check=f"c{n}") for n in range(6000)]
        own = [figure("muster_unit_verdict", 3, unit="gz", gate="go-live"), figure("muster_checks", 7)]
        feeder.figures.tell = telling(own, many)
        async with feeding(feeder):
            await until(lambda: feeder.sender.sent.points["figures"] >= 2 * 6002)
        await asyncio.sleep(1)  # until it shows what it took
        (verdict,) = await server.export("muster_unit_verdict")
        assert verdict["metric"] == {
            "__name__": "muster_unit_verdict",
            "unit": "gz",
            "gate": "go-live",
            "db": "muster",
        } or (verdict["metric"] == {"__name__": "muster_unit_verdict", "unit": "gz", "gate": "go-live"})
        assert set(verdict["values"]) == {3}
        assert len(verdict["values"]) >= 2, "again and again"
        counts = await server.counts('{__name__="muster_check_state_code"}')
        assert len(counts) == 6000
        assert abs(verdict["timestamps"][0] / 1000 - time.time()) < 30


@pytest.fixture
def collected_as_in_the_daemon() -> Iterator[None]:
    before = gc.get_threshold()
    garbage.collect_little()
    yield
    gc.set_threshold(*before)


@pytest.mark.alone
async def test_a_hundred_thousand_states_never_hold_the_loop_for_50_ms(
    tmp_path: Path, collected_as_in_the_daemon: None
) -> None:
    async with victoria_metrics(tmp_path) as server, sample(tmp_path / "v") as view:
        view.believed = await asyncio.to_thread(lambda: {f"unit-{n}/a/tcp": "OK" for n in range(100_000)})
        feeder = fed(view.evidence, server.url, view.people.units, figures_every=120)
        feeder.figures.tell = lambda: figures.written(view)
        holds: list[float] = []
        async with feeding(feeder):
            watch = asyncio.create_task(_watch(holds))
            await until(lambda: feeder.sender.sent.points["figures"] > 100_000, 40)
            watch.cancel()
        assert max(holds) < 0.050, max(holds)
        assert feeder.figures.left_out == 0


async def test_figures_that_cannot_be_told_end_nothing(tmp_path: Path) -> None:
    asked: list[int] = []

    async def stumbling() -> AsyncIterator[Sequence[OwnMetric]]:
        asked.append(1)
        if len(asked) == 1:
            raise RuntimeError("changed size during iteration")
        yield [figure("muster_checks", 7)]

    async with victoria_metrics(tmp_path) as server, opened(tmp_path / "s") as store:
        feeder = fed(store, server.url, figures_every=1)
        feeder.figures.tell = stumbling
        async with feeding(feeder):
            await until(lambda: feeder.sender.sent.points["figures"] >= 1)
    assert len(asked) == 2


async def test_several_that_write_at_once_share_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    connect = Influx._connect

    async def counting(self: Influx) -> object:
        made.append(self)
        return await connect(self)

    monkeypatch.setattr(Influx, "_connect", counting)
    async with influxdb() as server:
        writer = Influx(fake(server.url), lambda _: TOKEN)
        await asyncio.gather(*(writer.write(b"muster checks=1.0 %d" % number) for number in range(5)))
        await writer.close()
    assert len(made) == 1
    assert len(server.lines) == 5


async def test_what_is_not_taken_is_not_made_up_for(tmp_path: Path) -> None:
    async with influxdb() as server, opened(tmp_path / "s") as store:
        feeder = fed(store, server.url, figures_every=1)
        feeder.sender.writer = writer = Influx(fake(server.url), lambda _: TOKEN)
        server.refuse = lambda _: said(503, "busy", headers={"Retry-After": "1"})
        feeder.figures.tell = telling([figure("muster_checks", 7)])
        async with feeding(feeder):
            await until(lambda: server.requests > 0)
            taken_from = time.time()
            server.refuse = lambda _: None
            await until(lambda: feeder.sender.sent.points["figures"] >= 1)
        await writer.close()
    times = [int(each.rpartition(" ")[2]) / 1000 for each in server.lines if each.startswith("muster checks")]
    assert times
    assert min(times) > taken_from - 0.1
