"""A mergeable quantile sketch for display: logarithmic buckets (after DDSketch, Masson et al., VLDB 2019).

A value falls into the bucket `key(value)`; a quantile is the middle of the bucket that holds its rank, so it
is within 2.5 % of a value of that rank. Keys fit int16 for every double. Merging adds counts, so it is exact,
commutative and associative. Never for judgement: bounds need the raw samples.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ACCURACY = 0.025
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG = math.log(_GAMMA)
_TO_MIDDLE = math.log(2 / (_GAMMA + 1))
_LEAST = 5e-324
_ZERO_AT = math.ceil(math.log(_LEAST) / _LOG) - 2
"""The exponent just below that of the least double: the key of a positive value is its distance from it."""
_GREATEST = np.finfo(np.float64).max
_GREATEST_LOG = 709.78


def keys(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the buckets of values that are not NaN; infinities count as the greatest double."""
    size = np.minimum(np.abs(values), _GREATEST)
    exponent = np.ceil(np.log(np.maximum(size, _LEAST)) / _LOG).astype(np.int64) - _ZERO_AT
    return np.where(size == 0, 0, np.sign(values).astype(np.int64) * exponent)


def middle(key: int) -> float:
    """Return the value that stands for a bucket."""
    if key == 0:
        return 0.0
    exponent = (abs(key) + _ZERO_AT) * _LOG + _TO_MIDDLE
    return math.copysign(math.exp(min(exponent, _GREATEST_LOG)), key)


def quantile(buckets: NDArray[np.int64], counts: NDArray[np.int64], share: float) -> float:
    """Return the value of rank ceil(share * n), NaN of nothing; `buckets` ascend."""
    if not len(counts):
        return math.nan
    totals = np.cumsum(counts)
    rank = max(1, math.ceil(share * int(totals[-1])))
    return middle(int(buckets[np.searchsorted(totals, rank)]))


def merge(
    buckets: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ascending buckets with the counts of equal ones added, of several sketches end to end."""
    found, place = np.unique(buckets, return_inverse=True)
    total = np.zeros(len(found), np.int64)
    np.add.at(total, place, counts)
    return found, total
