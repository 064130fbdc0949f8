"""What a reflector does with a datagram of an open session. No sockets, no waiting."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from monitor.reflector.budget import Peers
from monitor.reflector.exchange import Answer, Departure, Heard
from monitor.reflector.limits import Limits
from monitor.reflector.session import Peer, Records, Reflected, Sessions, TrainRecord
from probes._clock import ClockState, clock_state
from probes.network import _reflect_bodies as bodies
from probes.network._reflect_bodies import Reason, WireError, about, unpack
from probes.network._reflect_socket import UDP_IP4, UDP_IP6
from probes.network._reflect_window import Fresh
from probes.network._reflect_wire import ECHO_SIZE, PACKET_SIZE, Frame, Kind, opened, sealed

CLOCK_EVERY_S = 1.0
DSCP = 0xFC
"""The DSCP within a traffic class; ECN is not copied."""
BUSY_MS = 100


class Request(NamedTuple):
    """A datagram of a session whose tag was right."""

    session: Reflected
    frame: Frame
    heard: Heard

    @property
    def now(self) -> float:
        """`time.monotonic` when it was read."""
        return self.heard.now

    @property
    def size(self) -> int:
        """Bytes of UDP payload."""
        return len(self.heard.data)

    @property
    def received_ns(self) -> int:
        """When it came, ns since the epoch, by the kernel if it said so."""
        return self.heard.told.stamp_ns or time.time_ns()


class Within:
    """Handles what is asked within a session, in the bounds of its budgets."""

    def __init__(
        self,
        limits: Limits,
        sessions: Sessions,
        budgets: Peers,
        counts: Counter[str],
        now: float,
    ) -> None:
        self._limits, self._sessions, self._budgets, self._counts = limits, sessions, budgets, counts
        self._overflowed = 0
        self._clock, self._clock_at = clock_state(), now
        self._handlers: dict[Kind, Callable[[Request], Answer | None]] = {
            Kind.ECHO: self._echo,
            Kind.TRAIN_DOWN: self._train_down,
            Kind.TRAIN_UP: self._train_up,
            Kind.DATA: self._data,
            Kind.REPORT: self._report,
            Kind.STOP: self._stop,
            Kind.BYE: self._bye,
        }

    def hear(self, session: Reflected, heard: Heard) -> Answer | None:
        """Return the answer to a datagram of `session`. Raises `WireError`."""
        self._overflowed = max(self._overflowed, heard.told.lost)
        if heard.peer[:2] != session.peer[:2]:
            self._counts["dropped_other_address"] += 1
            return None
        frame = opened(heard.data, session.keys.client)
        freshness = session.window.judge(frame.number)
        if freshness is not Fresh.NEW:
            session.duplicates += freshness is Fresh.COPY
            self._counts["dropped_replayed"] += 1
            return None
        self._sessions.touch(session, heard.now)
        return self._handled(Request(session, frame, heard))

    def _handled(self, request: Request) -> Answer | None:
        handler = self._handlers.get(request.frame.kind)
        if handler is None:
            raise WireError("not for a reflector")
        requests = request.session.requests
        if request.frame.kind is not Kind.DATA and not requests.take(1, request.now):
            return self._refuse(request, Reason.RATE, int(requests.wait_s(1, request.now) * 1000) + 1)
        return handler(request)

    def _say(self, session: Reflected, kind: Kind, body: bodies.AnyBody, size: int = 0) -> bytes:
        return sealed(session.keys.reflector, kind, session.id, session.next(), body, size)

    def _refuse(self, request: Request, reason: Reason, retry_ms: int = 0) -> Answer:
        self._counts[f"refused_{reason.name.lower()}"] += 1
        refused = bodies.Refused(about(request.frame.number), reason, retry_ms)
        return Answer(self._say(request.session, Kind.REFUSED, refused))

    def _echo(self, request: Request) -> Answer:
        session, told = request.session, request.heard.told
        if request.size < ECHO_SIZE:
            raise WireError("an ECHO that is too short for its answer")
        if not self._budgets.of(str(session.peer[0]), request.now).take(request.size, request.now):
            return self._refuse(request, Reason.BUDGET)
        sequence = unpack(bodies.Echo, request.frame.body).sequence
        session.echo_count += 1
        session.echoes.add(sequence, request.received_ns)
        self._counts["echoes"] += 1
        state, error_us = self._clock_bits(request)
        answer = bodies.Echoed(
            sequence, session.echo_count, session.duplicates, request.received_ns, time.time_ns(),
            *session.exit, told.ttl, told.tos, state, error_us,
        )  # fmt: skip
        data = self._say(session, Kind.ECHOED, answer, request.size)
        return Answer(data, told.tos & DSCP, (session.id, sequence))

    def _clock_bits(self, request: Request) -> tuple[int, int]:
        if request.now - self._clock_at >= CLOCK_EVERY_S:
            self._clock, self._clock_at = clock_state(), request.now
        return clock_bits(
            self._clock, stepped=request.heard.stepped, stamped=bool(request.heard.told.stamp_ns)
        )

    def _train_down(self, request: Request) -> Answer:
        return self._train(request, unpack(bodies.TrainDown, request.frame.body))

    def _train_up(self, request: Request) -> Answer:
        return self._train(request, unpack(bodies.TrainUp, request.frame.body))

    def _train(self, request: Request, asked: bodies.TrainDown | bodies.TrainUp) -> Answer:
        """Grant a train, or say again that it is granted, or refuse it."""
        last = request.session.train
        if last is not None and asked.train == last.number:
            return self._ready(request.session, asked.train)
        if last is not None and last.running:
            return self._refuse(request, Reason.BUSY, BUSY_MS)
        if last is not None and asked.train < last.number:
            return self._refuse(request, Reason.TRAIN)
        if not within_limits(asked, self._limits):
            return self._refuse(request, Reason.LIMIT)
        return self._afforded(request, asked)

    def _afforded(self, request: Request, asked: bodies.TrainDown | bodies.TrainUp) -> Answer:
        session, now = request.session, request.now
        cost = train_cost(asked.packets, asked.size, session.peer)
        peer = self._budgets.of(str(session.peer[0]), now)
        if session.budget.left(now) < cost or not peer.take(cost, now):
            return self._refuse(request, Reason.BUDGET, int(peer.wait_s(cost, now) * 1000))
        up = isinstance(asked, bodies.TrainUp)
        train = TrainRecord(
            asked.train, asked.packets, asked.size, up, Records(asked.packets), self._overflowed
        )
        if isinstance(asked, bodies.TrainUp) and not request.heard.start(
            Departure(session, train, asked.rate_bps, request.heard.told.tos & DSCP)
        ):
            peer.give_back(cost)
            return self._refuse(request, Reason.BUSY, BUSY_MS)
        session.budget.take(cost, now)
        session.train = train
        self._counts["trains_up" if up else "trains_down"] += 1
        return self._ready(session, asked.train)

    def _ready(self, session: Reflected, train: int) -> Answer:
        return Answer(self._say(session, Kind.READY, bodies.Ready(train)))

    def _data(self, request: Request) -> None:
        data, train = unpack(bodies.Data, request.frame.body), request.session.train
        if train is None or train.up or data.train != train.number or request.size != train.size:
            self._counts["dropped_unannounced"] += 1
            return
        train.records.add(data.sequence, request.received_ns)

    def _report(self, request: Request) -> Answer:
        asked, session = unpack(bodies.Report, request.frame.body), request.session
        train = session.train
        if asked.train == bodies.ECHO_RECORDS:
            page = _page(asked, session.echoes, 0, bodies.TRAIN_STEPPED * session.echoes_stepped)
        elif train is None or asked.train != train.number:
            return self._refuse(request, Reason.TRAIN)
        else:
            state = bodies.TRAIN_RUNNING * train.running | bodies.TRAIN_STEPPED * train.stepped
            page = _page(asked, train.records, self._overflowed - train.overflowed_before, state)
        answer = self._say(session, Kind.REPORTED, page)
        if not session.budget.take(len(answer), request.now):
            return self._refuse(request, Reason.BUDGET)
        return Answer(answer)

    def _stop(self, request: Request) -> None:
        train = request.session.train
        if train is not None and train.number == unpack(bodies.Stop, request.frame.body).train:
            train.stop = True

    def _bye(self, request: Request) -> None:
        self._sessions.remove(request.session.id)


def within_limits(asked: bodies.TrainDown | bodies.TrainUp, limits: Limits) -> bool:
    """Tell whether a train of this shape is granted at all."""
    rate = asked.rate_bps if isinstance(asked, bodies.TrainUp) else 0
    fits = 0 < asked.packets <= limits.packets and PACKET_SIZE <= asked.size <= limits.size
    small = asked.packets * asked.size <= limits.train_bytes
    return asked.train > 0 and fits and small and rate <= limits.rate_bps


def clock_bits(state: ClockState, *, stepped: bool, stamped: bool) -> tuple[int, int]:
    """Return `Echoed.clock` and `Echoed.clock_error_us`."""
    synchronised = state.believed == "synchronised"
    bits = bodies.CLOCK_SYNCHRONISED * synchronised | bodies.CLOCK_STEPPED * stepped
    error = min(state.maxerror_us, bodies.UNKNOWN_ERROR) if synchronised else bodies.UNKNOWN_ERROR
    return bits | bodies.CLOCK_NO_STAMP * (not stamped), error


def train_cost(packets: int, size: int, peer: Peer) -> int:
    """Return the bytes of a train at the IP layer."""
    return packets * (size + (UDP_IP6 if ":" in str(peer[0]) else UDP_IP4))


def _page(asked: bodies.Report, records: Records, overflowed: int, state: int) -> bodies.Reported:
    page = records.page(asked.first, bodies.PAGE_RECORDS)
    return bodies.Reported(asked.train, asked.first, len(records), records.start_ns, overflowed, state, page)
