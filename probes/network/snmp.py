"""Any objects of an SNMP agent as metrics and facts, by number or name (RFC 3416).

What the agent does not have, does not show, or tells in another form than a number is left out and named in
the fact `missing`; it never becomes 0. Where nothing that is asked for is there, the run fails.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from probes._snmp import KINDS, NO_SUCH, OverSnmp, Snmp, Value, snmp, text
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Shared, Target, clip
from probes.errors import ExpectationFailed
from probes.network._snmp_counters import LONGEST_S, SHORTEST_S, elapsed, increase
from probes.network._snmp_names import number

SYSTEM = {
    "sys_descr": number("sysDescr.0"), "sys_object_id": number("sysObjectID.0"),
    "sys_name": number("sysName.0"), "sys_location": number("sysLocation.0"),
    "sys_contact": number("sysContact.0"),
}  # fmt: skip
UPTIME = number("sysUpTime.0")
MOST_ROWS = 4096
"""Objects of a column that are put together."""
Oid = Annotated[str, AfterValidator(number)]
Combine = Literal["sum", "max", "min", "avg", "count"]


class ObjectMetric(Params):
    """How one metric comes from an object. A text alone means `{oid: text}`."""

    oid: Oid = Field(description="Number (1.3.6.1.2.1.1.3.0) or name (sysUpTime.0) of the object.")
    column: Combine | None = Field(
        None, description="Take all objects below the oid, and put them together like this."
    )
    scale: float = Field(1.0, description="Multiply by this.")
    rate: bool = Field(False, description="A counter: take its increase a second since the last run.")
    bits: Literal[32, 64] = Field(32, description="Where the counter wraps.")
    words: dict[str, float] = Field(
        default_factory=dict, max_length=64, description="What a text stands for: {normal: 1, fault: 0}."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"oid": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _makes_sense(self) -> ObjectMetric:
        if self.rate and self.column is not None:
            msg = "rate is of one counter; a column has several"
            raise ValueError(msg)
        return self


class ObjectFact(Params):
    """How one fact comes from an object. A text alone means `{oid: text}`."""

    oid: Oid = Field(description="Number or name of the object.")
    words: dict[str, str] = Field(
        default_factory=dict, max_length=256, description="What a value stands for: {'1': up, '2': down}."
    )
    hex: bool = Field(False, description="Write octets as hexadecimal digits, also where they are text.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"oid": value} if isinstance(value, str) else value


class ObjectParams(OverSnmp):
    """What to take; with nothing named, the system group."""

    metrics: dict[str, ObjectMetric] = Field(
        default_factory=dict, max_length=200, description="Metrics by name: an object, or how to compute one."
    )
    facts: dict[str, ObjectFact] = Field(
        default_factory=dict, max_length=100, description="Facts by name: an object."
    )

    @field_validator("metrics", "facts")
    @classmethod
    def _names(cls, value: dict[str, Any]) -> dict[str, Any]:
        own = {metric.name for metric in METRICS} | {fact.name for fact in FACTS}
        for name in value:
            if not name.isidentifier() or not name.isascii() or name in own:
                msg = f"{name!r} is no name of a metric or fact, or is taken; write letters, digits and _"
                raise ValueError(msg)
        return value


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter at one moment of the agent's uptime (hundredths) and of our clock (s)."""

    value: int
    at: int
    read: float


class LastCounters:
    """The last values behind rates; a client for `Shared.get`."""

    MOST = 100_000

    def __init__(self, _: Shared) -> None:
        self._kept: OrderedDict[object, Counted] = OrderedDict()

    def swap(self, who: object, now: Counted) -> Counted | None:
        """Keep `now` and return what was there before."""
        before = self._kept.pop(who, None)
        self._kept[who] = now
        if len(self._kept) > self.MOST:
            self._kept.popitem(last=False)
        return before


@dataclass(slots=True)
class Found:
    """What came of an agent's answers; `missing` are the names left out, with the reason."""

    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def metric(self, name: str, value: float | str) -> None:
        """Keep a number; a text says why there is none."""
        if isinstance(value, str):
            self.missing.append(f"{name} ({value})")
        else:
            self.metrics[name] = value


async def probe_snmp(target: Target, params: ObjectParams, context: Context) -> Reading:
    """Ask for all objects. Raises what asking raises, and `ExpectationFailed` where nothing is there."""
    async with snmp(target, params.snmp, context) as agent:
        answers = await agent.get(_oids(params))
        columns = {
            name: await agent.column(how.oid, MOST_ROWS + 1)
            for name, how in params.metrics.items()
            if how.column
        }
        found = Found()
        counters = context.shared.get(LastCounters)
        for name, how in params.metrics.items():
            if how.column:
                found.metric(name, combined(how, columns[name]))
            elif how.rate:
                who = (target.unit, target.asset, agent.address.host, params.snmp.port, name, how.oid)
                found.metric(name, _rate(how, answers, counters, who))
            else:
                found.metric(name, plain(how, answers[how.oid]))
    _facts(params, answers, found)
    if not found.metrics and not found.facts:
        raise ExpectationFailed(
            "no_such_object: nothing that is asked for is there, or shown to this account"
        )
    return _reading(agent, answers, found)


