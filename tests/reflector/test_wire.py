"""The codec: what is packed comes back, what was changed is refused, and nothing else is ever raised."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.network import _reflect_bodies as bodies
from probes.network._reflect_bodies import PAGE_RECORDS, WireError, pack, unpack
from probes.network._reflect_keys import BadKey, fingerprint, read, session_keys, unit_key, written
from probes.network._reflect_stream import Frames, framed
from probes.network._reflect_wire import (
    ECHO_SIZE,
    MAX_SIZE,
    OVERHEAD,
    REQUEST_SIZE,
    UNTAGGED,
    Kind,
    header,
    opened,
    plain,
    sealed,
    unsigned,
)

KEY = bytes(range(32))
U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
NONCE = st.binary(min_size=16, max_size=16)
RECORDS = st.lists(st.tuples(U16, st.integers(0, 2**40 - 1)), max_size=PAGE_RECORDS).map(tuple)
BODIES: tuple[st.SearchStrategy[Any], ...] = (
    st.builds(bodies.Body),
    st.builds(bodies.Hello, NONCE),
    st.builds(bodies.Cookie, NONCE, NONCE),
    st.builds(bodies.Open, NONCE, NONCE),
    st.builds(bodies.Opened, NONCE, NONCE, U64, U32, U16, U64, U64, U64, U32, U32),
    st.builds(bodies.Refused, NONCE, U8, U32),
    st.builds(bodies.Echo, U32),
    st.builds(bodies.Echoed, U32, U32, U32, U64, U64, U32, U64, U8, U8, U8, U32),
    st.builds(bodies.TrainDown, U32, U16, U16),
    st.builds(bodies.TrainUp, U32, U16, U16, U64),
    st.builds(bodies.Ready, U32),
    st.builds(bodies.Data, U32, U32),
    st.builds(bodies.Report, U32, U32),
    st.builds(bodies.Reported, U32, U32, U32, U64, U32, U8, RECORDS),
    st.builds(bodies.Stop, U32),
    st.builds(bodies.Stream, NONCE, NONCE, U8, U64, U32),
    st.builds(bodies.Count, U64, U64),
)
ANY_BODY = st.one_of(*BODIES)
TAGGED = st.sampled_from([kind for kind in Kind if kind not in UNTAGGED])


@given(TAGGED, U64, U64, ANY_BODY, st.integers(0, MAX_SIZE))
def test_what_is_sealed_comes_back(kind: Kind, session: int, number: int, body: Any, size: int) -> None:
    data = sealed(KEY, kind, session, number, body, size)
    assert len(data) == max(size, OVERHEAD + len(pack(body)))
    frame = opened(data, KEY)
    assert frame[:3] == header(data) == (kind, session, number)
    assert unpack(type(body), frame.body) == body


@given(
    st.sampled_from(UNTAGGED), st.sampled_from([bodies.Hello(b"n" * 16), bodies.Cookie(b"n" * 16, b"c" * 16)])
)
def test_what_is_plain_comes_back(kind: Kind, body: Any) -> None:
    assert unpack(type(body), opened(plain(kind, body, 96), b"").body) == body


@given(TAGGED, ANY_BODY, st.data())
def test_a_flipped_bit_is_refused(kind: Kind, body: Any, data: st.DataObject) -> None:
    whole = sealed(KEY, kind, 7, 8, body)
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError):
        opened(bytes(changed), KEY)


@pytest.mark.parametrize("size", [0, ECHO_SIZE, 300])
def test_every_flipped_bit_of_an_echo_is_refused(size: int) -> None:
    whole = sealed(KEY, Kind.ECHO, 7, 8, bodies.Echo(3), size)
    for bit in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(WireError):
            opened(bytes(changed), KEY)


@given(ANY_BODY, st.integers(0, 200))
def test_a_cut_body_is_refused_and_never_more(body: Any, keep: int) -> None:
    data = pack(body)
    try:
        found = unpack(type(body), data[:keep])
    except WireError:
        assert keep < len(data)
    else:
        assert keep >= len(data)
        assert found == body


@given(st.binary(max_size=200), st.binary(max_size=64))
def test_the_decoders_take_anything(data: bytes, key: bytes) -> None:
    for decode in (header, unsigned, lambda whole: opened(whole, key)):
        try:
            decode(data)
        except WireError:
            continue
        assert data[:3] == b"MR\x01"


@given(TAGGED, st.binary(max_size=1400))
def test_the_bodies_take_anything_well_signed(kind: Kind, content: bytes) -> None:
    for strategy in (
        bodies.Reported,
        bodies.Echoed,
        bodies.Opened,
        bodies.Refused,
        bodies.Data,
        bodies.Stream,
    ):
        try:
            unpack(strategy, content)
        except WireError:
            continue


def test_another_key_opens_nothing() -> None:
    with pytest.raises(WireError):
        opened(sealed(KEY, Kind.ECHO, 1, 1, bodies.Echo(0)), bytes(32))


def test_what_has_no_room_is_refused() -> None:
    with pytest.raises(WireError):
        pack(bodies.Echo(2**32))
    with pytest.raises(WireError):
        pack(bodies.Reported(1, 0, 0, 0, 0, 0, ((1, 1),) * (PAGE_RECORDS + 1)))


def test_a_page_and_a_refusal_fit() -> None:
    page = bodies.Reported(1, 0, 4000, 0, 0, 0, ((1, 1),) * PAGE_RECORDS)
    assert len(sealed(KEY, Kind.REPORTED, 1, 1, page)) <= 1200
    assert len(sealed(KEY, Kind.REFUSED, 1, 1, bodies.Refused(bytes(16), 1, 0))) <= REQUEST_SIZE


@given(st.lists(st.binary(max_size=MAX_SIZE), max_size=10), st.randoms(use_true_random=False))
def test_frames_come_out_of_a_stream_however_it_is_cut(frames: list[bytes], chance: random.Random) -> None:
    stream, cutter, found = b"".join(map(framed, frames)) + b"\0", Frames(), []
    while stream:
        length = chance.randint(1, 2000)
        cutter.add(stream[:length])
        stream = stream[length:]
        found += list(iter(cutter.pop, None))
    assert found == frames


def test_a_frame_that_is_too_long_is_refused() -> None:
    cutter = Frames()
    cutter.add(b"\xff\xff")
    with pytest.raises(WireError):
        cutter.pop()


def test_keys_differ_by_unit_and_master_and_can_be_written() -> None:
    master = "sixteen characters"
    keys = {unit_key(master, "a"), unit_key(master, "b"), unit_key(master + "!", "a")}
    assert len(keys) == 3
    for key in keys:
        assert len(key) == 32
        assert read(written(key) + "\n") == key
        assert fingerprint(key) not in written(key)


@pytest.mark.parametrize("text", ["", "ab", "g" * 64, "a" * 63, "a" * 65])
def test_what_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(BadKey) as refused:
        read(text)
    assert not text or text not in str(refused.value)


@given(NONCE, NONCE)
def test_a_session_s_keys_differ_by_direction_and_nonce(one: bytes, other: bytes) -> None:
    keys = session_keys(KEY, one, other)
    assert keys.client != keys.reflector
    assert (session_keys(KEY, other, one) == keys) == (one == other)
