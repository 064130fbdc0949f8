"""A real daemon and a node that is downgraded: a drift on the board and an incident, until it is mended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.servers.daemon import Daemon, running
from tests.servers.hostile import tcp_server

INVENTORY = """
version: 1
units:
  - id: hall
    name: Hall
    level: hall
    release: r2
    assets:
      - {{id: n1, kind: application, address: 127.0.0.1, depends_on: [],
         checks: [{{id: version, probe: http, port: {port}, every: 1s, timeout: 800 ms,
                    extract: {{version: $.version}}}}]}}
"""
RELEASES = "---".join(
    f"""
version: 1
id: r{number}
released: 2026-0{number}-01
follows: {before}
components:
  - {{id: billing, title: {{en: Billing, zh: 计费}}, severity: blocker, select: {{kind: application}},
     check: version, probe: http, version: "2.{number}"}}
"""
    for number, before in ((1, "null"), (2, "r1"))
)


async def until(daemon: Daemon, path: str, fits: Callable[[Any], bool]) -> Any:
    """Wait for the API to give what is wanted."""
    async with asyncio.timeout(40):
        while not fits(found := await daemon.json(path)):
            await asyncio.sleep(0.3)
    return found


async def test_drift_in_a_running_daemon(tmp_path: Path) -> None:
    runs = ["2.2"]

    async def node(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            body = json.dumps({"version": runs[0]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()

    home = tmp_path / "home"
    (home / "releases").mkdir(parents=True)
    (home / "releases/all.yaml").write_text(RELEASES, "utf-8")
    async with tcp_server(node) as port:
        inventory = INVENTORY.format(port=port)
        async with running(home, inventory, 'releases = "releases"') as daemon:
            await until(daemon, "/api/v1/versions", lambda it: it["units"][0]["state"] == "released")
            assert (await daemon.json("/api/v1/incidents"))["incidents"] == []
            runs[0] = "2.1"
            found = await until(daemon, "/api/v1/incidents", lambda it: it["incidents"])
            (incident,) = found["incidents"]
            assert (incident["kind"], incident["severity"]) == ("drift_blocker", "critical")
            found = await until(daemon, "/api/v1/versions", lambda it: it["units"][0]["state"] == "drift")
            (cell,) = found["units"][0]["cells"]
            assert (cell["drift"]["direction"], cell["drift"]["release"]) == ("behind", "r1")
            runs[0] = "2.2"
            await until(daemon, "/api/v1/incidents", lambda it: not it["incidents"])
            await until(daemon, "/api/v1/versions", lambda it: it["units"][0]["state"] == "released")
