"""The roll-out day by day: what is measured, judged, assigned, mended, excepted, stated and signed.

All that people do goes through `monitor.gates.deciding` into the ledger of a real state database, all
verdicts come from `monitor.readiness`, all forecasts from `monitor.roadmap`; the clock and the readings are
ours. What is mended or stated on a day is so by six in the evening, when the day is judged.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks._rollout_world import PARTS, STATED, Hall, Part, Scale, halls, moment, on, write
from monitor.gates.after import After
from monitor.gates.counter import answer, written
from monitor.gates.deciding import decide
from monitor.people.refused import Refused
from monitor.place import Place, place
from monitor.readiness.layered import Layered
from monitor.readiness.results import ItemResult, UnitResult
from monitor.readiness.verdict import Status, Verdict
from monitor.reports.gather import Asked, gather
from monitor.roadmap.workdays import after
from monitor.store import ledger, plans
from monitor.store.database import Database
from monitor.store.engine import Store
from monitor.store.verdicts import Verdicts, pack
from monitor.workspace import Workspace, open_workspace
from probes.api import Outcome, Reading

GATE = "go-live"
GOOD = (Verdict.READY, Verdict.CONDITIONAL)
SHA = "5e" * 32
BY_ITEM = {part.item: part for part in PARTS}
CHECKS = (("uplink", "icmp"), ("pc1", "icmp"), ("portal", "http"), ("printer", "icmp"))
AT_ONCE = 20_000
SIGNS_BEFORE = 7
"""Days before go-live from which a good unit is signed."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was forecast of a unit on a day."""

    day: int
    status: str | None
    earliest: date | None


@dataclass(slots=True)
class Figures:
    """What happened."""

    ready: dict[str, list[int]] = field(default_factory=dict)
    """By unit, the days on which it was good."""
    told: dict[str, list[Told]] = field(default_factory=dict)
    verdicts: list[dict[str, int]] = field(default_factory=list)
    acts: dict[str, int] = field(default_factory=dict)
    refused: int = 0


