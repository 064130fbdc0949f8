"""From facts that change to incidents: the real watch, duty and store; network and clock are simulated."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from monitor.alerts.texts import TEXTS
from monitor.child.wire import Packer, Unpacker, card
from monitor.drifting import Drifting
from monitor.incidents.incident import Incident, Notice, Severity, severity
from monitor.job import Job
from monitor.place import place
from monitor.readiness.checklist import SEVERITIES
from monitor.readiness.checklist import Severity as Weight
from monitor.readiness.expectation import parse
from monitor.readiness.layered import Layered
from monitor.releases.pledges import Memory, Pledge, Pledging, kind_of
from monitor.state import DRIFTS, CheckState, State
from monitor.store.engine import Store
from monitor.web.texts import table
from monitor.workspace import open_workspace
from probes.api import FactDef, MetricDef, Reading
from tests.readiness.world import NOW
from tests.releases.world import RIGHT, Yard
from tests.state.world import START, TCP, Place, World

NODE = "hall/n1/tcp"
LIVE = """
version: 1
units:
  - id: h
    name: H
    level: hall
    release: marketing-2.4
    assets:
      - {id: w, kind: application, address: 127.0.0.1, tags: [query],
         checks: [{id: version, probe: http, extract: {version: $.v}}]}
"""


def pledge(weight: Weight = "blocker", due: float = 0.0, wanted: str = "2", **more: str) -> Pledge:
    named = {"version": wanted, **more}
    conditions = tuple((name, parse(text, metric=FactDef(name))) for name, text in named.items())
    return Pledge("billing", "r3", weight, due, conditions)


@dataclass
class Nodes(World):
    """Nodes that tell a version; `runs` says which from when on (seconds since the start)."""

    pledges: tuple[Pledge, ...] = (pledge(),)
    runs_since: Mapping[str, Mapping[float, str]] = field(default_factory=dict)
    evidence: Layered = field(default_factory=Layered)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.jobs = {key: replace(job, released=self.pledges) for key, job in self.jobs.items()}

    async def start(self) -> None:
        await super().start()
        self.drifting = Drifting(self.evidence, self.watch.state)
        self.watch.drift = self._drift
        await self.drifting.adopt(self.jobs.values())

    def _drift(self, job: Job, reading: Reading) -> tuple[str, str]:
        spans = self.runs_since.get(job.id, {0.0: "2"})
        version = next(each for at, each in reversed(list(spans.items())) if at <= reading.at - START)
        told = replace(reading, facts={"version": version} if version else {})
        self.evidence.add(told)
        return self.drifting(job, told)

    async def incidents(self) -> list[Incident]:
        return await self.store.recent(0, 100)


def nodes(path: Path, spans: Mapping[float, str], **more: object) -> Nodes:
    places = [Place("hall/n1", probes=(TCP,)), Place("hall/n2", probes=(TCP,))]
    return Nodes(path / "state.db", places, lambda _name, _at: False, runs_since={NODE: spans}, **more)  # type: ignore[arg-type]


async def test_a_drift_is_an_incident_and_ends_when_it_is_as_released_again(tmp_path: Path) -> None:
    world = nodes(tmp_path, {0: "2", 600: "1", 1800: "2"})
    await world.start()
    await world.until(600)
    assert await world.incidents() == []
    await world.until(1200)
    (incident,) = await world.incidents()
    assert (incident.root, incident.kind, incident.state) == (NODE, "drift_blocker", State.DEGRADED)
    assert (incident.severity, incident.closed_at) == (Severity.CRITICAL, None)
    assert incident.detail == "billing: version = 1, expected = 2 (r3)"
    assert 600 <= incident.began_at - START < 720
    await world.until(3000)
    (incident,) = await world.incidents()
    assert incident.closed_at is not None
    assert 1800 < incident.closed_at - START < 2600
    assert [mail.notice for mail in world.mails] == [Notice.OPENED, Notice.CLOSED]
    await world.stop()


@pytest.mark.parametrize(
    ("spans", "why"),
    [
        ({0: "1"}, "it never was right"),
        ({0: "2"}, "it always was"),
        ({0: "2", 600: "1", 650: "2"}, "one reading alone"),
        ({0: "2", 600: ""}, "not reported is not known"),
        ({0: "", 600: "1"}, "nobody knows that it was right"),
    ],
)
async def test_no_incident(tmp_path: Path, spans: Mapping[float, str], why: str) -> None:
    world = nodes(tmp_path, spans)
    await world.start()
    await world.until(2400)
    assert await world.incidents() == [], why
    await world.stop()


async def test_a_drift_that_is_no_longer_reported_is_not_over(tmp_path: Path) -> None:
    world = nodes(tmp_path, {0: "2", 600: "1", 1200: ""})
    await world.start()
    await world.until(3600)
    (incident,) = await world.incidents()
    assert incident.closed_at is None
    await world.stop()


async def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    world = nodes(tmp_path, {0: "2", 600: "1", 6000: "2"})
    await world.start()
    await world.until(1200)
    await world.restart(30)
    await world.until(4000)
    (incident,) = await world.incidents()
    assert incident.closed_at is None
    await world.until(8000)
    (incident,) = await world.incidents()
    assert incident.closed_at is not None
    await world.stop()


async def test_a_metric_that_is_wrong_stays_so_over_a_restart(yard: Yard) -> None:
    conditions = (
        ("version", parse("2", metric=FactDef("version"))),
        ("differing", parse("== 0", metric=MetricDef("differing", "count"))),
    )
    _, _, plan = yard.parts()
    job = replace(plan.jobs["hall/n1/version"], released=(Pledge("billing", "r3", "major", 0.0, conditions),))
    yard.ok("n1/version", version="2", differing=3)
    believed = CheckState(job.id, state=State.DEGRADED, kind="drift")
    drifting = Drifting(Layered(None, yard.readings), lambda _check: believed)
    await drifting.adopt([job])
    wrong = Reading.ok({"differing": 3.0}, {"version": "2"})
    assert [drifting(job, wrong)[0] for _ in range(2)] == ["", "drift"]


async def test_what_drifted_while_the_monitor_was_down_is_noticed(tmp_path: Path) -> None:
    world = nodes(tmp_path, {0: "2", 600: "1"})
    await world.start()
    await world.until(590)
    await world.restart(300)
    await world.until(2400)
    assert [each.kind for each in await world.incidents()] == ["drift_blocker"]
    await world.stop()


async def test_a_new_release_is_no_drift_of_those_that_have_yet_to_follow(tmp_path: Path) -> None:
    world = nodes(tmp_path, {0: "2"})
    await world.start()
    await world.until(600)
    new = pledge(wanted="3")
    world.jobs = {key: replace(job, released=(new,)) for key, job in world.jobs.items()}
    await world.watch.adopt(world.jobs.values())
    await world.drifting.adopt(world.jobs.values())
    await world.until(2400)
    assert await world.incidents() == []
    await world.stop()


async def test_several_components_of_one_check_are_told_together(tmp_path: Path) -> None:
    minor = replace(pledge("minor"), component="browser")
    world = nodes(tmp_path, {0: "2", 600: "1"}, pledges=(minor, pledge("major")))
    await world.start()
    await world.until(1200)
    (incident,) = await world.incidents()
    assert (incident.kind, incident.severity) == ("drift", Severity.WARNING)
    assert incident.detail.startswith("browser: version = 1") and "; billing: version = 1" in incident.detail  # noqa: PT018
    await world.stop()


def test_before_it_is_due_nothing_drifts() -> None:
    memory = Memory(pledge(due=1000.0), right=True)
    assert [memory.take({"version": "1"}, at) for at in (800.0, 900.0, 1000.0, 1100.0)] == [False] * 3 + [
        True
    ]


def test_only_what_fails_is_told() -> None:
    memory = Memory(pledge(charset="UTF8"), right=True)
    values = {"version": "2", "charset": "GBK"}
    assert [memory.take(values, at) for at in (1.0, 2.0)] == [False, True]
    assert memory.text == "billing: charset = GBK, expected = UTF8 (r3)"


@pytest.mark.parametrize("weight", SEVERITIES)
def test_an_incident_is_as_grave_as_its_component(weight: Weight) -> None:
    kind = kind_of(weight)
    found = severity(State.DEGRADED, kind)
    expected = {"blocker": Severity.CRITICAL, "major": Severity.WARNING}.get(weight, Severity.INFO)
    assert found is expected
    assert severity(State.DOWN, kind) is Severity.CRITICAL, "down is worse than drifted"


@pytest.mark.parametrize("language", TEXTS)
def test_every_kind_has_its_words(language: str) -> None:
    assert all(TEXTS[language][f"kind.{kind}"] for kind in DRIFTS)
    assert all(f"reason.{kind}" in table(language) for kind in DRIFTS)


def test_jobs_pledge_what_their_release_says(yard: Yard) -> None:
    inventory, releases, plan = yard.parts()
    pledging = Pledging(inventory, releases.assigned(inventory))
    one, two = (pledging.of(plan.jobs[f"hall/{node}/version"]) for node in ("n1", "n2"))
    assert one is two
    assert [(each.component, each.release, each.severity) for each in one] == [("billing", "r3", "blocker")]
    assert one[0].judge(RIGHT).value == "pass"
    assert one[0].due < NOW


def test_the_digest_of_a_unit_on_the_wire_follows_its_release(yard: Yard) -> None:
    inventory, releases, plan = yard.parts()
    job = plan.jobs["hall/n1/version"]
    pledges = Pledging(inventory, releases.assigned(inventory)).of(job)
    plain, wire = (
        Packer().wire(card(inventory, "hall"), [replace(job, released=each)]) for each in ((), pledges)
    )
    assert plain.digest != wire.digest


async def test_a_daemon_s_jobs_hold_what_they_pledge(tmp_path: Path) -> None:
    (tmp_path / "i.yaml").write_text(LIVE, "utf-8")
    where = place(inventory=tmp_path / "i.yaml", state_dir=tmp_path / "state")
    workspace = await asyncio.to_thread(open_workspace, where)
    jobs = await asyncio.to_thread(workspace.jobs_by_unit)
    wire = Packer().wire(card(workspace.inventory, "h"), jobs["h"])
    (job,) = Unpacker().jobs(wire)
    assert [(each.component, each.release) for each in job.released] == [("query", "marketing-2.4")]
    store = await asyncio.to_thread(Store.open, tmp_path / "state")
    try:
        drifting = Drifting(store, lambda _check: None)
        await drifting.adopt([job])
        said = [drifting(job, told(job, version)) for version in ("2.4.0", "2.3", "2.3", "2.4.0")]
    finally:
        store.close()
    assert [kind for kind, _ in said] == ["", "", "drift_blocker", ""]


def told(job: Job, version: str) -> Reading:
    reading = Reading.ok(facts={"version": version})
    reading.at = job.released[0].due + 60
    return reading
