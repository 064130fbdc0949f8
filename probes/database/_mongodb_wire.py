"""One connection with a MongoDB server: OP_MSG (MongoDB Wire Protocol), BSON by pymongo, SCRAM by scramp.

pymongo's own client keeps connections of its own to watch the server, and tries again by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import struct
from collections.abc import Mapping
from itertools import count
from typing import Any

import bson
from bson.binary import Binary
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from scramp import ScramClient, ScramException

from probes.database._mongodb_reply import Unheard, refusal
from probes.database._streams import Streams
from probes.errors import Ending, OwnLoginFailed, ProtocolViolated

HEAD = struct.Struct("<iiii")
OP_MSG = 2013
MOST_BYTES = 8 * 2**20
"""Bytes that a server may say in one answer."""
IN_LOOP = 128 * 1024
"""Bytes of BSON that are decoded in the loop; more of it in a thread."""
ITERATIONS = range(4096, 1_000_001)
"""How often the server may have the password hashed: less is unsafe (RFC 7677), more holds a thread."""
OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    unicode_decode_error_handler="replace", datetime_conversion=DatetimeConversion.DATETIME_MS
)
Document = dict[str, Any]


class MongoLink:
    """A connection; each command is asked on its own, and ended by the server after `timeout_ms`."""

    def __init__(self, streams: Streams, timeout_ms: int, *, secure: bool) -> None:
        self._reader, self._writer = streams
        self._timeout_ms, self._secure = timeout_ms, secure
        self._numbers = count(1)
        self._heard = False
        self.secrets: tuple[str, ...] = ()

    async def ask(self, database: str, command: Mapping[str, Any]) -> Document:
        """Return the answer to a command. Raises the ending that a refusal stands for (`_mongodb_reply`)."""
        limit = {} if {"hello", "isMaster"} & {*command} else {"maxTimeMS": self._timeout_ms}
        answer = await self._talk({**command, **limit, "$db": database})
        if not answer.get("ok"):
            raise refusal(answer, self.secrets)
        return answer

    async def log_in(self, user: str, password: str, source: str, mechanisms: list[str]) -> None:
        """Log in by SCRAM (RFC 5802). Raises `OwnLoginFailed`, also for a server that does not know us."""
        self.secrets = (password,)
        mechanism = "SCRAM-SHA-256" if "SCRAM-SHA-256" in mechanisms or not mechanisms else "SCRAM-SHA-1"
        secret = password if mechanism == "SCRAM-SHA-256" else _digest(user, password)
        client = ScramClient([mechanism], user, secret)
        try:
            await self._converse(client, mechanism, source)
        except (ScramException, KeyError, TypeError, UnicodeError) as error:
            raise ProtocolViolated(f"it does not speak SCRAM ({type(error).__name__})") from None

    async def _converse(self, client: ScramClient, mechanism: str, source: str) -> None:
        start = {
            "saslStart": 1, "mechanism": mechanism, "payload": Binary(client.get_client_first().encode()),
            "options": {"skipEmptyExchange": True}, "$db": source,
        }  # fmt: skip
        answer = await self._login_step(start)
        first = bytes(answer["payload"]).decode()
        found = re.search(r",i=(\d{1,9})(?:,|$)", first)
        if found is None or int(found[1]) not in ITERATIONS:
            raise ProtocolViolated("the server wants the password hashed too often, or too little")
        client.set_server_first(first)
        final = await asyncio.to_thread(client.get_client_final)
        more = {"saslContinue": 1, "conversationId": answer["conversationId"], "$db": source}
        answer = await self._login_step(more | {"payload": Binary(final.encode())})
        try:
            client.set_server_final(bytes(answer["payload"]).decode())
        except ScramException:
            raise ProtocolViolated("the server does not know the account's password itself") from None
        if not answer.get("done"):
            await self._login_step(more | {"payload": Binary(b"")})

    async def _login_step(self, command: Document) -> Document:
        answer = await self._talk(command)
        if answer.get("ok"):
            return answer
        ending = refusal(answer, self.secrets)
        if answer.get("code") == 18:
            raise ending
        raise OwnLoginFailed(f"login_refused: {ending.detail.partition(': ')[2]}")

    async def _talk(self, command: Document) -> Document:
        number = next(self._numbers)
        body = b"\0\0\0\0\0" + bson.encode(command)
        self._writer.write(HEAD.pack(HEAD.size + len(body), number, 0, OP_MSG) + body)
        try:
            await self._writer.drain()
            size, _, answers, code = HEAD.unpack(await self._reader.readexactly(HEAD.size))
            if code != OP_MSG or answers != number or not HEAD.size + 5 < size <= MOST_BYTES:
                raise ProtocolViolated("the answer is no MongoDB (OP_MSG)")
            self._heard = True
            return await _decoded(await self._reader.readexactly(size - HEAD.size))
        except asyncio.IncompleteReadError as error:
            raise self._lost(bool(error.partial)) from None
        except ConnectionResetError:
            raise self._lost(partly=False) from None

    def _lost(self, partly: bool) -> Ending:
        if self._heard or partly:
            return ProtocolViolated("closed amid an answer")
        return Unheard(secure=self._secure)


async def _decoded(body: bytes) -> Document:
    """Return the document of an OP_MSG's body: flags, then one section of kind 0."""
    if body[4] != 0:
        raise ProtocolViolated("the answer is no MongoDB (an unknown section)")
    try:
        if len(body) <= IN_LOOP:
            return bson.decode(body[5:], OPTIONS)
        return await asyncio.to_thread(bson.decode, body[5:], OPTIONS)
    except (BSONError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ProtocolViolated(f"the answer is no BSON ({type(error).__name__})") from None


def _digest(user: str, password: str) -> str:
    """Return what SCRAM-SHA-1 takes for the password (MongoDB Authentication specification)."""
    return hashlib.md5(f"{user}:mongo:{password}".encode(), usedforsecurity=False).hexdigest()
