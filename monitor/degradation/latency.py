"""Degradation of one latency series: a rule for jumps, a rule for slow rises, one setting for every path.

While healthy a sample is held against two baselines. The *jump rule* counts samples beyond the median of
the last blocks by more than a threshold; the *level rule* sums up excess over what is normal at this hour.
In alarm both baselines stand still until it is calm again, or until the new level has lasted for a day. A
sample that is missing changes nothing; silence has its own alarm.
"""

from __future__ import annotations

import math
import struct
from array import array
from typing import Self

from monitor.degradation.baseline import GLOBAL, Blocks, Hours, median
from monitor.degradation.explanation import MATTERS_SAMPLES, Adoption, Adopts, Explanation, Rule, always
from monitor.degradation.packing import UNREADABLE, pack_arrays, seal, unpack_arrays, unseal_any
from monitor.degradation.rules import CEILING, LAST_EPOCH, LatencyRules, Sensitivity, scale_of

RULES = LatencyRules()
SCORE_CLIP = 6.0
"""A single sample adds no more than this to the level rule's sum."""
_KIND, _VERSION = b"ML", 2
_STATE = struct.Struct("<10d2d4d2qQIBBB")
_GROWN = (80, 16)
"""What version 1 lacked: the adoption."""
_ARRAYS = "ffffff" + "ffHB"
_RULES = (Rule.JUMP, Rule.LEVEL, Rule.AGAIN)


