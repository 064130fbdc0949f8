"""HTTP requests to a service's own pages and interfaces (RFC 9112), on one connection a run, bounded.

Redirects are not followed, proxies not used, cookies not kept.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

from pydantic import Field

from probes import _http_body as content
from probes._clean import cleaned
from probes._http import Response, request
from probes._resolve import Address
from probes._service import AccountParams, Notes, Port, ServiceParams, Talk, bare, talking
from probes.api import Context, Target
from probes.errors import ExpectationFailed, OwnLoginFailed, PermissionMissing, ProtocolViolated

LIMIT = 1_048_576
"""Longest body read, in bytes, where the caller does not say."""
Fields = Iterable[tuple[str, str]]


class WebParams(AccountParams):
    """How a service with HTTP basic authentication is reached."""

    user: str | None = Field(None, pattern=r"^[^:\r\n\x00]+$", max_length=256)
    """Account, by basic authentication."""

    def secrets(self, context: Context) -> tuple[str, ...]:
        """Return what must not be shown."""
        return () if self.password is None else (context.shared.secret(self.password),)

    def login(self, context: Context) -> list[tuple[str, str]]:
        """Return the header fields that log in."""
        if self.password is None:
            return []
        pair = f"{self.user}:{context.shared.secret(self.password)}".encode()
        return [("Authorization", f"Basic {binascii.b2a_base64(pair, newline=False).decode()}")]


class Answer(Response):
    """A response, with all its cookies."""

    __slots__ = ("cookies",)

    def __init__(self, method: str, limit: int) -> None:
        super().__init__(method, limit, keep=True)
        self.cookies: list[str] = []
        """Values of the Set-Cookie fields."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one field."""
        super().on_header(name, value)
        if name.lower() == b"set-cookie":
            self.cookies.append(value.decode("latin-1"))

    @property
    def keeps(self) -> bool:
        """Whether the connection can be used again."""
        return self.complete and "close" not in self.field("connection").lower() and self._framed

    def text(self) -> str:
        """Return the body. Raises `ProtocolViolated` where it was cut off."""
        if self.truncated:
            raise ProtocolViolated(f"an answer of more than {self.limit} bytes")
        return content.text_of(bytes(self.body), self.field("content-type"))

    async def json(self) -> Any:
        """Return the body, read as JSON. Raises `ProtocolViolated`."""
        return await content.bounded(len(self.body), content.parsed, self.text())


class Web:
    """One service, asked on a connection that is opened when first needed, and again where it was closed."""

    def __init__(
        self,
        target: Target,
        address: Address,
        port: Port,
        params: ServiceParams,
        notes: Notes,
        until: float | None = None,
    ) -> None:
        self._target, self._address, self._port = target, address, port
        self._params, self._notes, self._until = params, notes, until
        host = f"[{bare(target.address)}]" if ":" in target.address else target.address
        self.authority = f"{host}:{port}"
        self._stack = AsyncExitStack()
        self._talk: Talk | None = None

    async def __aenter__(self) -> Web:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        fields: Fields = (),
        body: bytes = b"",
        limit: int = LIMIT,
        phase: str = "query",
    ) -> Answer:
        """Send one request and return its answer, whatever its status. Raises what a connection comes to."""
        if self._talk is None:
            opened = talking(
                self._target, self._address, self._port, self._params, self._notes, until=self._until
            )
            self._talk = await self._stack.enter_async_context(opened)
        given = {name.lower() for name, _ in fields}
        own = [("Host", self.authority), ("User-Agent", "muster"), ("Accept", "*/*")]
        every = [*((name, value) for name, value in own if name.lower() not in given), *fields]
        with self._notes.phase(phase):
            await self._talk.say(request(method, path, every, body))
            answer = await _answer(self._talk, Answer(method, limit))
        self._notes.context.log(f"{method} {path.partition('?')[0]}: {answer.status}")
        if not answer.keeps:
            self._talk = None
            await self._stack.aclose()
        return answer


async def _answer(talk: Talk, answer: Answer) -> Answer:
    while not answer.done:
        if not talk.left and not await talk.more():
            answer.end()
        data, talk.left = talk.left, b""
        if data:
            answer.feed(data)
    return answer


def refuse(answer: Answer, what: str, secrets: Iterable[str]) -> None:
    """Raise what a status other than 200 stands for.

    `OwnLoginFailed` (401), `PermissionMissing` (403: an account or an address that is not let in), else
    `ExpectationFailed`.
    """
    if answer.status == 200:
        return
    said = cleaned(content.text_of(bytes(answer.body[:2000]), answer.field("content-type")), secrets)
    detail = f"HTTP {answer.status} for {what}" + (f": {said}" if said and "<" not in said else "")
    if answer.status == 401:
        raise OwnLoginFailed(f"wrong_password: {detail}")
    if answer.status == 403:
        raise PermissionMissing(f"missing_right: {detail}")
    raise ExpectationFailed(detail)
