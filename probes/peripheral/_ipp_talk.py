"""Questions to one printer over HTTP (RFC 8010, section 4): asked on one connection, answers judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from probes._clean import cleaned
from probes._service import Port, bare
from probes._web import Answer, Web, WebParams, refuse
from probes.api import Context, Target
from probes.errors import ExpectationFailed, ProtocolViolated
from probes.peripheral._ipp_answers import refusal, texts
from probes.peripheral._ipp_message import NAME, OPERATION, URI, Attribute, Message, answer, question

MEDIA_TYPE = "application/ipp"
LIMIT = 262_144


class IppParams(WebParams):
    """How a printer is reached; `tls: on` is IPPS."""

    port: Port = 631
    """Where it listens."""
    path: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=500)] = "/ipp/print"
    """Path of the printer; a queue of CUPS is `/printers/NAME`."""
    version: Literal["1.0", "1.1", "2.0"] = "1.1"
    """Version of IPP that is spoken; newer printers know 1.1 as well."""


class IppTalk:
    """One printer; questions are numbered."""

    def __init__(self, web: Web, target: Target, params: IppParams, context: Context) -> None:
        host = f"[{bare(target.address)}]" if ":" in target.address else target.address
        scheme = "ipps" if params.tls == "on" else "ipp"
        port = "" if params.port == 631 else f":{params.port}"
        self._uri = f"{scheme}://{host}{port}{params.path}"
        self._web, self._path, self._version = web, params.path, params.version
        self._login, self._secrets = params.login(context), params.secrets(context)
        self._user = params.user or "muster"
        self._number = 0

    async def ask(
        self,
        operation: int,
        what: str,
        attributes: Iterable[Attribute] = (),
        *,
        document: bytes = b"",
        phase: str = "query",
    ) -> Message:
        """Ask and return the answer, whose status is a good one. Raises what a refusal comes to."""
        self._number += 1
        own = (
            Attribute(URI, "printer-uri", (self._uri,)),
            Attribute(NAME, "requesting-user-name", (self._user,)),
        )
        body = question(self._version, operation, self._number, (*own, *attributes)) + document
        fields = [("Content-Type", MEDIA_TYPE), *self._login]
        found = await self._web.ask("POST", self._path, fields=fields, body=body, limit=LIMIT, phase=phase)
        message = self._read(found, what)
        if message.status >= 0x0100:
            said = [text for group in message.of(OPERATION) for text in texts(group, "status-message")]
            raise refusal(message.status, what, cleaned(" ".join(said), self._secrets))
        return message

    def _read(self, found: Answer, what: str) -> Message:
        if found.status == 426:
            raise ExpectationFailed(f"tls_required: HTTP 426 for {what}")
        refuse(found, what, self._secrets)
        kind = found.field("content-type").partition(";")[0].strip().lower()
        if kind != MEDIA_TYPE:
            raise ProtocolViolated(f"no IPP but {kind or 'nothing'}")
        if found.truncated:
            raise ProtocolViolated(f"an answer of more than {LIMIT} bytes")
        return answer(bytes(found.body), self._number)
