"""Search clusters: osmem (of PyPI), which searches as OpenSearch does, and answers as vendors document them.

Neither Elasticsearch nor OpenSearch nor Easysearch itself is to be had here. osmem is another's work, in Go:
it knows indexes, searches, aggregations and deletion, but neither nodes' statistics nor logins.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.servers.ports import free_port, until_listening
from tests.servers.process import running

USER, GIB = "monitor", 2**30
DISK = "cluster.routing.allocation.disk."


@asynccontextmanager
async def osmem(directory: Path) -> AsyncIterator[int]:
    """Run an empty osmem and give its port."""
    package = pytest.importorskip("osmem_server", reason="osmem-server is not installed")
    port = free_port()
    command = (str(Path(package.__file__).parent / "bin" / "osmem-server"), "-addr", f"127.0.0.1:{port}")
    async with running(*command, "-no-stdin-watch", "-no-ja", log=directory / "osmem.log"):
        await until_listening(port)
        yield port


def root(number: str, distribution: str | None) -> dict[str, Any]:
    """Return the answer of `GET /`."""
    version = {"number": number, "build_snapshot": False, "lucene_version": "9.12.0"}
    if distribution:
        version["distribution"] = distribution
    return {
        "name": "n1",
        "cluster_name": "marketing",
        "cluster_uuid": "u",
        "version": version,
        "tagline": "t",
    }


HEALTH = {
    "cluster_name": "marketing", "status": "yellow", "timed_out": False, "number_of_nodes": 3,
    "number_of_data_nodes": 2, "active_primary_shards": 10, "active_shards": 15, "relocating_shards": 1,
    "initializing_shards": 0, "unassigned_shards": 5, "delayed_unassigned_shards": 0,
    "number_of_pending_tasks": 2, "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 40,
    "active_shards_percent_as_number": 75.0,
}  # fmt: skip


def node(name: str, roles: list[str] | None, available: float, heap: int, ahead: float) -> dict[str, Any]:
    """Return a node of 100 GiB of `GET /_nodes/stats/fs,jvm`, its clock ahead of this machine's."""
    disks = {
        "total_in_bytes": 100 * GIB,
        "free_in_bytes": 30 * GIB,
        "available_in_bytes": int(available * GIB),
    }
    found: dict[str, Any] = {
        "name": name, "timestamp": int((time.time() + ahead) * 1000),
        "fs": {"total": disks}, "jvm": {"mem": {"heap_used_percent": heap}},
    }  # fmt: skip
    return found | ({"roles": roles} if roles is not None else {})


def stats(*nodes: dict[str, Any], failed: int = 0) -> dict[str, Any]:
    """Return the answer of `GET /_nodes/stats/fs,jvm`."""
    counts = {"total": len(nodes) + failed, "successful": len(nodes), "failed": failed}
    return {"_nodes": counts, "cluster_name": "marketing", "nodes": {one["name"]: one for one in nodes}}


def settings(persistent: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the answer of `GET /_cluster/settings` with the documented defaults."""
    marks = {"low": "85%", "high": "90%", "flood_stage": "95%"}
    defaults = {f"{DISK}watermark.{name}": mark for name, mark in marks.items()}
    own = {f"{DISK}{name}": value for name, value in (persistent or {}).items()}
    return {"persistent": own, "transient": {}, "defaults": defaults | {f"{DISK}threshold_enabled": "true"}}


def error(status: int, kind: str, reason: str) -> tuple[int, dict[str, Any]]:
    """Return an error as both products write it."""
    inner = {"type": kind, "reason": reason}
    return status, {"error": {"root_cause": [inner]} | inner, "status": status}


NO_RIGHT = error(403, "security_exception", "action [x] is unauthorized for user [monitor]")


@dataclass
class Cluster:
    """Answers by method and path. A password, where set, is asked for."""

    answers: dict[str, Any]
    password: str = ""
    port: int = 0

    async def handle(self, request: web.BaseRequest) -> web.Response:
        what = f"{request.method} {request.path}"
        if self.password and request.headers.get("Authorization") not in self._right():
            status, found = error(401, "security_exception", f"unable to authenticate user [{USER}]")
        else:
            answer = self.answers.get(
                what, error(400, "illegal_argument_exception", f"no handler for {what}")
            )
            status, found = answer if isinstance(answer, tuple) else (200, answer)
        return web.json_response(found, status=status)

    def _right(self) -> tuple[str, str]:
        pair = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        return f"Basic {pair}", f"ApiKey {pair}"


def answers(number: str = "8.19.0", distribution: str | None = None) -> dict[str, Any]:
    """Return what a cluster of this version answers: one node over the low watermark."""
    roles: list[str] | None = None if number.startswith("6") else ["data", "ingest"]
    return {
        "GET /": root(number, distribution),
        "GET /_cluster/health": HEALTH,
        "GET /_nodes/stats/fs,jvm": stats(
            node("n1", roles, 50, 40, 0.0), node("n2", roles, 12, 71, 0.0), node("m1", ["master"], 1, 99, 0.0)
        ),
        "GET /_cluster/settings": settings(),
    }


@asynccontextmanager
async def cluster(
    given: dict[str, Any] | None = None, password: str = "", tls: Any = None
) -> AsyncIterator[Cluster]:
    """Serve answers over HTTP."""
    served = Cluster(answers() if given is None else given, password)
    runner = web.ServerRunner(web.Server(served.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        served.port = runner.addresses[0][1]
        yield served
    finally:
        await runner.cleanup()
