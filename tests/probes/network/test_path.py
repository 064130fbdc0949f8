"""`path` over chains of routers: hops, marks, sizes that don't fit, silence, changes of route."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.api import Outcome, Reading
from probes.errors import PermissionMissing
from probes.network._icmp_packet import intact
from probes.network._path_mtu import FLOORS, Search, conclusion
from probes.network._path_packet import Answer, Identity, echo_request, parse4, parse6
from probes.network._path_view import mark_changed_at, steepest, way_of
from probes.network._path_walk import Sent
from probes.network.path import PROBE
from tests.probes.network.unprivileged import needs_ping
from tests.probing import run_once
from tests.servers.chain import Chain, chain
from tests.servers.link import needs_link
from tests.servers.namespace import icmp_error

IDENTITY = Identity(77, b"8 bytes.", "10.90.3.2")
IDENTITY6 = Identity(77, b"8 bytes.", "fd90:4::2")


async def trace(made: Chain, address: str, **params: Any) -> Reading:
    timeout = params.pop("timeout", 20.0)
    reading = await made.near.loop(lambda: run_once("path", address, timeout=timeout, **params))
    assert set(reading.metrics) <= {metric.name for metric in PROBE.metrics}
    assert set(reading.facts) <= {fact.name for fact in PROBE.facts}
    return reading


@needs_link
@pytest.mark.parametrize("family", ["4", "6"])
async def test_hops_marks_and_the_largest_packet(family: str) -> None:
    async with chain(3, relays={2: {"delay": 5.0}}, mtus={3: 1400}) as made:
        target, route = (made.target, made.route) if family == "4" else (made.target6, made.route6)
        reading = await trace(made, target, dscp=46)
    metrics, facts = reading.metrics, reading.facts
    assert reading.outcome is Outcome.OK
    assert (metrics["hops"], metrics["loss_pct"], facts["route"]) == (4, 0, " ".join(route))
    assert metrics["rtt_ms"] == pytest.approx(10, abs=3)
    assert metrics["step_hop"] == 3
    assert metrics["step_ms"] == pytest.approx(10, abs=3)
    assert metrics["hop2_rtt_ms"] < 5 < metrics["hop3_rtt_ms"]
    assert (metrics["mtu"], facts["mtu_black_hole"]) == (1400, "no")
    assert facts["mtu_method"] == f"{route[2]} said that more is too big"
    assert (facts["dscp_changed_at"], facts["dscp_seen"]) == ("none", "up to hop 3")
    assert metrics["packets"] < 40


@needs_link
@pytest.mark.parametrize("family", ["4", "6"])
async def test_where_a_mark_is_rewritten(family: str) -> None:
    async with chain(3, relays={1: {"dscp": 0}}) as made:
        target, route = (made.target, made.route) if family == "4" else (made.target6, made.route6)
        reading = await trace(made, target, dscp=46, mtu=False)
    assert reading.facts["dscp_changed_at"] == f"hop 2 ({route[1]}): 46 became 0"
    assert "mtu" not in reading.metrics


@needs_link
async def test_a_black_hole_is_found_and_called_one() -> None:
    async with chain(2, relays={1: {"largest": 1438}}) as made:
        reading = await trace(made, made.target)
    assert (reading.metrics["mtu"], reading.facts["mtu_black_hole"]) == (1438, "yes")
    assert reading.facts["mtu_method"] == "larger packets vanish without a word"


@needs_link
async def test_loss_is_not_taken_for_a_small_mtu() -> None:
    async with chain(1, relays={0: {"loss": 0.05}}) as made:
        reading = await trace(made, made.target)
    assert (reading.outcome, reading.metrics["mtu"]) == (Outcome.OK, 1500)


@needs_link
async def test_our_own_interface_is_the_limit() -> None:
    async with chain(1, mtus={0: 1300}) as made:
        reading = await trace(made, made.target)
    assert reading.metrics["mtu"] == 1300
    assert reading.facts["mtu_method"] == "our own interface takes no more"


@needs_link
async def test_a_search_without_time_says_at_least() -> None:
    async with chain(1, relays={1: {"largest": 1000}}) as made:
        reading = await trace(made, made.target, timeout=0.9)
    assert reading.outcome is Outcome.OK
    assert "mtu" not in reading.metrics
    assert 576 <= reading.metrics["mtu_at_least"] <= 1000
    assert reading.facts["mtu_method"] == "undecided: the time was over"


@needs_link
async def test_a_silent_hop_is_a_star_and_no_loss() -> None:
    async with chain(3) as made:
        made.nodes[2].write("net/ipv4/icmp_ratelimit", "1000000")
        made.nodes[2].write("net/ipv4/icmp_ratemask", str(1 << 11))
        reading = await trace(made, made.target, mtu=False, wait=0.3)
    assert reading.facts["route"].split() == [made.route[0], "*", *made.route[2:]]
    assert (reading.metrics["first_silent_hop"], reading.metrics["hop2_loss_pct"]) == (2, 100)
    assert (reading.metrics["loss_pct"], reading.metrics["hops"]) == (0, 4)


@needs_link
async def test_a_change_of_route_changes_the_fact() -> None:
    async with chain(2) as made:
        first = await trace(made, made.target, mtu=False)
        again = await trace(made, made.target, mtu=False)
        made.nodes[2].ip("addr add 10.91.0.2/24 dev in1", "addr del 10.90.1.2/24 dev in1")
        made.nodes[1].ip(
            "addr add 10.91.0.1/24 dev out1", "route replace 10.90.2.0/24 via 10.91.0.2",
        )  # fmt: skip
        made.nodes[2].ip("route replace 10.90.0.0/24 via 10.91.0.1")
        changed = await trace(made, made.target, mtu=False)
    assert first.facts["route"] == again.facts["route"] == "10.90.0.2 10.90.1.2 10.90.2.2"
    assert changed.facts["route"] == "10.90.0.2 10.91.0.2 10.90.2.2"


@needs_link
async def test_packets_that_go_round_in_a_circle() -> None:
    async with chain(2) as made:
        made.nodes[2].ip("route add 10.99.0.0/24 via 10.90.1.1")
        made.nodes[1].ip("route add 10.99.0.0/24 via 10.90.1.2")
        made.nodes[0].ip("route add 10.99.0.0/24 via 10.90.0.2")
        reading = await trace(made, "10.99.0.9", max_hops=8, wait=0.3, count=2)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "unreachable")
    assert "packets go round in a circle" in reading.detail


@needs_link
async def test_nobody_there_and_no_route() -> None:
    async with chain(2) as made:
        made.pieces[-1].near.ip("route add unreachable 10.90.2.9")
        refused = await trace(made, "10.90.2.9", wait=0.3, count=2)
        made.nodes[-1].write("net/ipv4/icmp_echo_ignore_all", "1")
        silent = await trace(made, made.target, wait=0.3, count=2)
    assert (refused.outcome, refused.kind) == (Outcome.FAILED, "unreachable")
    assert refused.detail.startswith("host unreachable, says 10.90.1.2")
    assert (silent.outcome, silent.kind) == (Outcome.FAILED, "timeout")
    assert "1 10.90.0.2" in silent.detail
    assert silent.metrics["packets"] < 80


@needs_link
async def test_a_target_that_is_too_far_away_still_answers() -> None:
    async with chain(3) as made:
        reading = await trace(made, made.target, max_hops=2, mtu=False)
    assert reading.outcome is Outcome.OK
    assert "hops" not in reading.metrics
    assert reading.detail.startswith("the target is more than 2 hops away")


@needs_link
async def test_without_raw_sockets_all_but_marks_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    class Unprivileged(real):  # type: ignore[misc, valid-type]
        def __init__(self, family: int = -1, kind: int = -1, *rest: Any, **more: Any) -> None:
            if kind & 0xF == socket.SOCK_RAW:
                raise PermissionError(1, "Operation not permitted")
            super().__init__(family, kind, *rest, **more)

    async with chain(3, mtus={3: 1400}) as made:
        made.near.write("net/ipv4/ping_group_range", "0 0")
        monkeypatch.setattr(socket, "socket", Unprivileged)
        found = [await trace(made, address, dscp=46) for address in (made.target, made.target6)]
        monkeypatch.undo()
    for reading, route in zip(found, (made.route, made.route6), strict=True):
        assert (reading.outcome, reading.facts["route"]) == (Outcome.OK, " ".join(route))
        assert reading.metrics["mtu"] == 1400
        assert "dscp_changed_at" not in reading.facts
        assert reading.facts["dscp_seen"].startswith("not seen")


async def test_where_no_socket_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionMissing("no")

    monkeypatch.setattr("probes.network._icmp_channel._open", refused)
    reading = await run_once("path", "127.0.0.1")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")


@needs_ping
async def test_this_machine_is_one_hop_away() -> None:
    reading = await run_once("path", "127.0.0.1", largest=9000)
    assert (reading.metrics["hops"], reading.metrics["mtu"]) == (1, 9000)


@given(st.integers(0, 2000), st.integers(60, 1500))
def test_requests_of_a_run_have_one_checksum(sequence: int, size: int) -> None:
    for family, header, identity in (("4", 20, IDENTITY), ("6", 40, IDENTITY6)):
        packet = echo_request(family, identity, sequence, size)
        assert len(packet) == size - header
        assert intact(packet)
        assert packet[2:4] == echo_request(family, identity, 0, size)[2:4]


@given(st.binary(max_size=200))
def test_the_parsers_take_anything(data: bytes) -> None:
    assert parse4(data, "10.0.0.1", 0, IDENTITY) is None
    assert parse6(data, "fd00::1", 0, IDENTITY6) is None


@given(st.integers(0, 2000), st.integers(28, 200), st.integers(0, 255))
def test_a_quote_of_eight_bytes_is_enough(sequence: int, quoted: int, mark: int) -> None:
    header = bytes([0x45, mark, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 10, 0, 0, 1, 10, 90, 3, 2])
    packet = header + echo_request("4", IDENTITY, sequence, 100)
    answer = parse4(icmp_error(packet, "10.1.1.1", 11, 0, quoted), "10.1.1.1", 5, IDENTITY)
    assert answer == Answer(sequence, "10.1.1.1", 5, "expired", 11, 0, 0, mark)


@given(st.integers(576, 1500), st.integers(0, 3), st.booleans())
def test_the_search_finds_every_size(true: int, losses: int, told: bool) -> None:
    search, steps = Search(1500), 0
    search.took(FLOORS["4"], "fits")
    while not search.over and steps < 100:
        steps, size = steps + 1, search.next()
        if size <= true and losses and size != FLOORS["4"]:
            losses -= 1
            search.took(size, "silent")
        elif size <= true:
            search.took(size, "fits")
        else:
            search.took(size, "said" if told else "silent", true if told else 0, "10.0.0.1")
        if search.doubtful and search.high <= true:
            search.took(search.high, "fits")
    found = conclusion(search)
    assert found.mtu == true
    assert steps < 60


def _sent(ttl: int, source: str, rtt: float, mark: int | None = None, nature: str = "expired") -> Sent:
    return Sent(ttl, 84, 0, True, Answer(0, source, 0, nature, 11, 0, 0, mark), rtt)


def test_a_router_that_is_slow_to_answer_is_no_step() -> None:
    way = way_of(
        [_sent(1, "a", 1), _sent(2, "b", 80), _sent(3, "c", 2), _sent(4, "d", 30, None, "reply")], "4"
    )
    assert steepest(way) == (4, 28)
    assert way.reached == 4


def test_marks_that_nobody_quoted_are_not_known() -> None:
    assert mark_changed_at(way_of([_sent(1, "a", 1)], "4"), 46) is None
    assert mark_changed_at(way_of([_sent(1, "a", 1, 46 << 2)], "4"), 46) == "none"
    assert mark_changed_at(way_of([_sent(1, "a", 1, 40)], "4"), 46) == "hop 1 (a): 46 became 10"