class Rollout:
    """The simulation; `live` a day at a time. `report` is the weekly one of the scale's day."""

    def __init__(self, directory: Path, scale: Scale, seed: int) -> None:
        self.scale, self.chance = scale, random.Random(seed)
        self.halls = {each.id: each for each in halls(scale, self.chance)}
        settings = write(directory, list(self.halls.values()))
        self.place: Place = place(settings)
        self.workspace: Workspace = open_workspace(self.place)
        self.place.state_dir.mkdir()
        self.figures, self._after = Figures(), After()
        self.evidence, self.report = Layered(), dict[str, Any]()
        self.readings: list[Reading] = []
        self.database = Database(self.place.state_dir / "state.db")
        self.verdicts = Verdicts(self.database)

    async def live(self, day: int) -> None:
        """Live one day: mend and state, measure, judge, look after what was signed, let people act."""
        now = moment(day)
        self._world(day)
        self._statements(day)
        self.evidence = Layered(None, self._measure(day))
        results = self._judge(now)
        await self._keep(day, results, now)
        if day == self.scale.report_day:
            await self.store()
            self.report = await asyncio.to_thread(gather, self.place, self.workspace, self._asked(), now)
        self._look_after(results, now)
        self._people(day, results, now)

    def _measure(self, day: int) -> list[Reading]:
        found = [each for hall in self.halls.values() for each in self._readings(hall, day)]
        self.readings += found
        return found

    def _readings(self, hall: Hall, day: int) -> Iterator[Reading]:
        step = 24 / self.scale.readings_a_day
        for number in range(self.scale.readings_a_day):
            at = moment(day, 17.5 - number * step)
            for asset, check in CHECKS:
                if asset == "uplink" and hall.silent[0] <= day < hall.silent[1]:
                    continue
                yield self._reading(hall, asset, check, at)

    def _reading(self, hall: Hall, asset: str, check: str, at: float) -> Reading:
        parts = [part for part in PARTS if part.asset == asset]
        metrics = {"rtt_ms": 5.0, "loss_pct": 0.0, "received": 3.0} if check == "icmp" else {}
        for part in parts:
            value = part.bad if part.item in hall.wrong else part.good
            scattered = part.metric.endswith("_ms")
            metrics[part.metric] = round(value * self.chance.uniform(0.9, 1.1), 3) if scattered else value
        dead = any(part.metric == "received" and part.item in hall.wrong for part in parts)
        found = (
            Reading(Outcome.FAILED, "timeout", "no answer") if dead else Reading(Outcome.OK, metrics=metrics)
        )
        found.check, found.at, found.vantage = f"{hall.id}/{asset}/{check}", at, "hub"
        return found

    def _judge(self, now: float) -> dict[str, UnitResult]:
        results = self.workspace.results(self.halls, self.evidence, GATE, now)
        return {each.id: each for each in results}

    async def _keep(self, day: int, results: Mapping[str, UnitResult], now: float) -> None:
        """Write down verdicts and plans as the daemon does, and note what was forecast."""
        planner, counts = self.workspace.planner(GATE), dict.fromkeys((each.value for each in Verdict), 0)
        packed, rows = [], []
        for key, result in results.items():
            plain = result.plain()
            planned = planner.unit(key, plain, now)
            packed.append(pack(GATE, key, now, plain))
            rows.append(plans.pack(GATE, now, planner.day(key, now), planned))
            counts[result.verdict.value] += 1
            self._note(key, day, result, planned["forecast"])
        self.figures.verdicts.append(counts)
        await self.verdicts.save(packed)
        self.database.write_now(lambda connection: plans.save(connection, rows))

    def _note(self, key: str, day: int, result: UnitResult, found: Mapping[str, Any]) -> None:
        if result.verdict in GOOD:
            self.figures.ready.setdefault(key, []).append(day)
        earliest = date.fromisoformat(found["earliest_ready"]) if found["earliest_ready"] else None
        self.figures.told.setdefault(key, []).append(Told(day, found["status"], earliest))

    def _look_after(self, results: Mapping[str, UnitResult], now: float) -> None:
        for result in results.values():
            for draft in list(self._after.look(self.workspace.standing, GATE, result, now)):
                entry = self.database.write_now(lambda c, draft=draft: ledger.noted(c, draft))  # type: ignore[misc]
                if entry is not None:
                    self.workspace.standing.take([entry])
                    self._counted(entry.kind)

    def _counted(self, kind: str) -> None:
        self.figures.acts[kind] = self.figures.acts.get(kind, 0) + 1

    def ask(self, do: str, actor: str, now: float, **request: Any) -> dict[str, Any] | None:
        """Have somebody act; None where that is refused."""
        whole = {"do": do, "actor": f"{actor} (unauthenticated)", **request}
        rights = self.place.settings.rights
        try:
            decided = decide(self.workspace, self.evidence, whole, rights, now)
        except Refused:
            self.figures.refused += 1
            return None
        entry = self.database.write_now(lambda connection: written(connection, decided))
        if entry is not None:
            self.workspace.standing.take([entry])
            self._counted(entry.kind)
        return answer(decided, entry)

    def _people(self, day: int, results: Mapping[str, UnitResult], now: float) -> None:
        if on(day).weekday() >= 5:
            return
        self._approve(now)
        for key, result in results.items():
            hall, at = self.halls[key], now
            for row in result.items:
                if row.status is Status.FAIL and row.id in BY_ITEM:
                    at += 1
                    self._mend(hall, row, day, at)
                elif row.reason == "not_attested":
                    at += 1
                    self._promise(hall, row, day, at)
            if result.verdict in GOOD and (hall.go_live - on(day)).days <= SIGNS_BEFORE:
                self._sign(key, result, at + 1)

    def _statements(self, day: int) -> None:
        if on(day).weekday() >= 5:
            return
        for hall in self.halls.values():
            for item in [item for item, when in hall.stated_on.items() if when <= day]:
                del hall.stated_on[item]
                self._state(hall, item, moment(day, 15))

    def _state(self, hall: Hall, item: str, at: float) -> None:
        role, files = next((role, files) for name, _, role, files in STATED if name == item)
        given = [{"name": "minutes.pdf", "sha256": SHA, "size": 1000 + n} for n in range(files)]
        actor = "boss" if role == "approver" else f"it-{hall.id}"
        self.ask("attest", actor, at, unit=hall.id, item=item, statement="held", files=given)

    def _promise(self, hall: Hall, row: ItemResult, day: int, at: float) -> None:
        """Name a day by which it will be stated; most keep it, some are up to three days late."""
        if row.id in hall.promised or row.id not in hall.stated_on or self.chance.random() < 0.7:
            return
        hall.promised.add(row.id)
        due = on(max(day, hall.stated_on[row.id] - max(0, self.chance.randint(-3, 3))))
        whose = {"unit": hall.id, "item": row.id, "owner": f"it-{hall.id}"}
        self.ask("plan.assign", f"it-{hall.id}", at, **whose, due=due.isoformat(), estimate="1d")

    def _mend(self, hall: Hall, row: ItemResult, day: int, at: float) -> None:
        """Find somebody who mends it by a day; or, near the end, ask for a waiver of what is not grave."""
        if hall.wrong.get(row.id, 0) is not None or self.chance.random() < 0.4:
            return
        part, asset = BY_ITEM[row.id], row.asset or ""
        days = self.chance.randint(*part.work)
        due = after(self.workspace.roadmap.calendar, on(day), days)
        mended = (due - on(0)).days + self._beyond(part)
        hall.wrong[row.id] = max(day + 1, mended)
        whose = {"unit": hall.id, "item": row.id, "asset": asset}
        self.ask("plan.assign", f"it-{hall.id}", at, **whose, owner=part.owner, due=due.isoformat(),
                 estimate=f"{days}d")  # fmt: skip
        if part.severity != "blocker" and due > hall.go_live and self.chance.random() < 0.7:
            terms = {
                "reason": "spare part on its way",
                "risk": "one counter",
                "compensating_action": "another",
            }
            until = at + 86_400 * self.chance.randint(10, 25)
            self.ask("waive.request", f"it-{hall.id}", at + 0.5, **whose, **terms, expires_at=until)

    def _beyond(self, part: Part) -> int:
        """Return by how many days a repair misses its date: most keep it, some are early, a few very late."""
        drawn = self.chance.random()
        if drawn < 0.25:
            return -self.chance.randint(0, 2)
        return 0 if drawn < 0.65 else round(self.chance.expovariate(1 / (1 + part.work[1] / 3)))

    def _approve(self, now: float) -> None:
        for each in list(self.workspace.standing.asked.values()):
            if each.state == "requested":
                do = "waive.reject" if self.chance.random() < 0.2 else "waive.approve"
                self.ask(do, "chief", now, unit=each.entry.unit, waiver=each.id, note="seen")

    def _sign(self, key: str, result: UnitResult, at: float) -> None:
        known = self.workspace.standing.aftermath(GATE, key)
        if result.signoff is not None and not known.regressed and known.drifted is None:
            return
        shown = self.ask("sign.look", "boss", at, unit=key)
        if shown is not None:
            self.ask("sign", "boss", at, unit=key, subject=shown["shown"]["subject"])

    def _world(self, day: int) -> None:
        """Let what is mended be mended, and new things go wrong."""
        for hall in self.halls.values():
            hall.wrong = {item: due for item, due in hall.wrong.items() if due is None or due > day}
            for part in PARTS:
                if part.item not in hall.wrong and self.chance.random() < 0.002:
                    hall.wrong[part.item] = None

    def _asked(self) -> Asked:
        return Asked("weekly", tuple(self.halls), "", GATE, "Asia/Shanghai")

    async def store(self) -> None:
        """Write the readings until now to a real store, from which reports read them."""
        store = await asyncio.to_thread(Store.open, self.place.state_dir)
        try:
            for job in self.workspace.plan.jobs.values():
                store.declare(job.id, job.spec.metrics)
            for number, reading in enumerate(sorted(self.readings, key=lambda each: each.at), 1):
                store.append(reading)
                if number % AT_ONCE == 0:
                    await store.flush()
            await store.flush()
        finally:
            await store.aclose()

    def close(self) -> None:
        """Close the state database."""
        self.database.close()


def run(directory: Path, scale: Scale, seed: int) -> Rollout:
    """Live all days; the caller closes it."""
    found = Rollout(directory, scale, seed)

    async def live() -> None:
        for day in range(scale.days):
            await found.live(day)

    asyncio.run(live())
    return found
