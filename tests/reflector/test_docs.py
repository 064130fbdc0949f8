"""What docs/reflector.md says is so: its commands work, its inventory loads, its tables are right."""

from __future__ import annotations

import re
import shlex
from enum import IntEnum
from pathlib import Path

import pytest

from monitor import plan
from probes.network._reflect_bodies import PAGE_RECORDS, Reason
from probes.network._reflect_wire import HELLO_SIZE, MAX_SIZE, OPEN_SIZE, PORT, Kind
from tests.cli.running import muster
from tests.servers.ports import free_port
from tests.servers.reflector import MASTER, started

PAGE = (Path(__file__).parents[2] / "docs" / "reflector.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in found]


async def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_SECRET_REFLECT", MASTER)
    monkeypatch.chdir(tmp_path)
    port = str(free_port())
    make, run, probe = (shlex.split(block.replace(str(PORT), port))[1:] for block in _blocks("sh"))
    assert (await muster(*make))[0] == 0
    async with started(tmp_path, *run):
        status, out, err = await muster(*probe, f"port={port}", "count=5")
    assert (status, err) == (0, "")
    assert "loss_up_pct" in out


def test_the_inventory(tmp_path: Path) -> None:
    (block,) = _blocks("yaml")
    (tmp_path / "inventory.yaml").write_text(block, "utf-8")
    made = plan.read(tmp_path / "inventory.yaml", [])[2]
    assert list(made.jobs) == ["gz-tianhe/uplink/echo"]


@pytest.mark.parametrize("enum", [Kind, Reason])
def test_the_tables_are_the_protocol_s(enum: type[IntEnum]) -> None:
    rows = dict(re.findall(r"^\| ([A-Z_]+) \| (\d+) \|", PAGE, re.MULTILINE))
    assert {each.name: str(each.value) for each in enum}.items() <= rows.items()


def test_the_numbers_are_the_protocol_s() -> None:
    for text in (
        f"at most {MAX_SIZE} bytes", f"padded to {HELLO_SIZE} bytes", f"padded to {OPEN_SIZE} bytes",
        f"up to {PAGE_RECORDS} records", f"port {PORT}",
    ):  # fmt: skip
        assert text in PAGE
