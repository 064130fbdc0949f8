"""Whose turn it is on a set of lines, first come first served: pure of waiting.

A ticket queues on all of its lines at once and is ready when it heads every queue. All queues hold their
tickets in one and the same order, that of entering, so no two tickets can wait for each other, and whoever
waits only ever waits for those who came before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable


class Ticket:
    """A place in the queues; `ahead` is how many of them somebody else heads."""

    __slots__ = ("ahead", "lines")

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(dict.fromkeys(lines))
        self.ahead = 0

    @property
    def ready(self) -> bool:
        """Whether it is this ticket's turn on every line."""
        return not self.ahead


class Turnstile:
    """The queues of all lines that somebody uses or waits for."""

    def __init__(self) -> None:
        self._queues: dict[str, OrderedDict[Ticket, None]] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def enter(self, lines: Iterable[str]) -> Ticket:
        """Queue on all lines; the ticket may be ready at once."""
        ticket = Ticket(lines)
        for line in ticket.lines:
            queue = self._queues.setdefault(line, OrderedDict())
            ticket.ahead += bool(queue)
            queue[ticket] = None
        return ticket

    def leave(self, ticket: Ticket) -> list[Ticket]:
        """Give all lines back, or give up waiting; return those whose turn has come by it."""
        ready = []
        for line in ticket.lines:
            queue = self._queues[line]
            headed = next(iter(queue)) is ticket
            del queue[ticket]
            if not queue:
                del self._queues[line]
            elif headed:
                first = next(iter(queue))
                first.ahead -= 1
                if first.ready:
                    ready.append(first)
        return ready

    def before(self, ticket: Ticket) -> dict[str, int]:
        """Return, by line, how many are ahead of a ticket that waits."""
        found = {}
        for line in ticket.lines:
            for number, each in enumerate(self._queues[line]):
                if each is ticket:
                    if number:
                        found[line] = number
                    break
        return found
