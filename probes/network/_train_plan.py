"""Which trains to send, and what they decide: the whole course as one generator (pure).

    course = decide(nominal=10e6, max_bytes=312_500)
    order = next(course)                       # an Order: send this train
    order = course.send(answer)                # its Answer; StopIteration.value is the Verdict

A short train well above the nominal rate makes the link show its own; one at the nominal rate shows that it
holds. Where the answer is too low, trains sent at once, which other traffic can hardly get into, tell a slow
link from a busy one. Where it is too high, it may be the credit of a token bucket, which up to `CREDIT` bytes
are looked through; what the bytes at hand can't decide is said to be "at least", or undecided. A bucket
whose peak rate is the nominal one, or below it, looks like a link of that rate: only longer transfers tell.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Literal

from probes.network._train import HEAVY, Answer
from probes.network._train_cross import AGREE, BUSY, most_alike, near, without_cross

OVER, OVER_S, QUEUE_S = 2.5, 0.032, 0.048
"""Overdriving: this multiple of the nominal rate, for so long, queues `QUEUE_S`."""
RISE, RISE_BPS = 1.6, 10e6
"""Where nothing is known of the rate the pace rises by this, from `RISE_BPS` on faster."""
LEVEL_S = 0.060
BURST_S, BURST_SLOW_S = 0.048, 0.080
"""A burst's length in seconds of the nominal rate, above and up to `SLOW_BPS`."""
SLOW_BPS = 2.5e6
ABOVE, BELOW = 1.1, 0.95
"""An answer is the nominal rate within these multiples of it."""
GENEROUS = 1.5
"""Up to this multiple a line that slows two trains alike is believed: no bucket's peak rate is so near."""
CREDIT = 256_000
"""Bytes of burst credit that are looked through."""
START_BPS = 1e6
"""Where nothing is known of the rate."""
LEAST_PACKETS = 12
SCOUTS, SCOUT_S, SCOUT_LOW = 8, 0.005, 0.3
"""A few packets, so many or so many seconds of the nominal rate, warn of a link below that share of it."""
ROUGH = 0.02
"""A rate with a larger standard error, as a share of it, is measured again before it is believed."""
KEPT_PACE, MOST_HELD_UP = 0.8, 3
"""A train that left at less than this share of the pace asked for was held up by its sender."""
DROPPING = 0.15
"""Who loses more than this share of a train above the capacity has no queue for it."""
SUSTAIN = 1.05
MOST_PACKETS = 4000
SIZE, LEAST_SIZE = 1400, 200
"""Bytes of a packet at the IP layer."""
UNKNOWN_BYTES = 1_000_000

Decided = Literal["exact", "at_least", "undecided"]
Course = Generator["Order", Answer, "Verdict"]


@dataclass(frozen=True, slots=True)
class Order:
    """A train to send: `bps` at the IP layer, 0 for back to back; `size` bytes a packet."""

    kind: Literal["scout", "over", "level", "burst", "sustain"]
    packets: int
    size: int
    bps: float

    @property
    def bytes(self) -> int:
        """What it puts on the link."""
        return self.packets * self.size


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trains decided of one direction. Rates are bit/s at the IP layer, 0 where there is none."""

    decided: Decided
    bps: float
    why: str
    burst_bps: float = 0.0
    """The fastest that a train came through; says nothing of what can be sustained."""
    cross_bps: float = 0.0
    """Other traffic, where it was noticed."""
    died: bool = False
    """Nothing came through any more."""


def own_bytes(nominal: float | None) -> int:
    """Return how many bytes the trains of one direction may take: 5 % of a 5 s transfer (10 % of a slow one).

    Without a nominal rate it is `UNKNOWN_BYTES`.
    """
    if nominal is None:
        return UNKNOWN_BYTES
    return int(nominal / 8 * (0.5 if nominal <= SLOW_BPS else 0.25))


def packet_size(nominal: float | None) -> int:
    """Return a packet's size such that a train at a low rate still has packets enough."""
    enough = (nominal or START_BPS * 2) / 8 * BURST_SLOW_S / LEAST_PACKETS
    return int(min(SIZE, max(LEAST_SIZE, enough)))


def decide(nominal: float | None, max_bytes: int) -> Course:
    """Return the course for one direction. `nominal` is bit/s, None where nobody knows it."""
    return _Decision(nominal, max_bytes).run()


class _Undecided(Exception):  # noqa: N818 - an end of the course, not an error
    def __init__(self, why: str, *, died: bool = False) -> None:
        super().__init__(why)
        self.why, self.died = why, died


