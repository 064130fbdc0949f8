"""Management controllers: sushy-tools' emulator, and trees of resources as makers have them, on loopback."""

from __future__ import annotations

import asyncio
import base64
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
from aiohttp import web

from tests.servers.certificates import Authority
from tests.servers.ports import free_port
from tests.servers.process import running

USER, SESSIONS = "monitor", "/redfish/v1/SessionService/Sessions"
Resources = Mapping[str, Any]
STORAGE = {
    "Id": "1", "Name": "Local Storage Controller", "Drives": ["32ADF365C6C1B7BD"],
    "StorageControllers": [{"MemberId": "0", "Name": "Contoso Integrated RAID", "SpeedGbps": 12}],
}  # fmt: skip
DRIVE = {"Id": "32ADF365C6C1B7BD", "Name": "Drive Sample", "CapacityBytes": 899527000000, "Protocol": "SAS"}
VOLUME = {
    "libvirtVolName": "testVol", "Id": "1", "Name": "Sample Vol", "VolumeType": "Mirrored",
    "CapacityBytes": 23748,
}  # fmt: skip


@asynccontextmanager
async def sushy(directory: Path, password: str, systems: list[dict[str, Any]]) -> AsyncIterator[int]:
    """Run the emulator with these systems, TLS and one account, and give its port."""
    port, pair = free_port(), Authority(directory).issue("127.0.0.1")
    uuid = systems[0]["uuid"]
    users, config = directory / "users", directory / "emulator.conf"
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    users.write_text(f"{USER}:{hashed}\n")
    values = {
        "SUSHY_EMULATOR_FAKE_DRIVER": True, "SUSHY_EMULATOR_FAKE_SYSTEMS": systems,
        "SUSHY_EMULATOR_AUTH_FILE": str(users), "SUSHY_EMULATOR_STATE_DIR": str(directory),
        "SUSHY_EMULATOR_STORAGE": {uuid: [STORAGE]}, "SUSHY_EMULATOR_DRIVES": {(uuid, "1"): [DRIVE]},
        "SUSHY_EMULATOR_VOLUMES": {(uuid, "1"): [VOLUME]},
        "SUSHY_EMULATOR_SSL_CERT": str(pair.file), "SUSHY_EMULATOR_SSL_KEY": str(pair.file),
    }  # fmt: skip
    config.write_text("".join(f"{name} = {value!r}\n" for name, value in values.items()))
    command = (
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "sushy_tools.emulator.main",
        "--fake",
        "--config",
        str(config),
    )
    async with running(*command, "-i", "127.0.0.1", "-p", str(port), log=directory / "emulator.log"):
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    break
        yield port


@dataclass(slots=True)
class Controller:
    """A service of one tree of resources, that keeps note of what it was asked."""

    resources: Resources
    password: str
    forbidden: tuple[str, ...] = ()
    pause: float = 0.0
    port: int = 0
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    opened: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/") if request.path != "/redfish/v1/" else "/redfish/v1"
        self.asked.append(f"{request.method} {request.path_qs}")
        await asyncio.sleep(self.pause)
        if path == SESSIONS and request.method == "POST":
            return await self._open(request)
        if path != "/redfish/v1" and not self._known(request):
            return web.json_response({"error": {"message": "no access"}}, status=401)
        if request.method == "DELETE":
            self.tokens.discard(path.rpartition("/")[2])
            return web.Response(status=204)
        if path in self.forbidden:
            return web.json_response({"error": {"message": "no right"}}, status=403)
        found = self.resources.get(path)
        if found is None:
            return web.json_response({"error": {"message": "no such resource"}}, status=404)
        if isinstance(found, dict) and "$expand" in request.query:
            members = [self.resources[each["@odata.id"].rstrip("/")] for each in found.get("Members", ())]
            found = found | {"Members": members}
        return web.json_response(found)

    def _known(self, request: web.Request) -> bool:
        basic = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        token = request.headers.get("X-Auth-Token")
        return request.headers.get("Authorization") == f"Basic {basic}" or token in self.tokens

    async def _open(self, request: web.Request) -> web.StreamResponse:
        given = await request.json()
        if given != {"UserName": USER, "Password": self.password}:
            return web.json_response({"error": {"message": f"bad {given}"}}, status=401)
        token, self.opened = secrets.token_hex(8), self.opened + 1
        self.tokens.add(token)
        fields = {"X-Auth-Token": token, "Location": f"{SESSIONS}/{token}"}
        return web.json_response({}, status=201, headers=fields)


@asynccontextmanager
async def controller(
    resources: Resources, password: str, *, forbidden: tuple[str, ...] = (), pause: float = 0.0
) -> AsyncIterator[Controller]:
    """Serve a tree of resources without TLS."""
    made = Controller(resources, password, forbidden, pause)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.port = runner.addresses[0][1]
        yield made
    finally:
        await runner.cleanup()
