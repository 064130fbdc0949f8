"""A daemon that listens for traps runs the checks of who sent one; what docs/traps.md says is taken."""

from __future__ import annotations

import re
import socket
import tomllib
from pathlib import Path

import pytest

from monitor.settings import Settings, load
from monitor.traps.kinds import ALL
from tests.servers.daemon import running
from tests.servers.ports import free_port
from tests.traps.sending import COMMUNITY, snmptrap

PAGE = (Path(__file__).parents[2] / "docs" / "traps.md").read_text("utf-8")
INVENTORY = """
version: 1
units:
  - id: gz
    name: Guangzhou
    level: municipal
    assets:
      - id: router
        kind: host
        address: 127.0.0.1
        depends_on: []
        checks: [{probe: tcp, port: PORT, every: 1 h, timeout: 1 s}]
"""


async def test_a_daemon_runs_checks_for_a_trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_SECRET_TRAPS", COMMUNITY)
    port, closed = free_port(socket.SOCK_DGRAM), free_port()
    traps = f'\n[traps]\nlisten = "127.0.0.1:{port}"\ncommunities = ["secret:traps"]\n'
    inventory = INVENTORY.replace("PORT", str(closed))
    async with running(tmp_path / "home", inventory, traps) as daemon:
        started = await daemon.metric("muster_runs_started_total")
        await snmptrap(port)
        assert await daemon.until('muster_traps_total{kind="link_down"}', 1) == 1
        assert await daemon.until("muster_traps_checks_total", 1) == 1
        await daemon.until("muster_runs_started_total", started + 1, 5)
        await snmptrap(port, ("-v2c", "-c", "public"))
        await daemon.until('muster_traps_dropped_total{reason="refused"}', 1)
        assert await daemon.stop() == 0
    assert COMMUNITY not in daemon.log()
    assert '"kind": "link_down"' in daemon.log()


def test_the_example_is_taken(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    file = tmp_path / "muster.toml"
    file.write_text(example, "utf-8")
    traps = load(file).traps
    assert traps.users[0].engine_ids == ("0x8000000001020304",)
    told = tomllib.loads(example.replace("# per_source", "per_source").replace("# overall", "overall")
                         .replace("# queue", "queue").replace("# again", "again"))  # fmt: skip
    settings = Settings.model_validate({"traps": told["traps"] | {"again": 10}}).traps
    assert settings == traps.model_copy()  # what is written out there are the defaults


def test_every_kind_is_named() -> None:
    assert all(f"`{kind}`" in PAGE for kind in ALL)
