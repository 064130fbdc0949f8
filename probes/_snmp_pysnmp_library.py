"""What is used of pysnmp, in one place: importing it takes long, so it is imported in a thread."""

from __future__ import annotations

from pyasn1.type.univ import Integer, Null, OctetString
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    Udp6TransportTarget,
    UdpTransportTarget,
    UsmUserData,
    bulk_cmd,
    get_cmd,
    next_cmd,
)
from pysnmp.hlapi.v3arch.asyncio import auth as _auth
from pysnmp.hlapi.v3arch.asyncio.cmdgen import LCD
from pysnmp.proto.rfc1902 import IpAddress, Opaque

AUTH_PROTOCOLS = {
    name: getattr(_auth, name) for name in vars(_auth) if name.startswith(("USM_AUTH", "USM_PRIV"))
}
__all__ = [
    "AUTH_PROTOCOLS", "LCD", "CommunityData", "ContextData", "Integer", "IpAddress", "Null", "ObjectIdentity",
    "ObjectType", "OctetString", "Opaque", "PySnmpError", "SnmpEngine", "Udp6TransportTarget",
    "UdpTransportTarget", "UsmUserData", "bulk_cmd", "get_cmd", "new_engine", "next_cmd",
]  # fmt: skip


def new_engine() -> SnmpEngine:
    """Return an engine that has looked a first name up: with pysmi installed that makes a parser of MIBs.

    Takes 50 to 150 ms: for a thread.
    """
    engine = SnmpEngine()
    ObjectType(ObjectIdentity("1.3.6.1")).resolve_with_mib(engine.cache["mibViewController"])
    return engine
