"""The resources of a Redfish service (DMTF DSP0266), read one by one within bounds of count, bytes and time.

Only links below `/redfish/` of the same service are followed. What a service says is untrusted: a member that
is no object is left out, and texts are bounded where they are shown.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from probes._clean import cleaned
from probes._service import Notes
from probes._web import Answer, Web, refuse
from probes.api import clip
from probes.errors import ExpectationFailed, OwnLoginFailed, ProtocolViolated
from probes.hardware._json import Resource, dig, objects, text

ROOT = "/redfish/v1/"
SESSIONS = "/redfish/v1/SessionService/Sessions"
MOST = 300
"""Resources of one run."""
MOST_BYTES = 32 * 1024 * 1024
LONGEST = 2 * 1024 * 1024
"""Of one resource, in bytes; an expanded collection is one."""
SHARE = 0.85
"""Share of a run's time after which nothing more is asked."""


class Spent(Exception):  # noqa: N818 - says what happened
    """A bound is reached: count, bytes or time."""


@dataclass(slots=True)
class Tree:
    """A service, and how much of the bounds is left."""

    web: Web
    notes: Notes
    fields: list[tuple[str, str]]
    """Header fields that log in."""
    secrets: tuple[str, ...]
    expand: str = ""
    """The query that has members sent with their collection, where the service knows one."""
    asked: int = 0
    read: int = 0
    foreign: int = 0
    """Links that lead elsewhere, and were not followed."""
    kept: dict[str, Resource] = field(default_factory=dict)

    async def get(self, path: str) -> Resource:
        """Return a resource. Raises `Spent`, and what its status or its body comes to."""
        if (found := self.kept.get(path)) is None:
            answer = await self._ask(path)
            refuse(answer, path, self.secrets)
            document = await answer.json()
            if not isinstance(document, dict):
                raise ProtocolViolated(f"{clip(path, 100)} is no JSON object")
            self.read += len(answer.body)
            found = self.kept[path] = document
        return found

    async def _ask(self, path: str) -> Answer:
        context = self.notes.context
        if self.asked >= MOST or self.read > MOST_BYTES:
            raise Spent(f"more than {MOST} resources, or {MOST_BYTES} bytes")
        if context.remaining < context.timeout * (1 - SHARE) and self.asked > 1:
            raise Spent("no time was left")
        self.asked += 1
        fields = [("Accept", "application/json"), ("OData-Version", "4.0"), *self.fields]
        return await self.web.ask("GET", path, fields=fields, limit=LONGEST)

    async def root(self) -> Resource:
        """Return the service root, and learn from it what the service can do."""
        found = await self.get(ROOT)
        if not isinstance(found.get("RedfishVersion"), str):
            raise ProtocolViolated(f"{ROOT} is no Redfish service root: it has no RedfishVersion")
        expand = dig(found, "ProtocolFeaturesSupported", "ExpandQuery")
        if expand.get("Levels") is True:
            self.expand = (
                "$expand=.($levels=1)" if expand.get("NoLinks") is True
                else "$expand=*($levels=1)" if expand.get("ExpandAll") is True else ""
            )  # fmt: skip
        return found

    async def follow(self, owner: Resource, name: str) -> Resource | None:
        """Return what the link `name` of a resource leads to; None where it has none."""
        path = self.path_of(owner.get(name))
        return None if path is None else await self.get(path)

    async def members(self, owner: Resource, name: str) -> list[Resource] | None:
        """Return the members of the collection that the link `name` leads to; None where there is no link."""
        path = self.path_of(owner.get(name))
        if path is None:
            return None
        found: dict[object, Resource] = {}
        seen: set[str] = set()
        while path is not None and path not in seen:
            seen.add(path)
            collection = await self._collection(path)
            for each in await self.each(collection.get("Members")):
                found.setdefault(text(each, "@odata.id") or len(found), each)
            path = self.path_of({"@odata.id": collection.get("Members@odata.nextLink")})
        return list(found.values())

    async def _collection(self, path: str) -> Resource:
        if self.expand and "?" not in path:
            try:
                return await self.get(f"{path}?{self.expand}")
            except ExpectationFailed:
                self.expand = ""  # it says that it can, and can't
        return await self.get(path)

    async def each(self, links: object) -> list[Resource]:
        """Return the resources that a list of links leads to; what is there already is not asked for."""
        found: list[Resource] = []
        for link in objects(links):
            if len(link) > 1 and "Id" in link:
                found.append(link)
            elif (path := self.path_of(link)) is not None:
                found.append(await self.get(path))
        return found

    def path_of(self, link: object) -> str | None:
        """Return the path that a link leads to; None for none, and for one that leads elsewhere."""
        target = link.get("@odata.id") if isinstance(link, dict) else None
        if not isinstance(target, str) or not target:
            return None
        path = _local(target, self.web.authority)
        self.foreign += path is None
        return path

    async def log_in(self, user: str, password: str) -> str | None:
        """Open a session and use it from now on; return the path by which it is closed.

        Raises `OwnLoginFailed` and what a status comes to.
        """
        body = json.dumps({"UserName": user, "Password": password}).encode()
        fields = [("Content-Type", "application/json")]
        answer = await self.web.ask("POST", SESSIONS, fields=fields, body=body, phase="login")
        token = answer.fields.get("x-auth-token", "")
        if answer.status in (400, 401, 403):
            said = cleaned(bytes(answer.body[:2000]).decode("utf-8", "replace"), self.secrets)
            raise OwnLoginFailed(f"wrong_password: HTTP {answer.status} for a session: {said}")
        if answer.status not in (200, 201) or not token:
            raise ExpectationFailed(f"HTTP {answer.status} for a session, and no token")
        self.secrets = (*self.secrets, token)
        self.fields = [("X-Auth-Token", token)]
        return _local(answer.fields.get("location", ""), self.web.authority)


def _local(target: str, authority: str) -> str | None:
    """Return the path of a link where that is of the same service, else None."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    whole = parts.scheme in ("http", "https") and _same(parts.netloc, parts.scheme, authority)
    own = whole or not (parts.scheme or parts.netloc)
    fit = len(target) <= 1000 and all("!" <= each <= "~" for each in target)
    below = parts.path.startswith("/redfish/") and ".." not in parts.path
    return parts.path + (f"?{parts.query}" if parts.query else "") if own and fit and below else None


def _same(netloc: str, scheme: str, authority: str) -> bool:
    port = ":443" if scheme == "https" else ":80"
    return authority.lower() in (netloc.lower(), f"{netloc.lower()}{port}")
