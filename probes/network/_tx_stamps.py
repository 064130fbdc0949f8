"""The kernel's time of giving a datagram to the network device (Documentation/networking/timestamping).

Asked for datagram by datagram (a control message), told on the socket's error queue with a running number of
those that asked. Where the device's driver can't tell, nothing comes.
"""

from __future__ import annotations

import contextlib
import socket
import struct

from probes._kernel_clock import NANO, TIMESPEC

SO_TIMESTAMPING = 37
"""asm-generic/socket.h; also the control messages' number."""
TX_SOFTWARE, SOFTWARE, OPT_ID, OPT_TSONLY = 1 << 1, 1 << 4, 1 << 7, 1 << 11
"""SOF_TIMESTAMPING_*, linux/net_tstamp.h."""
ASK = [(socket.SOL_SOCKET, SO_TIMESTAMPING, struct.pack("@I", TX_SOFTWARE))]
"""The control message that asks for a datagram's time."""
EXTENDED_ERROR = struct.Struct("@IBBBBII")
"""struct sock_extended_err (linux/errqueue.h): errno, origin, type, code, pad, info, data."""
ORIGIN_TIMESTAMPING = 4
ERRORS = {(socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25)}
"""IP_RECVERR and IPV6_RECVERR."""
ROOM, MOST = 512, 64


def enable(sock: socket.socket) -> bool:
    """Make `ASK` work on a UDP socket; False where the kernel can't."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, SOFTWARE | OPT_ID | OPT_TSONLY)
    except OSError:
        return False
    return True


def departures(sock: socket.socket) -> list[tuple[int, int]]:
    """Return what the error queue tells: (running number from 0, ns since the epoch)."""
    found: list[tuple[int, int]] = []
    with contextlib.suppress(OSError):
        while len(found) < MOST:
            _, ancillary, _, _ = sock.recvmsg(1, ROOM, socket.MSG_ERRQUEUE)
            number, at_ns = None, 0
            for level, kind, data in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING) and len(data) >= TIMESPEC.size:
                    seconds, nanoseconds = TIMESPEC.unpack_from(data)
                    at_ns = seconds * NANO + nanoseconds
                elif (level, kind) in ERRORS and len(data) >= EXTENDED_ERROR.size:
                    _, origin, _, _, _, _, running = EXTENDED_ERROR.unpack_from(data)
                    number = running if origin == ORIGIN_TIMESTAMPING else None
            if number is not None and at_ns:
                found.append((number, at_ns))
    return found
