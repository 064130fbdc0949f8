"""Budgets (pure; the clock is passed in): token buckets, one for each of a bounded number of addresses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class Bucket:
    """Holds at most `capacity`, is refilled by `per_s` a second, and starts full."""

    __slots__ = ("_at", "_capacity", "_left", "_per_s")

    def __init__(self, capacity: float, per_s: float, now: float) -> None:
        self._capacity, self._per_s, self._left, self._at = capacity, per_s, capacity, now

    def take(self, amount: float, now: float) -> bool:
        """Take `amount` if it is there."""
        if amount > self.left(now):
            return False
        self._left -= amount
        return True

    def left(self, now: float) -> float:
        """Return what is there now. A clock that goes backwards refills nothing."""
        passed = max(0.0, now - self._at)
        self._at = max(self._at, now)
        self._left = min(self._capacity, self._left + passed * self._per_s)
        return self._left

    def give_back(self, amount: float) -> None:
        """Return what was taken and not used."""
        self._left = min(self._capacity, self._left + max(0.0, amount))

    def wait_s(self, amount: float, now: float) -> float:
        """Return after how many seconds `amount` would be there, 0 where it is or never will be."""
        missing = amount - self.left(now)
        if missing <= 0 or amount > self._capacity or not self._per_s:
            return 0.0
        return missing / self._per_s


class Peers:
    """A bucket for each address, at most `most`.

    Beyond that the address that was seen least lately is forgotten; whoever can make it so must be able to
    receive at thousands of addresses, and the total stays bounded by one train at a time.
    """

    def __init__(self, most: int, make: Callable[[float], Bucket]) -> None:
        self._most, self._make = most, make
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, host: str, now: float) -> Bucket:
        """Return the bucket of an address."""
        bucket = self._buckets.get(host)
        if bucket is None:
            bucket = self._buckets[host] = self._make(now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(host)
        return bucket
