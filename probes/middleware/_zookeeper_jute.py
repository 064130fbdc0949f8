"""ZooKeeper's client protocol, as little of it as a round trip needs (zookeeper.jute of its sources).

A packet is its length and its records: integers big-endian, texts and buffers behind their length. The node
that is made is ephemeral: it goes with its session, at the latest when that has expired.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from probes._service import Talk
from probes.errors import Ending, ExpectationFailed, OwnLoginFailed, PermissionMissing, ProtocolViolated

MAX_PACKET = 1_048_576
SESSION_MS = 10_000
"""What is asked for; the server may give from 2 to 20 of its ticks."""
CREATE, DELETE, GET_DATA, SET_AUTH, CLOSE = 1, 2, 4, 100, -11
AUTH_XID = -4
EPHEMERAL = 1
ALL_RIGHTS = 31
ANY_VERSION = -1

NO_NODE, NO_AUTH, NODE_EXISTS, AUTH_FAILED, READ_ONLY, QUOTA = -101, -102, -110, -115, -119, -125
_ERRORS: dict[int, tuple[type[Ending], str]] = {
    NO_NODE: (ExpectationFailed, "no_such_node: {path} is not there"),
    NO_AUTH: (PermissionMissing, "missing_right: the account may not {what} {path}"),
    NODE_EXISTS: (ExpectationFailed, "refused: {path} is there already"),
    AUTH_FAILED: (OwnLoginFailed, "wrong_password: the login was refused"),
    READ_ONLY: (ExpectationFailed, "read_only: the server has no quorum and takes no writes"),
    QUOTA: (ExpectationFailed, "quota: the quota of {path} is used up"),
}


def buffer(data: bytes) -> bytes:
    """Encode a buffer."""
    return struct.pack(">i", len(data)) + data


def text(value: str) -> bytes:
    """Encode a text."""
    return buffer(value.encode())


def take(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the buffer at an offset, and where it ends. Raises `ProtocolViolated`."""
    try:
        (size,) = struct.unpack_from(">i", data, at)
    except struct.error:
        raise ProtocolViolated("a packet that is too short") from None
    size = max(size, 0)
    end = at + 4 + size
    if end > len(data):
        raise ProtocolViolated("a packet that is too short")
    return data[at + 4 : end], end


@dataclass(slots=True)
class Session:
    """A session over one connection: `open`, some of the others, `close`."""

    talk: Talk
    xid: int = 0

    async def open(self) -> None:
        """Begin a session. Raises `ProtocolViolated`, and `ExpectationFailed` where it is refused."""
        hello = struct.pack(">iqiq", 0, 0, SESSION_MS, 0) + buffer(bytes(16)) + b"\0"
        await self.talk.say(buffer(hello))
        answer = await self._packet()
        if len(answer) < 16:
            raise ProtocolViolated("no ConnectResponse of ZooKeeper")
        if struct.unpack_from(">i", answer, 4)[0] <= 0:
            raise ExpectationFailed("refused: the server gave no session")

    async def login(self, user: str, password: str) -> None:
        """Add an account of the scheme `digest`; whether it is right shows in its rights."""
        packet = struct.pack(">iii", AUTH_XID, SET_AUTH, 0) + text("digest") + text(f"{user}:{password}")
        await self._call(packet, AUTH_XID, "log in", "")

    async def create(self, path: str, data: bytes, *, owned: bool) -> None:
        """Make an ephemeral node: all rights for the account that logged in, or for anyone."""
        scheme, name = ("auth", "") if owned else ("world", "anyone")
        rights = struct.pack(">ii", 1, ALL_RIGHTS) + text(scheme) + text(name)
        body = text(path) + buffer(data) + rights + struct.pack(">i", EPHEMERAL)
        await self._ask(CREATE, body, "create", path)

    async def read(self, path: str) -> bytes:
        """Return the data of a node."""
        return take(await self._ask(GET_DATA, text(path) + b"\0", "read", path), 0)[0]

    async def delete(self, path: str) -> None:
        """Delete a node."""
        await self._ask(DELETE, text(path) + struct.pack(">i", ANY_VERSION), "delete", path)

    async def close(self) -> None:
        """End the session."""
        await self._ask(CLOSE, b"", "close", "")

    async def _ask(self, kind: int, body: bytes, what: str, path: str) -> bytes:
        self.xid += 1
        return await self._call(struct.pack(">ii", self.xid, kind) + body, self.xid, what, path)

    async def _call(self, packet: bytes, xid: int, what: str, path: str) -> bytes:
        await self.talk.say(buffer(packet))
        answer = await self._packet()
        if len(answer) < 16:
            raise ProtocolViolated("no ReplyHeader of ZooKeeper")
        got, _, error = struct.unpack_from(">iqi", answer)
        if got != xid:
            raise ProtocolViolated(f"the answer to {got}, when {xid} was asked")
        if error:
            kind, detail = _ERRORS.get(error, (ExpectationFailed, "refused: error {error} of ZooKeeper"))
            raise kind(detail.format(what=what, path=path, error=error))
        return answer[16:]

    async def _packet(self) -> bytes:
        (size,) = struct.unpack(">i", await self.talk.exactly(4))
        if not 0 <= size <= MAX_PACKET:
            raise ProtocolViolated(f"a packet of {size} bytes")
        return await self.talk.exactly(size)
