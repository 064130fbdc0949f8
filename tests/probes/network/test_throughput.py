"""`throughput` on emulated links, and what it says of reflectors that are lost, wrong or lying."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.reflector.limits import Limits
from probes import registry
from probes.api import Context, Outcome, Reading
from probes.network import throughput as _probe  # noqa: F401 - imported before the loop runs
from probes.network._rate_params import ThroughputParams
from probes.network._reflect_bodies import TRAIN_STEPPED, Reported, unpack
from probes.network._reflect_wire import Frame, Kind
from tests.probing import run_once, shared_here
from tests.servers.liar import Lie, Seal, lying, port_of, reflector_here, silent_port
from tests.servers.link import Link, Shape, ip_rate, link, needs_link
from tests.servers.ports import free_port, until_listening
from tests.servers.process import running
from tests.servers.reflector import SECRETS, UNIT, Reflector, reflecting

PACKET = 1400
MS = 1_000_000


@dataclass
class Allowed:
    """Leave as the monitor gives it."""

    max_bytes: int = 10_000_000
    up_bps: float | None = None
    down_bps: float | None = None
    loss: float | None = None
    rtt_ms: float | None = None
    stop_after: int = 10**12
    """Bytes after which others suffer."""
    used: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})

    def spent(self, up: int, down: int) -> None:
        self.used["up"] += up
        self.used["down"] += down

    filled: bool = False

    def fill(self) -> None:
        self.filled = True

    def hurt(self) -> str:
        return "others suffer" if sum(self.used.values()) >= self.stop_after else ""


async def _run(
    address: str, port: int, allowed: Allowed | None = None, timeout: float = 20.0, **params: Any
) -> Reading:
    given = {"secret": "secret:reflect", "key_of": UNIT, "port": port, "transfer": "no", **params}
    async with shared_here(secrets=SECRETS) as shared:
        context = Context(shared, timeout, link=allowed)
        return await run_once("throughput", address, shared=shared, context=context, timeout=timeout, **given)


@asynccontextmanager
async def _line(home: Path, **shape: Any) -> AsyncIterator[tuple[Link, Reflector]]:
    async with (
        link(**shape) as line,
        reflecting(home, host=line.far_address, inside=line.far) as reflector,
    ):
        yield line, reflector


async def _measure(
    line: Link, reflector: Reflector, runs: int, rate: float | None, **params: Any
) -> list[Reading]:
    nominal: dict[str, Any] = {} if rate is None else {"up": rate, "down": rate}

    async def work() -> list[Reading]:
        return [await _run(line.far_address, reflector.port, **nominal, **params) for _ in range(runs)]

    return await line.near.loop(work)


def _close(readings: Iterable[Reading], rate: float, way: str, rel: float) -> int:
    """Return how many readings have the capacity of a rate at layer 2."""
    true = ip_rate(rate, PACKET)
    figures = [reading.metrics.get(f"capacity_{way}_bps", 0.0) for reading in readings]
    return sum(abs(figure / true - 1) <= rel for figure in figures)


def _no_false_figure(readings: Iterable[Reading], rel: float = 0.06, **rates: float) -> None:
    for reading in readings:
        for way, rate in rates.items():
            for name in (f"capacity_{way}_bps", f"capacity_{way}_at_least_bps"):
                assert reading.metrics.get(name, 0.0) <= rate * (1 + rel), (name, reading)


@needs_link
@pytest.mark.alone
@pytest.mark.parametrize("rate", [2e6, 10e6, 50e6])
async def test_the_capacity_both_ways_by_few_bytes(tmp_path: Path, rate: float) -> None:
    async with _line(tmp_path, up=rate, down=rate) as (line, reflector):
        before = (await line.traffic("down")).ip_bytes
        readings = await _measure(line, reflector, 4, rate)
        took = ((await line.traffic("down")).ip_bytes - before) / 4
    for way in ("up", "down"):
        assert _close(readings, rate, way, 0.01) >= 3, readings
        queues = sorted(reading.metrics[f"queue_{way}_ms"] for reading in readings)
        assert queues[1] <= (80 if rate == 2e6 else 50)
    assert took <= rate / 8 * 5 * (0.10 if rate == 2e6 else 0.05)
    mean = sum(reading.metrics["sent_bytes"] for reading in readings) / 4
    assert took == pytest.approx(mean, rel=0.02)


@needs_link
@pytest.mark.alone
async def test_an_asymmetric_line_with_delay_and_loss(tmp_path: Path) -> None:
    allowed = Allowed(up_bps=2e6, down_bps=20e6, loss=0.01)
    async with _line(tmp_path, up=2e6, down=20e6, rtt_ms=40, loss=0.01) as (line, reflector):
        readings = await _measure(line, reflector, 2, None, allowed=allowed)
    for reading in readings:
        assert _close([reading], 2e6, "up", 0.03) == 1
        assert _close([reading], 20e6, "down", 0.03) == 1
        rtt = reading.metrics["rtt_ms"]
        assert 40 <= rtt < 80
        mathis = 1400 * 8 / (rtt / 1000) * (3 / 4 / 0.01) ** 0.5
        assert reading.metrics["tcp_down_bps"] == pytest.approx(mathis)
        assert reading.metrics["tcp_up_bps"] == pytest.approx(min(mathis, reading.metrics["capacity_up_bps"]))
    assert allowed.used["up"] == sum(reading.metrics["received_bytes"] for reading in readings)
    assert allowed.used["down"] == sum(reading.metrics["sent_bytes"] for reading in readings)


@needs_link
@pytest.mark.alone
async def test_burst_credit_is_not_reported_and_a_transfer_sees_through_it(tmp_path: Path) -> None:
    async with _line(tmp_path, up=2e6, down=10e6, burst_kb=256) as (line, reflector):
        trains = await _measure(line, reflector, 1, None, up=2e6, down=10e6)
        confirmed = await _measure(line, reflector, 1, None, up=2e6, down=10e6, transfer="confirm")
    assert trains[0].facts["decided_up"] == "undecided"
    assert trains[0].metrics["burst_up_bps"] > 4e6
    assert "capacity_up_bps" not in trains[0].metrics
    _no_false_figure([*trains, *confirmed], up=2e6, down=10e6)
    assert "transfer" in confirmed[0].facts["why_up"] or "transfer_up_bps" not in confirmed[0].metrics


@needs_link
@pytest.mark.alone
async def test_behind_a_policer_with_credit_a_transfer_tells_the_rate(tmp_path: Path) -> None:
    shapes = {"up": Shape(2e6, burst=256_000, policer=True), "down": Shape(10e6, burst=256_000, policer=True)}
    async with _line(tmp_path, **shapes) as (line, reflector):
        readings = await _measure(line, reflector, 1, None, up=2e6, down=10e6, transfer="confirm")
    _no_false_figure(readings, up=2e6, down=10e6)
    assert _close(readings, 2e6, "up", 0.02) == _close(readings, 10e6, "down", 0.02) == 1, readings
    assert readings[0].metrics["received_bytes"] < 800_000


@needs_link
@pytest.mark.alone
async def test_transfers_stop_early(tmp_path: Path) -> None:
    async with _line(tmp_path, up=10e6, down=20e6) as (line, reflector):
        readings = await _measure(line, reflector, 1, None, up=10e6, down=20e6, transfer="always")
    metrics = readings[0].metrics
    assert metrics["transfer_up_bps"] == pytest.approx(ip_rate(10e6, 1448), rel=0.06)
    assert metrics["transfer_down_bps"] == pytest.approx(ip_rate(20e6, 1448), rel=0.06)
    assert metrics["sent_bytes"] < 0.4 * 20e6 / 8 * 5


@needs_link
@pytest.mark.alone
async def test_a_policer_and_a_nominal_rate_ten_times_wrong(tmp_path: Path) -> None:
    async with _line(tmp_path, up=10e6, down=Shape(10e6, policer=True)) as (line, reflector):
        readings = await _measure(line, reflector, 1, 10e6)
        high = await _measure(line, reflector, 1, 100e6, directions="up")
        low = await _measure(line, reflector, 1, 1e6, directions="up")
    _no_false_figure([*readings, *high, *low], up=10e6, down=10e6)
    assert _close(readings, 10e6, "down", 0.03) == 1, readings
    assert _close(high, 10e6, "up", 0.02) == 1
    assert high[0].metrics["received_bytes"] < 0.06 * 100e6 / 8 * 5
    assert high[0].metrics["queue_up_ms"] < 100
    assert (low[0].kind, low[0].facts["decided_up"]) == ("inconclusive", "undecided")
    assert low[0].metrics["received_bytes"] < 100_000


@needs_link
@pytest.mark.alone
async def test_a_transfer_that_stalls_blames_nobody(tmp_path: Path) -> None:
    """From 0.9 s on full segments vanish, and smaller packets pass: TCP halts, the line lives."""
    async with _line(tmp_path, up=2e6, down=2e6, rtt_ms=20) as (line, reflector):
        hole = asyncio.get_running_loop().call_later(0.9, lambda: line.set("up", largest=1450))
        more = {"transfer": "always", "transfer_bytes": 5_000_000, "directions": "up"}
        readings = await _measure(line, reflector, 1, 2e6, timeout=16.0, **more)
        hole.cancel()
    assert readings[0].outcome is Outcome.OK, readings
    assert "nothing moved" in readings[0].facts["transfer_up"], readings
    assert "transfer_up_bps" not in readings[0].metrics
    _no_false_figure(readings, up=2e6)


@needs_link
@pytest.mark.alone
async def test_a_link_that_dies_in_mid_transfer_has_failed(tmp_path: Path) -> None:
    async with _line(tmp_path, up=2e6, down=2e6, rtt_ms=20) as (line, reflector):
        cutting = asyncio.get_running_loop().call_later(0.9, line.cut)
        more = {"transfer": "always", "transfer_bytes": 5_000_000, "directions": "up"}
        readings = await _measure(line, reflector, 1, 2e6, timeout=14.0, **more)
        cutting.cancel()
    assert (readings[0].outcome, readings[0].kind) == (Outcome.FAILED, "timeout")


@needs_link
@pytest.mark.alone
async def test_a_link_that_dies_in_mid_train_gives_no_figure(tmp_path: Path) -> None:
    async with _line(tmp_path, up=10e6, down=10e6, rtt_ms=20) as (line, reflector):
        cutting = asyncio.get_running_loop().call_later(0.25, line.cut)
        readings = await _measure(line, reflector, 1, 10e6, timeout=3.0)
        cutting.cancel()
    assert (readings[0].outcome, readings[0].kind) == (Outcome.FAILED, "timeout")
    assert not [name for name in readings[0].metrics if name.startswith("capacity_up")]
    assert readings[0].metrics["sent_bytes"] < 400_000


@needs_link
@pytest.mark.alone
async def test_agentless_by_http_and_by_icmp(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(4_000_000))
    async with link(up=10e6, down=20e6) as line:
        serve = line.far.command(
            sys.executable, "-m", "http.server", "8080", "--bind", line.far_address, "-d", str(tmp_path)
        )
        async with running(*serve, log=tmp_path / "http.log"):
            url = f"http://{line.far_address}:8080/big"
            await line.near.loop(lambda: until_listening(8080, line.far_address))
            by_http, by_icmp = await line.near.loop(lambda: _agentless(line.far_address, url))
    assert by_http.metrics["transfer_up_bps"] == pytest.approx(ip_rate(10e6, 1448), rel=0.06)
    assert (by_http.facts["method"], by_http.facts["decided_up"]) == ("http", "at_least")
    assert "capacity_up_bps" not in by_http.metrics
    assert by_http.metrics["received_bytes"] < 2_000_000
    assert by_icmp.metrics["capacity_both_at_least_bps"] == pytest.approx(ip_rate(10e6, PACKET), rel=0.03)
    assert "capacity_up_bps" not in by_icmp.metrics


async def _agentless(address: str, url: str) -> tuple[Reading, Reading]:
    http = await run_once("throughput", address, url=url, up=10e6, timeout=20)
    return http, await run_once("throughput", address, up=10e6, down=20e6, timeout=20)


async def test_others_who_suffer_end_it_at_once() -> None:
    allowed = Allowed(up_bps=10e6, down_bps=10e6, stop_after=60_000)
    async with reflector_here() as service:
        reading = await _run("127.0.0.1", port_of(service), allowed)
    assert (reading.kind, reading.detail) == ("inconclusive", "stopped: others suffer")
    assert sum(allowed.used.values()) < 200_000


@pytest.mark.parametrize("most", [30_000, 150_000])
async def test_the_bytes_the_monitor_allows_hold(most: int) -> None:
    allowed = Allowed(max_bytes=most, up_bps=50e6, down_bps=50e6)
    async with reflector_here() as service:
        reading = await _run("127.0.0.1", port_of(service), allowed)
    assert sum(allowed.used.values()) < most
    assert reading.metrics["sent_bytes"] == allowed.used["down"]
    assert not [name for name in reading.metrics if name.startswith("capacity")]


async def test_loss_that_nobody_knows_gives_no_tcp_rate() -> None:
    async with reflector_here() as service:
        reading = await _run("127.0.0.1", port_of(service), up=10e6, down=10e6)
    assert "tcp_up_bps" not in reading.metrics
    assert "unknown loss is not zero" in reading.facts["tcp"]


async def test_a_wrong_secret_is_no_failure_of_the_link() -> None:
    async with reflector_here() as service:
        reading = await _run("127.0.0.1", port_of(service), key_of="gz-other")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")


async def test_the_reflectors_budget_is_not_the_links_fault() -> None:
    async with reflector_here(Limits(peer_bytes=20_000)) as service:
        reading = await _run("127.0.0.1", port_of(service), up=10e6, down=10e6)
    assert (reading.outcome, reading.kind) == (Outcome.NOT_RUN, "budget")


async def test_a_lost_reflector_has_failed() -> None:
    with silent_port() as held:
        silent = await _run("127.0.0.1", held.getsockname()[1], timeout=1.0)
    closed = await _run("127.0.0.1", free_port(), timeout=1.0)
    assert (silent.kind, closed.kind) == ("timeout", "refused")


def _reports(change: Callable[[Reported], Reported]) -> Lie:
    def lie(frame: Frame, seal: Seal) -> Iterable[bytes] | None:
        if frame.kind is not Kind.REPORTED:
            return None
        return [seal(Kind.REPORTED, change(unpack(Reported, frame.body)))]

    return lie


def _records(page: Reported, records: Iterable[tuple[int, int]]) -> Reported:
    return page._replace(records=tuple(records))


LIES: dict[str, tuple[Callable[[Reported], Reported], str]] = {
    "at once": (
        lambda page: _records(page, [(n, 5) for n, _ in page.records]), "are said to have come within",
    ),
    "never sent": (
        lambda page: _records(page, [(n + 3000, at) for n, at in page.records]), "never part of the train",
    ),
    "backwards": (
        lambda page: _records(page, [(n, 900 * MS - 2 * n * MS) for n, _ in page.records]), "go back by",
    ),
    "twice": (lambda page: _records(page, [(0, at) for _, at in page.records]), "one packet twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
async def test_a_lying_reflector_gives_no_figure(name: str) -> None:
    change, why = LIES[name]
    async with lying(_reports(change)) as port:
        reading = await _run("127.0.0.1", port, timeout=8.0, down=10e6, directions="down")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol"), reading
    assert why in reading.detail
    assert not [name for name in reading.metrics if "capacity" in name or "tcp" in name]


async def test_a_clock_that_was_stepped_decides_nothing() -> None:
    change = _reports(lambda page: page._replace(state=page.state | TRAIN_STEPPED))
    async with lying(change) as port:
        reading = await _run("127.0.0.1", port, timeout=8.0, down=10e6, directions="down")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert "clock was stepped" in reading.detail


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"method": "reflector"}, "needs the secret"),
        ({"method": "http"}, "needs the url"),
        ({"directions": "down"}, "can't measure down alone"),
        ({"url": "https://hall.example/big"}, "should match pattern"),
        ({"up": 10}, "greater than or equal to 64000"),
    ],
)
def test_parameters_that_make_no_sense(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ThroughputParams.model_validate(given)


def test_it_is_declared_as_what_loads_a_link() -> None:
    assert registry.get("throughput").loads_link
