"""Asks addresses, paced: an echo each, then those that answer for their SNMP agent and their ports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.discover.evidence import PORTS, Evidence, Open, Port, System
from probes import registry
from probes._snmp import NO_SUCH, OverSnmp, Snmp, SnmpParams, snmp, text
from probes.api import Context, Outcome, Params, ProbeSpec, Reading, Shared, Target, clip
from probes.measure import measure_within

MOST_UNDER_WAY = 500
_DESCR, _OBJECT_ID, _NAME, _SERVICES = (f"1.3.6.1.2.1.1.{number}.0" for number in (1, 2, 5, 7))
_SAID = 160


@dataclass(frozen=True, slots=True)
class Asking:
    """How addresses are asked."""

    rate: float = 50.0
    """Echoes, connections and SNMP questions begun a second, all together."""
    wait: float = 1.0
    """Seconds an answer may take."""
    ports: tuple[Port, ...] = PORTS
    snmp: SnmpParams | None = None
    silent: bool = False
    """Whether those that answer no echo are asked for their ports and agent, too."""


class Pacer:
    """Lets one through every 1/rate seconds, and never makes up for time that was lost."""

    def __init__(self, rate: float) -> None:
        self._gap = 1.0 / rate
        self._next = 0.0

    async def turn(self, count: int = 1) -> None:
        """Wait until `count` more may be sent."""
        now = time.perf_counter()
        at = max(now, self._next)
        self._next = at + count * self._gap
        await asyncio.sleep(at - now)


@dataclass(slots=True)
class Sweep:
    """One sweep; `progress` is told how many steps are done and how many there are until now."""

    shared: Shared
    asking: Asking
    progress: Callable[[int, int], None] = lambda _done, _all: None
    _pacer: Pacer = field(init=False)
    _done: int = 0
    _all: int = 0

    def __post_init__(self) -> None:
        self._pacer = Pacer(self.asking.rate)

    async def run(self, addresses: Sequence[str]) -> list[Evidence]:
        """Return what is known of each address, in order."""
        found = [Evidence(address) for address in addresses]
        await self._each(found, self._echo)
        asked = [each for each in found if self.asking.silent or each.answers]
        if self.asking.snmp is not None:
            await self._each(asked, self._agent)
        steps = [(each, port) for each in asked for port in self.asking.ports]
        await self._each(steps, lambda step: self._port(*step))
        for each in found:
            each.opened.sort(key=lambda opened: opened.port.number)
        return found

    async def _each(self, items: Sequence[Any], ask: Callable[[Any], Any]) -> None:
        """Ask all, each begun in its turn, a bounded number under way."""
        self._all += len(items)
        room = asyncio.Semaphore(MOST_UNDER_WAY)

        async def one(item: Any) -> None:
            try:
                await ask(item)
            finally:
                room.release()
                self._done += 1
                self.progress(self._done, self._all)

        async with asyncio.TaskGroup() as group:
            for item in items:
                await room.acquire()
                await self._pacer.turn()
                group.create_task(one(item))

    async def _echo(self, evidence: Evidence) -> None:
        reading = await self._ask("icmp", evidence, count=1, wait=self.asking.wait)
        evidence.rtt_ms = reading.metrics.get("rtt_ms") if reading.outcome is Outcome.OK else None
        if reading.outcome is Outcome.OK and evidence.rtt_ms is None:
            evidence.rtt_ms = 0.0

    async def _agent(self, evidence: Evidence) -> None:
        """Ask the agent for its system group."""
        assert self.asking.snmp is not None
        if self.asking.snmp.version == "3":
            await self._pacer.turn(2)
        params = OverSnmp(snmp=self.asking.snmp)
        reading = await self._measure(_SYSTEM, params, evidence)
        if reading.outcome is Outcome.OK:
            facts = reading.facts
            services = int(reading.metrics.get("services", 0))
            evidence.system = System(facts["descr"], facts["object_id"], facts["name"], services)
        elif reading.kind == "auth":
            evidence.unasked.append(f"SNMP: {reading.detail}")

    async def _port(self, evidence: Evidence, port: Port) -> None:
        reading = await self._connected(evidence, port)
        if "connect_ms" not in reading.metrics:
            evidence.refuses |= reading.kind == "refused"
            return
        evidence.opened.append(Open(port, clip(await self._said(evidence, port, reading), _SAID)))

    async def _connected(self, evidence: Evidence, port: Port) -> Reading:
        expect = {"expect_banner": "(?s)."} if port.talk == "banner" else {}
        return await self._ask("tcp", evidence, port=port.number, **expect)

    async def _said(self, evidence: Evidence, port: Port, reading: Reading) -> str:
        if port.talk == "banner":
            return reading.facts.get("banner", "")
        if port.talk == "http":
            await self._pacer.turn()
            page = await self._ask(
                "http",
                evidence,
                port=port.number,
                method="HEAD",
                redirects=0,
                status=["100-599"],
                body_limit=0,
            )
            return page.facts.get("server", "")
        if port.talk == "https":
            await self._pacer.turn(2)
            shown = await self._ask("tls", evidence, port=port.number, verify=False)
            return shown.facts.get("subject", "")
        return ""

    async def _ask(self, name: str, evidence: Evidence, /, **given: Any) -> Reading:
        spec = registry.get(name)
        return await self._measure(spec, spec.params.model_validate(given), evidence)

    async def _measure(self, spec: ProbeSpec, params: Params, evidence: Evidence) -> Reading:
        context = Context(self.shared, self.asking.wait + (0.5 if spec.name == "icmp" else 0.0))
        reading = await measure_within(spec, Target(evidence.address), params, context)
        if reading.outcome in (Outcome.ERROR, Outcome.NOT_RUN) and reading.kind != "auth":
            evidence.unasked.append(clip(f"{spec.name}: {reading.kind}: {reading.detail}", 200))
        return reading


async def _system(target: Target, params: OverSnmp, context: Context) -> Reading:
    """Ask an agent for sysDescr, sysObjectID, sysName and sysServices."""
    async with snmp(target, params.snmp, context) as agent:
        return await _asked(agent)


async def _asked(agent: Snmp) -> Reading:
    found = await agent.get([_DESCR, _OBJECT_ID, _NAME, _SERVICES])
    services = found[_SERVICES]
    facts = {"descr": _DESCR, "object_id": _OBJECT_ID, "name": _NAME}
    metrics = {"services": float(services)} if isinstance(services, int) else {}
    return Reading.ok(metrics, {name: clip(_text(found[oid]), _SAID) for name, oid in facts.items()})


def _text(value: Any) -> str:
    return "" if value is NO_SUCH else text(value)


_SYSTEM = ProbeSpec(
    name="snmp", family="network", summary="The system group of an SNMP agent.", params=OverSnmp, run=_system
)


def ports(numbers: Iterable[int]) -> tuple[Port, ...]:
    """Return ports by their numbers; of one that is not known only whether it takes connections is asked."""
    known = {port.number: port for port in PORTS}
    return tuple(known.get(number, Port(number, f"port-{number}")) for number in dict.fromkeys(numbers))
