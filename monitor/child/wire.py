"""A unit as the clerk hands it to the daemon: a card with its names and contacts, and its jobs.

Parameters and expectations that many jobs share cross the pipe as bytes and become one object again.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory.models import Inventory, Unit
from monitor.incidents.topology import Needs
from monitor.job import Job
from probes import registry
from probes.api import Target

MAX_INTERNED = 100_000


@dataclass(frozen=True, slots=True)
class UnitCard:
    """What the daemon knows of a unit besides its jobs."""

    id: str
    name: str
    name_zh: str
    parent: str | None
    level: str
    timezone: str
    profile: str | None
    wave: str
    gates: Mapping[str, str]
    contacts: Mapping[str, tuple[str, ...]]
    """Mail addresses by tier: the unit's own, or the nearest ancestor's."""
    needs: Mapping[str, Needs] = field(default_factory=dict)
    """What each asset depends on, where it depends on anything."""
    channels: tuple[str, ...] = ()
    """The unit's channels, by their ids within it."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The kind of each asset, by its id within the unit."""
    location: tuple[float, float] | None = None
    """Latitude and longitude in degrees."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """The role of each asset that has one, by its id within the unit."""


@dataclass(frozen=True, slots=True)
class UnitWire:
    """A unit in transit; `digest` changes when anything of it does."""

    card: UnitCard
    digest: str
    jobs: tuple[tuple[Any, ...], ...]


def card(inventory: Inventory, key: str) -> UnitCard:
    """Return the card of a unit."""
    unit = inventory.units[key]
    gates = {gate: day.isoformat() for gate, day in inventory.dates(key).items()}
    contacts = {tier: inventory.contacts(key, tier) for tier in ("tier1", "tier2", "tier3")}
    zone = inventory.timezone(key)
    return UnitCard(
        unit.id,
        unit.name,
        unit.name_zh,
        unit.parent,
        unit.level,
        zone,
        unit.profile,
        unit.wave,
        gates,
        contacts,
        _needs(inventory, unit),
        tuple(each.id for each in unit.assets if each.kind == "channel"),
        {each.id: each.kind for each in unit.assets},
        (unit.location.lat, unit.location.lon) if unit.location else None,
        {each.id: each.role for each in unit.assets if each.role},
    )


def _needs(inventory: Inventory, unit: Unit) -> dict[str, Needs]:
    """Return what the unit's assets depend on; a channel that names nothing, on the unit above."""
    found = {}
    for asset in unit.assets:
        above = tuple("/".join(each) for each in inventory.depends_on(unit.id, asset.id))
        if above:
            found[asset.id] = Needs(above, every=asset.depends_on is not None)
        elif asset.kind == "channel" and asset.depends_on is None and unit.parent:
            found[asset.id] = Needs(parent=unit.parent)
    return found


class Packer:
    """Makes wires of units; remembers the bytes of parameters shared between jobs."""

    def __init__(self) -> None:
        self._bytes: dict[int, tuple[object, bytes]] = {}

    def wire(self, unit: UnitCard, jobs: Sequence[Job]) -> UnitWire:
        """Return the unit with its jobs, ready to cross the pipe."""
        packed = tuple(self._job(job) for job in jobs)
        seen = hashlib.sha256(repr((unit, [self._plain(job) for job in jobs])).encode()).hexdigest()
        return UnitWire(unit, seen, packed)

    @staticmethod
    def _plain(job: Job) -> tuple[object, ...]:
        timing = (job.every, job.timeout, job.retries)
        rest = (dict(job.expect), job.route, job.windows, dict(job.degradation), job.released)
        return (job.id, job.spec.name, job.target, job.params, timing, *rest)

    def _job(self, job: Job) -> tuple[Any, ...]:
        target = (job.target.address, job.target.family)
        expect = self._once(job.expect) if job.expect else b""
        return (
            job.id,
            job.spec.name,
            target,
            self._once(job.params),
            job.every,
            job.timeout,
            job.retries,
            expect,
            self._once(job.route) if job.route else b"",
            self._once(job.windows) if job.windows else b"",
            self._once(job.degradation) if job.degradation else b"",
            self._once(job.released) if job.released else b"",
        )

    def _once(self, value: object) -> bytes:
        known = self._bytes.get(id(value))
        if known is None or known[0] is not value:
            known = self._bytes[id(value)] = (value, pickle.dumps(value, protocol=5))
        return known[1]


class Unpacker:
    """Makes jobs of wires; equal parameters become one object."""

    def __init__(self) -> None:
        self._objects: dict[bytes, Any] = {b"": {}}

    def jobs(self, wire: UnitWire) -> list[Job]:
        """Return the unit's jobs."""
        if len(self._objects) > MAX_INTERNED:
            self._objects = {b"": {}}
        return [self._job(wire.card.timezone, *packed) for packed in wire.jobs]

    def _job(
        self,
        timezone: str,
        key: str,
        probe: str,
        target: tuple[str, Any],
        params: bytes,
        every: float,
        timeout: float,
        retries: int,
        expect: bytes,
        route: bytes,
        windows: bytes,
        degradation: bytes,
        released: bytes,
    ) -> Job:
        unit, asset, check = key.split("/")
        where = Target(*target, unit=unit, asset=asset, timezone=timezone)
        spec = registry.get(probe)
        return Job(
            key,
            unit,
            asset,
            check,
            spec,
            where,
            self._once(params),
            every,
            timeout,
            retries,
            self._once(expect),
            self._once(route) or None,
            self._once(windows) or (),
            self._once(degradation),
            self._once(released) or (),
        )

    def _once(self, packed: bytes) -> Any:
        value = self._objects.get(packed)
        if value is None:
            value = self._objects[packed] = pickle.loads(packed)  # noqa: S301 - our own child process
        return value
