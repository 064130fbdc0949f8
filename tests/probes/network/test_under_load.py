"""`throughput` with `loaded`: the round trip time of a line that a transfer fills, beside that at rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Context, Outcome, Reading
from probes.network import throughput as _probe  # noqa: F401 - imported before the loop runs
from probes.network._rate_loaded import (
    INTERVAL_S,
    LEAST_ECHOES,
    LEAST_INTERVAL_S,
    LEAST_QUEUED_SHARE,
    LEAST_SHARE,
    QUEUED,
    Burst,
    Load,
    UnderLoad,
    interval_s,
)
from probes.network._rate_params import Direction, ThroughputParams
from tests.probes.network.test_throughput import Allowed
from tests.probing import run_once, shared_here
from tests.servers.liar import port_of, reflector_here
from tests.servers.link import Link, Shape, halls, ip_rate, needs_link
from tests.servers.reflector import SECRETS, UNIT, Reflector, reflecting

RTT_MS = 40.0


@asynccontextmanager
async def hall(
    home: Path, *, down: Shape, up: Shape, loss: float = 0.0
) -> AsyncIterator[tuple[Link, Reflector]]:
    """A hall behind routers whose queues are the line's: TCP fills no queue of its own machine's device."""
    async with (
        halls(1, rtt_ms=RTT_MS, down=down, loss=loss) as (line, uplink),
        reflecting(home, host=line.far_address, inside=line.far) as reflector,
    ):
        await asyncio.to_thread(uplink.far.tc, f"qdisc add dev {uplink.devices[1]} root {up.tbf()}")
        yield line, reflector


async def measure(
    line: Link, reflector: Reflector, allowed: Allowed | None, busy_ms: float = 0.0, **params: Any
) -> Reading:
    asked = {"secret": "secret:reflect", "key_of": UNIT, "port": reflector.port, "transfer": "always",
             "loaded": 2, **params}  # fmt: skip

    async def busy() -> None:
        while busy_ms:
            time.sleep(busy_ms / 1000)
            await asyncio.sleep(0.005)

    async def work() -> Reading:
        holding_up = asyncio.create_task(busy())
        async with shared_here(secrets=SECRETS) as shared:
            context = Context(shared, 30.0, link=allowed)
            reading = await run_once(
                "throughput", line.far_address, shared=shared, context=context, timeout=30.0, **asked
            )
        holding_up.cancel()
        return reading

    return await line.near.loop(work)


def queue(rate: float, milliseconds: float) -> Shape:
    return Shape(rate, queue_ms=milliseconds)


@needs_link
@pytest.mark.alone
async def test_a_deep_queue_shows_and_a_shallow_one_does_not(tmp_path: Path) -> None:
    allowed = Allowed(up_bps=10e6, down_bps=10e6)
    async with hall(tmp_path, down=queue(10e6, 500), up=queue(10e6, 25)) as (line, reflector):
        reading = await measure(line, reflector, allowed)
    found = reading.metrics
    assert found.get("rtt_idle_ms") == pytest.approx(RTT_MS, abs=3), reading
    assert found["rtt_loaded_down_ms"] > 5 * RTT_MS
    assert found["rtt_loaded_up_ms"] < 1.75 * RTT_MS
    assert found["rtt_loaded_ms"] == found["rtt_loaded_down_ms"]
    assert found["rtt_load_ratio"] == pytest.approx(found["rtt_loaded_ms"] / found["rtt_idle_ms"])
    assert found["transfer_down_bps"] == pytest.approx(ip_rate(10e6, 1448), rel=0.06)
    assert allowed.filled
    assert sum(allowed.used.values()) < allowed.max_bytes
    assert found["sent_bytes"] == allowed.used["down"]


@needs_link
@pytest.mark.alone
async def test_how_busy_the_monitor_is_makes_no_difference(tmp_path: Path) -> None:
    """The loop is held up for 40 ms again and again, as long as the round trip itself: no echo is slower."""
    async with hall(tmp_path, down=queue(10e6, 25), up=queue(10e6, 25)) as (line, reflector):
        asked = {"up": 10e6, "directions": "up", "loaded": 1.2}
        reading = await measure(line, reflector, None, busy_ms=40, **asked)
    assert reading.metrics.get("rtt_idle_ms") == pytest.approx(RTT_MS, abs=3), reading
    assert reading.metrics.get("rtt_load_ratio", 1.0) < 1.75


async def test_echoes_that_are_lost_are_slower_than_all() -> None:
    assert Burst((10.0,) * 12).median == 10.0
    assert Burst((*[10.0] * 6, *[20.0] * 5), lost=2).median == 20.0
    assert Burst((10.0,) * 12, lost=12).median is None
    assert Burst((10.0,) * 9).median is None, "too few"


REST = Burst((10.0,) * 20)


def loaded(rtt: float, share: float | None = 0.9, echoes: int = 30, lost: int = 0) -> Load:
    return Load(Burst((rtt,) * echoes, lost), share)


@pytest.mark.parametrize(
    ("up", "why"),
    [
        (loaded(15.0, 0.4), "up: the transfer moved only 40 % of what the line carries"),
        (loaded(15.0, None), "up: what the line carries is not known"),
        (loaded(15.0, echoes=9, lost=3), "up: only 9 echoes were answered, 3 were lost"),
        (loaded(15.0, echoes=20, lost=30), "up: only 20 echoes were answered, 30 were lost"),
        (None, "up: not measured"),
    ],
)
def test_a_direction_that_was_not_loaded_leaves_the_ratio_out(up: Load | None, why: str) -> None:
    loads: dict[Direction, Load] = {"down": loaded(30.0)}
    if up is not None:
        loads["up"] = up
    found = UnderLoad(("down", "up"), REST, loads)
    assert found.metrics()["rtt_loaded_down_ms"] == 30.0
    assert not {"rtt_loaded_up_ms", "rtt_loaded_ms", "rtt_load_ratio"} & found.metrics().keys()
    assert why in found.facts()["under_load"]


def test_the_worse_direction_counts_and_needs_the_line_at_rest() -> None:
    loads: dict[Direction, Load] = {"down": loaded(30.0), "up": loaded(15.0, lost=10)}
    found = UnderLoad(("down", "up"), REST, loads).metrics()
    assert (found["rtt_loaded_ms"], found["rtt_load_ratio"], found["rtt_idle_ms"]) == (30.0, 3.0, 10.0)
    assert found["loss_loaded_pct"] == pytest.approx(100 * 10 / 70)
    without = UnderLoad(("down", "up"), Burst((10.0,) * 5), loads)
    assert "rtt_load_ratio" not in without.metrics()
    assert "at rest: only 5 echoes" in without.facts()["under_load"]
    assert not UnderLoad().metrics() | UnderLoad().facts()


@given(rtts=st.lists(st.floats(0.01, 5000), max_size=60), lost=st.integers(0, 60), share=st.floats(0, 1.5))
def test_a_ratio_needs_ten_answers_and_a_full_line(rtts: list[float], lost: int, share: float) -> None:
    found = UnderLoad(("up",), REST, {"up": Load(Burst(tuple(rtts), lost), share)}).metrics()
    enough = len(rtts) >= LEAST_ECHOES and len(rtts) > lost
    queued = enough and found.get("rtt_loaded_ms", 0.0) >= QUEUED * 10.0
    enough = enough and share >= (LEAST_QUEUED_SHARE if queued else LEAST_SHARE)
    assert ("rtt_load_ratio" in found) == enough
    if enough:
        assert min(rtts) <= found["rtt_loaded_ms"] <= max(rtts)


def test_echoes_go_more_often_beside_a_transfer_that_is_short() -> None:
    assert interval_s(10_000_000, 10e6) == INTERVAL_S
    assert interval_s(10_000_000, None) == INTERVAL_S
    assert interval_s(10_000_000, 100e6) == pytest.approx(0.55 / 40)
    assert interval_s(1_000_000, 1e9) == LEAST_INTERVAL_S


def test_a_queue_shows_that_the_line_was_full() -> None:
    assert loaded(19.0, 0.6).why_not(10.0)
    assert not loaded(21.0, 0.6).why_not(10.0)
    assert loaded(21.0, 0.2).why_not(10.0), "that queue may be of others"
    assert loaded(21.0, 0.6).why_not(None)


@needs_link
@pytest.mark.alone
async def test_loss_that_holds_the_transfer_back_passes_no_queue(tmp_path: Path) -> None:
    """A queue of 60 ms is there, but a transfer that loses 1 % both ways never fills it."""
    async with hall(tmp_path, down=queue(10e6, 60), up=queue(10e6, 60), loss=0.01) as (line, reflector):
        reading = await measure(line, reflector, None, up=10e6, directions="up", loaded=1)
    assert not {"rtt_loaded_up_ms", "rtt_load_ratio"} & reading.metrics.keys(), reading
    assert "of what the line carries" in reading.facts["under_load"]


async def test_a_timeout_without_room_is_ours() -> None:
    async with reflector_here() as service:
        params_: dict[str, Any] = {"secret": "secret:reflect", "key_of": UNIT, "port": port_of(service)}
        async with shared_here(secrets=SECRETS) as shared:
            reading = await run_once(
                "throughput", "127.0.0.1", shared=shared, timeout=10, transfer="always", loaded=5, **params_
            )
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "prober_error")
    assert "2 transfers held for 5 s need a timeout of 23 s" in reading.detail


@pytest.mark.parametrize("given", [{"transfer": "confirm", "secret": "secret:a"}, {"transfer": "always"}])
def test_it_takes_a_reflector_and_a_transfer(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="loaded needs a reflector"):
        ThroughputParams.model_validate({"loaded": 2, **given})
