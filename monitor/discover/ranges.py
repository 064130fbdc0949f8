"""Which addresses may be asked: those of the ranges given, bounded, less what is known already."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from inventory.models import Inventory

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST = 65_536
"""Addresses in all, whatever is said."""
UNASKED = 1024
"""Addresses that are swept without a person's confirmation."""


class RangeRefused(ValueError):  # noqa: N818 - reads better where it is raised
    """A range that is not swept: `hint` says what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Known:
    """What an inventory holds: its addresses, and how many of its assets have names instead."""

    addresses: frozenset[str] = frozenset()
    named: int = 0


def parse(words: Iterable[str], *, confirmed: bool) -> tuple[Network, ...]:
    """Return the ranges. Raises RangeRefused for one that is none, too large, or nobody's own."""
    found = tuple(dict.fromkeys(map(_network, words)))
    count = sum(size(network) for network in found)
    if count > MOST:
        raise RangeRefused(
            f"{count:,} addresses are too many", f"sweep at most {MOST:,} at a time: /16, or /112"
        )
    if confirmed:
        return found
    if count > UNASKED:
        raise RangeRefused(f"{count:,} addresses are many", "write smaller ranges, or --yes if all are meant")
    public = next((network for network in found if network.is_global), None)
    if public is not None:
        raise RangeRefused(f"{public} is a public range", "write --yes if it is your own")
    return found


def _network(word: str) -> Network:
    try:
        network = ipaddress.ip_network(word.strip(), strict=False)
    except ValueError:
        raise RangeRefused(f'"{word[:60]}" is no range', "write it as 10.1.2.0/24, or one address") from None
    if "/" in word and network != _exact(word):
        raise RangeRefused(f"{word} begins inside a range", f"write {network}, or one address without /")
    if network.is_multicast or network.is_unspecified or (network.version == 4 and network.is_reserved):
        raise RangeRefused(f"{word} holds no hosts", "write a range of hosts' own addresses")
    return network


def _exact(word: str) -> Network | None:
    try:
        return ipaddress.ip_network(word.strip())
    except ValueError:
        return None


def size(network: Network) -> int:
    """Return how many hosts a range may have."""
    if network.version == 4 and network.prefixlen < 31:
        return network.num_addresses - 2
    return network.num_addresses


def addresses(networks: Sequence[Network], known: Known) -> Iterator[str]:
    """Yield the addresses to ask, each once: no network's own, no broadcast, none that is known."""
    seen: set[str] = set()
    for network in networks:
        for each in network.hosts() if size(network) != network.num_addresses else network:
            text = str(each)
            if text not in seen and text not in known.addresses:
                seen.add(text)
                yield text


def known(inventory: Inventory | None) -> Known:
    """Return what the inventory holds; names are not resolved, since that would ask others."""
    if inventory is None:
        return Known()
    found, named = set(), 0
    for unit in inventory:
        for asset in unit.assets:
            try:
                found.add(str(ipaddress.ip_address(asset.address.partition("%")[0])))
            except ValueError:
                named += bool(asset.address)
    return Known(frozenset(found), named)
