"""The client's handshake with a reflector: it shows its address, then its key, and gets a session.

HELLO (padded) -> COOKIE -> OPEN (cookie, tag of the unit's key) -> OPENED (session, limits) or REFUSED
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from probes.errors import Ending, Inconclusive, NotRun, OwnLoginFailed, ProtocolViolated, TimedOut
from probes.network._reflect_bodies import (
    NONCE_SIZE,
    Cookie,
    Hello,
    Open,
    Opened,
    Reason,
    Refused,
    WireError,
    unpack,
)
from probes.network._reflect_keys import SessionKeys, session_keys
from probes.network._reflect_socket import Arrived, Datagrams
from probes.network._reflect_wire import (
    HELLO_SIZE,
    OPEN_SIZE,
    Frame,
    Kind,
    header,
    opened,
    plain,
    sealed,
    unsigned,
)

FIRST_PATIENCE_S, LONGEST_PATIENCE_S = 0.5, 2.0
"""How long an answer is waited for before the request is sent again: at first, and at most (doubling)."""
WRONG_KEY = "the reflector refused the key: the secret, or the unit it was made for, is not the reflector's"

T = TypeVar("T")


class Granted(NamedTuple):
    """A session, as the reflector opened it."""

    session: int
    limits: Opened


class Established(NamedTuple):
    """What the handshake gave."""

    session: int
    limits: Opened
    keys: SessionKeys
    rtt_ms: float


def refusal(refused: Refused) -> Ending:
    """Return the ending that a reflector's refusal stands for: its budgets are not the link's failure."""
    again = f"; again in {refused.retry_ms / 1000:.1f} s" if refused.retry_ms else ""
    if refused.reason == Reason.AUTH:
        return OwnLoginFailed(WRONG_KEY)
    if refused.reason == Reason.SESSION:
        return Inconclusive("the reflector does not know the session any more: it was restarted")
    if refused.reason in (Reason.BUDGET, Reason.LIMIT):
        return NotRun("budget", f"the reflector's own budget allows no more{again}")
    if refused.reason in (Reason.RATE, Reason.BUSY):
        return NotRun("overload", f"the reflector is busy{again}")
    return ProtocolViolated(f"the reflector refused for reason {refused.reason}")


async def handshake(datagrams: Datagrams, key: bytes, until: float) -> Established:
    """Open a session with the reflector's unit `key`.

    Raises OSError (closed port), `TimedOut` (nothing came), `ProtocolViolated` (only something else came),
    `OwnLoginFailed` (the key was refused) and `NotRun` (the reflector has no room).
    """
    nonce = secrets.token_bytes(NONCE_SIZE)
    hello = plain(Kind.HELLO, Hello(nonce), HELLO_SIZE)
    cookie, first_ms = await _ask(datagrams, hello, until, lambda arrived: _cookie(arrived, nonce))
    request = sealed(key, Kind.OPEN, 0, 0, Open(nonce, cookie.cookie), OPEN_SIZE)
    given: tuple[Granted | Refused, float] = await _ask(
        datagrams, request, until, lambda arrived: _opened(arrived, nonce, key)
    )
    answer, second_ms = given
    if not isinstance(answer, Granted):
        raise refusal(answer)
    keys = session_keys(key, nonce, answer.limits.reflector_nonce)
    return Established(answer.session, answer.limits, keys, min(first_ms, second_ms))


async def _ask(
    datagrams: Datagrams, request: bytes, until: float, accept: Callable[[Arrived], T | None]
) -> tuple[T, float]:
    """Send `request`, again when no answer comes; return the answer and its time since the last sending."""
    patience, strays = FIRST_PATIENCE_S, 0
    while time.perf_counter() < until:
        sent_ns, _ = datagrams.send(request)
        again = min(until, time.perf_counter() + patience)
        patience = min(LONGEST_PATIENCE_S, patience * 2)
        while time.perf_counter() < again:
            for arrived in await datagrams.receive(again):
                if (found := accept(arrived)) is not None:
                    at_ns = arrived.at_ns or time.perf_counter_ns()
                    return found, max(0, at_ns - sent_ns) / 1e6
                strays += 1
    if strays:
        raise ProtocolViolated(f"{strays} datagrams came, none of them a reflector's answer")
    raise TimedOut("no answer from a reflector")


def _cookie(arrived: Arrived, nonce: bytes) -> Cookie | None:
    try:
        if header(arrived.data).kind is not Kind.COOKIE:
            return None
        cookie = unpack(Cookie, opened(arrived.data, b"").body)
    except WireError:
        return None
    return cookie if cookie.nonce == nonce else None


def _opened(arrived: Arrived, nonce: bytes, key: bytes) -> Granted | Refused | None:
    try:
        frame = opened(arrived.data, key)
    except WireError:
        return _refused_by_another_key(arrived.data, nonce)
    return _granted(frame, nonce)


def _granted(frame: Frame, nonce: bytes) -> Granted | Refused | None:
    try:
        if frame.kind is Kind.REFUSED:
            refused = unpack(Refused, frame.body)
            return refused if refused.about == nonce else None
        if frame.kind is not Kind.OPENED:
            return None
        limits = unpack(Opened, frame.body)
    except WireError:
        return None
    return Granted(frame.session, limits) if limits.nonce == nonce else None


def _refused_by_another_key(data: bytes, nonce: bytes) -> Refused | None:
    """Whoever holds another key can't sign for ours; that it knows our nonce must do for a refusal."""
    try:
        frame = unsigned(data)
        if frame.kind is not Kind.REFUSED:
            return None
        refused = unpack(Refused, frame.body)
    except WireError:
        return None
    return refused if refused.about == nonce and refused.reason == Reason.AUTH else None
