"""GETs by SNMP beside pysnmp's hlapi and gufo_snmp itself, on one snmpd of loopback.

    python -m benchmarks.snmp [--quick] [--json FILE]

A GET is of 10 objects; compared is the CPU of the client alone, one question after the other, on kept
sessions. gufo_snmp does not verify answers of version 3, muster does. The last rows are whole readings as
the daemon makes them, socket and all: `snmp` of the same 10 objects, and `interfaces` of a device with 48
ports (a recording served by snmpsim).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from gufo.snmp.aio.client import SnmpSession
from gufo.snmp.user import Aes128Key, Sha256Key, User

from benchmarks.marks import Mark, arguments, judge, table
from monitor.shared import SharedClients
from probes import registry
from probes._snmp import SnmpParams, snmp
from probes.api import Context, Outcome, ProbeSettings, Target
from probes.measure import measure
from tests.probes.network.test_interfaces import write
from tests.servers.snmpd import snmpd
from tests.servers.snmpsim import snmpsim

SYSTEM, PORTS = "1.3.6.1.2.1.1", "1.3.6.1.2.1.2.2.1"
OBJECTS = [f"{SYSTEM}.{n}.0" for n in (1, 2, 3, 4, 5, 6)] + [f"{PORTS}.{n}.1" for n in (1, 2, 5, 8)]
DEVICES, PORTS_EACH, HALF_A_CORE_S = 1000, 48, 30.0
PHRASES = {"c": "public", "a": "authpass11", "p": "privpass11"}
LINES = ("rocommunity public", "createUser watch SHA-256 authpass11 AES privpass11", "rouser watch priv")
V2C: dict[str, Any] = {"community": "secret:c"}
V3: dict[str, Any] = {
    "version": 3, "user": "watch", "auth": "SHA256", "auth_key": "secret:a",
    "priv": "AES128", "priv_key": "secret:p",
}  # fmt: skip
HERE = Target("127.0.0.1")
Once = Callable[[], Awaitable[object]]


async def cpu_ms(once: Once, number: int) -> float:
    """Return the CPU of this process for one of `number` calls, in ms; the first call is not counted."""
    await once()
    spent = time.process_time()
    for _ in range(number):
        await once()
    return (time.process_time() - spent) / number * 1000


@asynccontextmanager
async def muster(port: int, shared: SharedClients, block: Mapping[str, Any]) -> AsyncIterator[Once]:
    """Give what asks for the objects over one session of ours."""
    params = SnmpParams.model_validate({"port": port, **block})
    async with snmp(HERE, params, Context(shared, 600.0)) as agent:
        yield partial(agent.get, OBJECTS)


@asynccontextmanager
async def gufo(port: int, block: Mapping[str, Any]) -> AsyncIterator[Once]:
    """The same by gufo_snmp's own session."""
    how: dict[str, Any] = {"community": "public"}
    if block is V3:
        how = {"user": User("watch", auth_key=Sha256Key(b"authpass11"), priv_key=Aes128Key(b"privpass11"))}
    async with SnmpSession("127.0.0.1", port, timeout=5, **how) as session:
        yield partial(session.get_many, OBJECTS)


@asynccontextmanager
async def pysnmp(port: int, block: Mapping[str, Any]) -> AsyncIterator[Once]:
    """The same by pysnmp's high-level interface, as its documentation shows."""
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="pysnmp")
    hlapi = await asyncio.to_thread(__import__, "pysnmp.hlapi.v3arch.asyncio", fromlist=["get_cmd"])
    account = hlapi.CommunityData("public")
    if block is V3:
        account = hlapi.UsmUserData(
            "watch", "authpass11", "privpass11",
            authProtocol=hlapi.USM_AUTH_HMAC192_SHA256, privProtocol=hlapi.USM_PRIV_CFB128_AES,
        )  # fmt: skip
    engine = hlapi.SnmpEngine()
    where = await hlapi.UdpTransportTarget.create(("127.0.0.1", port), timeout=5, retries=0)

    async def once() -> None:
        names = [hlapi.ObjectType(hlapi.ObjectIdentity(oid)) for oid in OBJECTS]
        error, status, _, _ = await hlapi.get_cmd(engine, account, where, hlapi.ContextData(), *names)
        assert not error, error
        assert not status, status

    try:
        yield once
    finally:
        engine.close_dispatcher()


async def reading(shared: SharedClients, name: str, number: int, parameters: Mapping[str, Any]) -> float:
    """Return the CPU of one whole reading, in ms."""
    spec = registry.get(name)
    params = spec.params.model_validate(parameters)

    async def once() -> None:
        taken = await measure(spec, HERE, params, Context(shared, 30.0))
        assert taken.outcome is Outcome.OK, taken.detail

    return await cpu_ms(once, number)


async def ports(directory: Path, shared: SharedClients, number: int) -> float:
    """Return the CPU of a reading of `interfaces` of 48 ports, in ms."""
    write(directory, "public", 10_000, {str(n): (f"gi0/{n}", {}) for n in range(1, PORTS_EACH + 1)})
    async with snmpsim(directory) as port:
        return await reading(shared, "interfaces", number, {"snmp": {"port": port, **V2C}})


async def run(*, quick: bool) -> list[Mark]:
    """Measure all and return the marks."""
    number, rows, figures = (500 if quick else 5000), [], {}
    shared = SharedClients(ProbeSettings(), PHRASES.__getitem__)
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        async with snmpd(here, *LINES) as port:
            for version, block in (("2c", V2C), ("3, SHA256 and AES128", V3)):
                async with muster(port, shared, block) as once:
                    ours = await cpu_ms(once, number)
                async with gufo(port, block) as once:
                    library = await cpu_ms(once, number)
                async with pysnmp(port, block) as once:
                    peer = await cpu_ms(once, number // 5)
                figures[version] = (ours, library, peer)
                rows.append((f"GET, version {version}", ours, library, peer))
            whole = await reading(
                shared, "snmp", number,
                {"snmp": {"port": port, **V2C}, "facts": {f"f{n}": oid for n, oid in enumerate(OBJECTS)}},
            )  # fmt: skip
        each = await ports(here, shared, 10 if quick else 100)
        await shared.aclose()
    table("CPU ms of the client", ("", "muster", "gufo_snmp", "pysnmp hlapi"), rows)
    table(
        "CPU ms of a whole reading",
        ("", "muster"),
        [("snmp, 10 objects", whole), (f"interfaces, {PORTS_EACH} ports", each)],
    )
    ours, library, peer = figures["2c"]
    return [
        Mark("CPU of a GET less than pysnmp's hlapi", peer / ours, 20, "x", at_least=True),
        Mark("CPU of a GET over gufo_snmp's", ours / library, 2, "x"),
        Mark(
            f"CPU of {DEVICES} devices of {PORTS_EACH} ports",
            each * DEVICES / 1000,
            HALF_A_CORE_S,
            "s a minute",
        ),
    ]


def main() -> int:
    """Measure, print, judge."""
    options = arguments(__doc__).parse_args()
    return judge(uvloop.run(run(quick=options.quick)), options.json)


if __name__ == "__main__":
    sys.exit(main())
