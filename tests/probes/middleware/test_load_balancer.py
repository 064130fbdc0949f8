"""load_balancer against nginx and HAProxy: turns, addresses, cookies, dead members, HAProxy's own word."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Context, Outcome, Reading
from probes.errors import ProtocolViolated
from probes.middleware import _balancer as view
from probes.middleware.load_balancer import PROBE, BalancerParams
from tests.probing import run_once, shared_here
from tests.servers.balancers import Balancers, HaProxy, balancers, haproxy
from tests.servers.hostile import HTTP, Handler, garbage, silent, tcp_server

MARKER = "marker-Pa55w0rd"
BY_HEADER = {"header": "X-Served-By"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Balancers]:
    async with balancers(tmp_path_factory.mktemp("nginx")) as ports:
        yield ports


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(behind: Balancers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HaProxy]:
    async with haproxy(tmp_path_factory.mktemp("haproxy"), behind, MARKER) as ports:
        yield ports


async def _probe(port: int, **params: Any) -> Reading:
    return await run_once("load_balancer", "127.0.0.1", port=port, timeout=20.0, **params)


@pytest.mark.parametrize(
    "member_by", [BY_HEADER, {"cookie": "NODE"}, {"body": '"name": "(\\w)"'}, {"json_path": "$.node.name"}]
)
async def test_members_take_turns(behind: Balancers, member_by: dict[str, str]) -> None:
    reading = await _probe(behind.turns, member_by=member_by, requests=9)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["members_seen"] == 3
    assert reading.metrics["requests"] == 9
    assert reading.metrics["failed_pct"] == reading.metrics["unnamed"] == 0
    assert sorted(reading.facts["members"].split(", ")) == ["a 3", "b 3", "c 3"]
    assert reading.metrics["request_ms"] > reading.metrics["connect_ms"] > 0
    assert {*reading.metrics} <= {metric.name for metric in PROBE.metrics}


async def test_without_member_by_nothing_is_said_of_members(behind: Balancers) -> None:
    reading = await _probe(behind.turns)
    assert reading.outcome is Outcome.OK
    assert {*reading.metrics} == {"connect_ms", "request_ms", "requests", "failed_pct"}


async def test_no_answer_names_a_member(behind: Balancers) -> None:
    reading = await _probe(behind.turns, member_by={"header": "X-None"})
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail == "member_by: no answer names a member"


async def test_an_address_sticks_or_does_not(behind: Balancers) -> None:
    sticks = await _probe(behind.address, member_by=BY_HEADER, stickiness="address")
    not_so = await _probe(behind.turns, member_by=BY_HEADER, stickiness="address", requests=9)
    assert sticks.metrics["sticky_pct"] == 100
    assert sticks.metrics["members_seen"] == 1
    assert not_so.metrics["sticky_pct"] == pytest.approx(100 / 3)


async def test_a_cookie_sticks_or_does_not(behind: Balancers, proxy: HaProxy) -> None:
    sticks = await _probe(proxy.port, member_by=BY_HEADER, stickiness="cookie")
    not_so = await _probe(behind.turns, member_by=BY_HEADER, stickiness="cookie", follow_ups=9)
    assert sticks.metrics["sticky_pct"] == 100
    assert sticks.metrics["members_seen"] == 3
    assert sticks.facts["followed"] == f"{sticks.facts['sticky_to']} 10"
    assert not_so.metrics["sticky_pct"] == pytest.approx(100 / 3)


async def test_a_cookie_that_names_the_member_is_set_only_once(proxy: HaProxy) -> None:
    reading = await _probe(proxy.port, member_by={"cookie": "SRV"}, stickiness="cookie")
    assert reading.metrics["members_seen"] == 3
    assert "sticky_pct" not in reading.metrics
    assert reading.facts["not_told"] == "sticky_pct: the answers that follow name no member"


def _answers(pause: float) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(pause)
        writer.write(b"HTTP/1.1 200 OK\r\nX-Served-By: a\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    return handle


async def test_no_cookie_to_follow() -> None:
    async with tcp_server(_answers(0)) as port:
        reading = await _probe(
            port,
            member_by=BY_HEADER,
            stickiness="cookie",
            requests=2,
            members=[{"address": "127.0.0.1", "port": port}],
        )
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert "sticky_pct" not in reading.metrics
    assert reading.facts["not_told"].startswith("sticky_pct: the first answer sets no cookie")
    assert reading.metrics["members_healthy"] == 1, "what else is asked for is measured all the same"


def test_a_session_that_fails_does_not_stick() -> None:
    followed = view.Tally(Counter({"a": 1}), Counter({"timeout": 9}))
    assert view.sticky_pct("a", followed) == 10
    assert view.sticky_pct("", followed) is None
    assert view.sticky_pct("a", view.Tally(Counter({"a": 1}))) is None
    assert view.sticky_pct("a", view.Tally(unnamed=9)) is None


async def test_a_dead_member_shows_as_failures(behind: Balancers) -> None:
    reading = await _probe(behind.dead, member_by=BY_HEADER, requests=20)
    assert reading.outcome is Outcome.OK
    assert reading.metrics["failed_pct"] == 25
    assert reading.facts["failures"] == "status 502 5"
    assert reading.metrics["members_seen"] == 3


async def test_members_asked_directly(behind: Balancers, proxy: HaProxy) -> None:
    extra = {"address": "127.0.0.1", "port": behind.dead, "path": "/"}
    members = [{"address": "127.0.0.1", "port": port} for port in behind.members.values()]
    gone = {"address": "127.0.0.1", "port": behind.closed, "name": "d"}
    idle = {"address": "127.0.0.1", "port": behind.members["a"], "name": "e"}
    reading = await _probe(behind.turns, member_by=BY_HEADER, members=[*members, gone, idle])
    bound = await _probe(behind.address, member_by=BY_HEADER, members=members, stickiness="address")
    assert reading.metrics["members_healthy"] == 4
    assert reading.metrics["members_unused"] == 1
    assert reading.facts["members_unused_names"] == "e"
    assert reading.facts["members_failed"] == f"d:{behind.closed} refused"
    assert bound.metrics["members_healthy"] == 3
    assert "members_unused" not in bound.metrics
    with pytest.raises(ValidationError, match="path"):
        BalancerParams.model_validate({"members": [extra]})


async def test_all_fail(behind: Balancers) -> None:
    refused = await _probe(behind.closed, requests=3)
    broken = await _probe(behind.turns, path="/broken", requests=3, member_by=BY_HEADER)
    assert (refused.outcome, refused.kind) == (Outcome.FAILED, "refused")
    assert refused.metrics["failed_pct"] == 100
    assert (broken.outcome, broken.kind) == (Outcome.FAILED, "expectation")
    assert broken.detail == "status 503, expected 200-299"
    assert "members_seen" not in broken.metrics


async def test_time_that_is_up_is_no_failure() -> None:
    async with tcp_server(_answers(0.05)) as port:
        reading = await run_once(
            "load_balancer", "127.0.0.1", port=port, timeout=2.0, request_timeout=1.0, requests=200
        )
    assert reading.outcome is Outcome.OK
    assert 1 < reading.metrics["requests"] < 200
    assert reading.metrics["failed_pct"] == 0


async def test_members_that_there_is_no_time_for_are_not_called_dead() -> None:
    async with tcp_server(_answers(0.3)) as port:
        members = [{"address": "127.0.0.1", "port": port}] * 8
        reading = await run_once(
            "load_balancer", "127.0.0.1", port=port, timeout=2.0, request_timeout=1.0, requests=1,
            members=members, member_by=BY_HEADER,
        )  # fmt: skip
    assert reading.outcome is Outcome.OK
    assert "members_failed" not in reading.facts
    assert not {"members_healthy", "members_unused"} & {*reading.metrics}
    assert reading.facts["not_told"].endswith("there was no time to ask all members")


async def test_what_haproxy_says(proxy: HaProxy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"http://127.0.0.1:{proxy.stats}/stats;csv"
    async with shared_here(secrets={"right": MARKER, "wrong": f"{MARKER}-not"}) as shared:
        context = Context(shared, 20.0, trace=[])
        ask: dict[str, Any] = {"shared": shared, "context": context, "port": proxy.port, "stats_url": url}
        login = ask | {"stats_user": "monitor", "requests": 2, "timeout": 20.0}
        good = await run_once("load_balancer", "127.0.0.1", **login, stats_password="secret:right")
        one = await run_once(
            "load_balancer", "127.0.0.1", **login, stats_password="secret:right", backend="app"
        )
        none = await run_once(
            "load_balancer", "127.0.0.1", **login, stats_password="secret:right", backend="nothing"
        )
        bad = await run_once("load_balancer", "127.0.0.1", **login, stats_password="secret:wrong")
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert one.metrics["members_up"] == 3
    assert one.metrics["members_down"] == 2
    assert one.metrics["members_unchecked"] == 0
    assert good.metrics["members_unchecked"] == 1
    assert good.metrics["members_down"] == 2, "a socket that listens (socket-stats) is no member"
    assert one.facts["balancer_says"].startswith("app/dead DOWN, app/unchecked MAINT")
    assert (none.outcome, none.kind) == (Outcome.FAILED, "expectation")
    assert none.detail == "the statistics name no server of nothing"
    assert (bad.outcome, bad.kind) == (Outcome.ERROR, "auth")
    assert bad.detail.startswith("wrong_password: HTTP 401 for the statistics")
    assert bad.metrics["failed_pct"] == 0
    assert MARKER not in f"{good}{bad}{context.trace}{caplog.text}"


@pytest.mark.parametrize(
    ("handler", "kind"),
    [(silent, "timeout"), (garbage, "protocol"), (HTTP["endless_body"], "protocol")],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port:
        reading = await run_once(
            "load_balancer", "127.0.0.1", port=port, requests=2, request_timeout=0.3, member_by={"body": "a"}
        )
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, kind)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"stickiness": "cookie"}, "stickiness needs member_by"),
        ({"member_by": {}}, "member_by takes one of"),
        ({"member_by": {"header": "A", "cookie": "B"}}, "member_by takes one of"),
        ({"stats_user": "a", "stats_password": "secret:b"}, "which is missing"),
        ({"stats_url": "http://a:99999/"}, "out of range"),
        ({"status": "abc"}, "is no status code"),
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        BalancerParams.model_validate(params)


def test_cookies_are_given_back_without_their_attributes() -> None:
    assert view.cookie_field(["A=1; Path=/; HttpOnly", "B=x=y", "none", "=z"]) == "A=1; B=x=y"
    assert view.cookie_field(["A=" + "x" * 5000]) == ""


@given(st.lists(st.text(max_size=30), max_size=5))
def test_cookies_of_anybody_make_one_line(cookies: list[str]) -> None:
    field = view.cookie_field(cookies)
    assert field.isprintable()
    assert len(field) <= view.COOKIE_ROOM


@given(st.text(max_size=300))
def test_statistics_of_anybody_end_well(text: str) -> None:
    try:
        rows = view.haproxy(f"# pxname,svname,{text}", None)
    except ProtocolViolated:
        return
    metrics, _ = view.of_rows(rows)
    assert metrics["members_up"] + metrics["members_down"] + metrics["members_unchecked"] == len(rows)


def test_states_of_haproxy() -> None:
    """As the management guide lists them (section 9.1, column `status`)."""
    states = ("UP", "UP 1/3", "DOWN", "DOWN 1/2", "NOLB", "MAINT", "MAINT (via a/b)", "DRAIN", "no check")
    rows = [view.Row("app", f"s{number}", state, 1, 2) for number, state in enumerate(states)]
    metrics, facts = view.of_rows(rows)
    assert (metrics["members_up"], metrics["members_down"], metrics["members_unchecked"]) == (2, 6, 1)
    assert (metrics["queued"], metrics["sessions"]) == (9, 18)
    assert facts["balancer_says"].startswith("app/s2 DOWN, app/s3 DOWN 1/2")
    untold, _ = view.of_rows([*rows, view.Row("app", "s9", "UP", None, 2)])
    assert "queued" not in untold
    assert untold["sessions"] == 20
