"""From records and chunks to tables, and between tables: sorted, split by their metrics. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.store.codec import FIXED, Chunk, Table
from monitor.store.records import HEADER_WORDS, Column, Frame, Ints, Layout

Columns = tuple[Column, ...]


def union(sets: Iterable[Columns]) -> Columns:
    """Return all columns in order of appearance; of two resolutions of one metric the later counts."""
    found: dict[str, float | None] = {}
    for columns in sets:
        found.update(columns)
    return tuple(found.items())


def from_records(frame: Frame, layouts: Sequence[Layout]) -> list[Table]:
    """Return records as tables, one for each set of metrics that some of the checks report.

    Notes and facts are hashes.
    """
    numbers, at = frame.numbers, frame.ints(0)
    order = np.lexsort((at, numbers))
    frame = Frame(frame.words, frame.starts[order], frame.sizes[order])
    numbers, codes = numbers[order], frame.codes
    lag, duration = frame.timings()
    fixed = {
        "at": at[order], "seq": frame.ints(1), "outcome": codes & 3, "lag": _whole(lag),
        "duration": _whole(duration), "note": frame.ints(4), "facts": frame.ints(5),
    }  # fmt: skip
    tables = []
    for used, members in _by_layouts(numbers, codes >> 2).items():
        chosen = np.flatnonzero(np.isin(numbers, members))
        part = Frame(frame.words, frame.starts[chosen], frame.sizes[chosen])
        metrics = _metrics(part, [layouts[n] for n in used])
        tables.append(Table(numbers[chosen], {n: v[chosen] for n, v in fixed.items()}, metrics))
    return tables


def _by_layouts(numbers: Ints, used: Ints) -> dict[tuple[int, ...], list[int]]:
    sets: dict[int, list[int]] = {}
    for pair in np.unique((numbers << 32) | used).tolist():
        sets.setdefault(pair >> 32, []).append(pair & 0xFFFFFFFF)
    members: dict[tuple[int, ...], list[int]] = {}
    for number, layouts in sets.items():
        members.setdefault(tuple(layouts), []).append(number)
    return members


def _metrics(frame: Frame, layouts: Sequence[Layout]) -> dict[Column, NDArray[np.float64]]:
    columns = union(layout.columns for layout in layouts)
    values = {name: np.full(len(frame.starts), np.nan) for name, _ in columns}
    used = frame.codes >> 2
    for layout in layouts:
        rows = np.flatnonzero(used == layout.number)
        starts = frame.starts[rows]
        for place, (name, _) in enumerate(layout.columns):
            values[name][rows] = frame.words[starts + (HEADER_WORDS + place)].view(np.float64)
    return {column: values[column[0]] for column in columns}


def _whole(values: NDArray[np.float32]) -> Ints:
    return np.rint(np.clip(np.nan_to_num(values), 0, 2**31)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Part:
    """A decoded chunk: the columns of one check."""

    number: int
    fixed: dict[str, Ints]
    metrics: dict[Column, NDArray[np.float64]]

    @classmethod
    def of(cls, number: int, chunk: Chunk, columns: Columns) -> Part:
        """Decode all of a chunk."""
        metrics = {column: chunk.metric(place, column[1]) for place, column in enumerate(columns)}
        fixed = {name: chunk.fixed(name) for name in FIXED}
        return cls(number, fixed, metrics)


def merged(parts: Sequence[Part]) -> list[Table]:
    """Return tables of decoded chunks, one for each set of metrics that some of the checks report."""
    checks: dict[int, list[Part]] = {}
    for part in parts:
        checks.setdefault(part.number, []).append(part)
    groups: dict[Columns, list[Part]] = {}
    for members in checks.values():
        groups.setdefault(union(tuple(p.metrics) for p in members), []).extend(members)
    return [_table(columns, members) for columns, members in groups.items()]


def _table(columns: Columns, parts: Sequence[Part]) -> Table:
    sizes = [len(p.fixed["at"]) for p in parts]
    numbers = np.repeat([p.number for p in parts], sizes)
    order = np.lexsort((np.concatenate([p.fixed["at"] for p in parts]), numbers))
    fixed = {name: np.concatenate([p.fixed[name] for p in parts])[order] for name in FIXED}
    by_name = [{name: values for (name, _), values in p.metrics.items()} for p in parts]
    metrics = {
        column: np.concatenate([_or_nan(m, column[0], n) for m, n in zip(by_name, sizes, strict=True)])[order]
        for column in columns
    }
    return Table(numbers[order], fixed, metrics)


def _or_nan(metrics: Mapping[str, NDArray[np.float64]], name: str, count: int) -> NDArray[np.float64]:
    found = metrics.get(name)
    return np.full(count, np.nan) if found is None else found


def spans(table: Table) -> list[tuple[int, slice]]:
    """Return each check's number and rows."""
    starts = np.flatnonzero(np.diff(table.numbers, prepend=-1))
    ends = np.append(starts[1:], len(table)).tolist()
    return [(int(table.numbers[s]), slice(s, e)) for s, e in zip(starts.tolist(), ends, strict=True)]
