"""Which checks are run out of turn to decide a suspicion: pure, bounded, none twice in five seconds."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.incidents.topology import View

AGAIN_S = 5.0
AT_ONCE = 500
SIBLINGS = 5
_REMEMBERED = 50_000


class Asks:
    """What is asked and when; the clock is passed in, in seconds since the epoch."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._asked: dict[str, float] = {}
        self._waiting: dict[str, float] = {}

    def about(self, check: str, now: float) -> None:
        """Ask for what decides a suspicion: the check again, what lies above it, a few beside it."""
        self.ask(check, now + 1.0)
        asset = check.rpartition("/")[0]
        for node in self._upward(asset):
            self._reach(node, now, check)
        needs = self._view.needs(asset)
        for above in (*needs.assets, *((needs.parent,) if needs.parent else ())):
            for sibling in list(self._view.behind(above))[:SIBLINGS]:
                self._reach(sibling, now + 0.5, check)

    def _reach(self, node: str, at: float, but: str) -> None:
        for belief in self._view.beliefs(node):
            if belief.reach and belief.check != but:
                self.ask(belief.check, at)

    def _upward(self, asset: str) -> Iterator[str]:
        seen, waiting = {asset}, [asset]
        while waiting:
            node = waiting.pop()
            yield node
            needs = self._view.needs(node)
            above = {*needs.assets, *((needs.parent,) if needs.parent else ())} - seen
            seen |= above
            waiting.extend(above)

    def ask(self, check: str, at: float) -> None:
        """Ask for a run at a time, unless it was asked within the last five seconds."""
        if at - self._asked.get(check, 0.0) >= AGAIN_S:
            self._waiting.setdefault(check, at)

    def shift(self, seconds: float) -> None:
        """Move all times with a clock that was set back."""
        self._asked.clear()
        self._waiting = {check: at + seconds for check, at in self._waiting.items()}

    def due(self, now: float, most: int = AT_ONCE) -> list[str]:
        """Return the checks that are to be run now."""
        due = [check for check, at in self._waiting.items() if at <= now][:most]
        for check in due:
            del self._waiting[check]
            self._asked[check] = now
        if len(self._asked) > _REMEMBERED:
            self._asked = {check: at for check, at in self._asked.items() if at > now - AGAIN_S}
        return due
