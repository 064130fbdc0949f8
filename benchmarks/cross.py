"""Other traffic: UDP packets of 1,500 bytes at random (exponential) intervals, a process of its own.

    python cross.py ADDRESS PORT BITS_PER_SECOND SEED

Sends until it is terminated; the rate is at the IP layer.
"""

from __future__ import annotations

import random
import socket
import sys
import time

PACKET, HEADERS = 1500, 28


def main() -> None:
    """Send for ever."""
    address, port, rate, seed = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    chance, payload = random.Random(seed), bytes(PACKET - HEADERS)
    mean = PACKET * 8 / rate
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.connect((address, port))
        due = time.perf_counter()
        while True:
            due += chance.expovariate(1 / mean)
            if (early := due - time.perf_counter()) > 0:
                time.sleep(early)
            sending.send(payload)


if __name__ == "__main__":
    main()
