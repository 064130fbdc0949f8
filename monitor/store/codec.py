"""A chunk: the readings of one check, column by column, byte-shuffled and compressed.

Integers are kept as distances from the least of the chunk, or as differences less their least, whichever
took fewer bits over the group; a metric becomes an integer of its resolution. What does not fit (no
resolution, an infinity, more than 2^40 steps) is kept as doubles, exactly. A blob is one of two:

- of few readings, one frame of zstd: `HEAD`, one `COLUMN` a column, the planes of bytes, all of equal length;
- of many, so that a reader decompresses the columns it wants: `_APART`, then frames of zstd. The first holds
  `HEAD`, one `COLUMN` a column, the bytes of each column's own frame as `_SIZE` (0 without one), and the
  planes of the columns in `FRONT`; then follow the frames of the other columns that have planes.

Every frame has a checksum.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

import numpy as np
import zstandard
from numpy.typing import NDArray

from monitor.store.records import Column, Ints

TOGETHER, APART = 1, 2
"""The version in `HEAD` of the two."""
APART_FROM = 200
"""Readings of a chunk from which its columns are kept apart."""
HEAD = struct.Struct("<BBHII")
_COLUMN = struct.Struct("<BBqq")
COLUMN = np.dtype([("mode", "u1"), ("width", "u1"), ("first", "<i8"), ("base", "<i8")])
PLAIN, DELTA, DOUBLES, MASK = 0, 1, 2, 4
FIXED = ("at", "seq", "outcome", "lag", "duration", "note", "facts")
"""The columns every chunk has; times in ms since the epoch, lag and duration in ms."""
FRONT = (0, 2)
"""Which of these every reader wants: times and outcomes."""
_APART = struct.Struct("<BI")
"""`APART` (no zstd frame begins with it), bytes of the first frame."""
_SIZE = np.dtype("<u4")
TICK_MS = 250
STEPS_LIMIT = 2.0**40
VALUES_LIMIT = 1e300
Bytes2 = NDArray[np.uint8]
Floats = NDArray[np.float64]

_NOTHING = np.zeros(0, np.uint8)
_local = threading.local()


class Damaged(RuntimeError):  # noqa: N818 - reads better where it is raised
    """A chunk that is not what was written."""


@dataclass(frozen=True, slots=True)
class Table:
    """Readings of some checks with the same metrics, sorted by check and time."""

    numbers: Ints
    fixed: dict[str, Ints]
    metrics: dict[Column, Floats]

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One chunk to be stored."""

    number: int
    first: int
    last: int
    low: int
    high: int
    count: int
    data: bytes


@dataclass(slots=True)
class _Plan:
    mode: int
    firsts: Ints
    bases: Ints
    planes: Bytes2


def encode(table: Table, columns_id: int) -> list[Encoded]:
    """Return a chunk for each check of the table."""
    starts = np.flatnonzero(np.diff(table.numbers, prepend=-1))
    ends = np.append(starts[1:], len(table))
    plans = [_plan_fixed(name, table.fixed, starts) for name in FIXED]
    plans += [_plan_metric(values, step, starts) for (_, step), values in table.metrics.items()]
    heads = _heads(plans, len(starts))
    planes = np.concatenate([plan.planes for plan in plans])
    edges = np.cumsum([0, *(len(plan.planes) for plan in plans)]).tolist()
    blobs = [
        _blob(head, planes[:, start:end], edges, columns_id)
        for start, end, head in zip(starts.tolist(), ends.tolist(), heads, strict=True)
    ]
    return _chunks(table, starts, ends, blobs)


def _blob(columns: bytes, planes: Bytes2, edges: Sequence[int], columns_id: int) -> bytes:
    """Return a chunk of planes; column n has those from `edges[n]` to `edges[n + 1]`."""
    compress, count = compressor().compress, planes.shape[1]
    if count < APART_FROM:
        return compress(
            HEAD.pack(TOGETHER, 0, len(edges) - 1, count, columns_id) + columns + planes.tobytes()
        )
    parts = [planes[low:high].tobytes() for low, high in pairwise(edges)]
    frames = [b"" if n in FRONT or not part else compress(part) for n, part in enumerate(parts)]
    sizes = np.array([len(frame) for frame in frames], _SIZE).tobytes()
    head = HEAD.pack(APART, 0, len(parts), count, columns_id) + columns + sizes
    first = compress(b"".join((head, *(parts[n] for n in FRONT))))
    return b"".join((_APART.pack(APART, len(first)), first, *frames))


