"""The child process of the daemon: it holds the inventory, judges the units, and is nice about it.

Run as `python -m monitor.child.desk` by `monitor.child.clerk`, which closes the pipe to end it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import BinaryIO

from inventory.problems import ConfigError
from monitor.child import frames
from monitor.child.clerk import HURRY, Bad, Consider, Done, Gone, Judge, Judged, Load, Report, Request
from monitor.child.wire import Packer, card
from monitor.gates.after import After
from monitor.gates.deciding import decide
from monitor.history.effective import Observer
from monitor.people.refused import Refused
from monitor.place import Place
from monitor.process.garbage import settle
from monitor.readiness.audit import uses
from monitor.reports.mailing import letters
from monitor.store import plans
from monitor.store.engine import Store
from monitor.store.ledger import catch_up
from monitor.store.verdicts import pack
from monitor.workspace import Workspace, open_workspace

NICENESS = 10
PR_SET_PDEATHSIG = 1


class Desk:
    """The child's side."""

    def __init__(self, place: Place, answers: BinaryIO) -> None:
        self._place, self._answers = place, answers
        self._workspace: Workspace | None = None
        self._hurried = False
        self._after = After()
        self._observer = Observer()

    def hurry(self, *_: object) -> None:
        """Judge no further unit: something more urgent waits (a signal handler)."""
        self._hurried = True

    def serve(self, request: Request) -> None:
        """Answer one request, whatever happens."""
        start = time.perf_counter()
        try:
            if isinstance(request, Load):
                self._load(request)
            elif isinstance(request, Consider):
                self._consider(request)
            elif isinstance(request, Report):
                self._report(request)
            else:
                self._judge(request)
            last: Done | Bad = Done(time.perf_counter() - start)
        except Refused as error:
            last = Bad((), refused=str(error))
        except ConfigError as error:
            last = Bad(error.problems)
        except Exception as error:  # noqa: BLE001 - the daemon decides what to do about it
            last = Bad((), f"{type(error).__name__}: {error}")
        frames.write(self._answers, last)

    def _load(self, request: Load) -> None:
        workspace = open_workspace(self._place)
        packer, jobs = Packer(), workspace.jobs_by_unit()
        for unit in workspace.inventory:
            wire = packer.wire(card(workspace.inventory, unit.id), jobs.get(unit.id, ()))
            if request.known.get(unit.id) != wire.digest:
                frames.write(self._answers, wire)
        for gone in request.known.keys() - workspace.inventory.units.keys():
            frames.write(self._answers, Gone(gone))
        self._workspace = workspace
        settle()

    def _judge(self, request: Judge) -> None:
        workspace = self._present()
        now, self._hurried = time.time(), False
        evidence, planner = Store.read_only(self._place.state_dir), workspace.planner(request.gate)
        try:
            for result in workspace.results(workspace.inventory.units, evidence, request.gate, now):
                used = tuple(uses([result], gate=request.gate, at=now, actor="daemon"))
                judged = {**result.plain(), "versions": workspace.versions(result, evidence)}
                packed = pack(request.gate, result.id, now, judged)
                required = workspace.required(result.id)
                found = tuple(self._after.look(workspace.standing, request.gate, result, now))
                plan = plans.pack(
                    request.gate, now, planner.day(result.id, now), planner.unit(result.id, judged, now)
                )
                seen, subjects = self._observer.look(workspace, request.gate, result, now)
                frames.write(
                    self._answers, Judged(packed, used, result.id, required, found, plan, seen, subjects)
                )
                if self._hurried:
                    break
        finally:
            evidence.close()

    def _consider(self, request: Consider) -> None:
        workspace, settings = self._present(), self._place.settings
        evidence = Store.read_only(self._place.state_dir)
        try:
            decided = decide(
                workspace, evidence, request.request, settings.rights, time.time(), settings.bundles.keys
            )
        finally:
            evidence.close()
        frames.write(self._answers, decided)

    def _report(self, request: Report) -> None:
        workspace = self._present()
        for message in letters(self._place, workspace, request.name, request.kind, request.due, time.time()):
            frames.write(self._answers, message)

    def _present(self) -> Workspace:
        """Return the files as they were loaded, with all that stands in the ledger now."""
        if self._workspace is None:
            self._workspace = open_workspace(self._place)
        catch_up(self._place.state_dir, self._workspace.standing)
        return self._workspace


def main() -> None:
    """Serve the daemon that started this process until it closes the pipe, or dies."""
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        desk = Desk(frames.read(sys.stdin.buffer), answers)
        signal.signal(HURRY, desk.hurry)
        os.nice(NICENESS)
        while True:
            desk.serve(frames.read(sys.stdin.buffer))
    except (EOFError, BrokenPipeError):
        return


def _end_with_parent() -> None:
    """Have the kernel end this process when the daemon dies, whatever it is at (prctl(2))."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    main()
