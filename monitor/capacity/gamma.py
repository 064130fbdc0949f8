"""Gamma distributions by mean and 95th percentile: the spread of sizes and of server times.

The ratio of the two depends on the shape alone. Its table was made with the inverse of the regularised
incomplete gamma function and is checked against scipy by a test.
"""

from __future__ import annotations

import numpy as np

SIZE_SHAPE, SERVER_SHAPE = 2.0, 4.0
LARGEST_RATIO = 5.0

_SHAPES = np.array([
    0.2, 0.22, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0,
    15.0, 20.0, 30.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 10000.0,
])  # fmt: skip
_RATIOS = np.array([
    5.152629, 5.022070, 4.840465, 4.574500, 4.348452, 4.154905, 3.841459, 3.598353, 3.243930, 2.995732,
    2.771230, 2.604909, 2.371932, 2.214100, 2.098598, 1.938414, 1.830704, 1.752172, 1.643514, 1.570522,
    1.459099, 1.393962, 1.318032, 1.243421, 1.169971, 1.119081, 1.074679, 1.052577, 1.016505,
])  # fmt: skip


def ratio(shape: float) -> float:
    """Return the 95th percentile divided by the mean."""
    return float(np.exp(np.interp(np.log(shape), np.log(_SHAPES), np.log(_RATIOS))))


def shape(mean: float, high: float) -> float:
    """Return the shape of the distribution with this mean and 95th percentile, 10,000 at most.

    The percentile must lie between the mean and `LARGEST_RATIO` times the mean.
    """
    wanted = np.log(high / mean)
    return float(np.exp(np.interp(wanted, np.log(_RATIOS[::-1]), np.log(_SHAPES[::-1]))))