class Detector:
    """One latency series, in ms. `update` is true while in alarm; a second rise within one gives one false.

    `sensitivity` multiplies the thresholds (a number is the factor itself); `utc_offset_s` is the zone's,
    so that hours and weekends are those of the people at the other end. Both are settings, not state, as is
    `adopts`: what it says of each block decides whether a level may stop being an alarm by lasting.
    """

    __slots__ = (
        "_adopted_at", "_again", "_alarm_blocks", "_blocks", "_calm", "_count", "_held_from", "_high",
        "_hours", "_latest", "_limit", "_low", "_onset_score", "_recent", "_rule", "_rules", "_samples",
        "_since", "_threshold", "_warm", "_was", "adopts", "alarm",
    )  # fmt: skip

    def __init__(
        self,
        sensitivity: Sensitivity | float = Sensitivity.NORMAL,
        utc_offset_s: int = 0,
        rules: LatencyRules = RULES,
    ) -> None:
        scale = scale_of(sensitivity)
        self._rules = rules if scale == 1 else rules.scaled(scale)
        self._hours = Hours(utc_offset_s)
        self._blocks = Blocks(rules.reference_blocks, rules.restless_quantile)
        self._recent, self._alarm_blocks = array("f"), array("f")
        self._latest = self._limit = math.inf
        self._high = self._low = self._count = self._again = 0.0
        self._threshold = self._onset_score = 0.0
        self._since = self._held_from = 0.0
        self._samples = self._calm = 0
        self._rule = Rule.JUMP
        self._adopted_at = self._was = 0.0
        self._warm = self.alarm = False
        self.adopts: Adopts = always

    def update(self, value: float | None, epoch_seconds: float) -> bool:
        """Take in a sample; return whether the series is in alarm.

        None, a negative value, NaN or infinity, and a time that is none, count as nothing measured.
        """
        if value is None or not 0.0 <= value <= CEILING or not 0.0 <= epoch_seconds <= LAST_EPOCH:
            return self.alarm
        blocks, hours, rules = self._blocks, self._hours, self._rules
        if not 0.0 <= epoch_seconds - blocks.start < rules.block_s:
            self._next_block(epoch_seconds)
        blocks.add(value)
        self._latest = value
        self._recent.append(value)
        if len(self._recent) > MATTERS_SAMPLES:
            del self._recent[0]
        hour = int(epoch_seconds + hours.offset) // 3600
        if hour != hours.hour:
            hours.turn(hour)
        score = self._score(value)
        if self.alarm:
            return self._in_alarm(value, epoch_seconds, score)
        if score < rules.level_drift:
            hours.learn(value)
        return self._healthy(value, epoch_seconds, score)

    def _scale(self) -> float:
        hours, rules = self._hours, self._rules
        index = hours.used
        spread = 1.4826 * hours.spread[index]
        floor = rules.level_floor * hours.middle[index]
        scale = max(floor, spread)
        return max(rules.level_floor_ms, scale)

    def _score(self, value: float) -> float:
        if not self._samples:
            return 0.0
        score = (value - self._hours.middle[self._hours.used]) / self._scale()
        return SCORE_CLIP if score > SCORE_CLIP else max(score, -SCORE_CLIP)

    def _healthy(self, value: float, epoch: float, score: float) -> bool:
        rules = self._rules
        self._samples += 1
        if not self._warm:
            self._warm = self._samples >= rules.warm_samples and self._blocks.count >= rules.warm_blocks
            return False
        high = self._high + score - rules.level_drift
        low = self._low - score - rules.level_drift
        self._high = high if high > 0 else 0.0
        self._low = low if low > 0 else 0.0
        self._count = self._counted(self._count, value > self._limit)
        if self._low >= rules.better_limit:
            self._move_hours(self._blocks.reference)
        if self._count >= rules.jump_limit:
            return self._raise(Rule.JUMP, epoch, self._count)
        if self._high >= rules.level_limit:
            return self._raise(Rule.LEVEL, epoch, self._high)
        return False

    def _counted(self, count: float, beyond: bool) -> float:
        if beyond:
            return count + 1.0
        return count - self._rules.jump_forgives if count > self._rules.jump_forgives else 0.0

    def _raise(self, rule: Rule, epoch: float, score: float) -> bool:
        self._rule, self._since, self._held_from, self._onset_score = rule, epoch, epoch, score
        self._calm, self._again, self.alarm = 0, 0.0, True
        self._adopted_at = 0.0
        self._alarm_blocks = array("f")
        self._blocks.begin(epoch)
        return rule is not Rule.AGAIN

    def _in_alarm(self, value: float, epoch: float, score: float) -> bool:
        rules = self._rules
        calm = value < self._blocks.base + rules.calm_share * self._threshold and score < rules.calm_score
        self._calm = self._calm + 1 if calm else 0
        if self._calm >= rules.calm_samples:
            self._end(epoch)
            return False
        if len(self._alarm_blocks) < rules.again_lag:
            return True
        level = max(median(self._alarm_blocks), self._alarm_blocks[-rules.again_lag])
        second = value > level + max(self._threshold, rules.again_share * (level - self._blocks.base))
        self._again = self._counted(self._again, second)
        return not (self._again >= rules.jump_limit) or self._raise(Rule.AGAIN, epoch, self._again)

    def _end(self, epoch: float) -> None:
        self.alarm = False
        self._high = self._low = self._count = 0.0
        self._blocks.begin(epoch)

    def _next_block(self, epoch: float) -> None:
        level = self._blocks.begin(epoch)
        if level is None:
            return
        if not self.alarm:
            self._blocks.accept(level, epoch)
            self._set_threshold()
            return
        self._blocks.move(level, self._alarm_blocks)
        self._alarm_blocks.append(level)
        del self._alarm_blocks[: -self._rules.reference_blocks]
        adopts = self.adopts(max(level, median(self._alarm_blocks)))
        if epoch < self._held_from or adopts is False:
            self._held_from = epoch
        elif adopts and epoch - self._held_from >= self._rules.adopt_s:
            self._adopt(epoch)

    def _adopt(self, epoch: float) -> None:
        if len(self._alarm_blocks) == self._rules.reference_blocks:
            self._was, self._adopted_at = self._usual(), epoch
            self._blocks.adopt(self._alarm_blocks)
            self._move_hours(self._alarm_blocks)
            self._set_threshold()
            self._end(epoch)

    def _move_hours(self, levels: array[float]) -> None:
        self._hours.shift_to(median(levels[-3:]))
        self._high = self._low = 0.0

    def _set_threshold(self) -> None:
        rules, base = self._rules, self._blocks.base
        self._threshold = max(rules.relative * base, rules.absolute, rules.restless * self._blocks.restless)
        self._limit = base + self._threshold

    def _usual(self) -> float:
        """Return what is normal now, by the rule that raised the alarm."""
        by_hour = self.alarm and self._rule is Rule.LEVEL
        return self._hours.middle[self._hours.used] if by_hour else self._blocks.base

    @property
    def adopted(self) -> Adoption | None:
        """The worse level that became the usual one, as long as the series has not come back from it."""
        now = self._blocks.base
        if self.alarm or not self._adopted_at or not self._recent or now <= self._was:
            return None
        if median(self._recent) < (now + self._was) / 2:
            return None
        return Adoption(self._since, self._adopted_at, self._was, now)

    def explain(self) -> Explanation:
        """Return what the last answer rests on."""
        level = self._rule is Rule.LEVEL and self.alarm
        known = self._blocks.count > 0
        base = self._usual()
        threshold = self._rules.level_drift * self._scale() if level else self._threshold
        return Explanation(
            alarm=self.alarm,
            rule=self._rule if self.alarm else Rule.JUMP,
            since=self._since if self.alarm else None,
            value=self._latest if self._samples else None,
            baseline=base if known else None,
            threshold=threshold if known else None,
            score=self._onset_score if self.alarm else self._count,
            limit=self._rules.level_limit if level else self._rules.jump_limit,
            recent=tuple(self._recent),
            hour_median=self._hours.middle[self._hours.used] if self._samples else None,
            hour_spread=self._hours.spread[self._hours.used] if self._samples else None,
            restlessness=self._blocks.restless if known else None,
        )

    def to_bytes(self) -> bytes:
        """Return the state, about 1.5 kB, from which `from_bytes` goes on exactly."""
        blocks, hours = self._blocks, self._hours
        scalars = _STATE.pack(
            self._latest, self._limit, self._high, self._low, self._count, self._again, self._threshold,
            self._onset_score, self._since, self._held_from, self._adopted_at, self._was,
            blocks.start, blocks.day_start, blocks.base, blocks.restless, hours.hour, hours.learned,
            self._samples, blocks.count, self._calm, _RULES.index(self._rule),
            self._warm + 2 * self.alarm + 4 * hours.own(),
        )  # fmt: skip
        arrays = (
            self._recent, self._alarm_blocks, blocks.values, blocks.reference, blocks.moves, blocks.days,
            hours.middle, hours.spread, hours.samples, hours.visits,
        )  # fmt: skip
        return seal(_KIND, _VERSION, scalars + pack_arrays(arrays))

    @classmethod
    def from_bytes(
        cls, data: bytes, sensitivity: Sensitivity | float = Sensitivity.NORMAL, utc_offset_s: int = 0
    ) -> Self:
        """Return the detector of that state; a fresh one where the data is damaged or of another version."""
        detector = cls(sensitivity, utc_offset_s)
        content = unseal_any(_KIND, _VERSION, data, _GROWN)
        try:
            if content is not None:
                detector._restore(content)
        except UNREADABLE:
            return cls(sensitivity, utc_offset_s)
        return detector

    def _restore(self, content: bytes) -> None:
        blocks, hours = self._blocks, self._hours
        arrays = unpack_arrays(_ARRAYS, content, _STATE.size)
        if any(len(pairs) != GLOBAL + 1 for pairs in arrays[6:]):
            raise ValueError("not the hours of a week")
        (
            self._latest, self._limit, self._high, self._low, self._count, self._again, self._threshold,
            self._onset_score, self._since, self._held_from, self._adopted_at, self._was,
            blocks.start, blocks.day_start, blocks.base, blocks.restless, hour, learned,
            self._samples, blocks.count, self._calm, rule, flags,
        ) = _STATE.unpack_from(content)  # fmt: skip
        (
            self._recent, self._alarm_blocks, blocks.values, blocks.reference, blocks.moves, blocks.days,
            hours.middle, hours.spread, hours.samples, hours.visits,
        ) = arrays  # fmt: skip
        self._rule, self._warm, self.alarm = _RULES[rule], bool(flags & 1), bool(flags & 2)
        hours.resume(hour, learned, own=bool(flags & 4))
