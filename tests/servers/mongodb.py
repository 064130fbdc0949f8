"""A stand-in for MongoDB, which no registry has: OP_MSG, SCRAM, and answers shaped as its manual has them.

It is no MongoDB: it shows that the probe speaks the protocol (pymongo talks to it, too), and what it makes of
answers of several versions.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.binary import Binary
from bson.timestamp import Timestamp
from scramp import ScramException, ScramMechanism

from tests.servers.hostile import tcp_server

HEAD = struct.Struct("<iiii")
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
NOW = dt.datetime(2026, 11, 20, 8, 0, 0, tzinfo=dt.UTC)
MEMBER = {"_id": 0, "health": 1.0, "uptime": 4822189, "pingMs": 0, "configVersion": 4}
Document = dict[str, Any]
Answers = dict[str, Any]


def member(name: str, state: int, said: str, behind_s: float | None = 0, **more: Any) -> Document:
    """Return a member of `replSetGetStatus`; an arbiter has no optime."""
    at = {} if behind_s is None else {"optimeDate": NOW - dt.timedelta(seconds=behind_s)}
    return {**MEMBER, "name": f"{name}:27017", "state": state, "stateStr": said, **at, **more}


def replica_set(*members: Document, state: int = 1) -> Answers:
    """Return answers of a member of a replica set."""
    hello = {
        "isWritablePrimary": state == 1, "secondary": state == 2, "setName": "rs0", "me": "10.0.0.1:27017",
        "hosts": [each["name"] for each in members], **({"arbiterOnly": True} if state == 7 else {}),
    }  # fmt: skip
    status = {"set": "rs0", "date": NOW, "myState": state, "members": [*members]}
    return {"hello": hello, "replSetGetStatus": status}


def server_status(**more: Any) -> Document:
    """Return what `serverStatus` says of a server of 6.0, less what is not read."""
    cache = {
        "bytes currently in the cache": 400 * 2**20, "tracked dirty bytes in the cache": 25 * 2**20,
        "maximum bytes configured": 500 * 2**20,
    }  # fmt: skip
    return {
        "host": "db1", "version": "6.0.14", "process": "mongod", "uptime": 86_400.0,
        "connections": {"current": 40, "available": 760, "totalCreated": 5000, "active": 3},
        "globalLock": {"totalTime": 1, "currentQueue": {"total": 2, "readers": 1, "writers": 1}},
        "mem": {"bits": 64, "resident": 900, "virtual": 2400, "supported": True},
        "wiredTiger": {"cache": cache}, "filler": ["x" * 100] * 2000, **more,
    }  # fmt: skip


STANDALONE: Answers = {
    "hello": {"isWritablePrimary": True, "maxWireVersion": 17, "localTime": NOW},
    "ping": {},
    "buildInfo": {"version": "6.0.14", "modules": [], "bits": 64},
    "serverStatus": server_status(),
    "replSetGetStatus": {"ok": 0.0, "code": 76, "errmsg": "not running with --replSet"},
    "dbStats": {
        "db": "billing",
        "storageSize": 3e9,
        "indexSize": 1e9,
        "fsUsedSize": 6e10,
        "fsTotalSize": 1e11,
    },
    "getParameter": {"ok": 0.0, "code": 72, "errmsg": "no option found to get"},
    "createIndexes": {},
}
OPLOG = [{"ts": Timestamp(1_700_000_000, 1)}, {"ts": Timestamp(1_700_090_000, 7)}]


def unauthorized(command: str) -> Document:
    """Return the answer to what an account has no right for."""
    return {
        "ok": 0.0, "code": 13, "codeName": "Unauthorized",
        "errmsg": f"not authorized on admin to execute command {{ {command}: 1 }}",
    }  # fmt: skip


@dataclass
class Mongod:
    """What the stand-in answers, who may log in, and what it has been told."""

    answers: Answers
    users: Mapping[str, str] = field(default_factory=dict)
    mechanisms: tuple[str, ...] = ("SCRAM-SHA-256", "SCRAM-SHA-1")
    asked: list[Document] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    indexes: list[Document] = field(default_factory=list)
    connections: int = 0
    opened: int = 0
    iterations: int = 4096
    delay: Callable[[Document], float] = lambda _: 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with one client until it goes."""
        self.connections += 1
        self.opened += 1
        session = _Session(self)
        try:
            while True:
                size, number, _, code = HEAD.unpack(await reader.readexactly(HEAD.size))
                body = await reader.readexactly(size - HEAD.size)
                command = _command(code, body)
                self.asked.append(command)
                await asyncio.sleep(self.delay(command))
                writer.write(_reply(code, number, session.answer(command)))
                await writer.drain()
        except asyncio.IncompleteReadError:
            return
        finally:
            self.connections -= 1


