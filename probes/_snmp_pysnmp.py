"""Asking by pysnmp: pure Python, slow, and able to do all that RFC 3414 and 3415 ask of a client.

One SNMP engine per account and loop, since an engine knows a user name once; its port stays open between
runs. It keeps a small entry of each target.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from types import ModuleType
from typing import Any

from probes._driver import loaded
from probes._resolve import Address
from probes._snmp_params import SnmpParams
from probes._snmp_values import Next, Pairs, StatusError, Value, opaque, reported, silence
from probes.api import Context, SecretRef, Shared
from probes.errors import Ending, OwnLoginFailed, ProtocolViolated

AUTH = {"MD5": "USM_AUTH_HMAC96_MD5", "SHA1": "USM_AUTH_HMAC96_SHA", "SHA224": "USM_AUTH_HMAC128_SHA224",
        "SHA256": "USM_AUTH_HMAC192_SHA256", "SHA384": "USM_AUTH_HMAC256_SHA384",
        "SHA512": "USM_AUTH_HMAC384_SHA512"}  # fmt: skip
PRIV = {"DES": "USM_PRIV_CBC56_DES", "AES128": "USM_PRIV_CFB128_AES",
        "AES192": "USM_PRIV_CFB192_AES", "AES256": "USM_PRIV_CFB256_AES"}  # fmt: skip
INDICATIONS = {
    "UnknownUserName": "3", "UnknownSecurityName": "3", "WrongDigest": "5", "AuthenticationFailure": "5",
    "AuthenticationError": "5", "UnsupportedSecurityLevel": "1", "NotInTimeWindow": "2",
    "UnknownEngineID": "4", "EngineIDMismatch": "4", "DecryptionError": "6",
}  # fmt: skip
"""pysnmp's names of the reports, by the counter of usmStats that the agent sent."""


class Engines:
    """The engines of the running loop; a client for `Shared.get`."""

    MOST = 32

    def __init__(self, _: Shared) -> None:
        self._made: OrderedDict[bytes, Any] = OrderedDict()
        self._salt = secrets.token_bytes(32)

    def of(self, account: tuple[str, ...], library: ModuleType) -> Any:
        """Return the engine for `account`; the one longest unused is closed beyond `MOST`."""
        name = hashlib.blake2b("\0".join(account).encode(), key=self._salt).digest()
        engine = self._made.pop(name, None) or library.SnmpEngine()
        self._made[name] = engine
        if len(self._made) > self.MOST:
            self._made.popitem(last=False)[1].close_dispatcher()
        return engine

    async def aclose(self) -> None:
        """Close all ports."""
        for engine in self._made.values():
            engine.close_dispatcher()


