"""A small utility of real services on loopback, for `muster check`: one unit for each verdict."""

# ruff: noqa: E501 - YAML reads better unbroken

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.running import muster
from tests.json_schema import errors
from tests.servers.hostile import tcp_server

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schema/check.json").read_text("utf-8"))
UNITS = {
    "good": "  - {id: good, name: Good hall, name_zh: 良好营业厅, level: hall, parent: top, wave: w1, go_live: 2027-01-15,\n"
    "     assets: [{id: web, kind: application, address: 127.0.0.1, checks: [{probe: http, port: PORT, timeout: 5s, every: 60s}],\n"
    "     expect: {status: 200}}]}\n",
    "half": "  - {id: half, name: Half hall, level: hall, parent: top, wave: w2, go_live: 2027-03-01,\n"
    "     assets: [{id: web, kind: application, address: 127.0.0.1, checks: [{probe: http, port: PORT, timeout: 5s, every: 60s}],\n"
    "     expect: {status: 200, total_ms: {is: '<= 0 ms', severity: minor}}}]}\n",
    "bad": "  - {id: bad, name: Bad hall, level: hall, parent: top, wave: w2,\n"
    "     assets: [{id: web, kind: application, address: 127.0.0.1, checks: [{probe: http, port: PORT, timeout: 5s, every: 60s}],\n"
    "     expect: {status: {is: 404, severity: major}}}]}\n",
    "dark": "  - {id: dark, name: Dark hall, level: hall, parent: top, wave: w1, go_live: 2027-01-15,\n"
    "     assets: [{id: web, kind: application, address: 127.0.0.1, checks: [{probe: http, port: PORT, timeout: 5s, every: 60s}]},\n"
    "     {id: tv, kind: peripheral, address: 127.0.0.1}]}\n",
}
TOP = (
    "version: 1\nunits:\n"
    "  - {id: top, name: Bureau, level: municipal, assets: [{id: web, kind: application, address: 127.0.0.1,\n"
    "     checks: [{probe: tcp, port: PORT, timeout: 5s, every: 60s}]}]}\n"
)
WAIVER = (
    "version: 1\nwaivers:\n"
    "  - {{id: w-1, unit: bad, asset: web, item: expect.http.status, reason: r, risk: r, compensating_action: c,\n"
    "     requested_by: ann, approved_by: bob, effective_at: 2020-01-01T00:00:00+08:00, expires_at: {expires}}}\n"
)
VERDICTS = {"top": "READY", "good": "READY", "half": "CONDITIONAL", "bad": "NOT_READY", "dark": "UNKNOWN"}
STATUS = {"READY": 0, "NOT_READY": 3, "CONDITIONAL": 4, "UNKNOWN": 5}


@dataclass
class Yard:
    """The files of the utility, and the port on which its services are."""

    home: Path
    port: int = 0

    def write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.write_text(text.replace("PORT", str(self.port)), "utf-8")
        return path

    def build(self, inventory: str = "") -> None:
        self.write("inventory.yaml", inventory or TOP + "".join(UNITS.values()))
        self.write(
            "muster.toml",
            '[daemon]\nstate_dir = "state"\ninventory = "inventory.yaml"\nwaivers = "waivers.yaml"\n',
        )
        self.write("waivers.yaml", "version: 1\nwaivers: []\n")

    async def check(self, *arguments: str) -> tuple[int, str, str]:
        return await muster("check", "-c", str(self.home / "muster.toml"), *arguments)

    async def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Return the exit status and the JSON document."""
        status, out, err = await self.check(*arguments, "--format", "json")
        assert out, err
        document: dict[str, Any] = json.loads(out)
        assert list(errors(document, SCHEMA)) == []
        return status, document


async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve an empty page with status 200."""
    with suppress(asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
    await writer.drain()


@asynccontextmanager
async def open_yard(home: Path) -> AsyncIterator[Yard]:
    """Run the services and write the files."""
    async with tcp_server(page) as port:
        yard = Yard(home, port)
        yard.build()
        yield yard


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    """Return each unit's verdict."""
    return {unit["id"]: unit["verdict"] for unit in document["units"]}
