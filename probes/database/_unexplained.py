"""A driver that connects by itself and gives no cause: what the kernel says of the port."""

from __future__ import annotations

from probes._dial import dial
from probes._resolve import Address
from probes.api import Context
from probes.errors import ProtocolViolated


class Unexplained(Exception):  # noqa: N818 - what a driver said that names no cause
    """A driver could not connect, and gives no server's answer that is known."""


async def explained(error: Unexplained, address: Address | None, port: int, context: Context) -> Exception:
    """Return the kernel's own answer for the port, where that is the cause, else what the driver said."""
    if address is not None:
        try:
            sock, _ = await dial(address, port, context)
        except OSError as cause:
            return cause
        sock.close()
        context.phase = "login"
    return ProtocolViolated(f"login: {error}")
