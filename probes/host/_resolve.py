"""From a target to one socket address, for the probes of this family that connect."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import cast

from probes.api import Context, Target
from probes.errors import Inconclusive, NameUnresolved, ProberFault, Unreachable

FAMILIES = {"any": socket.AF_UNSPEC, "4": socket.AF_INET, "6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Address:
    """The one address that is used: the first of its family, tried once."""

    family: int
    sockaddr: tuple[str | int, ...]

    @property
    def host(self) -> str:
        """The numeric address."""
        return str(self.sockaddr[0])


async def resolve(target: Target, port: int, context: Context) -> Address:
    """Return the address to connect to.

    Raises `NameUnresolved` only where the settings' control name resolves in the same run, else
    `Inconclusive`; `Unreachable` where the name has no address of the family asked for.
    """
    context.phase = "resolve"
    try:
        return await _look_up(target.address, port, FAMILIES[target.family])
    except socket.gaierror as error:
        if error.errno in (socket.EAI_ADDRFAMILY, socket.EAI_NODATA):
            raise Unreachable(f"{target.address} has no address of family {target.family}") from None
        raise await _unresolved(target.address, error, context) from None
    except UnicodeError:
        raise ProberFault(f"{target.address!r} is no host name; write a name or an address") from None


async def _look_up(name: str, port: int, family: int) -> Address:
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(name, port, family=family, type=socket.SOCK_STREAM)
    return Address(infos[0][0], cast("tuple[str | int, ...]", infos[0][4]))


async def _unresolved(name: str, error: socket.gaierror, context: Context) -> Exception:
    control = context.shared.settings.control_name
    detail = f"{name}: {error.strerror}"
    if not control or error.errno == socket.EAI_AGAIN:
        return Inconclusive(f"{detail}, and no control name says whether name resolution works at all")
    try:
        await _look_up(control, 0, socket.AF_UNSPEC)
    except (socket.gaierror, UnicodeError):
        return Inconclusive(f"{detail}, and neither does the control name {control}")
    return NameUnresolved(f"{detail}, while {control} resolves")


def milliseconds_since(start: float) -> float:
    """Return the milliseconds since `start`, a `time.perf_counter()`."""
    return (time.perf_counter() - start) * 1000
