"""Degradation of a loss series: is a path that lost little now losing much?

A cumulative sum of log-likelihood ratios (Page's CUSUM) of Bernoulli trials: each packet speaks for the
path's usual loss p0 or for the loss p1 that would be worth an alarm.
"""

from __future__ import annotations

import math
import struct
from array import array
from typing import Self

from monitor.degradation.explanation import MATTERS_SAMPLES, Adoption, Adopts, Explanation, Rule, always
from monitor.degradation.packing import UNREADABLE, pack_arrays, seal, unpack_arrays, unseal_any
from monitor.degradation.rules import LAST_EPOCH, Sensitivity, scale_of

LEAST_USUAL = 0.002
LEAST_BAD = 0.05
TIMES_USUAL = 6.0
MOST_USUAL, MOST_BAD = 0.5, 0.95
"""Beyond these a path has no usual loss to speak of; its requirement judges it."""
CLIP_A_MINUTE = 4.5
"""Nor may one sample say more than this, so that no single reading makes an alarm."""
LIMIT = 9.0
MEMORY_S = 86400.0
LONGEST_STEP_S = 600.0
POOLED_S = 55.0
"""A minute, less what a schedule may be early."""
LEANS = 3.0
WARM_SAMPLES = 30
ADOPT_S = 86400.0
MOST_SENT = 1_000_000
_KIND, _VERSION = b"MS", 3
_STATE = struct.Struct("<9d2dIB")
_GROWN = (72, 16)
"""What version 2 lacked: the adoption."""


