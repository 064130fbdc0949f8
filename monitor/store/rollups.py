"""A day of one check for display: count, least, greatest, mean and a sketch, in buckets of one width."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import zstandard
from numpy.typing import NDArray

from monitor.store import sketch
from monitor.store.api import Point
from monitor.store.codec import Damaged, compressor, decompressor
from monitor.store.records import DAY_MS

Step = Literal["5m", "1h"]
WIDTHS: dict[Step, int] = {"5m": 300_000, "1h": 3_600_000}
"""Widths of the buckets, ms."""
_SPAN = 1 << 16
_TYPES = (
    ("bucket", "<u2"), ("count", "<u4"), ("least", "<f4"), ("greatest", "<f4"), ("mean", "<f4"),
    ("cells", "<i4"), ("cell_counts", "<u4"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Buckets:
    """One metric over a day. `cells`, ascending, are bucket * 65536 + sketch key + 32768."""

    bucket: NDArray[np.int64]
    count: NDArray[np.int64]
    least: NDArray[np.float64]
    greatest: NDArray[np.float64]
    mean: NDArray[np.float64]
    cells: NDArray[np.int64]
    cell_counts: NDArray[np.int64]


def slots(at: NDArray[np.int64], width: int, ranks: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return the bucket of each time (ms) within its day; `ranks` tell several checks' days apart."""
    found = (at % DAY_MS) // width
    return found if ranks is None else found + ranks * (DAY_MS // width)


def build(slot: NDArray[np.int64], values: NDArray[np.float64]) -> Buckets:
    """Return the buckets of one metric; slots ascend, NaN values do not count."""
    present = ~np.isnan(values)
    slot, values = slot[present], values[present]
    if not len(values):
        none, nothing = np.zeros(0, np.int64), np.zeros(0)
        return Buckets(none, none, nothing, nothing, nothing, none, none)
    starts = np.flatnonzero(np.diff(slot, prepend=-1))
    count = np.diff(starts, append=len(values))
    least, greatest = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.add.reduceat(values / np.repeat(count, count), starts)
    cells, cell_counts = np.unique(slot * _SPAN + sketch.keys(values) + _SPAN // 2, return_counts=True)
    return Buckets(slot[starts], count, least, greatest, np.clip(mean, least, greatest), cells, cell_counts)


def of_check(buckets: Buckets, rank: int, width: int) -> Buckets:
    """Return the day of one of the checks that `slots` told apart."""
    first = rank * (DAY_MS // width)
    last = first + DAY_MS // width
    rows = slice(*buckets.bucket.searchsorted((first, last)))
    cells = slice(*buckets.cells.searchsorted((first * _SPAN, last * _SPAN)))
    return Buckets(
        buckets.bucket[rows] - first, buckets.count[rows], buckets.least[rows], buckets.greatest[rows],
        buckets.mean[rows], buckets.cells[cells] - first * _SPAN, buckets.cell_counts[cells],
    )  # fmt: skip


def points(buckets: Buckets, day: int, width: int) -> list[Point]:
    """Return one point a bucket; `day` in days since the epoch."""
    edges = np.searchsorted(buckets.cells, np.append(buckets.bucket, _SPAN) * _SPAN).tolist()
    found = []
    for index, bucket in enumerate(buckets.bucket.tolist()):
        cells = slice(edges[index], edges[index + 1])
        keys, counts = buckets.cells[cells] % _SPAN - _SPAN // 2, buckets.cell_counts[cells]
        low, high = float(buckets.least[index]), float(buckets.greatest[index])
        p50, p95 = (min(max(sketch.quantile(keys, counts, q), low), high) for q in (0.5, 0.95))
        at = (day * DAY_MS + bucket * width) / 1000
        found.append(Point(at, int(buckets.count[index]), low, high, float(buckets.mean[index]), p50, p95))
    return found


def pack(metrics: Mapping[str, Buckets]) -> bytes:
    """Return the blob of a day of one check. Values are kept as float32: they are shown, not judged."""
    names = [(name, len(b.bucket), len(b.cells)) for name, b in metrics.items()]
    head = json.dumps(names, ensure_ascii=False).encode()
    parts = [struct.pack("<I", len(head)), head]
    with np.errstate(over="ignore"):
        for buckets in metrics.values():
            for field, kind in _TYPES:
                values = getattr(buckets, field)
                if field == "cells":
                    values = np.diff(values, prepend=0)
                parts.append(_shuffled(values.astype(kind)))
    return compressor().compress(b"".join(parts))


def unpack(data: bytes, metric: str) -> Buckets | None:
    """Return the buckets of one metric of a blob, or None. Raises `Damaged`."""
    try:
        raw = decompressor().decompress(data)
        at = 4 + struct.unpack_from("<I", raw)[0]
        for name, buckets, cells in json.loads(raw[4:at]):
            fields = [(f, np.dtype(k), cells if f.startswith("cell") else buckets) for f, k in _TYPES]
            if name == metric:
                return _fields(raw, at, fields)
            at += sum(kind.itemsize * count for _, kind, count in fields)
    except (zstandard.ZstdError, struct.error, ValueError) as error:
        msg = f"a rollup can't be read: {error}"
        raise Damaged(msg) from error
    return None


def _fields(raw: bytes, at: int, fields: list[tuple[str, np.dtype[np.generic], int]]) -> Buckets:
    found: list[NDArray[Any]] = []
    for _, kind, count in fields:
        planes = np.frombuffer(raw, np.uint8, count * kind.itemsize, at).reshape(kind.itemsize, count)
        values = np.ascontiguousarray(planes.T).reshape(-1).view(kind)
        found.append(values.astype(np.float64 if kind.kind == "f" else np.int64))
        at += count * kind.itemsize
    found[5] = np.cumsum(found[5])
    return Buckets(*found)


def _shuffled(values: NDArray[np.generic]) -> bytes:
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, values.dtype.itemsize).T).tobytes()
