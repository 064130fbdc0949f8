"""One dead host in a run: one cause, its dependants blocked by it, and no waiting for each of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.cli.running import muster
from tests.servers.namespace import in_namespace, needs_namespace, tun

INVENTORY = """
version: 1
units:
  - id: hall
    name: Tianhe hall
    level: hall
    assets:
      - {id: uplink, kind: channel, role: primary, address: 127.0.0.1, checks: [{probe: icmp, count: 1}]}
      - id: pc1
        kind: host
        address: 10.99.0.9
        checks:
          - {probe: icmp, count: 2, interval: 50 ms, wait: 1s, timeout: 4s}
          - {id: ssh, probe: tcp, port: 22, timeout: 4s}
          - {id: web, probe: http, timeout: 4s}
          - {id: web2, probe: http, port: 8080, timeout: 4s}
      - {id: app, kind: application, address: 10.99.0.9, depends_on: [pc1], checks: [{probe: tcp, port: 8000, timeout: 4s}]}
"""  # noqa: E501


async def silence(*arguments: str) -> tuple[int, str, str]:
    """Run `muster` in a network of its own, in which 10.99.0.9 swallows everything."""
    with tun(lambda _packet: ()):
        return await muster(*arguments)


@needs_namespace
async def test_a_dead_host_is_one_cause(tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text(INVENTORY, "utf-8")
    where = ("-i", str(tmp_path / "inventory.yaml"), "--state-dir", str(tmp_path / "state"))
    start = time.monotonic()
    status, out, err = await in_namespace(lambda: silence("check", "--format", "json", *where))
    took = time.monotonic() - start
    assert status == 3, err
    items = json.loads(out)["units"][0]["items"]
    assert [item["check"] for item in items if item["status"] == "fail"] == ["hall/pc1/icmp"]
    behind = [item for item in items if item["status"] == "unknown"]
    assert {item["check"] for item in behind} == {
        "hall/pc1/ssh",
        "hall/pc1/web",
        "hall/pc1/web2",
        "hall/app/tcp",
    }
    assert {(item["reason"], item["blocked_by"]) for item in behind} == {("blocked", "hall/pc1/icmp")}
    assert all(item["attempted_at"] is None for item in behind)
    assert took < 12, "the dependants were waited for"
