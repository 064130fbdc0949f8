"""`muster versions` as operators run it: real probes of nodes that tell what they run, and a real store."""

# ruff: noqa: E501 - YAML reads better unbroken

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from monitor.cli.common import deliver
from monitor.releases.document import VersionsDocument
from tests.cli.running import muster
from tests.json_schema import errors
from tests.servers.hostile import tcp_server

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/versions.json").read_text("utf-8"))
NODE = (
    "{id: %s, kind: application, address: 127.0.0.1, tags: [billing], depends_on: [], checks: [{id: version, probe: http, port: %d,"
    " path: /%s, timeout: 5s, every: 60s, extract: {version: $.version}}]}"
)
RELEASE = """version: 1
id: %s
released: %s
%s
components:
  - {id: billing, title: {en: Billing, zh: 计费应用}, severity: blocker, applies_to: {level: hall}, select: {tags: [billing]}, check: version, probe: http,
     version: "%s"}
"""


@dataclass
class Utility:
    """Two halls with a node each, and what the nodes run; a missing one answers 500."""

    home: Path
    port: int
    runs: dict[str, str] = field(default_factory=lambda: {"a": "2.4", "b": "2.4"})

    def write(self, release: str = "release: r2") -> None:
        (self.home / "releases").mkdir(exist_ok=True)
        old, new = (
            RELEASE % ("r1", "2026-01-01", "", "2.3"),
            RELEASE % ("r2", "2026-06-01", "follows: r1", "2.4"),
        )
        (self.home / "releases/all.yaml").write_text(f"{old}---\n{new}", "utf-8")
        (self.home / "muster.toml").write_text(
            '[daemon]\nstate_dir = "state"\ninventory = "inventory.yaml"\nreleases = "releases"\n'
        )
        halls = "".join(
            f"  - {{id: hall-{key}, name: Hall {key}, name_zh: 营业厅 {key}, level: hall, parent: top, timezone: Asia/Shanghai,\n"
            f"     assets: [{NODE % (f'n{key}', self.port, key)}]}}\n"
            for key in ("a", "b")
        )
        top = f"  - {{id: top, name: Bureau, level: municipal, {release}}}\n" if release else ""
        top = top or "  - {id: top, name: Bureau, level: municipal}\n"
        (self.home / "inventory.yaml").write_text(f"version: 1\nunits:\n{top}{halls}", "utf-8")

    async def measure(self) -> None:
        await muster("check", "-c", str(self.home / "muster.toml"), "--format", "json")

    async def versions(self, *arguments: str) -> tuple[int, str, str]:
        return await muster("versions", "-c", str(self.home / "muster.toml"), *arguments)

    async def document(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        status, text, err = await self.versions(*arguments, "--format", "json")
        assert text, err
        found: dict[str, Any] = json.loads(text)
        assert list(errors(found, SCHEMA)) == []
        VersionsDocument.model_validate(found)
        return status, found


@asynccontextmanager
async def utility(home: Path) -> AsyncIterator[Utility]:
    found = Utility(home, 0)

    async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            version = found.runs.get(head.split()[1].decode().strip("/"))
            body = json.dumps({"version": version}).encode()
            status = b"200 OK" if version else b"500 No"
            fields = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
            writer.write(b"HTTP/1.1 %s\r\n%s\r\n%s" % (status, fields, body))
            await writer.drain()

    async with tcp_server(node) as port:
        found.port = port
        found.write()
        yield found


async def test_from_released_to_drifted_and_back(tmp_path: Path) -> None:
    async with utility(tmp_path) as yard:
        status, found = await yard.document()
        assert (status, [unit["state"] for unit in found["units"]]) == (5, [None, "unknown", "unknown"])
        await yard.measure()
        status, found = await yard.document()
        assert (status, [unit["state"] for unit in found["units"]]) == (0, [None, "released", "released"])
        yard.runs["b"] = "2.3"
        await yard.measure()
        status, found = await yard.document("hall-b")
        (cell,) = found["units"][0]["cells"]
        assert (status, cell["state"], cell["found"], cell["severity"]) == (3, "drift", "2.3", "blocker")
        assert (cell["drift"]["direction"], cell["drift"]["steps"], cell["drift"]["release"]) == (
            "behind",
            1,
            "r1",
        )
        assert cell["detail"].startswith("1 release behind (r1), since ")
        since, at = (datetime.fromisoformat(x) for x in (cell["drift"]["since"], cell["collected_at"]))
        assert abs((since - at).total_seconds()) < 0.01
        del yard.runs["b"]
        await yard.measure()
        status, found = await yard.document("--subtree", "top")
        assert (status, found["units"][2]["cells"][0]["state"]) == (5, "unknown")
        yard.runs["b"] = "2.4"
        await yard.measure()
        assert (await yard.document())[0] == 0


async def test_another_release_and_only_what_drifted(tmp_path: Path) -> None:
    async with utility(tmp_path) as yard:
        yard.runs["b"] = "2.3"
        await yard.measure()
        status, found = await yard.document("--release", "r1", "--drifted")
        assert (status, [unit["id"] for unit in found["units"]]) == (3, ["hall-a"])
        assert found["units"][0]["cells"][0]["drift"]["direction"] == "ahead"
        assert (await yard.document("--release", "r1", "hall-b"))[0] == 0


async def test_tables_are_aligned(tmp_path: Path) -> None:
    async with utility(tmp_path) as yard:
        yard.runs["b"] = "2.3"
        await yard.measure()
        status, text, _ = await yard.versions("--lang", "zh")
        assert status == 3
        assert text.startswith("3 个单位：1 个偏离，1 个与发布一致。")
        rows = [line for line in text.splitlines() if "营业厅" in line]
        assert len({cell_len(row[: row.index("r2")]) for row in rows}) == 1
        assert "✖ 2.3 ↓1" in text
        assert "落后 1 个版本（r1），自 20" in text
        status, text, _ = await yard.versions("--format", "markdown", "--lang", "zh")
        pipes = [line for line in text.splitlines() if line.startswith("|")]
        assert len({cell_len(line) for line in pipes[:5]}) == 1
        _, text, _ = await yard.versions()
        assert "1 release behind (r1), since 20" in text
        assert text.startswith("3 units: 1 drifted, 1 as released.")


async def test_written_to_a_file(tmp_path: Path) -> None:
    async with utility(tmp_path) as yard:
        await yard.measure()
        status, text, _ = await yard.versions("-o", str(tmp_path / "out.txt"))
        assert (status, text) == (0, "")
        assert "as released" in (tmp_path / "out.txt").read_text("utf-8")
        status, _, err = await yard.versions("-o", str(tmp_path / "none/out.txt"))
        assert (status, "there is no directory" in err) == (2, True)


def test_what_utf_8_cannot_hold_is_written_as_far_as_it_goes(tmp_path: Path) -> None:
    deliver("2.4\ud800", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text("utf-8") == "2.4?"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("hall-x",), 'unknown unit "hall-x"; did you mean "hall-'),
        (("--release", "r3"), 'unknown release "r3"\nknown are marketing-2.3, marketing-2.4, r1, r2'),
    ],
)
async def test_bad_usage(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    utility_ = Utility(tmp_path, 9)
    utility_.write()
    status, out, err = await utility_.versions(*arguments)
    assert (status, out) == (2, "")
    assert text in err


async def test_without_any_release(tmp_path: Path) -> None:
    yard = Utility(tmp_path, 9)
    yard.write("")
    status, _, err = await yard.versions()
    assert status == 2
    assert "no release is due in these units" in err
    settings = tmp_path / "muster.toml"
    settings.write_text(settings.read_text() + 'release = "r2"\n')
    assert (await yard.document())[0] == 5
    settings.write_text(settings.read_text().replace('"r2"', '"r22"'))
    status, _, err = await yard.versions()
    assert (status, 'daemon.release: unknown release "r22"; did you mean "r2"?' in err) == (2, True)
