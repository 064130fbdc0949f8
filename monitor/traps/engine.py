"""Datagrams to traps by pysnmp's NotificationReceiver, which is given them and no socket: it sends nothing.

Only for one thread. pysnmp itself takes a trap of version 3 that is less protected than its user: that is
refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413.ntfrcv import NotificationReceiver
from pysnmp.proto.rfc1902 import OctetString

from probes.api import clip

TRAP_OID = "1.3.6.1.6.3.1.1.4.1.0"
"""snmpTrapOID.0 (RFC 3418)."""
AUTH = {
    "MD5": config.USM_AUTH_HMAC96_MD5, "SHA1": config.USM_AUTH_HMAC96_SHA,
    "SHA224": config.USM_AUTH_HMAC128_SHA224, "SHA256": config.USM_AUTH_HMAC192_SHA256,
    "SHA384": config.USM_AUTH_HMAC256_SHA384, "SHA512": config.USM_AUTH_HMAC384_SHA512,
}  # fmt: skip
PRIV = {
    "DES": config.USM_PRIV_CBC56_DES, "AES128": config.USM_PRIV_CFB128_AES,
    "AES192": config.USM_PRIV_CFB192_AES_BLUMENTHAL, "AES256": config.USM_PRIV_CFB256_AES_BLUMENTHAL,
}  # fmt: skip
RENEWED = 50_000
"""Datagrams after which the engine is made anew: pysnmp keeps about 0.5 kB of each of version 3."""
PARSE_ERRORS = (("__SNMPv2-MIB", "snmpInASNParseErrs"), ("__SNMPv2-MIB", "snmpInBadVersions"))


@dataclass(frozen=True, slots=True)
class User:
    """An account of version 3, with its pass phrases."""

    name: str
    engine_ids: tuple[str, ...]
    auth: str
    auth_key: str
    priv: str | None
    priv_key: str | None

    @property
    def level(self) -> int:
        """The least protection that is taken: authenticated, or encrypted, too."""
        return 2 if self.priv is None else 3


class _Nowhere:
    """A dispatcher of pysnmp's that has no transports: answers and reports go nowhere."""

    def register_recv_callback(self, *_: object) -> None:
        """Take nothing: datagrams are handed over."""

    def register_timer_callback(self, *_: object) -> None:
        """Keep no time."""

    def send_message(self, *_: object) -> None:
        """Send nothing."""

    def get_timer_ticks(self) -> int:
        """Return the time that has passed for pending requests, of which there are none."""
        return 0

    def get_timer_resolution(self) -> float:
        """Return a second."""
        return 1.0


class Engine:
    """Whose traps are believed, and what their datagrams say."""

    def __init__(self, communities: Sequence[str], users: Sequence[User]) -> None:
        self._communities, self._users = communities, users
        self._levels = {user.name: user.level for user in users}
        self._build()

    def _build(self) -> None:
        self._reads = 0
        self._engine = SnmpEngine()
        self._engine.register_transport_dispatcher(_Nowhere())
        for number, community in enumerate(self._communities):
            config.add_v1_system(self._engine, f"community-{number}", community)
        for user in self._users:
            for engine_id in user.engine_ids:
                self._add(user, engine_id.removeprefix("0x"))
        self._level, self._user = 0, ""
        self._oid: str | None = None
        self._engine.observer.register_observer(self._observed, "rfc3412.receiveMessage:request")
        NotificationReceiver(self._engine, self._notified)
        self._counts: list[Callable[[], int]] = [self._count(*symbol) for symbol in PARSE_ERRORS]

    def _add(self, user: User, engine_id: str) -> None:
        chosen: dict[str, Any] = {"authProtocol": AUTH[user.auth], "authKey": user.auth_key}
        if user.priv is not None:
            chosen |= {"privProtocol": PRIV[user.priv], "privKey": user.priv_key}
        identity = OctetString(hexValue=engine_id)
        config.add_v3_user(self._engine, user.name, securityEngineId=identity, **chosen)

    def _count(self, module: str, name: str) -> Callable[[], int]:
        (found,) = self._engine.get_mib_builder().import_symbols(module, name)
        return lambda: int(found.syntax)

    def read(self, data: bytes, source: tuple[str, int]) -> tuple[str, str]:
        """Return the trap's snmpTrapOID and an empty text, or why it is not believed: refused, malformed."""
        self._reads += 1
        if self._reads > RENEWED:
            self._build()
        before = [count() for count in self._counts]
        try:
            oid = self._taken(data, source)
        except Exception:  # noqa: BLE001 - pysnmp meets hostile data with whatever its parts raise
            return "", "malformed"
        if oid is None:
            return "", "malformed" if before != [count() for count in self._counts] else "refused"
        return oid, ""

    def _taken(self, data: bytes, source: tuple[str, int]) -> str | None:
        self._oid, self._level, self._user = None, 0, ""
        where = udp.UdpTransportAddress(source)
        self._engine.message_dispatcher.receive_message(self._engine, udp.DOMAIN_NAME, where, data)
        return self._oid

    def _observed(self, _engine: Any, _point: str, variables: dict[str, Any], _context: Any) -> None:
        self._level = int(variables["securityLevel"]) if int(variables["securityModel"]) == 3 else 0
        self._user = str(variables["securityName"])

    def _notified(
        self, _engine: Any, _reference: Any, _id: Any, _context: Any, pairs: Sequence[tuple[Any, Any]], _: Any
    ) -> None:
        if self._level and self._level < self._levels.get(self._user, 3):
            return
        oid = next((value for name, value in pairs if str(name) == TRAP_OID), None)
        if oid is not None:
            self._oid = clip(oid.prettyPrint(), 200)
