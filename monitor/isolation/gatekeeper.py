"""Asks the witnesses, and lets readings through the gate (`gate` decides): the part that waits.

While nothing fails a round of questions goes out every `every` seconds; for a failure that waits within half
a second; while failures go on, and while isolated, every two seconds. What is asked is an ordinary `icmp` or
`tcp` probe.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from monitor.isolation.gate import Answer, Gate, View, answer_of, view
from monitor.isolation.witness_settings import Endpoint, WitnessSettings
from monitor.job import Job
from monitor.process.log import fault
from probes import registry
from probes.api import Context, Outcome, Reading, Shared, Target
from probes.measure import measure_within

log = structlog.get_logger("witnesses")
PACE_S = 0.5
"""From one round to the next, at least."""
STEADY_S = 2.0
"""The same while failures go on, or isolation does: what is dead for long must not wear the witnesses out."""
TIMEOUT_S = 2.0
ECHOES: dict[str, Any] = {"count": 3, "interval": 0.2, "wait": 1.5}
MOST_HELD_S = STEADY_S + 2 * TIMEOUT_S + 1.0
"""How long a reading waits at most: for a round to begin, and twice for a witness (its name, its number)."""
SLICE = 100
"""Readings let through before others have the loop."""
_OK = Outcome.OK
Emit = Callable[[Job, Reading], None]
Told = Callable[[float], None]


@dataclass(slots=True)
class Witness:
    """One witness and what it last said. Times are monotonic seconds."""

    name: str
    """As the settings write it."""
    endpoint: Endpoint
    answer: Answer | None = None
    """None until it was asked."""
    detail: str = ""
    answered_at: float | None = None
    unasked: int = 0
    """How often we could not ask it, for reasons of our own."""
    known: str = ""
    """The address behind its name, when that was last found."""

    async def ask(self, shared: Shared) -> Answer:
        """Probe it once, where its name gives no address at the one known before."""
        asked_at = time.monotonic()
        reading = await self._probe(shared, self.endpoint.host)
        if reading.phase == "resolve" and self.known:
            reading = await self._probe(shared, self.known)
        self.answer, self.detail = answer_of(reading), reading.detail
        self.unasked += self.answer is Answer.UNASKED
        if self.answer is Answer.ANSWERED:
            self.answered_at = asked_at
            self.known = reading.facts.get("address", self.known)
        return self.answer

    async def _probe(self, shared: Shared, host: str) -> Reading:
        port = self.endpoint.port
        spec = registry.get("icmp" if port is None else "tcp")
        params = spec.params.model_validate(ECHOES if port is None else {"port": port})
        return await measure_within(spec, Target(host), params, Context(shared, TIMEOUT_S))


def witnesses(settings: WitnessSettings) -> list[Witness]:
    """Return the witnesses of the settings, not asked yet."""
    return [Witness(name, where) for name, where in settings.endpoints.items()]


class Gatekeeper:
    """What the runner gives readings to; `forward` is the pipeline. Used from one loop.

    `on_isolated` and `on_connected` are told of the beginning and the end of a span that lasts for `hold`
    (seconds since the epoch, UTC). `on_connected` is also told of the first answer after the start: a span
    that was open when an earlier process ended is over then. Without witnesses it is told at the start.
    """

    def __init__(self, settings: WitnessSettings, shared: Shared, forward: Emit) -> None:
        self.gate = Gate()
        self.witnesses = witnesses(settings)
        self.rounds = 0
        self._hosts = {each.host: name for name, each in settings.endpoints.items()}
        self.on_isolated: Told = _nobody
        self.on_connected: Told = _nobody
        self._every, self._hold = settings.every, settings.hold
        self._shared, self._forward = shared, forward
        self._wake = asyncio.Event()
        self._cut = self._pressed = False
        self._told: bool | None = None

    def __call__(self, job: Job, reading: Reading) -> None:
        """Take a reading; what is ok passes at once while nothing waits. Never waits itself."""
        gate = self.gate
        if (reading.outcome is _OK and not gate.alert) or not self.witnesses:
            self._pass(job, reading)
            return
        for out in gate.take(job, reading, time.monotonic()):
            self._pass(*out)
        if gate.undecided:
            self._wake.set()

    def meet(self, job: Job) -> None:
        """Be shown a job that is about to run: a witness that is watched itself is worth a warning."""
        witness = self._hosts.pop(job.target.address, None)
        if witness is not None:
            why = "where that fails it may be taken for isolation; name a host that no unit has"
            log.warning("a witness is watched as well", witness=witness, check=job.id, reason=why)

    async def run(self) -> None:
        """Ask the witnesses until cancelled; without any, end what they had found before and return."""
        if not self.witnesses:
            self.on_connected(time.time())
        async with asyncio.TaskGroup() as rounds:
            while self.witnesses:
                rounds.create_task(self._round())
                await self._pause()

    def close(self) -> None:
        """Let go of all that waits, since no witness will be asked any more."""
        for out in self.gate.close():
            self._pass(*out)

    def _pass(self, job: Job, reading: Reading) -> None:
        """Pass a reading on; one that makes a fault of ours appear keeps none of the others back."""
        try:
            self._forward(job, reading)
        except Exception as error:  # noqa: BLE001 - logged
            log.error("a reading could not be taken", check=job.id, **fault(error))

    async def _pause(self) -> None:
        """Wait until the next round is due, or wanted: soon the first time, then at a steady pace."""
        least = STEADY_S if self._pressed else PACE_S
        await asyncio.sleep(least)
        most = STEADY_S if self.gate.isolated_at is not None else self._every
        try:
            async with asyncio.timeout(max(0.0, most - least)):
                await self._wake.wait()
            self._pressed = True
        except TimeoutError:
            self._pressed = False
        self._wake.clear()

    async def _round(self) -> None:
        asked_at = time.monotonic()
        answers = await asyncio.gather(*(self._ask(each, asked_at) for each in self.witnesses))
        self.rounds += 1
        found = view(answers)
        if found is View.ISOLATED:
            self.gate.failed(asked_at)
        elif found is View.UNSURE:
            self.gate.unsure(asked_at)
        await self._said(asked_at)

    async def _ask(self, witness: Witness, asked_at: float) -> Answer:
        """Ask one witness; its answer counts at once, whatever becomes of the others."""
        answer = await witness.ask(self._shared)
        if answer is Answer.ANSWERED:
            self.gate.answered(asked_at)
            await self._said(asked_at)
        return answer

    async def _said(self, asked_at: float) -> None:
        """Tell what has changed, and let through what need not wait any more."""
        self._tell(asked_at)
        while out := self.gate.release(SLICE):
            for each in out:
                self._pass(*each)
            await asyncio.sleep(0)

    def _tell(self, asked_at: float) -> None:
        """Log at once what has changed; call back where it lasts."""
        since = self.gate.isolated_at
        if (since is not None) is not self._cut:
            self._cut = since is not None
            self._wake.set()
            if self._cut:
                silent = {each.name: each.detail for each in self.witnesses}
                log.warning("isolated: no witness answers", witnesses=silent)
            else:
                log.info("connected again")
        if since is None:
            if self._told is not False and self._heard():
                self._told = False
                self.on_connected(_wall(asked_at))
        elif self._told is not True and time.monotonic() - since >= self._hold:
            self._told = True
            self.on_isolated(_wall(since))

    def _heard(self) -> bool:
        return any(each.answered_at is not None for each in self.witnesses)


def _wall(at: float) -> float:
    """Return a monotonic time as seconds since the epoch."""
    return time.time() - (time.monotonic() - at)


def _nobody(_: float) -> None:
    """Be told, and do nothing."""
