"""One dead target costs one time-out, not one per check: a circuit breaker per target address.

The breaker opens when three runs in a row, of at least two checks of a target, found nobody there. While it
is open the most frequent of these checks, the pilot, goes on as scheduled (so that the target's own series
stay measured); every other check is `not_run(circuit_open)` four times out of five and tries the fifth. Any
answer closes the circuit: a filtered port beside a healthy host can't keep the others from being measured.
Checks that run together share their attempt: it counts once, whatever their number.
"""

from __future__ import annotations

from monitor.job import Job
from probes.api import Outcome, Reading

OPENS_AFTER = 3
SKIPS = 4
SILENT_PHASES = ("connect", "echo")
HERE = ("", "local")
"""Targets that are no address: of what hangs on the monitor's own machine each device fails alone."""
SAME_S = 1.0
"""Checks that run together and began within this time made one attempt."""


def nobody_there(reading: Reading) -> bool:
    """Tell whether a reading says that the target itself is silent, not only a service on it."""
    if reading.outcome is not Outcome.FAILED:
        return False
    return reading.kind == "unreachable" or (reading.kind == "timeout" and reading.phase in SILENT_PHASES)


class Circuit:
    """The silence of one target: runs in a row, and the checks that found it with their intervals."""

    __slots__ = ("checks", "runs", "shared_at", "skipped")

    def __init__(self) -> None:
        self.runs = 0
        self.shared_at = float("-inf")
        """When the last attempt began that checks made together."""
        self.checks: dict[str, float] = {}
        self.skipped: dict[str, int] = {}

    def count(self, job: Job, at: float) -> None:
        """Count a run that began `at`, unless it is part of an attempt that was counted."""
        self.checks[job.id] = job.every
        if job.spec.together:
            if abs(at - self.shared_at) < SAME_S:
                return
            self.shared_at = at
        self.runs += 1

    @property
    def open(self) -> bool:
        """Whether the target counts as dead."""
        return self.runs >= OPENS_AFTER and len(self.checks) > 1

    @property
    def pilot(self) -> str:
        """The check that goes on trying: the most frequent one."""
        return min(self.checks, key=lambda check: (self.checks[check], check))


class Breaker:
    """Circuits of the targets that are silent now; a target that answers has none."""

    def __init__(self) -> None:
        self._circuits: dict[str, Circuit] = {}

    @property
    def open(self) -> int:
        """How many circuits are open."""
        return sum(circuit.open for circuit in self._circuits.values())

    def blocked_by(self, job: Job) -> str | None:
        """Return the id of the pilot that tries instead of this job, or None when the job may run."""
        circuit = self._circuits.get(job.target.address) if self._circuits else None
        if circuit is None or not circuit.open or job.id == circuit.pilot:
            return None
        skipped = circuit.skipped.get(job.id, 0) + 1
        circuit.skipped[job.id] = 0 if skipped > SKIPS else skipped
        return None if skipped > SKIPS else circuit.pilot

    def note(self, job: Job, reading: Reading) -> None:
        """Learn from a reading."""
        if job.target.address in HERE:
            return
        if nobody_there(reading):
            self._circuits.setdefault(job.target.address, Circuit()).count(job, reading.at)
        elif reading.outcome.measured and self._circuits:
            self._circuits.pop(job.target.address, None)

    def reset(self) -> None:
        """Forget all: what was silent while the monitor itself was cut off says nothing of the targets."""
        self._circuits.clear()

    def forget(self, target: str) -> None:
        """Forget a target whose checks have changed: its pilot may be gone."""
        self._circuits.pop(target, None)
