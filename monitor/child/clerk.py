"""The daemon's side of its child process, which reads the files and judges the units (`monitor.child.desk`).

A request is one frame (`monitor.child.frames`) on the child's standard input; the answer is frames until one
says `Done` or `Bad`. So the daemon's loop neither loads nor judges, and holds no inventory.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from inventory.problems import ConfigError, Problem
from monitor.child import frames
from monitor.child.wire import UnitWire
from monitor.gates.deciding import Decided
from monitor.gates.ledger import Draft
from monitor.history.packing import Seen, Subject
from monitor.job import Required
from monitor.messages.message import Message
from monitor.people.refused import Refused
from monitor.place import Place
from monitor.readiness.audit import Use
from monitor.reports.period import Kind
from monitor.store.plans import Planned
from monitor.store.verdicts import Packed

STREAM_LIMIT = 64 * 1024 * 1024
HURRY = signal.SIGURG
"""Tells the child to judge no further unit, since a load waits; ignored by a child that is just starting."""


@dataclass(frozen=True, slots=True)
class Load:
    """Read all files; answer with the units whose digest is not the known one, and those that are gone."""

    known: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Judge:
    """Judge all units at a gate by what the store holds now."""

    gate: str


@dataclass(frozen=True, slots=True)
class Consider:
    """Decide what comes of a request at a gate (`monitor.gates.deciding`); answer with one `Decided`."""

    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """Write a report for a list (`monitor.reports.mailing`); answer with its `Message`s."""

    name: str
    kind: Kind
    due: float


@dataclass(frozen=True, slots=True)
class Gone:
    """A unit that is no longer in the inventory."""

    unit: str


Request = Load | Judge | Consider | Report


@dataclass(frozen=True, slots=True)
class Judged:
    """One unit's judgement, as `monitor.store.verdicts.pack` makes it: the loop encodes nothing."""

    packed: Packed
    uses: tuple[Use, ...] = ()
    """The waivers that cover rows of it."""
    unit: str = ""
    required: Required | None = None
    """None where the unit names no functions, or nothing would do."""
    after: tuple[Draft, ...] = ()
    """What is new of it since it was signed."""
    planned: Planned | None = None
    """What the plan says of it."""
    seen: Seen | None = None
    """Its statuses, where they are not as they were told last."""
    subjects: tuple[Subject, ...] = ()
    """What its digests are of, where that was not told yet."""


@dataclass(frozen=True, slots=True)
class Done:
    """The last frame of an answer; `took_s` is the child's wall time."""

    took_s: float


@dataclass(frozen=True, slots=True)
class Bad:
    """The last frame of an answer that could not be given: the files' problems, or our own fault."""

    problems: tuple[Problem, ...]
    fault: str = ""
    refused: str = ""
    """What is told to who asked for what can't be had."""


class ClerkFault(RuntimeError):  # noqa: N818 - reads better where it is raised
    """The child failed or went away; its text says how."""


class Clerk:
    """The daemon's side: starts the child on first use, and again when it went away."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self.took_s = 0.0
        """How long the child took for its last answer."""

    async def load(self, known: Mapping[str, str]) -> AsyncIterator[UnitWire | Gone]:
        """Yield what has changed; a judgement under way ends early. Raises ConfigError, ClerkFault."""
        if self._turn.locked() and self._process is not None and self._process.returncode is None:
            self._process.send_signal(HURRY)
        async for answer in self._ask(Load(known)):
            yield answer

    async def judge(self, gate: str) -> AsyncIterator[Judged]:
        """Yield the units' results at a gate."""
        async for answer in self._ask(Judge(gate)):
            yield answer

    async def consider(self, request: Mapping[str, Any]) -> Decided:
        """Return what comes of a request at a gate. Raises Refused, ConfigError, ClerkFault."""
        [decided] = [answer async for answer in self._ask(Consider(request))]
        found: Decided = decided
        return found

    async def report(self, name: str, kind: Kind, due: float) -> list[Message]:
        """Return the messages of a list's report. Raises Refused, ConfigError, ClerkFault."""
        return [message async for message in self._ask(Report(name, kind, due))]

    async def close(self) -> None:
        """End the child."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 2)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _ask(self, request: Request) -> AsyncIterator[Any]:
        async with self._turn:
            try:
                async for answer in self._answers(request):
                    yield answer
            except (EOFError, ConnectionError) as error:
                await self.close()
                raise ClerkFault("the process that reads the files and judges went away") from error
            except GeneratorExit:
                await self._kill()
                raise

    async def _answers(self, request: Request) -> AsyncIterator[Any]:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(frames.pack(request))
        await process.stdin.drain()
        while True:
            answer = await frames.receive(process.stdout)
            if isinstance(answer, Done):
                self.took_s = answer.took_s
                return
            if isinstance(answer, Bad):
                if answer.refused:
                    raise Refused(answer.refused)
                if answer.fault:
                    raise ClerkFault(answer.fault)
                raise ConfigError(answer.problems)
            yield answer

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "monitor.child.desk",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=STREAM_LIMIT,
            )  # fmt: skip
            assert self._process.stdin is not None
            self._process.stdin.write(frames.pack(self._place))
        return self._process

    async def _kill(self) -> None:
        """End a child whose answer nobody reads to the end."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._process = None
