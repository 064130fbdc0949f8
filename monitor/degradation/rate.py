"""Degradation of a required rate: a one-sided CUSUM against the requirement, or three in a row below."""

from __future__ import annotations

import math
import struct
from array import array
from typing import Self

from monitor.degradation.explanation import MATTERS_SAMPLES, Explanation, Rule
from monitor.degradation.packing import UNREADABLE, pack_arrays, seal, unpack_arrays, unseal
from monitor.degradation.rules import LAST_EPOCH, Sensitivity, scale_of

SIGMA = 0.03
"""What measurements of one rate differ by, as a share of the required one."""
ALLOWANCE = 1.0
LIMIT = 8.0
SCORE_CLIP = 6.0
"""So that a single measurement, however bad, makes no alarm."""
IN_A_ROW = 3
_KIND, _VERSION = b"MR", 1
_STATE = struct.Struct("<4dBBB")


class RateDetector:
    """One rate series against the rate that is required, in any one unit (bit/s, transactions per hour).

    The alarm ends with the third value in a row that is at least the required one.
    """

    __slots__ = (
        "_above",
        "_below",
        "_limit",
        "_onset_score",
        "_recent",
        "_required",
        "_score",
        "_since",
        "alarm",
    )

    def __init__(self, required: float, sensitivity: Sensitivity | float = Sensitivity.NORMAL) -> None:
        if not 0 < required < math.inf:
            raise ValueError(f"a required rate is a finite number over 0, not {required}")
        self._required, self._limit = required, LIMIT * scale_of(sensitivity)
        self._recent = array("d")
        self._score = self._onset_score = self._since = 0.0
        self._below = self._above = 0
        self.alarm = False

    def update(self, value: float | None, epoch_seconds: float) -> bool:
        """Take in a measured rate; return whether the series is in alarm.

        None, a negative value, NaN or infinity, and a time that is none, count as nothing measured.
        """
        if value is None or not 0.0 <= value < math.inf or not 0.0 <= epoch_seconds <= LAST_EPOCH:
            return self.alarm
        self._recent.append(value)
        del self._recent[:-MATTERS_SAMPLES]
        enough = value >= self._required
        self._above = min(self._above + 1, IN_A_ROW) if enough else 0
        self._below = 0 if enough else min(self._below + 1, IN_A_ROW)
        if self.alarm:
            self.alarm = self._above < IN_A_ROW
            return self.alarm
        missing = (self._required - value) / (SIGMA * self._required)
        self._score = max(0.0, self._score + min(missing, SCORE_CLIP) - ALLOWANCE)
        if self._score >= self._limit or self._below >= IN_A_ROW:
            self._raise(epoch_seconds)
        return self.alarm

    def _raise(self, epoch: float) -> None:
        self.alarm, self._since, self._onset_score = True, epoch, self._score
        self._score = 0.0
        self._above = 0

    def explain(self) -> Explanation:
        """Return what the last answer rests on; the baseline is the required rate."""
        return Explanation(
            alarm=self.alarm,
            rule=Rule.RATE,
            since=self._since if self.alarm else None,
            value=self._recent[-1] if self._recent else None,
            baseline=self._required,
            threshold=ALLOWANCE * SIGMA * self._required,
            score=self._onset_score if self.alarm else self._score,
            limit=self._limit,
            recent=tuple(self._recent),
            higher_is_better=True,
        )

    def to_bytes(self) -> bytes:
        """Return the state, from which `from_bytes` goes on exactly."""
        scalars = _STATE.pack(
            self._required, self._score, self._onset_score, self._since, self._below, self._above, self.alarm
        )
        return seal(_KIND, _VERSION, scalars + pack_arrays([self._recent]))

    @classmethod
    def from_bytes(
        cls, data: bytes, required: float, sensitivity: Sensitivity | float = Sensitivity.NORMAL
    ) -> Self:
        """Return the detector of that state; a fresh one where it is damaged, or of another required rate."""
        detector = cls(required, sensitivity)
        content = unseal(_KIND, _VERSION, data)
        try:
            if content is not None:
                detector._restore(content)
        except UNREADABLE:
            return cls(required, sensitivity)
        return detector

    def _restore(self, content: bytes) -> None:
        required, *numbers = _STATE.unpack_from(content)
        if required != self._required:
            return
        (self._recent,) = unpack_arrays("d", content, _STATE.size)
        self._score, self._onset_score, self._since, self._below, self._above, alarm = numbers
        self.alarm = bool(alarm)
