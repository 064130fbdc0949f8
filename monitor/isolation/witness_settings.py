"""Who tells the monitor from outside whether it is connected: the `[witnesses]` table of the settings."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Annotated, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from inventory._fields import Address
from monitor.isolation.gate import LEAST_WITNESSES, local
from probes.api import Seconds

MOST_WITNESSES = 16
_ADDRESS: TypeAdapter[str] = TypeAdapter(Address)


class Endpoint(NamedTuple):
    """Where a witness is asked: by TCP where there is a port, else by ICMP."""

    host: str
    port: int | None = None


def endpoint(text: str) -> Endpoint:
    """Return where `text` points: "10.0.0.1", "time.example:443", "2001:db8::1", "[2001:db8::1]:443".

    Raises ValueError.
    """
    if "://" in text:
        raise ValueError('a URL is no address; write only the host, or "host:port"')
    host, port = _parted(text)
    if port is not None and not (port.isdecimal() and 1 <= int(port) <= 65_535):
        raise ValueError(f'"{text[:80]}" has no port from 1 to 65535 behind its colon')
    try:
        found = _ADDRESS.validate_python(host)
    except ValidationError as error:
        raise ValueError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None
    if local(found):
        raise ValueError(f'"{found}" answers whatever becomes of the uplink; name an address beyond it')
    return Endpoint(_plain(found), int(port) if port is not None else None)


def _parted(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":") if rest else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None


def _plain(host: str) -> str:
    """Return the host in the one form that it is compared in."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")


def _witness(text: str) -> str:
    endpoint(text)
    return text


class WitnessSettings(BaseModel):
    """Without addresses no failure is ever held to be the monitor's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    addresses: tuple[Annotated[str, AfterValidator(_witness)], ...] = Field((), max_length=MOST_WITNESSES)
    """`host` (asked by ICMP) or `host:port` (by TCP), at least two, outside of what is watched."""
    every: Seconds = Field(10.0, ge=1, le=300)
    """How often they are asked while nothing fails."""
    hold: Seconds = Field(30.0, ge=0, le=300)
    """How long an isolation lasts before people are told of it; what is counted depends on it in no way."""

    @field_validator("addresses")
    @classmethod
    def _enough(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        hosts = {endpoint(each).host for each in value}
        if value and len(hosts) < LEAST_WITNESSES:
            raise ValueError(
                f"one witness can't be told from its own failure; name {LEAST_WITNESSES} different hosts, "
                'such as your own gateway and a time server: ["10.0.0.1", "time.example:443"]'
            )
        if len(hosts) < len(value):
            raise ValueError("two ports of one host are one witness; name each host once")
        return value

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Where each is asked, by the address as it is written."""
        return {each: endpoint(each) for each in self.addresses}


def within(settings: WitnessSettings, addresses: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the witnesses that are watched as well: by their address the asset that has it.

    `addresses` are pairs of an asset (`unit/asset`) and its address.
    """
    hosts = {each.host: written for written, each in settings.endpoints.items()}
    found: dict[str, str] = {}
    for asset, address in addresses:
        written = hosts.get(_plain(address)) if address else None
        if written is not None:
            found.setdefault(written, asset)
    return found
