"""Puts the dashboards into a Grafana, by its HTTP API; what is there already as it should be stays.

https://grafana.com/docs/grafana/latest/developers/http_api/dashboard/ and .../folder/
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

MAX_ANSWER = 16 * 1024 * 1024
WAIT_S = 30.0
OWN = ("id", "version")
"""What Grafana counts itself."""
FOLDER = "muster"
SAID = 200


class Refused(Exception):  # noqa: N818 - what became of it
    """Grafana did not do what it was asked, or could not be asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of the dashboards, by their titles."""

    made: tuple[str, ...]
    changed: tuple[str, ...]
    same: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grafana:
    """A Grafana that is talked to with a token (a service account's, of the role Editor)."""

    session: aiohttp.ClientSession
    url: str

    async def folder(self, title: str) -> None:
        """Make the folder, unless it is there."""
        status, _ = await self._ask("GET", f"/api/folders/{FOLDER}")
        if status == 404:
            status, found = await self._ask("POST", "/api/folders", {"uid": FOLDER, "title": title})
            _expect(status, found, f"make the folder {title}")

    async def put(self, board: Mapping[str, Any]) -> str:
        """Bring a dashboard in; return made, changed or same."""
        title = str(board["title"])
        status, found = await self._ask("GET", f"/api/dashboards/uid/{board['uid']}")
        if status != 404:
            _expect(status, found, f"look at {title}")
            if _same(found, board):
                return "same"
        asked = {"dashboard": {**board, "id": None}, "folderUid": FOLDER, "overwrite": True}
        asked["message"] = "muster dashboards push"
        there = status != 404
        status, found = await self._ask("POST", "/api/dashboards/db", asked)
        _expect(status, found, f"save {title}")
        return "changed" if there else "made"

    async def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and answer. Raises Refused where the token is, or where nothing answers."""
        try:
            async with self.session.request(
                method, self.url + path, json=body, allow_redirects=False
            ) as answer:
                read = await answer.content.read(MAX_ANSWER)
        except TimeoutError:
            raise Refused(f"Grafana at {self.url} did not answer within {WAIT_S:.0f} s") from None
        except aiohttp.ClientError as error:
            raise Refused(f"Grafana at {self.url} can't be reached: {error}") from None
        if answer.status == 401:
            raise Refused("Grafana does not know the token (401); make one of a service account")
        if answer.status == 403:
            raise Refused(f"the token may not {method} {path} (403): its account needs the role Editor")
        return answer.status, _read(read)


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return {"message": body[:SAID].decode("utf-8", "replace")}


def _expect(status: int, found: Any, what: str) -> None:
    if status != 200:
        said = found.get("message", "") if isinstance(found, dict) else ""
        raise Refused(f"Grafana would not {what}: {status} {str(said)[:SAID]}".strip())


def _same(found: Any, board: Mapping[str, Any]) -> bool:
    if not isinstance(found, dict) or found.get("meta", {}).get("folderUid") != FOLDER:
        return False
    there = found.get("dashboard") or {}
    return {key: value for key, value in there.items() if key not in OWN} == dict(board)


@asynccontextmanager
async def _grafana(url: str, token: str, ca: Path | None) -> AsyncIterator[Grafana]:
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    connector = aiohttp.TCPConnector(ssl=context)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    timeout = aiohttp.ClientTimeout(total=WAIT_S)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout, trust_env=True
    ) as session:
        yield Grafana(session, url.rstrip("/"))


async def push(
    url: str, token: str, boards: Mapping[str, Mapping[str, Any]], folder: str, ca: Path | None = None
) -> Pushed:
    """Put the dashboards into the folder. Raises Refused; what was put until then stays."""
    found: dict[str, list[str]] = {"made": [], "changed": [], "same": []}
    async with _grafana(url, token, ca) as grafana:
        await grafana.folder(folder)
        for board in boards.values():
            found[await grafana.put(board)].append(str(board["title"]))
    return Pushed(*(tuple(found[each]) for each in ("made", "changed", "same")))
