"""`muster check` as operators run it: real probes, a real store, and the exit statuses of the contract."""

from __future__ import annotations

import asyncio
import getpass
import json
import socket
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from monitor.store import audit
from monitor.store.database import Database
from tests.cli.running import muster

WAIVER = """version: 1
waivers:
  - {id: w-1, unit: hall, asset: shop, item: answers.tcp, reason: r, risk: r, compensating_action: c, requested_by: ann,
     approved_by: bob, effective_at: 2020-01-01T00:00:00+08:00, expires_at: 2099-01-01T00:00:00+08:00}
"""  # noqa: E501


def closed_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Installation:
    """A directory with settings, an inventory of one hall and one shop, and a state directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "muster.toml").write_text(
            '[daemon]\nstate_dir = "state"\ninventory = "inventory.yaml"\n'
        )

    def inventory(self, port: int, more: str = "") -> None:
        (self.directory / "inventory.yaml").write_text(
            "version: 1\nunits:\n"
            "  - id: hall\n    name: Tianhe hall\n    name_zh: 天河营业厅\n    level: hall\n    assets:\n"
            "      - {id: shop, kind: application, address: 127.0.0.1, depends_on: [], "
            f"checks: [{{probe: tcp, port: {port}}}]}}\n{more}",
            encoding="utf-8",
        )

    async def check(self, *arguments: str) -> tuple[int, str, str]:
        return await muster("check", "-c", str(self.directory / "muster.toml"), *arguments)


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


async def test_ready_is_0_and_the_store_keeps_what_was_measured(here: Installation) -> None:
    async with listening() as port:
        here.inventory(port)
        status, out, _ = await here.check("--format", "json")
    unit = json.loads(out)["units"][0]
    assert (status, unit["verdict"]) == (0, "READY")
    assert unit["items"][0]["vantage"] == "check"
    status, out, _ = await here.check("--stored")
    assert status == 0
    assert "✔ Tianhe hall (hall): READY, its one item holds." in out


async def test_not_ready_is_3(here: Installation) -> None:
    here.inventory(closed_port())
    status, out, _ = await here.check("--format", "junit")
    assert status == 3
    assert ET.fromstring(out).find("testsuite/testcase/failure") is not None
    status, out, _ = await here.check("--stored", "--lang", "zh")
    assert status == 3
    assert "✖ 天河营业厅 (hall): 未就绪" in out


async def test_unknown_is_5(here: Installation) -> None:
    here.inventory(closed_port())
    status, out, _ = await here.check("--stored", "hall", "--summary")
    assert status == 5
    assert "UNKNOWN" in out
    assert not (here.directory / "state").exists()


async def test_conditional_is_4_and_the_waiver_s_use_is_kept(here: Installation) -> None:
    here.inventory(closed_port())
    (here.directory / "waivers.yaml").write_text(WAIVER)
    with (here.directory / "muster.toml").open("a") as settings:
        settings.write('waivers = "waivers.yaml"\n')
    status, out, _ = await here.check("--format", "json")
    unit = json.loads(out)["units"][0]
    assert (status, unit["verdict"], unit["items"][0]["reason"]) == (4, "CONDITIONAL", "refused")

    def kept() -> list[tuple[str, str]]:
        with closing(Database(here.directory / "state" / "state.db", read_only=True)) as database:
            return [(use.waiver, use.actor) for use in database.read_now(audit.read)]

    assert await asyncio.to_thread(kept) == [("w-1", f"{getpass.getuser()} (unauthenticated)")]


async def test_of_several_units_the_worst_counts(here: Installation) -> None:
    """READY, UNKNOWN and NOT_READY make 3; READY and UNKNOWN make 5."""
    more = "  - {id: other, name: other, level: hall}\n"
    async with listening() as port:
        here.inventory(port, more)
        status, out, _ = await here.check("--format", "json")
    assert status == 5
    assert [unit["verdict"] for unit in json.loads(out)["units"]] == ["READY", "UNKNOWN"]
    here.inventory(closed_port(), more)
    assert (await here.check("--format", "json"))[0] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hal"], 'unknown unit "hal"; did you mean "hall"?'),
        (["--wave", "w9"], 'no unit is selected: no unit is of wave "w9"'),
        (["--gate", "go-life"], 'unknown gate "go-life"; did you mean "go-live"?'),
        (["--format", "xlsx"], "a workbook is no text"),
        (["--due-before", "soon"], "soon"),
    ],
)
async def test_usage_is_2_with_nothing_on_standard_output(
    here: Installation, arguments: list[str], message: str
) -> None:
    here.inventory(closed_port())
    form = [] if "--format" in arguments else ["--format", "json"]
    status, out, err = await here.check("--stored", *form, *arguments)
    assert (status, out) == (2, "")
    assert message in err


async def test_bad_files_are_2_and_all_are_named(here: Installation) -> None:
    here.inventory(closed_port(), "  - {id: other, nmae: other, level: hall}\n")
    (here.directory / "checklists").mkdir()
    (here.directory / "checklists" / "own.yaml").write_text("version: 1\nid: own\nitems: [{id: x}]\n")
    status, out, err = await here.check(
        "--format", "json", "--checklists", str(here.directory / "checklists")
    )
    assert (status, out) == (2, "")
    assert 'unknown key; did you mean "name"?' in err
    assert 'own.yaml:3:9: items[0]: item "x" has no category; write its category' in err


async def test_our_own_failure_is_1(here: Installation) -> None:
    here.inventory(closed_port())
    (here.directory / "state").write_text("a file where a directory should be")
    status, out, err = await here.check("--format", "json")
    assert (status, out) == (1, "")
    assert "muster: " in err
    assert "Traceback" not in err


async def test_output_goes_to_a_file(here: Installation) -> None:
    here.inventory(closed_port())
    target = here.directory / "report.json"
    status, out, _ = await here.check("--stored", "--format", "json", "-o", str(target))
    assert (status, out) == (5, "")
    assert json.loads(target.read_text("utf-8"))["schema"] == "muster.check/1"