class Pysnmp:
    """One target of an engine, for one run."""

    def __init__(
        self,
        library: ModuleType,
        engine: Any,
        account: Any,
        address: Address,
        params: SnmpParams,
        until: float,
    ) -> None:
        self._library, self._engine, self._account, self._params = library, engine, account, params
        self._address, self._until = address, until
        self._context = library.ContextData(contextName=params.context.encode())
        self._spoke = False
        self.facts: dict[str, str] = {}

    async def get(self, oids: list[str]) -> dict[str, Value]:
        """Ask once for these."""
        answered = await self._ask(self._library.get_cmd, oids)
        return {oid: value for oid, value in map(self._pair, answered) if value is not None}

    def walk(self, base: str) -> Next:
        """Return what asks for the objects below `base`."""
        last, over, below = base, False, f"{base}."

        async def ask(repetitions: int) -> Pairs | None:
            nonlocal last, over
            if over:
                return None
            command, first = self._library.next_cmd, tuple[int, ...]()
            if self._params.version != "1":
                command, first = self._library.bulk_cmd, (0, repetitions)
            found: Pairs = []
            for oid, value in map(self._pair, await self._ask(command, [last], *first)):
                if value is None or not oid.startswith(below):
                    over = True
                    self._must_increase(oid, value, last)
                    break
                found.append((oid, value))
            over = over or not found
            last = found[-1][0] if found else last
            return found

        return ask

    async def aclose(self) -> None:
        """Nothing to close: the engine's port stays open for further runs."""

    @staticmethod
    def _must_increase(oid: str, value: Value | None, last: str) -> None:
        if value is not None and tuple(map(int, oid.split("."))) < tuple(map(int, last.split("."))):
            raise ProtocolViolated(f"order: after {last} it gave {oid}")

    async def _ask(self, command: Any, oids: list[str], *first: int) -> Any:
        library = self._library
        kind = library.UdpTransportTarget if self._address.family == "4" else library.Udp6TransportTarget
        seconds = max(0.05, min(self._params.timeout, self._until - time.perf_counter()))
        where = await kind.create(
            (self._address.host, self._params.port), timeout=seconds, retries=self._params.retries
        )
        names = [library.ObjectType(library.ObjectIdentity(oid)) for oid in oids]
        try:
            async with asyncio.timeout(max(0.05, self._until - time.perf_counter())):
                error, status, index, answered = await command(
                    self._engine, self._account, where, self._context, *first, *names, lookupMib=False
                )
        except TimeoutError:
            raise self._silence(seconds) from None
        except library.PySnmpError as failure:
            raise ProtocolViolated(f"no SNMP answer: {type(failure).__name__}") from None
        if error:
            raise self._failed(error, seconds)
        self._spoke = True
        if int(status):
            raise StatusError(int(status), int(index))
        return answered

    def _failed(self, error: Any, seconds: float) -> Ending:
        name = type(error).__name__
        if name == "RequestTimedOut":
            return self._silence(seconds)
        if name in INDICATIONS:
            return reported(f"1.3.6.1.6.3.15.1.1.{INDICATIONS[name]}")
        return ProtocolViolated(f"no SNMP answer: {name}")

    def _silence(self, seconds: float) -> Ending:
        params = self._params
        return silence(
            seconds, community=params.version != "3", encrypted=params.priv is not None, spoke=self._spoke
        )

    def _pair(self, varbind: Any) -> tuple[str, Value | None]:
        name, value = varbind
        return str(name), _plain(value, self._library)


async def open_pysnmp(address: Address, params: SnmpParams, context: Context, until: float) -> Pysnmp:
    """Make an account of an engine ready. Raises `ProberFault` for a secret that is not there."""
    library = await loaded("probes._snmp_pysnmp_library", "snmp")
    phrases = [_phrase(ref, context) for ref in (params.community, params.auth_key, params.priv_key)]
    named = (params.version, params.user or "", params.auth or "", params.priv or "", params.key_extension)
    engine = context.shared.get(Engines).of((*named, *phrases), library)
    context.phase = "query"
    try:
        account = _account(params, phrases, library)
    except library.PySnmpError:
        raise OwnLoginFailed("wrong_key: the library can't use this pass phrase") from None
    return Pysnmp(library, engine, account, address, params, until)


def _account(params: SnmpParams, phrases: list[str], library: ModuleType) -> Any:
    community, auth_key, priv_key = phrases
    if params.version != "3":
        return library.CommunityData(community, mpModel=0 if params.version == "1" else 1)
    chosen: dict[str, Any] = {}
    if params.auth is not None:
        chosen |= {"authKey": auth_key, "authProtocol": library.AUTH_PROTOCOLS[AUTH[params.auth]]}
    if params.priv is not None:
        name = PRIV[params.priv]
        if params.priv in ("AES192", "AES256") and params.key_extension == "blumenthal":
            name += "_BLUMENTHAL"
        chosen |= {"privKey": priv_key, "privProtocol": library.AUTH_PROTOCOLS[name]}
    return library.UsmUserData(params.user, **chosen)


def _phrase(ref: SecretRef | None, context: Context) -> str:
    return "" if ref is None else context.shared.secret(ref)


def _plain(value: Any, library: ModuleType) -> Value | None:
    """Return pysnmp's value as ours, None for what is missing (its exceptions are Nulls, too)."""
    if isinstance(value, library.Null):
        return None
    if isinstance(value, library.IpAddress):
        return ".".join(map(str, bytes(value)))
    if isinstance(value, library.Opaque):
        return opaque(bytes(value))
    if isinstance(value, library.OctetString):
        return bytes(value)
    if isinstance(value, library.Integer):
        return int(value)
    return str(value)
