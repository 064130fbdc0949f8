"""Asking by gufo-snmp, on its sockets and our clock.

gufo hands over values and leaves out why there are none, so each datagram is looked at before gufo takes it
(`_snmp_message`): error status, reports, and names that leave a subtree backwards.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from probes._driver import loaded
from probes._resolve import Address
from probes._snmp_message import REPORT, Seen, seen
from probes._snmp_params import SnmpParams
from probes._snmp_values import Next, Pairs, StatusError, Value, key, opaque, reported, silence
from probes.api import Context, SecretRef, Shared
from probes.errors import OwnLoginFailed, ProtocolViolated, Refused, TimedOut

LONGEST = 4080
"""gufo's buffer; what is longer it reads cut off."""
NOT_IN_TIME = "1.3.6.1.6.3.15.1.1.2"
AUTH_KEYS = {"MD5": "Md5Key", "SHA1": "Sha1Key", "SHA224": "Sha224Key", "SHA256": "Sha256Key",
             "SHA384": "Sha384Key", "SHA512": "Sha512Key"}  # fmt: skip
PRIV_KEYS = {"DES": "DesKey", "AES128": "Aes128Key", "AES192": "Aes192Key", "AES256": "Aes256Key"}
T = TypeVar("T")
_seen_bytes = bytearray(65_536)


class MasterKeys:
    """Keys made of pass phrases (RFC 3414 A.2 hashes a megabyte for each); a client for `Shared.get`."""

    MOST = 1000

    def __init__(self, _: Shared) -> None:
        self._made: OrderedDict[bytes, bytes] = OrderedDict()
        self._salt = secrets.token_bytes(32)

    def of(self, kind: Any, phrase: bytes) -> bytes:
        """Return the key that the authentication protocol `kind` makes of `phrase`."""
        name = hashlib.blake2b(phrase, key=self._salt, person=kind.SNMPD_PREFIX.encode()).digest()
        made: bytes = self._made.pop(name, b"") or kind.get_master_key(phrase)
        self._made[name] = made
        if len(self._made) > self.MOST:
            self._made.popitem(last=False)
        return made


class Gufo:
    """One gufo socket, and a second descriptor of it to look at what has arrived."""

    def __init__(self, sock: Any, driver: ModuleType, params: SnmpParams, until: float) -> None:
        self._sock, self._driver, self._params, self._until = sock, driver, params, until
        self._loop = asyncio.get_running_loop()
        self._look = socket.socket(fileno=os.dup(sock.get_fd()))
        self._look.setblocking(False)
        self._spoke = False
        self.facts: dict[str, str] = {}

    async def get(self, oids: list[str]) -> dict[str, Value]:
        """Ask once for these."""
        found, outside = await self._ask(lambda: self._sock.send_get_many(oids), self._sock.recv_get_many)
        _judge(outside)
        if not found and not outside.pdu and len(oids) > 1:
            raise StatusError(1, 0)  # encrypted: nothing, or an error that can't be seen; ask for less
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
            _judge(outside)
            if pair is None:
                _must_increase(outside, last)
                return None
            last = pair[0]
            return [(pair[0], _value(pair[1]))]

        return ask

    def _bulks(self, base: str) -> Next:
        iterator: Any = None
        asked, last, over = 0, base, False

        async def ask(repetitions: int) -> Pairs | None:
            nonlocal iterator, asked, last, over
            if over:
                return None
            if iterator is None or asked != repetitions:
                iterator, asked = self._driver.GetIter(base, repetitions), repetitions
            batch, outside = await self._ask(
                lambda: self._sock.send_get_bulk(iterator),
                lambda: _or_none(self._sock.recv_get_bulk, iterator),
            )
            _judge(outside)
            if batch is None:
                return None
            pairs = [(pair[0], _value(pair[1])) for pair in batch if pair is not None]
            if len(pairs) != len(batch):
                over = True
                _must_increase(outside, last)
            elif pairs:
                last = pairs[-1][0]
            return pairs

        return ask

    async def discover(self, user: Any) -> None:
        """Ask for the engine id, then, as `user`, for boots and time (RFC 3414 section 4)."""
        await self._refresh()
        engine_id = self._sock.get_engine_id()
        if not engine_id:
            raise ProtocolViolated("no_engine: it did not say its engine id")
        self.facts["engine_id"] = engine_id.hex()
        try:
            self._sock.set_keys(
                user.name, user.get_auth_alg(), user.get_auth_key(), user.get_priv_alg(), user.get_priv_key()
            )
        except ValueError:
            raise OwnLoginFailed("wrong_key: the library can't use this pass phrase") from None
        if user.require_auth():
            await self._refresh(expected=NOT_IN_TIME)

    async def _refresh(self, expected: str = "1.3.6.1.6.3.15.1.1.4") -> None:
        _, outside = await self._ask(self._sock.send_refresh, self._sock.recv_refresh)
        if outside.pdu == REPORT:
            names = outside.names() or [""]
            if not names[0].startswith(expected):
                raise reported(names[0])

    async def aclose(self) -> None:
        """Close both descriptors."""
        self._look.close()
        self._sock = None

    async def _ask(self, send: Callable[[], None], receive: Callable[[], T]) -> tuple[T, Seen]:
        for attempt in range(self._params.retries + 1):
            send()
            until = min(self._until, time.perf_counter() + self._params.timeout)
            try:
                return await self._answer(receive, until)
            except TimedOut:
                if attempt == self._params.retries:
                    break
        raise silence(
            self._params.timeout, community=self._params.version != "3",
            encrypted=self._params.priv is not None, spoke=self._spoke,
        )  # fmt: skip

    async def _answer(self, receive: Callable[[], T], until: float) -> tuple[T, Seen]:
        while True:
            size = await self._arrived(until)
            if size > LONGEST:
                raise ProtocolViolated(f"too_long: an answer of {size} octets")
            outside = seen(bytes(_seen_bytes[:size]))
            try:
                received = receive()
            except BlockingIOError:
                continue
            except self._driver.SnmpAuthError:
                raise _refused(outside) from None
            except (self._driver.SnmpError, NotImplementedError, ValueError, RuntimeError) as error:
                raise ProtocolViolated(f"no SNMP answer: {error}") from None
            self._spoke = True
            return received, outside

    async def _arrived(self, until: float) -> int:
        """Wait for a datagram and return its size; it stays where it is. Raises OSError, `TimedOut`."""
        late = False
        while True:
            try:
                return self._look.recv_into(_seen_bytes, 0, socket.MSG_PEEK)
            except BlockingIOError:
                if late:
                    raise TimedOut from None
            except ConnectionRefusedError:
                raise Refused("query: connection refused") from None
            late = not await self._readable(until - time.perf_counter())

    async def _readable(self, seconds: float) -> bool:
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._loop.add_reader(self._look, _wake, waiter, True)
        timer = self._loop.call_later(max(0.0, seconds), _wake, waiter, False)
        try:
            return await waiter
        finally:
            timer.cancel()
            self._loop.remove_reader(self._look)


