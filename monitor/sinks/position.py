"""How far a sink has written, and how far it can be sure of it. Pure."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from monitor.store.api import Cursor

SETTLE_S = 15.0
"""What a server took longer ago than this it has written down: VictoriaMetrics does within about 5 s."""
MOST_GAPS = 32
APART_S = 0.5
MOST_RETURNS, RETURNS_S = 30, 300.0


@dataclass(frozen=True, slots=True)
class Gap:
    """Readings that were passed over: from a cursor up to a commit."""

    cursor: Cursor
    upto: int

    @property
    def over(self) -> bool:
        """Whether nothing of it is left."""
        return not self.cursor.until and self.cursor.after >= self.upto


@dataclass(frozen=True, slots=True)
class Told:
    """How far events were written: the last line of incidents' histories, the last change of a verdict, up to
    when maintenance was looked at (seconds since the epoch), the last entry of the ledger."""

    incidents: int = 0
    verdicts: int = 0
    maintenance: float = 0.0
    signoffs: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """Where a sink is: the live cursor, the gaps behind it (oldest first), and the events."""

    live: Cursor = field(default_factory=Cursor)
    gaps: tuple[Gap, ...] = ()
    told: Told = Told()

    def jumped(self, head: int) -> Position:
        """Return the position at the head of the store, with what lies between as a gap."""
        if head <= self.live.after:
            return self
        gaps = self.gaps
        if gaps and gaps[-1].upto == self.live.after:
            gaps = (*gaps[:-1], replace(gaps[-1], upto=head))
        else:
            gaps = (*gaps, Gap(self.live, head))
        while len(gaps) > MOST_GAPS:
            gaps = (*gaps[:-2], replace(gaps[-2], upto=gaps[-1].upto))
        return replace(self, live=Cursor(head), gaps=gaps)

    def filled(self, cursor: Cursor) -> Position:
        """Return the position with the first gap read up to a cursor."""
        first = replace(self.gaps[0], cursor=cursor)
        return replace(self, gaps=self.gaps[1:] if first.over else (first, *self.gaps[1:]))

    def dump(self) -> str:
        """Return the position as it is stored."""
        gaps = [[str(gap.cursor), gap.upto] for gap in self.gaps]
        return json.dumps({"live": str(self.live), "gaps": gaps, "told": asdict(self.told)})

    @classmethod
    def parse(cls, text: str) -> Position:
        """Return the position that was stored. Raises ValueError."""
        try:
            found: dict[str, Any] = json.loads(text)
            gaps = tuple(Gap(Cursor.parse(cursor), int(upto)) for cursor, upto in found["gaps"])
            return cls(Cursor.parse(found["live"]), gaps, Told(**found["told"]))
        except (KeyError, TypeError, IndexError, ValueError, RecursionError) as error:
            raise ValueError(f"no position of a sink: {type(error).__name__}") from None


@dataclass(slots=True)
class Track:
    """The present position, and the one that is certain: what was taken after that may have been lost.

    What the server took became certain where it still answered `SETTLE_S` later. Whoever advances says from
    which `turn` on it did; a return to what is certain begins a new one, and what was on its way then is sent
    again.
    """

    now: Position
    clock: Callable[[], float]
    turn: int = 0
    returns: int = 0
    alive: float = -math.inf
    """When the server last took something."""
    _certain: Position = field(init=False)
    _marks: deque[tuple[float, Position]] = field(default_factory=deque)
    _returned: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_RETURNS))

    def __post_init__(self) -> None:
        self._certain = self.now

    def move(self, position: Position) -> None:
        """Take a new position."""
        at = self.clock()
        self.now = position
        if not self._marks or at - self._marks[-1][0] >= APART_S:
            self._marks.append((at, position))
        self._settle()

    def answered(self) -> None:
        """Note that the server has just taken something."""
        self.alive = self.clock()
        self._settle()

    def certain(self) -> Position:
        """Return the last position of which the server has everything for good."""
        return self._certain

    def go_back(self) -> bool:
        """Go back to what is certain; return whether that changes anything.

        Not more than `MOST_RETURNS` times in five minutes, so that a line which breaks all the time does not
        keep it from getting on.
        """
        at = self.clock()
        if len(self._returned) == MOST_RETURNS and at - self._returned[0] < RETURNS_S:
            return False
        self._returned.append(at)
        moved = self._certain != self.now
        self.now = self._certain
        self._marks.clear()
        self.turn += 1
        self.returns += moved
        return moved

    def all_settled(self) -> None:
        """Take everything as certain (the sink begins anew)."""
        self._certain = self.now
        self._marks.clear()

    def _settle(self) -> None:
        while self._marks and self.alive - self._marks[0][0] >= SETTLE_S:
            self._certain = self._marks.popleft()[1]
