"""What `muster doctor` finds of the server that readings are written to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from monitor.doctor import influx
from monitor.place import place
from monitor.sinks.examine import Examination, Said, retention
from monitor.sinks.settings import InfluxSettings
from tests.servers.influxdb import TOKEN, influxdb
from tests.servers.ports import closed_port
from tests.servers.victoriametrics import OPTIONS, victoria_metrics

DAY = 86_400


async def found(url: str, token: str = TOKEN, **more: Any) -> list[Said]:
    given: dict[str, Any] = {"server": "influxdb2", "org": "grid", "token": "secret:influx"}
    return await Examination(InfluxSettings(url=url, **(given | more)), lambda _: token, 14).run()


def bad(said: list[Said]) -> list[str]:
    return [each.text for each in said if each.level == "bad"]


async def test_all_is_well() -> None:
    async with influxdb() as server:
        said = await found(server.url)
        assert [each.level for each in said] == ["warning", "good", "good"]
        assert "clear text" in said[0].text
        assert not server.lines


async def test_a_wrong_token() -> None:
    async with influxdb() as server:
        said = await found(server.url, "wrong-marker-77")
        assert "401" in bad(said)[0]
        assert "wrong-marker-77" not in str(said)


async def test_no_bucket() -> None:
    async with influxdb() as server:
        said = await found(server.url, bucket="other")
        assert "404" in bad(said)[0]
        assert any("no bucket other" in each.text for each in said)


async def test_a_bucket_that_keeps_less_than_the_store() -> None:
    async with influxdb() as server:
        server.retention_s = 7 * DAY
        said = await found(server.url)
        assert said[-1].level == "warning"
        assert "keeps 7 d, less than the 14 d" in said[-1].text


async def test_nobody_there() -> None:
    with closed_port() as port:
        assert "not reached" in bad(await found(f"http://127.0.0.1:{port}"))[0]


async def test_no_secret() -> None:
    def missing(_: object) -> str:
        raise LookupError('no secret "influx"')

    settings = InfluxSettings(url="http://127.0.0.1:1", org="grid", token="secret:influx")
    assert bad(await Examination(settings, missing, 14).run()) == ['no secret "influx"']


@pytest.mark.parametrize(("options", "level"), [(OPTIONS, "good"), (OPTIONS[1:], "warning")])
async def test_whether_victoria_metrics_drops_what_comes_twice(
    tmp_path: Path, options: tuple[str, ...], level: str
) -> None:
    async with victoria_metrics(tmp_path, options) as server:
        settings = InfluxSettings(url=server.url, server="victoriametrics")
        said = await Examination(settings, str, 14).run()
        assert [each.level for each in said] == ["good", level]


async def test_options_that_name_series_otherwise(tmp_path: Path) -> None:
    options = (*OPTIONS, "-influxSkipSingleField", "-influxMeasurementFieldSeparator=:")
    async with victoria_metrics(tmp_path, options) as server:
        said = await Examination(InfluxSettings(url=server.url, server="victoriametrics"), str, 14).run()
    assert [each.level for each in said] == ["good", "good", "warning", "warning"]
    assert {each.remedy for each in said[2:]} == {
        "start it without -influxSkipSingleField",
        "start it without -influxMeasurementFieldSeparator",
    }


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"buckets": null}', '{"buckets": [3]}', "[" * 9999])
def test_any_answer_about_buckets_is_a_finding(body: str) -> None:
    assert retention(body.encode(), "muster", 14).level == "warning"


def test_retention_for_ever() -> None:
    body = json.dumps({"buckets": [{"name": "muster", "retentionRules": []}]}).encode()
    assert retention(body, "muster", 14) == Said("good", "bucket muster keeps everything")


async def test_the_command_names_it(tmp_path: Path) -> None:
    async with victoria_metrics(tmp_path) as server:
        settings = tmp_path / "muster.toml"
        settings.write_text(
            f'[daemon]\nstate_dir = "{tmp_path}/s"\n'
            f'[influx]\nurl = "{server.url}"\nserver = "victoriametrics"\n'
        )
        findings = await asyncio.to_thread(lambda: list(influx(place(settings))))
        assert [each.level.value for each in findings] == ["good", "good"]
