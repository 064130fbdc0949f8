"""Interfaces as an agent tells of them: which ones are meant, and one row of each (RFC 2863, RFC 3635)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from probes._patterns import found, pattern
from probes._snmp import OverSnmp, Value, text
from probes.api import BitsPerSecond, Seconds

IF, IFX, ETHERLIKE = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1", "1.3.6.1.2.1.10.7.2.1"
UPTIME = "1.3.6.1.2.1.1.3.0"
NAME, DESCRIPTION, ALIAS, TYPE = f"{IFX}.1", f"{IF}.2", f"{IFX}.18", f"{IF}.3"
COLUMNS = {
    "admin": f"{IF}.7", "oper": f"{IF}.8", "changed": f"{IF}.9", "speed": f"{IF}.5",
    "high_speed": f"{IFX}.15", "duplex": f"{ETHERLIKE}.19", "discontinuity": f"{IFX}.19",
    "in32": f"{IF}.10", "out32": f"{IF}.16", "in64": f"{IFX}.6", "out64": f"{IFX}.10",
    "discards_in": f"{IF}.13", "errors_in": f"{IF}.14", "discards_out": f"{IF}.19", "errors_out": f"{IF}.20",
    "packets_in32": f"{IF}.11", "packets_out32": f"{IF}.17",
    "packets_in64": f"{IFX}.7", "packets_out64": f"{IFX}.11",
}  # fmt: skip
"""Packets are unicast ones: with the uptime all of it just fits one question."""
NOT_IN_VERSION_1 = ("in64", "out64", "packets_in64", "packets_out64")
VIRTUAL = {1, 24, 53, 131, 135, 136, 150, 166, 209}
"""ifType of what is no port: other, loopback, propVirtual, tunnel, VLANs, MPLS, bridge (IANAifType-MIB)."""
UP, HALF_DUPLEX, FULL_DUPLEX = 1, 2, 3
TICKS_A_SECOND = 100
OVER = 4_294_967_295
"""What ifSpeed says of an interface that is faster than it can tell."""
MOST = 512
"""Interfaces that one check looks at."""


class InterfacesParams(OverSnmp):
    """Which interfaces, and what their figures are taken against."""

    names: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = Field(
        (), max_length=MOST, description="ifName or ifDescr, or /a regular expression/ to be found in one."
    )
    aliases: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = Field(
        (), max_length=MOST, description="ifAlias (the description that operators give), or /an expression/."
    )
    indexes: tuple[Annotated[int, Field(ge=1, le=2**31 - 1)], ...] = Field(
        (), max_length=MOST, description="ifIndex, where it stays the same across restarts."
    )
    speed: BitsPerSecond | None = Field(
        None, gt=0, description="What 100 % is, where it is not the interface's own speed."
    )
    first_span: Seconds = Field(
        0.0,
        ge=0,
        le=30,
        description="With no earlier sample, take a second one after this long; 0 takes none.",
    )
    each: bool = Field(False, description="Report every metric of each interface, too.")

    @field_validator("names", "aliases")
    @classmethod
    def _expressions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if _is_pattern(one):
                pattern(one[1:-1])
        return value

    @model_validator(mode="after")
    def _enough(self) -> InterfacesParams:
        if len(self.wanted) > MOST:
            msg = f"{len(self.wanted)} interfaces; a check looks at {MOST} at most"
            raise ValueError(msg)
        return self

    @property
    def wanted(self) -> tuple[str, ...]:
        """What is asked for, as it is named in the fact `missing`."""
        return (*self.names, *(f"alias {one}" for one in self.aliases), *(f"index {n}" for n in self.indexes))


@dataclass(frozen=True, slots=True)
class Known:
    """What the agent's tables say of names, by ifIndex as text."""

    names: Mapping[str, str]
    descriptions: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, int] = field(default_factory=dict)

    def indexes(self) -> list[str]:
        """Return all there are, in order."""
        return sorted({*self.names, *self.descriptions}, key=int)

    def name(self, index: str) -> str:
        """Return what an interface is called here."""
        return self.names.get(index) or self.descriptions.get(index) or f"index {index}"


@dataclass(slots=True)
class Row:
    """One interface at one moment: `at` is the agent's uptime in hundredths, absent columns are left out."""

    index: str
    name: str
    at: int
    values: dict[str, int]

    @property
    def speed(self) -> float | None:
        """Bits a second, None where the agent does not say."""
        low, high = self.values.get("speed", 0), self.values.get("high_speed", 0) * 1_000_000
        return float(low if 0 < low < OVER and high <= OVER else high) or None


def chosen(params: InterfacesParams, known: Known) -> tuple[list[str], list[str]]:
    """Return the indexes that are meant, and what is asked for and not there.

    With nothing asked for, all ports are meant.
    """
    every = known.indexes()
    if not params.wanted:
        return [index for index in every if known.types.get(index) not in VIRTUAL], []
    wanted: set[str] = set()
    missing: list[str] = []
    for one, of in _searches(params, known):
        hits = {index for index in every if _matches(one, (texts.get(index, "") for texts in of))}
        wanted |= hits
        if not hits:
            missing.append(one if of[0] is known.names else f"alias {one}")
    for number in map(str, params.indexes):
        if number in every:
            wanted.add(number)
        else:
            missing.append(f"index {number}")
    return sorted(wanted, key=int), missing


def _searches(params: InterfacesParams, known: Known) -> list[tuple[str, tuple[Mapping[str, str], ...]]]:
    by_name = [(one, (known.names, known.descriptions)) for one in params.names]
    return [*by_name, *((one, (known.aliases,)) for one in params.aliases)]


def _matches(wanted: str, texts: Iterable[str]) -> bool:
    if _is_pattern(wanted):
        return any(found(wanted[1:-1], one) for one in texts if one)
    return any(wanted == one for one in texts)


def _is_pattern(wanted: str) -> bool:
    return len(wanted) > 2 and wanted[0] == wanted[-1] == "/"


def row(index: str, name: str, values: Mapping[str, Value]) -> Row | None:
    """Return the row of one interface from what was answered by OID; None where the uptime is missing."""
    at = values.get(UPTIME)
    if not isinstance(at, int):
        return None
    told = {column: values.get(f"{oid}.{index}") for column, oid in COLUMNS.items()}
    numbers = {column: value for column, value in told.items() if isinstance(value, int) and value >= 0}
    return Row(index, name, at, numbers)


def questions(index: str, *, version_1: bool) -> list[str]:
    """Return what is asked of one interface, in one packet with the uptime that its counters are of."""
    columns = [column for column in COLUMNS if not (version_1 and column in NOT_IN_VERSION_1)]
    return [UPTIME, *(f"{COLUMNS[column]}.{index}" for column in columns)]


def texts(column: Mapping[str, Value]) -> dict[str, str]:
    """Return a column of names; what is no index of one number is left out."""
    return {index: text(value).strip()[:255] for index, value in column.items() if index.isdecimal()}


def slug(name: str) -> str:
    """Return a name as it ends the name of a metric: `GigabitEthernet0/0/1` is `gigabitethernet0_0_1`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:48] or "interface"
