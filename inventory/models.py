"""What is watched: units, their assets, and the checks written on them (inventory format, version 1).

Slots and no per-instance sets: 200,000 assets stay under 200 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.dataclasses import dataclass

from inventory._fields import (
    SLUG,
    Address,
    BitsPerSecond,
    Bool,
    CheckId,
    Family,
    Mail,
    Seconds,
    Settings,
    Slug,
    Timezone,
    Variable,
    Version,
)
from inventory.problems import Place

Kind = Literal["channel", "host", "application", "database", "middleware", "peripheral", "interface"]
Level = Literal["province", "municipal", "county", "hall"]
LEVELS: tuple[Level, ...] = ("province", "municipal", "county", "hall")
BLOCKS = ("ssh", "snmp", "hardware")
"""Blocks of an asset that probes may ask for by name (`ProbeSpec.inputs`)."""
DEFAULT_GATE = "go-live"

_STRICT = ConfigDict(extra="forbid")
CHECK_KEYS = ("probe", "id", "every", "timeout", "retries", "windows", "enabled", "expect", "degradation")


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class CheckSpec:
    """A probe on an asset. What is not a key of its own is a parameter of the probe (`parameters`).

    None means: as the profile, the defaults or the probe say.
    """

    probe: str | None = None
    """The probe's name; may be left out where a profile's check of that id is changed."""
    id: CheckId | None = None
    """Defaults to the probe's name."""
    every: Seconds | None = None
    """Seconds from one run to the next."""
    timeout: Seconds | None = None
    """Seconds one run may take; below `every`."""
    retries: Annotated[int, Field(ge=0, le=10, strict=True)] | None = None
    windows: tuple[str, ...] | None = None
    """When a check that loads a link may run, by the unit's own time: "mon-fri 22:00-06:00"."""
    enabled: Bool | None = None
    expect: Settings | None = None
    """Condition by metric or fact."""
    degradation: Settings | None = None
    """By metric, how readily it is noticed that it gets worse: off, low, normal or high."""
    parameters: Settings = field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_parameters(value, CHECK_KEYS)

    @property
    def key(self) -> str:
        """The check's id within its asset."""
        return self.id or self.probe or ""


def split_parameters(value: Any, known: tuple[str, ...]) -> Any:
    """Return a check's mapping with all keys that are not `known` moved under `parameters`."""
    if not isinstance(value, dict):
        return value
    own = {key: value[key] for key in known if key in value}
    own["parameters"] = {key: value[key] for key in value if key not in known}
    return own


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Contracted:
    """What the carrier has promised for a channel; rates in bit/s."""

    down: BitsPerSecond | None = None
    up: BitsPerSecond | None = None
    provider: str = ""
    circuit: str = ""
    """The carrier's number of the line, for fault reports."""


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Asset:
    """Something in a unit that is probed."""

    id: Slug
    kind: Kind
    name: str = ""
    name_zh: str = ""
    address: Address = ""
    """Host name, IPv4 or IPv6 address."""
    family: Family = "any"
    role: str = ""
    """What it is for: of a channel core, primary, backup."""
    tags: tuple[str, ...] = ()
    depends_on: tuple[str, ...] | None = None
    """`asset` of this unit or `unit/asset`; None: any of the unit's channels (of a channel: nothing)."""
    shares: tuple[str, ...] = ()
    """Channels that use the same line; throughput tests exclude each other."""
    contracted: Contracted | None = None
    ssh: Settings | None = None
    snmp: Settings | None = None
    hardware: Settings | None = None
    checks: tuple[CheckSpec, ...] = ()
    expect: Settings | None = None
    """Condition by metric, fact, or `check.metric` where two checks report the same name."""


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Location:
    """Degrees, WGS 84."""

    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Contacts:
    """Mail addresses by tier of support."""

    tier1: tuple[Mail, ...] = ()
    tier2: tuple[Mail, ...] = ()
    tier3: tuple[Mail, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class FunctionUse:
    """How much a unit uses a business function."""

    users: Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class StreamUse:
    """How many streams of a real-time function a unit has at a time, calls for example."""

    streams: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 1


def _streams(value: object) -> object:
    """Spread a list of names to a mapping; each is one stream then."""
    if not isinstance(value, list | tuple):
        return value
    if not all(isinstance(name, str) for name in value):
        msg = "a name must be a text; write [name], or {name: {streams: 2}}"
        raise ValueError(msg)
    twice = next((name for index, name in enumerate(value) if name in value[:index]), None)
    if twice is not None:
        msg = f'"{twice}" is named twice; write {{{twice}: {{streams: 2}}}}'
        raise ValueError(msg)
    return {name: {} for name in value}


_STREAMS_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {"type": "string", "pattern": f"^{SLUG.pattern}$"}},
        {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"streams": {"type": "integer", "minimum": 1}},
            },
        },
    ]
}


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class UnitNetwork:
    """What the capacity model takes for this unit instead of what its functions' files say."""

    rtt: Seconds | None = None
    """The design round trip time."""
    mss: Annotated[int, Field(ge=200, le=9000, strict=True)] | None = None
    """Bytes of payload in a segment; less than usual in a tunnel."""
    carries: Literal["own", "below"] = "own"
    """Whether its channel carries its own functions only, or those of all units below it, too."""


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Unit:
    """An organisational unit that goes live."""

    id: Slug
    name: str
    name_zh: str = ""
    level: Level
    parent: Slug | None = None
    timezone: Timezone | None = None
    """None: the parent's, else the file's (`Inventory.timezone`)."""
    location: Location | None = None
    profile: Slug | None = None
    release: Slug | None = None
    """What should run here (`config/releases`); None: the parent's, else the settings'."""
    go_live: date | None = None
    gates: Mapping[Slug, date] = field(default_factory=dict)
    wave: str = ""
    tags: tuple[str, ...] = ()
    contacts: Contacts | None = None
    functions: Mapping[Slug, FunctionUse] = field(default_factory=dict)
    bulk: tuple[Slug, ...] = ()
    realtime: Annotated[
        Mapping[Slug, StreamUse], BeforeValidator(_streams), WithJsonSchema(_STREAMS_SCHEMA)
    ] = field(default_factory=dict)
    """By name, or a list of names: one stream of each."""
    network: UnitNetwork | None = None
    """Each key: None: the nearest ancestor's, else that of the functions' files."""
    assets: tuple[Asset, ...] = ()

    def asset(self, key: str) -> Asset | None:
        """Return the asset with that id, or None."""
        return next((asset for asset in self.assets if asset.id == key), None)

    def due(self, gate: str = DEFAULT_GATE) -> date | None:
        """Return the date by which the unit passes a gate, or None when it has none."""
        return self.gates.get(gate, self.go_live if gate == DEFAULT_GATE else None)