class LossDetector:
    """One loss series, as shares from 0 to 1; `packets` were sent for a sample, where `update` is not told.

    Samples that come more often are pooled to one a minute: what a packet says counts the same at any
    interval. The alarm ends when the sum, which rises no further than 1.5 times its limit, is back at
    nothing; after a day the loss seen in it becomes the usual one, where `adopts` has let it all the while.
    """

    __slots__ = (
        "_adopted_at", "_during", "_held", "_last", "_limit", "_lost", "_onset_score", "_packets", "_recent",
        "_samples", "_score", "_sent", "_since", "_usual", "_was", "adopts", "alarm",
    )  # fmt: skip

    def __init__(self, packets: int = 1, sensitivity: Sensitivity | float = Sensitivity.NORMAL) -> None:
        if packets < 1:
            raise ValueError(f"a sample has at least one packet, not {packets}")
        self._packets, self._limit = packets, LIMIT * scale_of(sensitivity)
        self._recent = array("f")
        self._usual = self._during = self._score = self._onset_score = self._since = self._held = 0.0
        self._last, self._lost, self._sent = -math.inf, 0.0, 0.0
        self._adopted_at = self._was = 0.0
        self._samples = 0
        self.alarm = False
        self.adopts: Adopts = always

    def update(self, value: float | None, epoch_seconds: float, sent: int | None = None) -> bool:
        """Take in the share of packets lost, of so many sent; return whether the series is in alarm.

        None, what is no share, nothing sent, and a time that is none, count as nothing measured.
        """
        packets = self._packets if sent is None else sent
        if value is None or not 0.0 <= value <= 1.0 or not 0.0 <= epoch_seconds <= LAST_EPOCH or packets < 1:
            return self.alarm
        self._lost, self._sent = self._lost + value * packets, self._sent + packets
        past = epoch_seconds - self._last
        if 0 <= past < POOLED_S:
            return self.alarm
        step = min(past, LONGEST_STEP_S) if past >= 0 else 0.0
        value, packets = self._lost / self._sent, int(self._sent)
        self._last, self._lost, self._sent = epoch_seconds, 0.0, 0.0
        self._recent.append(value)
        del self._recent[:-MATTERS_SAMPLES]
        gain = self._gain(value, min(packets, MOST_SENT), step)
        if self.alarm:
            return self._in_alarm(value, gain, step, epoch_seconds)
        return self._healthy(value, gain, step, epoch_seconds)

    def _rates(self) -> tuple[float, float]:
        usual = min(max(self._usual, LEAST_USUAL), MOST_USUAL)
        return usual, min(max(LEAST_BAD, TIMES_USUAL * usual), MOST_BAD)

    def _gain(self, share: float, packets: int, step: float) -> float:
        usual, bad = self._rates()
        lost = share * packets
        gain = lost * math.log(bad / usual) + (packets - lost) * math.log((1 - bad) / (1 - usual))
        clip = CLIP_A_MINUTE * min(1.0, step / 60.0)
        return max(-clip, min(clip, gain))

    def _healthy(self, share: float, gain: float, step: float, epoch: float) -> bool:
        self._samples += 1
        if self._samples > WARM_SAMPLES:
            self._score = max(0.0, self._score + gain)
        self._usual += (share - self._usual) * max(1 / self._samples, step / MEMORY_S)
        self._lately(share, step)
        if self._score >= self._limit:
            self.alarm, self._since, self._onset_score = True, epoch, self._score
            self._during, self._adopted_at = share, 0.0
        return self.alarm

    def _lately(self, share: float, step: float) -> None:
        """Keep the mean of the last hour."""
        self._during += (share - self._during) * min(1.0, step / 3600.0)

    def _in_alarm(self, share: float, gain: float, step: float, epoch: float) -> bool:
        self._score = min(max(0.0, self._score + gain), 1.5 * self._limit)
        self._lately(share, step)
        adopts = self.adopts(self._during)
        self._held = 0.0 if adopts is False else self._held + step
        adopted = adopts is True and self._held >= ADOPT_S
        if adopted:
            self._was, self._adopted_at, self._usual = self._rates()[0], epoch, self._during
        if self._score == 0.0 or adopted:
            self.alarm, self._score, self._held = False, 0.0, 0.0
        return self.alarm

    @property
    def leaning(self) -> bool:
        """Whether it may be about to alarm: the sum a third of the way, or more lost lately than is usual."""
        if self.alarm or self._samples <= WARM_SAMPLES:
            return False
        lately = sum(self._recent) / len(self._recent) if self._recent else 0.0
        return self._score > self._limit / LEANS or lately > self._rates()[0]

    @property
    def adopted(self) -> Adoption | None:
        """The worse loss that became the usual one, as long as the path has not come back from it."""
        if self.alarm or not self._adopted_at or self._usual <= self._was:
            return None
        if self._during < (self._usual + self._was) / 2:
            return None
        return Adoption(self._since, self._adopted_at, self._was, self._usual)

    def explain(self) -> Explanation:
        """Return what the last answer rests on; `threshold` takes the baseline to the bad loss."""
        usual, bad = self._rates()
        return Explanation(
            alarm=self.alarm,
            rule=Rule.LOSS,
            since=self._since if self.alarm else None,
            value=self._recent[-1] if self._recent else None,
            baseline=usual if self._samples else None,
            threshold=bad - usual if self._samples else None,
            score=self._onset_score if self.alarm else self._score,
            limit=self._limit,
            recent=tuple(self._recent),
        )

    def to_bytes(self) -> bytes:
        """Return the state, from which `from_bytes` goes on exactly."""
        scalars = _STATE.pack(
            self._usual, self._during, self._score, self._onset_score, self._since, self._held,
            self._last, self._lost, self._sent, self._adopted_at, self._was,
            min(self._samples, 0xFFFFFFFF), self.alarm,
        )  # fmt: skip
        return seal(_KIND, _VERSION, scalars + pack_arrays([self._recent]))

    @classmethod
    def from_bytes(
        cls, data: bytes, packets: int = 1, sensitivity: Sensitivity | float = Sensitivity.NORMAL
    ) -> Self:
        """Return the detector of that state; a fresh one where the data is damaged or of another version."""
        detector = cls(packets, sensitivity)
        content = unseal_any(_KIND, _VERSION, data, _GROWN)
        try:
            if content is not None:
                detector._restore(content)
        except UNREADABLE:
            return cls(packets, sensitivity)
        return detector

    def _restore(self, content: bytes) -> None:
        (self._recent,) = unpack_arrays("f", content, _STATE.size)
        (
            self._usual, self._during, self._score, self._onset_score, self._since, self._held, self._last,
            self._lost, self._sent, self._adopted_at, self._was, self._samples, alarm,
        ) = _STATE.unpack_from(content)  # fmt: skip
        self.alarm = bool(alarm)
