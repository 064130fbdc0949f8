"""Agents that answer wrongly, late, twice or without end: named, and never taken for all there is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import binary, integers

from probes._snmp import NO_SUCH, SnmpParams, Value, snmp
from probes.api import Context, Target
from probes.errors import Ending
from tests.probing import shared_here
from tests.servers.odd_agent import (
    END_OF_MIB,
    GET_BULK,
    NO_SUCH_OBJECT,
    Pair,
    Question,
    number,
    odd_agent,
    response,
    tlv,
)

BASE = "1.3.6.1.2.1.2.2.1.2"
ENGINES = ["gufo", "pysnmp"]
Answer = Callable[[Question], Sequence[bytes]]
NUMBERS = {
    "counter32": (number(2**32 - 1, 0x41), 2**32 - 1), "gauge": (number(2**32 - 1, 0x42), 2**32 - 1),
    "ticks": (number(2**32 - 1, 0x43), 2**32 - 1), "counter64": (number(2**64 - 1, 0x46), 2**64 - 1),
    "negative": (number(-5), -5), "ip": (tlv(0x40, bytes([10, 1, 2, 3])), "10.1.2.3"),
    "octets": (tlv(0x04, b"a\0\xff"), b"a\0\xff"), "float": (tlv(0x44, b"\x9fx\x04\x41\xbc\0\0"), 23.5),
    "none": (NO_SUCH_OBJECT, NO_SUCH), "null": (b"\x05\0", NO_SUCH),
}  # fmt: skip


async def asking(answer: Answer, engine: str, version: str = "2c", **more: Any) -> Any:
    """Return what walking `BASE` and getting one object below it came to."""
    async with odd_agent(answer) as port, shared_here(secrets={"c": "public"}) as shared:
        given = {"community": "secret:c", "port": port, "engine": engine, "timeout": 0.3, "version": version}
        params = SnmpParams.model_validate({**given, **more})
        async with snmp(Target("127.0.0.1"), params, Context(shared, 5.0)) as agent:
            return await agent.walk(BASE), await agent.get([f"{BASE}.1"])


async def ended(answer: Answer, engine: str, **more: Any) -> tuple[str, str]:
    with pytest.raises(Ending) as ending:
        await asking(answer, engine, **more)
    return ending.value.kind, ending.value.detail.split(":")[0]


def rows(asked: Question, count: int = 12) -> list[Pair]:
    """Return what a table of so many rows answers, and the first object after it."""
    every = [
        *((f"{BASE}.{n}", tlv(4, b"port")) for n in range(1, count + 1)),
        ("1.3.6.1.2.1.2.2.1.3.1", number(6)),
    ]
    keyed = [(tuple(map(int, oid.split("."))), (oid, value)) for oid, value in every]
    after = tuple(map(int, asked.names[0].split(".")))
    following = [pair for at, pair in keyed if at > after]
    return following[: asked.repetitions or 1] if asked.kind == GET_BULK else following[:1]


def right(asked: Question) -> list[bytes]:
    """Answer as an agent should."""
    if asked.kind == 0xA0:
        return [response(asked, [(oid, tlv(4, b"port")) for oid in asked.names])]
    return [response(asked, rows(asked))]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("version", ["1", "2c"])
async def test_a_table_is_walked_to_its_end(engine: str, version: str) -> None:
    walked, got = await asking(right, engine, version)
    assert [oid for oid, _ in walked] == [f"{BASE}.{n}" for n in range(1, 13)]
    assert got == {f"{BASE}.1": b"port"}


@pytest.mark.parametrize("engine", ENGINES)
async def test_values_of_every_kind(engine: str) -> None:
    for wire, value in NUMBERS.values():
        told: Value

        def answer(asked: Question, wire: bytes = wire) -> list[bytes]:
            return right(asked) if asked.kind != 0xA0 else [response(asked, [(asked.names[0], wire)])]

        _, got = await asking(answer, engine)
        told = got[f"{BASE}.1"]
        assert told == value, wire
        assert type(told) is type(value), wire


def backwards(asked: Question) -> list[bytes]:
    return [response(asked, list(reversed(rows(asked))))]


def loops(asked: Question) -> list[bytes]:
    return [response(asked, [(f"{BASE}.{n}", number(1)) for n in (1, 2)])]


def leaves_backwards(asked: Question) -> list[bytes]:
    return [response(asked, [(f"{BASE}.5", number(1)), ("1.3.6.1.2.1.1.1.0", number(1))])]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("answer", [backwards, loops, leaves_backwards])
async def test_names_that_do_not_increase_are_a_violation(engine: str, answer: Answer) -> None:
    assert await ended(answer, engine) == ("protocol", "order")


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_end_of_the_mib_ends_a_walk(engine: str) -> None:
    def answer(asked: Question) -> list[bytes]:
        if asked.kind == 0xA0:
            return right(asked)
        kept = [pair for pair in rows(asked) if pair[0].startswith(f"{BASE}.")]
        end = (kept[-1][0] if kept else asked.names[0], END_OF_MIB)
        return [response(asked, (kept + [end] * asked.repetitions)[: asked.repetitions])]

    walked, _ = await asking(answer, engine)
    assert len(walked) == 12


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_status_is_no_end_of_a_walk(engine: str) -> None:
    for status, said in ((5, ("protocol", "agent_error")), (16, ("auth", "missing_right"))):

        def answer(asked: Question, status: int = status) -> list[bytes]:
            if len(rows(asked, 6)) == asked.repetitions:
                return [response(asked, rows(asked, 6))]
            return [response(asked, [(asked.names[0], b"\x05\0")], status, 1)]

        assert await ended(answer, engine) == said


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_answer_too_big_is_asked_for_by_halves(engine: str) -> None:
    def answer(asked: Question) -> list[bytes]:
        if asked.kind == GET_BULK and (asked.repetitions > 1):
            return [response(asked, [(asked.names[0], b"\x05\0")], 1, 0)]
        return right(asked)

    walked, _ = await asking(answer, engine, max_repetitions=8)
    assert len(walked) == 12


async def test_octets_too_many_for_the_library_are_asked_for_by_halves() -> None:
    def answer(asked: Question) -> list[bytes]:
        return [response(asked, [(oid, tlv(4, b"x" * 1500)) for oid, _ in rows(asked)])]

    walked, _ = await asking(answer, "gufo", max_repetitions=12)
    assert [oid for oid, _ in walked] == [f"{BASE}.{n}" for n in range(1, 13)]


@pytest.mark.parametrize("engine", ENGINES)
async def test_strangers_and_doubles_are_passed_over(engine: str) -> None:
    def answer(asked: Question) -> list[bytes]:
        forged = response(asked, [(f"{BASE}.1", tlv(4, b"forged"))], request=asked.request ^ 1)
        return [forged, *right(asked), *right(asked)]

    walked, got = await asking(answer, engine)
    assert len(walked) == 12
    assert {value for _, value in walked} | set(got.values()) == {b"port"}


async def test_garbage_before_the_answer_is_passed_over_and_alone_is_a_violation() -> None:
    walked, _ = await asking(lambda asked: [b"\x30\x03\x02\x01", *right(asked)], "gufo")
    assert len(walked) == 12
    assert await ended(lambda asked: [b"garbage"], "gufo") == ("protocol", "no SNMP message")
    assert await ended(lambda asked: [asked.raw], "gufo") == ("protocol", "no SNMP message")
    assert await ended(lambda asked: [b"garbage"] * 100, "gufo") == ("protocol", "no SNMP message")


@pytest.mark.parametrize("engine", ENGINES)
async def test_silence_and_answers_that_stop_are_time_outs(engine: str) -> None:
    seen = 0

    def stops(asked: Question) -> list[bytes]:
        nonlocal seen
        seen += 1
        return right(asked) if seen < 3 else []

    start = time.perf_counter()
    assert await ended(lambda asked: [], engine) == ("timeout", "query")
    with pytest.raises(Ending, match="answers stopped"):
        await asking(stops, engine)
    assert time.perf_counter() - start < 3


async def test_a_question_is_sent_once_and_again_only_where_that_is_asked_for() -> None:
    asked: list[int] = []

    def lost(question: Question) -> list[bytes]:
        asked.append(question.request)
        return []

    def first_lost(question: Question) -> list[bytes]:
        asked.append(question.request)
        return right(question) if len(asked) > 1 else []

    assert await ended(lost, "gufo") == ("timeout", "query")
    assert len(asked) == 1
    asked.clear()
    walked, _ = await asking(first_lost, "gufo", retries=1)
    assert len(walked) == 12
    assert asked[0] == asked[1]


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_walk_without_end_is_bounded(engine: str) -> None:
    def endless(asked: Question) -> list[bytes]:
        last = int(asked.names[0].rpartition(".")[2]) if asked.names[0] != BASE else 0
        pairs = [(f"{BASE}.{last + n + 1}", tlv(4, b"x" * 100)) for n in range(asked.repetitions)]
        return [response(asked, pairs)]

    async with odd_agent(endless) as port, shared_here(secrets={"c": "public"}) as shared:
        params = SnmpParams.model_validate({"community": "secret:c", "port": port, "engine": engine})
        async with snmp(Target("127.0.0.1"), params, Context(shared, 20.0)) as agent:
            assert len(await agent.walk(BASE, limit=300)) == 300


async def test_nothing_is_left_open_when_a_run_is_cut_short() -> None:
    async with odd_agent(lambda asked: []) as port, shared_here(secrets={"c": "public"}) as shared:
        before = _descriptors()
        params = SnmpParams.model_validate({"community": "secret:c", "port": port, "engine": "gufo"})

        async def run() -> None:
            async with snmp(Target("127.0.0.1"), params, Context(shared, 10.0)) as agent:
                await agent.get([f"{BASE}.1"])

        task = asyncio.create_task(run())
        await asyncio.sleep(0.1)
        assert _descriptors() > before
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        del task
        assert _descriptors() == before


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@settings(max_examples=60)
@given(at=integers(0, 200), put=binary(max_size=8), cut=integers(0, 8))
def test_mangled_answers_never_crash_or_hang(at: int, put: bytes, cut: int) -> None:
    def mangled(asked: Question) -> list[bytes]:
        whole = right(asked)[0]
        place = at % len(whole)
        return [whole[:place] + put + whole[place + cut :]]

    async def once() -> None:
        start, kind = time.perf_counter(), ""
        try:
            await asking(mangled, "gufo", timeout=0.02)
        except Ending as ending:
            kind = ending.kind
        assert kind in {"", "protocol", "timeout", "auth"}
        assert time.perf_counter() - start < 2

    asyncio.run(once())
