"""One command per host and moment, however many checks ask: a client of `Shared`.

Runs for one host and login that begin within `WINDOW_S` share a command over the kept SSH connection (or a
local shell); equal asks are asked once. Every ask is put to the host after its run has begun, so that no
value is older than its run. A gather that takes long (an ask hangs) holds others up for `PATIENCE_S` only.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from dataclasses import dataclass, field

from probes._process import Processes
from probes._ssh import SshParams, SshPool
from probes.api import Context, Shared, Target
from probes.errors import Ending, ProberFault, ProtocolViolated
from probes.software import _script
from probes.software._script import Ask, Part

WINDOW_S = 0.05
PATIENCE_S = 1.0
LANES = 3
"""Gathers of one host at a time; only where earlier ones hang are there more than one."""
MOST_ASKS = 64
MOST_SCRIPT, MOST_OUTPUT = 100_000, 1_900_000
"""Bytes of one script and of what all its asks may print; what is over goes into a command of its own."""
ASK_SHARE, ASK_MARGIN_S = 0.6, 2.0
"""An ask's time: this share of what its run has left less this, so that all ends before any run does."""
MUCH_LONGER = 2
"""How many times the time of the most urgent ask another may have and still share its command."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is asked; without a login it is this machine."""

    target: Target
    ssh: SshParams | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an ask gave, within how many seconds it had to, and the phases of the command in ms."""

    part: Part
    limit: int
    phases: dict[str, float]


@dataclass(slots=True, eq=False)
class Waiter:
    """A run that waits for its part."""

    ask: Ask
    context: Context
    future: asyncio.Future[Answer]
    own: Context | None = None
    """The context of the gather that asks for it."""

    @property
    def limit(self) -> int:
        """Seconds that the ask may take on the host."""
        return max(1, int(self.context.remaining * ASK_SHARE - ASK_MARGIN_S))


@dataclass(slots=True, eq=False)
class Host:
    """The runs that wait for a host's next gather, and the gathers under way."""

    waiting: list[Waiter] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)
    serving: asyncio.Task[None] | None = None

    def take(self) -> list[Waiter]:
        """Take those who wait, as many as one command can serve: the most urgent first.

        All asks of a command get the time that the most urgent has, and its answer comes when the last ends.
        So those that may take much longer are left for the next command.
        """
        waiting = sorted(
            (each for each in self.waiting if not each.future.done()), key=lambda each: each.limit
        )
        chosen: list[Waiter] = []
        asks: set[Ask] = set()
        size = output = 0
        for waiter in waiting:
            if waiter.limit > MUCH_LONGER * waiting[0].limit:
                break
            if waiter.ask not in asks:
                size, output = size + len(waiter.ask.words.encode()), output + waiter.ask.most
                if chosen and (len(asks) >= MOST_ASKS or size > MOST_SCRIPT or output > MOST_OUTPUT):
                    break
                asks.add(waiter.ask)
            chosen.append(waiter)
        self.waiting = waiting[len(chosen) :]
        return chosen


class Gatherer:
    """All gathers of a process."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._hosts: dict[Place, Host] = {}
        self.commands = 0

    async def ask(self, target: Target, ssh: SshParams | None, ask: Ask, context: Context) -> Answer:
        """Put one ask to a host, together with those of other runs. Raises an `Ending` and OSError."""
        place = Place(Target(target.address, target.family) if ssh else Target(""), ssh)
        host = self._hosts.setdefault(place, Host())
        waiter = Waiter(ask, context, asyncio.get_running_loop().create_future())
        context.phase = "queued"
        host.waiting.append(waiter)
        if host.serving is None:
            host.serving = asyncio.create_task(self._serve(place, host))
        try:
            return await waiter.future
        finally:
            if waiter.own is not None:
                context.phase = waiter.own.phase

    async def aclose(self) -> None:
        """End all gathers."""
        tasks = {task for host in self._hosts.values() for task in (*host.running, host.serving) if task}
        for task in tasks:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, place: Place, host: Host) -> None:
        try:
            await asyncio.sleep(WINDOW_S)
            while host.waiting:
                if waiters := host.take():
                    await self._next(place, host, waiters)
        finally:
            host.serving = None
            self._forget(place, host)

    async def _next(self, place: Place, host: Host, waiters: list[Waiter]) -> None:
        """Start a gather and wait until another may begin: when it has ended, or takes long."""
        task = asyncio.create_task(self._gather(place, waiters))
        host.running.add(task)
        task.add_done_callback(host.running.discard)
        task.add_done_callback(lambda _: self._forget(place, host))
        for waiter in waiters:
            waiter.future.add_done_callback(lambda _: _end_unless_wanted(task, waiters))
        await asyncio.wait({task}, timeout=PATIENCE_S)
        if len(host.running) >= LANES:
            await asyncio.wait(set(host.running), return_when=asyncio.FIRST_COMPLETED)

    def _forget(self, place: Place, host: Host) -> None:
        if not (host.waiting or host.running or host.serving) and self._hosts.get(place) is host:
            del self._hosts[place]

    async def _gather(self, place: Place, waiters: list[Waiter]) -> None:
        first = max(waiters, key=lambda waiter: waiter.context.remaining).context
        traces = [waiter.context.trace for waiter in waiters if waiter.context.trace is not None]
        own = Context(self._shared, first.remaining, "queued", trace=traces[0] if traces else None)
        for waiter in waiters:
            waiter.own = own
        asks, limit = list(dict.fromkeys(waiter.ask for waiter in waiters)), waiters[0].limit
        try:
            answers = await self._answers(place, asks, limit, own)
            for waiter in waiters:
                _settle(waiter, answers.get(waiter.ask) or _unframed())
        except (Ending, OSError) as error:
            for waiter in waiters:
                _settle(waiter, error)
        finally:
            for waiter in waiters:
                _settle(waiter, ProberFault("the gathering command came to no end"))

    async def _answers(self, place: Place, asks: list[Ask], limit: int, own: Context) -> dict[Ask, Answer]:
        word = secrets.token_hex(16)
        text = _script.script(word, asks, limit)
        own.log(f"{len(asks)} asks in one command of {len(text)} bytes")
        self.commands += 1
        if place.ssh is None:
            command = ("/bin/sh", "-c", text)
            finished = await self._shared.get(Processes).run(command, {}, own, most=2 * MOST_OUTPUT)
            output, phases = finished.stdout, dict[str, float]()
        else:
            pool = self._shared.get(SshPool)
            result = await pool.run(place.target, place.ssh, "sh -s", own, text.encode())
            output, phases = result.output.stdout, result.phases
        found = _script.parts(word, asks, output)
        return {ask: Answer(part, limit, dict(phases)) for ask, part in found.items()}


def _unframed() -> Ending:
    return ProtocolViolated("the host's shell did not give the answer in its frame")


def _settle(waiter: Waiter, outcome: Answer | Exception) -> None:
    """Give a run its own copy of what came; one that was given up or has it already gets nothing."""
    if waiter.future.done():
        return
    if isinstance(outcome, Answer):
        waiter.future.set_result(Answer(outcome.part, outcome.limit, dict(outcome.phases)))
    else:
        waiter.future.set_exception(copy.copy(outcome).with_traceback(None))


def _end_unless_wanted(task: asyncio.Task[None], waiters: list[Waiter]) -> None:
    if all(waiter.future.cancelled() for waiter in waiters):
        task.cancel()
