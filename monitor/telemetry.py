"""What the daemon says of itself on /metrics: lag, queue, drops, stalls, commits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psutil

from monitor.alerts.outbox import Outbox
from monitor.discipline.discipline import Discipline
from monitor.histogram import Histogram
from monitor.incidents.duty import Duty
from monitor.isolation.gate import Answer
from monitor.isolation.gatekeeper import Gatekeeper
from monitor.isolation.heartbeat import Heartbeat
from monitor.pipeline import Pipeline
from monitor.process.health import LoopWatch
from monitor.reload import Reloader
from monitor.runner import Runner
from monitor.schedule import Schedule
from monitor.sinks.feeder import Feeder
from monitor.sinks.sink import figures as sink_figures
from monitor.store.api import StoreCounters
from monitor.traps.receiver import Receiver
from monitor.watch import Watch
from monitor.web.view import OwnMetric

QUANTILES = (0.5, 0.9, 0.99, 1.0)


def quantiles(values: Iterable[float]) -> dict[str, float]:
    """Return some quantiles of values, by their text; none of no values."""
    ordered = sorted(values)
    if not ordered:
        return {}
    return {f"{q:g}": ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in QUANTILES}


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The parts that are asked for figures."""

    runner: Runner
    schedule: Schedule
    pipeline: Pipeline
    watch: Watch
    duty: Duty
    outbox: Outbox
    reloader: Reloader
    loop_watch: LoopWatch
    store: StoreCounters
    tests: Discipline
    gate: Gatekeeper
    heartbeat: Heartbeat
    traps: Receiver
    influx: Feeder | None
    started: float

    def figures(self) -> Iterator[OwnMetric]:
        """Yield every figure."""
        yield from self._running()
        yield from self._loop()
        yield from self._testing()
        yield from self._connected()
        yield from self._trapped()
        yield from self._believing()
        yield from self._keeping()
        if self.influx is not None:
            yield from sink_figures(self.influx)
        yield from self._process()

    def _running(self) -> Iterator[OwnMetric]:
        counters = self.runner.counters
        yield gauge("muster_checks", "Checks on the timetable.", len(self.schedule.timetable))
        yield gauge("muster_in_flight", "Runs under way.", self.runner.in_flight)
        yield gauge("muster_circuits_open", "Targets that count as dead.", self.runner.breaker.open)
        yield counter("muster_runs_started_total", "Runs started.", counters.started)
        yield counter("muster_runs_shed_total", "Runs not made because of overload.", counters.shed)
        yield counter("muster_runs_expired_total", "Runs ended by their deadline.", counters.expired)
        yield counter(
            "muster_runs_missed_total", "Runs left out, a whole interval late.", self.schedule.missed
        )
        for outcome, count in sorted(self.pipeline.outcomes.items()):
            yield counter("muster_readings_total", "Readings by outcome.", count, outcome=outcome)
        yield from histogram("muster_lag_ms", "From due to started.", counters.lag_ms)
        yield gauge("muster_lag_worst_ms", "From due to started, the worst run.", counters.lag_ms.maximum)

    def _loop(self) -> Iterator[OwnMetric]:
        watch = self.loop_watch
        yield counter("muster_loop_stalls_total", "Times the loop was held over 50 ms.", watch.stalls)
        yield gauge("muster_loop_late_worst_ms", "The worst lateness of the loop.", watch.worst_ms)
        for q, late in quantiles(watch.recent_ms).items():
            yield gauge("muster_loop_late_ms", "Lateness of the loop, last minute.", late, quantile=q)
        forgiven = self.runner.wheel.forgiven_s
        yield counter("muster_deadlines_forgiven_seconds_total", "Time taken off deadlines.", forgiven)

    def _testing(self) -> Iterator[OwnMetric]:
        tests, counters = self.tests, self.tests.counters
        yield gauge("muster_tests_waiting", "Tests that wait for their window or turn.", tests.waiting)
        yield gauge("muster_tests_under_way", "Tests that load a line now.", tests.under_way)
        yield counter("muster_tests_total", "Tests that load a line begun.", counters.tests)
        for reason, count in counters.refused.items():
            yield counter("muster_tests_refused_total", "Tests not run.", count, reason=reason)
        for cause, count in counters.stopped.items():
            yield counter("muster_tests_stopped_total", "Tests that had to stop.", count, cause=cause)
        for direction, count in (("up", counters.up_bytes), ("down", counters.down_bytes)):
            yield counter("muster_tests_bytes_total", "Put on lines by tests.", count, direction=direction)
        yield counter("muster_tests_unsettled_total", "Tests charged more than used.", counters.unsettled)

    def _connected(self) -> Iterator[OwnMetric]:
        now, gate = time.monotonic(), self.gate.gate
        for each in self.gate.witnesses:
            up = float(each.answer is Answer.ANSWERED)
            yield gauge("muster_witness_up", "1 when a witness answered last.", up, witness=each.name)
            if each.answered_at is not None:
                age = now - each.answered_at
                yield gauge("muster_witness_answer_age_seconds", "Since it answered.", age, witness=each.name)
            text = "Times we could not ask it, for reasons of our own."
            yield counter("muster_witness_unasked_total", text, each.unasked, witness=each.name)
        yield gauge("muster_isolated", "1 while no witness answers.", float(gate.isolated_at is not None))
        spans = gate.isolated_s + (now - gate.isolated_at if gate.isolated_at is not None else 0.0)
        yield counter("muster_isolated_seconds_total", "Time the monitor was cut off.", spans)
        yield gauge("muster_gate_waiting", "Readings that wait for a witness.", gate.waiting)
        for became in ("confirmed", "isolated", "unsure", "overflowed", "served"):
            count = getattr(gate.counters, became)
            yield counter("muster_gate_readings_total", "Readings at the gate.", count, became=became)
        beats = self.heartbeat.counters
        for result in ("sent", "failed", "withheld", "mails"):
            yield counter("muster_heartbeats_total", "Signs of life.", getattr(beats, result), result=result)

    def _trapped(self) -> Iterator[OwnMetric]:
        if self.traps.address is None:
            return
        counters = self.traps.counters
        yield counter("muster_traps_received_total", "Datagrams on the traps' port.", counters.received)
        yield gauge("muster_traps_waiting", "Traps that wait to be read.", self.traps.waiting)
        for kind, count in counters.kinds.items():
            yield counter("muster_traps_total", "Traps believed, by kind.", count, kind=kind)
        for reason, count in counters.dropped.items():
            yield counter("muster_traps_dropped_total", "Traps not believed.", count, reason=reason)
        yield counter("muster_traps_checks_total", "Checks run at once for a trap.", counters.asked)

    def _believing(self) -> Iterator[OwnMetric]:
        for state, count in self.watch.counts.items():
            yield gauge("muster_checks_in_state", "Checks by state.", count, state=state.value)
        duty = self.duty.counters
        yield counter("muster_incidents_opened_total", "Incidents opened.", duty.opened)
        yield counter("muster_incidents_closed_total", "Incidents closed.", duty.closed)
        yield counter("muster_checks_asked_total", "Checks run out of turn, for a cause.", duty.asked)
        mails = self.outbox.counters
        for result in ("queued", "sent", "failed", "dead", "dropped"):
            yield counter(
                "muster_messages_total", "Messages by result.", getattr(mails, result), result=result
            )
        for (channel, result), count in sorted(mails.channels.items()):
            text = "Messages by channel and result."
            yield counter("muster_channel_messages_total", text, count, channel=channel, result=result)
        yield gauge(
            "muster_reload_failed", "1 when the last reload was refused.", float(bool(self.reloader.error))
        )
        for part, took in (("read", self.reloader.read_s), ("apply", self.reloader.applied_s)):
            yield gauge("muster_reload_seconds", "What the last good reload took.", took, part=part)

    def _keeping(self) -> Iterator[OwnMetric]:
        store = self.store
        yield counter("muster_store_commits_total", "Commits of readings.", store.commits)
        yield counter("muster_store_readings_total", "Readings committed.", store.committed)
        yield counter("muster_store_dropped_total", "Readings the store could not take.", store.dropped)
        yield gauge("muster_store_queue", "Readings waiting for the next commit.", store.queued)
        yield gauge("muster_store_commit_age_seconds", "Since the last commit.", store.commit_age())

    def _process(self) -> Iterator[OwnMetric]:
        process = psutil.Process()
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info().rss
        yield counter("muster_cpu_seconds_total", "Processor time.", times.user, mode="user")
        yield counter("muster_cpu_seconds_total", "Processor time.", times.system, mode="system")
        yield gauge("muster_resident_bytes", "Resident memory.", memory)
        yield gauge("muster_uptime_seconds", "Since the start.", time.time() - self.started)


def gauge(name: str, text: str, value: float, **labels: str) -> OwnMetric:
    """Return a gauge."""
    return OwnMetric(name, text, "gauge", labels, value)


def counter(name: str, text: str, value: float, **labels: str) -> OwnMetric:
    """Return a counter."""
    return OwnMetric(name, text, "counter", labels, value)


def histogram(name: str, text: str, counts: Histogram) -> Iterator[OwnMetric]:
    """Yield a histogram's buckets, sum and count."""
    for bound, count in counts.cumulative():
        yield OwnMetric(f"{name}_bucket", text, "histogram", {"le": bound}, count)
    yield OwnMetric(f"{name}_sum", text, "histogram", {}, counts.total)
    yield OwnMetric(f"{name}_count", text, "histogram", {}, sum(counts.counts))
