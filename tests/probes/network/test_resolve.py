"""From what the inventory says to one address, and whose fault it is when there is none."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import example, given
from hypothesis import strategies as st

from probes._resolve import Address, Resolver, numeric, resolve
from probes.api import Context, ProbeSettings, Target
from probes.errors import Inconclusive, NameUnresolved, ProberFault
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.named import named


@given(st.ip_addresses())
@example(ipaddress.ip_address("::ffff:10.0.0.1"))
def test_any_written_address_is_one_and_comes_back_as_the_kernel_writes_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    found = numeric(address.exploded)
    assert found is not None
    assert found.family == str(address.version)
    assert ipaddress.ip_address(found.host) == address
    assert found.host == socket.inet_ntop(found.af, address.packed)


@given(st.text(max_size=300))
@example("1.2.3")
@example("\0")
@example("fe80::1%nosuchinterface")
@example("127.0.0.1\0")
def test_anything_else_is_a_name(text: str) -> None:
    found = numeric(text)
    assert found is None or ipaddress.ip_address(found.host)


def test_scopes_and_brackets() -> None:
    assert numeric("fe80::1%lo") == Address("fe80::1", "6", socket.if_nametoindex("lo"))
    assert numeric("[::1]") == Address("::1", "6")
    assert Address("::1", "6", 3).sockaddr(80) == ("::1", 80, 0, 3)
    assert Address("10.0.0.1", "4").sockaddr(80) == ("10.0.0.1", 80)


async def test_a_number_of_the_excluded_family_is_our_own_contradiction() -> None:
    async with shared_here() as shared:
        with pytest.raises(ProberFault, match=r"127.0.0.1 is IPv4, but the inventory says family: 6"):
            await resolve(Target("127.0.0.1", "6"), Context(shared, 1))


@pytest.mark.parametrize(("family", "host"), [("4", "127.0.0.1"), ("6", "::1")])
async def test_names_of_the_system(family: str, host: str) -> None:
    name = _name_of(host)
    async with shared_here() as shared:
        address, took_ms = await resolve(Target(name, family), Context(shared, 5))  # type: ignore[arg-type]
    assert address == Address(host, family)  # type: ignore[arg-type]
    assert took_ms > 0


def _name_of(host: str) -> str:
    for line in Path("/etc/hosts").read_text().splitlines():
        words = line.partition("#")[0].split()
        if words and words[0] == host:
            return words[1]
    pytest.skip(f"/etc/hosts has no name for {host}")


@pytest_asyncio.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    async with named(tmp_path) as listening:
        yield listening


def asking(port: int, control: str) -> SharedHere:
    """Return what a run shares when its name server is ours."""
    shared = SharedHere(ProbeSettings(resolvers=("127.0.0.1",), control_name=control))
    own = shared.get(Resolver)._own
    assert own is not None
    own.port = port
    return shared


@pytest.mark.parametrize(("family", "host"), [("any", "10.0.0.1"), ("4", "10.0.0.1"), ("6", "2001:db8::1")])
async def test_names_of_our_own_server(port: int, family: str, host: str) -> None:
    shared = asking(port, "")
    address, _ = await resolve(Target("www.muster.example", family), Context(shared, 5))  # type: ignore[arg-type]
    assert address.host in (host, "10.0.0.2")


async def test_a_name_that_is_not_there_fails_only_where_the_control_is(port: int) -> None:
    gone = Target("gone.muster.example")
    with pytest.raises(NameUnresolved, match=r"the control name www.muster.example does"):
        await resolve(gone, Context(asking(port, "www.muster.example"), 5))
    with pytest.raises(Inconclusive, match="neither does the control name"):
        await resolve(gone, Context(asking(port, "gone2.muster.example"), 5))
    with pytest.raises(Inconclusive, match="no control name is set"):
        await resolve(gone, Context(asking(port, ""), 5))


@contextmanager
def deaf_server() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield deaf.getsockname()[1]


async def test_a_name_server_that_does_not_answer_accuses_no_target_and_keeps_the_deadline() -> None:
    with deaf_server() as port:
        started = time.perf_counter()
        with pytest.raises(Inconclusive, match=r"no answer within .*neither does the control name"):
            await resolve(Target("www.muster.example"), Context(asking(port, "a.example"), 1))
    assert time.perf_counter() - started < 0.9


@pytest.mark.parametrize("name", ["gone.invalid", "a..b", "x" * 300, "-", "名字.invalid", "\0"])
@pytest.mark.parametrize("probe", ["tcp", "icmp"])
async def test_names_that_cannot_resolve_are_no_failure_without_a_control(probe: str, name: str) -> None:
    params: dict[str, Any] = {"port": 9} if probe == "tcp" else {}
    reading = await run_once(probe, name, timeout=2, **params)
    assert (reading.outcome, reading.kind) == ("error", "inconclusive")
    assert reading.phase == "resolve"