def _command(code: int, body: bytes) -> Document:
    """Return the command of an OP_MSG, or of the OP_QUERY in which a client may say hello first."""
    if code != OP_MSG:
        end = body.index(b"\0", 4)
        return bson.decode(body[end + 9 :])
    size = int.from_bytes(body[5:9], "little")
    command, rest = bson.decode(body[5 : 5 + size]), body[5 + size :]
    if rest:
        end = rest.index(b"\0", 5)
        command[rest[5:end].decode()] = bson.decode_all(rest[end + 1 :])
    return command


def _reply(code: int, number: int, answer: Document) -> bytes:
    document = bson.encode(answer)
    if code == OP_MSG:
        head, kind = b"\0\0\0\0\0", OP_MSG
    else:
        head, kind = struct.pack("<iqii", 8, 0, 0, 1), OP_REPLY
    size = HEAD.size + len(head) + len(document)
    return HEAD.pack(size, number + 1000, number, kind) + head + document


class _Session:
    """One client: who it is."""

    def __init__(self, server: Mongod) -> None:
        self._server = server
        self._in = not server.users
        self._scram: Any = None

    def answer(self, command: Document) -> Document:
        name = next(iter(command))
        given = self._answered(name, command)
        return given if "ok" in given else {**given, "ok": 1.0}

    def _answered(self, name: str, command: Document) -> Document:
        if name in ("hello", "isMaster", "ismaster"):
            return self._hello(name, command)
        if name in ("saslStart", "saslContinue"):
            return self._login(name, command)
        if not self._in and name not in ("buildInfo", "ping"):
            return {"ok": 0.0, "code": 13, "errmsg": f"command {name} requires authentication"}
        if name in ("insert", "delete", "find", "createIndexes"):
            return self._data(name, command)
        known = self._server.answers.get(name)
        if callable(known):
            known = known(command)
        return (
            {"ok": 0.0, "code": 59, "errmsg": f"no such command: '{name}'"} if known is None else dict(known)
        )

    def _hello(self, name: str, command: Document) -> Document:
        known = self._server.answers.get("isMaster" if name == "ismaster" else name)
        if known is None and name == "hello":
            return {"ok": 0.0, "code": 59, "errmsg": "no such command: 'hello'"}
        told = dict(known if known is not None else self._server.answers["hello"])
        told.setdefault("maxWireVersion", 17)
        told.setdefault("minWireVersion", 0)
        if "saslSupportedMechs" in command:
            told["saslSupportedMechs"] = [*self._server.mechanisms]
        return told

    def _login(self, name: str, command: Document) -> Document:
        said = bytes(command["payload"]).decode()
        try:
            if name == "saslStart":
                return self._first(command["mechanism"], said)
            if not said:
                return self._step("", done=True)
            self._scram.set_client_final(said)
        except (ScramException, KeyError):
            return {
                "ok": 0.0,
                "code": 18,
                "codeName": "AuthenticationFailed",
                "errmsg": "Authentication failed.",
            }
        self._in = True
        return self._step(self._scram.get_server_final(), done=True)

    def _first(self, mechanism: str, said: str) -> Document:
        scram = ScramMechanism(mechanism)

        def account(user: str) -> Any:
            password = self._server.users[user]
            if mechanism == "SCRAM-SHA-1":
                password = hashlib.md5(f"{user}:mongo:{password}".encode()).hexdigest()
            return scram.make_auth_info(password, iteration_count=self._server.iterations)

        self._scram = scram.make_server(account)
        self._scram.set_client_first(said)
        return self._step(self._scram.get_server_first(), done=False)

    def _step(self, payload: str, *, done: bool) -> Document:
        return {"conversationId": 1, "done": done, "payload": Binary(payload.encode())}

    def _data(self, name: str, command: Document) -> Document:
        if (given := self._server.answers.get(name)) and name != "createIndexes":
            return dict(given)
        documents = self._server.documents
        if name == "createIndexes":
            self._server.indexes += command["indexes"]
            return {"createdCollectionAutomatically": False}
        if name == "insert":
            documents.update({each["_id"]: each for each in command["documents"]})
            return {"n": 1}
        if name == "delete":
            documents.pop(command["deletes"][0]["q"]["_id"], None)
            return {"n": 1}
        return {
            "cursor": {
                "id": 0,
                "ns": f"{command['$db']}.{command['find']}",
                "firstBatch": self._found(command),
            }
        }

    def _found(self, command: Document) -> list[Document]:
        if command["find"] == "oplog.rs":
            return [OPLOG[0 if command["sort"]["$natural"] == 1 else 1]]
        found = self._server.documents.get(command["filter"]["_id"])
        return [] if found is None else [found]


@asynccontextmanager
async def mongod(
    answers: Answers | None = None, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[tuple[int, Mongod]]:
    """Run a stand-in that answers as a standalone server of 6.0, where not told otherwise."""
    server = Mongod({**STANDALONE, **(answers or {})}, **options)
    async with tcp_server(server.serve, tls=tls) as port:
        yield port, server
