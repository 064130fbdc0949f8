"""Leave for one run, as the probe sees it, from any thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from monitor.discipline.budget import Amount
from monitor.discipline.grant import Grant
from probes.api import Link, Reading


def test_it_is_the_link_that_probes_know() -> None:
    link: Link = Grant(("a",), Amount(1000, 2000), up_bps=1e6, loss=0.01, rtt_ms=20.0)
    assert (link.max_bytes, link.up_bps, link.down_bps, link.loss, link.rtt_ms) == (
        1000,
        1e6,
        None,
        0.01,
        20.0,
    )
    assert not link.hurt()


def test_bytes_are_counted_from_many_threads_and_end_the_run_once() -> None:
    told: list[str] = []
    grant = Grant(("a",), Amount(400_000, 60_000), over=lambda each: told.append(each.cause))

    def spend(_: int) -> None:
        for _ in range(1000):
            grant.spent(30, 20)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(spend, range(8)))
    assert (grant.up_bytes, grant.down_bytes, grant.total) == (240_000, 160_000, 400_000)
    assert grant.hurt() == "all 400000 bytes of this run are spent"
    grant.stop("too late")
    assert (told, grant.cause) == (["bytes"], "bytes")


def test_time_ends_it_too() -> None:
    now = 0.0
    grant = Grant(("a",), Amount(10, 1500), clock=lambda: now)
    now = 1.49
    assert not grant.hurt()
    now = 1.5
    assert grant.hurt() == "the 1.5 s of this run are over"
    assert grant.used() == Amount(0, 1500)


async def test_a_thread_that_goes_on_after_the_end_disturbs_nobody() -> None:
    told: list[Grant] = []
    grant = Grant(("a",), Amount(10, 1000), over=told.append)
    grant.close()
    await asyncio.to_thread(grant.spent, 100, 100)
    assert grant.hurt()
    assert not told


def test_a_reading_says_how_it_came_about() -> None:
    grant = Grant(("a",), Amount(10, 1000))
    reading = Reading.ok(phases={"transfer": 3.0})
    grant.waited = 1.5
    grant.sign(reading)
    assert list(reading.phases.items()) == [("turn", 1500.0), ("transfer", 3.0)]
    assert reading.facts == {"link_use": "not measured"}
    grant.waited, grant.use_known = 0.0, True
    reading = Reading.ok()
    grant.sign(reading)
    assert (reading.phases, reading.facts) == ({}, {"link_use": "measured"})
