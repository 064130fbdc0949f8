"""The one ordered list a reading passes through. Synchronous, and a few microseconds long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from monitor.job import Job
from monitor.store.api import Sink
from probes.api import Reading


class Watcher(Protocol):
    """What turns readings into states, incidents and alerts."""

    def on_reading(self, job: Job, reading: Reading) -> None:
        """Take a reading; never waits."""


Listener = Callable[[Reading], None]


class Pipeline:
    """Store, then state, incident and alert, then the lines' health, then whoever waits for this reading."""

    def __init__(
        self, store: Sink, watch: Watcher, hear: Callable[[Job, Reading], None] | None = None
    ) -> None:
        """Make a pipeline; `hear` is told of every reading, too, and never waits."""
        self._store, self._watch, self._hear = store, watch, hear
        self._listeners: dict[str, list[Listener]] = {}
        self.outcomes: Counter[str] = Counter()

    def __call__(self, job: Job, reading: Reading) -> None:
        """Pass a reading on."""
        self.outcomes[reading.outcome] += 1
        self._store.append(reading)
        self._watch.on_reading(job, reading)
        if self._hear is not None:
            self._hear(job, reading)
        if self._listeners:
            for listener in self._listeners.pop(job.id, ()):
                listener(reading)

    def once(self, check: str, listener: Listener) -> None:
        """Call `listener` with the next reading of a check."""
        self._listeners.setdefault(check, []).append(listener)
