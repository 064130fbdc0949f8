"""A reading as bytes, for the heads: packed in microseconds, taken apart by numpy by the thousand.

A record is a whole number of little-endian 64-bit words:

    0  at        int64, ms since the epoch      3  lag, duration  2 x float32, ms
    1  seq       int64, the commit; 0 before    4  note           int64, hash of kind, vantage…
    2  number    uint32, the check              5  facts          int64, hash of the facts, 0 for none
       code      uint32, layout * 4 + outcome   6… metrics and phases of the layout, float64, NaN if missing
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from monitor.store.api import OUTCOME_CODES
from probes.api import Outcome, Reading

HEADER = "<qqIIffqq"
HEADER_WORDS = 6
OUTCOMES = tuple(Outcome(name) for name in sorted(OUTCOME_CODES, key=lambda n: OUTCOME_CODES[n]))
DAY_MS = 86_400_000
GROUP = 64
"""Checks whose numbers share the quotient by this are stored, rolled and merged together."""

Words = NDArray[np.uint64]
Ints = NDArray[np.int64]
Column = tuple[str, float | None]
"""A metric's name and the step it may be quantised to."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which numbers a record holds, in order."""

    number: int
    columns: tuple[Column, ...]
    phases: tuple[str, ...] = ()
    code: int = field(init=False)
    pack: Callable[..., bytes] = field(init=False, compare=False)
    words: int = field(init=False)

    def __post_init__(self) -> None:
        values = len(self.columns) + len(self.phases)
        object.__setattr__(self, "code", self.number * 4)
        object.__setattr__(self, "pack", struct.Struct(f"{HEADER}{values}d").pack)
        object.__setattr__(self, "words", HEADER_WORDS + values)

    @property
    def spec(self) -> str:
        """The layout as it is stored."""
        return json.dumps([self.columns, self.phases], ensure_ascii=False)

    def place(self, metric: str) -> int | None:
        """Return the word of a record that holds a metric, None where there is none."""
        names = (name for name, _ in self.columns)
        return next((HEADER_WORDS + i for i, name in enumerate(names) if name == metric), None)

    @classmethod
    def parse(cls, number: int, spec: str) -> Layout:
        """Return the layout that was stored as `spec`."""
        columns, phases = json.loads(spec)
        return cls(number, tuple((name, step) for name, step in columns), tuple(phases))


def digest(text: str) -> int:
    """Return the number by which a text is known; never 0."""
    hashed = blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(hashed, "little", signed=True) or 1


def note_text(kind: str, vantage: str, phase: str, detail: str) -> str:
    """Return what is kept of a reading's words."""
    return f"{kind}\x1f{vantage}\x1f{phase}\x1f{detail}"


def facts_text(facts: dict[str, str]) -> str:
    """Return a reading's facts as one text."""
    return json.dumps(facts, ensure_ascii=False, sort_keys=True)


def unpack(record: bytes, check: str, layout: Layout, text: Callable[[int], str]) -> Reading:
    """Return the reading a record was made of; metrics and phases that are NaN are left out."""
    at, _, _, code, lag, duration, note, facts, *values = struct.unpack(
        f"{HEADER}{len(layout.columns) + len(layout.phases)}d", record
    )
    names = [name for name, _ in layout.columns]
    metrics = {n: v for n, v in zip(names, values, strict=False) if v == v}  # noqa: PLR0124 - NaN
    phases = {n: v for n, v in zip(layout.phases, values[len(names) :], strict=True) if v == v}  # noqa: PLR0124
    reading = reading_of(code & 3, text(note), text(facts) if facts else "", metrics)
    reading.phases, reading.check, reading.at = phases, check, at / 1000
    reading.lag_ms, reading.duration_ms = lag, duration
    return reading


def reading_of(outcome: int, note: str, facts: str, metrics: dict[str, float]) -> Reading:
    """Return a reading from its stored words; what is not known of it stays empty."""
    kind, vantage, phase, detail = note.split("\x1f", 3) if note else ("", "", "", "")
    known = json.loads(facts) if facts else {}
    return Reading(OUTCOMES[outcome], kind, detail, metrics, known, phase=phase, vantage=vantage)


def check_and_code(record: bytes) -> tuple[int, int]:
    """Return the check's number and layout * 4 + outcome."""
    number, code = struct.unpack_from("<II", record, 16)
    return number, code


def hashes(record: bytes) -> tuple[int, int]:
    """Return the hashes of the note and the facts."""
    note, facts = struct.unpack_from("<qq", record, 32)
    return note, facts


@dataclass(frozen=True, slots=True)
class Frame:
    """Records end to end; `starts` and `sizes` in words."""

    words: Words
    starts: Ints
    sizes: Ints

    @classmethod
    def of(cls, data: bytes, sizes: NDArray[np.integer]) -> Frame:
        """Return the frame of records whose sizes are known."""
        wide = sizes.astype(np.int64)
        return cls(np.frombuffer(data, "<u8"), np.cumsum(wide) - wide, wide)

    @classmethod
    def sized(cls, data: bytes, layouts: Sequence[Layout]) -> Frame:
        """Return the frame of records whose layouts tell their sizes. Raises IndexError on a new layout."""
        words, starts, at = np.frombuffer(data, "<u8"), [], 0
        codes = memoryview(data).cast("I")
        size = layouts[codes[5] >> 2].words if data else 1
        alike = np.frombuffer(data, "<u4")[5 :: 2 * size] >> 2
        if len(words) % size == 0 and len(alike) and (alike == codes[5] >> 2).all():
            return cls(words, np.arange(0, len(words), size), np.full(len(words) // size, size))
        while at < len(words):
            starts.append(at)
            at += layouts[codes[2 * at + 5] >> 2].words
        offsets = np.array(starts, np.int64)
        return cls(words, offsets, np.diff(offsets, append=len(words)))

    @property
    def numbers(self) -> Ints:
        """The checks."""
        return (self.words[self.starts + 2] & np.uint64(0xFFFFFFFF)).astype(np.int64)

    @property
    def codes(self) -> Ints:
        """layout * 4 + outcome."""
        return (self.words[self.starts + 2] >> np.uint64(32)).astype(np.int64)

    def ints(self, word: int) -> Ints:
        """Return one word of all records, as signed integers."""
        return self.words[self.starts + word].view(np.int64)

    def timings(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return lag and duration of all records, ms."""
        pair = self.words[self.starts + 3].view(np.float32).reshape(-1, 2)
        return pair[:, 0], pair[:, 1]

    def take(self, order: NDArray[np.integer]) -> Frame:
        """Return a frame of the chosen records in the given order."""
        starts, sizes = self.starts[order], self.sizes[order]
        ends = np.cumsum(sizes)
        moved = ends - sizes
        total = int(ends[-1]) if len(ends) else 0
        index = np.arange(total, dtype=np.int64) + np.repeat(starts - moved, sizes)
        return Frame(self.words[index], moved, sizes)

    def record(self, index: int) -> bytes:
        """Return one record."""
        start = int(self.starts[index])
        return self.words[start : start + int(self.sizes[index])].tobytes()