def _heads(plans: Sequence[_Plan], checks: int) -> list[bytes]:
    columns = np.zeros((checks, len(plans)), COLUMN)
    for index, plan in enumerate(plans):
        columns["mode"][:, index] = plan.mode
        columns["width"][:, index] = len(plan.planes)
        columns["first"][:, index] = plan.firsts
        columns["base"][:, index] = plan.bases
    return [row.tobytes() for row in columns]


def _chunks(table: Table, starts: Ints, ends: Ints, blobs: Sequence[bytes]) -> list[Encoded]:
    at, seq = table.fixed["at"], table.fixed["seq"]
    spans = (
        table.numbers[starts], at[starts], at[ends - 1], np.minimum.reduceat(seq, starts),
        np.maximum.reduceat(seq, starts), ends - starts,
    )  # fmt: skip
    rows = zip(*(span.tolist() for span in spans), blobs, strict=True)
    return [Encoded(*row) for row in rows]


def _plan_fixed(name: str, fixed: dict[str, Ints], starts: Ints) -> _Plan:
    values = fixed[name]
    if name == "at":
        return _delta(values, starts)
    return _plain(values - fixed["at"] // TICK_MS if name == "seq" else values, starts)


def _plan_metric(values: Floats, step: float | None, starts: Ints) -> _Plan:
    missing = np.isnan(values)
    quantised = None if step is None else quantise(values, missing, step)
    if quantised is None:
        none = np.zeros(len(starts), np.int64)
        return _Plan(DOUBLES, none, none, np.ascontiguousarray(_bytes(values.view(np.uint64))))
    plain, delta = _plain(quantised, starts), None
    if _rough(quantised, starts):
        delta = _delta(quantised, starts)
    plan = plain if delta is None else delta
    if missing.any():
        plan.mode |= MASK
        plan.planes = np.concatenate([missing.astype(np.uint8)[None, :], plan.planes])
    return plan


def quantise(values: Floats, missing: NDArray[np.bool_], step: float) -> Ints | None:
    """Return values as whole steps (missing ones as 0), or None where they do not fit."""
    present = np.where(missing, 0.0, values)
    if not np.abs(present).max(initial=0) < VALUES_LIMIT:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.rint(present / step)
    if not np.abs(steps).max(initial=0) < STEPS_LIMIT:
        return None
    return steps.astype(np.int64)


def restore(steps: Ints, step: float) -> Floats:
    """Return the values of whole steps; a step of one nth is divided by n, so that 58.3 stays 58.3."""
    inverse = _nth(step)
    return steps / inverse if inverse else steps * np.float64(step)


@lru_cache(1000)
def _nth(step: float) -> float:
    """Return n where a step is one nth, else 0."""
    inverse = round(1 / step) if step < 1 else 0
    return float(inverse) if abs(inverse * step - 1) < 1e-12 else 0.0


def _rough(values: Ints, starts: Ints) -> bool:
    """Whether differences take fewer bits than distances from the mean, over all checks."""
    counts = np.diff(starts, append=len(values))
    means = np.add.reduceat(values, starts) // counts
    distance = np.abs(values - np.repeat(means, counts))
    difference = np.abs(np.diff(values, prepend=values[0]))
    difference[starts] = 0
    return bool(np.log2(difference + 1.0).sum() < 0.95 * np.log2(distance + 1.0).sum())


def _plain(values: Ints, starts: Ints) -> _Plan:
    bases = np.minimum.reduceat(values, starts)
    rest = values - np.repeat(bases, np.diff(starts, append=len(values)))
    return _Plan(PLAIN, np.zeros_like(bases), bases, _planes(rest))


def _delta(values: Ints, starts: Ints) -> _Plan:
    steps = np.diff(values, prepend=values[0])
    steps[starts] = np.iinfo(np.int64).max
    bases = np.minimum.reduceat(steps, starts)
    bases[bases == np.iinfo(np.int64).max] = 0
    rest = steps - np.repeat(bases, np.diff(starts, append=len(values)))
    rest[starts] = 0
    return _Plan(DELTA, values[starts], bases, _planes(rest))


def _planes(rest: Ints) -> Bytes2:
    width = (int(rest.max()).bit_length() + 7) // 8 if len(rest) else 0
    return np.ascontiguousarray(_bytes(rest.view(np.uint64))[:width])


def _bytes(words: NDArray[np.uint64]) -> Bytes2:
    return words.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8).T


