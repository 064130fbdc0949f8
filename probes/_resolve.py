"""From the address in the inventory (a number or a name) to one address of one family.

A number costs no wait. Of the addresses of a name the first is taken, as the system orders them (RFC 6724),
or IPv4 before IPv6 where the settings name their own resolvers: one attempt, no happy eyeballs. A name that
does not resolve is the target's failure only where the control name resolved in the same run.
"""

from __future__ import annotations

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Literal, NamedTuple

import dns.asyncresolver
import dns.exception
import dns.resolver

from probes.api import Context, Shared, Target
from probes.errors import Inconclusive, NameUnresolved, ProberFault

Family = Literal["any", "4", "6"]
AF: dict[str, socket.AddressFamily] = {
    "any": socket.AF_UNSPEC, "4": socket.AF_INET, "6": socket.AF_INET6,
}  # fmt: skip
THREADS = 8
LONGEST_S = 5.0
"""Longest wait for one name, whatever the run's timeout."""


class Address(NamedTuple):
    """A numeric address; `host` is in the form that the kernel gives back."""

    host: str
    family: Literal["4", "6"]
    scope: int = 0

    @property
    def af(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6."""
        return socket.AF_INET if self.family == "4" else socket.AF_INET6

    def sockaddr(self, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return what the socket calls take."""
        return (self.host, port) if self.family == "4" else (self.host, port, 0, self.scope)


@lru_cache(maxsize=65_536)
def numeric(text: str) -> Address | None:
    """Return the address that `text` writes out ("10.0.0.1", "fe80::1%eth0"), or None for a name."""
    try:
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return _numeric6(text)
    return Address(text, "4")


def _numeric6(text: str) -> Address | None:
    host, _, scope = text.removeprefix("[").removesuffix("]").partition("%")
    try:
        packed = socket.inet_pton(socket.AF_INET6, host)
        number = int(scope) if scope.isdecimal() else socket.if_nametoindex(scope) if scope else 0
    except (OSError, ValueError):
        return None
    return Address(socket.inet_ntop(socket.AF_INET6, packed), "6", number)


async def resolve(target: Target, context: Context) -> tuple[Address, float]:
    """Return the address to probe and how long resolving took, in ms (0 for a numeric address).

    Raises `NameUnresolved`, `Inconclusive` (no control name, or it does not resolve either) and
    `ProberFault` (a numeric address of the family that the inventory excludes).
    """
    address = numeric(target.address)
    if address is None:
        return await _resolve_name(target, context)
    if target.family not in ("any", address.family):
        raise ProberFault(f"{target.address} is IPv{address.family}, but the inventory says family: "
                          f"{target.family}")  # fmt: skip
    return address, 0.0


async def _resolve_name(target: Target, context: Context) -> tuple[Address, float]:
    context.phase = "resolve"
    resolver, started = context.shared.get(Resolver), time.perf_counter()
    try:
        found = await resolver.lookup(target.address, target.family, min(LONGEST_S, context.remaining * 0.5))
    except LookupFailed as failure:
        raise await _blame(resolver, str(failure), target, context) from None
    took_ms = (time.perf_counter() - started) * 1000
    context.log(f"{target.address} is {found.host} ({took_ms:.3f} ms)")
    return found, took_ms


async def _blame(
    resolver: Resolver, why: str, target: Target, context: Context
) -> NameUnresolved | Inconclusive:
    control = context.shared.settings.control_name
    what = f"{target.address} does not resolve: {why}"
    if not control:
        return Inconclusive(f"{what}; no control name is set, so it can't be told whose fault it is")
    try:
        await resolver.lookup(control, "any", min(LONGEST_S, context.remaining * 0.5))
    except LookupFailed as failure:
        return Inconclusive(f"{what}; neither does the control name {control}: {failure}")
    return NameUnresolved(f"{what}; the control name {control} does")


class LookupFailed(Exception):  # noqa: N818 - reads better where it is raised
    """A name gave no address; the text says why."""


class Resolver:
    """Looks names up: by the settings' resolvers, else as the system does (hosts file, search list).

    The system's way blocks, so it has a few threads of its own; names that hang wait for each other there
    and end inconclusive, and never take threads from the rest of the program.
    """

    def __init__(self, shared: Shared) -> None:
        self._own: dns.asyncresolver.Resolver | None = None
        self._pool: ThreadPoolExecutor | None = None
        if shared.settings.resolvers:
            self._own = dns.asyncresolver.Resolver(configure=False)
            self._own.nameservers = list(shared.settings.resolvers)
        else:
            self._pool = ThreadPoolExecutor(THREADS, "resolve")

    async def lookup(self, name: str, family: Family, seconds: float) -> Address:
        """Return the first address of `name`. Raises `LookupFailed`, after `seconds` at the latest."""
        try:
            async with asyncio.timeout(seconds):
                found = await (self._by_dns(name, family) if self._own else self._by_system(name, family))
        except TimeoutError:
            raise LookupFailed(f"no answer within {seconds:.1f} s") from None
        if found is None:
            raise LookupFailed("no address" + ("" if family == "any" else f" of family {family}"))
        return found

    async def _by_dns(self, name: str, family: Family) -> Address | None:
        assert self._own is not None
        try:
            answers = await self._own.resolve_name(name, AF[family])
        except (dns.exception.DNSException, UnicodeError) as error:
            raise LookupFailed(_first_line(error)) from None
        found = [*answers.addresses(socket.AF_INET), *answers.addresses(socket.AF_INET6)]
        return numeric(found[0]) if found else None

    async def _by_system(self, name: str, family: Family) -> Address | None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(
                self._pool, socket.getaddrinfo, name, None, AF[family], socket.SOCK_STREAM
            )
        except (OSError, UnicodeError) as error:
            raise LookupFailed(_first_line(error)) from None
        af, *_, sockaddr = found[0]
        scope = int(sockaddr[3]) if len(sockaddr) == 4 else 0
        return Address(str(sockaddr[0]).partition("%")[0], "6" if af == socket.AF_INET6 else "4", scope)

    async def aclose(self) -> None:
        """Abandon what still hangs."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]
