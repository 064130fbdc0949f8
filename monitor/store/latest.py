"""The last attempt and the last measurement of each check, as the bytes of their records."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.store.records import Frame


class Last:
    """What is kept of one check; the three are usually one and the same record."""

    __slots__ = ("attempt", "attempt_at", "facts", "facts_at", "measured", "measured_at")

    def __init__(self) -> None:
        self.attempt: bytes | None = None
        self.measured: bytes | None = None
        self.facts: bytes | None = None
        """The last one that carries facts."""
        self.attempt_at = self.measured_at = self.facts_at = -1

    def see(self, record: bytes, at: int, outcome: int, facts: int) -> None:
        """Take note of a record; an older one, or one that measured nothing, displaces less."""
        if at >= self.attempt_at:
            self.attempt, self.attempt_at = record, at
        if outcome < 2 and at >= self.measured_at:
            self.measured, self.measured_at = record, at
        if facts and at >= self.facts_at:
            self.facts, self.facts_at = record, at

    def take(self, other: Last) -> None:
        """Become what another is."""
        self.attempt, self.measured, self.facts = other.attempt, other.measured, other.facts
        self.attempt_at, self.measured_at = other.attempt_at, other.measured_at
        self.facts_at = other.facts_at

    def records(self) -> list[bytes]:
        """Return the distinct records."""
        found = {id(r): r for r in (self.facts, self.measured, self.attempt) if r is not None}
        return list(found.values())


def see_all(frame: Frame, known: dict[int, Last]) -> None:
    """Take note of all records of a frame, by the check's number."""
    columns = (frame.numbers, frame.ints(0), frame.codes & 3, frame.ints(5))
    for index, (number, at, outcome, facts) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        last = known.get(number)
        if last is None:
            last = known[number] = Last()
        last.see(frame.record(index), at, outcome, facts)


def last_of(frames: Iterable[Frame]) -> dict[int, Last]:
    """Return what is last of each check in some records, frames in the order they were written."""
    known: dict[int, Last] = {}
    for frame in frames:
        see_all(frame, known)
    return known
