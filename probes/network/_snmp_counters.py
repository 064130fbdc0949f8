"""An agent's clock and counters between two moments: wraps told from restarts and resets."""

from __future__ import annotations

TICKS = 2**32
LONGEST_S, SHORTEST_S = 3600.0, 1.0
"""Between two samples that are compared."""
CLOCKS_DIFFER = 0.1
"""Share by which the agent's clock may run off from ours before a wrap of its uptime is a restart."""


def elapsed(before: int, now: int, own: float) -> float | None:
    """Return seconds between two uptimes (hundredths), None where it began anew: a wrap agrees with ours."""
    if now >= before:
        return (now - before) / 100
    wrapped = (now - before) % TICKS / 100
    return wrapped if abs(wrapped - own) <= max(5.0, CLOCKS_DIFFER * own) else None


def increase(before: int, now: int, bits: int) -> int | None:
    """Return how far a counter went, None where it was rather reset: it fell, and not from its upper end."""
    if now >= before:
        return now - before
    wrapped = int((now - before) % 2**bits)
    return wrapped if wrapped < 2 ** (bits - 1) else None