class Chunk:
    """A decoded chunk; columns are taken out as they are asked for. All of it raises `Damaged`."""

    __slots__ = ("_body", "_columns", "_data", "_frames", "_raw", "_starts", "_widths", "columns_id", "count")

    def __init__(self, data: bytes) -> None:
        apart = data[:1] == bytes([APART])
        try:
            skip, end = (_APART.size, _APART.size + _APART.unpack_from(data)[1]) if apart else (0, len(data))
            self._raw = raw = _decompress(data[skip:end])
            version, _, columns, self.count, self.columns_id = HEAD.unpack_from(raw)
            self._body = HEAD.size + columns * COLUMN.itemsize
            sizes = struct.unpack_from(f"<{columns}I", raw, self._body) if apart else ()
        except struct.error as error:
            msg = f"a chunk can't be read: {error}"
            raise Damaged(msg) from error
        self._columns = raw[HEAD.size : self._body]
        self._widths = widths = self._columns[1 :: COLUMN.itemsize]
        self._data, self._frames = data, list(accumulate(sizes, initial=end))
        self._body += 4 * len(sizes)
        self._starts = [0, 0, sum(widths[:1])] if apart else list(accumulate(widths, initial=0))
        held = sum(widths[:3:2]) if apart else self._starts[-1]
        if version != (APART if apart else TOGETHER) or len(raw) != self._body + held * self.count:
            msg = "a chunk is of no format that this Muster knows"
            raise Damaged(msg)

    def fixed(self, name: str) -> Ints:
        """Return one of the `FIXED` columns."""
        place = FIXED.index(name)
        values = self._ints(place, self._planes(place))
        return values + self.fixed("at") // TICK_MS if name == "seq" else values

    def metric(self, index: int, step: float | None) -> Floats:
        """Return a metric by its place among the chunk's metrics; NaN where it is missing."""
        place = len(FIXED) + index
        mode = self._columns[place * COLUMN.itemsize]
        planes = self._planes(place)
        values = self._ints(place, planes)
        if mode == DOUBLES:
            return values.view(np.float64)
        if step is None:
            msg = "a quantised column without a resolution"
            raise Damaged(msg)
        restored = restore(values, step)
        if mode & MASK:
            restored[planes[: self.count] != 0] = np.nan
        return restored

    def _planes(self, place: int) -> NDArray[np.uint8]:
        """Return the planes of a column, end to end."""
        size, apart = self._widths[place] * self.count, len(self._frames) > 1
        if not size:
            return _NOTHING
        if not apart or place in FRONT:
            return np.frombuffer(self._raw, np.uint8, size, self._body + self._starts[place] * self.count)
        raw = _decompress(self._data[self._frames[place] : self._frames[place + 1]])
        if len(raw) != size:
            msg = "a column of a chunk is not as long as the others"
            raise Damaged(msg)
        return np.frombuffer(raw, np.uint8)

    def _ints(self, place: int, planes: NDArray[np.uint8]) -> Ints:
        mode, width, first, base = _COLUMN.unpack_from(self._columns, place * COLUMN.itemsize)
        if mode & MASK:
            planes, width = planes[self.count :], width - 1
        values = _words(planes, width, self.count)
        if base:
            values += base
        if mode & DELTA:
            values[0] = first
            np.add.accumulate(values, out=values)
        return values


def _words(planes: NDArray[np.uint8], width: int, count: int) -> Ints:
    if width > 2:
        out = np.zeros((count, 8), np.uint8)
        out[:, :width] = planes.reshape(width, -1).T
        return out.reshape(-1).view("<i8")
    if not width:
        return np.zeros(count, np.int64)
    if width == 1:
        return planes.astype(np.int64)
    values = planes[count:].astype(np.int64)
    values <<= 8
    values += planes[:count]
    return values


def _decompress(data: bytes) -> bytes:
    try:
        return decompressor().decompress(data)
    except zstandard.ZstdError as error:
        msg = f"a chunk can't be read: {error}"
        raise Damaged(msg) from error


def compressor() -> zstandard.ZstdCompressor:
    """Return this thread's compressor."""
    found: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if found is None:
        found = _local.compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
    return found


def decompressor() -> zstandard.ZstdDecompressor:
    """Return this thread's decompressor."""
    found: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if found is None:
        found = _local.decompressor = zstandard.ZstdDecompressor()
    return found
