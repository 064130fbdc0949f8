"""`pcsc` against pcscd with a virtual reader and a virtual card."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Outcome, Reading
from probes.errors import Ending, MissingDriver
from probes.peripheral import _pcsc_library as library
from probes.peripheral._pcsc_library import MUTE, PRESENT, Card, ReaderState, ending, service
from probes.peripheral.pcsc import PROBE, THREADS, PcscParams, missing_reader, selected, slot
from tests.probing import run_once, shared_here
from tests.servers.vpcd import AID, ATR, Slot, pcscd, socket_of_this_process

FIRST = "Virtual PCD 00 00"
Start = Callable[..., AbstractAsyncContextManager[Slot]]


@pytest.fixture(scope="session")
def path() -> Path:
    return socket_of_this_process()


@pytest.fixture
async def reader(tmp_path: Path, path: Path) -> AsyncIterator[Slot]:
    async with pcscd(tmp_path, path) as found:
        yield found


async def _asked(**params: Any) -> Reading:
    return await run_once(PROBE.name, "local", **params)


async def _until(holds: Callable[[Reading], bool], **params: Any) -> Reading:
    """Ask until pcscd, which looks at its readers now and then, has noticed."""
    for _ in range(100):
        reading = await _asked(**params)
        if holds(reading):
            return reading
        await asyncio.sleep(0.05)
    pytest.fail(f"never: {reading}")


def _present(reading: Reading) -> bool:
    return reading.metrics.get("card_answers") == 1


async def test_an_empty_reader(reader: Slot) -> None:
    reading = await _asked(reader="PCD 00 00$")
    chosen = await _asked(select=AID.hex())
    assert reading.outcome is Outcome.OK, reading
    expected = {"readers": 2, "card_present": 0, "card_answers": 0, "card_in_use": 0}
    assert {name: reading.metrics[name] for name in expected} == expected
    assert (reading.facts["reader"], reading.facts["reader_names"]) == (FIRST, f"{FIRST}, Virtual PCD 00 01")
    assert "atr" not in reading.facts
    assert (chosen.kind, chosen.detail) == ("expectation", "no_card: there is no card in the reader")


async def test_a_card_is_put_in_read_and_taken_out(reader: Slot) -> None:
    await reader.insert()
    there = await _until(_present)
    await reader.remove()
    gone = await _until(lambda reading: reading.metrics["card_present"] == 0)
    assert there.facts["atr"] == ATR.hex().upper()
    assert there.metrics["card_present"] == 1
    assert gone.outcome is Outcome.OK
    assert reader.heard == []


async def test_an_application_is_selected(reader: Slot) -> None:
    await reader.insert()
    await _until(_present)
    good = await _asked(select="A0 00 00 00 03 10 10 01")
    other = await _asked(select="A000000099")
    wanted = await _asked(select="A000000099", status="6a82")
    assert good.outcome is Outcome.OK, good
    assert (good.facts["protocol"], good.facts["status_word"]) == ("T=0", "9000")
    assert good.metrics["response_bytes"] == 4
    assert good.metrics["select_ms"] > 0
    assert reader.heard[:2] == [bytes.fromhex("00A4040008A000000003101001"), bytes.fromhex("00C0000004")]
    assert (other.outcome, other.kind) == (Outcome.FAILED, "expectation")
    assert other.detail == "wrong_status: 6A82, not 9000"
    assert other.facts["atr"] == ATR.hex().upper()
    assert wanted.outcome is Outcome.OK


async def test_a_card_that_another_program_uses_is_left_alone(reader: Slot) -> None:
    await reader.insert()
    await _until(_present)
    with service() as other, other.card(FIRST):
        reading = await _asked(select=AID.hex())
        looked = await _asked()
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail == "busy: another program uses the card; nothing is sent to it"
    assert reader.heard == []
    assert (looked.outcome, looked.metrics["card_in_use"]) == (Outcome.OK, 1)


def test_a_mute_card() -> None:
    """The virtual reader can't have one: it takes a card without an ATR for none."""
    expected = {"card_present": 1, "card_answers": 0, "card_in_use": 0}
    assert slot(ReaderState(PRESENT | MUTE, b"")) == expected
    assert ending(0x80100066).detail.startswith("mute_card: ")


async def test_a_card_taken_out_in_the_middle(reader: Slot) -> None:
    def goes(command: bytes) -> bytes:
        task = asyncio.get_running_loop().create_task(reader.remove())
        task.add_done_callback(lambda _: None)
        return b""

    await reader.insert(goes)
    await _until(_present)
    reading = await _asked(select=AID.hex(), timeout=10)
    assert reading.outcome in (Outcome.FAILED, Outcome.ERROR)
    assert reading.kind in ("protocol", "expectation", "unreachable", "inconclusive"), reading


