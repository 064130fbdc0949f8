"""Which series shows an incident best, and what is required of it: pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inventory import units
from monitor.alerts.account import ended, moment_of, zone_of
from monitor.incidents.incident import ISOLATED, Event
from monitor.job import Job
from monitor.readiness.conditions import All, Compare, Condition, Statistic
from probes.api import MetricDef

HOURS = 6
_BOUNDED = re.compile(r"(?:[pq][\d.]+ |min |max )?(<=|<|>=|>) ([-+\d.eE]+(?: [^\s;]+)?)(?: over .*)?")


@dataclass(frozen=True, slots=True)
class Bound:
    """What is required of a metric: `op` is one of <, <=, >, >=; `value` is in the metric's unit."""

    op: str
    value: float


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is drawn. Times are seconds since the epoch; without `over` the incident lasts."""

    check: str
    metric: str
    unit: str
    start: float
    until: float
    began: float
    over: float | None
    zone: str
    op: str = ""
    """Of the requirement; empty where there is none."""
    bound: float = 0.0

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Sketch:
        """Return what `text` made. Raises ValueError or TypeError for anything else."""
        return cls(**json.loads(text))


def sketch(event: Event, jobs: Sequence[Job], zone: str, bounds: Mapping[str, Bound]) -> Sketch | None:
    """Return what is drawn of an event: of the first of `jobs`, over the hours before it."""
    if event.incident.root == ISOLATED or not jobs:
        return None
    job = jobs[0]
    metric = chosen(job, event.incident.detail, bounds)
    if metric is None:
        return None
    at, bound = moment_of(event), bounds.get(metric.name)
    return Sketch(
        job.id, metric.name, metric.unit, at - HOURS * 3600.0, at, event.incident.began_at, ended(event),
        zone_of(zone).key, bound.op if bound else "", bound.value if bound else 0.0,
    )  # fmt: skip


def chosen(job: Job, detail: str, bounds: Mapping[str, Bound]) -> MetricDef | None:
    """Return the metric that is drawn: the one the detail names, else one with a bound, else the first."""
    metrics = {each.name: each for each in job.spec.metrics}
    named = [name for name in re.findall(r"[a-z]\w*", detail[:500]) if name in metrics]
    telling = [each.name for each in job.spec.metrics if each.better != "none"]
    asked = [name for name in telling if name in bounds]
    return next((metrics[name] for name in (*named, *asked, *telling, *metrics)), None)


def relevant(event: Event, job: Callable[[str], Job | None], of: Callable[[str], Sequence[Job]]) -> list[Job]:
    """Return the checks that an event is about, the most telling first.

    `of` gives the checks of a unit or of an asset. Of an asset the one by which it is seen to answer comes
    first; behind a root that isn't measured itself, what is affected speaks for it.
    """
    root = event.incident.root
    own = job(root)
    if own is not None:
        return [own]
    affected = [found for each in event.members if (found := job(each.check)) is not None]
    within = [each for each in affected if f"{each.id}/".startswith(f"{root}/")]
    around = [each for each in of(root) if each.spec.family == "network"]
    return list({each.id: each for each in _network_first([*within, *around, *affected])}.values())


def _network_first(jobs: Sequence[Job]) -> list[Job]:
    return sorted(jobs, key=lambda each: (each.spec.name != "icmp", each.spec.family != "network"))


def bounds_of(job: Job, items: Sequence[Mapping[str, Any]]) -> dict[str, Bound]:
    """Return what is required of a check's metrics: by the inventory, else by the items that judge it.

    `items` are rows of `check --format json`; `expected` says there what is required, with the figures of the
    capacity model.
    """
    found: dict[str, Bound] = {}
    for item in items:
        if item.get("check") == job.id:
            found.update(_stated(str(item.get("expected") or ""), job))
    for name, condition in job.expect.items():
        found.update((name, each) for each in _compared(condition))
    return found


def _stated(expected: str, job: Job) -> Iterator[tuple[str, Bound]]:
    """Read "rtt_ms p95 <= 58.3 over 24h; loss_pct <= 1"."""
    for part in expected[:1000].split("; "):
        name, _, rest = part.partition(" ")
        metric, said = job.spec.metric(name), _BOUNDED.fullmatch(rest)
        if metric is None or said is None:
            continue
        try:
            yield name, Bound(said[1], units.parse(said[2], metric.unit))
        except ValueError:
            continue


def _compared(condition: Condition) -> Iterator[Bound]:
    """Yield the bounds that each have to hold: not what is negated, nor one of several alternatives."""
    for each in condition.conditions if isinstance(condition, All) else ():
        yield from _compared(each)
    inner = condition.inner if isinstance(condition, Statistic) else condition
    if isinstance(inner, Compare) and inner.op[0] in "<>":
        yield Bound(inner.op, inner.bound)


def required(drawn: Sketch) -> str:
    """Return what is required of what is drawn, such as "rtt_ms <= 58.3 ms"; empty for nothing."""
    return f"{drawn.metric} {drawn.op} {units.render(drawn.bound, drawn.unit)}" if drawn.op else ""
