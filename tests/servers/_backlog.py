"""Watches the queue of a device's shaper from inside its network namespace, as a process of its own.

    python _backlog.py DEVICE

Asks the kernel (rtnetlink, RTM_GETQDISC) every millisecond or so; when standard input ends it prints one JSON
object: the most bytes that were queued, and the number of looks.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys

RTM_GETQDISC, REQUEST_AND_ECHO, ROOT = 38, 0x01 | 0x08, 0xFFFF_FFFF
TCA_STATS2, TCA_STATS_QUEUE = 7, 3
HEADER = struct.Struct("@IHHII")
TCMSG = struct.Struct("@BxxxiIII")
ATTRIBUTE = struct.Struct("@HH")
LOOK_S, ANSWER_S = 0.001, 5.0


def attributes(data: bytes) -> dict[int, bytes]:
    """Return netlink attributes by their type."""
    found: dict[int, bytes] = {}
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        if length < ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
    return found


def backlog(asking: socket.socket, index: int) -> int:
    """Return how many bytes the root qdisc of a device holds now."""
    message = TCMSG.pack(socket.AF_UNSPEC, index, 0, ROOT, 0)
    asking.send(HEADER.pack(HEADER.size + len(message), RTM_GETQDISC, REQUEST_AND_ECHO, 1, 0) + message)
    answer = asking.recv(65_536)
    statistics = attributes(answer[HEADER.size + TCMSG.size :]).get(TCA_STATS2, b"")
    queue = attributes(statistics).get(TCA_STATS_QUEUE, b"")
    return int(struct.unpack_from("@I", queue, 4)[0]) if len(queue) >= 8 else 0


def main() -> None:
    """Watch until standard input ends."""
    index, most, looks = socket.if_nametoindex(sys.argv[1]), 0, 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.bind((0, 0))
        asking.settimeout(ANSWER_S)
        while True:
            ready, _, _ = select.select([0], [], [], LOOK_S)
            if ready and not os.read(0, 1):
                break
            most, looks = max(most, backlog(asking, index)), looks + 1
    print(json.dumps({"most": most, "looks": looks}))


if __name__ == "__main__":
    main()
