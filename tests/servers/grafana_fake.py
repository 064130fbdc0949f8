"""A stand-in for Grafana's HTTP API of folders and dashboards: no Grafana can be had for the tests.

It keeps what it documents: a folder is made once, a dashboard is saved under its uid with the next version,
one that is there is only overwritten where that is asked for, and a token is needed.
https://grafana.com/docs/grafana/latest/developers/http_api/
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.servers.ports import free_port

TOKEN = "glsa_marker_of_the_tests"


@dataclass
class GrafanaFake:
    """What it holds, and what it was asked."""

    url: str = ""
    folders: dict[str, str] = field(default_factory=dict)
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    answer: web.Response | None = None
    """What it says to everything, where it is not well."""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if self.answer is not None:
            return web.Response(status=self.answer.status, text=self.answer.text, headers=self.answer.headers)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Invalid API key"}, status=401)
        match request.method, request.path.split("/")[2:]:
            case "GET", ["folders", uid]:
                return self._found({"uid": uid, "title": self.folders.get(uid)}, uid in self.folders)
            case "POST", ["folders"]:
                return self._folder(await request.json())
            case "GET", ["dashboards", "uid", uid]:
                meta = {"folderUid": self.where.get(uid)}
                return self._found({"dashboard": self.boards.get(uid), "meta": meta}, uid in self.boards)
            case "POST", ["dashboards", "db"]:
                return self._save(await request.json())
        return self._found({}, False)

    def _found(self, body: Any, there: bool) -> web.Response:
        return web.json_response(body) if there else web.json_response({"message": "not found"}, status=404)

    def _folder(self, body: dict[str, str]) -> web.Response:
        if body["uid"] in self.folders:
            return web.json_response({"message": "conflict"}, status=409)
        self.folders[body["uid"]] = body["title"]
        return web.json_response(body)

    def _save(self, body: dict[str, Any]) -> web.Response:
        board, uid = body["dashboard"], body["dashboard"]["uid"]
        if uid in self.boards and not body.get("overwrite"):
            return web.json_response({"message": "version-mismatch"}, status=412)
        if body["folderUid"] not in self.folders:
            return web.json_response({"message": "folder not found"}, status=400)
        version = self.boards.get(uid, {}).get("version", 0) + 1
        self.boards[uid] = {**board, "id": len(self.boards) + 1, "version": version}
        self.where[uid] = body["folderUid"]
        return web.json_response({"uid": uid, "version": version, "status": "success"})


@asynccontextmanager
async def grafana_fake() -> AsyncIterator[GrafanaFake]:
    """Serve one."""
    fake, port = GrafanaFake(), free_port()
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/api/{rest:.*}", fake.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    fake.url = f"http://127.0.0.1:{port}"
    try:
        yield fake
    finally:
        await runner.cleanup()
