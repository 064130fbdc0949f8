"""`muster dashboards export|push`, against a stand-in for Grafana."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from aiohttp import web

from monitor.dashboards import shipped
from monitor.dashboards.model import Source
from tests.servers.grafana_fake import TOKEN, grafana_fake
from tests.servers.ports import free_port


async def _run(*arguments: str, token: str | None = TOKEN) -> tuple[int, str]:
    """Run `muster dashboards` and return its status and all that it printed."""
    environment = {key: value for key, value in os.environ.items() if "MUSTER" not in key}
    if token is not None:
        environment["MUSTER_SECRET_GRAFANA"] = token
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitor.cli", "dashboards", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, out.decode()


async def test_dashboards_are_made_once_and_then_left_alone() -> None:
    async with grafana_fake() as grafana:
        status, said = await _run("push", grafana.url, "--folder", "Grid", "--muster", "https://m.example/")
        assert (status, said.count("made ")) == (0, 9), said
        assert grafana.folders == {"muster": "Grid"}
        assert set(grafana.where.values()) == {"muster"}
        board = grafana.boards["muster-prometheus-unit"]
        address = next(each for each in board["templating"]["list"] if each["name"] == "muster")
        assert address["query"] == address["current"]["value"] == "https://m.example"
        status, said = await _run("push", grafana.url, "--folder", "Grid", "--muster", "https://m.example/")
        assert (status, said.count("same ")) == (0, 9), said
        assert {board["version"] for board in grafana.boards.values()} == {1}
        board["panels"].pop()
        grafana.where["muster-prometheus-own"] = "elsewhere"
        status, said = await _run("push", grafana.url, "--muster", "https://m.example")
        assert (said.count("same "), said.count("changed ")) == (7, 2), said
        status, said = await _run("push", grafana.url, "--datasource", "influx")
        assert said.count("made ") == 9, "beside the others"
        assert len(grafana.boards) == 18


async def test_a_refused_token_is_said_and_never_shown(tmp_path: Path) -> None:
    wrong = tmp_path / "token"
    wrong.write_text("glsa_wrong_one\n")
    async with grafana_fake() as grafana:
        status, said = await _run("push", grafana.url, "--token-file", str(wrong))
        assert status == 1
        assert "does not know the token (401)" in said
        assert "glsa_wrong_one" not in said
        right = tmp_path / "right"
        right.write_text(f"{TOKEN}\n")
        assert (await _run("push", grafana.url, "--token-file", str(right), token=None))[0] == 0


async def test_what_grafana_says_is_passed_on_without_the_token() -> None:
    async with grafana_fake() as grafana:
        grafana.answer = web.Response(status=500, text=f"broken {TOKEN}")
        status, said = await _run("push", grafana.url)
        assert (status, "would not" in said, TOKEN in said) == (1, True, False), said
        grafana.answer = web.Response(status=403, text="no")
        assert "role Editor" in (await _run("push", grafana.url))[1]


async def test_the_token_follows_no_redirect() -> None:
    async with grafana_fake() as grafana, grafana_fake() as other:
        grafana.answer = web.Response(status=302, text="", headers={"Location": f"{other.url}/api/folders/x"})
        assert (await _run("push", grafana.url))[0] == 1
        assert other.asked == []


async def test_mistakes_of_the_caller_end_with_2() -> None:
    status, said = await _run("push", "http://127.0.0.1:9", token=None)
    assert (status, "MUSTER_SECRET_GRAFANA" in said) == (2, True), said
    assert (await _run("push", "grafana.example"))[0] == 2
    assert (await _run("push", "http://127.0.0.1:9", token="two\nlines"))[0] == 2
    assert (await _run("push", "http://127.0.0.1:9", "--token-file", "/nowhere/token"))[0] == 2


async def test_nobody_at_home_ends_with_1() -> None:
    status, said = await _run("push", f"http://127.0.0.1:{free_port()}")
    assert (status, "can't be reached" in said) == (1, True), said


async def test_export_writes_what_is_shipped(tmp_path: Path) -> None:
    status, said = await _run("export", "--datasource", "influx", "-o", str(tmp_path / "new" / "there"))
    assert status == 0
    written = {
        path.name: json.loads(path.read_text("utf-8")) for path in (tmp_path / "new" / "there").iterdir()
    }
    assert written == shipped.dashboards(Source.INFLUX)
    assert len(said.splitlines()) == 9
    await _run("export", "-o", str(tmp_path / "p"), "--muster", "https://m.example")
    assert {"alerts.yml", "recording.yml", "unit.json"} <= {path.name for path in (tmp_path / "p").iterdir()}
    (tmp_path / "file").touch()
    assert (await _run("export", "-o", str(tmp_path / "file")))[0] == 2