async def test_no_reader_of_that_name(reader: Slot) -> None:
    reading = await _asked(reader="^ACS")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "unreachable")
    assert reading.detail == f"no_reader: none matches '^ACS'; there are {FIRST}, Virtual PCD 00 01"
    assert reading.metrics["readers"] == 2


async def test_no_reader_at_all(tmp_path: Path, path: Path) -> None:
    async with pcscd(tmp_path, path, readers=False):
        reading = await _asked()
    assert (reading.kind, reading.detail) == ("unreachable", "no_reader: pcscd knows none")
    assert reading.metrics["readers"] == 0


async def test_no_pcscd(path: Path) -> None:
    reading = await _asked()
    assert (reading.outcome, reading.kind, reading.phase) == (Outcome.FAILED, "refused", "connect")
    assert reading.detail == "no_service: pcscd does not run"
    assert "readers" not in reading.metrics


async def test_pcscd_dies_and_comes_back(tmp_path: Path, path: Path) -> None:
    async with pcscd(tmp_path, path) as found:
        assert (await _asked()).outcome is Outcome.OK
        assert found.process is not None
        found.process.kill()
        await found.process.wait()
        path.unlink()
        assert (await _asked()).kind == "refused"
    async with pcscd(tmp_path, path):
        assert (await _asked()).outcome is Outcome.OK


async def test_pcscd_hangs(reader: Slot) -> None:
    assert reader.process is not None
    async with shared_here() as shared:
        reader.process.send_signal(signal.SIGSTOP)
        hung = [await _asked(shared=shared, timeout=0.2) for _ in range(THREADS + 1)]
        reader.process.send_signal(signal.SIGCONT)
        await _until(lambda reading: reading.outcome is Outcome.OK, shared=shared)
    assert {(reading.outcome, reading.kind) for reading in hung[:-1]} == {(Outcome.FAILED, "timeout")}
    assert (hung[-1].outcome, hung[-1].kind) == (Outcome.NOT_RUN, "overload")


async def test_a_run_killed_in_the_middle_lets_the_card_go(reader: Slot) -> None:
    waits = asyncio.Event()

    def slow(command: bytes) -> bytes:
        waits.set()
        return b"\x90\x00"

    await reader.insert(slow)
    await _until(_present)
    async with shared_here() as shared:
        run = asyncio.create_task(_asked(select=AID.hex(), shared=shared))
        await asyncio.wait_for(waits.wait(), 5)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await _until(lambda reading: reading.metrics["card_in_use"] == 0)


async def test_another_machine_and_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = await run_once("pcsc", "10.0.0.1")
    assert (elsewhere.outcome, elsewhere.kind) == (Outcome.ERROR, "prober_error")
    monkeypatch.setattr(library, "LIBRARY", "libpcsclite-none.so.1")
    library._library.cache_clear()
    with pytest.raises(MissingDriver, match="install libpcsclite1 and pcscd"):
        library._library()


@pytest.mark.parametrize(
    ("params", "key"),
    [({"select": "A0"}, "select"), ({"select": "A0" * 17}, "select"), ({"status": "90"}, "status"),
     ({"reader": "("}, "reader")],
)  # fmt: skip
def test_parameters_that_are_refused(params: dict[str, str], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        PcscParams.model_validate(params)


@given(st.integers(0, 0xFFFF_FFFF))
def test_any_code_is_an_ending(code: int) -> None:
    assert isinstance(ending(code), Ending)
    assert ending(code).detail


@given(st.integers(0, 0xFFFF), st.binary(max_size=33))
def test_a_card_answers_only_where_there_is_one(flags: int, atr: bytes) -> None:
    found = slot(ReaderState(flags, atr))
    assert set(found.values()) <= {0.0, 1.0}
    assert found["card_answers"] <= found["card_present"]


@pytest.mark.parametrize("said", [b"\x90\x00", b"\x61\x02"])
def test_what_waits_is_fetched_once(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []

    def ask(_: Card, command: bytes) -> bytes:
        heard.append(command)
        return said

    monkeypatch.setattr(Card, "ask", ask)
    assert selected(Card(1, 1), AID) == said
    assert len(heard) == (2 if said[0] == 0x61 else 1)


def test_missing_readers_are_told() -> None:
    assert missing_reader(None, []) == "no_reader: pcscd knows none"
    assert missing_reader("x", ["a", "b"]) == "no_reader: none matches 'x'; there are a, b"
