"""What a reflector does with one datagram: from bytes to at most one answer. No sockets, no waiting.

Before a session is open an answer is never longer than the request; after that, budgets bound what is sent.
"""

from __future__ import annotations

import secrets
from collections import Counter

from monitor.reflector.budget import Bucket, Peers
from monitor.reflector.cookies import Cookies
from monitor.reflector.exchange import Answer, Heard
from monitor.reflector.limits import Limits
from monitor.reflector.session import Peer, Reflected, Sessions
from monitor.reflector.within import Within
from probes.network import _reflect_bodies as bodies
from probes.network._reflect_bodies import NONCE_SIZE, Reason, WireError, about, unpack
from probes.network._reflect_keys import session_keys
from probes.network._reflect_wire import (
    HEADER,
    HELLO_SIZE,
    OPEN_SIZE,
    Header,
    Kind,
    header,
    opened,
    plain,
    sealed,
)


class Core:
    """A reflector's mind: sessions, budgets and what was seen, for one unit's key."""

    def __init__(self, key: bytes, limits: Limits, now: float) -> None:
        self.limits, self._key = limits, key
        self._cookies = Cookies()
        self._instance = secrets.randbits(64)
        self.sessions = Sessions(limits)
        self._strangers = Bucket(limits.strangers_s, limits.strangers_s, now)
        self._opens = Peers(limits.peers, lambda at: Bucket(limits.opens_s, limits.opens_s, at))
        self.budgets = Peers(limits.peers, lambda at: Bucket(limits.peer_bytes, limits.peer_bps / 8, at))
        self.counts: Counter[str] = Counter()
        self._within = Within(limits, self.sessions, self.budgets, self.counts, now)

    def hear(self, heard: Heard) -> Answer | None:
        """Return the answer to a datagram, if any."""
        data, peer, now = heard.data, heard.peer, heard.now
        try:
            head = header(data)
            if head.kind is Kind.HELLO:
                return self._hello(data, peer, now)
            if head.kind is Kind.OPEN:
                return self._open(data, peer, now)
            session = self.sessions.get(head.session, now)
            if session is None:
                return self._unknown(head, len(data), now)
            return self._within.hear(session, heard)
        except WireError:
            self.counts["malformed"] += 1
            return None

    def note_exit(self, session: int, sequence: int, at_ns: int) -> None:
        """Take the kernel's time of sending the answer to an echo."""
        found = self.sessions.known(session)
        if found is not None:
            found.exit = (sequence, at_ns)

    def stepped(self) -> None:
        """Note that our realtime clock was stepped: what was timed so far means nothing."""
        self.counts["clock_steps"] += 1
        for session in self.sessions:
            session.echoes_stepped = True
            if session.train is not None:
                session.train.stepped = True

    def sweep(self, now: float) -> None:
        """End what has been silent for too long."""
        self.counts["expired"] += self.sessions.expire(now)

    def _hello(self, data: bytes, peer: Peer, now: float) -> Answer | None:
        if len(data) < HELLO_SIZE:
            raise WireError("a HELLO that is too short")
        if not self._strangers.take(1, now):
            self.counts["dropped_over_rate"] += 1
            return None
        self.counts["hello"] += 1
        nonce = unpack(bodies.Hello, opened(data, b"").body).nonce
        cookie = self._cookies.make(str(peer[0]), int(peer[1]), nonce, now)
        return Answer(plain(Kind.COOKIE, bodies.Cookie(nonce, cookie)))

    def _open(self, data: bytes, peer: Peer, now: float) -> Answer | None:
        if len(data) < OPEN_SIZE:
            raise WireError("an OPEN that is too short")
        asked = unpack(bodies.Open, data[HEADER.size :])
        if not self._cookies.holds(asked.cookie, str(peer[0]), int(peer[1]), asked.nonce, now):
            self.counts["dropped_no_cookie"] += 1
            return None
        if not self.may_open(str(peer[0]), now):
            return None
        try:
            opened(data, self._key)
        except WireError:
            return self._refuse_open(asked.nonce, Reason.AUTH)
        before = self.sessions.opened_by(asked.nonce, now)
        return Answer(before.opened if before else self._new(asked.nonce, peer, now).opened)

    def may_open(self, host: str, now: float) -> bool:
        """Tell whether an address may try its key once more, and count it."""
        allowed = self._opens.of(host, now).take(1, now)
        self.counts["dropped_over_rate"] += not allowed
        return allowed

    def _refuse_open(self, nonce: bytes, reason: Reason) -> Answer:
        self.counts[f"refused_{reason.name.lower()}"] += 1
        return Answer(sealed(self._key, Kind.REFUSED, 0, 0, bodies.Refused(nonce, reason, 0)))

    def _new(self, nonce: bytes, peer: Peer, now: float) -> Reflected:
        limits, number, own = self.limits, secrets.randbits(64) or 1, secrets.token_bytes(NONCE_SIZE)
        granted = bodies.Opened(
            nonce, own, self._instance, limits.packets, limits.size, limits.train_bytes, limits.rate_bps,
            limits.stream_bytes, int(limits.stream_s * 1000), int(limits.idle_s * 1000),
        )  # fmt: skip
        session = Reflected(
            number, peer, session_keys(self._key, nonce, own), now,
            Bucket(limits.requests_s, limits.requests_s, now), Bucket(limits.session_bytes, 0, now),
            sealed(self._key, Kind.OPENED, number, 0, granted),
        )  # fmt: skip
        self.counts["evicted"] += len(self.sessions.add(session, nonce))
        self.counts["opened"] += 1
        return session

    def _unknown(self, head: Header, size: int, now: float) -> Answer | None:
        """Tell whoever still believes in a session that it is gone, by the unit's key, sparingly."""
        if head.kind is Kind.BYE:
            return None
        self.counts["unknown_session"] += 1
        refused = bodies.Refused(about(head.number), Reason.SESSION, 0)
        answer = sealed(self._key, Kind.REFUSED, head.session, head.number, refused)
        if head.kind is Kind.DATA or len(answer) > size or not self._strangers.take(1, now):
            return None
        return Answer(answer)
