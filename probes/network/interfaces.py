"""The interfaces of a switch, router or host by SNMP: state, speed, duplex, use, errors (RFC 2863, RFC 3635).

Names are read in each run, so that an agent that numbers its interfaces anew is noticed. Then each selected
interface is asked in one packet, with the uptime that its counters belong to.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial

from probes._snmp import KINDS, Snmp, snmp
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed, Inconclusive, ProtocolViolated
from probes.network._if_figures import One, each, summary
from probes.network._if_rates import LastSamples, Sample, rates
from probes.network._if_rows import (
    ALIAS,
    DESCRIPTION,
    MOST,
    NAME,
    TICKS_A_SECOND,
    TYPE,
    InterfacesParams,
    Known,
    chosen,
    questions,
    row,
    texts,
)


async def probe_interfaces(target: Target, params: InterfacesParams, context: Context) -> Reading:
    """Ask for names, then for each selected interface.

    Raises what asking raises (`probes._snmp`), `ExpectationFailed` (nothing that is asked for is there),
    `Inconclusive` (too many are selected), `ProtocolViolated` (an agent without an uptime).
    """
    async with snmp(target, params.snmp, context) as agent:
        known = await _known(agent, params)
        indexes, missing = chosen(params, known)
        if len(indexes) > MOST:
            raise Inconclusive(f"too_many: {len(indexes)} interfaces are selected; select {MOST} at most")
        if not indexes:
            raise ExpectationFailed(f"no_interface: none of {', '.join(missing) or 'any kind'} is there")
        take = partial(_samples, agent, known, indexes, version_1=params.snmp.version == "1")
        who = (target.unit, target.asset, agent.address.host, params)
        samples = await take()
        before = context.shared.get(LastSamples).swap(who, samples)
        if not before and params.first_span and context.remaining > 2 * params.first_span:
            await asyncio.sleep(params.first_span)
            before, samples = samples, await take()
            context.shared.get(LastSamples).swap(who, samples)
    found = [_one(sample, before.get(name), params) for name, sample in samples.items()]
    metrics, facts = summary(found, missing)
    if params.each:
        metrics |= each(found)
    metrics |= _of_agent(found, agent)
    return Reading.ok(metrics, agent.facts | facts, agent.phases)


async def _known(agent: Snmp, params: InterfacesParams) -> Known:
    names = texts(await agent.column(NAME))
    aliases = texts(await agent.column(ALIAS)) if params.aliases else {}
    known = Known(names, {}, aliases)
    if not names or (params.names and chosen(params, known)[1]):
        known = Known(names, texts(await agent.column(DESCRIPTION)), aliases)
    if params.wanted:
        return known
    types = await agent.column(TYPE)
    return replace(known, types={index: kind for index, kind in types.items() if isinstance(kind, int)})


async def _samples(agent: Snmp, known: Known, indexes: list[str], *, version_1: bool) -> dict[str, Sample]:
    names = [known.name(index) for index in indexes]
    found = {}
    for index, name in zip(indexes, names, strict=True):
        answer = await agent.get(questions(index, version_1=version_1))
        one = row(index, name, answer)
        if one is None:
            raise ProtocolViolated("no_uptime: the agent does not tell its uptime (sysUpTime)")
        unique = name if names.count(name) == 1 else f"{name} {index}"
        found[unique] = Sample(one, time.monotonic())
    return found


def _one(now: Sample, before: Sample | None, params: InterfacesParams) -> One:
    speed = now.row.speed
    return One(now.row, rates(before, now, speed), params.speed or speed)


def _of_agent(found: list[One], agent: Snmp) -> dict[str, float]:
    metrics = {"uptime_s": found[-1].row.at / TICKS_A_SECOND, "query_ms": agent.phases["query"]}
    if any(one.rates.why != "first sample" for one in found):
        metrics["restarted"] = float(any(one.rates.restarted for one in found))
    return metrics


_RATES = (
    ("rate_in_bps", "bit/s", 1.0, "Highest rate received, by 64-bit counters where there are any."),
    ("rate_out_bps", "bit/s", 1.0, "Highest rate sent."),
    ("utilisation_in_pct", "%", 0.01, "Highest share of the speed received."),
    ("utilisation_out_pct", "%", 0.01, "Highest share of the speed sent."),
    ("errors_in_per_s", "count", None, "Most packets a second received with errors."),
    ("errors_out_per_s", "count", None, "Most packets a second not sent because of errors."),
    ("discards_in_per_s", "count", None, "Most packets a second received and dropped."),
    ("discards_out_per_s", "count", None, "Most packets a second dropped before they were sent."),
    ("errors_in_pct", "%", None, "Highest share of unicast packets received with errors."),
    ("errors_out_pct", "%", None, "Highest share not sent because of errors."),
    ("discards_in_pct", "%", None, "Highest share received and dropped."),
    ("discards_out_pct", "%", None, "Highest share dropped before it was sent."),
)

PROBE = ProbeSpec(
    name="interfaces",
    family="network",
    summary="Interfaces of a network device by SNMP: state, speed, duplex, use, errors, flaps",
    params=InterfacesParams,
    run=probe_interfaces,
    metrics=(
        MetricDef("interfaces", "count", "none", 1, "Selected interfaces that are there."),
        MetricDef("missing", "count", "lower", 1, "What is asked for and matches no interface."),
        MetricDef("not_up", "count", "lower", 1, "Missing, or wanted up (ifAdminStatus) and not up."),
        MetricDef("admin_down", "count", "none", 1, "Switched off by an operator, or in test."),
        MetricDef("speed_bps", "bit/s", "higher", 1, "Lowest speed of those that are up."),
        MetricDef("full_duplex", "count", "higher", 1, "1 where all that are up are full duplex, else 0."),
        *(
            MetricDef(name, unit, "none" if name.startswith("rate") else "lower", step, text)
            for name, unit, step, text in _RATES
        ),
        MetricDef("flaps", "count", "lower", 1, "Interfaces whose state changed since the last sample."),
        MetricDef("unchanged_s", "s", "higher", 1, "Since the latest change of state of any of them."),
        MetricDef("uptime_s", "s", "none", 1, "Since the agent started; wraps after 497 days."),
        MetricDef("restarted", "count", "lower", 1, "1 where the agent started anew since the last sample."),
        MetricDef("query_ms", "ms", "lower", 0.001, "All questions together."),
    ),
    facts=(
        FactDef("missing_names", help="What is asked for and matches no interface."),
        FactDef("not_up_names", help="Which are wanted up and are not."),
        FactDef("admin_down_names", help="Which are switched off."),
        FactDef("half_duplex_names", help="Which say that they are half duplex."),
        FactDef("flapped_names", help="Whose state changed since the last sample."),
        FactDef("busiest_in", help="The interface of utilisation_in_pct."),
        FactDef("busiest_out", help="The interface of utilisation_out_pct."),
        FactDef(
            "no_rates", help="Why there are no rates: first sample, renumbered, restarted..., and where."
        ),
        FactDef("not_told", help="Metrics left out: not every selected interface told its own."),
        FactDef("address", help="The agent's address that was asked."),
        FactDef("engine_id", help="Its engine id, version 3."),
    ),
    phases=("resolve", "login", "query"),
    kinds=(*KINDS, "expectation"),
    names_in=("each",),
    inputs=("snmp",),
    default_every=60.0,
    default_timeout=20.0,
)