class _Decision:
    """One course under way: what is left to send, and what came of it so far."""

    def __init__(self, nominal: float | None, max_bytes: int) -> None:
        self._nominal = nominal
        self._size = packet_size(nominal)
        self._left = max_bytes
        self._paced: list[Answer] = []

    def run(self) -> Course:
        try:
            guess = yield from self._scout()
            over = yield from self._smooth((yield from self._overdrive(guess)))
            return (yield from self._judge(over))
        except _Undecided as end:
            return self._floor(end)

    def _judge(self, over: Answer) -> Course:
        dropping = over.policed or over.loss > DROPPING
        if dropping:
            yield from self._repeated(over)
            yield from self._eased(over)
        if self._nominal is None or over.rate_bps > ABOVE * self._nominal:
            return (yield from self._above(over))
        if dropping:
            return self._exact(over.rate_bps, "what exceeds it is dropped, not queued")
        smooth = over.spread <= ROUGH and over.rate_bps >= BELOW * self._nominal
        if smooth and (yield from self._holds(over)):
            return self._exact(over.rate_bps, "the link set the pace of a train above its nominal rate")
        return (yield from self._below(over))

    def _scout(self) -> Generator[Order, Answer, float]:
        """Return the rate to begin with: the nominal one, unless a handful of packets say much less."""
        if self._nominal is None:
            return START_BPS
        packets = max(SCOUTS, int(SCOUT_S * self._nominal / 8 / self._size))
        answer = yield self._order("scout", packets, 0)
        self._took(answer)
        low = 0 < answer.rate_bps < SCOUT_LOW * self._nominal
        return answer.rate_bps if low else self._nominal

    def _overdrive(self, guess: float) -> Generator[Order, Answer, Answer]:
        """Raise the pace until the link sets it, twice alike where that is above the nominal rate.

        A bucket may end in any train: none is larger than the first, so that it queues little at the nominal
        rate. Where none is known the pace rises slowly.
        """
        before = None
        held_up = 0
        first = guess
        while True:
            slowly = self._nominal is None and before is None and guess < RISE_BPS
            asked = (RISE if slowly else OVER) * guess
            longest = OVER_S if self._nominal is None else OVER_S * min(1.0, OVER * first / asked)
            answer = yield from self._sent("over", longest, asked)
            guess = max(answer.rate_bps, guess / 2)
            if answer.slowed or answer.policed:
                high = self._nominal is None or answer.rate_bps > ABOVE * self._nominal
                if not high or (before is not None and near(before, answer.rate_bps)):
                    return answer
                before = answer.rate_bps
            elif answer.sent_bps < KEPT_PACE * asked:
                held_up += 1
                if held_up >= MOST_HELD_UP:
                    raise _Undecided(f"the sender kept to {answer.sent_bps / 1e6:.1f} Mbit/s, below the link")

    def _smooth(self, over: Answer) -> Generator[Order, Answer, Answer]:
        """Return an answer that is not rough, or that bursts can confirm; for it send the train again."""
        if over.spread <= ROUGH or self._confirmable(over, BELOW):
            return over
        again = yield from self._sent("over", over.packets * over.size * 8 / over.sent_bps, over.sent_bps)
        if (again.spread <= ROUGH and (again.slowed or again.policed)) or self._confirmable(again, ABOVE):
            return again
        raise _Undecided("the packets came too unevenly")

    def _confirmable(self, over: Answer, most: float) -> bool:
        below = self._nominal is not None and over.rate_bps < most * self._nominal
        return below and over.slowed and over.loss <= DROPPING

    def _repeated(self, over: Answer) -> Generator[Order, Answer, None]:
        """Send the same train again: a bottleneck without a queue makes up for no pause."""
        again = yield from self._sent("over", over.packets * over.size * 8 / over.sent_bps, over.sent_bps)
        if not near(again.rate_bps, over.rate_bps):
            raise _Undecided("of two trains alike, different shares were dropped")

    def _holds(self, over: Answer) -> Generator[Order, Answer, bool]:
        """Return whether a train at the nominal rate comes through at that rate."""
        assert self._nominal is not None
        if not self._affords(LEVEL_S, self._nominal):
            return True
        level = yield from self._sent("level", LEVEL_S, self._nominal)
        return level.rate_bps >= BELOW * min(over.rate_bps, level.sent_bps)

    def _eased(self, over: Answer) -> Generator[Order, Answer, None]:
        """Send at the rate that a policer let through, where only a policer drops little."""
        level = yield from self._sent("level", LEVEL_S, 0.97 * over.rate_bps)
        lost = level.packets - level.received
        if lost > 2 and level.loss > max(HEAVY, over.loss / 3):
            raise _Undecided(f"{level.loss:.0%} were lost at a pace that the link should carry")

    def _below(self, over: Answer) -> Course:
        """Tell a slow link from a busy one by bursts."""
        assert self._nominal is not None
        usual = min(self._nominal, 1.25 * over.rate_bps)
        seconds = BURST_SLOW_S if usual <= SLOW_BPS else BURST_S
        one = yield from self._burst(seconds, usual)
        two = yield from self._burst(seconds, usual)
        bursts = [one, two]
        if any(burst.loss > max(DROPPING, 3 * over.loss) for burst in bursts):
            yield from self._eased(over)
            return self._exact(over.rate_bps, "the link set the pace; its queue has no room for a burst")
        if most_alike(bursts) is None:
            bursts.append((yield from self._burst(seconds, usual)))
        pair = most_alike(bursts)
        if pair is None:
            raise _Undecided("no two bursts came at the same rate")
        return self._confirmed(over, pair)

    def _confirmed(self, over: Answer, bursts: tuple[Answer, Answer]) -> Verdict:
        assert self._nominal is not None
        rate, cross = without_cross(over, bursts)
        if rate > ABOVE * self._nominal:
            raise _Undecided("bursts came faster than the nominal rate, trains slower: burst credit")
        if rate < (1 - 2 * AGREE) * over.rate_bps:
            raise _Undecided("bursts came slower than paced trains")
        busy = cross > BUSY * rate
        why = "confirmed by bursts" + (f", beside {cross / 1e6:.1f} Mbit/s of other traffic" if busy else "")
        return replace(self._exact(rate, why), cross_bps=cross if busy else 0.0)

    def _above(self, over: Answer) -> Course:
        """Tell a line faster than anyone says from a bucket that is being emptied."""
        rate = over.rate_bps
        if self._nominal is not None and rate <= GENEROUS * self._nominal:
            return self._exact(rate, "the link set the pace of two trains alike, above its nominal rate")
        reference = max(self._nominal or 0.0, rate / 2)
        if _exceeds_credit(over, reference):
            return self._exact(rate, "the link set the pace for longer than burst credit lasts")
        seconds = 1.1 * CREDIT * 8 / (rate - reference)
        pace = rate * min(SUSTAIN, 1 + QUEUE_S / 2 / seconds)
        if not self._affords(seconds, pace):
            raise _Undecided("the bytes allowed can't tell it from burst credit")
        longer = yield from self._sent("sustain", seconds, pace)
        kept = longer.rate_bps >= (1 - AGREE) * rate and longer.loss <= HEAVY
        if kept and _exceeds_credit(longer, reference):
            return self._exact(rate, "the link set the pace for longer than burst credit lasts")
        raise _Undecided("the pace was not kept up")

    def _burst(self, seconds: float, bps: float) -> Generator[Order, Answer, Answer]:
        packets = max(LEAST_PACKETS, int(seconds * bps / 8 / self._size))
        answer = yield self._order("burst", packets, 0)
        self._took(answer)
        if answer.rate_bps <= 0:
            raise _Undecided("a burst did not come through", died=not answer.received)
        return answer

    def _sent(
        self, kind: Literal["over", "level", "sustain"], seconds: float, bps: float
    ) -> Generator[Order, Answer, Answer]:
        """Send a paced train, and once more where it broke off."""
        packets = max(LEAST_PACKETS, round(seconds * bps / 8 / self._size))
        order = self._order(kind, packets, bps)
        for attempt in (1, 2):
            answer = yield order
            self._took(answer)
            self._paced.append(answer)
            if not answer.cut and answer.rate_bps > 0:
                return answer
            if attempt == 2 or order.bytes > self._left:
                break
        came = f"{answer.received} of {answer.packets} packets came"
        raise _Undecided(f"the link broke off in mid-train: {came}", died=True)

    def _order(
        self, kind: Literal["scout", "over", "level", "burst", "sustain"], packets: int, bps: float
    ) -> Order:
        packets = min(packets, self._most())
        if packets < (SCOUTS if kind == "scout" else LEAST_PACKETS):
            raise _Undecided("the bytes allowed are used up")
        return Order(kind, packets, self._size, bps)

    def _took(self, answer: Answer) -> None:
        self._left -= answer.sent_bytes

    def _most(self) -> int:
        return min(MOST_PACKETS, self._left // self._size)

    def _affords(self, seconds: float, bps: float) -> bool:
        return seconds * bps / 8 / self._size <= self._most()

    def _exact(self, bps: float, why: str) -> Verdict:
        return Verdict("exact", bps, why, self._fastest())

    def _floor(self, end: _Undecided) -> Verdict:
        """Return what is certain all the same: what came beyond any credit, once the link set the pace.

        A train that the link did not slow may be all credit, however long it was (a policer's bucket).
        """
        slowed = [a for a in self._paced if a.slowed or a.policed]
        sure = (min(a.rate_bps, sustained_bps(a.received_bytes, a.span_s)) for a in slowed)
        least = max(sure, default=0.0)
        worth = least > 0.1 * self._fastest() and not end.died
        decided: Decided = "at_least" if worth else "undecided"
        return Verdict(decided, least if worth else 0.0, end.why, self._fastest(), died=end.died)

    def _fastest(self) -> float:
        return max((a.rate_bps for a in self._paced), default=0.0)


def sustained_bps(received: int, seconds: float) -> float:
    """Return the rate that is certain of so many bytes in that time: all beyond `CREDIT`, in bit/s."""
    return max(0.0, (received - CREDIT) * 8 / seconds) if seconds > 0 else 0.0


def _exceeds_credit(answer: Answer, reference: float) -> bool:
    """Return whether more came than a link of the reference rate could have, with all its credit."""
    return answer.received_bytes - reference / 8 * answer.span_s >= CREDIT
