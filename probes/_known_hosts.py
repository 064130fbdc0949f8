"""Which host keys are known, as OpenSSH's known_hosts files say it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path

from probes.errors import PermissionMissing

MAX_BYTES = 16 * 1024 * 1024


class Trust(Enum):
    """What a file says of a host's key."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class HostKey:
    """One public key: its type ("ssh-ed25519", ...) and its blob as on the wire."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint as `ssh-keygen -l` prints it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"SHA256:{digest.rstrip('=')}"

    @property
    def text(self) -> str:
        """Type and key as they are written in a known_hosts line."""
        return f"{self.type} {base64.b64encode(self.blob).decode()}"


@dataclass(slots=True)
class KnownHosts:
    """The keys of one file, indexed by plain name; hashed names and patterns are tried one by one."""

    by_name: dict[str, list[HostKey]] = field(default_factory=dict)
    hashed: list[tuple[bytes, bytes, HostKey]] = field(default_factory=list)
    patterns: list[tuple[tuple[str, ...], HostKey]] = field(default_factory=list)
    revoked: set[bytes] = field(default_factory=set)

    def keys(self, host: str, port: int) -> list[HostKey]:
        """Return the keys known for a host, in the order of the file's kinds of names."""
        name = host_name(host, port)
        return [
            *self.by_name.get(name, ()),
            *(key for salt, digest, key in self.hashed if _hash(salt, name) == digest),
            *(key for patterns, key in self.patterns if _matches(patterns, name)),
        ]

    def trust(self, host: str, port: int, offered: HostKey) -> Trust:
        """Return what the file says of the key a host offered."""
        if offered.blob in self.revoked:
            return Trust.REVOKED
        known = self.keys(host, port)
        if offered in known:
            return Trust.KNOWN
        return Trust.CHANGED if known else Trust.UNKNOWN


class KnownFile:
    """The file of known hosts, read again when it changed."""

    def __init__(self, path: Path | None) -> None:
        self.path = path or Path.home() / ".ssh" / "known_hosts"
        self._stamp = (-1, -1)
        self._hosts = KnownHosts()

    async def read(self) -> KnownHosts:
        """Return what the file says now. Raises `PermissionMissing` where it can't be read."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> KnownHosts:
        try:
            stat = self.path.stat() if self.path.exists() else None
            stamp = (stat.st_mtime_ns, stat.st_size) if stat else (0, 0)
            if stamp != self._stamp:
                self._hosts, self._stamp = read(self.path), stamp
        except OSError as error:
            raise PermissionMissing(f"can't read the known hosts in {self.path}: {error.strerror}") from None
        return self._hosts


def host_name(host: str, port: int) -> str:
    """Return the name under which a host stands in the file: `[host]:port` unless the port is 22."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def read(path: Path) -> KnownHosts:
    """Read a file; one that does not exist knows nobody. Raises OSError where it can't be read."""
    try:
        with path.open("rb") as file:
            return parse(file.read(MAX_BYTES).decode("utf-8", "replace"))
    except FileNotFoundError:
        return KnownHosts()


def parse(text: str) -> KnownHosts:
    """Parse the text of a file; lines that make no sense are passed over, as OpenSSH does."""
    known = KnownHosts()
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            _add(known, words)
    return known


def _add(known: KnownHosts, words: list[str]) -> None:
    marker = words.pop(0) if words[0].startswith("@") else ""
    if len(words) < 3:
        return
    try:
        key = HostKey(words[1], base64.b64decode(words[2], validate=True))
    except ValueError:
        return
    if marker == "@revoked":
        known.revoked.add(key.blob)
    elif not marker:
        _add_names(known, words[0], key)


def _add_names(known: KnownHosts, names: str, key: HostKey) -> None:
    if names.startswith("|1|"):
        salt, _, digest = names[3:].partition("|")
        try:
            known.hashed.append(
                (base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True), key)
            )
        except ValueError:
            return
    elif any(c in names for c in "*?!"):
        known.patterns.append((tuple(names.lower().split(",")), key))
    else:
        for name in names.lower().split(","):
            known.by_name.setdefault(name, []).append(key)


def _hash(salt: bytes, name: str) -> bytes:
    return hmac.new(salt, name.encode(), hashlib.sha1).digest()


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    if any(_wild(name, p[1:]) for p in patterns if p.startswith("!")):
        return False
    return any(_wild(name, p) for p in patterns if not p.startswith("!"))


def _wild(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern.replace("[", "[[]"))
