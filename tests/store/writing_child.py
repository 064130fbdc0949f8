"""Writes as fast as it may until it is killed, and says on standard output what is acknowledged.

    python -m tests.store.writing_child DIRECTORY FIRST

Readings are numbered from FIRST; the number is the reading's time in ms after `making.NOON`. After each flush
it prints "committed N": everything below N was acknowledged.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from monitor.store.engine import Store
from tests.store.making import METRICS, NOON, ok

CHECKS = 200


async def main(directory: Path, number: int) -> None:
    store = await asyncio.to_thread(Store.open, directory)
    for check in range(CHECKS):
        store.declare(f"u/a/c{check}", METRICS)
    rounds = 0
    while True:
        for _ in range(400):
            facts = {"round": str(rounds)} if number % 50 == 0 else None
            store.append(ok(f"u/a/c{number % CHECKS}", NOON + number / 1000, facts, rtt_ms=float(number)))
            number += 1
            if number % 100 == 0:
                await asyncio.sleep(0)
        await store.flush()
        sys.stdout.write(f"committed {number}\n")
        sys.stdout.flush()
        rounds += 1
        if rounds % 3 == 0:
            await store.compact(today=0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
