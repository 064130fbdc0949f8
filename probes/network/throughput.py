"""What a line can carry each way, by few bytes: trains of packets, and transfers where they don't decide.

Capacity, expected TCP speed and a transfer's goodput are three figures. Rates are of the IP layer: a line
that is sold by its Ethernet rate carries 1400 / 1414 of it in packets of 1400 bytes. Against a reflector
(`muster reflect` on a machine of the unit) both directions are measured apart. Without one, a download from
any web server of the asset gives what comes up, and ICMP echoes what the slower direction carries at least.
What the bytes at hand can't decide is reported as "at least" or undecided, never as a figure.
"""

from __future__ import annotations

import math

from probes._resolve import Address, resolve
from probes._sockets import Poller, own_deadline
from probes.api import Context, ProbeSpec, Reading, Target
from probes.errors import Ending, Inconclusive, ProberFault, TimedOut, from_oserror
from probes.network._rate_course import Lane, follow
from probes.network._rate_http import measure_http
from probes.network._rate_icmp import open_echoes
from probes.network._rate_leave import Leave
from probes.network._rate_loaded import REST_S, UnderLoad
from probes.network._rate_params import FACTS, METRICS, Direction, ThroughputParams
from probes.network._rate_reading import facts_of, metrics_of
from probes.network._rate_reflector import Where, measure_lanes
from probes.network._rate_ssh import measure_ssh
from probes.network._rate_transfer import transfer_bytes, weighed
from probes.network._reflect_params import ReflectParams, key_for
from probes.network._tcp_rate import Settled
from probes.network._train_plan import Verdict

LOADED_SPARE_S = 6.0
"""What the trains, the end and the last echoes of a held transfer may take beside it."""


async def probe_throughput(target: Target, params: ThroughputParams, context: Context) -> Reading:
    """Measure the directions asked for.

    Raises `TimedOut` (no reflector, or the link broke off), `ProtocolViolated` (an account that can't be
    true), `OwnLoginFailed` (the secret is not the reflector's), `NotRun` (the reflector's budget),
    `Inconclusive` (stopped, a clock was stepped, nothing could be decided), `PermissionMissing` (ICMP, or an
    unknown host key), and the endings of sockets and of resolving. What was measured until then goes with
    each.
    """
    address, resolve_ms = await resolve(target, context)
    run = _Run(target, params, context, address)
    if resolve_ms:
        run.phases["resolve"] = resolve_ms
    try:
        await run.measure()
    except OSError as error:
        raise run.ended(from_oserror(error, context.phase)) from None
    except Ending as ending:
        raise run.ended(ending) from None
    if all(lane.verdict.decided == "undecided" for lane in run.lanes):
        whys = "; ".join(f"{lane.direction}: {lane.verdict.why}" for lane in run.lanes)
        raise run.ended(Inconclusive(whys))
    return Reading.ok(run.metrics(), run.facts(), run.phases)


