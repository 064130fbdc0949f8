"""Frames of DL/T 645: there and back, in pieces, amid noise; whatever comes, a probe ends as it may."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from probes._sockets import Chunk
from probes.api import Context
from probes.errors import ExpectationFailed, ProtocolViolated, TimedOut
from probes.peripheral._dlt645_bus import Bus
from probes.peripheral._dlt645_frame import (
    REFUSALS,
    Frame,
    Standard,
    answers,
    date_of,
    encode,
    number,
    question,
    refusal,
    shown,
    take,
    time_of,
)
from tests.probing import SharedHere
from tests.servers.meter import RECORDED, frame

meters = st.text("0123456789", min_size=12, max_size=12)
frames = st.builds(Frame, meters, st.integers(0, 255), st.binary(max_size=255))
noise = st.binary(max_size=30).map(lambda data: data.replace(b"\x68", b"\xfe"))


class Said:
    """A stream that says what it was given, in pieces, and then is silent."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    async def send(self, data: bytes, until: float | None = None) -> float:
        return time.perf_counter()

    async def recv(self, limit: int = 65_536, until: float | None = None) -> Chunk:
        if not self.pieces:
            raise TimedOut("receive")
        return Chunk(self.pieces.pop(0)[:limit], time.perf_counter())

    def close(self) -> None:
        """Nothing is open."""


def _done(waiting: Coroutine[Any, Any, Any]) -> Any:
    """Run what never waits."""
    try:
        waiting.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


def _bus(*pieces: bytes, standard: Standard = "2007") -> Bus:
    context = Context(cast("Any", SharedHere()), 5.0)
    return Bus(Said(*pieces), context, standard, 1.0, time.perf_counter() + 5)


@given(frames, noise, st.binary(max_size=20))
def test_a_frame_is_found_amid_noise(sent: Frame, before: bytes, after: bytes) -> None:
    taken = take(before + encode(sent) + after)
    assert taken.frame == sent
    assert taken.left == after


@given(frames, st.data())
def test_a_frame_in_pieces_is_waited_for(sent: Frame, data: st.DataObject) -> None:
    whole = encode(sent)
    cut = data.draw(st.integers(0, len(whole) - 1))
    first = take(whole[:cut])
    assert first.frame is None
    assert not first.broken
    assert take(first.left + whole[cut:]).frame == sent


@given(frames, st.data())
def test_a_bit_that_fell_over_is_noticed(sent: Frame, data: st.DataObject) -> None:
    whole = bytearray(encode(sent))
    at = data.draw(st.integers(4, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    assert take(bytes(whole)).frame != sent


@given(st.binary(max_size=600))
@example(b"\x68" * 300)
@example(b"\x68\0\0\0\0\0\0\x68\x91\xff" + bytes(200))
def test_garbage_is_no_crash(data: bytes) -> None:
    taken = take(data)
    assert data.endswith(taken.left)
    assert len(taken.left) <= 266 or taken.frame


@given(meters, st.integers(0, 0xFFFFFFFF), st.sampled_from(("2007", "1997")), st.none() | st.integers(1, 15))
def test_a_question_is_as_the_standard_lays_it_out(
    meter: str, identifier: int, standard: Standard, follow: int | None
) -> None:
    size = 8 if standard == "2007" else 4
    text = f"{identifier & 0xFFFFFFFF:08X}"[-size:]
    control = {"2007": ("11", "12"), "1997": ("01", "02")}[standard][follow is not None]
    data = f"{follow:02X}{text}" if follow is not None and standard == "2007" else text
    made = encode(question(meter, int(text, 16), standard, follow))
    assert made == bytes.fromhex("FEFEFEFE" + frame(meter, control, data))


@pytest.mark.parametrize(("asked", "answered"), RECORDED.items())
def test_published_frames_belong_together(asked: str, answered: str) -> None:
    first, second = take(bytes.fromhex(asked)).frame, take(bytes.fromhex(answered)).frame
    assert first is not None
    assert second is not None
    assert answers(second, first)
    assert not answers(first, first)
    assert encode(first)[4:] == bytes.fromhex(asked)


@given(st.binary(max_size=8), st.integers(1, 8), st.integers(0, 4))
def test_numbers(data: bytes, size: int, decimals: int) -> None:
    try:
        found = number(data, size, decimals)
    except ProtocolViolated:
        return
    assert f"{round(found * 10**decimals):0{2 * size}}" == data[::-1].hex()


@given(st.binary(max_size=5))
def test_dates_and_times(data: bytes) -> None:
    for read in (date_of, time_of):
        try:
            found = read(data)
        except ProtocolViolated:
            continue
        form = "%y%m%d" if read is date_of else "%H%M%S"
        assert found.strftime(form) == data[::-1].hex()[-6 if read is time_of else 2 :]


@given(st.integers(0, 255), st.sampled_from(("2007", "1997")))
def test_an_error_always_has_a_first_word(bits: int, standard: Standard) -> None:
    said = refusal(Frame("0" * 12, 0xD1, bytes((bits,))), standard)
    assert said is not None
    assert said[0] == "other_error" or said in REFUSALS[standard]


@given(st.lists(st.binary(max_size=80), max_size=10), st.booleans())
def test_a_meter_may_say_whatever_it_likes(pieces: list[bytes], framed: bool) -> None:
    given_ = [encode(Frame("000000000161", 0xB1, piece)) for piece in pieces] if framed else pieces
    try:
        answer = _done(_bus(*given_).read("000000000161", 0x00010000))
    except (ProtocolViolated, TimedOut, ExpectationFailed):
        return
    assert answer.meter == "000000000161"


@given(st.lists(frames, max_size=6))
def test_frames_of_others_are_strays(others: list[Frame]) -> None:
    right = encode(Frame("000000000161", 0x91, bytes.fromhex("00000100 45230100")))
    asked = question("000000000161", 0x00010000, "2007")
    strays = [other for other in others if not answers(other, asked)]
    bus = _bus(*(encode(stray) for stray in strays), right)
    answer = _done(bus.read("000000000161", 0x00010000))
    assert answer.data == bytes.fromhex("45230100")
    assert bus.strays == sum(stray != asked for stray in strays)


def test_an_answer_without_end() -> None:
    more = encode(Frame("000000000161", 0xB1, bytes.fromhex("00000100 01")))
    follow = [encode(Frame("000000000161", 0xB2, bytes((0, 0, 1, 0, 1, n)))) for n in range(1, 40)]
    with pytest.raises(ProtocolViolated, match="more than 16 frames"):
        _done(_bus(more, *follow).read("000000000161", 0x00010000))
    with pytest.raises(ProtocolViolated, match="more than 4096 bytes"):
        _done(_bus(*[b"\xfe" * 1000] * 9).read("000000000161", 0x00010000))


def test_a_list_of_meters_is_bounded() -> None:
    assert shown(["a", "b", "c"], 2) == "a, b and 1 more"
    assert shown(["a"], 2) == "a"