def _oids(params: ObjectParams) -> list[str]:
    singles = [how.oid for how in params.metrics.values() if not how.column]
    facts = [how.oid for how in params.facts.values()]
    system = [] if params.metrics or params.facts else list(SYSTEM.values())
    return [UPTIME, *system, *singles, *facts]


def plain(how: ObjectMetric, value: Value) -> float | str:
    """Return the number in a value, scaled, or why there is none."""
    if value is NO_SUCH:
        return "no such object"
    written = text(value).strip()
    if written in how.words:
        return how.words[written] * how.scale
    try:
        read = float(written) if isinstance(value, (bytes, str)) else float(value)
    except ValueError:
        return "no number"
    return read * how.scale if math.isfinite(read) else "no number"


def combined(how: ObjectMetric, column: Mapping[str, Value]) -> float | str:
    """Return a column's objects put together; one that is no number spoils all."""
    if len(column) > MOST_ROWS:
        return f"over {MOST_ROWS} objects"
    if how.column == "count":
        return float(len(column)) * how.scale
    if not column:
        return "no such object"
    numbers = [plain(how, value) for value in column.values()]
    told = [one for one in numbers if not isinstance(one, str)]
    if len(told) != len(numbers):
        return "no number"
    if how.column == "avg":
        return math.fsum(told) / len(told)
    return math.fsum(told) if how.column == "sum" else max(told) if how.column == "max" else min(told)


def _rate(
    how: ObjectMetric, answers: Mapping[str, Value], counters: LastCounters, who: object
) -> float | str:
    value, at = answers[how.oid], answers[UPTIME]
    if not isinstance(value, int) or not isinstance(at, int):
        return "no such object" if value is NO_SUCH else "no counter, or no uptime"
    now = Counted(value, at, time.monotonic())
    return rate(counters.swap(who, now), now, how)


def rate(before: Counted | None, now: Counted, how: ObjectMetric) -> float | str:
    """Return the increase a second, by the agent's clock; or why there is none."""
    if before is None:
        return "first sample"
    own = now.read - before.read
    seconds = elapsed(before.at, now.at, own)
    if seconds is None:
        return "restarted"
    if own > LONGEST_S or seconds < SHORTEST_S:
        return "the last sample is too old or too new"
    more = increase(before.value, now.value, how.bits)
    return "reset" if more is None else more / seconds * how.scale


def _facts(params: ObjectParams, answers: Mapping[str, Value], found: Found) -> None:
    wanted = {name: ObjectFact(oid=oid) for name, oid in SYSTEM.items()}
    for name, how in (params.facts if params.metrics or params.facts else wanted).items():
        value = answers[how.oid]
        if value is NO_SUCH:
            found.missing.append(f"{name} (no such object)")
            continue
        written = value.hex(":") if how.hex and isinstance(value, bytes) else text(value).strip()
        found.facts[name] = clip(how.words.get(written, written), 500)


def _reading(agent: Snmp, answers: Mapping[str, Value], found: Found) -> Reading:
    metrics = found.metrics | {"query_ms": agent.phases["query"]}
    uptime = answers[UPTIME]
    if isinstance(uptime, int):
        metrics["uptime_s"] = uptime / 100
    facts = agent.facts | found.facts
    if found.missing:
        facts["missing"] = clip(", ".join(found.missing), 1000)
    return Reading.ok(metrics, facts, agent.phases)


METRICS = (
    MetricDef("uptime_s", "s", "none", 1, "Since the agent started (sysUpTime); wraps after 497 days."),
    MetricDef("query_ms", "ms", "lower", 0.001, "All questions together."),
)
FACTS = (
    FactDef("sys_descr", help="What it is, with nothing else asked for."),
    FactDef("sys_object_id", help="The vendor's number of its kind."),
    FactDef("sys_name", help="Its name."),
    FactDef("sys_location", help="Where it says it is."),
    FactDef("sys_contact", help="Whom it names."),
    FactDef("missing", help="What is asked for and left out, each with the reason."),
    FactDef("address", help="The agent's address that was asked."),
    FactDef("engine_id", help="Its engine id, version 3."),
)
PROBE = ProbeSpec(
    name="snmp",
    family="network",
    summary="Any objects of an SNMP agent as metrics and facts, by number or name",
    params=ObjectParams,
    run=probe_snmp,
    metrics=METRICS,
    facts=FACTS,
    phases=("resolve", "login", "query"),
    kinds=(*KINDS, "expectation"),
    names_in=("metrics", "facts"),
    inputs=("snmp",),
    default_every=60.0,
    default_timeout=10.0,
)
