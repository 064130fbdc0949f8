"""What a reflector grants at most, whoever asks with the right key."""

from __future__ import annotations

from dataclasses import dataclass

from probes.network._reflect_bodies import MAX_PACKETS
from probes.network._reflect_wire import MAX_SIZE

MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a reflector. Bytes are of the IP layer where they are budgets, of UDP or TCP payload else."""

    packets: int = MAX_PACKETS
    size: int = MAX_SIZE
    train_bytes: int = MAX_PACKETS * MAX_SIZE
    rate_bps: int = 1000 * MEGA
    stream_bytes: int = 64 * MEGA
    stream_s: float = 30.0
    idle_s: float = 30.0
    """A session that is silent for this long has ended."""
    sessions: int = 256
    """Sessions at once; one more ends the one that has been silent for longest."""
    peers: int = 4096
    """Addresses whose budgets are remembered."""
    session_bytes: int = 256 * MEGA
    """What one session may move in all, trains and reports, both directions."""
    peer_bytes: int = 512 * MEGA
    """What one address may move at once; it is refilled by `peer_bps`."""
    peer_bps: float = 0.5 * MEGA
    """Bit/s by which an address's budget is refilled (0.5 Mbit/s is 5.4 GB a day)."""
    requests_s: float = 500.0
    """Requests a second of one session (echoes included), and as many at once."""
    opens_s: float = 20.0
    """Sessions that one address may open in a second, and as many at once."""
    strangers_s: float = 500.0
    """Answers a second to those who have shown no key yet, of all addresses together."""
    connections: int = 16
    """TCP connections at once."""