class _Run:
    """One run: its lanes, and what they came to."""

    def __init__(self, target: Target, params: ThroughputParams, context: Context, address: Address) -> None:
        self._target, self._params, self._context, self._address = target, params, context, address
        self._poller, self._until = context.shared.get(Poller), own_deadline(context)
        self._leave = Leave(context)
        self._rtt_ms = 0.0
        self._under_load = UnderLoad()
        self.phases: dict[str, float] = {}
        ways = params.wanted if params.how in ("reflector", "ssh") else ("up",)
        self.lanes = [Lane(way, self._nominal(way)) for way in ways]

    def _nominal(self, way: Direction) -> float | None:
        link = self._context.link
        up = self._params.up or (link.up_bps if link else None)
        down = self._params.down or (link.down_bps if link else None)
        if self._params.how == "icmp":
            known = [rate for rate in (up, down) if rate]
            return min(known) if known else None
        return up if way == "up" else down

    async def measure(self) -> None:
        """Fill the lanes."""
        self._leave.check()
        if self._params.how == "reflector":
            await self._by_reflector()
        elif self._params.how == "http":
            await self._by_http()
        elif self._params.how == "ssh":
            await self._by_ssh()
        else:
            await self._by_icmp()

    async def _by_reflector(self) -> None:
        self._context.phase = "trains"
        params = self._params
        self._have_time(params.loaded)
        reflect = ReflectParams(secret=params.secret, derived=params.derived, key_of=params.key_of)
        key = key_for(self._target, reflect, self._context)
        where = Where(self._poller, self._address, params.port, key, self._until)
        self._rtt_ms = await measure_lanes(where, self.lanes, params, self._leave, self._under_load)
        for lane in self.lanes:
            if lane.transfer is not None:
                lane.verdict = weighed(lane.verdict, lane.transfer, lane.nominal)

    def _have_time(self, loaded: float | None) -> None:
        needed = REST_S + len(self.lanes) * ((loaded or 0.0) + LOADED_SPARE_S)
        if loaded is not None and needed > self._context.timeout:
            held = f"{len(self.lanes)} transfers held for {loaded:g} s"
            raise ProberFault(f"{held} need a timeout of {needed:g} s; it is {self._context.timeout:g} s")

    async def _by_http(self) -> None:
        self._context.phase = "transfer"
        assert self._params.url is not None
        lane = self.lanes[0]
        most = transfer_bytes(lane, self._params, self._leave)
        done = await measure_http(
            self._poller, self._address, self._params.url, most, self._until, self._leave
        )
        self._rtt_ms = done.rtt_ms
        _transferred(lane, done.settled, "its body ended" if done.ended else "the bytes allowed were used up")

    async def _by_ssh(self) -> None:
        assert self._params.ssh is not None
        for number, lane in enumerate(self.lanes):
            most = transfer_bytes(lane, self._params, self._leave)
            if self._leave.left is not None:
                most = min(most, self._leave.left // (len(self.lanes) - number))
            done, phases = await measure_ssh(
                self._target, self._params.ssh, lane.direction, most, self._context, self._leave, self._until
            )
            self.phases = phases | self.phases
            self._rtt_ms = done.rtt_ms
            _transferred(lane, done.settled, "the bytes allowed were used up")

    async def _by_icmp(self) -> None:
        self._context.phase = "trains"
        lane = self.lanes[0]
        most = self._params.max_bytes
        if self._leave.left is not None:
            most = min(most or self._leave.left, self._leave.left // 2)
        with open_echoes(self._address, self._params.dscp, self._leave) as echoes:
            await follow(lane, most, echoes.send, self._leave, self._rtt_ms)
            self._rtt_ms = echoes.rtt_ms
        if lane.verdict.died:
            raise TimedOut(lane.verdict.why)

    def ended(self, ending: Ending) -> Ending:
        """Return the ending with what was measured of the lanes that were decided before it."""
        ending.metrics, ending.facts, ending.phases = self.metrics(), self.facts(), self.phases
        return ending

    def metrics(self) -> dict[str, float]:
        """Return all metrics."""
        loss = self._context.link.loss if self._context.link else None
        found = metrics_of(self.lanes, self._rtt_ms, loss)
        if self._params.how == "icmp":
            found = _both(self.lanes[0], found)
        found |= self._under_load.metrics()
        found["sent_bytes"] = float(self._leave.sent("down"))
        found["received_bytes"] = float(self._leave.sent("up"))
        found["trains"] = float(sum(len(lane.answers) for lane in self.lanes))
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def facts(self) -> dict[str, str]:
        """Return all facts."""
        loss = self._context.link.loss if self._context.link else None
        return facts_of(self.lanes, self._rtt_ms, loss) | self._under_load.facts() | {
            "method": self._params.how, "address": self._address.host, "family": self._address.family,
        }  # fmt: skip


def _transferred(lane: Lane, settled: Settled, ended: str) -> None:
    """Take what a transfer came to where there are no trains beside it."""
    lane.transfer = settled
    why = "a transfer alone can't tell what else fits beside it"
    if not settled.settled:
        why = f"a transfer did not settle before {ended}"
    lane.verdict = weighed(Verdict("undecided", 0.0, why), settled, None)


def _both(lane: Lane, found: dict[str, float]) -> dict[str, float]:
    """Return the metrics of echoes, which go both ways: a lower bound of either direction."""
    kept = {name: found[name] for name in ("rtt_ms",) if name in found}
    if lane.verdict.decided != "undecided":
        kept["capacity_both_at_least_bps"] = lane.verdict.bps
    return kept


PROBE = ProbeSpec(
    name="throughput",
    family="network",
    summary="What a line can carry each way, by short trains of packets and transfers that stop early.",
    params=ThroughputParams,
    run=probe_throughput,
    metrics=METRICS,
    facts=FACTS,
    phases=("resolve", "queued", "connect", "handshake", "login", "trains", "transfer"),
    kinds=("unreachable", "refused", "timeout", "protocol", "expectation", "dns", "auth", "inconclusive",
           "permission", "prober_error", "budget", "overload"),
    inputs=("ssh",),
    loads_link=True,
    default_every=900.0,
    default_timeout=30.0,
)  # fmt: skip
