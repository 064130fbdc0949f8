"""Chunks give back what went in: exactly, or within half a step of the resolution."""

from __future__ import annotations

import math
from unittest import mock

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from monitor.store import codec
from monitor.store.codec import FIXED, Chunk, Damaged, Table, encode, restore
from monitor.store.records import Column, Ints

NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64)
STEPS = st.one_of(
    st.none(), st.sampled_from([0.001, 0.01, 1.0, 0.1, 5.0, 1e-9, 1e9]), st.floats(1e-300, 1e300)
)
NEAR = st.floats(-1e6, 1e6) | st.just(math.nan)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    total = sum(counts)

    def column(values: st.SearchStrategy[int]) -> Ints:
        return np.array(draw(st.lists(values, min_size=total, max_size=total)), np.int64)

    numbers = np.repeat(np.arange(len(counts)), counts)
    at = column(st.integers(0, 253_402_300_799_999))
    order = np.lexsort((at, numbers))
    fixed = {name: column(st.integers(0, 2**33)) for name in FIXED} | {"at": at[order]}
    metrics: dict[Column, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    for index in range(draw(st.integers(0, 3))):
        values = draw(st.sampled_from([NUMBERS, NEAR]))
        step = draw(STEPS)
        metrics[f"m{index}", step] = np.array(draw(st.lists(values, min_size=total, max_size=total)))
    return Table(numbers, fixed, metrics)


def exact(found: np.ndarray, given: np.ndarray) -> bool:
    return bool((found.view(np.uint64) == given.view(np.uint64)).all())


def within(found: np.ndarray, given: np.ndarray, step: float) -> bool:
    present = ~np.isnan(given)
    error = np.abs(found[present] - given[present])
    return bool((np.isnan(found) == np.isnan(given)).all() and (error <= step * 0.501).all())


@given(tables(), st.sampled_from([1, 5, 200]))
def test_round_trip(table: Table, apart_from: int) -> None:
    with mock.patch.object(codec, "APART_FROM", apart_from):
        chunks = encode(table, 7)
    assert [c.number for c in chunks] == sorted(set(table.numbers.tolist()))
    for encoded in chunks:
        rows = np.flatnonzero(table.numbers == encoded.number)
        chunk = Chunk(encoded.data)
        assert (chunk.count, chunk.columns_id) == (len(rows), 7)
        for name in FIXED:
            assert chunk.fixed(name).tolist() == table.fixed[name][rows].tolist()
        assert (encoded.first, encoded.last) == (table.fixed["at"][rows[0]], table.fixed["at"][rows[-1]])
        assert encoded.low == table.fixed["seq"][rows].min()
        assert encoded.high == table.fixed["seq"][rows].max()
        for place, ((_, step), values) in enumerate(table.metrics.items()):
            found = chunk.metric(place, step)
            assert exact(found, values[rows]) or (step is not None and within(found, values[rows], step))
            if step is None:
                assert exact(found, values[rows])


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1), st.sampled_from([0.001, 0.01, 0.1, 0.5, 1.0]))
def test_whole_steps_print_as_they_were_written(steps: list[int], step: float) -> None:
    digits = max(0, round(-math.log10(step))) if step < 0.5 else 1
    for value in restore(np.array(steps), step).tolist():
        assert value == round(value, digits)


def test_a_random_walk_is_kept_as_differences_and_noise_is_not() -> None:
    rng = np.random.default_rng(1)
    zero = np.zeros(2000, np.int64)
    fixed = dict.fromkeys(FIXED, zero) | {"at": np.arange(2000) * 60_000}
    walk = {("bytes", 1.0): 1e9 + np.cumsum(rng.integers(0, 200, 2000)).astype(np.float64)}
    noise = {("rtt", 0.001): rng.integers(20_000, 20_200, 2000) / 1000}
    for metrics in (walk, noise):
        table = Table(zero, fixed, metrics)  # type: ignore[arg-type]
        size = len(encode(table, 1)[0].data)
        assert size < 2000 * 1.3, "one byte a value, and little else"


@pytest.mark.parametrize("count", [100, 500])
@pytest.mark.parametrize("place", [0, 1, 5, 20, -1])
def test_a_changed_byte_is_noticed(count: int, place: int) -> None:
    values = np.random.default_rng(2).normal(20, 3, count)
    zero = np.zeros(count, np.int64)
    fixed = dict.fromkeys(FIXED, zero) | {"at": np.arange(count) * 60_000}
    data = bytearray(encode(Table(zero, fixed, {("rtt", None): values}), 1)[0].data)
    data[place] ^= 0x55
    with pytest.raises(Damaged):
        Chunk(bytes(data)).metric(0, None)


def test_what_is_no_chunk_is_damaged() -> None:
    frame = zstandard.ZstdCompressor().compress
    short = frame(codec.HEAD.pack(codec.APART, 0, 9, 1, 1))
    later = frame(codec.HEAD.pack(9, 0, 0, 0, 1))
    for data in (
        b"", b"\x00" * 40, b"not a chunk", b"\x02", b"\x02" * 40, frame(b""), later, short,
        b"\x02" + len(short).to_bytes(4, "little") + short,
    ):  # fmt: skip
        with pytest.raises(Damaged, match="chunk"):
            Chunk(data)


def test_a_chunk_of_many_readings_is_read_by_the_column() -> None:
    rng, count = np.random.default_rng(3), 1440
    fixed = dict.fromkeys(FIXED, np.zeros(count, np.int64)) | {"at": np.arange(count) * 60_000}
    metrics: dict[Column, np.ndarray[tuple[int], np.dtype[np.float64]]] = {
        (f"m{n}", 0.001): rng.normal(20, 3, count) for n in range(5)
    }
    [encoded] = encode(Table(np.zeros(count, np.int64), fixed, metrics), 1)
    data = bytearray(encoded.data)
    data[-1] ^= 0x55
    chunk = Chunk(bytes(data))
    for place, values in enumerate(list(metrics.values())[:4]):
        assert within(chunk.metric(place, 0.001), values, 0.001)
    with pytest.raises(Damaged):
        chunk.metric(4, 0.001)