async def open_gufo(address: Address, params: SnmpParams, context: Context, until: float) -> Gufo:
    """Open a socket; of version 3 find out the engine. Raises `MissingDriver`, OSError and endings."""
    driver = await loaded("gufo.snmp._fast", "snmp")
    host = (
        address.host
        if address.family == "4"
        else f"[{address.host}{f'%{address.scope}' * bool(address.scope)}]"
    )
    where = f"{host}:{params.port}"
    if params.version != "3":
        kind = driver.SnmpV1ClientSocket if params.version == "1" else driver.SnmpV2cClientSocket
        return Gufo(kind(where, _phrase(params.community, context), 0, 0, 0, 0), driver, params, until)
    user = await _user(params, context)
    context.phase = "login"
    engine = Gufo(
        driver.SnmpV3ClientSocket(where, b"", "", 0, b"", 0, b"", 0, 0, 0, 0), driver, params, until
    )
    try:
        await engine.discover(user)
    except BaseException:
        await engine.aclose()
        raise
    return engine


async def _user(params: SnmpParams, context: Context) -> Any:
    users = await loaded("gufo.snmp.user", "snmp")
    keys = context.shared.get(MasterKeys)
    auth = priv = None
    if params.auth is not None:
        kind = getattr(users, AUTH_KEYS[params.auth])
        master = users.KeyType.Master
        auth = kind(keys.of(kind, _phrase(params.auth_key, context).encode()), master)
        if params.priv is not None:
            made = keys.of(kind, _phrase(params.priv_key, context).encode())
            priv = getattr(users, PRIV_KEYS[params.priv])(made, master)
    expansion = (
        users.KeyExpansion.Cisco if params.key_extension == "reeder" else users.KeyExpansion.Blumenthal
    )
    return users.User(params.user, auth_key=auth, priv_key=priv, key_expansion=expansion)


def _phrase(ref: SecretRef | None, context: Context) -> str:
    return "" if ref is None else context.shared.secret(ref)


def _judge(outside: Seen) -> None:
    if outside.status:
        raise StatusError(outside.status, outside.index)


def _refused(outside: Seen) -> Exception:
    if outside.pdu == REPORT:
        return reported(next(iter(outside.names()), ""))
    if outside.status:
        return StatusError(outside.status, outside.index)
    return OwnLoginFailed("refused: the agent refused the account")


def _must_increase(outside: Seen, last: str) -> None:
    """Raise `ProtocolViolated` where the name that ended a walk lies before what it had come to."""
    for name in outside.names():
        if key(name) < key(last) and not last.startswith(f"{name}."):
            raise ProtocolViolated(f"order: after {last} it gave {name}")


def _or_none(receive: Callable[[Any], T], iterator: Any) -> T | None:
    try:
        return receive(iterator)
    except StopAsyncIteration:
        return None


def _value(value: Any) -> Value:
    if isinstance(value, bytes):
        return opaque(value) if value[:1] == b"\x9f" else value
    return value if isinstance(value, (int, float, str)) else str(value)


def _wake(waiter: asyncio.Future[bool], readable: bool) -> None:
    if not waiter.done():
        waiter.set_result(readable)
