"""Asking by gufo-snmp: it makes questions and reads answers, `_snmp_wire` sends and takes them.

gufo hands over values and leaves out why there are none, so each answer is looked at before gufo gets it:
error status, reports, names that leave a subtree backwards, and in version 3 whether it is to be believed.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from probes import _snmp_usm as usm
from probes._driver import loaded
from probes._resolve import Address
from probes._snmp_message import REPORT, Seen
from probes._snmp_params import SnmpParams
from probes._snmp_values import Next, Pairs, Value, key, opaque, silence
from probes._snmp_wire import UNKNOWN_ENGINE, Wire, no_engine, told
from probes.api import Context, SecretRef, Shared
from probes.errors import ProtocolViolated, TimedOut

NOT_IN_TIME = "1.3.6.1.6.3.15.1.1.2"
NOWHERE = "127.0.0.1:9"
"""gufo's own socket is replaced before it sends anything."""
AUTH_KEYS = {"MD5": "Md5Key", "SHA1": "Sha1Key", "SHA224": "Sha224Key", "SHA256": "Sha256Key",
             "SHA384": "Sha384Key", "SHA512": "Sha512Key"}  # fmt: skip
PRIV_KEYS = {"DES": "DesKey", "AES128": "Aes128Key", "AES192": "Aes192Key", "AES256": "Aes256Key"}
T = TypeVar("T")


class MasterKeys:
    """Keys made of pass phrases (RFC 3414 A.2 hashes a megabyte for each); a client for `Shared.get`."""

    MOST = 1000

    def __init__(self, _: Shared) -> None:
        self._made: OrderedDict[bytes, bytes] = OrderedDict()
        self._salt = secrets.token_bytes(32)

    def of(self, hashed: str, phrase: bytes) -> bytes:
        """Return the key that the hash function `hashed` makes of `phrase`."""
        name = hashlib.blake2b(phrase, key=self._salt, person=hashed.encode()).digest()
        made = self._made.pop(name, b"") or usm.master_key(hashed, phrase)
        self._made[name] = made
        if len(self._made) > self.MOST:
            self._made.popitem(last=False)
        return made


class Gufo:
    """One agent, for one run."""

    def __init__(
        self, sock: Any, driver: ModuleType, address: Address, params: SnmpParams, until: float
    ) -> None:
        self._sock, self._driver, self._params, self._until = sock, driver, params, until
        self._wire = Wire(sock, address, params.port)
        self._user: usm.User | None = None
        self._spoke = False
        self.facts: dict[str, str] = {}

    async def get(self, oids: list[str]) -> dict[str, Value]:
        """Ask once for these."""
        found, _ = await self._ask(lambda: self._sock.send_get_many(oids), self._sock.recv_get_many)
        return {oid: _value(value) for oid, value in found.items() if oid in oids}

    def walk(self, base: str) -> Next:
        """Return what asks for the objects below `base`."""
        if self._params.version == "1":
            return self._steps(base)
        return self._bulks(base)

    def _steps(self, base: str) -> Next:
        iterator, last = self._driver.GetIter(base), base

        async def ask(_: int) -> Pairs | None:
            nonlocal last
            pair, outside = await self._ask(
                lambda: self._sock.send_get_next(iterator),
                lambda: _or_none(self._sock.recv_get_next, iterator),
            )
            if pair is None:
                _ended(outside, base, last)
                return None
            last = pair[0]
            return [(pair[0], _value(pair[1]))]

        return ask

    def _bulks(self, base: str) -> Next:
        iterator: Any = None
        asked, at, last, over = 0, base, base, False

        async def ask(repetitions: int) -> Pairs | None:
            nonlocal iterator, asked, at, last, over
            if over:
                return None
            if asked != repetitions:  # gufo can begin at the base only: what is known already is left out
                iterator, asked, at = self._driver.GetIter(base, repetitions), repetitions, base
            batch, outside = await self._ask(
                lambda: self._sock.send_get_bulk(iterator),
                lambda: _or_none(self._sock.recv_get_bulk, iterator),
            )
            pairs = [(pair[0], _value(pair[1])) for pair in batch or () if pair is not None]
            over = batch is None or len(pairs) != len(batch)
            if at != last:
                _increase(pairs, at)
            known, at = key(last) if at != last else (), pairs[-1][0] if pairs else at
            if over:
                _ended(outside, base, at)
            further = [pair for pair in pairs if key(pair[0]) > known] if known else pairs
            last = further[-1][0] if further else last
            return further

        return ask

    async def discover(self, user: Any, keys: MasterKeys) -> None:
        """Ask for the engine id, then, as `user`, for boots and time (RFC 3414 section 4)."""
        outside = await self._refresh(UNKNOWN_ENGINE)
        if outside.header is None or not outside.header.engine_id:
            raise no_engine()
        engine_id, auth = outside.header.engine_id, self._params.auth
        self.facts["engine_id"] = engine_id.hex()
        signs, hides = (one.key if one else b"" for one in (user.auth_key, user.priv_key))
        self._sock.set_keys(user.name, user.get_auth_alg(), signs, user.get_priv_alg(), hides)
        hashed = usm.DIGESTS[auth][0] if auth else ""
        self._user = usm.user(self._params, engine_id, signs, hides, lambda key: keys.of(hashed, key))
        if auth is not None:
            await self._refresh(NOT_IN_TIME)

    async def _refresh(self, expected: str) -> Seen:
        _, outside = await self._ask(self._sock.send_refresh, self._sock.recv_refresh, expected)
        return outside

    async def aclose(self) -> None:
        """Close all descriptors."""
        self._wire.close()
        self._sock = None

    async def _ask(
        self, send: Callable[[], None], receive: Callable[[], T], expected: str = ""
    ) -> tuple[T, Seen]:
        """Return what gufo reads from the answer, and what else that says; `expected` is a report's OID."""
        question = self._wire.question(send)
        for attempt in range(self._params.retries + 1):
            until = min(self._until, time.perf_counter() + self._params.timeout)
            try:
                data, outside = await self._wire.ask(
                    question, until, self._user.opened if self._user else None
                )
                break
            except TimedOut:
                if attempt == self._params.retries:
                    raise self._silence() from None
        name = next(iter(outside.names()), "") if outside.pdu == REPORT else ""
        if not expected or (name and not name.startswith(expected)):
            told(outside)
        self._wire.hand_over(data)
        return self._read(receive), outside

    def _read(self, receive: Callable[[], T]) -> T:
        try:
            received = receive()
        except (self._driver.SnmpError, NotImplementedError, ValueError, RuntimeError, OSError) as error:
            raise ProtocolViolated(f"no SNMP answer: {error}") from None
        self._spoke = True
        return received

    def _silence(self) -> Exception:
        params, unbelieved = self._params, self._wire.unbelieved
        if unbelieved:
            return ProtocolViolated(f"wrong_digest: {unbelieved} answers were not signed with this key")
        return silence(
            params.timeout,
            community=params.version != "3",
            encrypted=params.priv is not None,
            spoke=self._spoke,
        )


