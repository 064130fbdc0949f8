"""A chunk: the readings of one check, column by column, byte-shuffled and compressed.

Integers are kept as distances from the least of the chunk, or as differences less their least, whichever
took fewer bits over the group; a metric becomes an integer of its resolution. What does not fit (no
resolution, an infinity, more than 2^40 steps) is kept as doubles, exactly. The blob, compressed by zstd with
a checksum: `HEAD`, one `COLUMN` a column, then the planes of bytes, all of equal length.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import zstandard
from numpy.typing import NDArray

from monitor.store.records import Column, Ints

FORMAT = 1
HEAD = struct.Struct("<BBHII")
_COLUMN = struct.Struct("<BBqq")
COLUMN = np.dtype([("mode", "u1"), ("width", "u1"), ("first", "<i8"), ("base", "<i8")])
PLAIN, DELTA, DOUBLES, MASK = 0, 1, 2, 4
FIXED = ("at", "seq", "outcome", "lag", "duration", "note", "facts")
"""The columns every chunk has; times in ms since the epoch, lag and duration in ms."""
TICK_MS = 250
STEPS_LIMIT = 2.0**40
VALUES_LIMIT = 1e300
Bytes2 = NDArray[np.uint8]
Floats = NDArray[np.float64]

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
    compress = _compressor().compress
    blobs = [
        compress(_head(len(plans), end - start, columns_id) + head + planes[:, start:end].tobytes())
        for start, end, head in zip(starts.tolist(), ends.tolist(), heads, strict=True)
    ]
    return _chunks(table, starts, ends, blobs)


def _head(columns: int, count: int, columns_id: int) -> bytes:
    return HEAD.pack(FORMAT, 0, columns, count, columns_id)


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
    """A decoded chunk; columns are taken out as they are asked for."""

    __slots__ = ("_body", "_planes", "_raw", "_widths", "columns_id", "count")

    def __init__(self, data: bytes) -> None:
        try:
            self._raw = raw = _decompressor().decompress(data)
            version, _, columns, self.count, self.columns_id = HEAD.unpack_from(raw)
        except (zstandard.ZstdError, struct.error) as error:
            msg = f"a chunk can't be read: {error}"
            raise Damaged(msg) from error
        self._body = HEAD.size + columns * COLUMN.itemsize
        self._widths = raw[HEAD.size + 1 : self._body : COLUMN.itemsize]
        if version != FORMAT or len(raw) != self._body + sum(self._widths) * self.count:
            msg = f"a chunk is not of format {FORMAT}, which this Muster knows"
            raise Damaged(msg)
        self._planes = np.frombuffer(raw, np.uint8, -1, self._body)

    def fixed(self, name: str) -> Ints:
        """Return one of the `FIXED` columns."""
        values = self._ints(FIXED.index(name))
        return values + self.fixed("at") // TICK_MS if name == "seq" else values

    def metric(self, index: int, step: float | None) -> Floats:
        """Return a metric by its place among the chunk's metrics; NaN where it is missing."""
        place = len(FIXED) + index
        mode = self._raw[HEAD.size + place * COLUMN.itemsize]
        values = self._ints(place)
        if mode == DOUBLES:
            return values.view(np.float64)
        if step is None:
            msg = "a quantised column without a resolution"
            raise Damaged(msg)
        restored = restore(values, step)
        if mode & MASK:
            restored[self._plane(sum(self._widths[:place])) != 0] = np.nan
        return restored

    def _ints(self, place: int) -> Ints:
        mode, width, first, base = _COLUMN.unpack_from(self._raw, HEAD.size + place * COLUMN.itemsize)
        plane, masked = sum(self._widths[:place]), mode >> 2
        values = self._words(plane + masked, width - masked)
        if base:
            values += base
        if mode & DELTA:
            values[0] = first
            np.add.accumulate(values, out=values)
        return values

    def _words(self, plane: int, width: int) -> Ints:
        if width > 2:
            out = np.zeros((self.count, 8), np.uint8)
            out[:, :width] = self._planes[plane * self.count :][: width * self.count].reshape(width, -1).T
            return out.reshape(-1).view("<i8")
        if not width:
            return np.zeros(self.count, np.int64)
        values = self._plane(plane).astype(np.int64)
        if width == 2:
            values += self._plane(plane + 1).astype(np.int64) << 8
        return values

    def _plane(self, plane: int) -> NDArray[np.uint8]:
        return self._planes[plane * self.count : (plane + 1) * self.count]


def _compressor() -> zstandard.ZstdCompressor:
    found: zstandard.ZstdCompressor | None = getattr(_local, "compressor", None)
    if found is None:
        found = _local.compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    found: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if found is None:
        found = _local.decompressor = zstandard.ZstdDecompressor()
    return found
