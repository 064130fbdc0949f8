"""Handing a batch over: in requests of bounded size, with bad lines found and left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from monitor.sinks.influx import Precision, Writer
from monitor.sinks.trouble import Cause, Trouble
from probes._clean import cleaned

log = structlog.get_logger("influx")
MOST_SEARCHED = 200
"""Requests by which the bad lines of one batch are looked for."""
MOST_LOGGED = 20
"""Bad lines that are logged until the daemon starts again; all are counted."""
LINES_IN_ONE = 20_000


def bodies(lines: Sequence[str], max_lines: int, max_bytes: int) -> Iterator[bytes]:
    """Yield lines as bodies within both bounds; a line that is longer alone is a body alone."""
    for start in range(0, len(lines), max_lines):
        yield from _within(lines[start : start + max_lines], max_bytes)


def _within(lines: Sequence[str], max_bytes: int) -> Iterator[bytes]:
    body = "\n".join(lines).encode("utf-8", "replace")
    if len(body) <= max_bytes or len(lines) == 1:
        yield body
    else:
        middle = len(lines) // 2
        yield from _within(lines[:middle], max_bytes)
        yield from _within(lines[middle:], max_bytes)


@dataclass(slots=True)
class Sent:
    """What became of the lines since the start."""

    points: Counter[str] = field(default_factory=Counter)
    """Lines taken, by what they are: live, backfill, events."""
    requests: int = 0
    bytes: int = 0
    rejected: int = 0
    """Lines the server would not have: dropped."""
    troubles: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Sender:
    """Sends bodies of lines; what the server calls bad is isolated, counted and dropped."""

    writer: Writer
    sent: Sent = field(default_factory=Sent)
    heard: Callable[[Trouble], None] = lambda _: None
    max_lines: int = LINES_IN_ONE
    """Falls where the server finds requests too large."""
    _logged: int = 0
    _causes: set[str] = field(default_factory=set)

    async def send(self, body: bytes, what: str, precision: Precision = "ms") -> None:
        """Return when every line was taken or dropped.

        Raises `Trouble` where that is not so and it should be tried again: the same lines may then be sent
        again, since a point sent twice is the same point.
        """
        waiting, searched = [body], 0
        while waiting:
            part = waiting.pop()
            lines = part.count(b"\n") + 1
            if lines > self.max_lines:
                waiting += halves(part)
                continue
            try:
                await self._write(part, lines, what, precision)
            except Trouble as trouble:
                self.sent.troubles[trouble.cause] += 1
                if trouble.cause not in (Cause.LINES, Cause.TOO_LARGE):
                    raise
                searched += 1
                waiting += self._without(part, lines, trouble, searched)

    async def _write(self, part: bytes, lines: int, what: str, precision: Precision) -> None:
        self.sent.requests += 1
        await self.writer.write(part, precision)
        self.sent.points[what] += lines
        self.sent.bytes += len(part)

    def _without(self, part: bytes, lines: int, trouble: Trouble, searched: int) -> list[bytes]:
        """Return what is left to be sent of a part that was refused; drop what is known to be bad."""
        if lines == 1:
            self._drop(part, 1, trouble)
            return []
        if trouble.cause is Cause.TOO_LARGE:
            self.max_lines = max(1, min(self.max_lines, lines) // 2)
            return halves(part)
        if trouble.lines and trouble.lines[-1] <= lines:
            return self._less(part, trouble)
        if searched >= MOST_SEARCHED:
            self._drop(part, lines, trouble)
            return []
        return halves(part)

    def _less(self, part: bytes, trouble: Trouble) -> list[bytes]:
        """Drop the lines that the server named, and return the others: it may have taken them, or not."""
        bad = {number - 1 for number in trouble.lines}
        good: list[bytes] = []
        for number, line in enumerate(part.split(b"\n")):
            if number in bad:
                self._drop(line, 1, trouble)
            else:
                good.append(line)
        return [b"\n".join(good)] if good else []

    def _drop(self, part: bytes, lines: int, trouble: Trouble) -> None:
        self.sent.rejected += lines
        cause = trouble.text[:60]
        if self._logged >= MOST_LOGGED or (cause in self._causes and lines == 1):
            return
        self._logged += 1
        self._causes.add(cause)
        shown = cleaned(part[:400].decode("utf-8", "replace"), ())
        log.warning("the server refuses lines", lines=lines, reason=trouble.text, first=shown)


def halves(body: bytes) -> list[bytes]:
    """Return a body of several lines as two, the first of them last (it is taken next)."""
    lines = body.split(b"\n")
    middle = len(lines) // 2
    return [b"\n".join(lines[middle:]), b"\n".join(lines[:middle])]