async def open_gufo(address: Address, params: SnmpParams, context: Context, until: float) -> Gufo:
    """Open a socket; of version 3 find out the engine. Raises `MissingDriver`, OSError and endings."""
    driver = await loaded("gufo.snmp._fast", "snmp")
    if params.version != "3":
        kind = driver.SnmpV1ClientSocket if params.version == "1" else driver.SnmpV2cClientSocket
        sock = kind(NOWHERE, _phrase(params.community, context), 0, 0, 0, 0)
        return Gufo(sock, driver, address, params, until)
    user = await _user(params, context)
    context.phase = "login"
    sock = driver.SnmpV3ClientSocket(NOWHERE, b"", "", 0, b"", 0, b"", 0, 0, 0, 0)
    engine = Gufo(sock, driver, address, params, until)
    try:
        await engine.discover(user, context.shared.get(MasterKeys))
    except BaseException:
        await engine.aclose()
        raise
    return engine


async def _user(params: SnmpParams, context: Context) -> Any:
    users = await loaded("gufo.snmp.user", "snmp")
    keys = context.shared.get(MasterKeys)
    auth = priv = None
    if params.auth is not None:
        hashed = usm.DIGESTS[params.auth][0]
        auth = getattr(users, AUTH_KEYS[params.auth])(
            keys.of(hashed, _phrase(params.auth_key, context).encode()), users.KeyType.Master
        )
        if params.priv is not None:
            made = keys.of(hashed, _phrase(params.priv_key, context).encode())
            priv = getattr(users, PRIV_KEYS[params.priv])(made, users.KeyType.Master)
    expansion = (
        users.KeyExpansion.Cisco if params.key_extension == "reeder" else users.KeyExpansion.Blumenthal
    )
    return users.User(params.user, auth_key=auth, priv_key=priv, key_expansion=expansion)


def _phrase(ref: SecretRef | None, context: Context) -> str:
    return "" if ref is None else context.shared.secret(ref)


def _increase(pairs: Pairs, last: str) -> None:
    before = key(last)
    for oid, _ in pairs:
        this = key(oid)
        if this <= before:
            raise ProtocolViolated(f"order: after {'.'.join(map(str, before))} it gave {oid}")
        before = this


def _ended(outside: Seen, base: str, last: str) -> None:
    """Raise `ProtocolViolated` where the name that ended a walk lies before what it had come to."""
    for name in outside.names():
        if not name.startswith(f"{base}."):
            if key(name) < key(last):
                raise ProtocolViolated(f"order: after {last} it gave {name}")
            return


def _or_none(receive: Callable[[Any], T], iterator: Any) -> T | None:
    try:
        return receive(iterator)
    except StopAsyncIteration:
        return None


def _value(value: Any) -> Value:
    if isinstance(value, bytes):
        return opaque(value) if value[:1] == b"\x9f" else value
    return value if isinstance(value, (int, float, str)) else str(value)
