"""The text protocol of memcached (doc/protocol.txt of its sources): the few commands that are asked here."""

from __future__ import annotations

from probes._clean import cleaned
from probes._service import Talk
from probes.errors import Ending, ExpectationFailed, OwnLoginFailed, ProtocolViolated

MAX_LINE = 4096
MAX_STATS = 2000
UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated"


class Memcached:
    """One connection; refusals of the server are raised as the endings that they stand for."""

    def __init__(self, talk: Talk, secrets: tuple[str, ...]) -> None:
        self._talk, self._secrets = talk, secrets

    async def ask(self, command: str, data: bytes | None = None) -> bytes:
        """Send a command, with its block of data, and return the first line of the answer."""
        block = b"" if data is None else data + b"\r\n"
        await self._talk.say(command.encode() + b"\r\n" + block)
        return await self._talk.line(MAX_LINE)

    async def version(self) -> str | None:
        """Return the version, or None where the server wants a login first."""
        line = await self.ask("version")
        if line.startswith(UNAUTHENTICATED):
            return None
        return self.after(b"VERSION ", line)

    async def login(self, user: str, password: str) -> None:
        """Log in by a first `set`, as a server with `-Y` takes it. Raises `OwnLoginFailed`."""
        pair = f"{user} {password}".encode()
        line = await self.ask(f"set muster 0 0 {len(pair)}", pair)
        if line != b"STORED":
            raise OwnLoginFailed(f"wrong_password: {self._said(line)}")

    async def stats(self) -> dict[str, str]:
        """Return the general statistics. Raises `ProtocolViolated` for more than `MAX_STATS` of them."""
        found: dict[str, str] = {}
        line = await self.ask("stats")
        while line != b"END":
            name, _, value = self.after(b"STAT ", line).partition(" ")
            found[name] = value
            if len(found) > MAX_STATS:
                raise ProtocolViolated(f"more than {MAX_STATS} statistics")
            line = await self._talk.line(MAX_LINE)
        return found

    async def store(self, key: str, value: bytes, seconds: int) -> None:
        """Store a value that expires by itself."""
        line = await self.ask(f"set {key} 0 {seconds} {len(value)}", value)
        if line != b"STORED":
            raise self.refusal(line)

    async def fetch(self, key: str) -> bytes | None:
        """Return a value, or None where there is none."""
        line = await self.ask(f"get {key}")
        if line == b"END":
            return None
        size = self.after(b"VALUE ", line).split(" ")[-1]
        if not size.isdecimal() or int(size) > MAX_LINE:
            raise ProtocolViolated(f"a value of {size[:20]} bytes")
        value = await self._talk.exactly(int(size) + 2)
        await self._talk.line(MAX_LINE)
        return value[:-2]

    async def delete(self, key: str) -> None:
        """Delete a value that is there."""
        line = await self.ask(f"delete {key}")
        if line != b"DELETED":
            raise self.refusal(line)

    def after(self, start: bytes, line: bytes) -> str:
        """Return what follows `start`. Raises the refusal that the line is instead."""
        if not line.startswith(start):
            raise self.refusal(line)
        return line[len(start) :].decode("utf-8", "replace")

    def refusal(self, line: bytes) -> Ending:
        """Return the ending that a line stands for which is not the answer."""
        said = self._said(line)
        if line.startswith(b"ERROR Too many open connections"):
            return ExpectationFailed(f"too_many_connections: {said}")
        if line.startswith(b"SERVER_ERROR out of memory"):
            return ExpectationFailed(f"out_of_memory: {said}")
        if line.startswith(UNAUTHENTICATED):
            return OwnLoginFailed(f"wrong_password: {said}")
        if line.startswith((b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR", b"NOT_")):
            return ExpectationFailed(f"refused: {said}")
        return ProtocolViolated(f"no answer of memcached: {said!r}")

    def _said(self, line: bytes) -> str:
        return cleaned(line.decode("utf-8", "replace"), self._secrets)