class InventoryFile(BaseModel):
    """One inventory file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    vars: dict[str, Variable] = {}
    """Values for `${name}` in the file (in a directory: in all files)."""
    timezone: Timezone | None = None
    defaults: dict[str, Settings] = {}
    """Keys of checks by probe, for all checks of that probe."""
    units: tuple[Unit, ...] = ()


@plain_dataclass(frozen=True)
class Inventory:
    """All units, checked as a whole. Iterates over them in the order of the files."""

    units: Mapping[str, Unit]
    places: Mapping[str, Place] = field(default_factory=dict, repr=False, compare=False)
    """Where each unit was written."""
    default_timezone: str = "UTC"
    defaults: Mapping[str, Settings] = field(default_factory=dict)
    """Keys of checks by probe."""
    default_places: Mapping[str, Place] = field(default_factory=dict, repr=False, compare=False)
    planned: Mapping[str, Mapping[str, date]] = field(default_factory=dict, repr=False, compare=False)
    """Due dates by unit and gate that a plan says; they go before the unit's own, and are no part of it."""

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.units.values())

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of each unit's children, in order; units without any are left out."""
        found: dict[str, list[str]] = {}
        for unit in self:
            if unit.parent is not None:
                found.setdefault(unit.parent, []).append(unit.id)
        return {parent: tuple(ids) for parent, ids in found.items()}

    def ancestors(self, unit: str) -> Iterator[Unit]:
        """Yield the unit's parent, its parent's parent, and so on."""
        parent = self.units[unit].parent
        while parent is not None:
            yield self.units[parent]
            parent = self.units[parent].parent

    def subtree(self, unit: str) -> Iterator[Unit]:
        """Yield the unit and all units below it, parents first."""
        waiting = [unit]
        while waiting:
            current = waiting.pop()
            yield self.units[current]
            waiting.extend(reversed(self.children.get(current, ())))

    def due(self, unit: str, gate: str = DEFAULT_GATE) -> date | None:
        """Return the date by which a unit passes a gate: the plan's, else its own; None without one."""
        return self.planned.get(unit, {}).get(gate) or self.units[unit].due(gate)

    def dates(self, unit: str) -> dict[str, date]:
        """Return all dates of a unit by gate, the plan's before its own."""
        known = self.units[unit]
        own = dict(known.gates) | ({DEFAULT_GATE: known.go_live} if known.go_live else {})
        return own | dict(self.planned.get(unit, {}))

    def timezone(self, unit: str) -> str:
        """Return the IANA name of the unit's time zone: its own, the nearest ancestor's, the file's, UTC."""
        chain = (self.units[unit], *self.ancestors(unit))
        return next((each.timezone for each in chain if each.timezone), self.default_timezone)

    def release(self, unit: str) -> str | None:
        """Return the id of the release that a unit should run: its own, or the nearest ancestor's."""
        chain = (self.units[unit], *self.ancestors(unit))
        return next((each.release for each in chain if each.release), None)

    def contacts(self, unit: str, tier: Literal["tier1", "tier2", "tier3"]) -> tuple[str, ...]:
        """Return the mail addresses of a tier: the unit's own, or the nearest ancestor's."""
        chain = (self.units[unit], *self.ancestors(unit))
        return next((found for each in chain if (found := getattr(each.contacts, tier, ()))), ())

    def depends_on(self, unit: str, asset: str) -> tuple[tuple[str, str], ...]:
        """Return (unit, asset) of what the asset depends on.

        Written out, all of them are needed; by default (nothing written, not a channel) any of the unit's
        channels serves. Raises KeyError for an asset that does not exist.
        """
        own = self.units[unit].asset(asset)
        if own is None:
            raise KeyError(f"{unit}/{asset}")
        if own.depends_on is not None:
            return tuple(refer(unit, each) for each in own.depends_on)
        if own.kind == "channel":
            return ()
        return tuple((unit, each.id) for each in self.units[unit].assets if each.kind == "channel")


def refer(unit: str, reference: str) -> tuple[str, str]:
    """Return (unit, asset) of a reference written in `unit`: `asset`, or `other-unit/asset`."""
    owner, slash, asset = reference.partition("/")
    return (owner, asset) if slash else (unit, reference)
