"""Asking by pysnmp: pure Python, slow, and able to do all that RFC 3414 and 3415 ask of a client.

One SNMP engine per account and loop, since an engine knows a user name once; its port stays open between
runs, for a bounded number of targets.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from probes._driver import loaded
from probes._resolve import Address
from probes._snmp_params import SnmpParams
from probes._snmp_values import Next, Pairs, StatusError, Value, opaque, reported, silence
from probes._snmp_wire import discovered
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
STALE = ("UnknownEngineID", "EngineIDMismatch", "NotInTimeWindow")
"""What comes of what is remembered of an agent that was exchanged or restarted since."""


@dataclass(slots=True, eq=False)
class Kept:
    """One engine, the targets it has met, and how many runs use it now."""

    engine: Any
    targets: dict[tuple[str, int], bytes] = field(default_factory=dict)
    """What it has met: address, port, and the engine id there (empty for versions 1 and 2c)."""
    runs: int = 0
    retired: bool = False


class Engines:
    """The engines of the running loop; a client for `Shared.get`.

    An engine never forgets a target, so after `TARGETS` of them the next run gets a new one, and the old one
    is closed with its last run.
    """

    MOST = 32
    TARGETS = 64

    def __init__(self, _: Shared) -> None:
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._salt = secrets.token_bytes(32)
        self._making = asyncio.Lock()

    async def enter(
        self, account: tuple[str, ...], where: tuple[str, int], engine_id: bytes, library: ModuleType
    ) -> tuple[Kept, bool]:
        """Return an engine for `account`, and whether it has met this target before.

        Making one takes 50 ms and more, in a thread. One that knows another engine at `where` is given up.
        """
        name = hashlib.blake2b("\0".join(account).encode(), key=self._salt).digest()
        async with self._making:
            kept = self._kept.get(name)
            if kept is None or not self._fits(kept, where, engine_id):
                made = Kept(await asyncio.to_thread(library.new_engine))
                self._retire(name)
                kept = self._kept[name] = made
            self._kept.move_to_end(name)
            if len(self._kept) > self.MOST:
                self._retire(next(iter(self._kept)))
            met = where in kept.targets
            kept.targets[where] = engine_id
            kept.runs += 1
            return kept, met

    def _fits(self, kept: Kept, where: tuple[str, int], engine_id: bytes) -> bool:
        if where in kept.targets:
            return kept.targets[where] == engine_id
        return len(kept.targets) < self.TARGETS

    def leave(self, kept: Kept) -> None:
        """End a run's use of an engine."""
        kept.runs -= 1
        if kept.retired and not kept.runs:
            kept.engine.close_dispatcher()

    def renounce(self, kept: Kept) -> None:
        """Give this engine to no further run: what it believes of a target is wrong."""
        for name in [name for name, other in self._kept.items() if other is kept]:
            self._retire(name)

    def _retire(self, name: bytes) -> None:
        kept = self._kept.pop(name, None)
        if kept is not None:
            kept.retired = True
            if not kept.runs:
                kept.engine.close_dispatcher()

    async def aclose(self) -> None:
        """Close all ports."""
        for name in list(self._kept):
            self._retire(name)


class Pysnmp:
    """One target of an engine, for one run."""

    def __init__(
        self,
        library: ModuleType,
        engines: Engines,
        names: tuple[str, ...],
        account: Any,
        address: Address,
        params: SnmpParams,
        until: float,
    ) -> None:
        self._library, self._engines, self._names = library, engines, names
        self._account, self._params = account, params
        self._address, self._until = address, until
        self._where = (address.host, params.port)
        self._context = library.ContextData(contextName=params.context.encode())
        self._spoke = self._answered = self._met_before = False
        self._kept = Kept(None)
        self._engine_id = b""
        self.facts: dict[str, str] = {}

    async def discover(self) -> None:
        """Ask for the engine id, so that nothing is taken for true that an earlier run met here."""
        header = await discovered(self._address, self._params, self._until)
        self._engine_id, self._spoke = header.engine_id, True
        self.facts["engine_id"] = header.engine_id.hex()

    async def enter(self) -> None:
        """Take an engine, for as long as the run lasts."""
        self._kept, self._met_before = await self._engines.enter(
            self._names, self._where, self._engine_id, self._library
        )

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
        """Leave the engine; its port stays open for further runs."""
        self._engines.leave(self._kept)

    @staticmethod
    def _must_increase(oid: str, value: Value | None, last: str) -> None:
        if value is not None and tuple(map(int, oid.split("."))) < tuple(map(int, last.split("."))):
            raise ProtocolViolated(f"order: after {last} it gave {oid}")

    async def _ask(self, command: Any, oids: list[str], *first: int) -> Any:
        """Ask once; where the agent is another than it was in an earlier run, learn it anew and ask again."""
        met_before, asked = self._met_before, await self._once(command, oids, first)
        if met_before and type(asked[0]).__name__ in STALE:
            self._engines.renounce(self._kept)
            self._engines.leave(self._kept)
            await self.enter()
            asked = await self._once(command, oids, first)
        error, status, index, answered = asked
        if error:
            raise self._failed(error)
        self._met_before, self._spoke, self._answered = False, True, True
        if int(status):
            raise StatusError(int(status), int(index))
        return answered

    async def _once(self, command: Any, oids: list[str], first: tuple[int, ...]) -> Any:
        library, params = self._library, self._params
        kind = library.UdpTransportTarget if self._address.family == "4" else library.Udp6TransportTarget
        where = await kind.create(self._where, timeout=params.timeout, retries=params.retries)
        names = [library.ObjectType(library.ObjectIdentity(oid)) for oid in oids]
        try:
            async with asyncio.timeout(max(0.05, self._until - time.perf_counter())):
                return await command(
                    self._kept.engine, self._account, where, self._context, *first, *names, lookupMib=False
                )
        except TimeoutError:
            raise self._silence() from None
        except library.PySnmpError as failure:
            raise ProtocolViolated(f"no SNMP answer: {type(failure).__name__}") from None

    def _failed(self, error: Any) -> Ending:
        name = type(error).__name__
        if name == "RequestTimedOut":
            return self._silence()
        if name in INDICATIONS:
            return reported(f"1.3.6.1.6.3.15.1.1.{INDICATIONS[name]}")
        return ProtocolViolated(f"no SNMP answer: {name}")

    def _silence(self) -> Ending:
        params = self._params
        return silence(
            params.timeout,
            community=params.version != "3",
            encrypted=params.priv is not None,
            spoke=self._spoke,
            context=bool(params.context) and not self._answered,
        )

    def _pair(self, varbind: Any) -> tuple[str, Value | None]:
        name, value = varbind
        return str(name), _plain(value, self._library)


async def open_pysnmp(address: Address, params: SnmpParams, context: Context, until: float) -> Pysnmp:
    """Make an account of an engine ready. Raises `ProberFault` for a secret that is not there."""
    library = await loaded("probes._snmp_pysnmp_library", "snmp")
    phrases = [_phrase(ref, context) for ref in (params.community, params.auth_key, params.priv_key)]
    named = (params.version, params.user or "", params.auth or "", params.priv or "", params.key_extension)
    try:
        account = _account(params, phrases, library)
    except library.PySnmpError:
        raise OwnLoginFailed("wrong_key: the library can't use this pass phrase") from None
    engines = context.shared.get(Engines)
    agent = Pysnmp(library, engines, (*named, *phrases), account, address, params, until)
    if params.version == "3":
        context.phase = "login"
        await agent.discover()
    context.phase = "queued"
    await agent.enter()
    return agent


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
