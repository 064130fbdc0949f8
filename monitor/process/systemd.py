"""sd_notify(3): tell systemd that we are ready, alive, reloading or stopping. Nothing happens without it."""

from __future__ import annotations

import os
import socket


def notify(*assignments: str) -> bool:
    """Send assignments such as "READY=1" to the socket in NOTIFY_SOCKET; return whether there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or address[0] not in "/@":
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.setblocking(False)
        try:
            channel.sendto(
                "\n".join(assignments).encode(), "\0" + address[1:] if address[0] == "@" else address
            )
        except OSError:
            return False
    return True


def watchdog_interval() -> float | None:
    """Return how often, in seconds, WATCHDOG=1 is due (half of what systemd waits), or None."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 2e6 if microseconds.isdigit() and for_us else None
